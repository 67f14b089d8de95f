package wire

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	bodyMaxDefault = 16 << 20
	bodiesMax      = 256 << 20       // bytes of all bodies held at once
	bodyTimeout    = 2 * time.Minute // for a whole body to come in
	bodyFirst      = 512 << 10       // bytes set aside before any have come
	bodySmall      = 1 << 20         // bytes of a buffer for most requests; larger ones are kept apart, for requests that need them
)

var (
	errBusy     = Errorf("ThrottlingException", http.StatusBadRequest, "Rate exceeded: too many request bodies at once.")
	errBodyEnds = Errorf(serialization, http.StatusBadRequest, "The request body ended early.")
	errBadGzip  = Errorf(serialization, http.StatusBadRequest, "The request body is not valid gzip.")
)

func errTooLarge(max int) error {
	return Errorf("RequestEntityTooLargeException", http.StatusRequestEntityTooLarge, "The request body is larger than %d bytes.", max)
}

// budget bounds the memory that all bodies together take.
type budget struct {
	left  atomic.Int64 // bytes
	small sync.Pool    // of []byte pointers that nobody uses any more, of up to bodySmall bytes
	large sync.Pool    // of those with more
}

// poolFor is where buffers of a size are kept.
func (g *budget) poolFor(size int) *sync.Pool {
	if size > bodySmall {
		return &g.large
	}
	return &g.small
}

// buffer holds one body. It belongs to the budget that it was opened from until it is released.
type buffer struct {
	budget *budget
	b      []byte
	taken  int64 // from the budget: the capacity of b

	released bool
}

func (g *budget) open() *buffer { return &buffer{budget: g} }

// release gives the memory back, once. What the buffer returned must not be used afterwards.
func (b *buffer) release() {
	if b.released {
		return
	}
	b.released = true
	b.budget.left.Add(b.taken)
	if cap(b.b) > 0 {
		b.budget.poolFor(cap(b.b)).Put(&b.b)
	}
}

// grow makes room for size bytes in all, and takes a buffer that is there already if in the end it shall hold expected.
func (b *buffer) grow(size, expected int) error {
	if b.b == nil {
		if old, ok := b.budget.poolFor(expected).Get().(*[]byte); ok {
			b.b = (*old)[:0]
		}
	}
	room := max(size, cap(b.b))
	if more := int64(room) - b.taken; more > 0 {
		if b.budget.left.Add(-more) < 0 {
			b.budget.left.Add(more)
			return errBusy
		}
		b.taken += more
	}
	if room > cap(b.b) {
		b.b = append(make([]byte, 0, room), b.b...)
	}
	return nil
}

// readAll reads in to its end, or fails once there are more than max bytes. size is how many are to be expected, or
// negative.
func (b *buffer) readAll(in io.Reader, size, max int) ([]byte, error) {
	if err := b.grow(min(size+1, bodyFirst), size+1); err != nil {
		return nil, err
	}
	for {
		if len(b.b) == cap(b.b) {
			if err := b.grow(nextSize(len(b.b), size, max), 0); err != nil {
				return nil, err
			}
		}
		n, err := in.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case len(b.b) > max:
			return nil, errTooLarge(max)
		case err == io.EOF:
			return b.b, nil
		case err != nil:
			return nil, errBodyEnds
		}
	}
}

// nextSize is how much room a body gets that has filled has bytes: twice that; all that is expected, once an eighth of it
// has come. By profile of calls of 9 MiB, a fifth of the time was the growing.
func nextSize(has, expected, max int) int {
	if has < expected && expected <= 8*has {
		return min(expected, max) + 1
	}
	return min(2*has+512, max+1)
}

// receive reads the body of r.
func (b *buffer) receive(w http.ResponseWriter, r *http.Request, max int) ([]byte, error) {
	if r.ContentLength > int64(max) {
		return nil, errTooLarge(max)
	}
	if r.ContentLength == 0 {
		return nil, nil
	}
	// A client that sends a byte a minute must not hold a buffer for ever; afterwards the operation takes as long as
	// it likes. Writers that know no deadlines (tests) are fine without.
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer control.SetReadDeadline(time.Time{})
	return b.readAll(r.Body, int(r.ContentLength), max)
}

// inflate undoes the Content-Encoding of a body, bounded like the body itself.
func (b *buffer) inflate(encoding string, body []byte, max int) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, errBadGzip
		}
		out, err := b.readAll(z, 4*len(body), max)
		if err == errBodyEnds {
			err = errBadGzip
		}
		return out, err
	}
	return nil, Errorf(serialization, http.StatusUnsupportedMediaType, "Content-Encoding %.40q is not supported.", encoding)
}
