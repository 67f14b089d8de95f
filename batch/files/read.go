package files

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/objstore"
)

const (
	recordMax   = 64 << 20 // bytes of a line or a whole file
	chunkMax    = 1000     // records that are handed on at a time
	chunkBytes  = 4 << 20
	readerBytes = 1 << 20
)

// byteOrderMark stands before the first line of files that some programs write.
var byteOrderMark = []byte("\uFEFF")

// Read implements batch.Source.
func (s *Source) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	for _, name := range slices.Sorted(maps.Keys(end)) {
		if name == youngest || end[name] == start[name] {
			continue
		}
		from := taken{}
		to, err := parseTaken(end[name])
		if err == nil && start[name] != "" {
			from, err = parseTaken(start[name])
		}
		if err == nil {
			err = s.readFile(ctx, name, from.bytes, to, f)
		}
		if err != nil {
			return fmt.Errorf("read %s in %s: %w", name, s.place, err)
		}
	}
	return nil
}

// readFile hands on the records that begin in the bytes from up to to of a file.
func (s *Source) readFile(ctx context.Context, name string, from int64, to taken, f func([]batch.Record) error) error {
	open := decompressor(path.Ext(name))
	back := int64(0)
	if from > 0 {
		back = 1 // the byte before: whether a line begins at from
	}
	raw, err := s.place.open(ctx, name, from-back)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, objstore.ErrNoSuchKey) {
		return errors.New("it was planned to be read, and is gone: bring it back, or give the pipeline another name to begin anew")
	}
	if err != nil {
		return err
	}
	defer raw.Close()
	r := &lines{name: name, arrival: to.mod, f: f, pos: from - back, end: to.bytes, headed: s.opts.Header}
	limited := io.LimitReader(raw, to.size-r.pos) // what came later does not belong to it
	if open != nil {
		d, err := open(limited)
		if err != nil {
			return err
		}
		defer d.Close()
		limited, r.end = d, 1<<62
	}
	if s.opts.Whole {
		return r.whole(limited)
	}
	if s.opts.Header && from > 0 {
		if r.header, err = s.header(ctx, name); err != nil {
			return err
		}
	}
	return r.all(ctx, bufio.NewReaderSize(limited, readerBytes), from > 0)
}

// header is the first line of a file that is not compressed.
func (s *Source) header(ctx context.Context, name string) ([]byte, error) {
	raw, err := s.place.open(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	return readLine(bufio.NewReader(raw))
}

// decompressor opens a file of the extension, nil if it is plain.
func decompressor(ext string) func(io.Reader) (io.ReadCloser, error) {
	switch ext {
	case ".gz":
		return func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }
	case ".zst", ".zstd":
		return func(r io.Reader) (io.ReadCloser, error) {
			d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
			if err != nil {
				return nil, err
			}
			return d.IOReadCloser(), nil
		}
	}
	return nil
}

// lines makes records of a file. pos is that of the next byte, end where no record begins any more.
type lines struct {
	name     string
	arrival  time.Time
	f        func([]batch.Record) error
	pos, end int64
	headed   bool
	header   []byte // with its end; stands before each record

	chunk []batch.Record
	size  int
}

// all reads lines; inside says that the first byte belongs to the line before.
func (l *lines) all(ctx context.Context, r *bufio.Reader, inside bool) error {
	if inside { // the rest of a line that began before
		n, err := l.discard(r)
		if l.pos += n; err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	} else if l.headed {
		header, err := readLine(r)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		l.header = header
		l.pos += int64(len(header))
	}
	for l.pos < l.end {
		line, err := readLine(r)
		if err != nil && err != io.EOF {
			return err
		}
		at := l.pos
		l.pos += int64(len(line))
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if at == 0 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if len(line) > 0 {
			if l.header != nil {
				line = append(slices.Clip(l.header), line...)
			}
			if err := l.add(at, line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return l.flush()
}

// whole reads the file as one record.
func (l *lines) whole(r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, recordMax+1))
	if err != nil {
		return err
	}
	if len(data) > recordMax {
		return fmt.Errorf("has more than %d bytes", recordMax)
	}
	if err := l.add(0, data); err != nil {
		return err
	}
	return l.flush()
}

// discard skips the rest of a line and returns its length.
func (l *lines) discard(r *bufio.Reader) (n int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += int64(len(part))
		if err != bufio.ErrBufferFull {
			return n, err
		}
	}
}

// readLine returns a line with its end, in memory of its own.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > recordMax {
			return nil, fmt.Errorf("a line of more than %d bytes", recordMax)
		}
		if err != bufio.ErrBufferFull {
			return line, err
		}
	}
}

// add takes a record; its number is where it begins.
func (l *lines) add(at int64, data []byte) error {
	l.chunk = append(l.chunk, batch.Record{Shard: l.name, SeqNum: strconv.FormatInt(at, 10), Data: data, Arrival: l.arrival})
	l.size += len(data)
	if len(l.chunk) < chunkMax && l.size < chunkBytes {
		return nil
	}
	return l.flush()
}

func (l *lines) flush() error {
	if len(l.chunk) == 0 {
		return nil
	}
	err := l.f(l.chunk)
	l.chunk, l.size = l.chunk[:0], 0
	return err
}
