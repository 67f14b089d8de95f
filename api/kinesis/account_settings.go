package kinesis

// DescribeAccountSettings and UpdateAccountSettings: the minimum throughput billing commitment, which costs nothing here
// and unlocks warm throughput. As in AWS it runs for 24 hours at least: disabled before, it is
// ENABLED_UNTIL_EARLIEST_ALLOWED_END, and goes on if it is enabled again in time.

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

func (s *service) describeAccountSettings(ctx context.Context, _ *kinesis.DescribeAccountSettingsInput) (*kinesis.DescribeAccountSettingsOutput, error) {
	a, err := s.streams.AccountSettings()
	if err != nil {
		return nil, err
	}
	return &kinesis.DescribeAccountSettingsOutput{MinimumThroughputBillingCommitment: commitmentOf(a)}, nil
}

func (s *service) updateAccountSettings(ctx context.Context, in *kinesis.UpdateAccountSettingsInput) (*kinesis.UpdateAccountSettingsOutput, error) {
	const path = "minimumThroughputBillingCommitment"
	var v wire.Violations
	c := in.MinimumThroughputBillingCommitment
	v.Required(c != nil, path)
	if c != nil {
		v.Required(c.Status != "", path+".status")
		wire.Enum(&v, c.Status, path+".status", c.Status.Values())
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	a, err := s.streams.SetCommitment(ctx, c.Status == types.MinimumThroughputBillingCommitmentInputStatusEnabled)
	if err != nil {
		return nil, err
	}
	return &kinesis.UpdateAccountSettingsOutput{MinimumThroughputBillingCommitment: commitmentOf(a)}, nil
}

func commitmentOf(a stream.Account) *types.MinimumThroughputBillingCommitmentOutput {
	status := types.MinimumThroughputBillingCommitmentOutputStatusDisabled
	switch {
	case a.Ending:
		status = types.MinimumThroughputBillingCommitmentOutputStatusEnabledUntilEarliestAllowedEnd
	case a.Commitment:
		status = types.MinimumThroughputBillingCommitmentOutputStatusEnabled
	}
	return &types.MinimumThroughputBillingCommitmentOutput{
		Status: status, StartedAt: known(a.Started), EndedAt: known(a.Ended), EarliestAllowedEndAt: known(a.EarliestEnds),
	}
}

// known is a time, unless it is zero.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return aws.Time(t)
}
