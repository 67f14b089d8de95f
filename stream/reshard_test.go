package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// lineage reads all shards of a stream as a consumer does that follows them: parents to their end, then their children.
// It returns the data of the records by partition key, in order, and checks what a consumer relies on.
func lineage(t testing.TB, s *Store, name string) map[string][]string {
	t.Helper()
	ctx := context.Background()
	infos, err := s.Shards(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]SeqNum{} // greatest in each shard
	byKey := map[string][]string{}
	for _, info := range infos { // children have greater ids
		for _, p := range info.Parents {
			if before := last[p]; string(before[:]) >= string(info.First[:]) {
				t.Fatalf("%s begins at %s, its parent %s reaches %s", info.ID, info.First, p, last[p])
			}
		}
		sh, err := s.Shard(name, info.ID)
		if err != nil {
			t.Fatal(err)
		}
		at := SeqNum{}
		page, err := sh.Scan(ctx, at, 1<<30, 1<<40, func(recs []Record) error {
			for _, r := range recs {
				if string(r.SeqNum[:]) <= string(at[:]) {
					t.Fatalf("%s: %s after %s", info.ID, r.SeqNum, at)
				}
				at = r.SeqNum
				if h := HashOf(r.PartitionKey); h.Less(info.HashStart) || info.HashEnd.Less(h) {
					t.Fatalf("%s holds key %s, which is not in its range", info.ID, r.PartitionKey)
				}
				byKey[string(r.PartitionKey)] = append(byKey[string(r.PartitionKey)], string(r.Data))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if page.Ended != info.Closed || info.Closed != (len(info.Children) > 0) {
			t.Fatalf("%+v read to its end: %+v", info, page)
		}
		if info.Closed && string(info.Last[:]) <= string(at[:]) {
			t.Fatalf("%s ends at %s and has record %s", info.ID, info.Last, at)
		}
		last[info.ID] = at
	}
	return byKey
}

// randomReshard splits, merges or scales the stream at random.
func randomReshard(rng *rand.Rand, s *Store, name string) error {
	ctx := context.Background()
	infos, err := s.Shards(ctx, name)
	if err != nil {
		return err
	}
	open := slices.DeleteFunc(infos, func(i ShardInfo) bool { return i.Closed })
	slices.SortFunc(open, func(a, b ShardInfo) int { return a.HashStart.compare(b.HashStart) })
	i := rng.IntN(len(open))
	switch n := rng.IntN(10); {
	case n < 4 && len(open) < 12:
		over := hashRange{open[i].HashStart, open[i].HashEnd}
		at := over.Start.plus(HashKey{Hi: rng.Uint64N(over.End.minus(over.Start).Hi | 1), Lo: rng.Uint64()})
		if !over.divides(at) {
			at = over.middle()
		}
		err = s.SplitShard(ctx, name, open[i].ID, at)
	case n < 8 && i > 0:
		err = s.MergeShards(ctx, name, open[i].ID, open[i-1].ID)
	default:
		_, err = s.UpdateShardCount(ctx, name, 1+rng.IntN(8))
	}
	if errors.Is(err, ErrSplitPoint) { // a shard too small to divide
		return nil
	}
	return err
}

// Producers see no error and consumers miss nothing while shards are split and merged under them: all records of a key
// come in the order in which they were put.
func TestReshardUnderLoad(t *testing.T) {
	const writers, puts, reshards = 4, 80, 25
	m := meta.NewMem()
	defer m.Close()
	s := openMem(t, vfs.NewCrashable(), m)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := s.Create(ctx, Config{Name: "s", Shards: 2}); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range puts {
				var entries []Entry
				for k := range 5 {
					entries = append(entries, Entry{PartitionKey: fmt.Append(nil, w, k), Data: fmt.Append(nil, i)})
				}
				if _, err := s.Put(ctx, "s", entries); err != nil {
					t.Errorf("put during a reshard: %v", err)
					return
				}
			}
		})
	}
	followed := make(chan map[string][]string)
	written, finish := context.WithCancel(ctx)
	go func() { followed <- followAll(t, written, s) }()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range reshards {
		if err := randomReshard(rng, s, "s"); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	finish()
	for how, got := range map[string]map[string][]string{"followed": <-followed, "read afterwards": lineage(t, s, "s")} {
		for w := range writers {
			for k := range 5 {
				recs := got[string(fmt.Append(nil, w, k))]
				for i := range puts {
					if len(recs) != puts || recs[i] != fmt.Sprint(i) {
						t.Fatalf("%s: key %d %d: %v", how, w, k, recs)
					}
				}
			}
		}
	}
}

// followAll reads every shard from the first on, children when their parents have ended, until written is done and
// nothing more is there. It waits as a subscriber does.
func followAll(t *testing.T, written context.Context, s *Store) map[string][]string {
	var mu sync.Mutex
	byKey := map[string][]string{}
	ended := map[string]bool{}
	started := map[string]bool{}
	var all sync.WaitGroup
	var follow func(id string)
	start := func(infos []ShardInfo) { // mu is held
		for _, i := range infos {
			ready := !started[i.ID]
			for _, p := range i.Parents {
				ready = ready && ended[p]
			}
			if ready {
				started[i.ID] = true
				all.Go(func() { follow(i.ID) })
			}
		}
	}
	follow = func(id string) {
		sh, err := s.Shard("s", id)
		if err != nil {
			t.Error(err)
			return
		}
		var at SeqNum
		for {
			finished := written.Err() != nil
			page, err := sh.Scan(context.Background(), at, 50, 1<<20, func(recs []Record) error {
				mu.Lock()
				defer mu.Unlock()
				for _, r := range recs {
					byKey[string(r.PartitionKey)] = append(byKey[string(r.PartitionKey)], string(r.Data))
				}
				return nil
			})
			at = page.Last
			switch {
			case err != nil:
				t.Error(err)
				return
			case page.Ended:
				children, err := sh.Children()
				if err != nil || len(children) == 0 {
					t.Errorf("%s has ended with children %v, %v", id, children, err)
				}
				mu.Lock()
				ended[id] = true
				start(children)
				mu.Unlock()
				return
			case page.AtTip && finished:
				return
			case page.AtTip:
				if err := sh.Wait(written, at); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
					return
				}
			}
		}
	}
	infos, err := s.Shards(context.Background(), "s")
	if err != nil {
		t.Error(err)
	}
	mu.Lock()
	start(infos)
	mu.Unlock()
	all.Wait()
	return byKey
}

// Whatever the shards are, scaling leaves equal ones that cover everything, each with its parents' range.
func TestScale(t *testing.T) {
	for _, c := range []struct{ from, to, closed, open int }{
		{1, 1, 0, 1}, {2, 3, 4, 3}, {2, 4, 2, 4}, {4, 2, 4, 2}, {3, 6, 3, 6}, {6, 3, 6, 3}, {4, 3, 8, 3}, {1, 5, 4, 5},
		{5, 1, 8, 1}, {7, 7, 0, 7}, {5000, 10000, 5000, 10000}, {1, 5000, 4999, 5000},
	} {
		doc := streamDoc{}
		for _, r := range evenRanges(c.from) {
			doc.Shards = append(doc.Shards, shardDoc{Index: doc.NextShard, Range: r})
			doc.NextShard++
		}
		r := newReshaping(&doc)
		r.scale(c.to)
		if open := len(r.open()); open != c.open || len(r.shards)-open != c.closed {
			t.Errorf("%d -> %d: %d open and %d closed shards, want %d and %d", c.from, c.to, open, len(r.shards)-open, c.open, c.closed)
		}
		checkRanges(t, r, c.to)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	doc := streamDoc{NextShard: 1, Shards: []shardDoc{{Range: hashRange{End: MaxHashKey}}}}
	for range 200 {
		r := newReshaping(&doc)
		n := 1 + rng.IntN(40)
		r.scale(n)
		checkRanges(t, r, n)
		r.date(time.Unix(1000, 0), func(uint32) int64 { return 0 })
		doc.Shards, doc.NextShard = slices.DeleteFunc(r.shards, func(d shardDoc) bool { return d.Closed }), r.next
	}
}

// checkRanges: n equal shards, but for rounding, without gaps.
func checkRanges(t *testing.T, r *reshaping, n int) {
	t.Helper()
	open := r.open()
	if len(open) != n {
		t.Fatalf("%d open shards, want %d", len(open), n)
	}
	want := evenRanges(n)
	next := HashKey{}
	for i, place := range open {
		over := r.shards[place].Range
		off := over.Start.minus(want[i].Start)
		if want[i].Start.compare(over.Start) > 0 {
			off = want[i].Start.minus(over.Start)
		}
		if over.Start != next || over.End.Less(over.Start) || off.Hi > 1<<32 {
			t.Fatalf("shard %d of %d is %v, want %v", i, n, over, want[i])
		}
		next = over.End.plus(HashKey{Lo: 1})
	}
	if next != (HashKey{}) {
		t.Fatalf("the last shard ends before %v", next)
	}
}

// Puts, splits, merges, time that passes, restarts and power losses in any order: what has not expired is there, each key
// in order, and the rest is not.
func TestRandomReshards(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	defer w.close()
	ctx := context.Background()
	if err := w.store.Create(ctx, Config{Name: "s", Shards: 3}); err != nil {
		t.Fatal(err)
	}
	arrived := map[string][]time.Time{} // of each record of a key
	check := func() {
		t.Helper()
		got := lineage(t, w.store, "s")
		for key, times := range arrived {
			expired := 0
			for expired < len(times) && times[expired].Before(w.now.Add(-DefaultRetention)) {
				expired++
			}
			if len(got[key]) != len(times)-expired {
				t.Fatalf("key %s: %d records, %d of %d have not expired", key, len(got[key]), len(times)-expired, len(times))
			}
			for i, data := range got[key] {
				if strings.TrimRight(data, ".") != fmt.Sprint(expired+i) {
					t.Fatalf("key %s: record %d is %.9q", key, expired+i, data)
				}
			}
		}
		checkCovered(t, w.store, "s")
	}
	known := map[string]ShardInfo{}
	for range 400 {
		switch n := rng.IntN(100); {
		case n < 50:
			var entries []Entry
			for range 1 + rng.IntN(6) {
				key := fmt.Sprint("key", rng.IntN(8))
				data := fmt.Sprint(len(arrived[key])) + strings.Repeat(".", rng.IntN(600))
				entries = append(entries, Entry{PartitionKey: []byte(key), Data: []byte(data)})
				arrived[key] = append(arrived[key], w.now)
			}
			if _, err := w.store.Put(ctx, "s", entries); err != nil {
				t.Fatal(err)
			}
		case n < 70:
			if err := randomReshard(rng, w.store, "s"); err != nil {
				t.Fatal(err)
			}
		case n < 85:
			w.now = w.now.Add(time.Duration(rng.Int64N(int64(2 * time.Hour))))
		case n < 90:
			w.run("housekeep")
		case n < 95:
			w.run("reopen")
		case n < 97:
			w.run("crash")
		default:
			check()
		}
		infos, err := w.store.Shards(ctx, "s")
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range infos { // a shard is what it was, but may be closed
			if old, ok := known[i.ID]; ok && (old.First != i.First || old.HashStart != i.HashStart || old.Closed && !i.Closed) {
				t.Fatalf("%+v was %+v", i, old)
			}
			known[i.ID] = i
		}
	}
	check()
	w.now = w.now.Add(DefaultRetention + time.Hour)
	w.run("housekeep")
	w.run("reopen")
	check()
	d, err := w.store.Describe(ctx, "s")
	if infos, err2 := w.store.Shards(ctx, "s"); err != nil || err2 != nil || len(infos) != d.OpenShards {
		t.Errorf("%d shards are listed, %d are open, %v, %v", len(infos), d.OpenShards, err, err2)
	}
	floors := 0
	for e, err := range w.store.spaces.floors.Scan("", "") {
		if err != nil {
			t.Fatal(err)
		}
		if floors++; floors > d.OpenShards {
			t.Errorf("floor %s is of no shard", e.Key)
		}
	}
}

// Documents of before resharding have no indexes: a shard's place was its index.
func TestOldDocuments(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	w.run("create s 3")
	w.run("put s 2 a")
	raw, err := w.store.spaces.streams.Get("s")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc, "NextShard")
	for _, sh := range doc["Shards"].([]any) {
		delete(sh.(map[string]any), "Index")
	}
	if err := meta.Save(w.store.spaces.streams, "s", doc); err != nil {
		t.Fatal(err)
	}
	w.run("reopen")
	if got := w.run("read s 2") + w.run("split s 2 8") + w.run("reopen") + w.run("shards s") + w.run("read s 2"); got != "1:a\n"+
		"0: 0-5.33 made=0s\n1: 5.33-10.7 made=0s\n2: 10.7-16 made=0s closed=1s children=3,4\n3: 10.7-13.3 parents=2 made=1s\n4: 13.3-16 parents=2 made=1s\n1:a\n" {
		t.Error(got)
	}
}
