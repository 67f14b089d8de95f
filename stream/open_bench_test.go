package stream

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// Opening an empty folder, until Puts can come.
func BenchmarkOpenEmpty(b *testing.B) {
	for range b.N {
		m := meta.NewMem()
		s, err := Open(Options{FS: vfs.Default, Dir: b.TempDir(), Meta: m})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		s.Close()
		m.Close()
		b.StartTimer()
	}
}

// Opening a log with much in it, of which only the indexes exist here: a start does not look at sealed segments. It costs
// an open, a read and a stat for each, and the memory is what a segment costs. Then one search in a shard, by counter and
// by time, with no index in memory.
func BenchmarkOpenRetained(b *testing.B) {
	for _, c := range []struct{ gib, shards int }{{20, 4}, {20, 5000}, {200, 4}, {200, 5000}} {
		b.Run(fmt.Sprintf("gib=%d/shards=%d", c.gib, c.shards), func(b *testing.B) {
			dir, m := b.TempDir(), meta.NewMem()
			defer m.Close()
			segments := c.gib * 16
			placeRetained(b, dir, m, segments, c.shards)
			b.ResetTimer()
			var used int64
			for range b.N {
				before := heapInUse()
				s, err := Open(Options{FS: vfs.Default, Dir: dir, Meta: m})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if n := len(s.segs.sealedSegments()); n < segments {
					b.Fatalf("%d segments", n)
				}
				used = heapInUse() - before
				sh := s.streams["s"].layout.Load().all[c.shards/2]
				b.StartTimer()
				if r, ok, err := s.segs.runAfter(sh.shardKey, sh.tip/3); err != nil || !ok || r.first > sh.tip/3+1 {
					b.Fatal(r, ok, err)
				}
				if _, ok, err := s.segs.runSince(sh.shardKey, sh.sealed.maxArrival-1000); err != nil || !ok {
					b.Fatal(ok, err)
				}
				b.StopTimer()
				s.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(used)/float64(segments), "B/segment")
		})
	}
}

func heapInUse() int64 {
	runtime.GC()
	var st runtime.MemStats
	runtime.ReadMemStats(&st)
	return int64(st.HeapAlloc)
}

// placeRetained makes the index files of many segments that all hold records of all shards.
func placeRetained(b *testing.B, dir string, m *meta.Store, segments, shards int) {
	b.Helper()
	s, err := Open(Options{FS: vfs.Default, Dir: dir, Meta: m})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Create(context.Background(), Config{Name: "s", Shards: shards}); err != nil {
		b.Fatal(err)
	}
	if err := s.SetRetention(context.Background(), "s", 8760*3600e9); err != nil {
		b.Fatal(err)
	}
	var keys []shardKey
	for _, sh := range s.streams["s"].layout.Load().all {
		keys = append(keys, sh.shardKey)
	}
	now := s.opts.Now().UnixMilli()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	standings := map[shardKey]standing{}
	const frames = 8
	for n := range segments {
		var runs []*run
		for i, key := range keys {
			r := &run{shardKey: key}
			for k := range uint64(frames) {
				pos := segmentHeaderBytes + int64(k)<<23 + int64(i*600)
				h := frameHeader{shardKey: key, records: 1, first: uint64(n*frames) + k + 1, arrival: now + int64(n*100), payloadBytes: 500}
				r.add(&h, pos, 512<<10)
			}
			runs = append(runs, r)
		}
		number := uint64(n + 2)
		index := encodeIndex(number, 64<<20, 64<<20, advance(standings, runs), runs)
		for name, content := range map[string][]byte{indexName(number): index, segmentName(number): nil} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
}
