package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// Schema implements batch.Rows.
func (r *runResult) Schema() *columnar.Schema { return r.schema }

// Len implements batch.Rows.
func (r *runResult) Len() int64 { return r.rows }

// Runs implements batch.Result.
func (r *runResult) Runs() []batch.StateRun { return r.runs }

// Metrics implements batch.Result.
func (r *runResult) Metrics() []batch.StateMetrics { return r.metrics }

// Close implements batch.Result.
func (r *runResult) Close() error {
	if err := r.workspace.close(); err != nil {
		return fmt.Errorf("close the result of a batch: %w", err)
	}
	return nil
}

// Step implements batch.Result.
func (r *runResult) Step(ctx context.Context, name string) (*columnar.Batch, error) {
	b, err := r.conn.query(ctx, "SELECT * FROM "+quoteName(name))
	return b, ofQuery(err)
}

// First implements batch.Rows.
func (r *runResult) First(ctx context.Context, limit int) (*columnar.Batch, error) {
	return r.conn.query(ctx, r.from(expressions(r.output))+fmt.Sprintf(" LIMIT %d", limit))
}

func (r *runResult) from(columns []string) string {
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + quoteName(r.program.Output)
}

// eachRows is the number of rows of a part that Each gives: half of what DuckDB keeps together.
const eachRows = 61440

// Each implements batch.Rows.
func (r *runResult) Each(ctx context.Context, f func(*columnar.Batch) error) error {
	for from := int64(0); from < r.rows; from += eachRows {
		b, err := r.conn.query(ctx, r.from(expressions(r.output))+between(from, from+eachRows))
		if err != nil {
			return err
		}
		if err := f(b); err != nil {
			return err
		}
	}
	return nil
}

// Write implements batch.Rows.
func (r *runResult) Write(ctx context.Context, opts batch.WriteOptions) ([]batch.ParquetFile, error) {
	if r.rows == 0 {
		return nil, nil
	}
	dir, err := os.MkdirTemp(opts.Dir, "parquet-")
	if err != nil {
		return nil, fmt.Errorf("write Parquet: %w", err)
	}
	w := &writer{db: r.db, conn: r.conn, root: dir, opts: opts}
	if err := r.write(ctx, w, 0, r.rows); err != nil {
		return nil, errors.Join(fmt.Errorf("write Parquet: %w", err), os.RemoveAll(dir))
	}
	return w.files, nil
}

// write lets w write the rows from..to, one half after the other if memory is short.
func (r *runResult) write(ctx context.Context, w *writer, from, to int64) error {
	w.query = r.from([]string{"*"}) + between(from, to)
	done := len(w.files)
	err := w.writeAll(ctx, nil)
	if !errors.Is(err, ErrMemory) || to-from <= eachRows {
		return err
	}
	w.files = w.files[:done]
	if err := os.RemoveAll(w.dir); err != nil {
		return err
	}
	half := from + (to-from)/2
	if err := r.write(ctx, w, from, half); err != nil {
		return err
	}
	return r.write(ctx, w, half, to)
}

// between is the condition of rows of a temporary table by their place.
func between(from, to int64) string {
	return fmt.Sprintf(" WHERE rowid >= %d AND rowid < %d", from, to)
}
