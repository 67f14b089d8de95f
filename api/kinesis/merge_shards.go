package kinesis

// MergeShards closes two shards that are neighbours, named in either order, and opens one in their place, at once, where
// AWS is UPDATING for a while. An on-demand stream refuses it.

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

func (s *service) mergeShards(ctx context.Context, in *kinesis.MergeShardsInput) (*kinesis.MergeShardsOutput, error) {
	var v wire.Violations
	v.Required(in.ShardToMerge != nil, "shardToMerge")
	checkName(&v, in.ShardToMerge, "shardToMerge")
	v.Required(in.AdjacentShardToMerge != nil, "adjacentShardToMerge")
	checkName(&v, in.AdjacentShardToMerge, "adjacentShardToMerge")
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	name, _, err := s.resharded(ctx, in.StreamName, in.StreamARN, *in.ShardToMerge, *in.AdjacentShardToMerge)
	if err != nil {
		return nil, err
	}
	shard, err := s.shardToReshape(name, *in.ShardToMerge)
	if err != nil {
		return nil, err
	}
	adjacent, err := s.shardToReshape(name, *in.AdjacentShardToMerge)
	if err != nil {
		return nil, err
	}
	closed := shard.ID
	if !shard.Closed {
		closed = adjacent.ID
	}
	switch err := s.streams.MergeShards(ctx, name, shard.ID, adjacent.ID); {
	case errors.Is(err, stream.ErrNotAdjacent):
		return nil, invalidArgument("Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging",
			shard.ID, adjacent.ID, name, s.streams.Account())
	case err != nil:
		return nil, s.notReshaped(err, name, closed)
	}
	return &kinesis.MergeShardsOutput{}, nil
}
