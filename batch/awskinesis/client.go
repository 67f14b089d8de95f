package awskinesis

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/internal/awshttp"
)

// useOwnBody keeps the SDK from cutting off large answers.
func useOwnBody(o *kinesis.Options) { o.HTTPClient = awshttp.OwnBody(o.HTTPClient) }

// askOnce keeps the SDK from asking again by itself, with pauses of its own: patiently does, and counts refusals.
func askOnce(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }
