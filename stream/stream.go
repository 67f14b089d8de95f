// Package stream is the durable stream log: streams of records in shards, kept in one write-ahead log.
//
// A Store holds all streams of a data directory. Create makes a stream; Put appends records to its shards and returns
// when they are durable; Read, or a Shard's Scan, returns them in order; Wait sleeps until there is more. What a record
// lives through is: Put finds its shard, copies it into a frame in the open group (append.go), where it is encrypted if
// the stream is to be encrypted at rest (encrypt.go); one goroutine writes and syncs group after group and publishes them
// to readers (writer.go); segments that are full are sealed with an index (seal.go), through which old records are then
// found on disk (lookup.go), and freed when retention is over (trim.go).
//
// SplitShard, MergeShards and UpdateShardCount close shards and open others in their place while all of that goes on
// (reshard.go). Who reads a shard to its end (Page.Ended) goes on with its Children.
//
// After a crash, whether kill -9 or power loss: every record whose Put returned is there, with its sequence number;
// of a Put that had not returned any part may be there; nothing else is. Streams and their attributes live in the
// metadata store and survive likewise: a reshard has happened whole or not at all. docs/formats/segment.md and
// docs/formats/streams.md are the layout on disk.
package stream

import (
	"errors"
	"log/slog"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/metrics"
)

// Errors that callers may test for with errors.Is.
var (
	ErrNotFound  = errors.New("stream not found")
	ErrExists    = errors.New("stream exists")
	ErrNoShard   = errors.New("shard not found")
	ErrThrottled = errors.New("write queue is full")
	ErrCorrupt   = errors.New("corrupt stream log")
	ErrClosed    = errors.New("stream log is closed")
	ErrTooLarge  = errors.New("records too large")
	ErrSeqNum    = errors.New("malformed sequence number")
	ErrHashKey   = errors.New("hash key out of range")

	ErrConsumerNotFound = errors.New("stream consumer not found")
	ErrConsumerExists   = errors.New("stream consumer exists")
	ErrHasConsumers     = errors.New("stream has consumers")
	ErrLimit            = errors.New("stream limit exceeded")

	ErrShardClosed = errors.New("shard is closed")
	ErrNotAdjacent = errors.New("shards are not adjacent")
	ErrSplitPoint  = errors.New("hash key does not divide the shard")
	ErrOnDemand    = errors.New("stream is on-demand") // its shards are not for the caller to change
	ErrProvisioned = errors.New("stream is provisioned")
	ErrNoPolicy    = errors.New("no resource policy")
	ErrKey         = errors.New("encryption key cannot be used") // beside the keyring's own error
)

// Options of Open. Zero fields are defaults.
type Options struct {
	FS      vfs.FS      // default: the machine's
	Dir     string      // folder of the segments
	Meta    *meta.Store // streams, shards and their attributes; never nil
	Metrics *metrics.Registry
	Region  string // default us-east-1
	Account string // default 000000000000
	Now     func() time.Time
	Logger  *slog.Logger

	Limits Limits  // of each shard; zero: none
	Keys   Keyring // for streams that are encrypted at rest; nil: none can be, and such records are not readable

	SegmentBytes int64 // size of a segment file, at most 1 GiB; default 64 MiB
	CacheBytes   int64 // recent records kept in memory; default 32 MiB
	QueueBytes   int64 // records waiting for the disk before Put answers ErrThrottled; default 64 MiB

	RetentionMost time.Duration // records expire after it, however long their stream keeps them; zero: streams decide

	tuning tuning
}

// Limits of one shard. Zero fields are no limit.
type Limits struct {
	Records int   // a second
	Bytes   int64 // a second, keys and data
}

// tuning is what tests make small.
type tuning struct {
	firstSegmentBytes int64         // of an empty directory, so that it is ready at once
	chunkBytes        int           // unit of the cache and greatest group
	groupBytes        int           // a group that has so much is not added to
	indexStride       int64         // greatest extent of a run, about
	indexBytes        int           // pieces of indexes kept in memory
	readBytes         int           // read from disk at once
	inline            bool          // housekeeping happens in the writer, so that the order of operations is fixed
	trimEvery         time.Duration // how often retention is looked at
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "000000000000"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.SegmentBytes = orDefault(o.SegmentBytes, 64<<20)
	o.CacheBytes = orDefault(o.CacheBytes, 32<<20)
	o.QueueBytes = orDefault(o.QueueBytes, 64<<20)
	t := &o.tuning
	t.firstSegmentBytes = min(orDefault(t.firstSegmentBytes, 4<<20), o.SegmentBytes)
	t.chunkBytes = orDefault(t.chunkBytes, 4<<20)
	t.groupBytes = orDefault(t.groupBytes, 2<<20)
	t.indexStride = orDefault(t.indexStride, 512<<10)
	t.indexBytes = orDefault(t.indexBytes, 8<<20)
	t.readBytes = orDefault(t.readBytes, 256<<10)
	trimEvery := time.Minute
	if o.RetentionMost > 0 {
		trimEvery = min(trimEvery, max(o.RetentionMost/4, time.Second))
	}
	t.trimEvery = orDefault(t.trimEvery, trimEvery)
	return o
}

func orDefault[T int | int64 | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// Entry is a record to append. Data and keys may be reused by the caller when Put has returned.
type Entry struct {
	PartitionKey    []byte
	ExplicitHashKey string // decimal; empty: MD5 of PartitionKey decides the shard
	Data            []byte
}

// Placed says where a record went.
type Placed struct {
	Shard  string // shardId-000000000000
	SeqNum SeqNum
	// Throttled: not stored, because the shard's limit was reached; SeqNum is zero.
	Throttled bool
}

// Record is a stored record. Its slices must not be changed; they stay valid.
type Record struct {
	SeqNum       SeqNum
	PartitionKey []byte
	Data         []byte
	Arrival      time.Time // millisecond precision
	Encrypted    bool      // on disk
}
