// Package load is the load generator of weir bench: HTTP/1.1 requests that were encoded beforehand, written to
// plain TCP connections, and answers of which only the needed bytes are looked at. It costs so little that the
// server under test keeps nearly all of the machine.
//
// Dial a Conn per worker, call Do with a whole request, look at the Response; Request builds one. Subscribe reads an
// answer that is an event stream. Each and Member find what is needed in JSON.
package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Conn is one keep-alive connection. It is not safe for concurrent use.
type Conn struct {
	c    net.Conn
	r    *bufio.Reader
	body []byte

	timed time.Time // when the deadline was set
}

// Response is an answer; Body is valid until the next Do.
type Response struct {
	Status int
	Body   []byte
}

// Dial connects to addr, host:port.
func Dial(addr string) (*Conn, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &Conn{c: c, r: bufio.NewReaderSize(c, 64<<10)}, nil
}

// Close drops the connection.
func (c *Conn) Close() error { return c.c.Close() }

// Do writes a whole request and reads its answer. After an error the connection is of no use.
func (c *Conn) Do(request []byte) (Response, error) {
	if now := time.Now(); now.Sub(c.timed) > time.Second { // a timer for each call would cost as much as the rest of it
		if err := c.c.SetDeadline(now.Add(30 * time.Second)); err != nil {
			return Response{}, err
		}
		c.timed = now
	}
	if _, err := c.c.Write(request); err != nil {
		return Response{}, err
	}
	return c.read()
}

func (c *Conn) read() (Response, error) {
	status, length, chunked, err := c.readHead()
	if err != nil {
		return Response{}, err
	}
	c.body = c.body[:0]
	switch {
	case chunked:
		err = c.readChunks()
	case length >= 0:
		err = c.readN(length)
	default:
		err = fmt.Errorf("answer without a length")
	}
	return Response{Status: status, Body: c.body}, err
}

// readHead reads up to the body; length is -1 if it is not said.
func (c *Conn) readHead() (status, length int, chunked bool, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, 0, false, err
	}
	if len(line) < 12 {
		return 0, 0, false, fmt.Errorf("bad status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, false, fmt.Errorf("bad status line %q", line)
	}
	length = -1
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, 0, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return status, length, chunked, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 || length > 64<<20 {
				return 0, 0, false, fmt.Errorf("bad Content-Length %q", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
}

func (c *Conn) readChunks() error {
	for {
		n, err := c.chunk()
		if err != nil {
			return err
		}
		if err := c.readN(n); err != nil {
			return err
		}
		if _, err := c.r.Discard(2); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// chunk reads the size of the next chunk.
func (c *Conn) chunk() (int, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 32)
	if err != nil || n > 64<<20 {
		return 0, fmt.Errorf("bad chunk size %q", line)
	}
	return int(n), nil
}

// readN appends n bytes to the body.
func (c *Conn) readN(n int) error {
	at := len(c.body)
	if cap(c.body) < at+n {
		c.body = append(make([]byte, 0, 2*(at+n)), c.body...)
	}
	c.body = c.body[:at+n]
	_, err := io.ReadFull(c.r, c.body[at:])
	return err
}

// Header is a name and value of a request.
type Header struct{ Name, Value string }

// Request encodes a POST to path with the given headers and body.
func Request(host, path string, body []byte, headers ...Header) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", path, host, len(body))
	for _, h := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Value)
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}
