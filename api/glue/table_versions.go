package glue

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/awsglue"
	"github.com/weir-data/weir/wire"
)

// GetTableVersion, GetTableVersions, DeleteTableVersion, BatchDeleteTableVersion.
//
// The newest version comes first and is the table itself; it cannot be deleted.

func (s *service) getTableVersion(ctx context.Context, in *glue.GetTableVersionInput) (*glue.GetTableVersionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	t, err := s.store.TableVersion(ctx, *in.DatabaseName, *in.TableName, str(in.VersionId))
	if err != nil {
		return nil, err
	}
	out, err := awsglue.ToTable(t, wire.Caller(ctx).Account)
	return &glue.GetTableVersionOutput{TableVersion: &types.TableVersion{Table: out, VersionId: &t.Version}}, err
}

func (s *service) getTableVersions(ctx context.Context, in *glue.GetTableVersionsInput) (*glue.GetTableVersionsOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	all, err := s.store.TableVersions(ctx, *in.DatabaseName, *in.TableName)
	if err != nil {
		return nil, err
	}
	// Newest first, so the page token counts down.
	items, next, err := page(all, func(t *catalog.Table) string { return countdown(t.Version) }, in.NextToken, in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	out := &glue.GetTableVersionsOutput{NextToken: next, TableVersions: make([]types.TableVersion, len(items))}
	for i, t := range items {
		full, err := awsglue.ToTable(t, wire.Caller(ctx).Account)
		if err != nil {
			return nil, err
		}
		out.TableVersions[i] = types.TableVersion{Table: full, VersionId: full.VersionId}
	}
	return out, nil
}

// countdown is a text that sorts versions from the highest to the lowest.
func countdown(version string) string {
	n, err := strconv.ParseUint(version, 10, 63)
	if err != nil {
		panic("stored version " + version + " is not a number")
	}
	return fmt.Sprintf("%020d", 1<<63-1-n)
}

func (s *service) deleteTableVersion(ctx context.Context, in *glue.DeleteTableVersionInput) (*glue.DeleteTableVersionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName},
		required{"versionId", in.VersionId}); err != nil {
		return nil, err
	}
	return &glue.DeleteTableVersionOutput{}, s.store.DeleteTableVersion(ctx, *in.DatabaseName, *in.TableName, *in.VersionId)
}

func (s *service) batchDeleteTableVersion(ctx context.Context, in *glue.BatchDeleteTableVersionInput) (*glue.BatchDeleteTableVersionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.VersionIds), "versionIds", 100); err != nil {
		return nil, err
	}
	if _, err := s.store.Table(ctx, *in.DatabaseName, *in.TableName); err != nil {
		return nil, err
	}
	out := &glue.BatchDeleteTableVersionOutput{}
	for _, id := range in.VersionIds {
		if err := s.store.DeleteTableVersion(ctx, *in.DatabaseName, *in.TableName, id); err != nil {
			out.Errors = append(out.Errors, types.TableVersionError{TableName: in.TableName, VersionId: &id, ErrorDetail: detail(err)})
		}
	}
	return out, nil
}
