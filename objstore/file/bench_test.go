package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore"
)

// openBench opens a store and its metadata on the real disk.
func openBench(b *testing.B) *Store {
	b.Helper()
	dir := b.TempDir()
	db, err := meta.Open(vfs.Default, filepath.Join(dir, "meta"))
	if err != nil {
		b.Fatal(err)
	}
	s, err := Open(filepath.Join(dir, "objects"), db, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(s.Close(), db.Close()); err != nil {
			b.Error(err)
		}
	})
	if err := s.CreateBucket(ctx, "lake"); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		for _, writers := range []int{1, 8} {
			b.Run(fmt.Sprintf("size=%d/writers=%d", size, writers), func(b *testing.B) {
				s := openBench(b)
				body := make([]byte, size)
				var n atomic.Int64
				b.SetBytes(int64(size))
				b.SetParallelism((writers + 1) / 2)
				b.ResetTimer()
				put := func() {
					key := fmt.Sprintf("p=%d/k%d", n.Load()%16, n.Add(1))
					if _, err := s.Put(ctx, "lake", key, bytes.NewReader(body), objstore.PutOptions{}); err != nil {
						b.Error(err)
					}
				}
				if writers == 1 {
					for b.Loop() {
						put()
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						put()
					}
				})
			})
		}
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			s := openBench(b)
			if _, err := s.Put(ctx, "lake", "p=1/k", bytes.NewReader(make([]byte, size)), objstore.PutOptions{}); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				r, _, err := s.Open(ctx, "lake", "p=1/k")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, struct{ io.Reader }{r}); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}

func BenchmarkImportAll(b *testing.B) {
	for _, count := range []int{1, 1000, 9000} {
		b.Run(fmt.Sprintf("files=%d", count), func(b *testing.B) {
			s := openBench(b)
			body := make([]byte, 20<<10)
			round := 0
			for b.Loop() {
				b.StopTimer()
				round++
				files := make([]objstore.LocalFile, count)
				for i := range files {
					p := filepath.Join(s.TempDir(), fmt.Sprint("part-", i))
					if err := os.WriteFile(p, body, 0o644); err != nil {
						b.Fatal(err)
					}
					files[i] = objstore.LocalFile{Key: fmt.Sprintf("t/r=%d/hour=%d/part-%d", round, i%700, i), Path: p}
				}
				b.StartTimer()
				if _, err := s.ImportAll(ctx, "lake", files); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

func BenchmarkList(b *testing.B) {
	s := openBench(b)
	for i := range 5000 {
		if _, err := s.Put(ctx, "lake", fmt.Sprintf("d=%d/k%d", i%50, i), bytes.NewReader(nil), objstore.PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.List(ctx, "lake", objstore.ListOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
