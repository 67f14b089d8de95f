package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/weir-data/weir/metrics"
)

func TestWhoReadsMetrics(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for _, c := range []struct {
		verified                    bool
		remote, path, authorization string
		want                        int
	}{
		{false, "127.0.0.1:5", "/metrics", "", http.StatusOK},
		{true, "127.0.0.1:5", "/metrics", "", http.StatusOK},
		{true, "[::1]:5", "/metrics", "", http.StatusOK},
		{false, "192.168.1.9:5", "/metrics", "", http.StatusOK}, // --insecure was said
		{true, "192.168.1.9:5", "/metrics", "", http.StatusForbidden},
		{true, "192.168.1.9:5", "/metrics", "AWS4-HMAC-SHA256 …", http.StatusTeapot},
		{true, "192.168.1.9:5", "/metrics/key", "", http.StatusTeapot},
		{true, "192.168.1.9:5", "/metrics?list-type=2", "", http.StatusTeapot},
		{true, "192.168.1.9:5", healthPath, "", http.StatusOK},
	} {
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.RemoteAddr = c.remote
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		w := httptest.NewRecorder()
		(&operatorPages{measured: metrics.New(metrics.Options{}), verified: c.verified}).handler(next).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s from %s, verified %v: status %d, want %d", c.path, c.remote, c.verified, w.Code, c.want)
		}
	}
}
