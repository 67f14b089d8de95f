package firehose

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/weir-data/weir/wire"
)

// UpdateDestination changes what is sent and keeps the rest; the conversion is merged member by member, the processing
// configuration replaced. Backup cannot be switched off again. CurrentDeliveryStreamVersionId must be the present
// version. Other kinds of destination are refused. DeleteDeliveryStream drops what was not delivered; AllowForceDelete is
// about keys of KMS, of which there are none.

func (s *service) updateDestination(ctx context.Context, in *firehose.UpdateDestinationInput) (*firehose.UpdateDestinationOutput, error) {
	u, path := updateOf(in)
	var v wire.Violations
	checkName(&v, in.DeliveryStreamName)
	v.Required(in.CurrentDeliveryStreamVersionId != nil, "currentDeliveryStreamVersionId")
	checkText(&v, in.CurrentDeliveryStreamVersionId, "currentDeliveryStreamVersionId", 1, 50, versionPattern)
	v.Required(in.DestinationId != nil, "destinationId")
	v.Length(in.DestinationId, "destinationId", 1, 100)
	if u != nil {
		checkDestination(&v, u, path, false)
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	info, err := s.streams.Get(*in.DeliveryStreamName)
	if err != nil {
		return nil, err
	}
	if *in.DestinationId != destinationID {
		return nil, invalid("Destination Id %s not found", *in.DestinationId)
	}
	if u == nil {
		return nil, invalid("Exactly one destination update is supported for a Firehose; it must be an S3 or extended S3 destination.")
	}
	doc, err := decodeDocument(info)
	if err != nil {
		return nil, err
	}
	if doc.Destination.S3BackupMode == types.S3BackupModeEnabled && u.S3BackupMode == types.S3BackupModeDisabled {
		return nil, invalid("S3BackupMode cannot be disabled once it is enabled.")
	}
	merge(&doc.Destination, u)
	complete(&doc.Destination, wire.Caller(ctx).Account, wire.Region(ctx))
	c, err := config(&doc.Destination)
	if err != nil {
		return nil, err
	}
	version, err := strconv.Atoi(*in.CurrentDeliveryStreamVersionId)
	if err != nil {
		version = -1 // a number that no stream has come to
	}
	if err := s.streams.Update(ctx, info.Name, version, c, doc.encode()); err != nil {
		return nil, err
	}
	return &firehose.UpdateDestinationOutput{}, nil
}

func updateOf(in *firehose.UpdateDestinationInput) (*types.ExtendedS3DestinationUpdate, string) {
	if in.AmazonOpenSearchServerlessDestinationUpdate != nil || in.AmazonopensearchserviceDestinationUpdate != nil || in.ElasticsearchDestinationUpdate != nil ||
		in.HttpEndpointDestinationUpdate != nil || in.IcebergDestinationUpdate != nil || in.RedshiftDestinationUpdate != nil ||
		in.SnowflakeDestinationUpdate != nil || in.SplunkDestinationUpdate != nil {
		return nil, ""
	}
	//lint:ignore SA1019 old clients send it, and Firehose still takes it
	extended, plain := in.ExtendedS3DestinationUpdate, in.S3DestinationUpdate
	switch {
	case extended != nil && plain == nil:
		return extended, "extendedS3DestinationUpdate"
	case plain != nil && extended == nil:
		return extend(plain), "s3DestinationUpdate"
	}
	return nil, ""
}

func (s *service) deleteDeliveryStream(ctx context.Context, in *firehose.DeleteDeliveryStreamInput) (*firehose.DeleteDeliveryStreamOutput, error) {
	if err := nameOnly(in.DeliveryStreamName); err != nil {
		return nil, err
	}
	if err := s.streams.Delete(ctx, aws.ToString(in.DeliveryStreamName)); err != nil {
		return nil, err
	}
	return &firehose.DeleteDeliveryStreamOutput{}, nil
}
