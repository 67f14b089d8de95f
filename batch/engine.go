package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/columnar"
)

// Options of New. Pipeline, Source, Transform and Progress are required, and Sink or Print.
type Options struct {
	Pipeline  *Pipeline
	Source    Source
	Transform Transform
	Sink      Sink    // nil: batches are only printed
	Letters   Letters // required unless the pipeline's mode is fail
	Progress  ProgressStore
	// Translate turns the query, in Athena's dialect, into the Transform's. Nil leaves it as it is.
	Translate func(sql string) (string, error)
	// Once runs what is there now and ends, whatever trigger the pipeline has.
	Once bool
	// Workers is the number of cores that decode; default all.
	Workers int
	// Print shows each batch after the sink took it; nil shows nothing.
	Print *ConsolePrinter
	// OnProgress is called after each batch, on the engine's goroutine.
	OnProgress func(Report)
	// RetryFor is how long a step may fail with temporary errors, one after the other, before the pipeline stops;
	// default five minutes.
	RetryFor time.Duration
	Logger   *slog.Logger
	Now      func() time.Time
}

// Engine runs one pipeline. One goroutine calls Run; Stop may come from any.
type Engine struct {
	opts     Options
	pipeline *Pipeline
	query    string           // in the Transform's dialect
	schema   *columnar.Schema // of the query's result
	decoder  *decoder
	runID    string

	at      Offset // end of the newest batch that is done
	next    int64  // number of the batch after it
	pending *Plan  // a batch that a crash interrupted: it runs first, as it was planned
	target  Offset // where a run of what is available ends; nil: when the source has no more

	stopOnce sync.Once
	stop     chan struct{}
}

// New checks that the options fit together. It reads and writes nothing.
func New(opts Options) (*Engine, error) {
	if opts.Pipeline == nil || opts.Source == nil || opts.Transform == nil || opts.Progress == nil {
		return nil, errors.New("engine needs a pipeline, a source, a transform and a progress store")
	}
	p := opts.Pipeline
	if opts.Sink == nil && opts.Print == nil {
		return nil, fmt.Errorf("pipeline %s has no sink: add sink to its file, or print its batches", p.Name)
	}
	if opts.Letters == nil && p.Source.Mode != Fail {
		return nil, fmt.Errorf("pipeline %s has no place for dead letters: set dead_letters, or source.mode: fail", p.Name)
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
	d, err := newDecoder(p.Source.Stream, p.Source.Schema, columnar.Format{Name: p.Source.Format}, p.Source.Mode, opts.Workers)
	if err != nil {
		return nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
	}
	return &Engine{opts: opts, pipeline: p, decoder: d, query: p.Query, runID: newRunID(), stop: make(chan struct{})}, nil
}

// Stop lets Run finish the batch that it is at, and return nil.
func (e *Engine) Stop() { e.stopOnce.Do(func() { close(e.stop) }) }

// Run works until the trigger is done or Stop is called (nil), ctx ends (its error), or something fails that will
// not get better by itself. It may be run again after that, by a new Engine, and goes on where this one was.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.run(ctx); err != nil {
		return fmt.Errorf("pipeline %s: %w", e.pipeline.Name, err)
	}
	return nil
}

func (e *Engine) run(ctx context.Context) error {
	if err := e.prepare(ctx); err != nil {
		return err
	}
	if err := e.resume(ctx); err != nil {
		return err
	}
	once := e.opts.Once || e.pipeline.Trigger.AvailableNow
	for !e.stopped() {
		if once && e.pending == nil && e.target != nil && e.at.Reached(e.target) {
			return nil
		}
		c := e.newClock()
		plan, err := e.plan(ctx, c)
		if err != nil {
			return err
		}
		if plan == nil && once {
			return nil
		}
		cut := false
		if plan != nil {
			if cut, err = e.runBatch(ctx, plan, c); err != nil {
				return fmt.Errorf("batch %d: %w", plan.Batch, err)
			}
		}
		if err := e.pause(ctx, c.began, plan != nil, once || cut); err != nil {
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

// prepare checks the query and what it gives.
func (e *Engine) prepare(ctx context.Context) (err error) {
	if e.opts.Translate != nil {
		if e.query, err = e.opts.Translate(e.pipeline.Query); err != nil {
			return fmt.Errorf("query: %w", err)
		}
	}
	if e.schema, err = e.opts.Transform.Describe(ctx, e.pipeline.Source.Schema, e.query); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if err := checkColumns(e.schema); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if e.pipeline.Sink == nil {
		return nil
	}
	if err := checkPartitionBy(e.schema, e.pipeline.Sink.PartitionBy); err != nil {
		return fmt.Errorf("sink.partition_by: %w", err)
	}
	return nil
}

func checkColumns(s *columnar.Schema) error {
	seen := map[string]bool{}
	for _, f := range s.Fields {
		name := strings.ToLower(f.Name)
		if seen[name] {
			return fmt.Errorf("gives two columns called %s; give one of them another name with AS", f.Name)
		}
		seen[name] = true
	}
	return nil
}

func checkPartitionBy(s *columnar.Schema, by []string) error {
	for _, name := range by {
		i := s.Index(name)
		if i < 0 {
			return fmt.Errorf("the query gives no column called %s", name)
		}
		switch k := s.Fields[i].Type.Kind; k {
		case columnar.Struct, columnar.List, columnar.Map, columnar.Binary, columnar.Float32, columnar.Float64:
			return fmt.Errorf("column %s is of type %s, which makes no folders", name, s.Fields[i].Type)
		}
	}
	if len(by) > 0 && len(by) >= len(s.Fields) {
		return errors.New("no column is left for the files")
	}
	return nil
}

// resume finds where to go on: what the progress says, checked against what the sink holds.
func (e *Engine) resume(ctx context.Context) error {
	// The source first: a stream that is not there must not leave an empty table behind.
	if err := e.retry(ctx, "open source", func() error { return probe(ctx, e.opts.Source) }); err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	last := int64(-1)
	if e.opts.Sink != nil {
		err := e.retry(ctx, "open sink", func() (err error) {
			last, err = e.opts.Sink.Open(ctx, e.pipeline.Name, e.schema)
			return err
		})
		if err != nil {
			return fmt.Errorf("open sink: %w", err)
		}
	}
	p, err := e.opts.Progress.Load(ctx)
	if err != nil {
		return err
	}
	if err := e.checkProgress(p, last); err != nil {
		return err
	}
	switch {
	case p.Plan == nil:
		if err := e.begin(ctx); err != nil {
			return err
		}
	case p.Committed == p.Plan.Batch:
		e.next, e.at = p.Plan.Batch+1, p.Plan.End
	default:
		e.next, e.at, e.pending = p.Plan.Batch, p.Plan.Start, p.Plan
	}
	return e.aim(ctx)
}

// checkProgress refuses progress that would lose or repeat records.
func (e *Engine) checkProgress(p Progress, last int64) error {
	planned := int64(-1)
	if p.Plan != nil {
		planned = p.Plan.Batch
		if p.Plan.Source != e.pipeline.Source.Stream {
			return fmt.Errorf("%w: it belongs to stream %s, not %s; give the pipeline another name to begin anew",
				ErrProgress, p.Plan.Source, e.pipeline.Source.Stream)
		}
	}
	if last > planned {
		return fmt.Errorf("%w: the table holds batches up to %d of pipeline %s, the progress ends at %d: it was lost or is an "+
			"older copy. Bring the right progress back, or drop the table, or give the pipeline another name, which reads "+
			"from source.start again and adds rows that the table has already", ErrProgress, last, e.pipeline.Name, planned)
	}
	if p.Committed >= 0 && last < 0 && e.opts.Sink != nil {
		e.opts.Logger.Warn("the table holds no batch of this pipeline: it is new, or no batch had rows; going on after the last batch",
			"pipeline", e.pipeline.Name, "batch", p.Committed)
	}
	return nil
}

// begin sets the offset of a pipeline without progress. A start other than the oldest record is kept as an empty
// batch, so that a restart before the first data does not move it.
func (e *Engine) begin(ctx context.Context) error {
	e.at = Offset{}
	start := e.pipeline.Source.Start
	if start.Kind == TrimHorizon {
		return nil
	}
	err := e.retry(ctx, "find the start", func() (err error) {
		e.at, err = position(ctx, e.opts.Source, start)
		return err
	})
	if err != nil {
		return fmt.Errorf("source.start: %w", err)
	}
	p := Plan{Batch: 0, Source: e.pipeline.Source.Stream, Start: e.at, End: e.at, Time: e.opts.Now().UTC()}
	if err := e.opts.Progress.SavePlan(ctx, p); err != nil {
		return err
	}
	e.next = 1
	return e.opts.Progress.SaveCommit(ctx, 0)
}

// probe asks the source for anything, to see that it is there.
func probe(ctx context.Context, source Source) (err error) {
	switch src := source.(type) {
	case Tipper:
		_, err = src.Latest(ctx)
	case Starter:
		_, err = src.Position(ctx, Start{Kind: Latest})
	}
	return err
}

// position asks the source where s is.
func position(ctx context.Context, source Source, s Start) (Offset, error) {
	if src, ok := source.(Starter); ok {
		return src.Position(ctx, s)
	}
	if src, ok := source.(Tipper); ok && s.Kind == Latest {
		return src.Latest(ctx)
	}
	return nil, errors.New("this source cannot begin there; use trim-horizon")
}

// aim sets the target of a run of what is available.
func (e *Engine) aim(ctx context.Context) error {
	t, ok := e.opts.Source.(Tipper)
	if !ok || !e.opts.Once && !e.pipeline.Trigger.AvailableNow {
		return nil
	}
	err := e.retry(ctx, "find the newest record", func() (err error) {
		e.target, err = t.Latest(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("find the newest record: %w", err)
	}
	return nil
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
		err = sleep(waiting, began.Add(interval).Sub(e.opts.Now()))
	case !had:
		err = e.retry(waiting, "wait for records", func() error { return e.opts.Source.Wait(waiting, e.at) })
	}
	if e.stopped() && ctx.Err() == nil {
		return nil
	}
	return err
}
