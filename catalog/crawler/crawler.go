// Package crawler looks at objects and keeps the tables of a catalog as they are found: Delta, Parquet, JSON and
// delimited text, plain or compressed, with partitions made of folders.
//
// A Runner defines and runs the crawlers that catalog.Store keeps: New, Create, Start, Stop, Close; it also starts
// crawls when their schedules say so. A crawl lists its targets into folders (walk), reads the beginning of a few
// objects of each (sample, classify), groups folders of one shape into tables (group), and only then writes: tables and
// partitions by the crawler's policies (register). It reads samples and footers, never whole tables.
//
// A crawl under way is in the catalog as RUNNING. If the process ends, catalog.New makes it a failed one; what it had
// written stays, and the next crawl goes on from there.
package crawler

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/objstore"
)

// crawlsAtOnce bounds how many crawls read objects at the same time; others wait, RUNNING.
const crawlsAtOnce = 2

// Options of New. Zero fields are defaults.
type Options struct {
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default slog.Default()
}

// Runner runs crawlers. It is safe for concurrent use.
type Runner struct {
	store   *catalog.Store
	objects objstore.Store
	now     func() time.Time
	logger  *slog.Logger

	ctx     context.Context // ends with Close
	close   context.CancelFunc
	slots   chan struct{} // one is taken by each crawl that reads
	changed chan struct{} // a schedule may have changed
	wg      sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	running map[string]context.CancelFunc
	closed  bool
}

// New returns a runner of the crawlers in store over objects, and starts to follow their schedules. Call Close to end it.
func New(store *catalog.Store, objects objstore.Store, opts Options) *Runner {
	r := &Runner{
		store: store, objects: objects, now: opts.Now, logger: opts.Logger,
		slots: make(chan struct{}, crawlsAtOnce), changed: make(chan struct{}, 1), running: map[string]context.CancelFunc{},
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.logger == nil {
		r.logger = slog.Default()
	}
	r.ctx, r.close = context.WithCancel(context.Background())
	r.wg.Go(r.followSchedules)
	return r
}

// Close stops all crawls and waits for them.
func (r *Runner) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.close()
	r.wg.Wait()
	return nil
}

// Create adds a crawler with its first tags. ErrInvalid, ErrExists of package catalog.
func (r *Runner) Create(ctx context.Context, c catalog.Crawler, tags map[string]string) error {
	if err := Check(&c); err != nil {
		return err
	}
	defer r.scheduleChanged()
	return r.store.CreateCrawler(ctx, c, tags)
}

// Update applies change to the definition of a crawler that is not at work. ErrNotFound, ErrCrawlerRunning, ErrInvalid of
// package catalog, and what change returns.
func (r *Runner) Update(ctx context.Context, name string, change func(*catalog.Crawler) error) error {
	defer r.scheduleChanged()
	return r.store.ChangeCrawler(ctx, name, func(c *catalog.Crawler) error {
		if err := change(c); err != nil {
			return err
		}
		return Check(c)
	})
}

// Start begins a crawl, which goes on in the background. ErrNotFound, ErrCrawlerRunning of package catalog.
func (r *Runner) Start(ctx context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.New("start crawler: the server is stopping")
	}
	if err := r.store.BeginCrawl(ctx, name); err != nil {
		return err
	}
	crawling, cancel := context.WithCancel(r.ctx)
	r.running[name] = cancel
	r.wg.Go(func() {
		defer cancel()
		r.run(crawling, name)
	})
	return nil
}

// Stop asks a crawl to end; what it has written stays. ErrNotFound, ErrCrawlerIdle, ErrCrawlerStopping of package catalog.
func (r *Runner) Stop(ctx context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.store.StopCrawl(ctx, name); err != nil {
		return err
	}
	if cancel := r.running[name]; cancel != nil {
		cancel()
	}
	return nil
}

// run does one crawl and records how it ended.
func (r *Runner) run(ctx context.Context, name string) {
	result, err := r.attempt(ctx, name)
	switch {
	case err == nil:
		result.Status = "SUCCEEDED"
	case ctx.Err() != nil:
		result.Status = "CANCELLED"
	default:
		result.Status, result.Error = "FAILED", err.Error()
		r.logger.Warn("crawl failed", "crawler", name, "error", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, name)
	if err := r.store.EndCrawl(context.WithoutCancel(ctx), name, result); err != nil {
		r.logger.Error("crawl is over but could not be recorded", "crawler", name, "error", err)
	}
}

func (r *Runner) attempt(ctx context.Context, name string) (catalog.Crawl, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return catalog.Crawl{}, ctx.Err()
	}
	c, err := r.store.Crawler(ctx, name)
	if err != nil {
		return catalog.Crawl{}, err
	}
	return crawl(ctx, r.store, r.objects, c, r.now())
}
