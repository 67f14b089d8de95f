package batch

import (
	"context"
	"fmt"

	"github.com/weir-data/weir/columnar"
)

// WriteOptions say where and how a writer of Rows writes.
type WriteOptions struct {
	Dir         string   // an existing folder that is the writer's own
	PartitionBy []string // columns that become folders and are left out of the files
	Compression string   // snappy (default) | zstd | gzip | uncompressed
}

// ParquetFile is a file of Rows.
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

// OutputMode says which rows of a query's result a micro-batch gives. The names are Spark's.
type OutputMode int

const (
	// Append gives rows that will not change any more.
	Append OutputMode = iota
	// Update gives the rows that the batch changed, each in place of the one of the same keys.
	Update
	// Complete gives all of the result.
	Complete
)

// String is the name of the mode in a pipeline file.
func (m OutputMode) String() string {
	switch m {
	case Append:
		return "append"
	case Update:
		return "update"
	case Complete:
		return "complete"
	}
	return fmt.Sprintf("OutputMode(%d)", int(m))
}

// Output is what a pipeline gives to each of its sinks.
type Output struct {
	Pipeline string // its name, by which a sink remembers whose batches it holds
	Schema   *columnar.Schema
	Mode     OutputMode
	// Keys are the columns that name a row in mode Update: see Program. Nil if every row is new; empty if there is one row only.
	Keys []string
}

// Sink takes micro-batches. A pipeline has one goroutine that calls it.
type Sink interface {
	// Open makes the target ready for out, and returns the number of the last batch that it holds of the pipeline, -1 if none
	// or if it keeps none.
	Open(ctx context.Context, out Output) (last int64, err error)
	// Write brings the target to what rows say as batch number id. A sink whose guarantee is exactly once does so durably and all or
	// none; a batch that the target holds already is left as it is, and reported as Replayed.
	Write(ctx context.Context, id int64, rows Rows) (Written, error)
	// About says what the sink is.
	About() SinkInfo
}

// Maintainer is a Sink that has work of its own between batches, such as writing small files together.
type Maintainer interface {
	// Maintain does a bounded part of that work. What fails is tried again after a later batch. behind says that another batch is waiting:
	// what has time is left for later.
	Maintain(ctx context.Context, behind bool)
}

// SinkInfo says what a sink is.
type SinkInfo struct {
	Description string // as Spark's progress has it, such as DeltaSink[s3://lake/rides]
	Guarantee   Guarantee
}

// Guarantee says how often a row arrives when a batch is run again after a crash.
type Guarantee string

const (
	ExactlyOnce Guarantee = "exactly once"  // a batch that runs again changes nothing
	AtLeastOnce Guarantee = "at least once" // a batch that runs again is given again, with the same rows
)

// Written says what a Sink did.
type Written struct {
	Rows     int64
	Files    int
	Bytes    int64
	Replayed bool
}
