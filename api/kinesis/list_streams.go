package kinesis

// ListStreams gives names in byte order, at most 100 a page. NextToken and ExclusiveStartStreamName both
// continue; the token counts where there are both, as paginators send what they began with again and again.

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/wire"
)

const listStreamsMax = 100

func (s *service) listStreams(ctx context.Context, in *kinesis.ListStreamsInput) (*kinesis.ListStreamsOutput, error) {
	var v wire.Violations
	wire.Range(&v, in.Limit, "limit", 1, 10000)
	checkName(&v, in.ExclusiveStartStreamName, "exclusiveStartStreamName")
	v.Length(in.NextToken, "nextToken", 1, 1048576)
	if err := v.Err(); err != nil {
		return nil, err
	}
	after := value(in.ExclusiveStartStreamName)
	if in.NextToken != nil {
		name, _, err := s.tokens.open(tokenStreams, *in.NextToken)
		if err != nil {
			return nil, invalidArgument("NextToken is invalid.")
		}
		after = string(name)
	}
	limit := listStreamsMax
	if in.Limit != nil {
		limit = min(limit, int(*in.Limit))
	}
	list, more := s.streams.List(ctx, after, limit)
	out := &kinesis.ListStreamsOutput{
		HasMoreStreams:  aws.Bool(more),
		StreamNames:     []string{},
		StreamSummaries: []types.StreamSummary{},
	}
	for _, d := range list {
		out.StreamNames = append(out.StreamNames, d.Name)
		out.StreamSummaries = append(out.StreamSummaries, types.StreamSummary{
			StreamName:              aws.String(d.Name),
			StreamARN:               aws.String(d.ARN),
			StreamStatus:            types.StreamStatusActive,
			StreamModeDetails:       modeOf(d),
			StreamCreationTimestamp: aws.Time(d.Created),
		})
	}
	if more {
		out.NextToken = aws.String(s.tokens.seal(tokenStreams, []byte(list[len(list)-1].Name)))
	}
	return out, nil
}
