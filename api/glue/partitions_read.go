package glue

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/catalog/awsglue"
	"github.com/weir-data/weir/wire"
)

// GetPartition, GetPartitions, BatchGetPartition.
//
// Partitions come ordered by their values as text, at most 1,000 a page. Expression is typed by the partition keys (see
// catalog.Filter). A scan may be split into at most 10 segments. As-of queries are refused.

const partitionsPageMax = 1000

func (s *service) getPartition(ctx context.Context, in *glue.GetPartitionInput) (*glue.GetPartitionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	p, err := s.store.Partition(ctx, *in.DatabaseName, *in.TableName, in.PartitionValues)
	if err != nil {
		return nil, err
	}
	out, err := awsglue.ToPartition(p, *in.DatabaseName, *in.TableName, wire.Caller(ctx).Account)
	return &glue.GetPartitionOutput{Partition: out}, err
}

func (s *service) getPartitions(ctx context.Context, in *glue.GetPartitionsInput) (*glue.GetPartitionsOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	q, err := partitionQuery(in)
	if err != nil {
		return nil, err
	}
	ps, more, err := s.store.FindPartitions(ctx, *in.DatabaseName, *in.TableName, q)
	if err != nil {
		return nil, err
	}
	out := &glue.GetPartitionsOutput{Partitions: make([]types.Partition, len(ps))}
	for i, p := range ps {
		full, err := awsglue.ToPartition(p, *in.DatabaseName, *in.TableName, wire.Caller(ctx).Account)
		if err != nil {
			return nil, err
		}
		if in.ExcludeColumnSchema != nil && *in.ExcludeColumnSchema && full.StorageDescriptor != nil {
			full.StorageDescriptor.Columns = nil
		}
		out.Partitions[i] = *full
	}
	if more {
		last, err := json.Marshal(ps[len(ps)-1].Values)
		if err != nil {
			return nil, err
		}
		token := totoken(string(last))
		out.NextToken = &token
	}
	return out, nil
}

// partitionQuery checks what GetPartitions asks for.
func partitionQuery(in *glue.GetPartitionsInput) (catalog.PartitionQuery, error) {
	q := catalog.PartitionQuery{Filter: str(in.Expression), Limit: partitionsPageMax}
	var v wire.Violations
	wire.Range(&v, in.MaxResults, "maxResults", 1, partitionsPageMax)
	if in.Segment != nil {
		v.Required(in.Segment.TotalSegments != nil, "segment.totalSegments")
		wire.Range(&v, in.Segment.TotalSegments, "segment.totalSegments", 1, 10)
		wire.Range(&v, &in.Segment.SegmentNumber, "segment.segmentNumber", 0, 9)
	}
	if err := v.Err(); err != nil {
		return q, err
	}
	if err := unsupported("TransactionId", in.TransactionId != nil, "QueryAsOfTime", in.QueryAsOfTime != nil); err != nil {
		return q, err
	}
	if in.MaxResults != nil {
		q.Limit = int(*in.MaxResults)
	}
	if in.Segment != nil {
		q.Segment, q.Segments = int(in.Segment.SegmentNumber), int(*in.Segment.TotalSegments)
		if q.Segment >= q.Segments {
			return q, catalog.Failf(catalog.ErrInvalid, "Segment number %d is not below the total of %d segments.", q.Segment, q.Segments)
		}
	}
	last, err := untoken(in.NextToken)
	if err != nil || last == "" {
		return q, err
	}
	if err := json.Unmarshal([]byte(last), &q.After); err != nil {
		return q, catalog.Failf(catalog.ErrInvalid, "Invalid token: %s", *in.NextToken)
	}
	return q, nil
}

func (s *service) batchGetPartition(ctx context.Context, in *glue.BatchGetPartitionInput) (*glue.BatchGetPartitionOutput, error) {
	if err := check(ctx, in.CatalogId, required{"databaseName", in.DatabaseName}, required{"tableName", in.TableName}); err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.PartitionsToGet), "partitionsToGet", partitionsPageMax); err != nil {
		return nil, err
	}
	if _, err := s.store.Table(ctx, *in.DatabaseName, *in.TableName); err != nil {
		return nil, err
	}
	out := &glue.BatchGetPartitionOutput{Partitions: []types.Partition{}, UnprocessedKeys: []types.PartitionValueList{}}
	for _, want := range in.PartitionsToGet {
		p, err := s.store.Partition(ctx, *in.DatabaseName, *in.TableName, want.Values)
		if errors.Is(err, catalog.ErrNotFound) {
			continue // AWS leaves out what is not there
		}
		if err != nil {
			return nil, err
		}
		full, err := awsglue.ToPartition(p, *in.DatabaseName, *in.TableName, wire.Caller(ctx).Account)
		if err != nil {
			return nil, err
		}
		out.Partitions = append(out.Partitions, *full)
	}
	return out, nil
}
