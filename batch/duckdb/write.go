package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// copyPartitionsMax is the number of partitions up to which DuckDB writes the files. It keeps buffers and a writer for
// each partition, so that thousands would take gigabytes; splitPartitions takes what the rows take.
const copyPartitionsMax = 16

// Write implements batch.Transform.
func (d *DB) Write(ctx context.Context, in []*columnar.Batch, query string, opts batch.WriteOptions) ([]batch.ParquetFile, error) {
	if len(in) == 0 {
		return nil, nil
	}
	c, err := d.take(ctx)
	if err != nil {
		return nil, err
	}
	defer d.give(c)
	s := openScan(in[0].Schema, in)
	defer s.close()
	dir, err := os.MkdirTemp(opts.Dir, "parquet-")
	if err != nil {
		return nil, fmt.Errorf("write Parquet: %w", err)
	}
	w := &writer{conn: c, dir: dir, opts: opts}
	err = w.write(ctx, s, query)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write Parquet: %w", err), os.RemoveAll(dir))
	}
	return w.files, nil
}

// writer is one Write.
type writer struct {
	conn    *conn
	dir     string
	opts    batch.WriteOptions
	results []result
	files   []batch.ParquetFile
}

func (w *writer) write(ctx context.Context, s *scan, query string) (err error) {
	if w.results, err = w.conn.results(over(s, query, []string{"*"})); err != nil {
		return err
	}
	for _, name := range w.opts.PartitionBy {
		if !slices.ContainsFunc(w.results, func(r result) bool { return r.field.Name == name }) {
			return fmt.Errorf("the query gives no column called %s to partition by", name)
		}
	}
	if len(w.opts.PartitionBy) == 0 {
		return w.copy(ctx, over(s, query, w.columns()), "data")
	}
	n, err := w.countPartitions(ctx, s, query)
	if err != nil {
		return err
	}
	if n <= copyPartitionsMax {
		return w.copy(ctx, over(s, query, w.columns()), "data")
	}
	return w.splitPartitions(ctx, over(s, query, w.columns()))
}

// countPartitions counts up to one more than copyPartitionsMax. It is a guess where the query is not deterministic.
func (w *writer) countPartitions(ctx context.Context, s *scan, query string) (int, error) {
	names := quoteNames(w.opts.PartitionBy)
	b, err := w.conn.query(ctx, "SELECT count(*) FROM (SELECT DISTINCT "+names+" FROM ("+over(s, query, []string{names})+
		fmt.Sprintf(") LIMIT %d)", copyPartitionsMax+1))
	if err != nil {
		return 0, err
	}
	return int(b.Columns[0].Int(0)), nil
}

func quoteNames(names []string) string {
	var all []string
	for _, n := range names {
		all = append(all, quoteName(n))
	}
	return strings.Join(all, ", ")
}

// columns are the expressions of the columns as they are written. Partition columns keep the type that the query gave:
// they become text. Empty text cannot be told from null there, so it is null, as Delta has it.
func (w *writer) columns() []string {
	var all []string
	for _, r := range w.results {
		q := quoteName(r.field.Name)
		switch {
		case !slices.Contains(w.opts.PartitionBy, r.field.Name):
			all = append(all, r.toFile)
		case r.text:
			all = append(all, "nullif("+q+", '') AS "+q)
		default:
			all = append(all, q)
		}
	}
	return all
}

// copy writes the rows of sql below or as the file name.
func (w *writer) copy(ctx context.Context, sql, name string) error {
	options := []string{"FORMAT parquet", "RETURN_STATS", "COMPRESSION " + compression(w.opts.Compression)}
	target := filepath.Join(w.dir, name)
	if by := w.opts.PartitionBy; len(by) > 0 {
		options = append(options, "PARTITION_BY ("+quoteNames(by)+")", "WRITE_PARTITION_COLUMNS false")
	} else {
		target += ".parquet"
	}
	stats, err := w.conn.query(ctx, "COPY ("+sql+") TO "+quoteText(target)+" ("+strings.Join(options, ", ")+")")
	if err != nil {
		return err
	}
	files, err := w.filesOf(stats)
	if err != nil {
		return err
	}
	w.files = append(w.files, files...)
	return nil
}

func compression(name string) string {
	if name == "" {
		return "snappy"
	}
	return name
}
