package batch

import (
	"context"

	"github.com/weir-data/weir/columnar"
)

// Transform runs the query of a pipeline over decoded rows; in SQL they are the table "source".
type Transform interface {
	// Describe returns the columns that query gives over rows of schema in. A query that is not one SELECT, that
	// reads anything else than source, or that would need state between batches is an error.
	Describe(ctx context.Context, in *columnar.Schema, query string) (*columnar.Schema, error)
	// Write runs query over in and writes the rows into Parquet files below opts.Dir. After an error the folder is
	// as it was.
	Write(ctx context.Context, in []*columnar.Batch, query string, opts WriteOptions) ([]ParquetFile, error)
	// Rows runs query over in and returns its first rows, at most limit, in memory of their own.
	Rows(ctx context.Context, in []*columnar.Batch, query string, limit int) (*columnar.Batch, error)
}

// WriteOptions say where and how a Transform writes.
type WriteOptions struct {
	Dir         string   // an existing folder that is the writer's own
	PartitionBy []string // columns that become folders and are left out of the files
	Compression string   // snappy (default) | zstd | gzip | uncompressed
}

// ParquetFile is a file that a Transform wrote.
type ParquetFile struct {
	Path      string             // on this machine
	Partition map[string]*string // value as Delta writes it, nil for null
	Rows      int64
	Size      int64 // bytes
	Columns   map[string]ColumnStats
}

// ColumnStats are the bounds of a top-level column in a file. Min and Max are nil where they are not known; else
// a json.Number, a bool, or a string: text, a date as 2019-01-31, a timestamp as 2019-01-31T08:00:00.123456Z.
type ColumnStats struct {
	Min, Max any
	Nulls    int64 // -1: not known
}

// Sink takes micro-batches. A pipeline has one goroutine that calls it.
type Sink interface {
	// Open makes the target ready for rows of schema from the pipeline, and returns the number of the last batch
	// that it holds of it, -1 if none.
	Open(ctx context.Context, pipeline string, schema *columnar.Schema) (last int64, err error)
	// Write adds the rows of out as batch number id, durably and all or none. A batch that the target holds already
	// is left as it is, and reported as Replayed.
	Write(ctx context.Context, id int64, out *Output) (Written, error)
}

// Written says what a Sink did.
type Written struct {
	Rows     int64
	Files    int
	Bytes    int64
	Replayed bool
}

// Output is what a micro-batch adds: the pipeline's query over the batch's rows, not yet run.
type Output struct {
	// Schema is that of the result.
	Schema *columnar.Schema

	in        []*columnar.Batch
	query     string
	transform Transform
}

// NewOutput returns the result of query, which has the given schema, over in.
func NewOutput(t Transform, schema *columnar.Schema, in []*columnar.Batch, query string) *Output {
	return &Output{Schema: schema, in: in, query: query, transform: t}
}

// InputRows is the number of rows that the query reads; the result of none is none.
func (o *Output) InputRows() int {
	n := 0
	for _, b := range o.in {
		n += b.Len
	}
	return n
}

// Write puts the result into Parquet files; see Transform.
func (o *Output) Write(ctx context.Context, opts WriteOptions) ([]ParquetFile, error) {
	return o.transform.Write(ctx, o.in, o.query, opts)
}

// Rows returns the first rows of the result; see Transform.
func (o *Output) Rows(ctx context.Context, limit int) (*columnar.Batch, error) {
	return o.transform.Rows(ctx, o.in, o.query, limit)
}
