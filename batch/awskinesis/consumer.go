package awskinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/batch"
)

const (
	registerEvery = time.Second
	registerMax   = 2 * time.Minute // that a consumer may take to become active
	refusedMax    = 5               // registrations that a limit refuses: it is one of calls a second, or one of consumers
)

// register sees to it that the consumer is there and active.
func (f *FanOut) register(ctx context.Context) error {
	if f.arn != "" {
		return nil
	}
	if err := f.activate(ctx); err != nil {
		return fmt.Errorf("register consumer %s of stream %s: %w", f.consumer, f.stream, err)
	}
	return nil
}

func (f *FanOut) activate(ctx context.Context) error {
	stream, err := f.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &f.stream})
	if err != nil {
		return classify(err)
	}
	arn := stream.StreamDescriptionSummary.StreamARN
	refused := 0
	for since := f.opts.Now(); f.opts.Now().Sub(since) < registerMax; {
		c, err := f.client.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{StreamARN: arn, ConsumerName: &f.consumer})
		switch {
		case isNotFound(err):
			_, err := f.client.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: arn, ConsumerName: &f.consumer})
			var limit *types.LimitExceededException
			var there *types.ResourceInUseException // another process was faster
			if errors.As(err, &limit) {
				if refused++; refused == refusedMax {
					return fmt.Errorf("the stream has all the consumers that it may have: deregister one, or leave consumer= out to read with GetRecords (%s)",
						limit.ErrorMessage())
				}
				break
			}
			if err == nil || errors.As(err, &there) {
				continue
			}
			return classify(err)
		case err != nil:
			return classify(err)
		case c.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive:
			f.arn = *c.ConsumerDescription.ConsumerARN
			return nil
		}
		if err := batch.Sleep(ctx, registerEvery); err != nil { // it is being made or deleted
			return err
		}
	}
	return batch.Temporary(fmt.Errorf("it is not active after %v", registerMax))
}
