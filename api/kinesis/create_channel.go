package kinesis

// CreateChannel begins to deliver what comes into an on-demand stream from now on into a bucket. The answer says CREATING,
// as in AWS; the channel is ACTIVE by then. Where AWS finds out later and shows the channel as FAILED (the bucket is not
// there, or not the expected owner's) the call is refused. One channel a stream. Skipped, and refused: streaming tables
// (S3TablesDestinationConfiguration), logs in CloudWatch Logs, objects encrypted under a KMS key. The role has to have the
// form of one; nothing is done in its name.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/wire"
)

func (s *service) createChannel(ctx context.Context, in *kinesis.CreateChannelInput) (*kinesis.CreateChannelOutput, error) {
	if err := checkCreateChannel(in); err != nil {
		return nil, err
	}
	if err := s.checkChannelOptions(in); err != nil {
		return nil, err
	}
	s.channelChange.Lock() // its stream must not be deleted meanwhile
	defer s.channelChange.Unlock()
	source := in.StreamConfigurationList[0]
	d, err := s.described(ctx, nil, source.StreamARN)
	if err != nil {
		return nil, err
	}
	if !d.OnDemand {
		return nil, invalidArgument("Stream %s under account %s is in PROVISIONED mode. Channels are supported for streams in ON_DEMAND mode only.",
			d.Name, s.streams.Account())
	}
	doc := channelDocument{
		RoleARN: *in.ServiceExecutionRoleARN,
		Stream: types.ChannelStreamDescription{
			StreamARN: source.StreamARN, StreamCreationTimestamp: aws.Time(d.Created), RecordConfiguration: source.RecordConfiguration,
		},
		Storage: *in.S3DestinationConfiguration.StorageConfiguration,
		Dead:    in.S3DestinationConfiguration.DeadLetterQueueS3Configuration,
	}
	if l := in.LoggingConfiguration; l != nil {
		doc.Logs = *l.CloudWatchLogs
	}
	info, err := s.channels.Create(ctx, delivery.Info{
		Name: *in.ChannelName, Source: d.Name, Channel: channelOf(in.S3DestinationConfiguration, source.RecordConfiguration.RecordFormatType),
		Tags: in.Tags, Attributes: doc.encode(),
	})
	if err != nil {
		return nil, s.channelError(err, *in.ChannelName, d.Name)
	}
	out, err := s.describe(info, types.ChannelStatusCreating, "")
	return &kinesis.CreateChannelOutput{ChannelDescription: out}, err
}

// channelDocument is what is kept of a channel beside what delivery works by: the request's own members.
type channelDocument struct {
	RoleARN string
	Stream  types.ChannelStreamDescription
	Storage types.S3StorageConfiguration
	Dead    *types.DeadLetterQueueS3Configuration `json:",omitempty"`
	Logs    types.CloudWatchLogs
}

func (d channelDocument) encode() json.RawMessage {
	raw, err := json.Marshal(d)
	if err != nil {
		panic(err) // plain structs of strings, numbers and times
	}
	return raw
}

// checkChannelOptions refuses, before anything changes, what AWS does not take together and what we do not do.
func (s *service) checkChannelOptions(in *kinesis.CreateChannelInput) error {
	d := in.S3DestinationConfiguration
	switch {
	case (d == nil) == (in.S3TablesDestinationConfiguration == nil):
		return invalidArgument("Exactly one of S3DestinationConfiguration and S3TablesDestinationConfiguration must be specified.")
	case d == nil:
		return invalidArgument("S3TablesDestinationConfiguration is not supported: there are no table buckets here. " +
			"Use S3DestinationConfiguration, or a pipeline into a Delta table (weir run).")
	case len(in.StreamConfigurationList) > 1:
		return invalidArgument("A channel reads from one stream, but StreamConfigurationList has %d.", len(in.StreamConfigurationList))
	case in.EncryptionConfiguration != nil:
		return invalidArgument("EncryptionConfiguration is not supported: objects cannot be encrypted under a KMS key here.")
	case in.StreamConfigurationList[0].RecordConfiguration.GSRSchemaARN != nil:
		return invalidArgument("GSRSchemaARN is supported for streaming table destinations only.")
	case len(in.Tags) > tagsMax:
		return invalidArgument("A channel cannot have more than %d tags.", tagsMax)
	}
	if err := checkTagTexts(in.Tags, nil); err != nil {
		return err
	}
	if l := in.LoggingConfiguration; l != nil {
		if err := checkLogging(l.CloudWatchLogs.Enabled); err != nil {
			return err
		}
	}
	owners := []*string{d.StorageConfiguration.ExpectedBucketOwner}
	if dead := d.DeadLetterQueueS3Configuration; dead != nil {
		owners = append(owners, dead.ExpectedBucketOwner)
	}
	for _, owner := range owners {
		if *owner != s.streams.Account() {
			return invalidArgument("ExpectedBucketOwner %s does not own the bucket.", *owner)
		}
	}
	return nil
}

// checkLogging refuses logs that nobody could read.
func checkLogging(enabled *bool) error {
	if *enabled {
		return invalidArgument("CloudWatchLogs.Enabled is not supported: there is no CloudWatch Logs here. " +
			"Failures are in ChannelStatusReason, in the server's own log, and, of single records, in the dead-letter queue.")
	}
	return nil
}

// channelOf is what delivery works by.
func channelOf(d *types.S3DestinationConfiguration, format types.RecordFormatType) *delivery.Channel {
	storage := d.StorageConfiguration
	c := &delivery.Channel{
		Freshness:   delivery.FreshnessDefault,
		Format:      delivery.Format(format),
		Bucket:      bucketOf(storage.BucketARN),
		Template:    value(storage.OutputKeyTemplate),
		Compression: delivery.Compression(storage.CompressionType),
	}
	if d.DataFreshnessInSeconds != nil {
		c.Freshness = time.Duration(*d.DataFreshnessInSeconds) * time.Second
	}
	if storage.CompressionType == types.S3CompressionTypeNone {
		c.Compression = delivery.Uncompressed
	}
	if storage.StorageClass != types.S3StorageClassStandard {
		c.StorageClass = string(storage.StorageClass)
	}
	if dead := d.DeadLetterQueueS3Configuration; dead != nil {
		c.DeadBucket, c.DeadPrefix = bucketOf(dead.BucketARN), value(dead.ErrorOutputPrefix)
	}
	return c
}

// bucketOf is the name in a bucket's ARN.
func bucketOf(arn *string) string { return (*arn)[strings.LastIndexByte(*arn, ':')+1:] }

// channelError gives delivery's errors their names and AWS's words.
func (s *service) channelError(err error, channel, stream string) error {
	switch account := s.streams.Account(); {
	case errors.Is(err, delivery.ErrExists):
		return resourceInUse("Channel %s under account %s already exists.", channel, account)
	case errors.Is(err, delivery.ErrTaken):
		return wire.Errorf("LimitExceededException", http.StatusBadRequest,
			"Stream %s under account %s already has a channel to a general purpose Amazon S3 bucket. Limit: 1.", stream, account)
	case errors.Is(err, delivery.ErrLimit):
		return wire.Errorf("LimitExceededException", http.StatusBadRequest,
			"This request would exceed the channel limit for the account %s. Limit: %d.", account, delivery.ChannelsMax)
	case errors.Is(err, delivery.ErrInvalid):
		return invalidArgument("%s", err)
	case errors.Is(err, delivery.ErrNotFound):
		return s.noChannel(channel)
	}
	return fmt.Errorf("channel %s: %w", channel, err)
}

func (s *service) noChannel(name string) error {
	return resourceNotFound("Channel %s under account %s not found.", name, s.streams.Account())
}
