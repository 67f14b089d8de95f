package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/tostream"
	"github.com/weir-data/weir/stream"
)

// Appender is what a Target needs of a stream store; *stream.Store is one.
type Appender interface {
	Shards(ctx context.Context, stream string) ([]stream.ShardInfo, error)
	Put(ctx context.Context, stream string, entries []stream.Entry) ([]stream.Placed, error)
}

// Target is a stream that takes the rows of pipelines.
type Target struct {
	store Appender
	name  string
}

var _ tostream.Stream = (*Target)(nil)

// NewTarget returns the named stream of a store.
func NewTarget(store Appender, name string) *Target { return &Target{store, name} }

const (
	putAttempts = 20
	putWait     = 100 * time.Millisecond
)

// Check implements tostream.Stream.
func (t *Target) Check(ctx context.Context) error {
	_, err := t.store.Shards(ctx, t.name)
	return missing(t.name, err)
}

// Put implements tostream.Stream. Records that a shard had no room for are put again, after a while.
func (t *Target) Put(ctx context.Context, records []tostream.Record) error {
	entries := make([]stream.Entry, len(records))
	for i, r := range records {
		entries[i] = stream.Entry{PartitionKey: []byte(r.Key), Data: r.Data}
	}
	for range putAttempts {
		placed, err := t.store.Put(ctx, t.name, entries)
		if err != nil {
			return fmt.Errorf("put %d records: %w", len(entries), missing(t.name, err))
		}
		left := entries[:0]
		for i, p := range placed {
			if p.Throttled {
				left = append(left, entries[i])
			}
		}
		if entries = left; len(entries) == 0 {
			return nil
		}
		select {
		case <-time.After(putWait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return batch.Temporary(errors.New("its shards have no room"))
}
