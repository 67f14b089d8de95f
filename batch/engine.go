package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/weir-data/weir/columnar"
)

// Options of New. Pipeline, Sources, Runner and Progress are required, and Sinks or Print.
type Options struct {
	Pipeline *Pipeline
	Sources  map[string]Source // by their names in the pipeline; those that are io.Closers are closed when Run ends
	// Compile makes a Program of the pipeline's query over inputs of the given columns. Nil takes the query as it is, as a step of a
	// Program without state.
	Compile func(p *Pipeline, inputs map[string]*columnar.Schema) (*Program, error)
	Runner  Runner
	Tables  Tables // that queries join with the sources; nil: none
	Sinks   []Sink
	Letters Letters // required unless every source's mode is fail
	// Progress and State are where the pipeline stands. State opens the store for a query that has state.
	Progress ProgressStore
	State    func(ctx context.Context) (StateStore, error)
	// StateKept tells the newest batch after which the pipeline's state was kept, -1 for none, and makes nothing: a query without state looks
	// there that none is left behind. Nil: there is none.
	StateKept func(ctx context.Context) (int64, error)
	// Once runs what is there now and ends, whatever trigger the pipeline has.
	Once bool
	// Workers is the number of cores that decode; default all.
	Workers int
	// Print shows each batch after the sinks took it; nil shows nothing.
	Print *ConsolePrinter
	// OnProgress is called after each batch, on the engine's goroutine. The next batch may be on its way.
	OnProgress func(Report)
	// OnWait is called when a step has failed and will be tried again, and with nil when it no longer waits, on the engine's goroutine.
	OnWait func(*Waiting)
	// Fault is called between each two steps of a batch, with the name of the step that is done (see FaultPoints): a test kills the
	// process there.
	Fault func(point string)
	// RetryFor is how long a step may fail with temporary errors, one after the other, before the pipeline stops;
	// default five minutes.
	RetryFor time.Duration
	Logger   *slog.Logger
	// Now says what time it is, to plans, reports and people, and may go back or leap. How long something takes or is to be waited for is measured by the
	// machine.
	Now func() time.Time
}

// Engine runs one pipeline. One goroutine calls Run; Stop may come from any.
type Engine struct {
	opts     Options
	pipeline *Pipeline
	inputs   []*input // in the order of the pipeline's sources
	sinks    []Sink
	runID    string

	program   *Program
	described *Description
	state     StateStore   // nil: the program has none
	version   StateVersion // of the newest batch that is done

	next    int64 // number of the batch after the newest that is done
	pending *Plan // a batch that a crash interrupted: it runs first, as it was planned
	ahead   *ahead
	times   watermarks

	takers      bool            // all sources are Takers
	letterBytes int64           // of the dead letters of the newest batch
	warned      map[string]bool // reasons to wait that the log has, since the newest batch

	stopOnce sync.Once
	stop     chan struct{}
}

// New checks that the options fit together. It reads and writes nothing.
func New(opts Options) (*Engine, error) {
	p := opts.Pipeline
	if p == nil || len(p.Sources) == 0 || opts.Runner == nil || opts.Progress == nil {
		return nil, errors.New("engine needs a pipeline, its sources, a runner and a progress store")
	}
	if len(opts.Sinks) == 0 && opts.Print == nil {
		return nil, fmt.Errorf("pipeline %s has no sink: add sink to its file, or print its batches", p.Name)
	}
	if opts.Workers == 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.RetryFor == 0 {
		opts.RetryFor = 5 * time.Minute
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Fault == nil {
		opts.Fault = func(string) {}
	}
	e := &Engine{opts: opts, pipeline: p, sinks: slices.Clone(opts.Sinks), runID: newRunID(), stop: make(chan struct{}), takers: true, warned: map[string]bool{}}
	if opts.Print != nil {
		e.sinks = append(e.sinks, opts.Print)
	}
	for i := range p.Sources {
		in, err := newInput(&p.Sources[i], opts)
		if err != nil {
			return nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
		}
		_, taker := in.source.(Taker)
		e.takers = e.takers && taker
		e.inputs = append(e.inputs, in)
	}
	return e, nil
}

// Stop lets Run finish the batch that it is at, and return nil.
func (e *Engine) Stop() { e.stopOnce.Do(func() { close(e.stop) }) }

// Run works until the trigger is done or Stop is called (nil), ctx ends (its error), or something fails that will
// not get better by itself. It may be run again after that, by a new Engine, and goes on where this one was.
func (e *Engine) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, e.close()) }()
	if err := e.run(ctx); err != nil {
		return fmt.Errorf("pipeline %s: %w", e.pipeline.Name, err)
	}
	return nil
}

// close closes the state, and the sources that can be closed.
func (e *Engine) close() error {
	var errs []error
	if e.state != nil {
		errs = append(errs, e.state.Close())
	}
	for _, in := range e.inputs {
		if c, ok := in.source.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		e.endAhead()
	}()
	if err := e.prepare(ctx); err != nil {
		return err
	}
	if err := e.resume(ctx); err != nil {
		return err
	}
	var began time.Time // of the newest batch of the trigger
	for early := false; !e.stopped(); {
		if e.availableNow() && e.pending == nil && e.reached(nil) && !e.overdue() {
			return nil
		}
		c := e.newClock()
		if !early {
			began = c.since
		}
		plan, taken, err := e.plan(ctx, c, early)
		if err != nil {
			return err
		}
		if plan == nil && e.ends() {
			return nil
		}
		cut := false
		if plan != nil {
			if cut, err = e.runBatch(ctx, plan, taken, c); err != nil {
				return fmt.Errorf("batch %d: %w", plan.Batch, err)
			}
			if e.pipeline.Trigger.Once && !e.opts.Once && !plan.empty() {
				return nil
			}
		}
		// What became final with the batch leaves at once, in a batch without data if nothing has come.
		if early = plan != nil && !cut && e.overdue(); early {
			continue
		}
		if err := e.pause(ctx, began, plan != nil, cut || e.ends()); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) stopped() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}

// availableNow says whether the run ends with what is there when it begins.
func (e *Engine) availableNow() bool { return e.opts.Once || e.pipeline.Trigger.AvailableNow }

// ends says whether the run ends when there is nothing more.
func (e *Engine) ends() bool { return e.availableNow() || e.pipeline.Trigger.Once }

// reached says whether all inputs are where a run of what is available ends, or will be when p is done, nil for none.
func (e *Engine) reached(p *Plan) bool {
	return !slices.ContainsFunc(e.inputs, func(in *input) bool {
		at := in.at
		if p != nil {
			at = p.Sources[in.spec.Name].End
		}
		return in.target == nil || !at.Reached(in.target)
	})
}

// overdue says whether the watermark has risen since the newest batch, so that a batch without data would let rows leave the state.
func (e *Engine) overdue() bool {
	if e.program == nil || e.pipeline.Mode == Complete || !e.times.now.After(e.times.used) {
		return false
	}
	return slices.ContainsFunc(e.program.States, func(s StateSpec) bool { return s.Until != "" || s.Replace })
}

// pause waits for the next batch's time, and for data if there was none.
func (e *Engine) pause(ctx context.Context, began time.Time, had, now bool) error {
	if now || e.stopped() {
		return ctx.Err()
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-e.stop:
			cancel()
		case <-waiting.Done():
		}
	}()
	var err error
	switch interval := e.pipeline.Trigger.Interval; {
	case interval > 0:
		err = Sleep(waiting, interval-time.Since(began))
	case !had:
		err = e.retry(waiting, "wait for records", func() error { return waitAny(waiting, e.inputs) })
	}
	if e.stopped() && ctx.Err() == nil {
		return nil
	}
	return err
}
