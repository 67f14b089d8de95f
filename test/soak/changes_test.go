package soak

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// shardsMost bounds the open shards.
const shardsMost = 16

// openShard is a shard as ListShards describes it.
type openShard struct {
	ShardId             string
	HashKeyRange        struct{ StartingHashKey, EndingHashKey string }
	SequenceNumberRange struct{ EndingSequenceNumber string }
}

// openShards are the open shards by hash key.
func (w *world) openShards() ([]openShard, error) {
	var out struct{ Shards []openShard }
	err := w.server.call("ListShards", map[string]any{"StreamName": streamName, "ShardFilter": map[string]any{"Type": "AT_LATEST"}}, &out)
	number := func(s openShard) *big.Int {
		n, _ := new(big.Int).SetString(s.HashKeyRange.StartingHashKey, 10)
		return n
	}
	slices.SortFunc(out.Shards, func(a, b openShard) int { return number(a).Cmp(number(b)) })
	return out.Shards, err
}

// reshard splits and merges shards, and changes their count.
func (w *world) reshard(ctx context.Context, rng *rand.Rand) error {
	for ctx.Err() == nil {
		pause(ctx, between(rng, every(150*time.Millisecond, 2*time.Second)))
		if ctx.Err() != nil {
			return nil
		}
		open, err := w.openShards()
		if err != nil {
			return err
		}
		operation, in := change(open, rng)
		in["StreamName"] = streamName
		if err := w.server.call(operation, in, nil); err != nil {
			return fmt.Errorf("%v: %w", in, err)
		}
		w.meter.reshards.Add(1)
		w.meter.shards.Store(int64(len(open)))
	}
	return nil
}

// change is a random one that open shards allow.
func change(open []openShard, rng *rand.Rand) (operation string, in map[string]any) {
	n := len(open)
	switch kind := rng.IntN(3); {
	case kind == 0:
		least, most := (n+1)/2, min(2*n, shardsMost)
		return "UpdateShardCount", map[string]any{"ScalingType": "UNIFORM_SCALING", "TargetShardCount": least + rng.IntN(most-least+1)}
	case n >= shardsMost || kind == 1 && n > 1:
		i := rng.IntN(n - 1)
		return "MergeShards", map[string]any{"ShardToMerge": open[i].ShardId, "AdjacentShardToMerge": open[i+1].ShardId}
	}
	s := open[rng.IntN(n)]
	low, _ := new(big.Int).SetString(s.HashKeyRange.StartingHashKey, 10)
	high, _ := new(big.Int).SetString(s.HashKeyRange.EndingHashKey, 10)
	middle := new(big.Int).Add(low, high)
	middle.Rsh(middle, 1)
	return "SplitShard", map[string]any{"ShardToSplit": s.ShardId, "NewStartingHashKey": middle.String()}
}

// encrypt switches encryption on, to another key, and off.
func (w *world) encrypt(ctx context.Context, rng *rand.Rand) error {
	for ctx.Err() == nil {
		pause(ctx, between(rng, every(200*time.Millisecond, 5*time.Second)))
		if err := w.server.streams.SetEncryption(ctx, streamName, strings.Repeat("k", rng.IntN(3))); err != nil {
			return err
		}
		w.meter.switches.Add(1)
	}
	return nil
}
