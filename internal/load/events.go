package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// Events is an answer in application/vnd.amazon.eventstream, read as it comes.
type Events struct {
	c    *Conn
	left int  // of the chunk at hand
	some bool // a chunk was begun
	done bool
	buf  []byte
}

// Event is a message; Payload is valid until the next one. Of an exception, Type is its name.
type Event struct {
	Type      string
	Exception bool
	Payload   []byte
}

// Refused is an answer that is an error where an event stream was asked for.
type Refused struct {
	Status int
	Body   string
}

func (e *Refused) Error() string { return fmt.Sprintf("status %d: %.300s", e.Status, e.Body) }

const (
	messageOverhead = 16 // prelude of 12 bytes, checksum of 4
	messageMax      = 24 << 20
	eventTimeout    = 30 * time.Second // between events; the service promises one every five seconds
)

// Subscribe writes a whole request whose answer is an event stream. Another answer is an error *Refused.
func (c *Conn) Subscribe(request []byte) (*Events, error) {
	if err := c.c.SetDeadline(time.Now().Add(eventTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.c.Write(request); err != nil {
		return nil, err
	}
	status, length, chunked, err := c.readHead()
	if err != nil {
		return nil, err
	}
	if status == 200 && chunked {
		return &Events{c: c}, nil
	}
	c.body = c.body[:0]
	if chunked {
		err = c.readChunks()
	} else {
		err = c.readN(max(length, 0))
	}
	return nil, errors.Join(&Refused{status, string(c.body)}, err)
}

// Next reads an event; io.EOF is the end of the stream.
func (e *Events) Next() (Event, error) {
	if err := e.c.c.SetDeadline(time.Now().Add(eventTimeout)); err != nil {
		return Event{}, err
	}
	e.buf = e.buf[:0]
	if err := e.fill(12); err != nil {
		return Event{}, err
	}
	total, headers := int(binary.BigEndian.Uint32(e.buf)), int(binary.BigEndian.Uint32(e.buf[4:]))
	if sum := binary.BigEndian.Uint32(e.buf[8:]); sum != crc32.ChecksumIEEE(e.buf[:8]) {
		return Event{}, errors.New("event: bad checksum of the prelude")
	}
	if total > messageMax || headers > total-messageOverhead {
		return Event{}, fmt.Errorf("event of %d bytes, %d of headers", total, headers)
	}
	if err := e.fill(total); err != nil {
		return Event{}, noEOF(err)
	}
	if sum := binary.BigEndian.Uint32(e.buf[total-4:]); sum != crc32.ChecksumIEEE(e.buf[:total-4]) {
		return Event{}, errors.New("event: bad checksum")
	}
	ev := Event{Payload: e.buf[12+headers : total-4]}
	return ev, ev.readHeaders(e.buf[12 : 12+headers])
}

// readHeaders takes the type of the message from its headers, which are all strings.
func (ev *Event) readHeaders(b []byte) error {
	for len(b) > 0 {
		n := int(b[0])
		if len(b) < n+4 || b[n+1] != 7 {
			return errors.New("event: bad header")
		}
		size := int(binary.BigEndian.Uint16(b[n+2:]))
		if len(b) < n+4+size {
			return errors.New("event: bad header")
		}
		name, value := string(b[1:n+1]), string(b[n+4:n+4+size])
		b = b[n+4+size:]
		switch name {
		case ":event-type", ":exception-type":
			ev.Type = value
		case ":message-type":
			ev.Exception = value != "event"
		}
	}
	return nil
}

// fill reads until the buffer has n bytes of the body.
func (e *Events) fill(n int) error {
	if cap(e.buf) < n {
		e.buf = append(make([]byte, 0, 2*n), e.buf...)
	}
	for len(e.buf) < n {
		if e.left == 0 {
			if err := e.nextChunk(); err != nil {
				return err
			}
		}
		at := len(e.buf)
		part := min(n-at, e.left)
		if _, err := io.ReadFull(e.c.r, e.buf[at:at+part]); err != nil {
			return noEOF(err)
		}
		e.buf = e.buf[:at+part]
		e.left -= part
	}
	return nil
}

func (e *Events) nextChunk() error {
	if e.done {
		return io.EOF
	}
	if e.some {
		if _, err := e.c.r.Discard(2); err != nil {
			return noEOF(err)
		}
	}
	var err error
	if e.left, err = e.c.chunk(); err != nil {
		return noEOF(err)
	}
	e.some = true
	if e.left > 0 {
		return nil
	}
	e.done = true
	if _, err := e.c.r.Discard(2); err != nil {
		return noEOF(err)
	}
	return io.EOF
}

// noEOF is err of a read that was not to be the last.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
