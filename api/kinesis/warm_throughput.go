package kinesis

// UpdateStreamWarmThroughput makes an on-demand stream ready for writes of so many MiB a second: it has a shard for each
// when the answer comes, where AWS is UPDATING for a while. It needs the account's billing commitment. To release
// capacity only lowers the target: shards are not merged.

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// warmThroughputMax is AWS's default limit, in MiB a second.
const warmThroughputMax = 10 << 10

func (s *service) updateStreamWarmThroughput(ctx context.Context, in *kinesis.UpdateStreamWarmThroughputInput) (*kinesis.UpdateStreamWarmThroughputOutput, error) {
	var v wire.Violations
	v.Required(in.WarmThroughputMiBps != nil, "warmThroughputMiBps")
	wire.AtLeast(&v, in.WarmThroughputMiBps, "warmThroughputMiBps", 0)
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	d, err := s.described(ctx, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if err := s.checkWarm(in.WarmThroughputMiBps, d.OnDemand); err != nil {
		return nil, err
	}
	if err := s.streams.SetWarmThroughput(ctx, d.Name, int(*in.WarmThroughputMiBps)); err != nil {
		return nil, s.noStream(err, d.Name)
	}
	if d, err = s.streams.Describe(ctx, d.Name); err != nil {
		return nil, s.noStream(err, d.Name)
	}
	return &kinesis.UpdateStreamWarmThroughputOutput{
		StreamName: aws.String(d.Name), StreamARN: aws.String(d.ARN), WarmThroughput: warmThroughputOf(d),
	}, nil
}

// checkWarm refuses a warm throughput that a stream cannot have; nil is none.
func (s *service) checkWarm(mibps *int32, onDemand bool) error {
	if mibps == nil {
		return nil
	}
	if !onDemand {
		return notValid("WarmThroughputMiBps is only supported for streams in ON_DEMAND mode.")
	}
	a, err := s.streams.AccountSettings()
	if err != nil {
		return err
	}
	if !a.Commitment {
		return notValid("WarmThroughputMiBps is only supported for accounts with MinimumThroughputBillingCommitment enabled, which account %s has not.",
			s.streams.Account())
	}
	if *mibps > warmThroughputMax {
		return wire.Errorf("LimitExceededException", http.StatusBadRequest,
			"This request would exceed the warm throughput limit of a stream. Requested: %d MiBps. Limit: %d MiBps.", *mibps, warmThroughputMax)
	}
	return nil
}

func notValid(format string, args ...any) error {
	return wire.Errorf("ValidationException", http.StatusBadRequest, format, args...)
}

// warmThroughputOf is what a stream was asked to be ready for, and what it is: a shard takes 1 MiB a second.
func warmThroughputOf(d stream.Description) *types.WarmThroughputObject {
	target := d.WarmMiBps
	if target == 0 {
		target = d.OpenShards
	}
	return &types.WarmThroughputObject{TargetMiBps: aws.Int32(int32(target)), CurrentMiBps: aws.Int32(int32(d.OpenShards))}
}
