// Package awskinesis is produce.Client over any Kinesis endpoint, AWS's own included.
package awskinesis

import (
	"context"
	"errors"
	"net"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/weir-data/weir/produce"
)

// Client sends with one attempt a call: who retries, and which records, is the sender's business.
type Client struct {
	api *kinesis.Client
}

// New returns a client with the configuration's endpoint and credentials.
func New(cfg aws.Config) *Client {
	return &Client{kinesis.NewFromConfig(cfg, func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} })}
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
		results[i] = produce.Result{Shard: aws.ToString(r.ShardId), SeqNum: aws.ToString(r.SequenceNumber), ErrorCode: aws.ToString(r.ErrorCode)}
	}
	return results, nil
}

// Temporary says whether err is of the network or the server, or throttling; a client's own faults are not.
func (c *Client) Temporary(err error) bool {
	var throttled *types.ProvisionedThroughputExceededException
	var limit *types.LimitExceededException
	if errors.As(err, &throttled) || errors.As(err, &limit) {
		return true
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorFault() == smithy.FaultServer || api.ErrorCode() == "ThrottlingException"
	}
	var send *net.OpError
	var response interface{ HTTPStatusCode() int }
	switch {
	case errors.As(err, &send):
		return true
	case errors.As(err, &response) && response.HTTPStatusCode() >= 400 && response.HTTPStatusCode() < 500:
		return false
	}
	// A connection that broke in mid-answer comes as io.EOF or a decoding error; a context's end is for the caller to see.
	return !errors.Is(err, context.Canceled)
}
