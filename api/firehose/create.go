package firehose

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/wire"
)

// CreateDeliveryStream makes a delivery stream that is ACTIVE at once (on AWS it is CREATING for a while). Constraint
// violations are joined into one message and come before all other errors. A stream with a Kinesis source
// delivers what arrives from now on. The deprecated S3 destination is an extended one without the extensions.

func (s *service) createDeliveryStream(ctx context.Context, in *firehose.CreateDeliveryStreamInput) (*firehose.CreateDeliveryStreamOutput, error) {
	dest, path := destinationOf(in)
	if err := checkCreate(in, dest, path); err != nil {
		return nil, err
	}
	source, err := sourceOf(in)
	if err != nil {
		return nil, err
	}
	if in.DeliveryStreamEncryptionConfigurationInput != nil {
		return nil, invalid("DeliveryStreamEncryptionConfigurationInput is not supported: records are stored without encryption by keys.")
	}
	if dest == nil {
		return nil, invalid("Exactly one destination configuration is supported for a Firehose; it must be an S3 or extended S3 destination.")
	}
	doc := document{}
	if k := in.KinesisStreamSourceConfiguration; k != nil {
		doc.SourceARN, doc.SourceRole = aws.ToString(k.KinesisStreamARN), aws.ToString(k.RoleARN)
	}
	merge(&doc.Destination, dest)
	complete(&doc.Destination, wire.Caller(ctx).Account, wire.Region(ctx))
	c, err := config(&doc.Destination)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, t := range in.Tags {
		tags[*t.Key] = aws.ToString(t.Value)
	}
	err = s.streams.Create(ctx, delivery.Info{Name: *in.DeliveryStreamName, Source: source, Config: c, Tags: tags, Attributes: doc.encode()})
	if err != nil {
		return nil, err
	}
	return &firehose.CreateDeliveryStreamOutput{DeliveryStreamARN: aws.String(s.streams.ARN(*in.DeliveryStreamName))}, nil
}

// destinationOf finds the destination and its path in the request; nil if there is none that is supported, or more
// than one.
func destinationOf(in *firehose.CreateDeliveryStreamInput) (*types.ExtendedS3DestinationUpdate, string) {
	if in.AmazonOpenSearchServerlessDestinationConfiguration != nil || in.AmazonopensearchserviceDestinationConfiguration != nil ||
		in.ElasticsearchDestinationConfiguration != nil || in.HttpEndpointDestinationConfiguration != nil || in.IcebergDestinationConfiguration != nil ||
		in.RedshiftDestinationConfiguration != nil || in.SnowflakeDestinationConfiguration != nil || in.SplunkDestinationConfiguration != nil {
		return nil, ""
	}
	//lint:ignore SA1019 old clients send it, and Firehose still takes it
	e, plain := in.ExtendedS3DestinationConfiguration, in.S3DestinationConfiguration
	switch {
	case e != nil && plain == nil:
		u := &types.ExtendedS3DestinationUpdate{BucketARN: e.BucketARN, RoleARN: e.RoleARN, BufferingHints: e.BufferingHints,
			CloudWatchLoggingOptions: e.CloudWatchLoggingOptions, CompressionFormat: e.CompressionFormat, CustomTimeZone: e.CustomTimeZone,
			DataFormatConversionConfiguration: e.DataFormatConversionConfiguration, DynamicPartitioningConfiguration: e.DynamicPartitioningConfiguration,
			EncryptionConfiguration: e.EncryptionConfiguration, ErrorOutputPrefix: e.ErrorOutputPrefix, FileExtension: e.FileExtension,
			Prefix: e.Prefix, ProcessingConfiguration: e.ProcessingConfiguration, S3BackupMode: e.S3BackupMode}
		if b := e.S3BackupConfiguration; b != nil {
			u.S3BackupUpdate = asUpdate(b)
		}
		return u, "extendedS3DestinationConfiguration"
	case plain != nil && e == nil:
		return extend(asUpdate(plain)), "s3DestinationConfiguration"
	}
	return nil, ""
}

// asUpdate is a plain S3 destination as a change of all of it.
func asUpdate(c *types.S3DestinationConfiguration) *types.S3DestinationUpdate {
	return &types.S3DestinationUpdate{BucketARN: c.BucketARN, RoleARN: c.RoleARN, BufferingHints: c.BufferingHints,
		CloudWatchLoggingOptions: c.CloudWatchLoggingOptions, CompressionFormat: c.CompressionFormat, EncryptionConfiguration: c.EncryptionConfiguration,
		ErrorOutputPrefix: c.ErrorOutputPrefix, Prefix: c.Prefix}
}

// extend is a plain S3 destination as an extended one.
func extend(p *types.S3DestinationUpdate) *types.ExtendedS3DestinationUpdate {
	return &types.ExtendedS3DestinationUpdate{BucketARN: p.BucketARN, RoleARN: p.RoleARN, BufferingHints: p.BufferingHints,
		CloudWatchLoggingOptions: p.CloudWatchLoggingOptions, CompressionFormat: p.CompressionFormat, EncryptionConfiguration: p.EncryptionConfiguration,
		ErrorOutputPrefix: p.ErrorOutputPrefix, Prefix: p.Prefix}
}

func checkCreate(in *firehose.CreateDeliveryStreamInput, dest *types.ExtendedS3DestinationUpdate, path string) error {
	var v wire.Violations
	checkName(&v, in.DeliveryStreamName)
	wire.Enum(&v, in.DeliveryStreamType, "deliveryStreamType", in.DeliveryStreamType.Values())
	if k := in.KinesisStreamSourceConfiguration; k != nil {
		v.Required(k.KinesisStreamARN != nil, "kinesisStreamSourceConfiguration.kinesisStreamARN")
		checkText(&v, k.KinesisStreamARN, "kinesisStreamSourceConfiguration.kinesisStreamARN", 1, 512, streamPattern)
		checkRole(&v, k.RoleARN, "kinesisStreamSourceConfiguration.roleARN", true)
	}
	if dest != nil {
		checkDestination(&v, dest, path, true)
	}
	if in.Tags != nil {
		checkTags(&v, in.Tags)
	}
	return v.Err()
}

// sourceOf is the name of the Kinesis stream, or empty for direct put.
func sourceOf(in *firehose.CreateDeliveryStreamInput) (string, error) {
	k := in.KinesisStreamSourceConfiguration
	switch in.DeliveryStreamType {
	case "", types.DeliveryStreamTypeDirectPut:
		if k != nil {
			return "", invalid("KinesisStreamSourceConfig is only applicable for KinesisStreamAsSource stream type.")
		}
		if in.DirectPutSourceConfiguration != nil {
			return "", invalid("DirectPutSourceConfiguration is not supported.")
		}
		return "", nil
	case types.DeliveryStreamTypeKinesisStreamAsSource:
		if k == nil {
			return "", invalid("KinesisStreamSourceConfig must not be null for KinesisStreamAsSource stream type.")
		}
		_, name, _ := strings.Cut(*k.KinesisStreamARN, ":stream/")
		return name, nil
	}
	return "", invalid("DeliveryStreamType %s is not supported; DirectPut and KinesisStreamAsSource are.", in.DeliveryStreamType)
}

func checkTags(v *wire.Violations, tags []types.Tag) {
	v.Size(len(tags), "tags", fmt.Sprintf("%d tags", len(tags)), 1, 50)
	for i, t := range tags {
		at := fmt.Sprintf("tags.%d.member", i+1)
		v.Required(t.Key != nil, at+".key")
		checkText(v, t.Key, at+".key", 1, 128, tagKeyPattern)
		checkText(v, t.Value, at+".value", 0, 256, tagValuePattern)
	}
}
