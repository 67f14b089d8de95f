package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"

	batchduckdb "github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// append appends the rows of a Parquet file.
func (l *lake) append(ctx context.Context, r *request) (answer, error) {
	table, err := delta.Open(ctx, l.objectsOf(r.Table))
	if err != nil {
		return answer{}, err
	}
	s, err := table.Snapshot(ctx)
	if err != nil {
		return answer{}, err
	}
	dir, err := os.MkdirTemp(l.objects.TempDir(), "append-")
	if err != nil {
		return answer{}, err
	}
	defer os.RemoveAll(dir)
	columns := &columnar.Schema{}
	for _, f := range s.Schema().Fields {
		if !slices.Contains(s.PartitionBy(), f.Name) {
			columns.Fields = append(columns.Fields, f)
		}
	}
	files, err := l.rows.Copy(ctx, "SELECT * FROM read_parquet('"+strings.ReplaceAll(r.File, "'", "''")+"')",
		batchduckdb.CopyOptions{Dir: dir, Columns: columns, PartitionBy: s.PartitionBy()})
	if err != nil {
		return answer{}, err
	}
	tx := table.Begin(s)
	for i, f := range files {
		d := delta.File{Size: f.Size, Partition: map[string]*string{}, Stats: &delta.Stats{NumRecords: f.Rows, Min: f.Min, Max: f.Max, NullCount: f.Null}}
		for _, name := range s.PartitionBy() {
			d.Partition[name] = f.Partition[name]
		}
		d.Path = fmt.Sprintf("%spart-%05d-%s-c000.snappy.parquet", delta.PartitionPath(s.PartitionBy(), d.Partition), i, uuid.New())
		if _, err := l.objects.Import(ctx, tablesBucket, r.Table+"/"+d.Path, f.Path, objstore.PutOptions{}); err != nil {
			return answer{}, err
		}
		tx.Add(d)
	}
	v, err := tx.Commit(ctx)
	return answer{Version: v}, err
}
