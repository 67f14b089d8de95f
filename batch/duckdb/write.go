package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/batch"
)

// copyPartitionsMax is the number of partitions up to which DuckDB writes the files. It keeps buffers and a writer for
// each partition, so that thousands would take gigabytes; splitPartitions takes what the rows take.
const copyPartitionsMax = 16

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
	w := &writer{conn: c, root: dir, opts: opts, steps: steps, query: query}
	if err := w.writeAll(ctx, parts); err != nil {
		return nil, errors.Join(fmt.Errorf("write Parquet: %w", err), os.RemoveAll(dir))
	}
	return w.files, nil
}

// writer is one write.
type writer struct {
	conn  *conn
	root  string
	opts  batch.WriteOptions
	steps []batch.Step
	query string
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
	with, closeScans := withParts(parts)
	err := w.write(ctx, withSteps(with, w.steps))
	closeScans()
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

func (w *writer) write(ctx context.Context, with string) (err error) {
	if w.results, err = w.conn.results(over(with, w.query, []string{"*"})); err != nil {
		return err
	}
	for _, name := range w.opts.PartitionBy {
		if !slices.ContainsFunc(w.results, func(r result) bool { return r.field.Name == name }) {
			return fmt.Errorf("the query gives no column called %s to partition by", name)
		}
	}
	sql := over(with, w.query, w.columns())
	if len(w.opts.PartitionBy) == 0 {
		return w.copy(ctx, sql)
	}
	n, err := w.countPartitions(ctx, with)
	if err != nil {
		return err
	}
	if n <= copyPartitionsMax {
		return w.copy(ctx, sql)
	}
	return w.splitPartitions(ctx, sql)
}

// countPartitions counts up to one more than copyPartitionsMax. It is a guess where the query is not deterministic.
func (w *writer) countPartitions(ctx context.Context, with string) (int, error) {
	names := quoteNames(w.opts.PartitionBy)
	b, err := w.conn.query(ctx, "SELECT count(*) FROM (SELECT DISTINCT "+names+" FROM ("+over(with, w.query, []string{names})+
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

// rowGroupBytes bounds what a core holds of a file before it writes it out.
const rowGroupBytes = "16MiB"

// copy writes the rows of sql into the folder of the present part.
func (w *writer) copy(ctx context.Context, sql string) error {
	options := []string{"FORMAT parquet", "RETURN_STATS", "COMPRESSION " + compression(w.opts.Compression), "ROW_GROUP_SIZE_BYTES '" + rowGroupBytes + "'"}
	target := filepath.Join(w.dir, "data")
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
