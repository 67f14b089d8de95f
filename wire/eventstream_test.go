package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// streaming is a front door with one operation, which opens an event stream and then does f.
func streaming(t *testing.T, f func(*Request, *EventStream) error) *Server {
	t.Helper()
	front, err := NewServer(Options{}, Service{Name: "kinesis", Target: "K", JSON: "1.1", ShapeName: "K", BareAnswers: true,
		Errors: Codes{{Err: errGone, Name: "ResourceNotFoundException", Status: 400}},
		Operations: []Operation{Raw("Subscribe", func(_ context.Context, r *Request, w http.ResponseWriter) error {
			events, err := r.OpenEventStream(w, &kinesis.SubscribeToShardOutput{})
			if err != nil {
				return err
			}
			return f(r, events)
		})}})
	if err != nil {
		t.Fatal(err)
	}
	return front
}

var errGone = errors.New("gone")

// messages describes what a stream holds, a line a message.
func messages(in io.Reader) string {
	var out strings.Builder
	d := eventstream.NewDecoder()
	for {
		m, err := d.Decode(in, nil)
		if err != nil {
			if err != io.EOF {
				fmt.Fprintln(&out, err)
			}
			return out.String()
		}
		for _, h := range m.Headers {
			fmt.Fprintf(&out, "%s=%s ", h.Name, h.Value)
		}
		fmt.Fprintf(&out, "%q\n", m.Payload)
	}
}

// The bytes of a stream: what the first message looks like, and that an error of the operation becomes the last.
func TestEventStreamBytes(t *testing.T) {
	front := streaming(t, func(_ *Request, e *EventStream) error {
		for _, payload := range []string{"one", "", strings.Repeat("x", 1<<20)} {
			if err := e.Send("Event", []byte(payload)); err != nil {
				return err
			}
		}
		return fmt.Errorf("stream s: %w", errGone)
	})
	for contentType, c := range map[string]struct{ initial, exception string }{
		"application/x-amz-json-1.1": {"{}", `{"__type":"ResourceNotFoundException","message":"stream s: gone"}`},
		"application/x-amz-cbor-1.1": {"\xbf\xff", "\xbff__typex\x19ResourceNotFoundExceptiongmessagenstream s: gone\xff"},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("X-Amz-Target", "K.Subscribe")
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		front.ServeHTTP(w, r)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/vnd.amazon.eventstream" || w.Header().Get("X-Amzn-Requestid") == "" || w.Header().Get("Content-Length") != "" {
			t.Fatalf("head: %d %v", w.Code, w.Header())
		}
		event := func(kind, payload string) string {
			return fmt.Sprintf(":message-type=event :event-type=%s :content-type=%s %q\n", kind, contentType, payload)
		}
		want := event("initial-response", c.initial) + event("Event", "one") + event("Event", "") + event("Event", strings.Repeat("x", 1<<20)) +
			fmt.Sprintf(":message-type=exception :exception-type=ResourceNotFoundException :content-type=%s %q\n", contentType, c.exception)
		if got := messages(bytes.NewReader(w.Body.Bytes())); got != want {
			t.Errorf("got\n%.900s\nwant\n%.900s", got, want)
		}
		if got, want := hex.EncodeToString(w.Body.Bytes()[:len(goldenMessage(contentType, c.initial))]), hex.EncodeToString(goldenMessage(contentType, c.initial)); got != want {
			t.Errorf("first message\n%s, want\n%s", got, want)
		}
	}
}

// goldenMessage is an initial response, written down as the format's description has it.
func goldenMessage(contentType, payload string) []byte {
	var headers []byte
	for _, h := range [][2]string{{":message-type", "event"}, {":event-type", "initial-response"}, {":content-type", contentType}} {
		headers = append(headers, byte(len(h[0])))
		headers = append(headers, h[0]...)
		headers = append(headers, 7, 0, byte(len(h[1]))) // a string
		headers = append(headers, h[1]...)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(12+len(headers)+len(payload)+4))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// Faults after the stream has begun are told within it.
func TestEventStreamFaults(t *testing.T) {
	for name, f := range map[string]func(*Request, *EventStream) error{
		"panic":        func(*Request, *EventStream) error { panic("fault") },
		"error":        func(*Request, *EventStream) error { return errors.New("disk on fire") },
		"large event":  func(_ *Request, e *EventStream) error { return e.Send("Event", make([]byte, eventPayloadMax+1)) },
		"late decline": func(*Request, *EventStream) error { return errInternal },
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("X-Amz-Target", "K.Subscribe")
		w := httptest.NewRecorder()
		streaming(t, f).ServeHTTP(w, r)
		got := messages(w.Body)
		if strings.Count(got, "\n") != 2 || !strings.Contains(got, "\n:message-type=exception :exception-type=InternalFailure ") || strings.Contains(got, "fire") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// When the server is to stop, streams end at once and whole; other requests may finish.
func TestEventStreamsEndWithServe(t *testing.T) {
	front := streaming(t, func(r *Request, e *EventStream) error {
		<-r.UntilStop().Done()
		if r.Context().Err() != nil {
			return errors.New("the request ended before its stream")
		}
		return e.Send("Last", []byte("bye"))
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, ln, front) }()
	began := time.Now()
	res := send(t, "http://"+ln.Addr().String(), "{}", jsonType, "X-Amz-Target: K.Subscribe")
	stop()
	if got := messages(res.Body); !strings.HasSuffix(got, "\"bye\"\n") || strings.Contains(got, "exception") {
		t.Errorf("stream:\n%s", got)
	}
	if err := <-served; err != nil || time.Since(began) >= stopTimeout {
		t.Errorf("Serve: %v after %v", err, time.Since(began))
	}
}

// A stream does not keep what the request needed from others.
func TestEventStreamsReleaseBodies(t *testing.T) {
	var front *Server
	var left int64
	front = streaming(t, func(r *Request, _ *EventStream) error {
		left = front.bodies.left.Load()
		return nil
	})
	r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
	r.Header.Set("X-Amz-Target", "K.Subscribe")
	front.ServeHTTP(httptest.NewRecorder(), r)
	if after := front.bodies.left.Load(); left != bodiesMax || after != bodiesMax {
		t.Errorf("%d bytes are taken during the stream, %d after it", bodiesMax-left, bodiesMax-after)
	}
}
