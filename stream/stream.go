// Package stream is the durable stream log: streams of records in shards, kept in a write-ahead log of
// segments.
//
// CONTRACT STUB: the owner of stream keeps these names and signatures, replaces bodies, splits into files.
package stream

import (
	"context"
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
)

// SeqNum is a sequence number: fixed-width, so byte order is numeric order. The decimal text of it is what
// AWS clients see. The zero value is before every record.
type SeqNum [24]byte

// ParseSeqNum reads the decimal text of a sequence number.
func ParseSeqNum(text string) (SeqNum, error) { panic("stub") }

// String is the decimal text, 56 digits.
func (s SeqNum) String() string { panic("stub") }

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
}

// Store is all streams of one data directory. Safe for concurrent use.
type Store struct{}

// Open recovers the log in opts.Dir: a torn tail is cut at the last whole frame, nothing else is changed.
func Open(opts Options) (*Store, error) { panic("stub") }

// Close stops accepting records, finishes those under way and releases the directory.
func (s *Store) Close() error { panic("stub") }

// Config of a new stream.
type Config struct {
	Name      string
	OnDemand  bool // four shards to begin with
	Shards    int  // provisioned
	Retention time.Duration
	Tags      map[string]string
}

// Create adds a stream; it is ACTIVE when Create returns.
func (s *Store) Create(ctx context.Context, c Config) error { panic("stub") }

// Delete removes a stream and its records.
func (s *Store) Delete(ctx context.Context, name string) error { panic("stub") }

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
}

// Put appends records, in the order given within each shard, and returns when all are durable.
func (s *Store) Put(ctx context.Context, stream string, entries []Entry) ([]Placed, error) {
	panic("stub")
}

// ShardInfo describes a shard; Closed shards have a last sequence number.
type ShardInfo struct {
	ID      string
	Parents []string
	Closed  bool
	First   SeqNum // StartingSequenceNumber
	Last    SeqNum // EndingSequenceNumber of a closed shard
}

// Shards lists the shards of a stream by id, closed ones included while they hold records.
func (s *Store) Shards(ctx context.Context, stream string) ([]ShardInfo, error) { panic("stub") }

// Record is a stored record. Its slices must not be changed; they stay valid.
type Record struct {
	SeqNum       SeqNum
	PartitionKey []byte
	Data         []byte
	Arrival      time.Time // millisecond precision
}

// Read returns durable records of a shard with a sequence number greater than after, oldest first: at most limit
// records and about maxBytes of data (always at least one if there is one). No error and no records means that
// the reader is at the tip.
func (s *Store) Read(ctx context.Context, stream, shard string, after SeqNum, limit, maxBytes int) ([]Record, error) {
	panic("stub")
}

// Tip is the greatest durable sequence number of the shard; the zero SeqNum if it never had a record.
func (s *Store) Tip(ctx context.Context, stream, shard string) (SeqNum, error) { panic("stub") }

// Wait returns when the shard has a durable record greater than after, or ctx is done.
func (s *Store) Wait(ctx context.Context, stream, shard string, after SeqNum) error { panic("stub") }
