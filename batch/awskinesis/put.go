package awskinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/tostream"
)

// PutAPI is what a Target needs of a client; *kinesis.Client is one. Its own retries come first.
type PutAPI interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
}

// Target is a stream that takes the rows of pipelines.
type Target struct {
	client PutAPI
	stream string
}

var _ tostream.Stream = (*Target)(nil)

// NewTarget returns the named stream.
func NewTarget(client PutAPI, stream string) *Target { return &Target{client, stream} }

const (
	putAttempts  = 10
	putWaitFirst = 50 * time.Millisecond
	putWaitMax   = 2 * time.Second
)

// Check implements tostream.Stream.
func (t *Target) Check(ctx context.Context) error {
	_, err := t.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &t.stream})
	return t.failed(err)
}

// failed says whether err may pass, and whether the stream is not there.
func (t *Target) failed(err error) error {
	var gone *types.ResourceNotFoundException
	if errors.As(err, &gone) {
		return &batch.MissingError{Kind: "stream", Name: t.stream, Err: err}
	}
	return classify(err)
}

// Put implements tostream.Stream. Records that a shard had no room for are put again, after a while.
func (t *Target) Put(ctx context.Context, records []tostream.Record) error {
	entries := make([]types.PutRecordsRequestEntry, len(records))
	for i, r := range records {
		entries[i] = types.PutRecordsRequestEntry{Data: r.Data, PartitionKey: aws.String(r.Key)}
	}
	wait := putWaitFirst
	for attempt := 1; ; attempt++ {
		out, err := t.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &t.stream, Records: entries})
		if err != nil {
			return t.failed(err)
		}
		if len(out.Records) != len(entries) {
			return fmt.Errorf("put %d records: the answer tells of %d", len(entries), len(out.Records))
		}
		var left []types.PutRecordsRequestEntry
		reason := ""
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				left = append(left, entries[i])
				reason = *r.ErrorCode + ": " + aws.ToString(r.ErrorMessage)
			}
		}
		if len(left) == 0 {
			return nil
		}
		if attempt == putAttempts {
			return batch.Temporary(errors.New(reason))
		}
		if err := batch.Sleep(ctx, wait); err != nil {
			return err
		}
		entries, wait = left, min(2*wait, putWaitMax)
	}
}
