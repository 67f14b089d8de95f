package kinesis

// RegisterStreamConsumer, DescribeStreamConsumer, DeregisterStreamConsumer and ListStreamConsumers. A consumer is ACTIVE
// at once, and gone at once with its subscriptions. How many a stream may
// have is one of the quotas in limits.go.

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const listConsumersMax = 100

func (s *service) registerStreamConsumer(ctx context.Context, in *kinesis.RegisterStreamConsumerInput) (*kinesis.RegisterStreamConsumerOutput, error) {
	var v wire.Violations
	v.Required(in.StreamARN != nil, "streamARN")
	checkARN(&v, in.StreamARN, "streamARN", streamARN)
	v.Required(in.ConsumerName != nil, "consumerName")
	checkName(&v, in.ConsumerName, "consumerName")
	checkTagMap(&v, in.Tags, false)
	checkID(&v, in.StreamId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	if err := checkTagTexts(in.Tags, nil); err != nil {
		return nil, err
	}
	name, err := s.streamName(nil, in.StreamARN)
	if err != nil {
		return nil, err
	}
	c, err := s.streams.RegisterConsumer(ctx, name, *in.ConsumerName, in.Tags, s.consumersMax())
	if errors.Is(err, stream.ErrConsumerExists) {
		return nil, resourceInUse("Consumer %s under stream %s already exists for account %s.", *in.ConsumerName, name, s.streams.Account())
	}
	if err != nil {
		return nil, s.noStream(err, name)
	}
	return &kinesis.RegisterStreamConsumerOutput{Consumer: new(consumerOf(c))}, nil
}

func consumerOf(c stream.Consumer) types.Consumer {
	return types.Consumer{
		ConsumerName:              aws.String(c.Name),
		ConsumerARN:               aws.String(c.ARN),
		ConsumerStatus:            types.ConsumerStatusActive,
		ConsumerCreationTimestamp: aws.Time(c.Created),
	}
}

func (s *service) describeStreamConsumer(ctx context.Context, in *kinesis.DescribeStreamConsumerInput) (*kinesis.DescribeStreamConsumerOutput, error) {
	name, c, err := s.consumer(ctx, in.ConsumerARN, in.StreamARN, in.ConsumerName, in.StreamId)
	if err != nil {
		return nil, err
	}
	return &kinesis.DescribeStreamConsumerOutput{ConsumerDescription: &types.ConsumerDescription{
		ConsumerName:              aws.String(c.Name),
		ConsumerARN:               aws.String(c.ARN),
		ConsumerStatus:            types.ConsumerStatusActive,
		ConsumerCreationTimestamp: aws.Time(c.Created),
		StreamARN:                 aws.String(s.streams.StreamARN(name)),
	}}, nil
}

func (s *service) deregisterStreamConsumer(ctx context.Context, in *kinesis.DeregisterStreamConsumerInput) (*kinesis.DeregisterStreamConsumerOutput, error) {
	name, c, err := s.consumer(ctx, in.ConsumerARN, in.StreamARN, in.ConsumerName, in.StreamId)
	if err != nil {
		return nil, err
	}
	if err := s.streams.DeregisterConsumer(ctx, name, c.Name); err != nil {
		return nil, s.noStream(err, name)
	}
	s.subscribers.dismiss(c.ARN, s.noConsumer(c.Name))
	return &kinesis.DeregisterStreamConsumerOutput{}, nil
}

// consumer finds the consumer that a request names, by its ARN or by the stream's ARN and a name, or by both.
func (s *service) consumer(ctx context.Context, byARN, ofStream, byName, id *string) (string, stream.Consumer, error) {
	var v wire.Violations
	checkARN(&v, ofStream, "streamARN", streamARN)
	checkName(&v, byName, "consumerName")
	checkARN(&v, byARN, "consumerARN", consumerARN)
	checkID(&v, id)
	if err := v.Err(); err != nil {
		return "", stream.Consumer{}, err
	}
	if byARN == nil {
		if ofStream == nil || byName == nil {
			return "", stream.Consumer{}, invalidArgument("Either ConsumerARN or both StreamARN and ConsumerName should be provided.")
		}
		name, err := s.streamName(nil, ofStream)
		if err != nil {
			return "", stream.Consumer{}, err
		}
		return s.findConsumer(ctx, name, *byName)
	}
	name, c, err := s.consumerByARN(ctx, *byARN)
	if err != nil {
		return "", c, err
	}
	if byName != nil && *byName != c.Name || ofStream != nil && *ofStream != s.streams.StreamARN(name) {
		return "", c, invalidArgument("ConsumerARN %s does not belong to the given stream or consumer name.", *byARN)
	}
	return name, c, nil
}

// consumerByARN finds a consumer by an ARN that has the pattern of one; a consumer that was registered again has another.
func (s *service) consumerByARN(ctx context.Context, arn string) (string, stream.Consumer, error) {
	of, rest, _ := strings.Cut(arn, "/consumer/")
	name, err := s.streamName(nil, &of)
	if err != nil {
		return "", stream.Consumer{}, err
	}
	consumer, _, _ := strings.Cut(rest, ":")
	name, c, err := s.findConsumer(ctx, name, consumer)
	if err == nil && c.ARN != arn {
		err = s.noConsumer(consumer)
	}
	return name, c, err
}

func (s *service) findConsumer(ctx context.Context, name, consumer string) (string, stream.Consumer, error) {
	d, err := s.streams.Describe(ctx, name)
	if err != nil {
		return name, stream.Consumer{}, s.noStream(err, name)
	}
	i := slices.IndexFunc(d.Consumers, func(c stream.Consumer) bool { return c.Name == consumer })
	if i < 0 {
		return name, stream.Consumer{}, s.noConsumer(consumer)
	}
	return name, d.Consumers[i], nil
}

func (s *service) noConsumer(name string) error {
	return resourceNotFound("Consumer %s, account %s not found.", name, s.streams.Account())
}

func (s *service) listStreamConsumers(ctx context.Context, in *kinesis.ListStreamConsumersInput) (*kinesis.ListStreamConsumersOutput, error) {
	var v wire.Violations
	v.Required(in.StreamARN != nil, "streamARN")
	checkARN(&v, in.StreamARN, "streamARN", streamARN)
	wire.Range(&v, in.MaxResults, "maxResults", 1, 10000)
	v.Length(in.NextToken, "nextToken", 1, 1048576)
	checkID(&v, in.StreamId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	d, err := s.described(ctx, nil, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if t := in.StreamCreationTimestamp; t != nil && !t.Truncate(time.Second).Equal(d.Created.Truncate(time.Second)) {
		return nil, resourceNotFound("Stream %s under account %s not found.", d.Name, s.streams.Account())
	}
	var after []byte
	if in.NextToken != nil {
		if after, _, err = s.tokens.open(tokenConsumers, *in.NextToken); err != nil {
			return nil, invalidArgument("NextToken is invalid.")
		}
	}
	limit := listConsumersMax
	if in.MaxResults != nil {
		limit = min(limit, int(*in.MaxResults))
	}
	out := &kinesis.ListStreamConsumersOutput{Consumers: []types.Consumer{}}
	for _, c := range d.Consumers {
		if c.Name <= string(after) {
			continue
		}
		if len(out.Consumers) == limit {
			out.NextToken = aws.String(s.tokens.seal(tokenConsumers, []byte(*out.Consumers[limit-1].ConsumerName)))
			break
		}
		out.Consumers = append(out.Consumers, consumerOf(c))
	}
	return out, nil
}
