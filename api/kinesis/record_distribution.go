package kinesis

// UpdateStreamRecordDistributionStrategy switches an on-demand stream between placing records by their partition keys and
// AUTO, which places them on the open shards in turn; then keys are optional and decide nothing. A provisioned stream
// refuses AUTO.

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

func (s *service) updateRecordDistribution(ctx context.Context, in *kinesis.UpdateStreamRecordDistributionStrategyInput) (*kinesis.UpdateStreamRecordDistributionStrategyOutput, error) {
	var v wire.Violations
	v.Required(in.StreamARN != nil, "streamARN")
	checkARN(&v, in.StreamARN, "streamARN", streamARN)
	checkID(&v, in.StreamId)
	v.Required(in.RecordDistributionStrategy != "", "recordDistributionStrategy")
	wire.Enum(&v, in.RecordDistributionStrategy, "recordDistributionStrategy", in.RecordDistributionStrategy.Values())
	if err := v.Err(); err != nil {
		return nil, err
	}
	name, err := s.streamName(nil, in.StreamARN)
	if err != nil {
		return nil, err
	}
	err = s.streams.SetSpreadEvenly(ctx, name, in.RecordDistributionStrategy == types.RecordDistributionStrategyAuto)
	if errors.Is(err, stream.ErrProvisioned) {
		return nil, noAuto(name)
	}
	if err != nil {
		return nil, s.noStream(err, name)
	}
	return &kinesis.UpdateStreamRecordDistributionStrategyOutput{}, nil
}

func noAuto(name string) error {
	return invalidArgument("RecordDistributionStrategy AUTO is only supported for streams in ON_DEMAND mode; stream %s is not.", name)
}

// spreads reports whether a request addresses a stream that places records itself.
func (s *service) spreads(name, arn *string) bool {
	of, err := s.streamName(name, arn)
	if err != nil {
		return false
	}
	rules, err := s.streams.PutRules(of)
	return err == nil && rules.SpreadEvenly
}

// strategyOf is nothing for a provisioned stream.
func strategyOf(d stream.Description) types.RecordDistributionStrategy {
	switch {
	case !d.OnDemand:
		return ""
	case d.SpreadEvenly:
		return types.RecordDistributionStrategyAuto
	}
	return types.RecordDistributionStrategyUserPartitionKey
}
