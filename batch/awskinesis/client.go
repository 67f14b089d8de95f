package awskinesis

import (
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/internal/awshttp"
)

// useOwnBody keeps the SDK from cutting off large answers.
func useOwnBody(o *kinesis.Options) { o.HTTPClient = awshttp.OwnBody(o.HTTPClient) }
