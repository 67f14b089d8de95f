// Package delta implements Delta Lake tables.
//
// CONTRACT STUB: the owner of delta keeps these names and signatures, replaces bodies, splits into files.
package delta

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/objstore"
)

// Errors that callers may test for with errors.Is.
var (
	ErrNoTable     = errors.New("not a Delta table")
	ErrCorrupt     = errors.New("corrupt Delta log")
	ErrUnsupported = errors.New("unsupported Delta feature")
	ErrConflict    = errors.New("conflicting commit")
	// ErrReplayed says that the table already holds this application's version (SetTxn); nothing was written.
	ErrReplayed = errors.New("transaction was applied before")
)

// Objects is all that package delta needs of an object store: one folder of it.
type Objects interface {
	Get(ctx context.Context, key string) (io.ReadCloser, error) // objstore.ErrNoSuchKey
	List(ctx context.Context, prefix, after string) iter.Seq2[objstore.Info, error]
	Put(ctx context.Context, key string, body []byte) error
	PutIfAbsent(ctx context.Context, key string, body []byte) error // objstore.ErrPrecondition
	Delete(ctx context.Context, key string) error
}

// InBucket is the folder prefix of a bucket as Objects. Keys are relative to it.
func InBucket(s objstore.Store, bucket, prefix string) Objects { panic("stub") }

// Table is a handle; it remembers the last snapshot to refresh it cheaply. Safe for concurrent use.
type Table struct{}

// Open returns the table in the folder, or ErrNoTable.
func Open(ctx context.Context, objects Objects) (*Table, error) { panic("stub") }

// CreateOptions describe a new table.
type CreateOptions struct {
	Name        string
	Schema      *columnar.Schema // partition columns included
	PartitionBy []string
	Properties  map[string]string // delta.checkpointInterval …
	Now         func() time.Time
}

// Create writes version 0, or returns ErrConflict if a table is there already.
func Create(ctx context.Context, objects Objects, opts CreateOptions) (*Table, error) { panic("stub") }

// Snapshot reads the newest version.
func (t *Table) Snapshot(ctx context.Context) (*Snapshot, error) { panic("stub") }

// SnapshotAt reads a given version.
func (t *Table) SnapshotAt(ctx context.Context, version int64) (*Snapshot, error) { panic("stub") }

// SnapshotAsOf reads the newest version that is not younger than at.
func (t *Table) SnapshotAsOf(ctx context.Context, at time.Time) (*Snapshot, error) { panic("stub") }

// Snapshot is one version of a table, immutable.
type Snapshot struct{}

func (s *Snapshot) Version() int64                { panic("stub") }
func (s *Snapshot) Schema() *columnar.Schema      { panic("stub") }
func (s *Snapshot) PartitionBy() []string         { panic("stub") }
func (s *Snapshot) Properties() map[string]string { panic("stub") }

// Files yields the live data files that keep accepts (nil: all).
func (s *Snapshot) Files(keep func(*File) bool) iter.Seq2[*File, error] { panic("stub") }

// Txn returns the last version that an application recorded, and false if none.
func (s *Snapshot) Txn(appID string) (version int64, ok bool) { panic("stub") }

// File is a data file of a table.
type File struct {
	Path      string             // key relative to the table's folder, unescaped
	Partition map[string]*string // value as text, nil for null
	Size      int64
	ModTime   time.Time
	Stats     *Stats
}

// Stats of a data file. Min and Max hold values as JSON has them (json.Number, string, bool), by column name.
type Stats struct {
	NumRecords int64
	Min, Max   map[string]any
	NullCount  map[string]any
}

// Transaction collects the changes of one commit.
type Transaction struct{}

// Begin starts a transaction that read the snapshot s.
func (t *Table) Begin(s *Snapshot) *Transaction { panic("stub") }

// Add appends a data file that already lies at its path.
func (tx *Transaction) Add(f File) { panic("stub") }

// SetTxn records that this commit is version of application appID; Commit returns ErrReplayed if the table already
// has that version or a later one.
func (tx *Transaction) SetTxn(appID string, version int64) { panic("stub") }

// SetSchema replaces the schema (widening only; checked).
func (tx *Transaction) SetSchema(s *columnar.Schema) { panic("stub") }

// SetInfo adds to the commit's provenance: operation name and parameters, engine metrics.
func (tx *Transaction) SetInfo(operation string, parameters, metrics map[string]string) {
	panic("stub")
}

// Commit writes the next version, after rebasing over commits that do not conflict, and a checkpoint when one is due.
// It returns the version. ErrConflict: another commit took away what this one read. ErrReplayed: see SetTxn.
func (tx *Transaction) Commit(ctx context.Context) (version int64, err error) { panic("stub") }
