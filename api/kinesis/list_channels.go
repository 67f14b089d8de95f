package kinesis

// ListChannels gives channels by name, at most 100 a page. Filters, of which one has to fit, are not kept in the token: they
// are said again with it. A stream that is not there has no channels.

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/wire"
)

const listChannelsMax = 100

func (s *service) listChannels(ctx context.Context, in *kinesis.ListChannelsInput) (*kinesis.ListChannelsOutput, error) {
	var v wire.Violations
	if in.StreamFilter != nil {
		elements(&v, in.StreamFilter, "streamFilter", channelListMax, func(f *types.StreamFilter, path string) {
			v.Required(f.StreamARN != nil, path+".streamARN")
			checkARN(&v, f.StreamARN, path+".streamARN", streamARN)
		})
	}
	wire.Range(&v, in.MaxResults, "maxResults", 1, 10000)
	v.Length(in.NextToken, "nextToken", 1, 1048576)
	if err := v.Err(); err != nil {
		return nil, err
	}
	after := ""
	if in.NextToken != nil {
		name, err := s.openPage(tokenChannels, *in.NextToken)
		if err != nil {
			return nil, err
		}
		after = string(name)
	}
	limit := listChannelsMax
	if in.MaxResults != nil {
		limit = min(limit, int(*in.MaxResults))
	}
	out := &kinesis.ListChannelsOutput{ChannelSummaries: []types.ChannelSummary{}}
	for _, info := range s.channels.List() {
		summary, err := s.summary(info)
		if err != nil {
			return nil, err
		}
		if info.Name <= after || in.StreamFilter != nil && !slices.ContainsFunc(in.StreamFilter, summaryOf(summary).fits) {
			continue
		}
		if len(out.ChannelSummaries) == limit {
			last := out.ChannelSummaries[limit-1].ChannelName
			out.NextToken = aws.String(s.tokens.seal(tokenChannels, []byte(*last)))
			break
		}
		out.ChannelSummaries = append(out.ChannelSummaries, summary)
	}
	return out, nil
}

func (s *service) summary(info delivery.Info) (types.ChannelSummary, error) {
	doc, err := documentOf(info)
	if err != nil {
		return types.ChannelSummary{}, err
	}
	failure, err := s.channels.Failure(info.Name)
	if err != nil { // it is being deleted
		failure = nil
	}
	status, reason := statusOf(failure)
	return types.ChannelSummary{
		ChannelName:              aws.String(info.Name),
		ChannelARN:               aws.String(s.channelARN(info.ID)),
		ChannelId:                aws.String(info.ID),
		ChannelStatus:            status,
		ChannelStatusReason:      optional(reason),
		ChannelCreationTimestamp: aws.Time(info.Created),
		ChannelDestinationType:   types.ChannelDestinationTypeS3,
		Streams: []types.ChannelStreamIdentifier{
			{StreamARN: doc.Stream.StreamARN, StreamCreationTimestamp: doc.Stream.StreamCreationTimestamp},
		},
	}, nil
}

// summaryOf is a summary that filters are held against.
type summaryOf types.ChannelSummary

func (c summaryOf) fits(f types.StreamFilter) bool {
	s := c.Streams[0]
	if *f.StreamARN != *s.StreamARN {
		return false
	}
	return f.StreamCreationTimestamp == nil ||
		f.StreamCreationTimestamp.Truncate(time.Second).Equal(s.StreamCreationTimestamp.Truncate(time.Second))
}
