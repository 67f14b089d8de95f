package stream

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Hot shards of an on-demand stream are split once a minute, the others and those of provisioned streams are not.
func TestAutoscale(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	ctx := context.Background()
	for name, onDemand := range map[string]bool{"d": true, "p": false} {
		if err := w.store.Create(ctx, Config{Name: name, OnDemand: onDemand, Shards: 4}); err != nil {
			t.Fatal(err)
		}
	}
	load := func(name string, shard int, records, bytes int64) {
		sh, err := w.store.Shard(name, ShardID(uint32(shard)))
		if err != nil {
			t.Fatal(err)
		}
		sh.mu.Lock()
		sh.meter.records += records
		sh.meter.bytes += bytes
		sh.mu.Unlock()
	}
	open := func(name string) string {
		var ids []string
		for _, sh := range w.store.streams[name].layout.Load().open {
			ids = append(ids, fmt.Sprint(sh.index))
		}
		return strings.Join(ids, " ")
	}
	round := func(d time.Duration) string {
		w.now = w.now.Add(d)
		w.store.tendShards()
		return open("d")
	}
	round(0)
	load("d", 0, 31_000, 0)
	load("p", 0, 600_000, 0)
	if got := round(30 * time.Second); got != "0 1 2 3" {
		t.Errorf("before the minute is over: %s", got)
	}
	if got := round(30 * time.Second); got != "4 5 1 2 3" {
		t.Errorf("31,000 records in a minute: %s", got)
	}
	load("d", 1, 29_000, 29<<20)
	load("d", 2, 10, 31<<20)
	load("d", 5, 120_000, 0)
	if got := round(time.Minute); got != "4 6 7 1 8 9 3" {
		t.Errorf("31 MiB in a minute, and 120,000 records: %s", got)
	}
	if got := round(time.Minute); got != "4 6 7 1 8 9 3" {
		t.Errorf("without load: %s", got)
	}
	load("d", 3, 40_000, 0)
	if got := round(-time.Hour); got != "4 6 7 1 8 9 3" {
		t.Errorf("the clock stepped back: %s", got)
	}
	if got := round(time.Minute); got != "4 6 7 1 8 9 10 11" {
		t.Errorf("a minute later: %s", got)
	}
	if got := open("p"); got != "0 1 2 3" {
		t.Errorf("a provisioned stream: %s", got)
	}
	if err := w.store.SetMode(ctx, "p", true); err != nil {
		t.Fatal(err)
	}
	if round(time.Minute); open("p") != "0 1 2 3" {
		t.Errorf("what it took before it was on-demand was counted: %s", open("p"))
	}
}

// What is put is what is measured; a stream whose every shard is hot doubles each minute up to 200 shards.
func TestAutoscaleGrows(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	ctx := context.Background()
	if err := w.store.Create(ctx, Config{Name: "s", OnDemand: true}); err != nil {
		t.Fatal(err)
	}
	w.store.tendShards()
	for _, want := range []int{8, 16, 32, 64, 128, 200, 200} {
		st := w.store.streams["s"]
		for _, sh := range st.layout.Load().open {
			sh.meter.records = 31_000
			if sh.index == 0 {
				sh.meter.records = 0
				entries := make([]Entry, 500)
				for i := range entries {
					entries[i] = Entry{PartitionKey: []byte("k"), ExplicitHashKey: "0"}
				}
				for range 61 {
					if _, err := w.store.Put(ctx, "s", entries); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		w.now = w.now.Add(time.Minute)
		w.store.tendShards()
		if got := len(st.layout.Load().open); got != want {
			t.Fatalf("%d open shards, want %d", got, want)
		}
	}
}

// A range so narrow that only few keys are in it is not split for its heat.
func TestAutoscaleLeavesNarrowShards(t *testing.T) {
	doc := streamDoc{NextShard: 1, Shards: []shardDoc{{Range: hashRange{End: MaxHashKey}}}}
	for range 30 {
		r := newReshaping(&doc)
		open := r.open()
		r.cool([]hotShard{{r.shards[open[0]].Index, 9}})
		doc.Shards, doc.NextShard = r.shards, r.next
	}
	if open := len(newReshaping(&doc).open()); open != 17 {
		t.Errorf("%d open shards around one hot key, want 17", open)
	}
}
