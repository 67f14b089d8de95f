package kinesis

// UpdateShardCount splits and merges shards pair by pair until the target is reached, at once, where AWS is UPDATING for a
// while; so shards appear that are closed already. The target must be at most twice and at least half the open shards;
// where AWS's limits hold, ten changes are allowed in 24 hours. An on-demand stream refuses it.

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const streamShardLimit = 10000 // open shards of one stream

func (s *service) updateShardCount(ctx context.Context, in *kinesis.UpdateShardCountInput) (*kinesis.UpdateShardCountOutput, error) {
	var v wire.Violations
	v.Required(in.ScalingType != "", "scalingType")
	wire.Enum(&v, in.ScalingType, "scalingType", in.ScalingType.Values())
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	v.Required(in.TargetShardCount != nil, "targetShardCount")
	wire.Range(&v, in.TargetShardCount, "targetShardCount", 1, 100000)
	if err := v.Err(); err != nil {
		return nil, err
	}
	name, d, err := s.resharded(ctx, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	target := int(*in.TargetShardCount)
	if err := s.checkScaling(ctx, d, target); err != nil {
		return nil, err
	}
	before, err := s.streams.UpdateShardCount(ctx, name, target)
	if err != nil {
		return nil, s.noStream(err, name)
	}
	return &kinesis.UpdateShardCountOutput{
		StreamName:        aws.String(name),
		StreamARN:         aws.String(d.ARN),
		CurrentShardCount: aws.Int32(int32(before)),
		TargetShardCount:  in.TargetShardCount,
	}, nil
}

// checkScaling refuses what is more at once, or in all, than AWS allows.
func (s *service) checkScaling(ctx context.Context, d stream.Description, target int) error {
	refused := func(why string) error {
		return wire.Errorf("LimitExceededException", http.StatusBadRequest, "%s Current open shard count: %d, Target shard count: %d",
			why, d.OpenShards, target)
	}
	switch {
	case target > streamShardLimit:
		return refused("Target shard count or number of open shards cannot be greater than 10000.")
	case target > 2*d.OpenShards:
		return refused("UpdateShardCount cannot scale up over double your current open shard count.")
	case 2*target < d.OpenShards:
		return refused("UpdateShardCount cannot scale down below half your current open shard count.")
	}
	if err := s.checkChanges("UpdateShardCount", d); err != nil {
		return err
	}
	return s.checkShardLimit(ctx, target-d.OpenShards)
}

// checkShardLimit refuses more shards than the account may have.
func (s *service) checkShardLimit(ctx context.Context, more int) error {
	if has := s.count(ctx).shards; more > 0 && has+more > s.quotas.shards {
		return wire.Errorf("LimitExceededException", http.StatusBadRequest,
			"This request would exceed the shard limit for the account %s in %s. Current shard count for the account: %d. Limit: %d. "+
				"Number of additional shards that would have resulted from this request: %d. Refer to the AWS Service Limits page "+
				"(http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.",
			s.streams.Account(), regionOf(s.streams.StreamARN("")), has, s.quotas.shards, more)
	}
	return nil
}
