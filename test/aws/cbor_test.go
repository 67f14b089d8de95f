package aws_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/fxamacker/cbor/v2"

	"github.com/weir-data/weir/wire/codec"
)

// cborTransport makes a client that writes JSON speak CBOR, as only the Java SDK does of itself. Event streams stay as
// they are.
type cborTransport struct{ next http.RoundTripper }

// RoundTrip sends the request in CBOR and answers in JSON.
func (c *cborTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "Kinesis_20131202.")
	if op == "SubscribeToShard" {
		return c.next.RoundTrip(r)
	}
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
