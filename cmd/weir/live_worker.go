package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/weir-data/weir/batch"
	batchdelta "github.com/weir-data/weir/batch/delta"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/batch/folders"
	"github.com/weir-data/weir/batch/live"
	"github.com/weir-data/weir/batch/state"
	"github.com/weir-data/weir/internal/worker"
)

// liveKind is what the processes are called that run queries of pipelines for FOR LIVE. Each does one task after the other, as frames of
// JSON, and reads streams and tables through the socket of its server, other sources as the pipeline does.
const liveKind = "live"

const (
	frameTask   = 't'
	frameAnswer = 'a'
)

// liveTask is what a process does.
type liveTask struct {
	Name        string
	File        string // text of the pipeline file
	From        batch.Progress
	Held        int64
	Choice      *live.Choice
	PartitionBy []string
	Dir         string // for the rows
	State       string // folder of the state that goes with From, if there is one
	NoState     string // why there is none
	Time        time.Time

	// What is the same for all tasks of a process.
	Socket, Region, Scratch, Temp string
}

// liveAnswer is the outcome of a task.
type liveAnswer struct {
	Tail    *live.Tail        `json:",omitempty"`
	Error   string            `json:",omitempty"`
	Passed  *live.PassedError `json:",omitempty"`
	Moved   bool              // the state is gone
	TooMuch bool
}

// liveWorkerMain does tasks and exits in a process that liveWorkers started, and returns at once in all others.
func liveWorkerMain() {
	worker.Main(liveKind, func(in io.Reader, out io.Writer) error {
		w := new(liveWorker)
		defer w.close()
		for {
			_, payload, err := worker.ReadFrame(in, nil)
			if err != nil {
				return err
			}
			task := new(liveTask)
			if err := json.Unmarshal(payload, task); err != nil {
				return fmt.Errorf("read task: %w", err)
			}
			raw, err := json.Marshal(w.do(context.Background(), task))
			if err != nil {
				return fmt.Errorf("write answer: %w", err)
			}
			if err := worker.WriteFrame(out, frameAnswer, raw); err != nil {
				return err
			}
		}
	})
}

// liveWorker is such a process.
type liveWorker struct {
	db       *duckdb.DB
	backends backends
}

func (w *liveWorker) close() {
	if w.db != nil {
		w.db.Close()
	}
}

// errStateGone says that the state that a task needs is not there; a query without state needs none.
var errStateGone = fmt.Errorf("its state is not on this server: %w", fs.ErrNotExist)

func (w *liveWorker) do(ctx context.Context, task *liveTask) *liveAnswer {
	tail, err := w.tail(ctx, task)
	if err == nil {
		for i := range tail.Files {
			tail.Files[i].Columns = nil
		}
		return &liveAnswer{Tail: tail}
	}
	if passed := new(live.PassedError); errors.As(err, &passed) {
		return &liveAnswer{Passed: passed}
	}
	return &liveAnswer{Error: err.Error(), Moved: errors.Is(err, errStateGone), TooMuch: errors.Is(err, live.ErrTooMuch)}
}

func (w *liveWorker) tail(ctx context.Context, task *liveTask) (*live.Tail, error) {
	if err := w.open(task); err != nil {
		return nil, err
	}
	p, err := batch.ParsePipeline(task.Name, []byte(task.File))
	if err != nil {
		return nil, err
	}
	sources, done, err := w.sources(ctx, p)
	if err != nil {
		return nil, err
	}
	defer done()
	runner, err := w.db.NewRunner()
	if err != nil {
		return nil, err
	}
	defer runner.Close()
	deltas := batchdelta.NewTables(batchdelta.TablesOptions{Store: w.backends.objects, Catalog: w.backends.catalog, DB: w.db, Staging: task.Dir})
	defer deltas.Close() // what stays goes with the folder
	tables := folders.New(folders.Options{Store: w.backends.objects, Catalog: w.backends.catalog, Delta: deltas, Staging: task.Dir})
	defer tables.Close()
	return live.Run(ctx, live.Options{
		Pipeline: p, Sources: sources, Compile: compiler(ctx, tables), Runner: runner, Tables: tables,
		State: func(context.Context) (batch.StateStore, error) {
			if task.NoState != "" {
				return nil, fmt.Errorf("%w: %s", errStateGone, task.NoState)
			}
			return state.Open(state.Options{Dir: task.State})
		},
		StateKept: func(ctx context.Context) (int64, error) { return state.Newest(ctx, state.Options{Dir: task.State}) },
		From:      task.From, Held: task.Held, Choice: task.Choice, PartitionBy: task.PartitionBy, Dir: task.Dir, Now: func() time.Time { return task.Time },
	})
}

// sources opens what a pipeline reads. Streams of Kinesis endpoints are asked for records, also by a pipeline that has them pushed: its
// consumer is its own.
func (w *liveWorker) sources(ctx context.Context, p *batch.Pipeline) (all map[string]live.Source, done func(), err error) {
	var closers []io.Closer
	done = func() {
		for _, c := range closers {
			c.Close() // nothing is left to be done
		}
	}
	all = map[string]live.Source{}
	for i := range p.Sources {
		spec := p.Sources[i]
		if spec.Kind == batch.KinesisSource {
			spec.Settings = maps.Clone(spec.Settings)
			delete(spec.Settings, "consumer")
		}
		src, err := w.backends.open(ctx, &spec)
		if c, ok := src.(io.Closer); ok {
			closers = append(closers, c)
		}
		found, ok := src.(live.Source)
		if err == nil && !ok {
			err = fmt.Errorf("source %s cannot be cut", spec.Name)
		}
		if err != nil {
			done()
			return nil, nil, err
		}
		all[spec.Name] = found
	}
	return all, done, nil
}

// open makes what all tasks share.
func (w *liveWorker) open(task *liveTask) (err error) {
	if w.db != nil {
		return nil
	}
	w.backends = inside(&workerTask{Socket: task.Socket, Region: task.Region, Staging: task.Temp})
	w.db, err = duckdb.Open(duckdb.Options{Dirs: []string{task.Scratch}, TempDir: task.Temp})
	return err
}

// liveWorkers keep processes for tasks. They are safe for concurrent use: each task has a process to itself.
type liveWorkers struct {
	socket  func() string
	region  string
	scratch string // a folder that the processes and the engine of queries read and write

	mu     sync.Mutex // guards idle and closed
	idle   []*liveProcess
	closed bool
}

const (
	liveIdleMax  = 2           // processes that wait for work
	liveIdleTime = time.Minute // for which one waits
)

// liveProcess is a process with a folder of its own.
type liveProcess struct {
	*worker.Process
	temp  string
	timer *time.Timer // ends it, while it is idle
}

func (p *liveProcess) end() {
	p.Kill()
	os.RemoveAll(p.temp) // what stays is among temporary files
}

// run does a task. When ctx ends its process is ended too.
func (l *liveWorkers) run(ctx context.Context, task *liveTask) (*liveAnswer, error) {
	for {
		p, fresh, err := l.take()
		if err != nil {
			return nil, err
		}
		answer, err := l.ask(ctx, p, *task)
		if err == nil {
			l.give(p)
			return answer, nil
		}
		why := p.Death(err)
		p.end()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case fresh:
			return nil, fmt.Errorf("its process died: %s", why)
		}
	}
}

func (l *liveWorkers) ask(ctx context.Context, p *liveProcess, task liveTask) (*liveAnswer, error) {
	defer context.AfterFunc(ctx, p.Stop)()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	task.Socket, task.Region, task.Scratch, task.Temp = l.socket(), l.region, l.scratch, p.temp
	raw, err := json.Marshal(task)
	if err != nil {
		return nil, err
	}
	if err := worker.WriteFrame(p.In, frameTask, raw); err != nil {
		return nil, err
	}
	_, payload, err := worker.ReadFrame(p.Out, nil)
	if err != nil {
		return nil, err
	}
	answer := new(liveAnswer)
	return answer, json.Unmarshal(payload, answer)
}

// take returns an idle process, or a fresh one.
func (l *liveWorkers) take() (p *liveProcess, fresh bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, false, errors.New("the server stops")
	}
	if n := len(l.idle); n > 0 {
		p := l.idle[n-1]
		l.idle = l.idle[:n-1]
		p.timer.Stop()
		return p, false, nil
	}
	p = new(liveProcess)
	if p.temp, err = os.MkdirTemp(l.scratch, "live-worker-*"); err != nil {
		return nil, false, err
	}
	if p.Process, err = worker.StartTrusted(liveKind); err != nil { // with what the pipeline's own process has
		return nil, false, errors.Join(err, os.RemoveAll(p.temp))
	}
	return p, true, nil
}

// give keeps a process for the next task, for a while.
func (l *liveWorkers) give(p *liveProcess) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.idle) >= liveIdleMax {
		p.end()
		return
	}
	p.timer = time.AfterFunc(liveIdleTime, func() { l.drop(p) })
	l.idle = append(l.idle, p)
}

// drop ends a process that is still idle.
func (l *liveWorkers) drop(p *liveProcess) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.idle {
		if other == p {
			l.idle = append(l.idle[:i], l.idle[i+1:]...)
			p.end()
			return
		}
	}
}

// Close ends the processes. No task may be under way.
func (l *liveWorkers) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, p := range l.idle {
		p.timer.Stop()
		p.end()
	}
	l.idle = nil
	return nil
}
