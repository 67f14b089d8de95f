package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
)

// tailed is what a follower gave, data by shard.
type tailed map[string][]string

func (got tailed) count() (n int) {
	for _, data := range got {
		n += len(data)
	}
	return n
}

// testFollow follows the stream s of h until there are as many records as wanted, or the follower ends by itself.
func testFollow(t *testing.T, h *house, cl *clients, f follower, want int, during func()) tailed {
	t.Helper()
	f.client, f.stream, f.pace, f.note = cl.Kinesis, "s", pace{time.Millisecond, 5 * time.Millisecond}, func(text string) { t.Log(text) }
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	got := tailed{}
	err := f.follow(ctx, func(shard string, recs []types.Record) (bool, error) {
		for _, r := range recs {
			got[shard] = append(got[shard], string(r.Data))
		}
		if during != nil {
			during()
			during = nil
		}
		return want == 0 || got.count() < want, nil
	})
	if err != nil {
		t.Fatalf("after %d of %d records: %v", got.count(), want, err)
	}
	return got
}

func TestFollow(t *testing.T) {
	h, cl := testHouse(t)
	if err := h.streams.Create(t.Context(), stream.Config{Name: "s", Shards: 2}); err != nil {
		t.Fatal(err)
	}
	shards, err := h.streams.Shards(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	put := func(shard int, data string) {
		t.Helper()
		e := stream.Entry{PartitionKey: []byte("k"), ExplicitHashKey: shards[shard].HashStart.String(), Data: []byte(data)}
		if _, err := h.streams.Put(t.Context(), "s", []stream.Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		put(i%2, fmt.Sprint(i))
	}
	all := testFollow(t, h, cl, follower{from: tailStart{kind: types.ShardIteratorTypeTrimHorizon}, until: time.Now()}, 0, nil)
	for i, id := range []string{shards[0].ID, shards[1].ID} {
		if len(all[id]) != 150 || !slices.IsSortedFunc(all[id], func(a, b string) int { return len(a) - len(b) }) || all[id][0] != fmt.Sprint(i) {
			t.Errorf("%s: %d records: %.200v", id, len(all[id]), all[id])
		}
	}
	one := testFollow(t, h, cl, follower{from: tailStart{kind: types.ShardIteratorTypeTrimHorizon}, only: []string{shards[1].ID}}, 7, nil)
	if len(one[shards[0].ID]) > 0 || one[shards[1].ID][0] != "1" {
		t.Errorf("only shard 1: %v", one)
	}
	// What arrives while it follows; the first record is there so that it says when it has begun.
	at := time.Now()
	put(0, "first")
	live := testFollow(t, h, cl, follower{from: tailStart{kind: types.ShardIteratorTypeAtTimestamp, at: at}}, 3, func() { put(1, "x"); put(1, "y") })
	if live[shards[0].ID][0] != "first" || !slices.Equal(live[shards[1].ID], []string{"x", "y"}) {
		t.Errorf("live: %v", live)
	}
	f := follower{client: cl.Kinesis, stream: "s", only: []string{"shardId-000000000009"}, from: tailStart{kind: types.ShardIteratorTypeLatest}}
	if err := f.follow(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "no shard") {
		t.Errorf("a shard that is not there: %v", err)
	}
	f = follower{client: cl.Kinesis, stream: "none", from: tailStart{kind: types.ShardIteratorTypeLatest}}
	var gone *types.ResourceNotFoundException
	if err := f.follow(t.Context(), nil); !errors.As(err, &gone) {
		t.Errorf("a stream that is not there: %v", err)
	}
}

// Through a split, a merge and a change of count while it follows: nothing lost, nothing twice, parents before children.
func TestFollowResharding(t *testing.T) {
	h, cl := testHouse(t)
	ctx := t.Context()
	if err := h.streams.Create(ctx, stream.Config{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	written := map[string][]string{}
	n := 0
	put := func() {
		t.Helper()
		var entries []stream.Entry
		for range 20 {
			entries = append(entries, stream.Entry{PartitionKey: fmt.Append(nil, n), Data: fmt.Append(nil, n)})
			n++
		}
		placed, err := h.streams.Put(ctx, "s", entries)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range placed {
			written[p.Shard] = append(written[p.Shard], string(entries[i].Data))
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	scale := func(to int) {
		_, err := h.streams.UpdateShardCount(ctx, "s", to)
		must(err)
	}
	put()
	got := testFollow(t, h, cl, follower{from: tailStart{kind: types.ShardIteratorTypeTrimHorizon}}, 120, func() {
		scale(2)
		put()
		must(h.streams.MergeShards(ctx, "s", "shardId-000000000001", "shardId-000000000002"))
		put()
		scale(2)
		put()
		scale(3)
		put()
		put()
	})
	if len(got) != len(written) || len(written) < 6 {
		t.Errorf("%d shards, want %d", len(got), len(written))
	}
	for id, data := range written {
		if !slices.Equal(got[id], data) {
			t.Errorf("%s: %v, want %v", id, got[id], data)
		}
	}
}
