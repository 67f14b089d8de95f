package webhook

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

type result struct {
	batch.Rows
	b *columnar.Batch
}

func (r result) Each(_ context.Context, f func(*columnar.Batch) error) error { return f(r.b) }

func rowsOf(t *testing.T, n int) result {
	b := columnar.NewBuilder(&columnar.Schema{Fields: []columnar.Field{{Name: "n", Type: columnar.Type{Kind: columnar.Int64}}}})
	for i := range n {
		if err := b.Append(int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	return result{b: b.Batch()}
}

func open(t *testing.T, opts Options) *Sink {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if last, err := s.Open(t.Context(), batch.Output{Pipeline: "p"}); err != nil || last != -1 {
		t.Fatal(last, err)
	}
	return s
}

func TestWrite(t *testing.T) {
	var bodies []string
	keys := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies = append(bodies, string(raw))
		keys[r.Header.Get("Idempotency-Key")] = true
		if h := r.Header; h.Get("Authorization") != "Bearer x" || h.Get("Weir-Batch") != "3" || h.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("headers %v", h)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	s := open(t, Options{URL: server.URL, Rows: 2, Headers: map[string]string{"Authorization": "Bearer x"}})
	for range 2 { // the second time the same requests come again
		if w, err := s.Write(t.Context(), 3, rowsOf(t, 5)); err != nil || w.Rows != 5 {
			t.Fatalf("%+v, %v", w, err)
		}
	}
	if got := strings.Join(bodies[:3], "|"); got != "{\"n\":0}\n{\"n\":1}\n|{\"n\":2}\n{\"n\":3}\n|{\"n\":4}\n" || len(bodies) != 6 || len(keys) != 3 {
		t.Errorf("%d requests of %d keys: %q", len(bodies), len(keys), got)
	}
}

func TestAnswers(t *testing.T) {
	var status atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(int(status.Load()))
		w.Write([]byte("because"))
	}))
	s := open(t, Options{URL: server.URL})
	for code, temporary := range map[int]bool{400: false, 401: false, 404: false, 408: true, 429: true, 500: true, 503: true, 302: false} {
		status.Store(int32(code))
		if _, err := s.Write(t.Context(), 1, rowsOf(t, 1)); err == nil || batch.IsTemporary(err) != temporary || !strings.Contains(err.Error(), "because") {
			t.Errorf("status %d: %v", code, err)
		}
	}
	server.Close()
	if _, err := s.Write(t.Context(), 1, rowsOf(t, 1)); !batch.IsTemporary(err) {
		t.Errorf("without a server: %v", err)
	}
	for _, url := range []string{"", "ftp://h/x", "http://", "localhost:80"} {
		if _, err := New(Options{URL: url}); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
}
