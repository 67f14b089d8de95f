package glue

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/awsglue"
	"github.com/weir-data/weir/wire"
)

// CreatePartition, BatchCreatePartition, UpdatePartition, BatchUpdatePartition, DeletePartition, BatchDeletePartition.
//
// A batch makes all that can be made, as one durable change, and names the rest in Errors. At most 100 partitions are
// created or updated and 25 deleted at once. Values of a wrong number refuse the whole of BatchCreatePartition.

func partitionInput(in *types.PartitionInput) (catalog.Partition, error) {
	if in == nil {
		var v wire.Violations
		v.Required(false, "partitionInput")
		return catalog.Partition{}, v.Err()
	}
	return awsglue.FromPartitionInput(in)
}

func (s *service) createPartition(ctx context.Context, in *glue.CreatePartitionInput) (*glue.CreatePartitionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	p, err := partitionInput(in.PartitionInput)
	if err != nil {
		return nil, err
	}
	existing, err := s.store.AddPartitions(ctx, *in.DatabaseName, *in.TableName, []catalog.Partition{p})
	if err == nil && len(existing) > 0 {
		err = errPartitionExists
	}
	return &glue.CreatePartitionOutput{}, err
}

var errPartitionExists = catalog.Failf(catalog.ErrExists, "Partition already exists.")

func (s *service) batchCreatePartition(ctx context.Context, in *glue.BatchCreatePartitionInput) (*glue.BatchCreatePartitionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.PartitionInputList), "partitionInputList", 100); err != nil {
		return nil, err
	}
	ps := make([]catalog.Partition, len(in.PartitionInputList))
	for i := range ps {
		var err error
		if ps[i], err = partitionInput(&in.PartitionInputList[i]); err != nil {
			return nil, err
		}
	}
	existing, err := s.store.AddPartitions(ctx, *in.DatabaseName, *in.TableName, ps)
	if err != nil {
		return nil, err
	}
	out := &glue.BatchCreatePartitionOutput{Errors: []types.PartitionError{}}
	for _, i := range existing {
		out.Errors = append(out.Errors, types.PartitionError{PartitionValues: ps[i].Values, ErrorDetail: detail(errPartitionExists)})
	}
	return out, nil
}

func (s *service) updatePartition(ctx context.Context, in *glue.UpdatePartitionInput) (*glue.UpdatePartitionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	p, err := partitionInput(in.PartitionInput)
	if err != nil {
		return nil, err
	}
	failed, err := s.store.UpdatePartitions(ctx, *in.DatabaseName, *in.TableName, []catalog.PartitionUpdate{{Old: in.PartitionValueList, New: p}})
	if err == nil {
		err = failed[0]
	}
	return &glue.UpdatePartitionOutput{}, err
}

func (s *service) batchUpdatePartition(ctx context.Context, in *glue.BatchUpdatePartitionInput) (*glue.BatchUpdatePartitionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	var v wire.Violations
	v.Size(len(in.Entries), "entries", "", 1, 100)
	if err := v.Err(); err != nil {
		return nil, err
	}
	updates := make([]catalog.PartitionUpdate, len(in.Entries))
	for i, e := range in.Entries {
		p, err := partitionInput(e.PartitionInput)
		if err != nil {
			return nil, err
		}
		updates[i] = catalog.PartitionUpdate{Old: e.PartitionValueList, New: p}
	}
	failed, err := s.store.UpdatePartitions(ctx, *in.DatabaseName, *in.TableName, updates)
	if err != nil {
		return nil, err
	}
	out := &glue.BatchUpdatePartitionOutput{Errors: []types.BatchUpdatePartitionFailureEntry{}}
	for i := range updates {
		if failed[i] != nil {
			out.Errors = append(out.Errors, types.BatchUpdatePartitionFailureEntry{
				PartitionValueList: updates[i].Old, ErrorDetail: detail(failed[i])})
		}
	}
	return out, nil
}

func (s *service) deletePartition(ctx context.Context, in *glue.DeletePartitionInput) (*glue.DeletePartitionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	return &glue.DeletePartitionOutput{}, s.store.DeletePartition(ctx, *in.DatabaseName, *in.TableName, in.PartitionValues)
}

func (s *service) batchDeletePartition(ctx context.Context, in *glue.BatchDeletePartitionInput) (*glue.BatchDeletePartitionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.PartitionsToDelete), "partitionsToDelete", 25); err != nil {
		return nil, err
	}
	values := make([][]string, len(in.PartitionsToDelete))
	for i, p := range in.PartitionsToDelete {
		values[i] = p.Values
	}
	missing, err := s.store.DeletePartitions(ctx, *in.DatabaseName, *in.TableName, values)
	if err != nil {
		return nil, err
	}
	out := &glue.BatchDeletePartitionOutput{Errors: []types.PartitionError{}}
	for _, i := range missing {
		err := catalog.Failf(catalog.ErrNotFound, "Partition not found.")
		out.Errors = append(out.Errors, types.PartitionError{PartitionValues: values[i], ErrorDetail: detail(err)})
	}
	return out, nil
}
