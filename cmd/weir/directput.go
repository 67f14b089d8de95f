package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/weir-data/weir/batch"
	batchstream "github.com/weir-data/weir/batch/stream"
	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/stream"
)

// directLog keeps the records that clients put into delivery streams directly: a stream store of its own, with one
// shard for each delivery stream. It is delivery.Log.
type directLog struct {
	streams *stream.Store
}

// directKey is the partition key of all its records; with one shard it decides nothing.
var directKey = []byte("0")

// Append makes records durable, in order.
func (l directLog) Append(ctx context.Context, name string, records [][]byte) error {
	entries := make([]stream.Entry, len(records))
	for i, r := range records {
		entries[i] = stream.Entry{PartitionKey: directKey, Data: r}
	}
	if err := l.create(ctx, name); err != nil {
		return err
	}
	_, err := l.streams.Put(ctx, name, entries)
	if errors.Is(err, stream.ErrThrottled) {
		return fmt.Errorf("%w: %w", delivery.ErrBusy, err)
	}
	return err
}

// create makes the log unless it is there.
func (l directLog) create(ctx context.Context, name string) error {
	if err := l.streams.Create(ctx, stream.Config{Name: name, Shards: 1}); err != nil && !errors.Is(err, stream.ErrExists) {
		return err
	}
	return nil
}

// Source reads the log.
func (l directLog) Source(ctx context.Context, name string) (batch.Source, error) {
	if err := l.create(ctx, name); err != nil {
		return nil, err
	}
	return batchstream.NewWith(l.streams, name, batch.KeepPacked), nil
}

// Trim has nothing to do: the log drops records by their age, a day, which is how long Firehose keeps them too.
func (l directLog) Trim(context.Context, string, batch.Offset) error { return nil }

// Remove drops a delivery stream's records.
func (l directLog) Remove(ctx context.Context, name string) error {
	if err := l.streams.Delete(ctx, name); err != nil && !errors.Is(err, stream.ErrNotFound) {
		return err
	}
	return nil
}
