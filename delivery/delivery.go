// Package delivery is Firehose: delivery streams gather records from a stream, or from clients directly, and deliver
// them as objects into buckets, as they came or turned into Parquet. It is Kinesis' channels too, which are made of the
// same parts.
//
// Streams is all delivery streams of a data directory; Config is the behaviour of one; Prefix a compiled expression of
// an object's folder. The usual order of calls is: Open, Create, Put (for streams without source), Update, Delete, Close.
// Channels is all channels, with Channel for the behaviour of one: OpenChannels, Create, Update, Delete, Close.
//
// One goroutine a delivery stream or channel waits for records, counts them until a buffering hint is reached, and then delivers
// the range from the source, which is read once more, so that nothing is held in memory. Before it begins, the plan is
// saved: the range, the configuration, the table's columns, the instant that prefixes are evaluated at. Object names
// and bytes follow from plan and range alone. After all objects of a plan are put, the position moves on.
//
// What survives a crash: an acknowledged Create, Update, Delete and Put; and, as an unfinished plan is carried out
// again with the same names and the same bytes, every record is in exactly one object: delivery is exactly once.
// docs/formats/delivery.md and docs/formats/channels.md describe what is saved.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/objstore"
)

// Log keeps the records that clients put directly, until they are delivered.
type Log interface {
	// Append adds records to the end of the named log, which it makes if it is not there, and returns when they are durable.
	Append(ctx context.Context, name string, records [][]byte) error
	// Source reads the named log; one that is not there is empty.
	Source(ctx context.Context, name string) (batch.Source, error)
	// Trim says that the records up to and including end are not needed any more.
	Trim(ctx context.Context, name string, end batch.Offset) error
	// Remove deletes the named log with its records; one that is not there is no error.
	Remove(ctx context.Context, name string) error
}

// Tables finds the table whose columns a conversion uses; catalog.Catalog does.
type Tables interface {
	Table(ctx context.Context, database, name string) (catalog.Table, error)
}

// TableVersions finds an older version of a table. A Tables that implements it lets conversions name one.
type TableVersions interface {
	TableVersion(ctx context.Context, database, name, version string) (catalog.Table, error)
}

// Options of Open. Zero fields are defaults.
type Options struct {
	Meta    *meta.Store // never nil
	Objects objstore.Store
	Log     Log
	Tables  Tables
	// Stream opens the named Kinesis stream. A source that is a batch.Starter, or has Latest as batch/stream's has, is read
	// from the delivery stream's creation on, another from its oldest record.
	Stream  func(ctx context.Context, name string) (batch.Source, error)
	Metrics *metrics.Registry
	Account string // default 000000000000
	Region  string // default us-east-1
	// Parallel is how many objects are written at the same time, by all delivery streams together; default 2.
	Parallel int
	// StreamsMax bounds the number of delivery streams; default 5000.
	StreamsMax int
	Now        func() time.Time
	Logger     *slog.Logger
}

// Streams is all delivery streams of one data directory. Safe for concurrent use.
type Streams struct {
	opts  Options
	state meta.Space
	slots chan struct{} // holds a token for every flush under way
	ctx   context.Context
	stop  context.CancelFunc
	group sync.WaitGroup // the workers

	mu      sync.Mutex // guards what follows and all changes of the saved streams
	workers map[string]*worker
	closed  bool
}

// Open starts all delivery streams that are saved in opts.Meta; unfinished plans are carried out again.
func Open(opts Options) (*Streams, error) { return open(opts, "delivery") }

// open starts what is saved in a space of the metadata.
func open(opts Options, space string) (*Streams, error) {
	if opts.Account == "" {
		opts.Account = "000000000000"
	}
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	if opts.Parallel == 0 {
		opts.Parallel = 2
	}
	if opts.StreamsMax == 0 {
		opts.StreamsMax = 5000
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	s := &Streams{opts: opts, state: opts.Meta.Space(space), slots: make(chan struct{}, opts.Parallel), workers: map[string]*worker{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.removeLogs(s.ctx); err != nil {
		return nil, err
	}
	for entry, err := range s.state.Scan(streamKey(""), "") {
		if err != nil {
			return nil, fmt.Errorf("open deliveries: %w", err)
		}
		info, err := meta.Load[Info](s.state, entry.Key)
		if err != nil {
			return nil, fmt.Errorf("open deliveries: %w", err)
		}
		s.start(info)
	}
	return s, nil
}

// Close stops all delivery streams; a flush under way is given up and carried out again by the next Open.
func (s *Streams) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.group.Wait()
	return nil
}

// start begins to work on a delivery stream. The caller holds mu, or is Open.
func (s *Streams) start(info Info) {
	w := newWorker(s, info)
	s.workers[info.Name] = w
	s.group.Go(func() { w.run() })
}

// errClosed is the answer to changes after Close.
var errClosed = errors.New("delivery streams are closed")
