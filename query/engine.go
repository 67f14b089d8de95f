package query

import (
	"context"
	"errors"

	"github.com/weir-data/weir/sql"
)

// Errors of engines that callers may test for with errors.Is.
var (
	// ErrEngine is wrapped by what the engine says about the query itself: a bad cast, a division by zero.
	ErrEngine = errors.New("query failed")
	// ErrCrashed says that the engine's process died under the query.
	ErrCrashed = errors.New("query engine crashed")
	// ErrMemory says that the query needs more memory than the engine may use.
	ErrMemory = errors.New("query exceeded its memory limit")
)

// Engine runs DuckDB text over files. Implementations are safe for concurrent use and bound what they hold in memory.
type Engine interface {
	// Run executes r and hands its result to out, in order, waiting for out: at most a few chunks are in flight. It
	// returns when ctx is done, within milliseconds.
	Run(ctx context.Context, r *Request, out Sink) (Report, error)
	Close() error
}

// Sink takes the rows of a result.
type Sink interface {
	// Columns is called once, before any Rows.
	Columns(cols []sql.Column) error
	// Rows hands over whole rows, cell after cell in Athena's text form; nil is NULL. They are valid during the call.
	Rows(cells [][]byte) error
}

// Request is one query for an Engine.
type Request struct {
	SQL    string    // DuckDB text; the tables in it are the Names of Tables
	Tables []Binding // what its names stand for
	Copy   *Copy     // not nil: write the result to files instead of handing rows to the Sink
}

// Format is how a table's files are read.
type Format string

// The formats.
const (
	Parquet Format = "parquet"
	JSON    Format = "json"
	CSV     Format = "csv"
	Inline  Format = "inline" // no files: Rows hold the table
)

// Binding is a table of a Request: files with columns.
type Binding struct {
	Name    string
	Format  Format
	Columns []BoundColumn
	Files   []string // paths on this machine
	// Partitions are columns whose values come from the catalog or the Delta log, one for each file.
	Partitions []PartitionColumn
	// Deleted are the rows of each file that the table does not have, by their position in the file: a roaring bitmap in
	// the portable 64-bit form, nil for none. It is nil if no file has any, else as long as Files.
	Deleted [][]byte
	// Paths are what "$path" shows for each file; nil if the query does not ask.
	Paths []string
	CSV   CSVOptions
	// IgnoreMalformed makes JSON that cannot be read a row of NULLs.
	IgnoreMalformed bool
	Rows            [][]string // of Inline tables
}

// BoundColumn is a column of files.
type BoundColumn struct {
	Name string
	File string // its name in the files, if it is spelled otherwise
	ID   *int32 // its field id in Parquet files, if it is found by that
	Type sql.Type
	// FileType is the type with the names that fields of rows have in the files; the zero Type if they are the same.
	FileType sql.Type
	// FileIDs is the type with the field ids of fields of rows, as decimal numbers, in place of their names, where ID is set.
	FileIDs sql.Type
	// Hidden keeps the column out of the table: it is there for the Own of a PartitionColumn.
	Hidden bool
}

// PartitionColumn is a column with one value for each file of a Binding; nil is NULL. It may differ from row to row by
// Position and Own.
type PartitionColumn struct {
	Name   string
	Type   sql.Type
	Values []*string
	// Position adds to the value, a bigint, the row's position in its file.
	Position bool
	// Own is a column of the files whose value counts before, where it is not NULL.
	Own string
}

// CSVOptions say how text files are cut into fields.
type CSVOptions struct {
	Delimiter, Quote, Escape string
	Null                     string
	SkipLines                int
	AllText                  bool // OpenCSVSerDe: an empty field is an empty string, not NULL
}

// Copy says where and how an Engine writes a result.
type Copy struct {
	Dir         string // an existing, empty directory; files get names of their own below it
	Format      string // parquet, json, csv
	Compression string // gzip, snappy, zstd, none
	Delimiter   string // of csv; no header, no quotes
	PartitionBy []string
	Columns     []string // names in the files, in the order of the result
}

// Report is what an Engine says after a query.
type Report struct {
	Written []Written // files of a Copy
	Rows    int64     // rows handed over or written
}

// Written is one file that a Copy wrote.
type Written struct {
	Path      string
	Rows      int64 // -1 if not known
	Bytes     int64
	Partition map[string]string // value as text; a NULL is __HIVE_DEFAULT_PARTITION__
}
