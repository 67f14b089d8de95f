package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
)

// drain plans and reads batch after batch until nothing is left.
func drain(t *testing.T, src batch.Source, at batch.Offset, limit batch.Limit) (all []string, end batch.Offset) {
	t.Helper()
	for {
		end, err := src.Plan(t.Context(), at, limit)
		if err != nil {
			t.Fatal(err)
		}
		if end.Equal(at) {
			return all, at
		}
		if got := read(t, src, at, end); got != "" {
			all = append(all, strings.Fields(got)...)
		}
		at = end
	}
}

// must fails the test if a reshard does.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Children wait for their parents, also through shards that never had a record.
func TestParentsFirst(t *testing.T) {
	s := openStore(t, 2)
	put(t, s, 0, 0, 3)
	put(t, s, 1, 0, 3)
	must(t, s.SplitShard(t.Context(), "s", stream.ShardID(0), stream.HashKey{Hi: 1 << 62}))
	put(t, s, 2, 0, 3)
	if _, err := s.UpdateShardCount(t.Context(), "s", 1); err != nil {
		t.Fatal(err)
	}
	put(t, s, 5, 0, 2)
	all, _ := drain(t, New(s, "s"), nil, batch.Limit{Records: 4})
	order := strings.Join(all, " ")
	if len(all) != 11 {
		t.Fatalf("%d records: %s", len(all), order)
	}
	for _, pair := range []string{"0002 2000", "2002 5000", "1002 5000"} {
		parent, child, _ := strings.Cut(pair, " ")
		if strings.Index(order, parent) > strings.Index(order, child) {
			t.Errorf("%s after %s: %s", parent, child, order)
		}
	}
}

// A source that starts behind all records of a shard, by time or because they have expired, goes on to its children.
func TestBeginsInChildren(t *testing.T) {
	clock := newClock()
	s := openStoreAt(t, clock)
	must(t, s.Create(t.Context(), stream.Config{Name: "s", Shards: 1}))
	put(t, s, 0, 0, 2)
	clock.advance(time.Hour)
	must(t, s.SplitShard(t.Context(), "s", stream.ShardID(0), stream.HashKey{Hi: 1 << 63}))
	clock.advance(time.Hour)
	put(t, s, 2, 0, 1)
	src := New(s, "s")
	at, err := src.Position(t.Context(), batch.Start{Kind: batch.AtTime, Time: clock.now().Add(-time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := drain(t, src, at, batch.Limit{}); fmt.Sprint(all) != "[2000]" {
		t.Errorf("by time: %v", all)
	}
	clock.advance(22*time.Hour + 30*time.Minute) // the records of the parent have expired, it was closed later
	if all, _ := drain(t, New(s, "s"), nil, batch.Limit{}); fmt.Sprint(all) != "[2000]" {
		t.Errorf("from the oldest record: %v", all)
	}
	first, err := s.Shard("s", stream.ShardID(0))
	if err != nil {
		t.Fatal(err)
	}
	stale := batch.Offset{stream.ShardID(0): first.At(1).String()}
	if all, _ := drain(t, New(s, "s"), stale, batch.Limit{}); fmt.Sprint(all) != "[2000]" {
		t.Errorf("from an expired record: %v", all)
	}
}

// testClock stands still until it is advanced.
type testClock struct{ ns atomic.Int64 }

func newClock() *testClock {
	c := new(testClock)
	c.ns.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *testClock) now() time.Time { return time.Unix(0, c.ns.Load()) }

func (c *testClock) advance(d time.Duration) { c.ns.Add(int64(d)) }

func openStoreAt(t *testing.T, clock *testClock) *stream.Store {
	t.Helper()
	m := meta.NewMem()
	s, err := stream.Open(stream.Options{FS: vfs.NewCrashable(), Dir: "log", Meta: m, SegmentBytes: 64 << 10, Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		m.Close()
	})
	return s
}

// A waiting source notices that shards end and that their children have records.
func TestWaitThroughReshard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStoreAt(t, newClock())
		must(t, s.Create(t.Context(), stream.Config{Name: "s", Shards: 1}))
		src := New(s, "s")
		got := make(chan string)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			var at batch.Offset
			for {
				end, err := src.Plan(ctx, at, batch.Limit{})
				if err != nil {
					return
				}
				if !end.Equal(at) {
					got <- read(t, src, at, end)
					at = end
					continue
				}
				if src.Wait(ctx, at) != nil {
					return
				}
			}
		}()
		for i := range 4 {
			synctest.Wait()
			if _, err := s.UpdateShardCount(t.Context(), "s", 1+i%2); err != nil {
				t.Fatal(err)
			}
			infos, err := s.Shards(t.Context(), "s")
			if err != nil {
				t.Fatal(err)
			}
			last := len(infos) - 1
			put(t, s, last, i, 1)
			if r, want := <-got, fmt.Sprintf("%d%03d", last, i); r != want {
				t.Fatalf("got %q, want %q", r, want)
			}
		}
	})
}

// Whatever happens to the shards, every record comes once, those of a key in order, also if the source begins anew between
// plan and read.
func TestEveryRecordOnceThroughReshards(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	clock := newClock()
	s := openStoreAt(t, clock)
	must(t, s.Create(t.Context(), stream.Config{Name: "s", Shards: 2}))
	src := New(s, "s")
	var at batch.Offset
	put, seen := map[string]int{}, map[string]int{}
	take := func(limit batch.Limit) bool {
		end, err := src.Plan(t.Context(), at, limit)
		if err != nil {
			t.Fatal(err)
		}
		if end.Equal(at) {
			return false
		}
		var twice [2][]string
		for i := range twice {
			err := src.Read(t.Context(), at, end, func(recs []batch.Record) error {
				for _, r := range recs {
					twice[i] = append(twice[i], string(r.Key)+"="+string(r.Data))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			src = New(s, "s")
			reshard(t, rng, s)
		}
		if !slices.Equal(twice[0], twice[1]) {
			t.Fatalf("read again gave other records:\n%v\n%v", twice[0], twice[1])
		}
		for _, r := range twice[0] {
			key, n, _ := strings.Cut(r, "=")
			if n != fmt.Sprint(seen[key]) {
				t.Fatalf("key %s: record %s, want %d", key, n, seen[key])
			}
			seen[key]++
		}
		at = end
		return true
	}
	for range 150 {
		var entries []stream.Entry
		for range rng.IntN(8) {
			key := fmt.Sprint("key", rng.IntN(10))
			entries = append(entries, stream.Entry{PartitionKey: []byte(key), Data: fmt.Append(nil, put[key])})
			put[key]++
		}
		if _, err := s.Put(t.Context(), "s", entries); err != nil {
			t.Fatal(err)
		}
		clock.advance(time.Duration(rng.IntN(1000)) * time.Millisecond)
		if rng.IntN(3) == 0 {
			reshard(t, rng, s)
		}
		if rng.IntN(2) == 0 {
			take(batch.Limit{Records: 1 + rng.IntN(20)})
		}
	}
	for take(batch.Limit{}) {
	}
	for key, n := range put {
		if seen[key] != n {
			t.Errorf("key %s: %d of %d records", key, seen[key], n)
		}
	}
}

// reshard splits, merges or scales at random.
func reshard(t *testing.T, rng *rand.Rand, s *stream.Store) {
	t.Helper()
	infos, err := s.Shards(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	open := slices.DeleteFunc(infos, func(i stream.ShardInfo) bool { return i.Closed })
	slices.SortFunc(open, func(a, b stream.ShardInfo) int {
		if a.HashStart.Less(b.HashStart) {
			return -1
		}
		return 1
	})
	i := rng.IntN(len(open))
	switch {
	case len(open) < 10 && rng.IntN(2) == 0:
		at := open[i].HashStart
		at.Hi += (open[i].HashEnd.Hi - at.Hi) / uint64(2+rng.IntN(3))
		must(t, s.SplitShard(t.Context(), "s", open[i].ID, at))
	case i > 0:
		must(t, s.MergeShards(t.Context(), "s", open[i].ID, open[i-1].ID))
	default:
		_, err = s.UpdateShardCount(t.Context(), "s", 1+rng.IntN(5))
		must(t, err)
	}
}

// What is planned next no longer names shards that are gone.
func TestForgetsShardsThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meta.NewMem()
		defer m.Close()
		s, err := stream.Open(stream.Options{FS: vfs.NewCrashable(), Dir: "log", Meta: m, SegmentBytes: 64 << 10})
		must(t, err)
		defer s.Close()
		must(t, s.Create(t.Context(), stream.Config{Name: "s", Shards: 1}))
		put(t, s, 0, 0, 2)
		must(t, s.SplitShard(t.Context(), "s", stream.ShardID(0), stream.HashKey{Hi: 1 << 63}))
		put(t, s, 1, 0, 2)
		src := New(s, "s")
		_, at := drain(t, src, nil, batch.Limit{})
		time.Sleep(25 * time.Hour)
		infos, err := s.Shards(t.Context(), "s")
		if err != nil || len(infos) != 2 || len(at) != 2 {
			t.Fatalf("%d shards, offset %v, %v", len(infos), at, err)
		}
		if end, err := src.Plan(t.Context(), at, batch.Limit{}); err != nil || !end.Equal(at) {
			t.Fatalf("nothing new: %v, %v", end, err)
		}
		put(t, s, 0, 2, 1) // the first that is left
		end, err := src.Plan(t.Context(), at, batch.Limit{})
		if err != nil || len(end) != 1 {
			t.Fatalf("%v, %v", end, err)
		}
	})
}
