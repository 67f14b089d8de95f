package awshttp

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// transport closes the request's body before it has read it, as the SDK does from behind.
type transport struct{ body string }

func (t *transport) Do(r *http.Request) (*http.Response, error) {
	r.Body.Close()
	b, err := io.ReadAll(r.Body)
	t.body = string(b)
	return nil, err
}

// closable gives an error when it is read after Close.
type closable struct {
	io.Reader
	closed bool
}

func (c *closable) Read(p []byte) (int, error) {
	if c.closed {
		return 0, errors.New("closed")
	}
	return c.Reader.Read(p)
}

func (c *closable) Close() error { c.closed = true; return nil }

func TestOwnBody(t *testing.T) {
	for _, wrapped := range []bool{false, true} {
		next := new(transport)
		var client Doer = next
		if wrapped {
			client = OwnBody(OwnBody(next))
		}
		r, err := http.NewRequest(http.MethodPost, "http://localhost/", &closable{Reader: strings.NewReader("records")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = client.Do(r); (err == nil) != wrapped {
			t.Errorf("wrapped %v: %v", wrapped, err)
		}
		if wrapped && next.body != "records" {
			t.Errorf("sent %q", next.body)
		}
	}
}
