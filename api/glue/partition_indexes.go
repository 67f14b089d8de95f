package glue

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/wire"
)

// GetPartitionIndexes, CreatePartitionIndex, DeletePartitionIndex.
//
// Indexes are recorded and returned ACTIVE at once; look-ups of partitions do not need them here. At most three a table.

func (s *service) getPartitionIndexes(ctx context.Context, in *glue.GetPartitionIndexesInput) (*glue.GetPartitionIndexesOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	indexes, err := s.store.PartitionIndexes(ctx, *in.DatabaseName, *in.TableName)
	if err != nil {
		return nil, err
	}
	t, err := s.store.Table(ctx, *in.DatabaseName, *in.TableName)
	if err != nil {
		return nil, err
	}
	out := &glue.GetPartitionIndexesOutput{PartitionIndexDescriptorList: []types.PartitionIndexDescriptor{}}
	for _, ix := range indexes {
		d := types.PartitionIndexDescriptor{IndexName: &ix.Name, IndexStatus: types.PartitionIndexStatusActive}
		for _, k := range ix.Keys {
			d.Keys = append(d.Keys, types.KeySchemaElement{Name: &k, Type: keyType(&t, k)})
		}
		out.PartitionIndexDescriptorList = append(out.PartitionIndexDescriptorList, d)
	}
	return out, nil
}

// keyType is the type of a partition key; nil if an update of the table took the key away.
func keyType(t *catalog.Table, key string) *string {
	for _, c := range t.PartitionKeys {
		if strings.EqualFold(c.Name, key) {
			return text(c.Type)
		}
	}
	return nil
}

func (s *service) createPartitionIndex(ctx context.Context, in *glue.CreatePartitionIndexInput) (*glue.CreatePartitionIndexOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	if in.PartitionIndex == nil {
		var v wire.Violations
		v.Required(false, "partitionIndex")
		return nil, v.Err()
	}
	ix := catalog.PartitionIndex{Name: str(in.PartitionIndex.IndexName), Keys: in.PartitionIndex.Keys}
	return &glue.CreatePartitionIndexOutput{}, s.store.CreatePartitionIndex(ctx, *in.DatabaseName, *in.TableName, ix)
}

func (s *service) deletePartitionIndex(ctx context.Context, in *glue.DeletePartitionIndexInput) (*glue.DeletePartitionIndexOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName},
		required{"indexName", in.IndexName}); err != nil {
		return nil, err
	}
	return &glue.DeletePartitionIndexOutput{}, s.store.DeletePartitionIndex(ctx, *in.DatabaseName, *in.TableName, *in.IndexName)
}
