package stream

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// benchEntries are n records of size bytes with keys of eight.
func benchEntries(n, size int) []Entry {
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = Entry{PartitionKey: fmt.Appendf(nil, "key%05d", i), Data: make([]byte, size)}
	}
	return entries
}

func benchStore(b *testing.B, opts Options) *Store {
	m, err := meta.Open(vfs.Default, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	opts.Dir, opts.Meta = b.TempDir(), m
	s, err := Open(opts)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	if err := s.Create(context.Background(), Config{Name: "s", OnDemand: true}); err != nil {
		b.Fatal(err)
	}
	return s
}

// Puts of 500 records of 450 bytes, durable. What matters here, by profile: one copy of the data after the caller's
// parser (into the chunk that is also the cache), the checksum over a whole frame and not per record, MD5 of the keys,
// and that groups grow while the disk is busy. More writers mean greater groups, not more syncs.
func BenchmarkPut(b *testing.B) {
	const batch, size = 500, 450
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := benchStore(b, Options{})
			entries := benchEntries(batch, size)
			b.SetBytes(batch * size)
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					var placed []Placed
					var err error
					for i := w; i < b.N; i += writers {
						if placed, err = s.Append(context.Background(), "s", entries, placed[:0]); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkPutOne(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := benchStore(b, Options{})
			entries := benchEntries(1, 450)
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						if _, err := s.Put(context.Background(), "s", entries); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// Reads of 10,000 records, from memory and from disk (the page cache, that is).
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name  string
		cache int64
	}{{"memory", 256 << 20}, {"disk", 4 << 20}} {
		b.Run(c.name, func(b *testing.B) {
			s := benchStore(b, Options{CacheBytes: c.cache})
			entries := benchEntries(500, 450)
			for range 200 {
				if _, err := s.Put(context.Background(), "s", entries); err != nil {
					b.Fatal(err)
				}
			}
			sh, err := s.Shard("s", ShardID(1))
			if err != nil {
				b.Fatal(err)
			}
			records := 0
			var at SeqNum
			b.ResetTimer()
			for range b.N {
				page, err := sh.Scan(context.Background(), at, 10000, 10<<20, func([]Record) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
				records += page.Records
				at = page.Last
				if page.AtTip {
					at = SeqNum{}
				}
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
