package s3

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore/file"
)

// Whole requests over HTTP, unsigned, client and server on the same machine, on the real disk.
func BenchmarkHTTP(b *testing.B) {
	dir := b.TempDir()
	db, err := meta.Open(vfs.Default, filepath.Join(dir, "meta"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	store, err := file.Open(filepath.Join(dir, "objects"), db, file.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateBucket(b.Context(), "lake"); err != nil {
		b.Fatal(err)
	}
	hs := httptest.NewServer(New(Options{Store: store, Authenticate: func(r *http.Request) (*http.Request, error) { return r, nil }}))
	defer hs.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	do := func(method, key string, body []byte) error {
		req, err := http.NewRequest(method, hs.URL+"/lake/"+key, bytes.NewReader(body))
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s %s: %s", method, key, res.Status)
		}
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	for _, size := range []int{4 << 10, 1 << 20} {
		body := make([]byte, size)
		var n atomic.Int64
		for _, method := range []string{"PUT", "GET"} {
			b.Run(fmt.Sprintf("%s/size=%d", method, size), func(b *testing.B) {
				if err := do("PUT", "one", body); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(size))
				b.SetParallelism(2)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						key := "one"
						if method == "PUT" {
							key = fmt.Sprint("k", n.Add(1))
						}
						if err := do(method, key, body); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}
