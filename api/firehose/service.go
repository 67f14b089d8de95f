// Package firehose is the Amazon Data Firehose API over package delivery: delivery streams from a Kinesis stream or from
// direct puts into S3, as they come or as Parquet.
//
// Service lists the operations for the front door; each one decodes its input, checks it, makes one call of
// delivery.Streams, and encodes the answer. What a client sent is kept beside the configuration that delivery works by, so that
// DescribeDeliveryStream answers with it, and AWS's defaults where it sent nothing.
//
// Refused by name, where AWS would take it: destinations other than S3, sources other than direct put and Kinesis,
// dynamic partitioning, processors other than AppendDelimiterToRecord, ORC, encryption by KMS keys. CloudWatch logging options are
// kept and described; errors of delivery go to the server's own log. Roles are kept and not assumed.
package firehose

import (
	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/wire"
)

// service holds what the operations work on.
type service struct {
	streams *delivery.Streams
}

// Service returns the operations over streams.
func Service(streams *delivery.Streams) wire.Service {
	s := &service{streams}
	return wire.Service{
		Name:   "firehose",
		Target: "Firehose_20150804",
		JSON:   "1.1",
		Operations: []wire.Operation{
			wire.Op("CreateDeliveryStream", s.createDeliveryStream),
			wire.Op("DescribeDeliveryStream", s.describeDeliveryStream),
			wire.Op("ListDeliveryStreams", s.listDeliveryStreams),
			wire.Op("UpdateDestination", s.updateDestination),
			wire.Op("DeleteDeliveryStream", s.deleteDeliveryStream),
			wire.Op("PutRecord", s.putRecord),
			wire.Op("PutRecordBatch", s.putRecordBatch),
			wire.Op("TagDeliveryStream", s.tagDeliveryStream),
			wire.Op("UntagDeliveryStream", s.untagDeliveryStream),
			wire.Op("ListTagsForDeliveryStream", s.listTagsForDeliveryStream),
			wire.Op("StartDeliveryStreamEncryption", s.startDeliveryStreamEncryption),
			wire.Op("StopDeliveryStreamEncryption", s.stopDeliveryStreamEncryption),
		},
		Errors: codes,
	}
}
