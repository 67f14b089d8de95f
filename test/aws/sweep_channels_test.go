package aws_test

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// channels makes, changes, finds and removes a channel of a stream of its own.
func (s *sweep) channels() {
	s.Helper()
	ctx := s.Context()
	_, err := s.CreateStream(ctx, &sdk.CreateStreamInput{
		StreamName: aws.String("channelled"), StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand},
	})
	s.check(err)
	made := must(s.CreateChannel(ctx, &sdk.CreateChannelInput{
		ChannelName: aws.String("c"), ServiceExecutionRoleARN: aws.String("arn:aws:iam::" + account + ":role/r"),
		StreamConfigurationList: []types.ChannelStreamConfiguration{{
			StreamARN: streamARN("channelled"), RecordConfiguration: &types.RecordConfiguration{RecordFormatType: types.RecordFormatTypeString},
		}},
		S3DestinationConfiguration: &types.S3DestinationConfiguration{
			StorageConfiguration: &types.S3StorageConfiguration{
				BucketARN: aws.String("arn:aws:s3:::lake"), ExpectedBucketOwner: aws.String(account), CompressionType: types.S3CompressionTypeGzip,
			},
			DataFreshnessInSeconds: aws.Int32(600),
		},
		Tags: map[string]string{"a": "b"},
	}))(s).ChannelDescription
	in := &sdk.DescribeChannelInput{ChannelARN: made.ChannelARN}
	s.check(sdk.NewChannelActiveWaiter(s.Client).Wait(ctx, in, time.Minute))
	updated := must(s.UpdateChannel(ctx, &sdk.UpdateChannelInput{
		ChannelARN: made.ChannelARN, S3DestinationConfiguration: &types.S3DestinationUpdateInput{DataFreshnessInSeconds: aws.Int32(900)},
	}))(s).ChannelDescription
	d := must(s.DescribeChannel(ctx, in))(s).ChannelDescription
	if made.ChannelStatus != types.ChannelStatusCreating || updated.ChannelStatus != types.ChannelStatusUpdating || d.ChannelStatus != types.ChannelStatusActive ||
		*d.S3DestinationConfiguration.DataFreshnessInSeconds != 900 || d.ChannelCreationTimestamp.Before(time.Now().Add(-time.Hour)) {
		s.Errorf("made %+v, now %+v", made, d)
	}
	list := must(s.ListChannels(ctx, &sdk.ListChannelsInput{StreamFilter: []types.StreamFilter{{
		StreamARN: streamARN("channelled"), StreamCreationTimestamp: d.StreamConfigurationList[0].StreamCreationTimestamp,
	}}}))(s).ChannelSummaries
	if len(list) != 1 || *list[0].ChannelARN != *made.ChannelARN {
		s.Errorf("channels %+v", list)
	}
	if tags := must(s.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: made.ChannelARN}))(s).Tags; len(tags) != 1 {
		s.Errorf("tags %+v", tags)
	}
	_, err = s.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamARN: streamARN("channelled")})
	refused[*types.ResourceInUseException](s, err)
	must(s.DeleteChannel(ctx, &sdk.DeleteChannelInput{ChannelARN: made.ChannelARN}))(s)
	_, err = s.DescribeChannel(ctx, in)
	refused[*types.ResourceNotFoundException](s, err)
	must(s.DeleteStream(ctx, &sdk.DeleteStreamInput{StreamARN: streamARN("channelled")}))(s)
}
