package kinesis

// CreateStream makes the stream at once: it is ACTIVE when the answer comes, where AWS takes seconds. Without a mode it
// is PROVISIONED and needs a ShardCount; an on-demand stream begins with four shards, or one for each MiB a second of
// WarmThroughputMiBps, and must not name a count.

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const (
	maxRecordKiBMin = 1024
	maxRecordKiBMax = 10240
)

func (s *service) createStream(ctx context.Context, in *kinesis.CreateStreamInput) (*kinesis.CreateStreamOutput, error) {
	mode := types.StreamModeProvisioned
	if in.StreamModeDetails != nil {
		mode = in.StreamModeDetails.StreamMode
	}
	if err := checkCreateStream(in, mode); err != nil {
		return nil, err
	}
	if err := checkTagTexts(in.Tags, nil); err != nil {
		return nil, err
	}
	onDemand := mode == types.StreamModeOnDemand
	if err := s.checkWarm(in.WarmThroughputMiBps, onDemand); err != nil {
		return nil, err
	}
	if err := s.checkLimits(ctx, in, onDemand); err != nil {
		return nil, err
	}
	err := s.streams.Create(ctx, stream.Config{
		Name:           *in.StreamName,
		OnDemand:       onDemand,
		Shards:         int(value(in.ShardCount)),
		MaxRecordBytes: int(value(in.MaxRecordSizeInKiB)) << 10,
		Tags:           in.Tags,
		SpreadEvenly:   in.RecordDistributionStrategy == types.RecordDistributionStrategyAuto,
		WarmMiBps:      int(value(in.WarmThroughputMiBps)),
	})
	if errors.Is(err, stream.ErrExists) {
		return nil, resourceInUse("Stream %s under account %s already exists.", *in.StreamName, s.streams.Account())
	}
	if err != nil {
		return nil, err
	}
	return &kinesis.CreateStreamOutput{}, nil
}

func checkCreateStream(in *kinesis.CreateStreamInput, mode types.StreamMode) error {
	var v wire.Violations
	if in.StreamModeDetails != nil {
		v.Required(mode != "", "streamModeDetails.streamMode")
	}
	wire.Enum(&v, mode, "streamModeDetails.streamMode", mode.Values())
	v.Required(in.ShardCount != nil || mode != types.StreamModeProvisioned, "shardCount")
	wire.AtLeast(&v, in.ShardCount, "shardCount", 1)
	wire.AtLeast(&v, in.WarmThroughputMiBps, "warmThroughputMiBps", 0)
	wire.Range(&v, in.MaxRecordSizeInKiB, "maxRecordSizeInKiB", maxRecordKiBMin, maxRecordKiBMax)
	wire.Enum(&v, in.RecordDistributionStrategy, "recordDistributionStrategy", in.RecordDistributionStrategy.Values())
	checkTagMap(&v, in.Tags, false)
	v.Required(in.StreamName != nil, "streamName")
	checkName(&v, in.StreamName, "streamName")
	if err := v.Err(); err != nil {
		return err
	}
	switch {
	case mode == types.StreamModeOnDemand && in.ShardCount != nil:
		return invalidArgument("ShardCount cannot be specified for stream %s in ON_DEMAND mode.", *in.StreamName)
	case mode != types.StreamModeOnDemand && in.RecordDistributionStrategy == types.RecordDistributionStrategyAuto:
		return noAuto(*in.StreamName)
	}
	return nil
}

// checkLimits refuses what would exceed the account's limits.
func (s *service) checkLimits(ctx context.Context, in *kinesis.CreateStreamInput, onDemand bool) error {
	if !onDemand {
		return s.checkShardLimit(ctx, int(*in.ShardCount))
	}
	return s.checkOnDemandLimit(ctx)
}

// checkOnDemandLimit refuses one more on-demand stream than the account may have.
func (s *service) checkOnDemandLimit(ctx context.Context) error {
	if has := s.count(ctx).onDemandStreams; has >= s.quotas.onDemandStreams {
		return wire.Errorf("LimitExceededException", http.StatusBadRequest,
			"This request would exceed the limit on the number of On-Demand streams for the account %s in %s. Current On-Demand streams count: %d. Limit: %d.",
			s.streams.Account(), regionOf(s.streams.StreamARN("")), has, s.quotas.onDemandStreams)
	}
	return nil
}

// usage is what counts against the account's limits.
type usage struct {
	shards          int // open ones of provisioned streams
	onDemandStreams int
}

func (s *service) count(ctx context.Context) (u usage) {
	all, _ := s.streams.List(ctx, "", 1<<30)
	for _, d := range all {
		if d.OnDemand {
			u.onDemandStreams++
		} else {
			u.shards += d.OpenShards
		}
	}
	return u
}
