// Package query runs SQL statements over the catalog's tables, as Athena does.
//
// A Service takes statements (Start), queues them, and keeps their Executions, workgroups, named queries and prepared
// statements. A statement is parsed and, if it is a query, translated by package sql; the names in it are looked up in
// the catalog, the files of the tables are found and pruned (partitions of the catalog, partition projection, the Delta
// log and its statistics), and an Engine reads them. Data definition acts on the catalog. Results are objects below the
// output location, in Athena's own formats; Results reads pages of them.
//
// The order of calls is New, Start, Get until the state is final, Results, Close. What Start answered survives a crash;
// an execution that was not finished then is FAILED afterwards. Everything is kept in space "query" of the metadata
// store.
package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// Errors that callers may test for with errors.Is.
var (
	// ErrInvalid says what is wrong with a request. Its message is meant for the caller.
	ErrInvalid = errors.New("invalid request")
	// ErrSyntax is an ErrInvalid for a statement that does not parse.
	ErrSyntax = errors.New("malformed query")
	// ErrNotFound says that a prepared statement does not exist.
	ErrNotFound = errors.New("not found")
	// ErrBusy says that the queue is full.
	ErrBusy = errors.New("too many queries")
	// ErrMetadata says that the catalog has no such thing.
	ErrMetadata = errors.New("no such entity")
)

// Options of New. Zero fields are defaults, except the first four, which must be set.
type Options struct {
	Meta    *meta.Store
	Catalog catalog.Catalog
	Objects objstore.Store
	Engine  Engine

	Changer Changer // of Delta tables; nil: they are only read
	Live    Live    // the pipelines that write tables; nil: there is no FOR LIVE

	CacheDir   string        // for objects of stores that are not files here, and for files being written; emptied by New
	CacheBytes int64         // default 4 GiB
	Queue      int           // statements that may wait; default 100
	Parallel   int           // queries that run at a time; default 2
	Timeout    time.Duration // of one query; default 30 minutes
	History    int           // executions that are kept; default 10,000
	Region     string        // default us-east-1
	Account    string        // default 000000000000
	Now        func() time.Time
	Logger     *slog.Logger
	// Observe is called for every finished execution, for metrics; nil: not.
	Observe func(*Execution)
}

func (o *Options) setDefaults() {
	def := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	def(&o.Queue, 100)
	def(&o.Parallel, 2)
	def(&o.History, 10000)
	if o.CacheBytes <= 0 {
		o.CacheBytes = 4 << 30
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Minute
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
}

// Service runs statements. It is safe for concurrent use.
type Service struct {
	opts   Options
	space  meta.Space
	files  *files
	deltas deltaCache

	queries     chan *running // those that need the engine
	definitions chan *running // those that only touch the catalog or reuse a result, which need not wait behind long queries
	stop        context.CancelFunc
	workers     sync.WaitGroup

	names sync.Mutex // orders changes of workgroups, named queries, prepared statements and tags

	mu      sync.Mutex
	active  map[string]*running // queued and running, by id
	history []string            // ids of finished executions, oldest first
	closed  bool
}

// New opens the state in opts.Meta and starts to take statements. Executions that were not finished when the process
// ended become FAILED.
func New(opts Options) (*Service, error) {
	opts.setDefaults()
	if opts.CacheDir == "" {
		return nil, errors.New("query: CacheDir is not set")
	}
	f, err := newFiles(opts.Objects, filepath.Join(opts.CacheDir, "objects"), opts.CacheBytes)
	if err != nil {
		return nil, err
	}
	s := &Service{
		opts: opts, space: opts.Meta.Space("query"), files: f,
		deltas:      deltaCache{tables: map[string]*knownDelta{}},
		queries:     make(chan *running, opts.Queue),
		definitions: make(chan *running, opts.Queue),
		active:      map[string]*running{},
	}
	if err := s.recover(); err != nil {
		return nil, fmt.Errorf("open query history: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	for range opts.Parallel {
		s.workers.Go(func() { s.work(ctx, s.queries) })
	}
	for range definitionWorkers {
		s.workers.Go(func() { s.work(ctx, s.definitions) })
	}
	return s, nil
}

// definitionWorkers run data definition and SHOW.
const definitionWorkers = 4

// Close stops queries that run, which fail, and the engine.
func (s *Service) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.workers.Wait()
	return s.opts.Engine.Close()
}

func (s *Service) now() time.Time { return s.opts.Now().UTC() }

// Account is the account that ARNs name, Region the region.
func (s *Service) Account() string { return s.opts.Account }
func (s *Service) Region() string  { return s.opts.Region }
