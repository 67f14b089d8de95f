package kinesis

// SplitShard closes a shard and opens two in its place, at once, where AWS is UPDATING for a while. NewStartingHashKey must
// be more than one past the shard's first key and less than its last. An on-demand stream refuses it.

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

func (s *service) splitShard(ctx context.Context, in *kinesis.SplitShardInput) (*kinesis.SplitShardOutput, error) {
	var v wire.Violations
	v.Required(in.NewStartingHashKey != nil, "newStartingHashKey")
	v.Pattern(in.NewStartingHashKey, "newStartingHashKey", hashKeyPattern)
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	v.Required(in.ShardToSplit != nil, "shardToSplit")
	checkName(&v, in.ShardToSplit, "shardToSplit")
	if err := v.Err(); err != nil {
		return nil, err
	}
	name, _, err := s.resharded(ctx, in.StreamName, in.StreamARN, *in.ShardToSplit)
	if err != nil {
		return nil, err
	}
	info, err := s.shardToReshape(name, *in.ShardToSplit)
	if err != nil {
		return nil, err
	}
	if err := s.checkShardLimit(ctx, 1); err != nil {
		return nil, err
	}
	badPoint := invalidArgument("NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s "+
		"is not both greater than one plus the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.",
		*in.NewStartingHashKey, info.ID, name, s.streams.Account(), info.HashStart, info.HashEnd)
	at, err := stream.ParseHashKey(*in.NewStartingHashKey)
	if err != nil {
		return nil, badPoint
	}
	switch err := s.streams.SplitShard(ctx, name, info.ID, at); {
	case errors.Is(err, stream.ErrSplitPoint):
		return nil, badPoint
	case err != nil:
		return nil, s.notReshaped(err, name, info.ID)
	}
	return &kinesis.SplitShardOutput{}, nil
}

// resharded finds the stream whose shards a request is to change; the shards must have names of shards.
func (s *service) resharded(ctx context.Context, name, arn *string, shards ...string) (string, stream.Description, error) {
	of, err := s.streamName(name, arn)
	if err != nil {
		return "", stream.Description{}, err
	}
	for _, id := range shards {
		if _, ok := stream.ParseShardID(id); !ok {
			return "", stream.Description{}, s.cannotFindShard(id, of)
		}
	}
	d, err := s.streams.Describe(ctx, of)
	if err != nil {
		return "", d, s.noStream(err, of)
	}
	if d.OnDemand {
		return "", d, s.onDemand(of)
	}
	return of, d, nil
}

// shardToReshape finds a shard that has the name of one.
func (s *service) shardToReshape(name, id string) (stream.ShardInfo, error) {
	index, _ := stream.ParseShardID(id)
	sh, err := s.streams.Shard(name, stream.ShardID(index))
	if err != nil {
		return stream.ShardInfo{}, s.notReshaped(err, name, stream.ShardID(index))
	}
	info, err := sh.Info()
	return info, s.noStream(err, name)
}

// notReshaped says why the shards of a stream stay as they are.
func (s *service) notReshaped(err error, name, shard string) error {
	switch {
	case errors.Is(err, stream.ErrNoShard):
		return s.cannotFindShard(shard, name)
	case errors.Is(err, stream.ErrShardClosed):
		return invalidArgument("Shard %s in stream %s under account %s has already been merged or split, and thus is not eligible for merging or splitting.",
			shard, name, s.streams.Account())
	}
	return s.noStream(err, name)
}
