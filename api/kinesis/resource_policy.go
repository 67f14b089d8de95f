package kinesis

// PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy, of a stream or a consumer. A policy replaces the one
// before. It is checked against IAM's grammar, may name actions of Kinesis only, and each statement must apply to the
// resource; who is named need not exist, as other accounts cannot be asked. Without a policy GetResourcePolicy gives "{}"
// and DeleteResourcePolicy ResourceNotFoundException. What a policy does is in authorize.go.

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/access/policy"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// policyBytesMax is the largest resource policy of Kinesis.
const policyBytesMax = 20 << 10

func (s *service) putResourcePolicy(ctx context.Context, in *kinesis.PutResourcePolicyInput) (*kinesis.PutResourcePolicyOutput, error) {
	var v wire.Violations
	v.Required(in.Policy != nil, "policy")
	r, err := s.resource(ctx, &v, in.ResourceARN, in.StreamId)
	if err != nil {
		return nil, err
	}
	if len(*in.Policy) > policyBytesMax {
		return nil, wire.Errorf("LimitExceededException", http.StatusBadRequest, "The policy is larger than %d bytes.", policyBytesMax)
	}
	if _, err := policy.Parse(*in.Policy, policy.Rules{Service: "kinesis", Resource: *in.ResourceARN}); err != nil {
		return nil, invalidArgument("%s", err)
	}
	if err := s.streams.SetPolicy(ctx, r.stream, r.consumer, *in.Policy); err != nil {
		return nil, s.noStream(err, r.stream)
	}
	return &kinesis.PutResourcePolicyOutput{}, nil
}

func (s *service) getResourcePolicy(ctx context.Context, in *kinesis.GetResourcePolicyInput) (*kinesis.GetResourcePolicyOutput, error) {
	r, err := s.resource(ctx, new(wire.Violations), in.ResourceARN, in.StreamId)
	if err != nil {
		return nil, err
	}
	text, _, err := s.policyOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if text == "" {
		if _, err := s.streams.Policy(r.stream); err != nil {
			return nil, s.noStream(err, r.stream)
		}
		text = "{}"
	}
	return &kinesis.GetResourcePolicyOutput{Policy: aws.String(text)}, nil
}

func (s *service) deleteResourcePolicy(ctx context.Context, in *kinesis.DeleteResourcePolicyInput) (*kinesis.DeleteResourcePolicyOutput, error) {
	r, err := s.resource(ctx, new(wire.Violations), in.ResourceARN, in.StreamId)
	if err != nil {
		return nil, err
	}
	err = s.streams.SetPolicy(ctx, r.stream, r.consumer, "")
	if errors.Is(err, stream.ErrNoPolicy) {
		return nil, resourceNotFound("No resource policy found for resource ARN %s", *in.ResourceARN)
	}
	if err != nil {
		return nil, s.noStream(err, r.stream)
	}
	return &kinesis.DeleteResourcePolicyOutput{}, nil
}
