// Package awshttp mends what the AWS SDK does to connections to a server on the same machine.
package awshttp

import (
	"bytes"
	"io"
	"net/http"
)

// Doer is the SDK's HTTPClient.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// OwnBody makes next send requests with a body of their own, held in memory. The SDK closes the one that it made as soon as an
// answer begins; if the transport has not seen its end by then, it breaks the connection, and the answer is cut off: a
// record that was taken looks as if it was not. With a service on the same machine that is every few calls.
func OwnBody(next Doer) Doer {
	if own, ok := next.(ownBody); ok {
		return own
	}
	return ownBody{next}
}

type ownBody struct{ next Doer }

func (c ownBody) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return c.next.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	own := *r
	own.Body = io.NopCloser(bytes.NewReader(body))
	return c.next.Do(&own)
}
