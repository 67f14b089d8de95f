package crawler

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-data/weir/objstore"
)

// Bounds of what is read of one object to learn its schema. A Parquet footer is read whole.
const (
	sampleBytes   = 1 << 20  // of the object as stored
	sampleMemory  = 4 << 20  // after decompression
	decoderMemory = 64 << 20 // of a zstd window
)

// sample is the beginning of an object, decompressed.
type sample struct {
	data        []byte
	stored      int64  // bytes of the object that data stands for
	compression string // none, gzip, zstd, snappy, bzip2
	whole       bool   // data is all of the object
}

// readSample reads the beginning of an object.
func readSample(ctx context.Context, s objstore.Store, bucket string, o objstore.Info) (sample, error) {
	r, _, err := s.Get(ctx, bucket, o.Key, &objstore.Range{Offset: 0, Length: min(sampleBytes, o.Size)})
	if err != nil {
		return sample{}, fmt.Errorf("sample s3://%s/%s: %w", bucket, o.Key, err)
	}
	defer r.Close()
	head, err := io.ReadAll(io.LimitReader(r, sampleBytes))
	if err != nil {
		return sample{}, fmt.Errorf("sample s3://%s/%s: %w", bucket, o.Key, err)
	}
	return decompress(head, int64(len(head)) == o.Size), nil
}

// decompress undoes the compression of an object's first bytes, told by its magic number. What cannot be decompressed
// ends where it breaks.
func decompress(head []byte, whole bool) sample {
	s := sample{data: head, stored: int64(len(head)), compression: "none", whole: whole}
	in := bytes.NewReader(head)
	r, name, err := decompressor(head, bufio.NewReader(in))
	if name == "" {
		return s
	}
	s.compression, s.data, s.whole = name, nil, false
	if err != nil {
		return s
	}
	data, err := io.ReadAll(io.LimitReader(r, sampleMemory))
	s.data = data
	s.whole = whole && err == nil && len(data) < sampleMemory
	if len(data) == sampleMemory {
		s.stored -= int64(in.Len()) // not all of what was read was needed
	}
	if c, ok := r.(*zstd.Decoder); ok {
		c.Close()
	}
	return s
}

// decompressor returns a reader of what head decompresses to; name is empty if it is not compressed.
func decompressor(head []byte, r io.Reader) (out io.Reader, name string, err error) {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		out, err = gzip.NewReader(r)
		name = "gzip"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		out, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(decoderMemory))
		name = "zstd"
	case bytes.HasPrefix(head, []byte("\xff\x06\x00\x00sNaPpY")):
		out, name = snappy.NewReader(r), "snappy"
	case bytes.HasPrefix(head, []byte("BZh")):
		out, name = bzip2.NewReader(r), "bzip2"
	}
	return out, name, err
}

// object reads ranges of an object, for the Parquet footer.
type object struct {
	ctx    context.Context
	store  objstore.Store
	bucket string
	key    string
}

func (o *object) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r, _, err := o.store.Get(o.ctx, o.bucket, o.key, &objstore.Range{Offset: off, Length: int64(len(p))})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := io.ReadFull(r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}
