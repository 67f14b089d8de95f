package awskinesis

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// ownBody sends requests with a body of their own. The SDK closes the one that it made as soon as an answer begins; if
// the transport has not seen its end by then, it breaks the connection, and a large answer is cut off. With a service on
// the same machine that is every few calls.
type ownBody struct{ kinesis.HTTPClient }

func useOwnBody(o *kinesis.Options) {
	if _, ok := o.HTTPClient.(ownBody); !ok {
		o.HTTPClient = ownBody{o.HTTPClient}
	}
}

// Do implements kinesis.HTTPClient.
func (c ownBody) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return c.HTTPClient.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	own := *r
	own.Body = io.NopCloser(bytes.NewReader(body))
	return c.HTTPClient.Do(&own)
}
