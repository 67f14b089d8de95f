package kinesis

// AddTagsToStream, RemoveTagsFromStream, ListTagsForStream, and TagResource, UntagResource, ListTagsForResource, which
// take the ARN of a stream, a consumer or a channel. At most 50 tags each.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const (
	tagsMax        = 50  // of a stream or consumer
	tagsRequestMax = 200 // in one request, by the model
	tagKeyMax      = 128
	tagValueMax    = 256
)

func (s *service) addTagsToStream(ctx context.Context, in *kinesis.AddTagsToStreamInput) (*kinesis.AddTagsToStreamOutput, error) {
	var v wire.Violations
	checkTagMap(&v, in.Tags, true)
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	name, err := s.streamName(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if err := s.changeTags(ctx, resource{stream: name}, in.Tags, nil); err != nil {
		return nil, err
	}
	return &kinesis.AddTagsToStreamOutput{}, nil
}

func (s *service) removeTagsFromStream(ctx context.Context, in *kinesis.RemoveTagsFromStreamInput) (*kinesis.RemoveTagsFromStreamOutput, error) {
	var v wire.Violations
	checkTagKeys(&v, in.TagKeys)
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	name, err := s.streamName(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	if err := s.changeTags(ctx, resource{stream: name}, nil, in.TagKeys); err != nil {
		return nil, err
	}
	return &kinesis.RemoveTagsFromStreamOutput{}, nil
}

func (s *service) listTagsForStream(ctx context.Context, in *kinesis.ListTagsForStreamInput) (*kinesis.ListTagsForStreamOutput, error) {
	var v wire.Violations
	wire.Range(&v, in.Limit, "limit", 1, tagsMax)
	v.Length(in.ExclusiveStartTagKey, "exclusiveStartTagKey", 1, tagKeyMax)
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	if err := v.Err(); err != nil {
		return nil, err
	}
	d, err := s.described(ctx, in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	limit := tagsMax
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	tags := tagList(d.Tags)
	first := slices.IndexFunc(tags, func(t types.Tag) bool { return *t.Key > value(in.ExclusiveStartTagKey) })
	if first < 0 {
		first = len(tags)
	}
	tags = tags[first:]
	return &kinesis.ListTagsForStreamOutput{
		Tags:        tags[:min(limit, len(tags))],
		HasMoreTags: aws.Bool(len(tags) > limit),
	}, nil
}

func (s *service) tagResource(ctx context.Context, in *kinesis.TagResourceInput) (*kinesis.TagResourceOutput, error) {
	var v wire.Violations
	checkTagMap(&v, in.Tags, true)
	r, err := s.resource(ctx, &v, in.ResourceARN, in.StreamId)
	if err != nil {
		return nil, err
	}
	if err := s.changeTags(ctx, r, in.Tags, nil); err != nil {
		return nil, err
	}
	return &kinesis.TagResourceOutput{}, nil
}

func (s *service) untagResource(ctx context.Context, in *kinesis.UntagResourceInput) (*kinesis.UntagResourceOutput, error) {
	var v wire.Violations
	checkTagKeys(&v, in.TagKeys)
	r, err := s.resource(ctx, &v, in.ResourceARN, in.StreamId)
	if err != nil {
		return nil, err
	}
	if err := s.changeTags(ctx, r, nil, in.TagKeys); err != nil {
		return nil, err
	}
	return &kinesis.UntagResourceOutput{}, nil
}

func (s *service) listTagsForResource(ctx context.Context, in *kinesis.ListTagsForResourceInput) (*kinesis.ListTagsForResourceOutput, error) {
	r, err := s.resource(ctx, new(wire.Violations), in.ResourceARN, in.StreamId)
	if err != nil {
		return nil, err
	}
	if r.channel != "" {
		return &kinesis.ListTagsForResourceOutput{Tags: tagList(r.tags)}, nil
	}
	if r.consumer != "" {
		_, c, err := s.findConsumer(ctx, r.stream, r.consumer)
		if err != nil {
			return nil, err
		}
		return &kinesis.ListTagsForResourceOutput{Tags: tagList(c.Tags)}, nil
	}
	d, err := s.streams.Describe(ctx, r.stream)
	if err != nil {
		return nil, s.noStream(err, r.stream)
	}
	return &kinesis.ListTagsForResourceOutput{Tags: tagList(d.Tags)}, nil
}

// resource is what carries tags: a stream, or a consumer of it, or a channel.
type resource struct {
	stream, consumer, channel string
	tags                      map[string]string // of a channel
}

// resource finds out what an ARN names, after the violations noted so far.
func (s *service) resource(ctx context.Context, v *wire.Violations, arn, id *string) (resource, error) {
	v.Required(arn != nil, "resourceARN")
	checkARN(v, arn, "resourceARN", resourceARN)
	checkID(v, id)
	if err := v.Err(); err != nil {
		return resource{}, err
	}
	if strings.Contains(*arn, ":channel/") {
		return s.channelResource(*arn)
	}
	if !strings.Contains(*arn, "/consumer/") {
		name, err := s.streamName(nil, arn)
		return resource{stream: name}, err
	}
	name, c, err := s.consumerByARN(ctx, *arn)
	return resource{stream: name, consumer: c.Name}, err
}

func (s *service) channelResource(arn string) (resource, error) {
	if s.channels == nil {
		return resource{}, s.noChannel(arn)
	}
	info, _, err := s.channel(arn)
	return resource{channel: info.Name, tags: info.Tags}, err
}

func (s *service) changeTags(ctx context.Context, r resource, set map[string]string, remove []string) error {
	if r.channel == "" { // that a stream is not there is said first
		if _, err := s.streams.Describe(ctx, r.stream); err != nil {
			return s.noStream(err, r.stream)
		}
	}
	if err := checkTagTexts(set, remove); err != nil {
		return err
	}
	if r.channel != "" {
		return s.changeChannelTags(r.channel, set, remove)
	}
	var err error
	if r.consumer == "" {
		err = s.streams.SetTags(ctx, r.stream, set, remove, tagsMax)
	} else {
		err = s.streams.TagConsumer(ctx, r.stream, r.consumer, set, remove, tagsMax)
	}
	if errors.Is(err, stream.ErrLimit) {
		return invalidArgument("Failed to add tags to stream %s under account %s because a given stream cannot have more than %d tags associated with it.",
			r.stream, s.streams.Account(), tagsMax)
	}
	return s.noStream(err, r.stream)
}

func (s *service) changeChannelTags(channel string, set map[string]string, remove []string) error {
	err := s.channels.SetTags(channel, func(tags map[string]string) error {
		maps.Copy(tags, set)
		for _, key := range remove {
			delete(tags, key)
		}
		if len(tags) > tagsMax {
			return invalidArgument("Failed to add tags to channel %s under account %s because a given channel cannot have more than %d tags associated with it.",
				channel, s.streams.Account(), tagsMax)
		}
		return nil
	})
	if errors.Is(err, delivery.ErrNotFound) {
		return s.noChannel(channel)
	}
	return err
}

// checkTagMap checks tags that are to be set.
func checkTagMap(v *wire.Violations, tags map[string]string, required bool) {
	if tags == nil {
		v.Required(!required, "tags")
		return
	}
	text := mapText(tags)
	v.Size(len(tags), "tags", text, 1, tagsRequestMax)
	keys, values := true, true
	for k, val := range tags {
		n := utf8.RuneCountInString(k)
		keys = keys && n >= 1 && n <= tagKeyMax
		values = values && utf8.RuneCountInString(val) <= tagValueMax
	}
	v.Check(keys, "tags", text, fmt.Sprintf("Map keys must satisfy constraint: [Member must have length less than or equal to %d, "+
		"Member must have length greater than or equal to 1]", tagKeyMax))
	v.Check(values, "tags", text, fmt.Sprintf("Map value must satisfy constraint: [Member must have length less than or equal to %d, "+
		"Member must have length greater than or equal to 0]", tagValueMax))
}

func checkTagKeys(v *wire.Violations, keys []string) {
	v.Required(keys != nil, "tagKeys")
	if keys == nil {
		return
	}
	v.Size(len(keys), "tagKeys", listText(keys), 1, tagsMax)
	ok := true
	for _, k := range keys {
		n := utf8.RuneCountInString(k)
		ok = ok && n >= 1 && n <= tagKeyMax
	}
	v.Check(ok, "tagKeys", listText(keys), fmt.Sprintf("Member must satisfy constraint: [Member must have length less than or equal to %d, "+
		"Member must have length greater than or equal to 1]", tagKeyMax))
}

// checkTagTexts refuses characters that AWS does not allow.
func checkTagTexts(set map[string]string, keys []string) error {
	texts := slices.Concat(keys, slices.Collect(maps.Keys(set)), slices.Collect(maps.Values(set)))
	for _, text := range texts {
		for _, c := range text {
			if !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.Is(unicode.Zs, c) && !unicode.IsMark(c) && !strings.ContainsRune("_./=+-%@:", c) {
				return invalidArgument("Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - %% @.")
			}
		}
	}
	return nil
}

func tagList(tags map[string]string) []types.Tag {
	list := []types.Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return list
}

// listText and mapText print a collection as AWS does in its messages.
func listText[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, t := range list {
		texts[i] = string(t)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func mapText(m map[string]string) string {
	var texts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		texts = append(texts, k+"="+m[k])
	}
	return "{" + strings.Join(texts, ", ") + "}"
}
