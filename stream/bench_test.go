package stream

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

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

// The same with many shards: a batch of 500 records goes to as many frames as it meets shards, a single record must not
// feel how many there are.
func BenchmarkPutShards(b *testing.B) {
	for _, shards := range []int{1, 100, 5000} {
		for _, c := range []struct {
			batch, writers int
			limits         Limits
		}{{500, 8, Limits{}}, {1, 64, Limits{}}, {500, 8, Limits{Records: 1 << 40, Bytes: 1 << 50}}} {
			b.Run(fmt.Sprintf("shards=%d/batch=%d/limits=%t", shards, c.batch, c.limits != Limits{}), func(b *testing.B) {
				s := benchStore(b, Options{Limits: c.limits})
				if err := s.Create(context.Background(), Config{Name: "many", Shards: shards}); err != nil {
					b.Fatal(err)
				}
				entries := benchEntries(c.batch, 450)
				b.ResetTimer()
				var wg sync.WaitGroup
				for w := range c.writers {
					wg.Go(func() {
						var placed []Placed
						var err error
						for i := w; i < b.N; i += c.writers {
							if placed, err = s.Append(context.Background(), "many", entries, placed[:0]); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N*c.batch)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

// From 1 to 5,000 shards and back, and a list of them.
func BenchmarkUpdateShardCount(b *testing.B) {
	s := benchStore(b, Options{})
	ctx := context.Background()
	var up, down, list time.Duration
	for i := range b.N {
		name := fmt.Sprint("stream", i)
		if err := s.Create(ctx, Config{Name: name, Shards: 1}); err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		if _, err := s.UpdateShardCount(ctx, name, 5000); err != nil {
			b.Fatal(err)
		}
		up += time.Since(begin)
		begin = time.Now()
		if _, err := s.Shards(ctx, name); err != nil {
			b.Fatal(err)
		}
		list += time.Since(begin)
		begin = time.Now()
		if _, err := s.UpdateShardCount(ctx, name, 1); err != nil {
			b.Fatal(err)
		}
		down += time.Since(begin)
	}
	b.ReportMetric(float64(up.Milliseconds())/float64(b.N), "ms-up")
	b.ReportMetric(float64(down.Milliseconds())/float64(b.N), "ms-down")
	b.ReportMetric(float64(list.Microseconds())/float64(b.N), "µs-list")
}
