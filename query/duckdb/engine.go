// Package duckdb is the query.Engine on DuckDB.
//
// DuckDB is native code: a crash in it takes its process along. So every query runs in a child process, a worker, which
// is this program started again (WorkerMain must be the first call of main, and of TestMain in tests that use an
// Engine). New makes an Engine, Run sends a query to a worker that is idle, or starts one if there are fewer than
// Options.Workers, and relays the rows; a worker that crashed fails its query and is replaced. A worker dies with its
// parent, since its pipe closes. Nothing here is durable.
package duckdb

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/weir-data/weir/internal/worker"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// Options of New. Zero fields are defaults.
type Options struct {
	Workers     int    // processes, and so queries at a time; default 2
	MemoryLimit int64  // of one query, in bytes; default 1 GiB
	Threads     int    // of one query; default: all processors
	TempDir     string // where large sorts and joins spill; default os.TempDir()
	Dirs        []string
	CancelGrace time.Duration // how long a cancelled query may take to notice before its worker is killed; default 250ms
}

// Engine runs queries in child processes. It is safe for concurrent use.
type Engine struct {
	opts Options
	pool *worker.Pool[*process]
}

// New returns an engine whose queries may read and write below opts.Dirs only. Processes start when queries need them.
func New(opts Options) *Engine {
	if opts.Workers <= 0 {
		opts.Workers = 2
	}
	if opts.MemoryLimit <= 0 {
		opts.MemoryLimit = 1 << 30
	}
	if opts.Threads <= 0 {
		opts.Threads = runtime.NumCPU()
	}
	if opts.TempDir == "" {
		opts.TempDir = os.TempDir()
	}
	if opts.CancelGrace <= 0 {
		opts.CancelGrace = 250 * time.Millisecond
	}
	return &Engine{opts: opts, pool: worker.NewPool(opts.Workers, startProcess, func(p *process) { p.Kill() })}
}

// Close ends the workers that are idle; queries that run end theirs.
func (e *Engine) Close() error {
	e.pool.Close()
	return nil
}

// Run implements query.Engine.
func (e *Engine) Run(ctx context.Context, r *query.Request, out query.Sink) (query.Report, error) {
	p, err := e.pool.Take(ctx)
	if err != nil {
		return query.Report{}, err
	}
	report, healthy, err := p.run(ctx, e.task(r), out, e.opts.CancelGrace)
	if healthy {
		e.pool.Give(p)
	} else {
		e.pool.Drop(p)
	}
	return report, err
}

func (e *Engine) task(r *query.Request) *task {
	dirs := slices.Clone(e.opts.Dirs)
	if r.Copy != nil {
		dirs = append(dirs, r.Copy.Dir)
	}
	return &task{r, limits{e.opts.MemoryLimit, e.opts.Threads, e.opts.TempDir, dirs}}
}

// process is a worker as its parent sees it.
type process struct {
	*worker.Process
	buf []byte
}

func startProcess() (*process, error) {
	p, err := worker.Start(workerKind)
	if err != nil {
		return nil, err
	}
	return &process{Process: p}, nil
}

// run relays one query. healthy is false if the worker must not be used again.
func (p *process) run(ctx context.Context, t *task, out query.Sink, grace time.Duration) (r query.Report, healthy bool, err error) {
	payload, err := json.Marshal(t)
	if err != nil {
		return r, true, fmt.Errorf("encode query: %w", err)
	}
	stop := make(chan struct{})
	watcher := make(chan struct{})
	go func() { // asks the worker to stop when ctx is done, and ends it if it does not
		defer close(watcher)
		select {
		case <-stop:
			return
		case <-ctx.Done():
		}
		worker.WriteFrame(p.In, frameCancel, nil)
		select {
		case <-stop:
		case <-time.After(grace):
			p.Stop()
		}
	}()
	defer func() { close(stop); <-watcher }()
	if err := worker.WriteFrame(p.In, frameQuery, payload); err != nil {
		return r, false, p.crashed(ctx, err)
	}
	return p.relay(ctx, out)
}

func (p *process) relay(ctx context.Context, out query.Sink) (r query.Report, healthy bool, err error) {
	var cells [][]byte
	for {
		kind, payload, err := worker.ReadFrame(p.Out, p.buf)
		if err != nil {
			return r, false, p.crashed(ctx, err)
		}
		p.buf = payload
		switch kind {
		case frameColumns:
			var cols []sql.Column
			if err = json.Unmarshal(payload, &cols); err == nil {
				err = out.Columns(cols)
			}
		case frameRows:
			if cells, err = readCells(payload, cells[:0]); err == nil {
				err = out.Rows(cells)
			}
		case frameDone:
			err = json.Unmarshal(payload, &r)
			return r, err == nil && ctx.Err() == nil, err
		case frameFailed:
			return r, ctx.Err() == nil, failed(ctx, payload)
		default:
			err = fmt.Errorf("unknown frame %q from query worker", kind)
		}
		if err != nil { // the sink wants no more
			return r, false, err
		}
	}
}

func failed(ctx context.Context, payload []byte) error {
	var f failure
	if err := json.Unmarshal(payload, &f); err != nil {
		return fmt.Errorf("%w: %s", query.ErrCrashed, err)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case f.Memory:
		return fmt.Errorf("%w: %s", query.ErrMemory, f.Message)
	}
	return fmt.Errorf("%w: %s", query.ErrEngine, f.Message)
}

// crashed says why a worker went away under a query.
func (p *process) crashed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	why := p.Death(err)
	if p.UsedMemory() {
		return fmt.Errorf("%w: %s", query.ErrMemory, why)
	}
	return fmt.Errorf("%w: %s", query.ErrCrashed, why)
}
