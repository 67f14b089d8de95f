package duckdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/worker"
)

// ErrCrashed says that the process of a Worker died under a statement.
var ErrCrashed = errors.New("the process of the statement died")

// WorkersOptions of NewWorkers. Dir is required; other zero fields are defaults.
type WorkersOptions struct {
	Dir         string        // in which each process has a folder, the only one that its statements reach
	Processes   int           // that run statements at a time; default 2
	MemoryLimit int64         // of each in bytes; default 1 GiB
	Threads     int           // of each; default all cores
	TempDir     string        // where folders for large results are made; default os.TempDir()
	CancelGrace time.Duration // how long a cancelled statement may take to notice before its process is killed; default 250ms
}

// Workers run statements as a DB does, in processes of their own: a crash of native code there, or too much memory, fails what
// that process did and nothing else. The program must call WorkerMain first thing.
type Workers struct {
	opts WorkersOptions
	pool *worker.Pool[*Worker]
}

// NewWorkers returns workers. Processes start when statements need them, and then stay.
func NewWorkers(opts WorkersOptions) *Workers {
	if opts.Processes <= 0 {
		opts.Processes = 2
	}
	if opts.MemoryLimit <= 0 {
		opts.MemoryLimit = 1 << 30
	}
	if opts.Threads <= 0 {
		opts.Threads = runtime.GOMAXPROCS(0)
	}
	if opts.CancelGrace <= 0 {
		opts.CancelGrace = 250 * time.Millisecond
	}
	w := &Workers{opts: opts}
	w.pool = worker.NewPool(opts.Processes, w.start, (*Worker).end)
	return w
}

// Close ends the processes. One that is taken ends when it is released.
func (w *Workers) Close() { w.pool.Close() }

// Take waits for a worker that nobody else has. The caller releases it.
func (w *Workers) Take(ctx context.Context) (*Worker, error) { return w.pool.Take(ctx) }

func (w *Workers) start() (*Worker, error) {
	dir, err := os.MkdirTemp(w.opts.Dir, "rows-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for files of statements: %w", err)
	}
	return &Worker{workers: w, dir: dir}, nil
}

// Worker runs statements in one process, and in another if that died. It is safe for concurrent use, for as many statements
// as a DB runs at the same time.
type Worker struct {
	workers *Workers
	dir     string

	mu   sync.Mutex // guards the fields below
	p    *process   // nil: none
	temp string     // where p spills
}

// Dir is the folder that statements reach. It is empty at first and will be emptied by Release.
func (k *Worker) Dir() string { return k.dir }

// Release gives a worker back. No statement may be under way or follow.
func (k *Worker) Release() {
	if !k.reusable() {
		k.workers.pool.Drop(k)
		return
	}
	// A Worker of its own for who comes next, so that this one is of no use any more.
	k.workers.pool.Give(&Worker{workers: k.workers, dir: k.dir, p: k.p, temp: k.temp})
}

// reusable says whether the process and its folder are as good as new.
func (k *Worker) reusable() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return (k.p == nil || k.p.idle()) && clearFolder(k.dir) == nil
}

// clearFolder removes what is in a folder.
func clearFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// end ends the process and removes the folder.
func (k *Worker) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.killLocked()
	os.RemoveAll(k.dir) // what stays is among temporary files
}

func (k *Worker) killLocked() {
	if k.p != nil {
		k.p.Kill()
		os.RemoveAll(k.temp) // what stays is among temporary files
		k.p = nil
	}
}

// process returns a process that is alive.
func (k *Worker) process() (*process, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.p != nil && k.p.alive() {
		return k.p, nil
	}
	k.killLocked()
	opts := k.workers.opts
	temp, err := os.MkdirTemp(opts.TempDir, "weir-duckdb-")
	if err != nil {
		return nil, fmt.Errorf("start DuckDB: %w", err)
	}
	p, err := startProcess()
	if err != nil {
		os.RemoveAll(temp)
		return nil, err
	}
	k.p, k.temp = p, temp
	// If this does not reach it the first statement will not either, and says so.
	p.send(frameOpen, Options{Dirs: []string{k.dir}, TempDir: temp, MemoryLimit: opts.MemoryLimit, Threads: opts.Threads})
	return p, nil
}

// Query is DB.Query.
func (k *Worker) Query(ctx context.Context, sql string, tables ...Table) (*columnar.Batch, error) {
	out, err := k.call(ctx, sql, nil, tables)
	if err != nil {
		return nil, err
	}
	if out.rows == nil {
		return nil, fmt.Errorf("%w: it answers without rows", ErrCrashed)
	}
	return out.rows, nil
}

// Copy is DB.Copy.
func (k *Worker) Copy(ctx context.Context, sql string, opts CopyOptions, tables ...Table) ([]CopiedFile, error) {
	out, err := k.call(ctx, sql, &copyCall{
		Dir: opts.Dir, Columns: opts.Columns.JSON(), PartitionBy: opts.PartitionBy, Compression: opts.Compression,
		FileBytes: opts.FileBytes, Serial: opts.Serial, FieldIDs: fieldIDs(opts.Columns.Fields, opts.FieldID),
	}, tables)
	if err != nil {
		return nil, err
	}
	for _, f := range out.Files {
		if !strings.HasPrefix(filepath.Clean(f.Path), filepath.Clean(opts.Dir)+string(filepath.Separator)) {
			return nil, fmt.Errorf("%w: it wrote %q, which is not below %q", ErrCrashed, f.Path, opts.Dir)
		}
	}
	return out.Files, nil
}

// call runs a statement. When ctx ends it is interrupted; it has ended when call returns.
func (k *Worker) call(ctx context.Context, sql string, c *copyCall, tables []Table) (*outcome, error) {
	head, batches, err := newCall(sql, c, tables)
	if err != nil {
		return nil, err
	}
	p, err := k.process()
	if err != nil {
		return nil, err
	}
	done := p.begin(&head)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if err := p.send(frameCall, head, batches...); err != nil {
			p.fail(err)
		}
	}()
	var out *outcome
	select {
	case out = <-done:
	case <-ctx.Done():
		out = p.interrupt(head.ID, done, k.workers.opts.CancelGrace)
	}
	<-sent // the rows are the caller's again
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return out, out.err
}

// process is a process with the calls that it has not answered.
type process struct {
	*worker.Process

	writing sync.Mutex // held for a message
	out     *bufio.Writer

	mu    sync.Mutex // guards the fields below
	calls map[int64]chan *outcome
	last  int64 // id
	dead  error // why it cannot be used
}

// outcome is how a call ended.
type outcome struct {
	answer
	rows *columnar.Batch
	err  error
}

func startProcess() (*process, error) {
	child, err := worker.Start(workerKind)
	if err != nil {
		return nil, err
	}
	p := &process{Process: child, out: bufio.NewWriterSize(child.In, 64<<10), calls: map[int64]chan *outcome{}}
	go p.read()
	return p, nil
}

func (p *process) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead == nil
}

// idle says whether the process is alive and has answered all calls.
func (p *process) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead == nil && len(p.calls) == 0
}

// begin gives a call its id.
func (p *process) begin(c *call) <-chan *outcome {
	done := make(chan *outcome, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	c.ID = p.last
	if p.dead != nil {
		done <- &outcome{err: p.dead}
		return done
	}
	p.calls[c.ID] = done
	return done
}

func (p *process) send(kind byte, head any, batches ...*columnar.Batch) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	return writeMessage(p.out, kind, head, batches...)
}

// interrupt ends a call, with its process if the call goes on.
func (p *process) interrupt(id int64, done <-chan *outcome, grace time.Duration) *outcome {
	go p.send(frameCancel, id) // waits while the pipe is full; a process that died has no use for it
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case out := <-done:
		return out
	case <-late.C:
		p.Stop()
		return <-done
	}
}

// read hands out answers until the process is gone.
func (p *process) read() {
	var buf []byte
	for {
		kind, payload, err := worker.ReadFrame(p.Out, buf)
		if err == nil {
			buf = payload
			err = p.answered(kind, payload)
		}
		if err != nil {
			p.fail(err)
			return
		}
	}
}

func (p *process) answered(kind byte, payload []byte) error {
	a, err := parseAnswer(payload)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	out := &outcome{answer: *a}
	switch kind {
	case frameFailed:
		out.err = a.err()
	case frameFiles:
	case frameRows:
		schema, err := columnar.ParseSchemaJSON(slices.Clone(a.Schema))
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if out.rows, err = columnar.ReadBatch(p.Out, schema, rowsBytesMax); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
	default:
		return fmt.Errorf("unknown frame %q", kind)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	done := p.calls[a.ID]
	if done == nil {
		return fmt.Errorf("answer to call %d, which nobody made", a.ID)
	}
	delete(p.calls, a.ID)
	done <- out
	return nil
}

// fail ends the process and all its calls.
func (p *process) fail(err error) {
	why := fmt.Errorf("%w: %s", ErrCrashed, p.Death(err))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead == nil {
		p.dead = why
	}
	p.Stop()
	for id, done := range p.calls {
		delete(p.calls, id)
		done <- &outcome{err: p.dead}
	}
}
