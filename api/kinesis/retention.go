package kinesis

// IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod: 24 to 8760 hours. Each accepts the present value, as
// Terraform sends it. The change is effective at once; what has expired does not come back.

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/wire"
)

const (
	retentionHoursMin = 24
	retentionHoursMax = 8760
)

func (s *service) increaseRetention(ctx context.Context, in *kinesis.IncreaseStreamRetentionPeriodInput) (*kinesis.IncreaseStreamRetentionPeriodOutput, error) {
	name, now, err := s.retention(ctx, in.RetentionPeriodHours, in.StreamName, in.StreamARN, in.StreamId)
	if err != nil {
		return nil, err
	}
	if hours := *in.RetentionPeriodHours; hours < now {
		return nil, invalidArgument("Requested retention period (%d hours) for stream %s can not be shorter than existing retention period (%d hours). "+
			"Use DecreaseRetentionPeriod API.", hours, name, now)
	}
	if err := s.setRetention(ctx, name, *in.RetentionPeriodHours); err != nil {
		return nil, err
	}
	return &kinesis.IncreaseStreamRetentionPeriodOutput{}, nil
}

func (s *service) decreaseRetention(ctx context.Context, in *kinesis.DecreaseStreamRetentionPeriodInput) (*kinesis.DecreaseStreamRetentionPeriodOutput, error) {
	name, now, err := s.retention(ctx, in.RetentionPeriodHours, in.StreamName, in.StreamARN, in.StreamId)
	if err != nil {
		return nil, err
	}
	if hours := *in.RetentionPeriodHours; hours > now {
		return nil, invalidArgument("Requested retention period (%d hours) for stream %s can not be longer than existing retention period (%d hours). "+
			"Use IncreaseRetentionPeriod API.", hours, name, now)
	}
	if err := s.setRetention(ctx, name, *in.RetentionPeriodHours); err != nil {
		return nil, err
	}
	return &kinesis.DecreaseStreamRetentionPeriodOutput{}, nil
}

// retention checks the members that both operations have, and returns the stream's present period in hours.
func (s *service) retention(ctx context.Context, hours *int32, name, arn, id *string) (string, int32, error) {
	var v wire.Violations
	v.Required(hours != nil, "retentionPeriodHours")
	checkStream(&v, name, arn, id)
	if err := v.Err(); err != nil {
		return "", 0, err
	}
	d, err := s.described(ctx, name, arn)
	if err != nil {
		return "", 0, err
	}
	switch {
	case *hours < retentionHoursMin:
		return "", 0, invalidArgument("Minimum allowed retention period is %d hours. Requested retention period (%d hours) is too short.",
			retentionHoursMin, *hours)
	case *hours > retentionHoursMax:
		return "", 0, invalidArgument("Maximum allowed retention period is %d hours. Requested retention period (%d hours) is too long.",
			retentionHoursMax, *hours)
	}
	return d.Name, int32(d.Retention.Hours()), nil
}

func (s *service) setRetention(ctx context.Context, name string, hours int32) error {
	return s.noStream(s.streams.SetRetention(ctx, name, time.Duration(hours)*time.Hour), name)
}
