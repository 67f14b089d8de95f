package batch

import (
	"fmt"
	"time"

	"github.com/weir-data/weir/columnar"
)

// Pipeline is what a pipeline file says; docs/pipeline.md is its reference.
type Pipeline struct {
	// Name is the pipeline's identity: its progress is kept under it, and tables remember it as the application
	// that wrote a batch.
	Name        string
	Source      SourceSpec
	Query       string // SQL over the table "source"
	Sink        *SinkSpec
	Trigger     Trigger
	DeadLetters string // s3://bucket/prefix; empty only in mode fail
}

// SourceSpec says what a pipeline reads and how records become rows.
type SourceSpec struct {
	Stream string
	Start  Start
	Format string // json
	Schema *columnar.Schema
	Mode   Mode
	Limit  Limit // of one micro-batch
}

// SinkSpec says where a pipeline's rows go.
type SinkSpec struct {
	Delta       string // s3://bucket/prefix of the table
	Database    string // with Table: the name in the catalog; empty: not registered
	Table       string
	PartitionBy []string
	Compression string // snappy | zstd | gzip | uncompressed
	Compact     bool   // small files are written together between batches
}

// Mode says what happens to records that do not fit the schema. The names are those of Spark's JSON reader.
type Mode int

const (
	// Permissive keeps the row with null in the fields that do not fit, and writes the record to the dead letters
	// as well. A record that has no row at all (not JSON, or null where the schema forbids it) only goes there.
	Permissive Mode = iota
	// Drop writes the record to the dead letters and keeps no row of it.
	Drop
	// Fail stops the pipeline at the first such record, before anything of its batch is written.
	Fail
)

// String is the name of the mode in a pipeline file.
func (m Mode) String() string {
	switch m {
	case Permissive:
		return "permissive"
	case Drop:
		return "drop"
	case Fail:
		return "fail"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// StartKind says where a pipeline without progress begins.
type StartKind int

const (
	TrimHorizon StartKind = iota // the oldest record the stream still has
	Latest                       // only what arrives from now on
	AtTime                       // the first record that arrived at Start.Time or later
)

// Start is a position in a source by meaning. Time belongs to AtTime.
type Start struct {
	Kind StartKind
	Time time.Time
}

// Trigger says when micro-batches run. The zero value runs the next batch as soon as there is data.
type Trigger struct {
	// Interval is the time from the start of one batch to the next. A batch that was cut off by its limit is followed
	// by the next at once, so that a backlog is not slowed down by the interval.
	Interval time.Duration
	// AvailableNow runs what the source holds, in as many batches as that takes, and ends.
	AvailableNow bool
}

// DefaultLimit keeps a micro-batch of wide JSON records, its columns and its Parquet files well under 500 MiB.
var DefaultLimit = Limit{Records: 250_000, Bytes: 64 << 20}

// Bounds of Limit in a pipeline file.
const (
	maxLimitRecords = 5_000_000
	maxLimitBytes   = 1 << 30
)
