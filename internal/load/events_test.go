package load

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"testing"
	"time"
)

// wireOf is a connection on which a server has said text.
type wireOf struct{ net.Conn }

func (wireOf) SetDeadline(time.Time) error { return nil }
func (wireOf) Write(p []byte) (int, error) { return len(p), nil }
func said(text []byte) *Conn               { return &Conn{c: wireOf{}, r: bufio.NewReader(bytes.NewReader(text))} }
func header(name, value string) []byte {
	b := append([]byte{byte(len(name))}, name...)
	b = binary.BigEndian.AppendUint16(append(b, 7), uint16(len(value)))
	return append(b, value...)
}

func message(headers, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(messageOverhead+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// inChunks is an event stream as an answer, cut into chunks of n bytes.
func inChunks(body []byte, n int) []byte {
	b := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	for len(body) > 0 {
		part := body[:min(n, len(body))]
		body = body[len(part):]
		b = fmt.Appendf(b, "%x\r\n%s\r\n", len(part), part)
	}
	return append(b, "0\r\n\r\n"...)
}

func TestEvents(t *testing.T) {
	event := append(header(":message-type", "event"), header(":event-type", "SubscribeToShardEvent")...)
	body := append(message(event, []byte("one")), message(append(header(":exception-type", "Gone"), header(":message-type", "exception")...), []byte("two"))...)
	for _, size := range []int{1, 7, 1000} {
		e, err := said(inChunks(body, size)).Subscribe(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"SubscribeToShardEvent false one", "Gone true two"} {
			ev, err := e.Next()
			if got := fmt.Sprintf("%s %v %s", ev.Type, ev.Exception, ev.Payload); err != nil || got != want {
				t.Errorf("%s %v, want %s", got, err, want)
			}
		}
		if _, err := e.Next(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
	_, err := said([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}")).Subscribe(nil)
	var refused *Refused
	if !errors.As(err, &refused) || refused.Status != 400 || refused.Body != "{}" {
		t.Errorf("refused: %v", err)
	}
	if e, err := said(inChunks(body[:20], 5)).Subscribe(nil); err != nil {
		t.Fatal(err)
	} else if _, err := e.Next(); err == nil || err == io.EOF {
		t.Errorf("half an event: %v", err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add(inChunks(message(header(":event-type", "a"), []byte("x")), 5))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := said(text).Subscribe(nil)
		for err == nil {
			_, err = e.Next()
		}
	})
}
