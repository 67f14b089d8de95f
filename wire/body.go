package wire

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	bodyMaxDefault = 16 << 20
	bodyTimeout    = 2 * time.Minute // for a whole body to come in
	bodyFirst      = 512 << 10       // bytes set aside before any have come
)

// buffers are bodies that nobody reads any more.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func tooLarge(max int) *Error {
	return Errorf("RequestEntityTooLargeException", http.StatusRequestEntityTooLarge, "The request body is larger than %d bytes.", max)
}

// readBody reads at most max bytes of the request's body into a pooled buffer, which release gives back.
func readBody(w http.ResponseWriter, r *http.Request, max int) (body []byte, release func(), err error) {
	if r.ContentLength > int64(max) {
		return nil, nil, tooLarge(max)
	}
	if r.ContentLength == 0 {
		return nil, func() {}, nil
	}
	// A client that sends a byte a minute must not hold a buffer for ever; afterwards the operation takes as long as
	// it likes. Writers that know no deadlines (tests) are fine without.
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer control.SetReadDeadline(time.Time{})

	buf := buffers.Get().(*[]byte)
	*buf, err = readUpTo((*buf)[:0], r.Body, int(r.ContentLength), max)
	if err != nil {
		buffers.Put(buf)
		return nil, nil, err
	}
	return *buf, func() { buffers.Put(buf) }, nil
}

// readUpTo appends all of in to b, or fails once there are more than max bytes. size is how many are to be expected,
// or negative.
func readUpTo(b []byte, in io.Reader, size, max int) ([]byte, error) {
	if first := min(size+1, bodyFirst); cap(b) < first {
		b = make([]byte, 0, first)
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := in.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if len(b) > max {
			return b, tooLarge(max)
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, Errorf("SerializationException", http.StatusBadRequest, "The request body ended early.")
		}
	}
}

// inflate undoes the Content-Encoding of a body, bounded like the body itself.
func inflate(encoding string, body []byte, max int) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip":
		z, err := gzip.NewReader(strings.NewReader(string(body)))
		if err != nil {
			return nil, badGzip
		}
		out, err := readUpTo(nil, z, 4*len(body), max)
		var e *Error
		if errors.As(err, &e) && e.Status != http.StatusRequestEntityTooLarge {
			return nil, badGzip
		}
		return out, err
	}
	return nil, Errorf("SerializationException", http.StatusUnsupportedMediaType, "Content-Encoding %.40q is not supported.", encoding)
}

var badGzip = Errorf("SerializationException", http.StatusBadRequest, "The request body is not valid gzip.")
