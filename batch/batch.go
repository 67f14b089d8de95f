// Package batch is the micro-batch engine: Source, Sink, Trigger, Progress.
//
// CONTRACT STUB: the owner of batch shapes the rest; Source is fixed so that adapters can be written beside it.
package batch

import (
	"context"
	"time"
)

// Offset is a position in a source: the last record taken, per shard (the sequence number as text, "" before the
// first). It is stored as JSON in progress files.
type Offset map[string]string

// Record is one record of a source before it is decoded.
type Record struct {
	Shard   string
	SeqNum  string
	Key     []byte // partition key
	Data    []byte
	Arrival time.Time
}

// Limit bounds a batch; zero fields are unlimited.
type Limit struct {
	Records int
	Bytes   int64
}

// Source is a replayable, ordered set of shards.
type Source interface {
	// Plan returns the end of the next batch after start: at most about limit further on, start itself if nothing is there.
	Plan(ctx context.Context, start Offset, limit Limit) (end Offset, err error)
	// Read calls f with the records after start up to and including end, in order within each shard, in chunks that are
	// valid only during the call. The same range always gives the same records, also after a restart.
	Read(ctx context.Context, start, end Offset, f func([]Record) error) error
	// Wait returns when there may be something after start, or ctx is done.
	Wait(ctx context.Context, start Offset) error
}
