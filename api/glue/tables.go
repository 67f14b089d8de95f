package glue

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/awsglue"
	"github.com/weir-data/weir/wire"
)

// CreateTable, UpdateTable, DeleteTable, BatchDeleteTable.
//
// UpdateTable archives the version before unless SkipArchive; a VersionId that is not the current one gets
// ConcurrentModificationException and changes nothing. Governed transactions, federated tables, open table format input
// and view update actions are refused; ViewDefinition is kept as sent.

func (s *service) createTable(ctx context.Context, in *glue.CreateTableInput) (*glue.CreateTableOutput, error) {
	if err := unsupported("OpenTableFormatInput", in.OpenTableFormatInput != nil, "TransactionId", in.TransactionId != nil); err != nil {
		return nil, err
	}
	t, err := tableInput(ctx, in.CatalogId, in.DatabaseName, in.TableInput)
	if err != nil {
		return nil, err
	}
	t.CreatedBy = wire.Caller(ctx).ARN
	var indexes []catalog.PartitionIndex
	for _, ix := range in.PartitionIndexes {
		indexes = append(indexes, catalog.PartitionIndex{Name: str(ix.IndexName), Keys: ix.Keys})
	}
	return &glue.CreateTableOutput{}, s.store.CreateIndexedTable(ctx, t, indexes)
}

// tableInput checks and converts what a client says about a table.
func tableInput(ctx context.Context, catalogID, database *string, in *types.TableInput) (catalog.Table, error) {
	if in == nil {
		var v wire.Violations
		v.Required(false, "tableInput")
		return catalog.Table{}, v.Err()
	}
	if err := check(ctx, catalogID, required{"databaseName", database}, required{"tableInput.name", in.Name}); err != nil {
		return catalog.Table{}, err
	}
	if err := unsupported("FederatedTable", in.FederatedTable != nil); err != nil {
		return catalog.Table{}, err
	}
	return awsglue.FromTableInput(*database, in)
}

func (s *service) updateTable(ctx context.Context, in *glue.UpdateTableInput) (*glue.UpdateTableOutput, error) {
	if err := unsupported("UpdateOpenTableFormatInput", in.UpdateOpenTableFormatInput != nil,
		"TransactionId", in.TransactionId != nil, "ViewUpdateAction", in.ViewUpdateAction != ""); err != nil {
		return nil, err
	}
	if in.TableInput != nil && in.TableInput.Name == nil {
		in.TableInput.Name = in.Name
	}
	t, err := tableInput(ctx, in.CatalogId, in.DatabaseName, in.TableInput)
	if err != nil {
		return nil, err
	}
	t.Version = str(in.VersionId)
	err = s.store.ReplaceTable(ctx, t, in.SkipArchive != nil && *in.SkipArchive)
	return &glue.UpdateTableOutput{}, err
}

func (s *service) deleteTable(ctx context.Context, in *glue.DeleteTableInput) (*glue.DeleteTableOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"name", in.Name}); err != nil {
		return nil, err
	}
	if err := unsupported("TransactionId", in.TransactionId != nil); err != nil {
		return nil, err
	}
	return &glue.DeleteTableOutput{}, s.store.DeleteTable(ctx, *in.DatabaseName, *in.Name)
}

func (s *service) batchDeleteTable(ctx context.Context, in *glue.BatchDeleteTableInput) (*glue.BatchDeleteTableOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}); err != nil {
		return nil, err
	}
	if err := unsupported("TransactionId", in.TransactionId != nil); err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.TablesToDelete), "tablesToDelete", 100); err != nil {
		return nil, err
	}
	if _, err := s.store.Database(ctx, *in.DatabaseName); err != nil {
		return nil, err
	}
	out := &glue.BatchDeleteTableOutput{}
	for _, name := range in.TablesToDelete {
		if err := s.store.DeleteTable(ctx, *in.DatabaseName, name); err != nil {
			out.Errors = append(out.Errors, types.TableError{TableName: &name, ErrorDetail: detail(err)})
		}
	}
	return out, nil
}

// entityNotFound gives a missing table the words that GetTable has for it; a missing database keeps its own.
func entityNotFound(err error) error {
	if errors.Is(err, catalog.ErrNotFound) && strings.HasPrefix(err.Error(), "Table ") {
		return catalog.Failf(catalog.ErrNotFound, "Entity Not Found")
	}
	return err
}
