package kinesis

// UpdateStreamMode and UpdateMaxRecordSize. The mode is recorded; shards stay as they are, as in AWS, unless the warm
// throughput that a stream is to have needs more. A provisioned stream has none, and places records by their keys. Where
// AWS's limits hold, the mode changes at most twice in 24 hours.

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/wire"
)

func (s *service) updateStreamMode(ctx context.Context, in *kinesis.UpdateStreamModeInput) (*kinesis.UpdateStreamModeOutput, error) {
	var v wire.Violations
	v.Required(in.StreamARN != nil, "streamARN")
	checkARN(&v, in.StreamARN, "streamARN", streamARN)
	v.Required(in.StreamModeDetails != nil, "streamModeDetails")
	if m := in.StreamModeDetails; m != nil {
		v.Required(m.StreamMode != "", "streamModeDetails.streamMode")
		wire.Enum(&v, m.StreamMode, "streamModeDetails.streamMode", m.StreamMode.Values())
	}
	wire.AtLeast(&v, in.WarmThroughputMiBps, "warmThroughputMiBps", 0)
	checkID(&v, in.StreamId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	d, err := s.described(ctx, nil, in.StreamARN)
	if err != nil {
		return nil, err
	}
	onDemand := in.StreamModeDetails.StreamMode == types.StreamModeOnDemand
	s.channelChange.Lock()
	defer s.channelChange.Unlock()
	if !onDemand {
		if err := s.checkNoChannels(d.Name, "can leave ON_DEMAND mode"); err != nil {
			return nil, err
		}
	}
	if err := s.checkWarm(in.WarmThroughputMiBps, onDemand); err != nil {
		return nil, err
	}
	if onDemand != d.OnDemand {
		if err := s.checkChanges("UpdateStreamMode", d); err != nil {
			return nil, err
		}
	}
	if onDemand && !d.OnDemand {
		if err := s.checkOnDemandLimit(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.streams.SetMode(ctx, d.Name, onDemand); err != nil {
		return nil, s.noStream(err, d.Name)
	}
	if in.WarmThroughputMiBps != nil {
		if err := s.streams.SetWarmThroughput(ctx, d.Name, int(*in.WarmThroughputMiBps)); err != nil {
			return nil, s.noStream(err, d.Name)
		}
	}
	return &kinesis.UpdateStreamModeOutput{}, nil
}

func (s *service) updateMaxRecordSize(ctx context.Context, in *kinesis.UpdateMaxRecordSizeInput) (*kinesis.UpdateMaxRecordSizeOutput, error) {
	var v wire.Violations
	v.Required(in.MaxRecordSizeInKiB != nil, "maxRecordSizeInKiB")
	wire.Range(&v, in.MaxRecordSizeInKiB, "maxRecordSizeInKiB", maxRecordKiBMin, maxRecordKiBMax)
	checkARN(&v, in.StreamARN, "streamARN", streamARN)
	checkID(&v, in.StreamId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	name, err := s.streamName(nil, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if err := s.streams.SetMaxRecordBytes(ctx, name, int(*in.MaxRecordSizeInKiB)<<10); err != nil {
		return nil, s.noStream(err, name)
	}
	return &kinesis.UpdateMaxRecordSizeOutput{}, nil
}
