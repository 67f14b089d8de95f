package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// write runs query, which works row by row, over parts into Parquet files below opts.Dir. After an error the folder is as it was.
func (d *DB) write(ctx context.Context, parts []tablePart, steps []batch.Step, query string, opts batch.WriteOptions) ([]batch.ParquetFile, error) {
	if rowsOf(parts) == 0 {
		return nil, nil
	}
	c, err := d.take(ctx)
	if err != nil {
		return nil, err
	}
	defer d.give(c)
	dir, err := os.MkdirTemp(opts.Dir, "parquet-")
	if err != nil {
		return nil, fmt.Errorf("write Parquet: %w", err)
	}
	w := &writer{db: d, conn: c, root: dir, opts: opts, steps: steps, query: query}
	if err := w.writeAll(ctx, parts); err != nil {
		return nil, errors.Join(fmt.Errorf("write Parquet: %w", err), os.RemoveAll(dir))
	}
	return w.files, nil
}

// writer is one write.
type writer struct {
	db    *DB
	conn  *conn
	root  string
	opts  batch.WriteOptions
	steps []batch.Step
	query string
	whole bool // all columns go through DuckDB
	files []batch.ParquetFile

	results []result
	dir     string // of the present part
	parts   int
}

// writeAll writes the result of the query over parts. As a query works row by row, one that needs too much memory is
// run over one half after the other.
func (w *writer) writeAll(ctx context.Context, parts []tablePart) error {
	done := len(w.files)
	w.dir = filepath.Join(w.root, strconv.Itoa(w.parts))
	w.parts++
	if err := os.Mkdir(w.dir, 0o755); err != nil {
		return err
	}
	err := w.write(ctx, parts)
	if !errors.Is(err, ErrMemory) || piecesIn(parts) <= 1 {
		return err
	}
	w.files = w.files[:done]
	if err := os.RemoveAll(w.dir); err != nil {
		return err
	}
	first, second := halves(parts)
	if err := w.writeAll(ctx, first); err != nil {
		return err
	}
	return w.writeAll(ctx, second)
}

func (w *writer) write(ctx context.Context, parts []tablePart) error {
	with, closeScans := withParts(parts)
	defer closeScans()
	with = withSteps(with, w.steps)
	var err error
	if w.results, err = w.conn.results(over(with, w.query, []string{"*"})); err != nil {
		return err
	}
	for _, name := range w.opts.PartitionBy {
		if !slices.ContainsFunc(w.results, func(r result) bool { return r.field.Name == name }) {
			return fmt.Errorf("the query gives no column called %s to partition by", name)
		}
	}
	var fields []columnar.Field
	for _, r := range w.results {
		if !slices.Contains(w.opts.PartitionBy, r.field.Name) {
			fields = append(fields, r.field)
		}
	}
	files, err := w.copy(ctx, parts, with, CopyOptions{
		Dir: w.dir, Columns: &columnar.Schema{Fields: fields}, PartitionBy: w.opts.PartitionBy, Compression: w.opts.Compression,
	})
	for i := range files {
		w.files = append(w.files, files[i].parquetFile(fields))
	}
	return err
}

// copy writes the files: of a projection with the columns of the table that are carried, of other queries with all that DuckDB gives.
func (w *writer) copy(ctx context.Context, parts []tablePart, with string, opts CopyOptions) ([]CopiedFile, error) {
	if len(parts) == 1 && len(w.steps) == 0 && !w.whole {
		p, err := w.conn.projection(ctx, w.query, parts[0], w.results)
		if err != nil {
			return nil, err
		}
		if p != nil && len(opts.Columns.Fields) > 0 {
			return w.project(ctx, p, parts, opts)
		}
	}
	return w.copyAll(ctx, with, opts)
}

// copyAll writes the files with all columns as DuckDB gives them.
func (w *writer) copyAll(ctx context.Context, with string, opts CopyOptions) ([]CopiedFile, error) {
	sql := over(with, w.query, w.columns(w.results))
	if len(opts.PartitionBy) == 0 {
		return w.conn.copy(ctx, sql, opts, "")
	}
	return w.db.partitions(w.conn, opts, "").write(ctx, sql, "")
}

// project writes the files of a projection.
func (w *writer) project(ctx context.Context, p *projection, parts []tablePart, opts CopyOptions) ([]CopiedFile, error) {
	with, scans, closeScans := withRows(parts, p.row)
	defer closeScans()
	out := w.db.partitions(w.conn, opts, "")
	var computed []result
	var of []int
	for i, r := range w.results {
		partition := slices.Contains(opts.PartitionBy, r.field.Name)
		if partition || p.of[i] < 0 {
			computed = append(computed, r)
		}
		if !partition {
			of = append(of, p.of[i])
		}
	}
	out.carried = newCarried(scans[0].batches, out.opts.Columns, of)
	return out.write(ctx, over(with, p.sql, append(w.columns(computed), quoteName(p.row))), p.row)
}

// columns are the expressions of the columns as they are written; those of partition columns are texts, or integers. Empty text cannot be told
// from null there, so it is null, as Delta has it.
func (w *writer) columns(results []result) []string {
	var all []string
	for _, r := range results {
		q := quoteName(r.field.Name)
		switch {
		case !slices.Contains(w.opts.PartitionBy, r.field.Name):
			all = append(all, r.toFile)
		case r.integer:
			all = append(all, q)
		case r.text:
			all = append(all, "nullif("+q+", '') AS "+q)
		default:
			all = append(all, "CAST("+q+" AS VARCHAR) AS "+q)
		}
	}
	return all
}

// rowGroupBytes bounds what a core holds of a file before it writes it out.
const rowGroupBytes = "16MiB"

func compression(name string) string {
	if name == "" {
		return "snappy"
	}
	return name
}
