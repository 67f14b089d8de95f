// Package delta implements Delta Lake tables: the transaction log, its snapshots and its commits. It reads and
// writes the log only. Data files are somebody else's: the writer puts them at their paths before it adds them, the
// reader opens what Snapshot.Files yields.
//
// A Table is a handle on a folder, a Snapshot one version of it, a Transaction the changes of one commit. The usual
// order of calls is Create or Open, then Table.Snapshot, Table.Begin with it, Transaction.Add, Transaction.Commit. A folder
// is Dir of a path or InBucket of a store. Commits look after the log by themselves; Vacuum, Restore, SetProperties, Check, Diff
// and History are for people.
//
// What survives a crash: a commit is one object, put only if absent, so that it is there whole or not at all, and the
// object store makes it durable before it answers. Checkpoints and _last_checkpoint are shortcuts made from commits;
// one that a crash prevented is written after a later commit. A commit whose outcome the store could not tell is read
// back and recognised by its txnId.
//
// The rules are those of the Delta transaction protocol (PROTOCOL.md of the Delta project); docs/formats/delta.md
// says what of it is written and read here.
package delta

import (
	"errors"
	"log/slog"
	"time"
)

// Errors that callers may test for with errors.Is.
var (
	// ErrNoTable says that the folder holds no Delta log.
	ErrNoTable = errors.New("not a Delta table")
	// ErrNoVersion says that the table has no such version, or no longer the log to rebuild it.
	ErrNoVersion = errors.New("no such table version")
	// ErrCorrupt says that the log breaks the protocol.
	ErrCorrupt = errors.New("corrupt Delta log")
	// ErrUnsupported names a table feature, an option or a change that is not implemented.
	ErrUnsupported = errors.New("unsupported Delta feature")
	// ErrInvalid says that what the caller wants to write does not fit the table or the protocol.
	ErrInvalid = errors.New("invalid Delta change")
	// ErrConflict says that another commit took away what this one was based on.
	ErrConflict = errors.New("conflicting commit")
	// ErrUnresolved says that it is unknown whether a commit was written.
	ErrUnresolved = errors.New("outcome of the commit unknown")
	// ErrReplayed says that the table already holds this application's version (SetTxn); nothing was written.
	ErrReplayed = errors.New("transaction was applied before")
)

// Options of a table handle. The zero value is usable.
type Options struct {
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // told of checkpoints that could not be written; nil: slog.Default
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

func (o Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.Default()
	}
	return o.Logger
}

// The names under which commits are recorded.
const (
	engineInfo = "weir/0.1 Delta-Log/1"
	logFolder  = "_delta_log/"
)
