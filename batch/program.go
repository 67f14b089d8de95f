package batch

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weir-data/weir/columnar"
)

// ErrState says that the state that was kept does not fit the query, or cannot be read.
var ErrState = errors.New("state cannot be used")

// Program is a query over streams, compiled for micro-batches: SELECTs that run in order in each batch, and the tables of state
// that they read and change. Package batch/incremental makes Programs of SQL, a Runner executes them, a StateStore keeps the
// state between batches. A Program without States works row by row.
type Program struct {
	Steps  []Step
	States []StateSpec
	// Output is the step that gives the rows for the sinks.
	Output string
	// Keys are the columns of Output that name a row of the result: in update mode a row replaces the one of the same keys. Empty, but
	// not nil, if the result is one row. Nil in append mode, and in complete mode, where Output is the whole result.
	Keys []string
	// EventTime is the column of Output that carries the event time on, empty if none does.
	EventTime string
	// EventTimes are, of the inputs whose event time the steps make, the steps that tell it: one row of how many there are, the least and the
	// greatest in microseconds since 1970, null if there are none, and their sum, a double.
	EventTimes map[string]string
	// Tables are the static tables that the steps read: by their name in the steps, which is that of RunInput.Statics, the catalog's
	// database.table.
	Tables map[string]string
}

// Step is a SELECT in DuckDB's SQL. It may read, by their names: the inputs, the steps before it, and the states as they were
// before the batch. In its text weir_watermark(), weir_late() and weir_batch_time() stand for the timestamps of RunInput.
type Step struct {
	Name, SQL string
	// Chooses says that the step only leaves rows and columns of another out: its rows are cheaper to find again than to keep.
	Chooses bool
}

// StateSpec is a table of state: what a query remembers from batch to batch.
type StateSpec struct {
	Name string
	// Operator is what Spark calls the operator in its progress: stateStoreSave, sessionWindowStateStoreSave, dedupe,
	// dedupeWithinWatermark, symmetricHashJoin.
	Operator string
	// Like is the step whose columns the table has; no step up to it reads the table.
	Like string
	// Update is the step whose rows change the table when the batch is done: they are added to it, or, with Replace, are all of it.
	Update  string
	Replace bool
	// Until is a timestamp column: rows whose Until is at or before the watermark of a batch are for the last time seen in that
	// batch. Rows where it is null, and all rows if it is empty, stay.
	Until string
	// Touched is a step before all that read the table, or an input, with columns of the names of Keys: of the table's rows they need those only whose
	// keys one of its rows has, and may be shown others or not. Empty: they need all.
	Touched string
	// Compact is a SELECT over the table "runs" that gives fewer rows of the same meaning, such as partial aggregates added up.
	// Empty: rows cannot be drawn together.
	Compact string
	// Late is a step of one row and one column: how many rows of the batch came too late for the operator. Empty: none can.
	Late string
	// Keys are what a row is about, for people who look: the columns by which rows belong together.
	Keys []string
	// Definition says what the rows mean, as named parts such as "group by" or "watermark". State that was kept under another
	// definition cannot be used, and the parts that differ are the reason that a user is told.
	Definition map[string]string
}

// RunInput is one micro-batch for a Runner.
type RunInput struct {
	Batch int64
	// Watermark is up to where event time is complete in this batch: windows that end at or before it are final. Late is that of the
	// batch before, by which rows that come now are too late. Both are the zero time before there is a watermark.
	Watermark, Late time.Time
	Time            time.Time                    // when the batch was planned; what current_timestamp gives
	Inputs          map[string][]*columnar.Batch // by input; none where nothing came
	// Statics are the inputs that are no streams: for each a SELECT, in DuckDB's SQL, of rows with the columns that Describe was told,
	// such as one over the Parquet files of a table. The files lie in folders that the Runner may read.
	Statics  map[string]string
	State    StateVersion // before the batch
	StateDir string       // an empty folder for the files of Result.Runs
	Shared   bool         // several sinks will take the result
}

// Bind puts the timestamps of in into the text of a step; before there is a watermark it is before all times.
func (in RunInput) Bind(sql string) string {
	if !strings.Contains(sql, "weir_") {
		return sql
	}
	calls := strings.NewReplacer("weir_watermark()", timestampText(in.Watermark), "weir_late()", timestampText(in.Late),
		"weir_batch_time()", timestampText(in.Time))
	var b strings.Builder
	plain := 0 // where the text that is not quoted began
	for i := 0; i < len(sql); {
		end := skipQuoted(sql, i)
		if end == i {
			i++
			continue
		}
		b.WriteString(calls.Replace(sql[plain:i]))
		b.WriteString(sql[i:end])
		i, plain = end, end
	}
	b.WriteString(calls.Replace(sql[plain:]))
	return b.String()
}

func timestampText(t time.Time) string {
	if t.IsZero() {
		return "TIMESTAMP '-infinity'"
	}
	return "TIMESTAMP '" + t.UTC().Format("2006-01-02 15:04:05.000000") + "'"
}

// Runner executes Programs. Its methods are called by one goroutine.
type Runner interface {
	// Describe binds the steps of p over inputs, streams and static ones, of the given columns. A query that cannot be bound is
	// an error that names what the user wrote.
	Describe(ctx context.Context, inputs map[string]*columnar.Schema, p *Program) (*Description, error)
	// Run executes the steps over one micro-batch. Nothing is changed but in memory and in in.StateDir; the same input gives the
	// same result again. The caller closes the result.
	Run(ctx context.Context, p *Program, d *Description, in RunInput) (Result, error)
}

// Description is what a Program gives and keeps.
type Description struct {
	Inputs map[string]*columnar.Schema
	Output *columnar.Schema
	States map[string]*columnar.Schema
}

// Result is what a batch gave. Rows come in no order.
type Result interface {
	Rows
	// Runs are the files, in RunInput.StateDir, by which the state changes.
	Runs() []StateRun
	// Metrics tell of each StateSpec, in order.
	Metrics() []StateMetrics
	// Step returns the rows of a step of the Program before Output, which must be few; none may be returned of a batch without rows.
	Step(ctx context.Context, name string) (*columnar.Batch, error)
	Close() error
}

// Rows are rows that sinks take, as often as they like.
type Rows interface {
	Schema() *columnar.Schema
	// Len is the number of rows, -1 if it is not known before they are written.
	Len() int64
	// Write puts the rows into Parquet files below opts.Dir. After an error the folder is as it was.
	Write(ctx context.Context, opts WriteOptions) ([]ParquetFile, error)
	// First returns the first rows, at most limit, in memory of their own.
	First(ctx context.Context, limit int) (*columnar.Batch, error)
	// Each calls f with all rows, in parts that are valid during the call only.
	Each(ctx context.Context, f func(*columnar.Batch) error) error
}

// StateRun is a Parquet file of rows of one state.
type StateRun struct {
	State string `json:"state"`
	File  string `json:"file"` // its name in the store's folder
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	// From and Until are the least and the greatest Until of its rows, both zero if some stay for ever.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// MergedRows is of how many rows this one's were drawn together; zero if they were not.
	MergedRows int64 `json:"mergedRows,omitempty"`
	// Batch is the one that wrote it.
	Batch int64 `json:"batch,omitempty"`
	// Sorted says that its rows are in the order of the keys, in small row groups: a batch reads those of its keys.
	Sorted bool `json:"sorted,omitempty"`
	// Replaces says that this file is all of the state.
	Replaces bool `json:"replaces,omitempty"`
	// Merges are the files of the version before whose rows this one has drawn together: they are left out from now on.
	Merges []string `json:"-"`
}

// StateVersion is the state after a batch, -1 before the first: the runs that hold it.
type StateVersion struct {
	Batch int64      `json:"batchId"`
	Runs  []StateRun `json:"runs"`
	Dir   string     `json:"-"` // the folder where the files are
}

// StateMetrics are Spark's figures of one state operator.
type StateMetrics struct {
	Operator      string
	RowsTotal     int64
	RowsUpdated   int64
	RowsRemoved   int64
	RowsLate      int64 // numRowsDroppedByWatermark
	Bytes         int64 // on disk
	CommitTook    time.Duration
	UpdatesTook   time.Duration
	RemovalsTook  time.Duration
	RunsOnDisk    int
	CompactedRuns int
}

// StateStore keeps the state of one pipeline, durably, by versions.
type StateStore interface {
	// Load returns the state after batch, -1 for that of a new pipeline. What was kept must fit specs and their columns: ErrState
	// says why it does not.
	Load(ctx context.Context, batch int64, specs []StateSpec, columns map[string]*columnar.Schema) (StateVersion, error)
	// Newest is the batch of the newest version, -1 if there is none.
	Newest(ctx context.Context) (int64, error)
	// NewDir returns an empty folder for the runs of the batch after v.
	NewDir(ctx context.Context, v StateVersion) (string, error)
	// Commit makes v with runs, and without what the watermark has passed, the version of batch. It survives power loss when it
	// returns. An earlier attempt at the same batch is replaced.
	Commit(ctx context.Context, v StateVersion, batch int64, watermark time.Time, runs []StateRun) (StateVersion, error)
	// Close lets another process open the store.
	Close() error
}
