package firehose

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/weir-data/weir/wire"
)

// TagDeliveryStream, UntagDeliveryStream, ListTagsForDeliveryStream: up to 50 tags, listed by key.

const tagsMax = 50

func (s *service) tagDeliveryStream(_ context.Context, in *firehose.TagDeliveryStreamInput) (*firehose.TagDeliveryStreamOutput, error) {
	var v wire.Violations
	checkName(&v, in.DeliveryStreamName)
	v.Required(in.Tags != nil, "tags")
	if in.Tags != nil {
		checkTags(&v, in.Tags)
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	err := s.streams.SetTags(*in.DeliveryStreamName, func(tags map[string]string) error {
		for _, t := range in.Tags {
			tags[*t.Key] = aws.ToString(t.Value)
		}
		if len(tags) > tagsMax {
			return wire.Errorf("LimitExceededException", 400, "A delivery stream cannot have more than %d tags.", tagsMax)
		}
		return nil
	})
	return &firehose.TagDeliveryStreamOutput{}, err
}

func (s *service) untagDeliveryStream(_ context.Context, in *firehose.UntagDeliveryStreamInput) (*firehose.UntagDeliveryStreamOutput, error) {
	var v wire.Violations
	checkName(&v, in.DeliveryStreamName)
	v.Required(in.TagKeys != nil, "tagKeys")
	if in.TagKeys != nil {
		v.Size(len(in.TagKeys), "tagKeys", fmt.Sprint(in.TagKeys), 1, tagsMax)
	}
	for i := range in.TagKeys {
		checkText(&v, &in.TagKeys[i], fmt.Sprintf("tagKeys.%d.member", i+1), 1, 128, tagKeyPattern)
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	err := s.streams.SetTags(*in.DeliveryStreamName, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
	return &firehose.UntagDeliveryStreamOutput{}, err
}

func (s *service) listTagsForDeliveryStream(_ context.Context, in *firehose.ListTagsForDeliveryStreamInput) (*firehose.ListTagsForDeliveryStreamOutput, error) {
	var v wire.Violations
	checkName(&v, in.DeliveryStreamName)
	wire.Range(&v, in.Limit, "limit", 1, tagsMax)
	checkText(&v, in.ExclusiveStartTagKey, "exclusiveStartTagKey", 1, 128, tagKeyPattern)
	if err := v.Err(); err != nil {
		return nil, err
	}
	info, err := s.streams.Get(*in.DeliveryStreamName)
	if err != nil {
		return nil, err
	}
	limit := tagsMax
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &firehose.ListTagsForDeliveryStreamOutput{Tags: []types.Tag{}, HasMoreTags: aws.Bool(false)}
	for _, key := range slices.Sorted(maps.Keys(info.Tags)) {
		if key <= aws.ToString(in.ExclusiveStartTagKey) {
			continue
		}
		if len(out.Tags) == limit {
			out.HasMoreTags = aws.Bool(true)
			break
		}
		out.Tags = append(out.Tags, types.Tag{Key: &key, Value: aws.String(info.Tags[key])})
	}
	return out, nil
}
