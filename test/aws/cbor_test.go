package aws_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/fxamacker/cbor/v2"

	"github.com/weir-data/weir/wire/codec"
)

// cborTransport makes a client that writes JSON speak CBOR, as only the Java SDK does of itself.
type cborTransport struct{ next http.RoundTripper }

// RoundTrip sends the request in CBOR and answers in JSON.
func (c *cborTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "Kinesis_20131202.")
	method, ok := reflect.TypeFor[*sdk.Client]().MethodByName(op)
	if !ok {
		return nil, fmt.Errorf("no operation %s", op)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	in := reflect.New(method.Type.In(2).Elem()).Interface()
	if err := codec.DecodeJSON(body, in, nil); err != nil {
		return nil, fmt.Errorf("request of %s: %w", op, err)
	}
	if body, err = codec.AppendCBOR(nil, in, codec.Milliseconds); err != nil {
		return nil, fmt.Errorf("request of %s: %w", op, err)
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Type", mediaCBOR)
	res, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if op == "SubscribeToShard" && res.StatusCode == http.StatusOK {
		events, out := io.Pipe()
		body := res.Body
		go func() { out.CloseWithError(eventsToJSON(out, body)) }()
		res.Body = eventBody{events, body}
		return res, nil
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if got := res.Header.Get("Content-Type"); got != mediaCBOR {
		return nil, fmt.Errorf("answer of %s in %q", op, got)
	}
	if answer, err = toJSON(res.StatusCode, answer, method.Type.Out(0).Elem()); err != nil {
		return nil, fmt.Errorf("answer of %s: %w", op, err)
	}
	res.Header.Set("Content-Type", mediaJSON)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	return res, nil
}

// toJSON writes an answer again: an exception, or the output of type out.
func toJSON(status int, answer []byte, out reflect.Type) ([]byte, error) {
	if len(answer) == 0 {
		return nil, nil
	}
	if status != http.StatusOK {
		var e map[string]string
		if err := cbor.Unmarshal(answer, &e); err != nil {
			return nil, err
		}
		return json.Marshal(e)
	}
	v := reflect.New(out).Interface()
	if err := codec.DecodeCBOR(answer, v, codec.Milliseconds, nil); err != nil {
		return nil, err
	}
	return codec.AppendJSON(nil, v)
}

// eventBody is a stream written again, and what it is made from.
type eventBody struct {
	*io.PipeReader
	from io.Closer
}

// Close closes both.
func (b eventBody) Close() error { return errors.Join(b.PipeReader.Close(), b.from.Close()) }

// eventsToJSON writes the events of a stream again, until it ends with io.EOF.
func eventsToJSON(to io.Writer, from io.Reader) error {
	for decoder, encoder := eventstream.NewDecoder(), eventstream.NewEncoder(); ; {
		m, err := decoder.Decode(from, nil)
		if err != nil {
			return err
		}
		if got := m.Headers.Get(":content-type"); got == nil || got.String() != mediaCBOR {
			return fmt.Errorf("event with headers %v", m.Headers)
		}
		event := new(types.SubscribeToShardEvent)
		if err := codec.DecodeCBOR(m.Payload, event, codec.Milliseconds, nil); err != nil {
			return fmt.Errorf("event in CBOR: %w", err)
		}
		if m.Payload, err = codec.AppendJSON(nil, event); err != nil {
			return err
		}
		m.Headers.Set(":content-type", eventstream.StringValue(mediaJSON))
		if err := encoder.Encode(to, m); err != nil {
			return err
		}
	}
}
