package firehose

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/weir-data/weir/wire"
)

// PutRecord and PutRecordBatch answer when the records are durable. A batch is taken whole or refused whole, so that no
// entry of an answer ever carries an error. Streams with a Kinesis source refuse both.

const (
	recordMax = 1000 << 10 // bytes
	batchMax  = 4 << 20    // bytes of all records of a batch
	batchSize = 500        // records
)

func (s *service) putRecord(ctx context.Context, in *firehose.PutRecordInput) (*firehose.PutRecordOutput, error) {
	var v wire.Violations
	checkName(&v, in.DeliveryStreamName)
	v.Required(in.Record != nil, "record")
	if in.Record != nil {
		checkData(&v, in.Record.Data, "record.data")
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	if err := s.streams.Put(ctx, *in.DeliveryStreamName, [][]byte{in.Record.Data}); err != nil {
		return nil, err
	}
	return &firehose.PutRecordOutput{RecordId: recordID(), Encrypted: aws.Bool(false)}, nil
}

func (s *service) putRecordBatch(ctx context.Context, in *firehose.PutRecordBatchInput) (*firehose.PutRecordBatchOutput, error) {
	var v wire.Violations
	checkName(&v, in.DeliveryStreamName)
	v.Required(in.Records != nil, "records")
	if in.Records != nil {
		v.Size(len(in.Records), "records", fmt.Sprintf("%d records", len(in.Records)), 1, batchSize)
	}
	records := make([][]byte, len(in.Records))
	size := 0
	for i, r := range in.Records {
		checkData(&v, r.Data, fmt.Sprintf("records.%d.member.data", i+1))
		records[i] = r.Data
		size += len(r.Data)
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	if size > batchMax {
		return nil, invalid("Records size exceeds 4 MB limit")
	}
	if err := s.streams.Put(ctx, *in.DeliveryStreamName, records); err != nil {
		return nil, err
	}
	out := &firehose.PutRecordBatchOutput{FailedPutCount: aws.Int32(0), Encrypted: aws.Bool(false)}
	for range records {
		out.RequestResponses = append(out.RequestResponses, types.PutRecordBatchResponseEntry{RecordId: recordID()})
	}
	return out, nil
}

func checkData(v *wire.Violations, data []byte, path string) {
	v.Required(data != nil, path)
	v.Check(len(data) <= recordMax, path, fmt.Sprintf("java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", len(data), len(data)),
		fmt.Sprintf("Member must have length less than or equal to %d", recordMax))
}

// recordID is a new id of the length that AWS gives.
func recordID() *string {
	var b [165]byte
	rand.Read(b[:])
	return aws.String(base64.StdEncoding.EncodeToString(b[:]))
}
