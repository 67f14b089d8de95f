package kinesis

// DescribeChannel. A channel is ACTIVE; it is FAILED while its newest attempt to deliver has failed, with the reason, and
// ACTIVE again when one succeeds: attempts do not end, and nothing is lost as long as the stream holds it. In AWS FAILED is
// for ever. What was not said is described by its default, as AWS does.

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/delivery"
)

func (s *service) describeChannel(ctx context.Context, in *kinesis.DescribeChannelInput) (*kinesis.DescribeChannelOutput, error) {
	if err := checkChannelARN(in.ChannelARN); err != nil {
		return nil, err
	}
	info, failure, err := s.channel(*in.ChannelARN)
	if err != nil {
		return nil, err
	}
	status, reason := statusOf(failure)
	d, err := s.describe(info, status, reason)
	return &kinesis.DescribeChannelOutput{ChannelDescription: d}, err
}

// channel finds a channel by an ARN that has the pattern of one.
func (s *service) channel(arn string) (info delivery.Info, failure, err error) {
	id := arn[strings.LastIndex(arn, "channel/")+len("channel/"):]
	if arn != s.channelARN(id) {
		return info, nil, s.noChannel(id)
	}
	if info, failure, err = s.channels.ByID(id); err != nil {
		return info, nil, s.channelError(err, id, "")
	}
	return info, failure, nil
}

// channelARN is the ARN of the channel with an id.
func (s *service) channelARN(id string) string {
	stream := s.streams.StreamARN("")
	return strings.TrimSuffix(stream, "stream/") + "channel/" + id
}

const reasonMax = 2048 // characters, by the model

func statusOf(failure error) (types.ChannelStatus, string) {
	if failure == nil {
		return types.ChannelStatusActive, ""
	}
	text := []rune(failure.Error())
	return types.ChannelStatusFailed, string(text[:min(len(text), reasonMax)])
}

func documentOf(info delivery.Info) (doc channelDocument, err error) {
	if err := json.Unmarshal(info.Attributes, &doc); err != nil {
		return doc, fmt.Errorf("description of channel %s: %w", info.Name, err)
	}
	return doc, nil
}

func (s *service) describe(info delivery.Info, status types.ChannelStatus, reason string) (*types.ChannelDescription, error) {
	doc, err := documentOf(info)
	if err != nil {
		return nil, err
	}
	if doc.Storage.OutputKeyTemplate == nil {
		doc.Storage.OutputKeyTemplate = aws.String(delivery.DefaultTemplate)
	}
	if doc.Storage.StorageClass == "" {
		doc.Storage.StorageClass = types.S3StorageClassStandard
	}
	dead := types.DeadLetterQueueS3Configuration{BucketARN: doc.Storage.BucketARN, ExpectedBucketOwner: doc.Storage.ExpectedBucketOwner}
	if doc.Dead != nil {
		dead = *doc.Dead
	}
	dead.ErrorOutputPrefix = aws.String(info.DeadFolder())
	if doc.Logs.Enabled == nil {
		doc.Logs.Enabled = aws.Bool(false)
	}
	return &types.ChannelDescription{
		ChannelName:              aws.String(info.Name),
		ChannelARN:               aws.String(s.channelARN(info.ID)),
		ChannelId:                aws.String(info.ID),
		ChannelStatus:            status,
		ChannelStatusReason:      optional(reason),
		ChannelCreationTimestamp: aws.Time(info.Created),
		ServiceExecutionRoleARN:  aws.String(doc.RoleARN),
		StreamConfigurationList:  []types.ChannelStreamDescription{doc.Stream},
		S3DestinationConfiguration: &types.S3DestinationDescription{
			DataFreshnessInSeconds:         aws.Int32(int32(info.Channel.Freshness.Seconds())),
			DeadLetterQueueS3Configuration: &dead,
			StorageConfiguration:           &doc.Storage,
		},
		LoggingConfiguration: &types.ChannelLoggingConfiguration{CloudWatchLogs: &doc.Logs},
	}, nil
}

// optional is nil for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
