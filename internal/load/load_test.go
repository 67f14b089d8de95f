package load

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDo(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/echo":
			w.Write(body)
		case "/chunked":
			for range 3 {
				w.Write(bytes.Repeat(body, 5000))
				w.(http.Flusher).Flush()
			}
		default:
			w.WriteHeader(400)
		}
	}))
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	c, err := Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, tc := range []struct {
		path   string
		status int
		body   string
	}{
		{"/echo", 200, "hello"},
		{"/chunked", 200, strings.Repeat("hello", 15000)},
		{"/none", 400, ""},
		{"/echo", 200, "hello"},
	} {
		got, err := c.Do(Request(addr, tc.path, []byte("hello"), Header{"X-Test", "1"}))
		if err != nil {
			t.Fatalf("%s: %v", tc.path, err)
		}
		if got.Status != tc.status || string(got.Body) != tc.body {
			t.Fatalf("%s: status %d, %d bytes", tc.path, got.Status, len(got.Body))
		}
	}
}
