package athena

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
)

// resource is what an ARN names: workgroup/x or datacatalog/x.
func (s *service) resource(arn *string) (string, error) {
	if err := required("ResourceARN", arn); err != nil {
		return "", err
	}
	parts := strings.SplitN(*arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "athena" {
		return "", invalid("Invalid resource ARN: %s", *arn)
	}
	return parts[5], nil
}

// tagMap checks tags and makes a map of them.
func tagMap(tags []types.Tag) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range tags {
		k, v := str(t.Key), str(t.Value)
		if k == "" || len(k) > 128 || len(v) > 256 {
			return nil, invalid("Invalid tag: %s", k)
		}
		out[k] = v
	}
	if len(out) > 50 {
		return nil, invalid("A resource can have at most 50 tags")
	}
	return out, nil
}

// ListTagsForResource lists the tags of a workgroup.
func (s *service) listTagsForResource(ctx context.Context, in *athena.ListTagsForResourceInput) (*athena.ListTagsForResourceOutput, error) {
	resource, err := s.resource(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	tags, err := s.queries.Tags(resource)
	if err != nil {
		return nil, fail(err)
	}
	out := &athena.ListTagsForResourceOutput{Tags: []types.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out.Tags = append(out.Tags, types.Tag{Key: &k, Value: ptr(tags[k])})
	}
	return out, nil
}

// TagResource adds tags to a workgroup, or changes them.
func (s *service) tagResource(ctx context.Context, in *athena.TagResourceInput) (*athena.TagResourceOutput, error) {
	resource, err := s.resource(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	return &athena.TagResourceOutput{}, fail(s.queries.ChangeTags(resource, func(m map[string]string) { maps.Copy(m, tags) }))
}

// UntagResource removes tags from a workgroup.
func (s *service) untagResource(ctx context.Context, in *athena.UntagResourceInput) (*athena.UntagResourceOutput, error) {
	resource, err := s.resource(in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &athena.UntagResourceOutput{}, fail(s.queries.ChangeTags(resource, func(m map[string]string) {
		for _, k := range in.TagKeys {
			delete(m, k)
		}
	}))
}
