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

// partitionsMax is the number of partitions that one COPY may write: DuckDB keeps buffers for all of them at once.
const partitionsMax = 64

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
	err = w.prepare(over(s, query, []string{"*"}))
	if err == nil {
		err = w.write(ctx, over(s, query, w.columns()))
	}
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

func (w *writer) prepare(sql string) (err error) {
	if w.results, err = w.conn.results(sql); err != nil {
		return err
	}
	for _, name := range w.opts.PartitionBy {
		if !slices.ContainsFunc(w.results, func(r result) bool { return r.field.Name == name }) {
			return fmt.Errorf("the query gives no column called %s to partition by", name)
		}
	}
	return nil
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

func (w *writer) write(ctx context.Context, sql string) error {
	if len(w.opts.PartitionBy) == 0 {
		return w.copy(ctx, sql, "data")
	}
	return w.copy(ctx, sql, "data")
}

// copy writes the rows of sql below or as the file name.
func (w *writer) copy(ctx context.Context, sql, name string) error {
	options := []string{"FORMAT parquet", "RETURN_STATS", "COMPRESSION " + compression(w.opts.Compression)}
	target := filepath.Join(w.dir, name)
	if by := w.opts.PartitionBy; len(by) > 0 {
		var names []string
		for _, n := range by {
			names = append(names, quoteName(n))
		}
		options = append(options, "PARTITION_BY ("+strings.Join(names, ", ")+")", "WRITE_PARTITION_COLUMNS false")
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
