package firehose

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/firehose"
)

// StartDeliveryStreamEncryption is refused: there is no server-side encryption, and it is not pretended.
// StopDeliveryStreamEncryption succeeds, as it does on AWS for a stream without encryption.

func (s *service) startDeliveryStreamEncryption(_ context.Context, in *firehose.StartDeliveryStreamEncryptionInput) (*firehose.StartDeliveryStreamEncryptionOutput, error) {
	if err := nameOnly(in.DeliveryStreamName); err != nil {
		return nil, err
	}
	if _, err := s.streams.Get(*in.DeliveryStreamName); err != nil {
		return nil, err
	}
	return nil, invalid("Server-side encryption of delivery streams is not supported.")
}

func (s *service) stopDeliveryStreamEncryption(_ context.Context, in *firehose.StopDeliveryStreamEncryptionInput) (*firehose.StopDeliveryStreamEncryptionOutput, error) {
	if err := nameOnly(in.DeliveryStreamName); err != nil {
		return nil, err
	}
	if _, err := s.streams.Get(*in.DeliveryStreamName); err != nil {
		return nil, err
	}
	return &firehose.StopDeliveryStreamEncryptionOutput{}, nil
}
