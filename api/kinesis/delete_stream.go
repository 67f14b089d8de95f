package kinesis

// DeleteStream removes the stream at once, where AWS shows it as DELETING for a while. A stream with consumers is
// refused unless EnforceConsumerDeletion is set; one with a channel always.

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

func (s *service) deleteStream(ctx context.Context, in *kinesis.DeleteStreamInput) (*kinesis.DeleteStreamOutput, error) {
	name, err := s.addressed(in.StreamName, in.StreamARN, in.StreamId)
	if err != nil {
		return nil, err
	}
	s.channelChange.Lock()
	defer s.channelChange.Unlock()
	if err := s.checkNoChannels(name, "is"); err != nil {
		return nil, err
	}
	remove := s.streams.DeleteUnused
	if value(in.EnforceConsumerDeletion) {
		remove = s.streams.Delete
	}
	err = remove(ctx, name)
	if errors.Is(err, stream.ErrHasConsumers) {
		return nil, resourceInUse("Stream %s under account %s has consumers, which must be deregistered first, or EnforceConsumerDeletion set.",
			name, s.streams.Account())
	}
	if err != nil {
		return nil, s.noStream(err, name)
	}
	return &kinesis.DeleteStreamOutput{}, nil
}

// addressed checks and resolves the members of an operation that has no others to check.
func (s *service) addressed(name, arn, id *string) (string, error) {
	var v wire.Violations
	checkStream(&v, name, arn, id)
	if err := v.Err(); err != nil {
		return "", err
	}
	return s.streamName(name, arn)
}
