// Package awskinesis is produce.Client over any Kinesis endpoint, AWS's own included.
package awskinesis

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/weir-data/weir/internal/awshttp"
	"github.com/weir-data/weir/produce"
)

// Client sends with one attempt a call: who retries, and which records, is the sender's business.
type Client struct {
	api *kinesis.Client
}

// New returns a client with the configuration's endpoint and credentials.
func New(cfg aws.Config) *Client {
	return &Client{kinesis.NewFromConfig(cfg, func(o *kinesis.Options) { o.Retryer, o.HTTPClient = aws.NopRetryer{}, awshttp.OwnBody(o.HTTPClient) })}
}

// PutRecord appends one record.
func (c *Client) PutRecord(ctx context.Context, stream string, e produce.Entry) (produce.Result, error) {
	out, err := c.api.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(stream), PartitionKey: aws.String(e.Key), Data: e.Data})
	if err != nil {
		return produce.Result{}, err
	}
	return produce.Result{Shard: aws.ToString(out.ShardId), SeqNum: aws.ToString(out.SequenceNumber)}, nil
}

// PutRecords appends up to 500 records.
func (c *Client) PutRecords(ctx context.Context, stream string, entries []produce.Entry) ([]produce.Result, error) {
	in := &kinesis.PutRecordsInput{StreamName: aws.String(stream), Records: make([]types.PutRecordsRequestEntry, len(entries))}
	for i := range entries {
		in.Records[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String(entries[i].Key), Data: entries[i].Data}
	}
	out, err := c.api.PutRecords(ctx, in)
	if err != nil {
		return nil, err
	}
	results := make([]produce.Result, len(out.Records))
	for i, r := range out.Records {
		results[i] = produce.Result{
			Shard: aws.ToString(r.ShardId), SeqNum: aws.ToString(r.SequenceNumber),
			ErrorCode: aws.ToString(r.ErrorCode), ErrorMessage: aws.ToString(r.ErrorMessage),
		}
	}
	return results, nil
}

// Temporary says whether err is of the network or the server, or throttling. A client's own faults are not, nor is what
// keeps a request from being made, such as missing credentials.
func (c *Client) Temporary(err error) bool {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return throttling[answer.ErrorCode()] || answer.ErrorFault() == smithy.FaultServer || status(err) >= 500
	}
	if code := status(err); code != 0 {
		return code >= 500 || code < 300 // the rest of an answer is missing or garbled
	}
	var unsent *smithyhttp.RequestSendError // refused, reset, no such host, timeout
	return errors.As(err, &unsent) && !errors.Is(err, context.Canceled)
}

// throttling are the errors for which the service asks to try again, though it calls them the client's fault.
var throttling = map[string]bool{
	"ProvisionedThroughputExceededException": true,
	"LimitExceededException":                 true,
	"ThrottlingException":                    true,
	"KMSThrottlingException":                 true,
	"RequestTimeout":                         true,
}

// status is the HTTP status that came with an error, 0 if there was none.
func status(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
