package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// An event stream is an answer of many messages, application/vnd.amazon.eventstream. A message, all numbers big-endian:
//
//	4 bytes  length of the whole message
//	4 bytes  length of the headers
//	4 bytes  CRC-32 of the eight bytes before
//	headers, each a name and a typed value
//	payload, in the protocol of the request
//	4 bytes  CRC-32 of all before
//
// The first message is the initial response, then come events; an exception may be the last. The headers are written by
// the SDK's own package.
const (
	eventStreamType   = "application/vnd.amazon.eventstream"
	preludeBytes      = 12
	eventPayloadMax   = 16 << 20 // what readers accept
	eventWriteTimeout = 30 * time.Second
)

// EventStream is an answer that goes on. It is not safe for concurrent use.
type EventStream struct {
	r        *Request
	w        http.ResponseWriter
	control  *http.ResponseController
	deadline time.Time // of writes
	name     string    // of the last event
	headers  []byte    // of the last event
	err      error     // of the first write that failed
}

// OpenEventStream begins an answer that is an event stream: it lets go of the request's body and sends the head and the
// initial response, which is the operation's output without the stream. An error that the operation returns afterwards is
// sent in the stream, as an exception.
func (r *Request) OpenEventStream(w http.ResponseWriter, initial any) (*EventStream, error) {
	payload, err := r.Marshal(initial)
	if err != nil {
		return nil, fmt.Errorf("initial response: %w", err)
	}
	e := &EventStream{r: r, w: w, control: http.NewResponseController(w)}
	r.events, r.Body = e, nil // a long answer does not hold on to the request
	r.release()
	h := w.Header()
	r.protocol.headers(r, h)
	h.Set("Content-Type", eventStreamType)
	w.WriteHeader(http.StatusOK)
	e.Send("initial-response", payload) // if that fails, so will the next
	return e, nil
}

// UntilStop is the context of a long answer: it ends when the client has gone or the operation has ended, as the
// request's own does, and as soon as the server is to stop.
func (r *Request) UntilStop() context.Context {
	ctx := r.Context()
	serving, ok := ctx.Value(servingKey{}).(context.Context)
	if !ok {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	forget := context.AfterFunc(serving, cancel)
	context.AfterFunc(ctx, func() { forget() })
	return ctx
}

// Send sends an event and does not keep the payload, which is in the request's protocol. It waits for a client that reads
// slowly, but not longer than a minute. An error means that nothing more can be sent; it need not be told to the client.
func (e *EventStream) Send(name string, payload []byte) error {
	if e.name != name {
		e.name = name
		e.headers = eventHeaders(":message-type", "event", ":event-type", name, ":content-type", e.r.ContentType)
	}
	return e.send(e.headers, payload)
}

// fail ends the stream with an exception.
func (e *EventStream) fail(x *Error) {
	payload, _ := e.r.protocol.failure(e.r, x)
	e.send(eventHeaders(":message-type", "exception", ":exception-type", x.Name, ":content-type", e.r.ContentType), payload)
}

// close is called when the operation has ended: the connection is used again.
func (e *EventStream) close() { e.control.SetWriteDeadline(time.Time{}) }

// send writes a message and flushes it.
func (e *EventStream) send(headers, payload []byte) error {
	if e.err != nil {
		return e.err
	}
	if len(payload) > eventPayloadMax {
		return fmt.Errorf("event of %d bytes", len(payload))
	}
	// Setting a deadline costs more than a small event, so one serves for many: a write may take once to twice the timeout.
	if now := time.Now(); e.deadline.Sub(now) < eventWriteTimeout {
		e.deadline = now.Add(2 * eventWriteTimeout)
		e.control.SetWriteDeadline(e.deadline) // writers that know none (tests) do without
	}
	head := make([]byte, preludeBytes, preludeBytes+len(headers))
	binary.BigEndian.PutUint32(head, uint32(preludeBytes+len(headers)+len(payload)+4))
	binary.BigEndian.PutUint32(head[4:], uint32(len(headers)))
	binary.BigEndian.PutUint32(head[8:], crc32.ChecksumIEEE(head[:8]))
	head = append(head, headers...)
	sum := crc32.Update(crc32.ChecksumIEEE(head), crc32.IEEETable, payload)
	for _, part := range [][]byte{head, payload, binary.BigEndian.AppendUint32(nil, sum)} {
		if _, err := e.w.Write(part); err != nil {
			e.err = fmt.Errorf("send event: %w", err)
			return e.err
		}
	}
	if err := e.control.Flush(); err != nil {
		e.err = fmt.Errorf("send event: %w", err)
	}
	return e.err
}

// eventHeaders encodes pairs of names and texts.
func eventHeaders(pairs ...string) []byte {
	var headers eventstream.Headers
	for i := 0; i < len(pairs); i += 2 {
		headers.Set(pairs[i], eventstream.StringValue(pairs[i+1]))
	}
	var b bytes.Buffer
	if err := eventstream.EncodeHeaders(&b, headers); err != nil {
		panic(fmt.Sprintf("wire: encode event headers: %v", err)) // texts of ours
	}
	return b.Bytes()
}
