package s3

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore/file"
)

func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=9223372036854775807-", "bytes=-0", "bytes=1-2,3-4"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		r, ok := parseRange(header)
		if !ok || size < 0 {
			return
		}
		offset, length, err := r.Resolve(size)
		if err == nil && (offset < 0 || length < 1 || length > size-offset) {
			t.Fatalf("%q of %d bytes: %d bytes from %d", header, size, length, offset)
		}
	})
}

func FuzzDocument(f *testing.F) {
	f.Add("<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>")
	f.Add("<LifecycleConfiguration><Rule><Status>Enabled</Status></Rule></LifecycleConfiguration>")
	f.Add("<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>")
	f.Add("<!DOCTYPE x [<!ENTITY a \"b\">]><Delete>&a;</Delete>")
	f.Add(`{"Statement": []}`)
	h := newFuzzHandler(f)
	f.Fuzz(func(t *testing.T, doc string) {
		c := &call{Request: httptest.NewRequest("PUT", "/lake", nil), bucket: "lake"}
		for _, cfg := range configs {
			stored, err := cfg.check(h, c, []byte(doc))
			if err != nil || stored == nil {
				continue
			}
			if again, err := cfg.check(h, c, stored); err != nil || string(again) != string(stored) {
				t.Fatalf("%s: %q is stored as %q, which is not itself: %q, %v", cfg.name, doc, stored, again, err)
			}
		}
	})
}

func newFuzzHandler(f *testing.F) *Handler {
	db := meta.NewMem()
	store, err := file.Open("objects", db, file.Options{FS: vfs.NewCrashable()})
	if err != nil {
		f.Fatal(err)
	}
	if err := store.CreateBucket(f.Context(), "lake"); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { store.Close(); db.Close() })
	return New(Options{Store: store, Authenticate: func(r *http.Request) (*http.Request, error) { return r, nil }})
}

// Whatever is asked, there is an answer, and never a fault of ours.
func FuzzRequest(f *testing.F) {
	f.Add("PUT", "/lake/k", "", "Content-MD5", "x", "body")
	f.Add("GET", "/lake", "list-type=2&delimiter=/", "Range", "bytes=1-", "")
	f.Add("POST", "/lake", "delete", "x-amz-checksum-crc32", "AAAAAA==", "<Delete><Object><Key>k</Key></Object></Delete>")
	f.Add("PUT", "/lake/k", "uploadId=x&partNumber=1", "X-Amz-Copy-Source", "/lake/k?versionId=null", "")
	f.Add("GET", "/lake", "versions&key-marker=k&version-id-marker=null", "Host", "lake.localhost", "")
	f.Add("GET", "/lake/k", "partNumber=1&response-content-type=x", "If-Match", "*", "")
	h := newFuzzHandler(f)
	f.Fuzz(func(t *testing.T, method, path, query, name, value, body string) {
		r := &http.Request{
			Method: method, URL: &url.URL{Path: path, RawQuery: query}, Host: "localhost", Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}
		r.Header.Set(name, value)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%s %s?%s: %s", method, path, query, w.Body)
		}
	})
}

func FuzzCopySource(f *testing.F) {
	f.Add("/lake/a%20b?versionId=x")
	f.Fuzz(func(t *testing.T, header string) {
		if src, err := copySource(header); err == nil && (src.bucket == "" || src.key == "") {
			t.Fatalf("%q: %+v", header, src)
		}
	})
}
