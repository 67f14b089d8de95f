// Package batch is the micro-batch engine: it takes records from Sources, decodes them by their schemas, runs the query of a
// pipeline over them in numbered batches, and hands the rows to Sinks.
//
// A Pipeline is what a pipeline file says (ParsePipeline). An Engine runs one: New checks that everything fits,
// Run works until the trigger is done, Stop is called or a batch cannot be done. The query is compiled into a Program,
// which a Runner executes; a Program that remembers something between batches has it in a StateStore. Adapters live beside this
// package: batch/stream, awskinesis, kafka and files are Sources; batch/incremental is the compiler, batch/duckdb the Runner and
// batch/state the StateStore; batch/delta, parquet, tostream and webhook are Sinks, and batch/delta keeps the dead letters.
//
// To read the code: Engine.run (engine.go) is the loop, Engine.resume where it goes on after a restart, Engine.plan and
// Engine.runBatch (microbatch.go) are one batch, Engine.take and microbatch.readAhead (ahead.go) how a batch is read before it is planned: where
// a source finds its end by reading, and while the batch before is computed and written.
//
// What survives a crash: before batch N runs, its offset ranges and its watermark are saved in the ProgressStore; what was read of it
// until then is in memory only. When the dead
// letters and all sinks hold it, the state after it is made version N of the StateStore, and N is marked done. After a crash
// between the two the same ranges run again under the same number, over the state before it, and a sink that already holds that
// number does nothing. So each record of the source is in the sink exactly once, or in the dead letters exactly once.
package batch

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/decimal"
)

// Offset is a position in a source: the last record taken, per shard (the sequence number as text, "" before the
// first). It is stored as JSON in progress files.
type Offset map[string]string

// Youngest is the shard in which offsets of files, which are no numbers, keep the time of the youngest file that was ever taken, in
// microseconds since 1970.
const Youngest = "/youngest"

// Topic is the shard in which offsets of Kafka keep which topic they are of: the id that it got when it was made, which another one of the same
// name does not have.
const Topic = "/topic"

// Equal says whether o and p name the same position. A shard that is missing is one that has not begun.
func (o Offset) Equal(p Offset) bool {
	for shard, seq := range o {
		if p[shard] != seq {
			return false
		}
	}
	for shard, seq := range p {
		if o[shard] != seq {
			return false
		}
	}
	return true
}

// Reached says whether o is at target or past it in every shard of target.
func (o Offset) Reached(target Offset) bool {
	for shard, seq := range target {
		if compareSeqNums(o[shard], seq) < 0 {
			return false
		}
	}
	return true
}

// Clone returns a copy that shares nothing with o; it is never nil.
func (o Offset) Clone() Offset {
	c := make(Offset, len(o))
	maps.Copy(c, o)
	return c
}

// compareSeqNums compares sequence numbers: decimal text of any length, "" before all.
func compareSeqNums(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// Record is one record of a source before it is decoded.
type Record struct {
	Shard   string
	SeqNum  string  // empty where Number says it
	Number  *Number // the sequence number of a source that has it in bytes; it becomes text for those that ask
	Key     []byte  // partition key
	Data    []byte
	Arrival time.Time

	Aggregated bool   // it came in a record of the KPL with others
	SubSeqNum  int    // its place among them, from 0
	Refused    string // why the source does not take it; it is a dead letter then
}

// Number is a whole number, its highest byte first.
type Number [24]byte

// SequenceNumber is the record's, as text.
func (r *Record) SequenceNumber() string {
	if r.Number == nil {
		return r.SeqNum
	}
	var text [decimal.Max]byte
	return string(decimal.Append(text[:0], *r.Number))
}

// Limit bounds a batch; zero fields are unlimited.
type Limit struct {
	Records int
	Bytes   int64
}

// Source is a replayable, ordered set of shards. One goroutine at a time uses it; it is not always the same.
type Source interface {
	// Plan returns the end of the next batch after start: at most about limit further on, start itself if nothing is there.
	Plan(ctx context.Context, start Offset, limit Limit) (end Offset, err error)
	// Read calls f with the records after start up to and including end, in order within each shard, in chunks that are
	// valid only during the call. The same range always gives the same records, also after a restart.
	Read(ctx context.Context, start, end Offset, f func([]Record) error) error
	// Wait returns when there may be something after start, or ctx is done.
	Wait(ctx context.Context, start Offset) error
}

// Taker is a Source that finds where a batch ends by reading it: Plan and Read in one pass.
type Taker interface {
	// Take calls f with the records of the next batch after start, as Plan would plan it, and returns its end. Calls of f may overlap, those
	// with records of one shard do not. It does not wait for records. After an error there is no batch.
	Take(ctx context.Context, start Offset, limit Limit, f func([]Record) error) (end Offset, err error)
}

// Starter is a Source that can begin elsewhere than at its oldest record.
type Starter interface {
	// Position returns the offset after which reading begins for s.
	Position(ctx context.Context, s Start) (Offset, error)
}

// Tipper is a Source that knows its newest records. Without it a run of what is available ends when Plan finds
// nothing, which with a busy producer may take long.
type Tipper interface {
	// Latest is the offset behind all records that are there now. It may be asked for while another goroutine reads.
	Latest(ctx context.Context) (Offset, error)
}

// Metered is a Source that has figures of its own for a Report.
type Metered interface {
	// Metrics are numbers as text, by name. They may be asked for while another goroutine reads.
	Metrics() map[string]string
}

// MissingError is an error of a source or a sink: the stream or topic that the pipeline file names is not there.
type MissingError struct {
	Kind string // stream or topic
	Name string
	Err  error
}

func (e *MissingError) Error() string { return e.Err.Error() }

// Unwrap returns what it came from.
func (e *MissingError) Unwrap() error { return e.Err }
