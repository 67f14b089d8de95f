package stream

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// reopen closes the store and opens it again.
func (w *world) reopen() {
	w.close()
	w.open()
}

func (w *world) describe(name string) Description {
	w.t.Helper()
	d, err := w.store.Describe(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Attributes are there after a restart as they were set.
func TestAttributesStay(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	ctx := t.Context()
	w.must(w.store.Create(ctx, Config{Name: "s", OnDemand: true, SpreadEvenly: true, WarmMiBps: 6}))
	if d := w.describe("s"); !d.SpreadEvenly || d.WarmMiBps != 6 || d.OpenShards != 6 {
		t.Fatalf("made with %+v", d)
	}
	_, err := w.store.RegisterConsumer(ctx, "s", "c", nil, 20)
	w.must(err)
	w.must(w.store.SetPolicy(ctx, "s", "", "{}"))
	w.must(w.store.SetPolicy(ctx, "s", "c", "{ }"))
	w.must(w.store.SetWarmThroughput(ctx, "s", 9))
	w.must(w.store.SetEncryption(ctx, "s", "alias/a"))
	w.reopen()
	d := w.describe("s")
	if d.Policy != "{}" || d.Consumers[0].Policy != "{ }" || !d.SpreadEvenly || d.WarmMiBps != 9 || d.OpenShards != 9 || d.KeyID != "alias/a" {
		t.Fatalf("%+v", d)
	}

	// Less warm throughput merges nothing.
	w.must(w.store.SetWarmThroughput(ctx, "s", 2))
	if d := w.describe("s"); d.WarmMiBps != 2 || d.OpenShards != 9 {
		t.Fatalf("%+v", d)
	}
	w.must(w.store.SetPolicy(ctx, "s", "c", ""))
	if err := w.store.SetPolicy(ctx, "s", "c", ""); !errors.Is(err, ErrNoPolicy) {
		t.Error(err)
	}
	if err := w.store.SetPolicy(ctx, "s", "none", "{}"); !errors.Is(err, ErrConsumerNotFound) {
		t.Error(err)
	}

	// What only on-demand streams have goes with the mode.
	w.must(w.store.SetMode(ctx, "s", false))
	if d := w.describe("s"); d.SpreadEvenly || d.WarmMiBps != 0 || d.OpenShards != 9 || d.KeyID == "" {
		t.Fatalf("%+v", d)
	}
	for _, err := range []error{
		w.store.SetSpreadEvenly(ctx, "s", true), w.store.SetWarmThroughput(ctx, "s", 2),
		w.store.Create(ctx, Config{Name: "x", Shards: 1, SpreadEvenly: true}), w.store.Create(ctx, Config{Name: "x", Shards: 1, WarmMiBps: 1}),
	} {
		if !errors.Is(err, ErrProvisioned) {
			t.Error(err)
		}
	}
	for _, err := range []error{
		w.store.SetSpreadEvenly(ctx, "x", true), w.store.SetWarmThroughput(ctx, "x", 2), w.store.SetPolicy(ctx, "x", "", "{}"),
		w.store.SetEncryption(ctx, "x", "k"), w.store.SetMode(ctx, "x", true),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
}

// Changes count for a day, whatever happens in between, and only if they change something.
func TestChangesCountForADay(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	ctx := t.Context()
	w.must(w.store.Create(ctx, Config{Name: "s", Shards: 2}))
	begin := w.now
	w.must(w.store.SetMode(ctx, "s", false))
	w.must(w.store.SetEncryption(ctx, "s", ""))
	w.must(w.store.SetEncryption(ctx, "s", "a"))
	w.must(w.store.SetEncryption(ctx, "s", "a"))
	_, err := w.store.UpdateShardCount(ctx, "s", 3)
	w.must(err)
	w.now = w.now.Add(23 * time.Hour)
	w.must(w.store.SetMode(ctx, "s", true))
	w.must(w.store.SetEncryption(ctx, "s", "b"))
	w.must(w.store.SetEncryption(ctx, "s", ""))
	w.reopen()
	want := func(kind string, got []time.Time, times ...time.Time) {
		t.Helper()
		if !slices.EqualFunc(got, times, time.Time.Equal) {
			t.Errorf("%s at %v, want %v", kind, got, times)
		}
	}
	later := begin.Add(23 * time.Hour)
	c := w.describe("s").Changes
	want("mode", c.Mode, later)
	want("shard count", c.ShardCount, begin)
	want("key", c.Key, begin, later)
	want("end of encryption", c.KeyEnd, later)
	w.now = begin.Add(24 * time.Hour)
	c = w.describe("s").Changes
	want("mode", c.Mode, later)
	want("shard count", c.ShardCount)
	want("key", c.Key, later)
	w.now = w.now.Add(24 * time.Hour)
	if c := w.describe("s").Changes; len(c.Mode)+len(c.ShardCount)+len(c.Key)+len(c.KeyEnd) > 0 {
		t.Errorf("after two days: %+v", c)
	}
	for range changesMax + 50 {
		w.must(w.store.SetEncryption(ctx, "s", "a"))
		w.must(w.store.SetEncryption(ctx, "s", ""))
	}
	if c := w.describe("s").Changes; len(c.Key) != changesMax || len(c.KeyEnd) != changesMax {
		t.Errorf("%d and %d changes are kept", len(c.Key), len(c.KeyEnd))
	}
}

// A stream that spreads its records gives its open shards the same number, while many write, with one key, and also when
// there are more shards after a while.
func TestSpreadEvenly(t *testing.T) {
	const writers, puts, batch, shards = 6, 25, 7, 4
	m := meta.NewMem()
	defer m.Close()
	s := openMem(t, vfs.NewCrashable(), m)
	defer s.Close()
	ctx := t.Context()
	if err := s.Create(ctx, Config{Name: "s", OnDemand: true, SpreadEvenly: true}); err != nil {
		t.Fatal(err)
	}
	for round, open := range []int{shards, 2 * shards} {
		if err := s.SetWarmThroughput(ctx, "s", open); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range puts {
					entries := make([]Entry, batch)
					for k := range entries {
						entries[k] = Entry{PartitionKey: []byte("one"), ExplicitHashKey: "nonsense", Data: fmt.Append(nil, w, i, k)}
					}
					placed, err := s.Put(ctx, "s", entries)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, p := range placed {
						got[p.Shard]++
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		least := writers * puts * batch / open
		if len(got) != open {
			t.Errorf("round %d: records on %d of %d shards", round, len(got), open)
		}
		for id, n := range got {
			if n < least || n > least+1 {
				t.Errorf("round %d: %s got %d records, others %d", round, id, n, least)
			}
		}
	}
}

func TestCommitment(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	settings := func() Account {
		a, err := w.store.AccountSettings()
		w.must(err)
		return a
	}
	if a := settings(); a != (Account{}) {
		t.Fatalf("at first %+v", a)
	}
	begin := w.now
	_, err := w.store.SetCommitment(t.Context(), true)
	w.must(err)
	w.now = w.now.Add(time.Hour)
	_, err = w.store.SetCommitment(t.Context(), false)
	w.must(err)
	w.crash(vfs.CrashConfig{})
	if a := settings(); !a.Commitment || !a.Ending || !a.Started.Equal(begin) || !a.EarliestEnds.Equal(begin.Add(24*time.Hour)) {
		t.Fatalf("disabled early: %+v", a)
	}
	w.now = begin.Add(24*time.Hour - 1)
	if a := settings(); !a.Commitment {
		t.Fatalf("just before its end: %+v", a)
	}
	w.now = begin.Add(24 * time.Hour)
	if a := settings(); a.Commitment || a.Ending || !a.Ended.Equal(w.now) {
		t.Fatalf("after its end: %+v", a)
	}
}
