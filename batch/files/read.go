package files

import (
	"bufio"
	"bytes"
	"cmp"
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
	chunkMax    = 1000 // records that are handed on at a time
	chunkBytes  = 4 << 20
	readerBytes = 1 << 20
)

// byteOrderMark stands before the first line of files that some programs write.
var byteOrderMark = []byte("\uFEFF")

// Read implements batch.Source. Files whose contents are broken give a temporary error: read again, each is one record that is refused.
func (s *Source) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	maps.DeleteFunc(s.refused, func(name, _ string) bool { return end[name] == "" || end[name] == start[name] })
	var broken error
	for _, name := range slices.Sorted(maps.Keys(end)) {
		if name == youngest || end[name] == start[name] {
			continue
		}
		err := s.readFrom(ctx, name, start[name], end[name], f)
		if why := new(brokenError); errors.As(err, &why) {
			if s.refused == nil {
				s.refused = map[string]string{}
			}
			s.refused[name] = why.Error()
			broken = cmp.Or(broken, fmt.Errorf("read %s in %s: %w", name, s.place, batch.Temporary(err)))
			f = func([]batch.Record) error { return nil } // only to find all that are broken
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s in %s: %w", name, s.place, err)
		}
	}
	return broken
}

// readFrom hands on the records of a file between two offsets.
func (s *Source) readFrom(ctx context.Context, name, start, end string, f func([]batch.Record) error) error {
	from := taken{}
	to, err := parseTaken(end)
	if err == nil && start != "" {
		from, err = parseTaken(start)
	}
	if err != nil {
		return err
	}
	return s.readFile(ctx, name, from.bytes, to, f)
}

// brokenError says that a file is not what its name says, whoever reads it and whenever.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

// readFile hands on the records that begin in the bytes from up to to of a file.
func (s *Source) readFile(ctx context.Context, name string, from int64, to taken, f func([]batch.Record) error) error {
	if why, ok := s.refused[name]; ok {
		return f([]batch.Record{{Shard: name, SeqNum: "0", Arrival: to.mod, Refused: "the file as a whole: " + why}})
	}
	back := int64(0)
	if from > 0 {
		back = 1 // the byte before: whether a line begins at from
	}
	file, err := s.place.open(ctx, name, from-back)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, objstore.ErrNoSuchKey) {
		return errors.New("it was planned to be read, and is gone: bring it back, or give the pipeline another name to begin anew")
	}
	if err != nil {
		return advised(err)
	}
	defer file.Close()
	raw := &part{r: file, left: to.size - (from - back), size: to.size}
	r := &lines{name: name, arrival: to.mod, f: f, pos: from - back, end: to.bytes, headed: s.opts.Header, max: s.opts.recordMax}
	if open := decompressor(path.Ext(name)); open != nil {
		r.end = 1 << 62
		return raw.blame(s.decompress(ctx, raw, open, r))
	}
	if s.opts.Whole {
		return r.whole(raw)
	}
	if s.opts.Header && from > 0 {
		if r.header, err = s.header(ctx, name); err != nil {
			return err
		}
	}
	return r.all(ctx, bufio.NewReaderSize(raw, readerBytes), from > 0)
}

// decompress reads the records of a compressed file.
func (s *Source) decompress(ctx context.Context, raw io.Reader, open func(io.Reader) (io.ReadCloser, error), r *lines) error {
	d, err := open(raw)
	if err != nil {
		return &brokenError{err}
	}
	defer d.Close()
	all := &expanded{r: d, left: s.opts.expandedMax}
	if s.opts.Whole {
		return r.whole(all)
	}
	return r.all(ctx, bufio.NewReaderSize(all, readerBytes), false)
}

// part reads what was planned of a file; what came later does not belong to it.
type part struct {
	r    io.Reader
	left int64
	size int64 // of the file, when it was planned
	err  error // of r
}

func (p *part) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, io.EOF
	}
	n, err := p.r.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	if err == io.EOF && p.left > 0 {
		err = fmt.Errorf("it had %d bytes when it was planned to be read, and is shorter by %d: bring it back as it was, or give the pipeline another name to begin "+
			"anew", p.size, p.left)
	}
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}

// blame returns what is to blame for an error of one who decompresses p: p, if it could not be read.
func (p *part) blame(err error) error {
	if p.err != nil {
		return p.err
	}
	return err
}

// expanded reads what is decompressed; its errors are brokenErrors.
type expanded struct {
	r    io.Reader
	left int64 // that may still come
}

func (e *expanded) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	switch e.left -= int64(n); {
	case e.left < 0:
		return 0, &brokenError{errors.New("decompressed, it is too large: divide it into several files")}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, &brokenError{errors.New("it ends too early: it was cut off, or was still being written; when it is whole, give it another name")}
	case err != nil && err != io.EOF:
		return n, &brokenError{fmt.Errorf("cannot be decompressed: %w", err)}
	}
	return n, err
}

// header is the first line of a file that is not compressed.
func (s *Source) header(ctx context.Context, name string) ([]byte, error) {
	raw, err := s.place.open(ctx, name, 0)
	if err != nil {
		return nil, advised(err)
	}
	defer raw.Close()
	line, _, err := readHeader(bufio.NewReader(raw), s.opts.recordMax)
	return line, err
}

// readHeader is readLine for the header.
func readHeader(r *bufio.Reader, limit int) (line []byte, n int64, err error) {
	if line, n, err = readLine(r, limit); n > int64(limit) {
		err = &brokenError{fmt.Errorf("its header has more than %d bytes", limit)}
	}
	return line, n, err
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
	max      int    // bytes of a record

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
		header, n, err := readHeader(r, l.max)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		l.header = header
		l.pos += n
	}
	for l.pos < l.end {
		line, n, err := readLine(r, l.max)
		if err != nil && err != io.EOF {
			return err
		}
		at := l.pos
		l.pos += n
		if n > int64(l.max) {
			if err := l.refuse(at, n); err != nil {
				return err
			}
		}
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
	data, err := io.ReadAll(io.LimitReader(r, int64(l.max)+1))
	if err != nil {
		return err
	}
	if len(data) > l.max {
		return &brokenError{fmt.Errorf("has more than %d bytes", l.max)}
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

// readLine returns a line with its end, in memory of its own, and its length. Of one that is longer than limit there is no line.
func readLine(r *bufio.Reader, limit int) (line []byte, n int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if n += int64(len(part)); n <= int64(limit) {
			line = append(line, part...)
		} else {
			line = nil
		}
		if err != bufio.ErrBufferFull {
			return line, n, err
		}
	}
}

// refuse takes a line that is too long.
func (l *lines) refuse(at, n int64) error {
	if err := l.flush(); err != nil {
		return err
	}
	return l.f([]batch.Record{{
		Shard: l.name, SeqNum: strconv.FormatInt(at, 10), Arrival: l.arrival,
		Refused: fmt.Sprintf("a line of %d bytes, the most is %d", n, l.max),
	}})
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
