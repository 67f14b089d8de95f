package kinesis

// DescribeStream, DescribeStreamSummary and DescribeLimits. A stream is always ACTIVE. DescribeStream gives at most 100
// shards, whatever Limit says.

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const describeShardsMax = 100

func (s *service) describeStream(ctx context.Context, in *kinesis.DescribeStreamInput) (*kinesis.DescribeStreamOutput, error) {
	var v wire.Violations
	wire.Range(&v, in.Limit, "limit", 1, 10000)
	checkName(&v, in.ExclusiveStartShardId, "exclusiveStartShardId")
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	d, err := s.described(ctx, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	limit := describeShardsMax
	if in.Limit != nil {
		limit = min(limit, int(*in.Limit))
	}
	shards, more, err := s.page(ctx, d.Name, value(in.ExclusiveStartShardId), limit, func(*stream.ShardInfo) bool { return true })
	if err != nil {
		return nil, err
	}
	return &kinesis.DescribeStreamOutput{StreamDescription: &types.StreamDescription{
		StreamName:              aws.String(d.Name),
		StreamARN:               aws.String(d.ARN),
		StreamStatus:            types.StreamStatusActive,
		StreamModeDetails:       modeOf(d),
		StreamCreationTimestamp: aws.Time(d.Created),
		RetentionPeriodHours:    aws.Int32(int32(d.Retention.Hours())),
		EncryptionType:          encryptionType(d.KeyID != ""),
		KeyId:                   keyOf(d),
		EnhancedMonitoring:      monitoringOf(d),
		Shards:                  shards,
		HasMoreShards:           aws.Bool(more),
	}}, nil
}

func shardOf(info stream.ShardInfo) types.Shard {
	sh := types.Shard{
		ShardId:             aws.String(info.ID),
		HashKeyRange:        &types.HashKeyRange{StartingHashKey: aws.String(info.HashStart.String()), EndingHashKey: aws.String(info.HashEnd.String())},
		SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String(info.First.String())},
	}
	if info.Closed {
		sh.SequenceNumberRange.EndingSequenceNumber = aws.String(info.Last.String())
	}
	if len(info.Parents) > 0 {
		sh.ParentShardId = aws.String(info.Parents[0])
	}
	if len(info.Parents) > 1 {
		sh.AdjacentParentShardId = aws.String(info.Parents[1])
	}
	return sh
}

func modeOf(d stream.Description) *types.StreamModeDetails {
	if d.OnDemand {
		return &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}
	}
	return &types.StreamModeDetails{StreamMode: types.StreamModeProvisioned}
}

func monitoringOf(d stream.Description) []types.EnhancedMetrics {
	return []types.EnhancedMetrics{{ShardLevelMetrics: metricsOf(d.Monitoring)}}
}

func (s *service) describeStreamSummary(ctx context.Context, in *kinesis.DescribeStreamSummaryInput) (*kinesis.DescribeStreamSummaryOutput, error) {
	name, err := s.addressed(in.StreamName, in.StreamARN, in.StreamId)
	if err != nil {
		return nil, err
	}
	d, err := s.streams.Describe(ctx, name)
	if err != nil {
		return nil, s.noStream(err, name)
	}
	account, err := s.streams.AccountSettings()
	if err != nil {
		return nil, err
	}
	summary := &types.StreamDescriptionSummary{
		StreamName:              aws.String(d.Name),
		StreamARN:               aws.String(d.ARN),
		StreamStatus:            types.StreamStatusActive,
		StreamModeDetails:       modeOf(d),
		StreamCreationTimestamp: aws.Time(d.Created),
		RetentionPeriodHours:    aws.Int32(int32(d.Retention.Hours())),
		EncryptionType:          encryptionType(d.KeyID != ""),
		KeyId:                   keyOf(d),
		EnhancedMonitoring:      monitoringOf(d),
		OpenShardCount:          aws.Int32(int32(d.OpenShards)),
		ConsumerCount:           aws.Int32(int32(len(d.Consumers))),
		MaxRecordSizeInKiB:      aws.Int32(int32(d.MaxRecordBytes >> 10)),

		RecordDistributionStrategy: strategyOf(d),
	}
	if s.channels != nil {
		summary.ChannelCount = aws.Int32(int32(len(s.channelsOf(name))))
	}
	if d.OnDemand && account.Commitment {
		summary.WarmThroughput = warmThroughputOf(d)
	}
	return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: summary}, nil
}

// keyOf is nothing for a stream that is not encrypted.
func keyOf(d stream.Description) *string {
	if d.KeyID == "" {
		return nil
	}
	return aws.String(d.KeyID)
}

func (s *service) describeLimits(ctx context.Context, _ *kinesis.DescribeLimitsInput) (*kinesis.DescribeLimitsOutput, error) {
	u := s.count(ctx)
	out := &kinesis.DescribeLimitsOutput{
		ShardLimit:               aws.Int32(int32(s.quotas.shards)),
		OpenShardCount:           aws.Int32(int32(u.shards)),
		OnDemandStreamCount:      aws.Int32(int32(u.onDemandStreams)),
		OnDemandStreamCountLimit: aws.Int32(int32(s.quotas.onDemandStreams)),
	}
	if s.channels != nil {
		out.ChannelCount, out.ChannelCountLimit = aws.Int32(int32(len(s.channels.List()))), aws.Int32(delivery.ChannelsMax)
	}
	return out, nil
}

// described is the stream that name or arn names, or the exception that says that there is none.
func (s *service) described(ctx context.Context, name, arn *string) (stream.Description, error) {
	of, err := s.streamName(name, arn)
	if err != nil {
		return stream.Description{}, err
	}
	d, err := s.streams.Describe(ctx, of)
	return d, s.noStream(err, of)
}
