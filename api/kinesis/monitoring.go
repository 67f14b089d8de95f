package kinesis

// EnableEnhancedMonitoring and DisableEnhancedMonitoring say which shard-level metrics are published; ALL stands for the
// seven that there are. The answer lists what was on before and what is on now.

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

func (s *service) enableMonitoring(ctx context.Context, in *kinesis.EnableEnhancedMonitoringInput) (*kinesis.EnableEnhancedMonitoringOutput, error) {
	before, after, d, err := s.changeMonitoring(ctx, in.ShardLevelMetrics, in.StreamName, in.StreamARN, in.StreamId, func(now, asked []string) []string {
		return append(now, asked...)
	})
	if err != nil {
		return nil, err
	}
	return &kinesis.EnableEnhancedMonitoringOutput{
		StreamName: aws.String(d.Name), StreamARN: aws.String(d.ARN),
		CurrentShardLevelMetrics: before, DesiredShardLevelMetrics: after,
	}, nil
}

func (s *service) disableMonitoring(ctx context.Context, in *kinesis.DisableEnhancedMonitoringInput) (*kinesis.DisableEnhancedMonitoringOutput, error) {
	before, after, d, err := s.changeMonitoring(ctx, in.ShardLevelMetrics, in.StreamName, in.StreamARN, in.StreamId, func(now, asked []string) []string {
		return slices.DeleteFunc(now, func(m string) bool { return slices.Contains(asked, m) })
	})
	if err != nil {
		return nil, err
	}
	return &kinesis.DisableEnhancedMonitoringOutput{
		StreamName: aws.String(d.Name), StreamARN: aws.String(d.ARN),
		CurrentShardLevelMetrics: before, DesiredShardLevelMetrics: after,
	}, nil
}

func (s *service) changeMonitoring(ctx context.Context, asked []types.MetricsName, name, arn, id *string,
	change func(now, asked []string) []string) (before, after []types.MetricsName, d stream.Description, err error) {
	var v wire.Violations
	v.Required(asked != nil, "shardLevelMetrics")
	if asked != nil {
		v.Size(len(asked), "shardLevelMetrics", listText(asked), 1, 7)
	}
	wire.Enums(&v, asked, "shardLevelMetrics", types.MetricsName("").Values())
	checkStream(&v, name, arn, id)
	if err := v.Err(); err != nil {
		return nil, nil, d, err
	}
	of, err := s.streamName(name, arn)
	if err != nil {
		return nil, nil, d, err
	}
	if d, err = s.streams.Describe(ctx, of); err != nil {
		return nil, nil, d, s.noStream(err, of)
	}
	names := change(slices.Clone(d.Monitoring), expand(asked))
	if err := s.streams.SetMonitoring(ctx, of, names); err != nil {
		return nil, nil, d, s.noStream(err, of)
	}
	return metricsOf(d.Monitoring), metricsOf(slices.Compact(slices.Sorted(slices.Values(names)))), d, nil
}

// expand writes out ALL.
func expand(asked []types.MetricsName) []string {
	var names []string
	for _, m := range asked {
		if m == types.MetricsNameAll {
			return stream.ShardMetrics
		}
		names = append(names, string(m))
	}
	return names
}

func metricsOf(names []string) []types.MetricsName {
	list := []types.MetricsName{}
	for _, n := range names {
		list = append(list, types.MetricsName(n))
	}
	return list
}
