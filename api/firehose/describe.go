package firehose

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/wire"
)

// DescribeDeliveryStream answers with the destination as it was sent, completed by AWS's defaults, in both the extended and
// the plain form. ListDeliveryStreams pages by name, ten at a time unless asked for more.

func (s *service) describeDeliveryStream(_ context.Context, in *firehose.DescribeDeliveryStreamInput) (*firehose.DescribeDeliveryStreamOutput, error) {
	var v wire.Violations
	checkName(&v, in.DeliveryStreamName)
	wire.Range(&v, in.Limit, "limit", 1, 10000)
	if err := v.Err(); err != nil {
		return nil, err
	}
	info, err := s.streams.Get(*in.DeliveryStreamName)
	if err != nil {
		return nil, err
	}
	doc, err := decodeDocument(info)
	if err != nil {
		return nil, err
	}
	d := &types.DeliveryStreamDescription{
		DeliveryStreamName:                    &info.Name,
		DeliveryStreamARN:                     aws.String(s.streams.ARN(info.Name)),
		DeliveryStreamStatus:                  types.DeliveryStreamStatusActive,
		DeliveryStreamType:                    typeOf(info),
		DeliveryStreamEncryptionConfiguration: &types.DeliveryStreamEncryptionConfiguration{Status: types.DeliveryStreamEncryptionStatusDisabled},
		VersionId:                             aws.String(info.VersionID()),
		CreateTimestamp:                       &info.Created,
		HasMoreDestinations:                   aws.Bool(false),
		Destinations: []types.DestinationDescription{{DestinationId: aws.String(destinationID),
			ExtendedS3DestinationDescription: &doc.Destination, S3DestinationDescription: plain(&doc.Destination)}},
	}
	if !info.Updated.IsZero() {
		d.LastUpdateTimestamp = &info.Updated
	}
	if info.Source != "" {
		d.Source = &types.SourceDescription{KinesisStreamSourceDescription: &types.KinesisStreamSourceDescription{
			KinesisStreamARN: &doc.SourceARN, RoleARN: &doc.SourceRole, DeliveryStartTimestamp: &info.Started}}
	}
	return &firehose.DescribeDeliveryStreamOutput{DeliveryStreamDescription: d}, nil
}

// plain is the form of a destination that clients before the extended one read.
func plain(d *types.ExtendedS3DestinationDescription) *types.S3DestinationDescription {
	return &types.S3DestinationDescription{BucketARN: d.BucketARN, RoleARN: d.RoleARN, BufferingHints: d.BufferingHints, CompressionFormat: d.CompressionFormat,
		EncryptionConfiguration: d.EncryptionConfiguration, CloudWatchLoggingOptions: d.CloudWatchLoggingOptions, Prefix: d.Prefix, ErrorOutputPrefix: d.ErrorOutputPrefix}
}

func (s *service) listDeliveryStreams(_ context.Context, in *firehose.ListDeliveryStreamsInput) (*firehose.ListDeliveryStreamsOutput, error) {
	var v wire.Violations
	wire.Range(&v, in.Limit, "limit", 1, 10000)
	wire.Enum(&v, in.DeliveryStreamType, "deliveryStreamType", in.DeliveryStreamType.Values())
	checkText(&v, in.ExclusiveStartDeliveryStreamName, "exclusiveStartDeliveryStreamName", 1, 64, namePattern)
	if err := v.Err(); err != nil {
		return nil, err
	}
	limit := 10
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	names := append([]string{}, s.streams.Names()...) // never nil: the answer always has the list
	names = slices.DeleteFunc(names, func(name string) bool {
		return name <= aws.ToString(in.ExclusiveStartDeliveryStreamName) || !s.isType(name, in.DeliveryStreamType)
	})
	more := len(names) > limit
	return &firehose.ListDeliveryStreamsOutput{DeliveryStreamNames: names[:min(limit, len(names))], HasMoreDeliveryStreams: &more}, nil
}

func (s *service) isType(name string, t types.DeliveryStreamType) bool {
	if t == "" {
		return true
	}
	info, err := s.streams.Get(name)
	return err == nil && t == typeOf(info)
}

func typeOf(info delivery.Info) types.DeliveryStreamType {
	if info.Source != "" {
		return types.DeliveryStreamTypeKinesisStreamAsSource
	}
	return types.DeliveryStreamTypeDirectPut
}
