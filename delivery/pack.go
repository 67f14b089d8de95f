package delivery

import (
	"archive/zip"
	"encoding/binary"
	"io"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// packer is a compression as Firehose labels it.
type packer struct {
	extension string
	encoding  string // Content-Encoding
	open      func(w io.Writer, key string, instant time.Time) (io.WriteCloser, error)
}

var packers = map[Compression]packer{
	Gzip:         {".gz", "gzip", openGzip},
	Zip:          {".zip", "zip", openZip},
	Snappy:       {".snappy", "snappy", openSnappy},
	HadoopSnappy: {".snappy", "hadoop-snappy", openHadoopSnappy},
	Zstd:         {".zst", "zstd", openZstd},
}

func openGzip(w io.Writer, _ string, _ time.Time) (io.WriteCloser, error) {
	return gzip.NewWriter(w), nil
}

// openZstd uses one goroutine, so that the same records give the same bytes.
func openZstd(w io.Writer, _ string, _ time.Time) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
}

// zipWriter writes an archive with one entry, named as the object without its extension.
type zipWriter struct {
	io.Writer
	archive *zip.Writer
}

func openZip(w io.Writer, key string, instant time.Time) (io.WriteCloser, error) {
	archive := zip.NewWriter(w)
	entry, err := archive.CreateHeader(&zip.FileHeader{Name: strings.TrimSuffix(path.Base(key), ".zip"), Method: zip.Deflate, Modified: instant})
	return zipWriter{entry, archive}, err
}

func (z zipWriter) Close() error { return z.archive.Close() }

// blockWriter cuts what is written into blocks and writes each by frame.
type blockWriter struct {
	w      io.Writer
	header []byte // written before the first block, and alone if there is none
	block  []byte
	size   int
	packed []byte
	frame  func(dst, block []byte) []byte
}

func (b *blockWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		take := min(len(p), b.size-len(b.block))
		b.block = append(b.block, p[:take]...)
		p = p[take:]
		if len(b.block) == b.size {
			if err := b.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (b *blockWriter) flush() error {
	b.packed = append(b.packed[:0], b.header...)
	b.header = nil
	if len(b.block) > 0 {
		b.packed = b.frame(b.packed, b.block)
		b.block = b.block[:0]
	}
	_, err := b.w.Write(b.packed)
	return err
}

func (b *blockWriter) Close() error { return b.flush() }

// openSnappy writes snappy-java's stream: a header of magic, version and lowest compatible version, then blocks of 32 KiB,
// each the length of the compressed block (big-endian, 4 bytes) and the block.
func openSnappy(w io.Writer, _ string, _ time.Time) (io.WriteCloser, error) {
	header := []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")
	return &blockWriter{w: w, header: header, size: 32 << 10, frame: func(dst, block []byte) []byte {
		packed := snappy.Encode(nil, block)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(packed)))
		return append(dst, packed...)
	}}, nil
}

// openHadoopSnappy writes Hadoop's block codec: the length of a block before compression, the length after it (both
// big-endian, 4 bytes), and the block.
func openHadoopSnappy(w io.Writer, _ string, _ time.Time) (io.WriteCloser, error) {
	return &blockWriter{w: w, size: 256 << 10, frame: func(dst, block []byte) []byte {
		packed := snappy.Encode(nil, block)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(block)))
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(packed)))
		return append(dst, packed...)
	}}, nil
}
