// Package rewrite changes the rows of Delta tables: it appends, overwrites, deletes, updates, merges and compacts. Package delta keeps
// the log; here DuckDB reads the data files of a snapshot and writes new ones.
//
// A Table is a handle on one table. Each of its operations is one commit: it reads a snapshot, finds the files and rows concerned,
// writes files, and commits. When another commit was in the way (delta.ErrConflict), the operation starts again from the
// newest snapshot, so that it always acts on the rows that are there. Expressions are of package sql.
//
// What survives a crash: nothing but the commit makes an operation's files part of the table, so that after a crash the table is as
// before or as after. Files that no commit names stay until a vacuum; those in the staging folder are removed when the
// object store opens.
package rewrite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

// Errors that callers may test for with errors.Is, besides those of package delta.
var (
	// ErrViolation says that a row breaks a constraint, an invariant or a column's type.
	ErrViolation = errors.New("row violates a rule of the table")
	// ErrAmbiguous says that several rows of a merge's source match the same row of the table.
	ErrAmbiguous = errors.New("several source rows match the same row")
)

// Options of a Table. Store, Location and DB are required.
type Options struct {
	Store    objstore.Store
	Location string // s3://bucket/folder
	DB       DB
	// Staging is where files are read and written before they become objects: below one of the DB's folders. Default: the store's
	// own temporary folder, else the system's.
	Staging     string
	Compression string // snappy (default) | zstd | gzip | uncompressed
	FileBytes   int64  // size that data files are written near; default 128 MiB
	Now         func() time.Time
	Table       *delta.Table // a handle that is open already; nil: opened by New
}

// DB runs the statements of operations: a *duckdb.DB does so in this process, a *duckdb.Worker in one of its own.
type DB interface {
	// Query returns the rows of a statement over tables and Parquet files below the DB's folders.
	Query(ctx context.Context, sql string, tables ...duckdb.Table) (*columnar.Batch, error)
	// Copy writes the rows of a statement into Parquet files.
	Copy(ctx context.Context, sql string, opts duckdb.CopyOptions, tables ...duckdb.Table) ([]duckdb.CopiedFile, error)
}

const (
	contentType      = "application/octet-stream" // of data files
	fileBytesDefault = 128 << 20
	attemptsMax      = 10 // of an operation that others' commits get in the way of
)

// Table changes one Delta table. It is safe for concurrent use.
type Table struct {
	opts           Options
	bucket, prefix string // the prefix ends in a slash unless it is empty
	table          *delta.Table
	chunkFiles     int // that one statement reads at the most
}

// Open returns the table, or delta.ErrNoTable.
func Open(ctx context.Context, opts Options) (*Table, error) {
	bucket, prefix, err := objstore.ParseURL(opts.Location)
	if err != nil {
		return nil, fmt.Errorf("open Delta table: %w", err)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	if opts.Staging == "" {
		opts.Staging = os.TempDir()
		if l, ok := opts.Store.(objstore.Local); ok {
			opts.Staging = l.TempDir()
		}
	}
	if opts.FileBytes <= 0 {
		opts.FileBytes = fileBytesDefault
	}
	if opts.Compression == "" {
		opts.Compression = "snappy"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	t := &Table{opts: opts, bucket: bucket, prefix: prefix, table: opts.Table, chunkFiles: chunkFiles}
	if t.table == nil {
		objects := delta.InBucket(opts.Store, bucket, prefix)
		if t.table, err = delta.OpenWith(ctx, objects, delta.Options{Now: opts.Now}); err != nil {
			return nil, fmt.Errorf("table %s: %w", opts.Location, err)
		}
	}
	return t, nil
}

// Log is the table's log.
func (t *Table) Log() *delta.Table { return t.table }

// Columns are the names of the table's columns in order.
func (t *Table) Columns(ctx context.Context) ([]string, error) {
	s, err := t.table.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.opts.Location, err)
	}
	var names []string
	for _, f := range s.Schema().Fields {
		names = append(names, f.Name)
	}
	return names, nil
}

// Rows are what an operation writes or compares with: batches, or Parquet files below the staging folder, of one schema. The
// schema of files may be left out: it is then that of the first.
type Rows struct {
	Schema *columnar.Schema
	Rows   []*columnar.Batch
	Files  []string // paths on this machine
	// Stats are those of Files, one for each, if they are known. Upsert may then make data files of the files as they are, which must have the
	// compression of Options.
	Stats []*delta.Stats
}

func (r *Rows) check() (err error) {
	if r.Schema == nil && len(r.Files) > 0 {
		if r.Schema, err = footer(r.Files[0]); err != nil {
			return fmt.Errorf("rows to write: %w", err)
		}
	}
	if r.Schema == nil || len(r.Schema.Fields) == 0 {
		return fmt.Errorf("%w: rows without columns", delta.ErrInvalid)
	}
	return nil
}

// Result says what an operation did. Version is that of its commit, or of the snapshot that it left as it was.
type Result struct {
	Version                    int64
	Committed                  bool
	Inserted, Updated, Deleted int64 // rows
	Copied                     int64 // rows that were written again as they were
	AddedFiles, RemovedFiles   int
	AddedBytes, RemovedBytes   int64
}

// Condition is an expression over a table's columns, with the values of its question marks. The zero Condition is true.
type Condition struct {
	X      sql.Expr
	Params []sql.Expr
}

// Where parses a condition.
func Where(text string) (Condition, error) {
	x, err := sql.ParseExpr(text)
	return Condition{X: x}, err
}

// change runs an operation until its commit is not in conflict with another's.
func (t *Table) change(ctx context.Context, do func(*job) error) (Result, error) {
	var err error
	for range attemptsMax {
		var r Result
		if r, err = t.attempt(ctx, do); err == nil || !errors.Is(err, delta.ErrConflict) {
			return r, wrapViolation(err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return Result{}, err
}

func (t *Table) attempt(ctx context.Context, do func(*job) error) (Result, error) {
	snapshot, err := t.table.Snapshot(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("table %s: %w", t.opts.Location, err)
	}
	if err := os.MkdirAll(t.opts.Staging, 0o755); err != nil {
		return Result{}, fmt.Errorf("stage files: %w", err)
	}
	dir, err := os.MkdirTemp(t.opts.Staging, "rewrite-")
	if err != nil {
		return Result{}, fmt.Errorf("stage files: %w", err)
	}
	defer os.RemoveAll(dir) // what cannot be removed is emptied when the store opens
	j := newJob(ctx, t, snapshot, dir)
	if err := do(j); err != nil {
		return Result{}, fmt.Errorf("table %s: %w", t.opts.Location, err)
	}
	if err := j.commit(); err != nil {
		return Result{}, fmt.Errorf("table %s: %w", t.opts.Location, err)
	}
	return j.result, nil
}

const violationMark = "weir violation: "

// wrapViolation makes an error of the checks in a statement one that callers can tell.
func wrapViolation(err error) error {
	if err == nil {
		return nil
	}
	if _, text, ok := strings.Cut(err.Error(), violationMark); ok {
		return fmt.Errorf("%w: %s", ErrViolation, text)
	}
	return err
}
