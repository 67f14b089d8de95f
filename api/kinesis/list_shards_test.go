package kinesis_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Every filter, over a stream of two shards of which the first is split after an hour and its children are merged after
// three; all are seen again when some have expired.
func TestShardFilters(t *testing.T) {
	w := newWorld(t)
	begin := w.clock.Now()
	w.create("s", 2)
	w.clock.advance(time.Hour)
	w.split(shard0, "5")
	w.clock.advance(2 * time.Hour)
	w.merge(shard2, shard3)
	w.clock.advance(time.Hour)
	at := func(kind types.ShardFilterType, hours float64) *types.ShardFilter {
		return &types.ShardFilter{Type: kind, Timestamp: aws.Time(begin.Add(time.Duration(hours * float64(time.Hour))))}
	}
	plain := func(kind types.ShardFilterType) *types.ShardFilter { return &types.ShardFilter{Type: kind} }
	after := func(id string) *types.ShardFilter {
		return &types.ShardFilter{Type: types.ShardFilterTypeAfterShardId, ShardId: &id}
	}
	check := func(filter *types.ShardFilter, want string) {
		t.Helper()
		if got := ids(w.shards(filter)); got != want {
			t.Errorf("%+v: %s, want %s", filter, got, want)
		}
		for limit := int32(1); limit <= 2; limit++ { // a filter is kept across pages
			if got := ids(w.pages(&sdk.ListShardsInput{StreamName: aws.String("s"), ShardFilter: filter, MaxResults: &limit})); got != want {
				t.Errorf("%+v in pages of %d: %s, want %s", filter, limit, got, want)
			}
		}
	}
	check(nil, "0 1 2 3 4")
	check(plain(types.ShardFilterTypeFromTrimHorizon), "0 1 2 3 4")
	check(plain(types.ShardFilterTypeAtTrimHorizon), "0 1")
	check(plain(types.ShardFilterTypeAtLatest), "1 4")
	check(at(types.ShardFilterTypeAtTimestamp, 0.5), "0 1")
	check(at(types.ShardFilterTypeAtTimestamp, 2), "1 2 3")
	check(at(types.ShardFilterTypeAtTimestamp, 3.5), "1 4")
	check(at(types.ShardFilterTypeFromTimestamp, 0.5), "0 1 2 3 4")
	check(at(types.ShardFilterTypeFromTimestamp, 2), "1 2 3 4")
	check(at(types.ShardFilterTypeFromTimestamp, 3.5), "1 4")
	check(after("shardId-1"), "2 3 4")
	check(after("shardId-000000000009"), "")

	w.clock.advance(22 * time.Hour) // the horizon is two hours from the beginning
	check(nil, "1 2 3 4")
	check(plain(types.ShardFilterTypeAtTrimHorizon), "1 2 3")
	check(at(types.ShardFilterTypeAtTimestamp, 0.5), "1 2 3") // the horizon is as far as it goes
	check(at(types.ShardFilterTypeFromTimestamp, 0.5), "1 2 3 4")
	check(after("shardId-0"), "1 2 3 4")
	w.clock.advance(2 * time.Hour)
	check(nil, "1 4")
	check(plain(types.ShardFilterTypeAtTrimHorizon), "1 4")
}

// pages are the shards of all pages.
func (w *world) pages(in *sdk.ListShardsInput) (all []types.Shard) {
	w.Helper()
	for {
		out, err := w.ListShards(w.Context(), in)
		w.check(err)
		if all = append(all, out.Shards...); len(out.Shards) > int(*in.MaxResults) {
			w.Fatalf("a page of %d", len(out.Shards))
		}
		if out.NextToken == nil {
			return all
		}
		in = &sdk.ListShardsInput{NextToken: out.NextToken, MaxResults: in.MaxResults}
	}
}

// Lists of many shards come in pages of at most 1000, descriptions of at most 100.
func TestManyShards(t *testing.T) {
	w := newWorld(t)
	const n = 5000
	w.create("s", n)
	all := w.pages(&sdk.ListShardsInput{StreamName: aws.String("s"), MaxResults: aws.Int32(10000)})
	if len(all) != n || *all[n-1].ShardId != "shardId-000000004999" || *all[n-1].HashKeyRange.EndingHashKey != "340282366920938463463374607431768211455" {
		t.Fatalf("%d shards, the last %+v", len(all), all[n-1])
	}
	first, err := w.ListShards(t.Context(), &sdk.ListShardsInput{StreamName: aws.String("s"), ExclusiveStartShardId: aws.String("shardId-3")})
	w.check(err)
	if len(first.Shards) != 1000 || *first.Shards[0].ShardId != "shardId-000000000004" || first.NextToken == nil {
		t.Fatalf("%d shards", len(first.Shards))
	}
	for _, c := range []struct {
		limit       *int32
		after, want string
		n           int
		more        bool
	}{
		{nil, "", "shardId-000000000000", 100, true},
		{aws.Int32(10000), "shardId-000000004000", "shardId-000000004001", 100, true},
		{aws.Int32(7), "shardId-4998", "shardId-000000004999", 1, false},
	} {
		in := &sdk.DescribeStreamInput{StreamName: aws.String("s"), Limit: c.limit}
		if c.after != "" {
			in.ExclusiveStartShardId = &c.after
		}
		out, err := w.DescribeStream(t.Context(), in)
		w.check(err)
		d := out.StreamDescription
		if len(d.Shards) != c.n || *d.Shards[0].ShardId != c.want || *d.HasMoreShards != c.more {
			t.Errorf("after %q: %d shards from %s, more %v", c.after, len(d.Shards), *d.Shards[0].ShardId, *d.HasMoreShards)
		}
	}
}
