package rewrite

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/delta"
)

// Export writes the rows of a version into Parquet files in dir, an empty folder below one of the DB's, and returns a SELECT of them:
// what reads it need not know of Delta.
func (t *Table) Export(ctx context.Context, version int64, dir string) (query string, err error) {
	if query, err = t.export(ctx, version, dir); err != nil {
		return "", fmt.Errorf("table %s: read version %d: %w", t.opts.Location, version, err)
	}
	return query, nil
}

func (t *Table) export(ctx context.Context, version int64, dir string) (query string, err error) {
	s, err := t.table.SnapshotAt(ctx, version)
	if err != nil {
		return "", err
	}
	staged, err := os.MkdirTemp(t.opts.Staging, "export-")
	if err != nil {
		return "", fmt.Errorf("stage files: %w", err)
	}
	defer os.RemoveAll(staged)
	j := newJob(ctx, t, s, staged)
	var files []*delta.File
	for f, err := range s.Files(nil) {
		if err != nil {
			return "", err
		}
		files = append(files, f)
	}
	inputs, err := j.open(files)
	if err != nil {
		return "", err
	}
	rows, tables, err := j.target(inputs, nil)
	if err != nil {
		return "", err
	}
	copied, err := t.opts.DB.Copy(ctx, rows, duckdb.CopyOptions{Dir: dir, Columns: j.schema}, tables...)
	if err != nil {
		return "", err
	}
	var items, paths []string
	for _, f := range j.schema.Fields {
		if len(copied) == 0 {
			items = append(items, "CAST(NULL AS "+typeText(f.Type)+") AS "+quoteName(f.Name))
		} else {
			items = append(items, quoteName(f.Name))
		}
	}
	if len(copied) == 0 {
		return "SELECT " + strings.Join(items, ", ") + " WHERE false", nil
	}
	for _, f := range copied {
		paths = append(paths, quoteText(f.Path))
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM read_parquet([" + strings.Join(paths, ", ") + "], hive_partitioning = false)", nil
}
