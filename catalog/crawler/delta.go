package crawler

import (
	"context"
	"fmt"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// deltaTable is what the catalog keeps of a Delta table; readers take the rest from its log.
type deltaTable struct {
	version     int64
	partitionBy []string
}

// classifyDelta reads the newest snapshot of the Delta table in a folder.
func classifyDelta(ctx context.Context, s objstore.Store, bucket, key string) (*shape, error) {
	table, err := delta.Open(ctx, delta.InBucket(s, bucket, strings.TrimSuffix(key, "/")))
	if err != nil {
		return nil, fmt.Errorf("open Delta table s3://%s/%s: %w", bucket, key, err)
	}
	snapshot, err := table.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read Delta table s3://%s/%s: %w", bucket, key, err)
	}
	return &shape{
		classification: "delta", compression: "none", fields: append([]columnar.Field(nil), snapshot.Schema().Fields...),
		delta: &deltaTable{version: snapshot.Version(), partitionBy: snapshot.PartitionBy()},
	}, nil
}
