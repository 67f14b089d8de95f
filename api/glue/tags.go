package glue

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/glue"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/wire"
)

// TagResource, UntagResource, GetTags.
//
// Databases, tables and crawlers have tags; they go away with what they tag.

// resource finds what an ARN names: arn:aws:glue:REGION:ACCOUNT:crawler/NAME.
func resource(ctx context.Context, arn *string) (string, error) {
	var v wire.Violations
	v.Required(arn != nil, "resourceArn")
	if err := v.Err(); err != nil {
		return "", err
	}
	parts := strings.SplitN(*arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "glue" {
		return "", catalog.Failf(catalog.ErrInvalid, "Invalid resource ARN %s.", *arn)
	}
	if parts[4] != wire.Caller(ctx).Account {
		return "", catalog.Failf(catalog.ErrNotFound, "Resource %s not found.", *arn)
	}
	kind, name, _ := strings.Cut(parts[5], "/")
	switch kind {
	case "crawler":
		return catalog.CrawlerResource(name), nil
	case "database":
		return catalog.DatabaseResource(name), nil
	case "table":
		database, table, _ := strings.Cut(name, "/")
		return catalog.TableResource(database, table), nil
	}
	return "", catalog.Failf(catalog.ErrNotFound, "Resource %s not found.", *arn)
}

func (s *service) tagResource(ctx context.Context, in *glue.TagResourceInput) (*glue.TagResourceOutput, error) {
	r, err := resource(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &glue.TagResourceOutput{}, s.store.SetTags(ctx, r, in.TagsToAdd)
}

func (s *service) untagResource(ctx context.Context, in *glue.UntagResourceInput) (*glue.UntagResourceOutput, error) {
	r, err := resource(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &glue.UntagResourceOutput{}, s.store.DeleteTags(ctx, r, in.TagsToRemove)
}

func (s *service) getTags(ctx context.Context, in *glue.GetTagsInput) (*glue.GetTagsOutput, error) {
	r, err := resource(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := s.store.Tags(ctx, r)
	return &glue.GetTagsOutput{Tags: tags}, err
}
