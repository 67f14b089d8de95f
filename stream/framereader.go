package stream

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// frameReader walks over the frames of a segment.
type frameReader struct {
	file   io.ReaderAt
	number uint64
	pos    int64 // of the next frame
	end    int64 // no frame begins or ends past it
	step   int   // bytes to read at once

	buf    []byte
	lo, hi int // unread part of buf; buf[lo] is at pos
}

var readBuffers sync.Pool

// newFrameReader returns a reader of a segment that reads up to step bytes at once, for seek to begin with.
func newFrameReader(f io.ReaderAt, number uint64, step int) *frameReader {
	r := &frameReader{file: f, number: number, step: step}
	if b, ok := readBuffers.Get().(*[]byte); ok && cap(*b) >= step {
		r.buf = (*b)[:cap(*b)]
	} else {
		r.buf = make([]byte, step)
	}
	return r
}

// seek makes the frame at pos the next one, and end where the frames end.
func (r *frameReader) seek(pos, end int64) {
	r.pos, r.end = pos, end
	r.lo, r.hi = 0, 0
}

// maxPooledBuffer keeps the buffer that one giant frame needed out of the pool.
const maxPooledBuffer = 4 << 20

func (r *frameReader) close() {
	if len(r.buf) <= maxPooledBuffer {
		readBuffers.Put(&r.buf)
	}
}

// next returns the next frame and its position; the payload is valid until the following call and is not yet checked.
// At the end it gives io.EOF; where no whole frame begins before the end, ErrCorrupt.
func (r *frameReader) next() (h frameHeader, payload []byte, pos int64, err error) {
	if r.pos >= r.end {
		return h, nil, r.pos, io.EOF
	}
	if err := r.fill(frameHeaderBytes); err != nil {
		return h, nil, r.pos, err
	}
	if h, err = decodeFrameHeader(r.buf[r.lo:r.hi], r.number); err != nil {
		return h, nil, r.pos, err
	}
	if err := r.fill(h.size()); err != nil {
		return h, nil, r.pos, err
	}
	payload = r.buf[r.lo+frameHeaderBytes : r.lo+h.size()]
	pos = r.pos
	r.lo += h.size()
	r.pos += int64(h.size())
	return h, payload, pos, nil
}

// fill makes at least n bytes from pos readable.
func (r *frameReader) fill(n int) error {
	if r.hi-r.lo >= n {
		return nil
	}
	if r.pos+int64(n) > r.end {
		return fmt.Errorf("%w: frame reaches past the end at %d", ErrCorrupt, r.end)
	}
	if n > len(r.buf) {
		grown := make([]byte, max(n, r.step))
		copy(grown, r.buf[r.lo:r.hi])
		r.buf, r.lo, r.hi = grown, 0, r.hi-r.lo
	} else if r.lo > 0 {
		r.lo, r.hi = 0, copy(r.buf, r.buf[r.lo:r.hi])
	}
	have := r.hi - r.lo
	want := min(int64(len(r.buf)-have), r.end-r.pos-int64(have))
	got, err := r.file.ReadAt(r.buf[have:have+int(want)], r.pos+int64(have))
	r.hi += got
	if r.hi-r.lo >= n {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: file ends within a frame", ErrCorrupt)
	}
	return err
}
