package batch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weir-data/weir/columnar"
)

// clock measures the steps of one micro-batch, under the names that Spark gives them.
type clock struct {
	began time.Time        // by Options.Now
	since time.Time        // the same moment, for Since
	took  map[string]int64 // milliseconds
}

func (e *Engine) newClock() *clock {
	return &clock{began: e.opts.Now(), since: time.Now(), took: map[string]int64{}}
}

// step does f and notes how long it took.
func (c *clock) step(name string, f func() error) error {
	t := time.Now()
	err := f()
	c.took[name] += time.Since(t).Milliseconds()
	return err
}

// FaultPoints are the names of the steps after which Options.Fault is called, in order. "sink 0" is the first sink; others follow.
// "uploaded" is passed in the middle of a Delta sink that appends, "state" only where there is state.
var FaultPoints = []string{"planned", "read", "letters", "computed", "uploaded", "sink 0", "state", "marked"}

// planUnit is the precision of a plan's time, which is what current_timestamp gives.
const planUnit = time.Millisecond

// empty says whether the batch takes nothing from the sources.
func (p *Plan) empty() bool {
	for _, r := range p.Sources {
		if !r.Start.Equal(r.End) {
			return false
		}
	}
	return true
}

// plan returns the batch to run, its plan durable, or nil if there is nothing to do; and what was read for it, nil if nothing was. early says
// that the trigger's interval is not over: then only what is overdue runs.
func (e *Engine) plan(ctx context.Context, c *clock, early bool) (*Plan, *taken, error) {
	if p := e.pending; p != nil {
		e.pending = nil
		return p, nil, nil
	}
	idle := early && e.pipeline.Trigger.Interval > 0 && !e.ends()
	var t *taken
	c.step("getBatch", func() error {
		if t = e.awaitAhead(ctx, c); t == nil && !idle && !e.stopped() {
			t = e.takeNow(ctx)
		}
		return nil
	})
	if e.stopped() { // nothing of it is kept
		return nil, nil, nil
	}
	p := &Plan{
		Batch: e.next, Time: c.began.UTC().Truncate(planUnit), Watermark: e.times.now, Late: e.times.used, Sources: map[string]Range{},
	}
	err := c.step("latestOffset", func() error { return e.planRanges(ctx, p, t) })
	switch {
	case err != nil:
		return nil, nil, err
	case p.empty() && !e.overdue(), !p.empty() && idle:
		return nil, nil, nil
	}
	err = e.retry(ctx, "look at tables", func() (err error) {
		p.Tables, err = e.tableStates(ctx)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("plan batch %d: %w", p.Batch, err)
	}
	err = c.step("walCommit", func() error {
		return e.retry(ctx, "save progress", func() error { return e.opts.Progress.SavePlan(ctx, *p) })
	})
	return p, t, err
}

// planRanges says what p takes from the sources: what was taken, or else how far they say that the next batch goes.
func (e *Engine) planRanges(ctx context.Context, p *Plan, t *taken) error {
	for i, in := range e.inputs {
		var end Offset
		if t != nil {
			end = t.ends[i]
		} else {
			err := e.retry(ctx, "plan a batch", func() (err error) {
				end, err = in.source.Plan(ctx, in.at.Clone(), in.limit)
				return err
			})
			if err != nil {
				return fmt.Errorf("plan batch %d: source %s: %w", p.Batch, in.spec.Name, err)
			}
		}
		p.Sources[in.spec.Name] = Range{Of: in.spec.Stream, Start: in.at.Clone(), End: end.Clone()}
	}
	return nil
}

// microbatch is one planned batch at work.
type microbatch struct {
	*Engine
	plan    *Plan
	taken   *taken // what was read of it already; nil: nothing
	clock   *clock
	letters *letterWriter
	result  Result
	written []Written // by sink
	events  eventTimes
	latest  []Offset            // by input: the end of what was there when the batch was done, nil if not known
	figures []map[string]string // by input: what a Metered source told when the batch had been read
	kept    time.Duration       // that it took to keep the state
	after   StateVersion        // of the state
}

// runBatch does all of one planned batch. cut says that its limit ended it, so that more is waiting.
func (e *Engine) runBatch(ctx context.Context, p *Plan, t *taken, c *clock) (cut bool, err error) {
	b := &microbatch{
		Engine: e, plan: p, taken: t, clock: c, written: make([]Written, len(e.sinks)),
		letters: &letterWriter{letters: e.opts.Letters, pipeline: e.pipeline.Name, batch: p.Batch},
	}
	e.opts.Fault("planned")
	if err := c.step("getBatch", func() error { return b.readAll(ctx) }); err != nil {
		return false, err
	}
	b.meter()
	b.readAhead(ctx)
	defer b.closeResult()
	if err := c.step("addBatch", func() error { return b.apply(ctx) }); err != nil {
		return false, err
	}
	if err := c.step("commitOffsets", func() error { return b.mark(ctx) }); err != nil {
		return false, err
	}
	cut = b.cut()
	b.maintain(ctx, cut)
	if e.opts.OnProgress != nil {
		b.look(ctx)
		e.opts.OnProgress(b.report())
	}
	return cut, nil
}

// cut says whether the batch ended where a limit is, so that more is waiting.
func (b *microbatch) cut() bool { return slices.ContainsFunc(b.inputs, (*input).full) }

// maintain lets the sinks do their own work.
func (b *microbatch) maintain(ctx context.Context, behind bool) {
	for _, s := range b.sinks {
		if m, ok := s.(Maintainer); ok {
			b.clock.step("maintain", func() error { m.Maintain(ctx, behind); return nil })
		}
	}
}

// readAll reads the batch, twice if its records widen the schema.
func (b *microbatch) readAll(ctx context.Context) error {
	read := func() error { return b.read(ctx) }
	if err := b.retry(ctx, "read records", read); err != nil || !b.evolves() {
		return err
	}
	if widened, err := b.evolve(ctx); err != nil || !widened {
		return err
	}
	return b.retry(ctx, "read records", read)
}

// read decodes the records of the batch, unless that is done, and writes the dead letters among them. Done again, it gives the same.
func (b *microbatch) read(ctx context.Context) error {
	if t := b.taken; t != nil {
		b.taken = nil
		b.adopt(t)
	} else if err := b.decode(ctx); err != nil {
		return err
	}
	b.opts.Fault("read")
	if err := b.letters.flush(ctx); err != nil {
		return err
	}
	b.Engine.letterBytes = b.letters.bytes
	b.opts.Fault("letters")
	return nil
}

// decode reads what was planned.
func (b *microbatch) decode(ctx context.Context) error {
	b.letters.reset()
	for _, in := range b.inputs {
		b.letters.from(in.spec, len(b.inputs) > 1)
		if err := in.read(ctx, b.plan.Sources[in.spec.Name], b.letters); err != nil {
			return err
		}
	}
	return nil
}

// apply runs the query, gives its rows to the sinks, and then keeps the state.
func (b *microbatch) apply(ctx context.Context) error {
	if err := b.retry(ctx, "run the query", func() error { return b.compute(ctx) }); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	b.opts.Fault("computed")
	for i, s := range b.sinks {
		err := b.retry(ctx, "write", func() (err error) {
			b.written[i], err = s.Write(ctx, b.plan.Batch, b.result)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.About().Description, err)
		}
		b.opts.Fault(fmt.Sprintf("sink %d", i))
	}
	if b.state == nil {
		return nil
	}
	began := time.Now()
	err := b.retry(ctx, "keep state", func() error { return b.keepState(ctx) })
	b.kept = time.Since(began)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	b.opts.Fault("state")
	return nil
}

// compute runs the query over what was read and the state before the batch.
func (b *microbatch) compute(ctx context.Context) (err error) {
	in := RunInput{
		Batch: b.plan.Batch, Watermark: b.plan.Watermark, Late: b.plan.Late, Time: b.plan.Time,
		Inputs: map[string][]*columnar.Batch{}, State: b.version, Shared: len(b.sinks) > 1,
	}
	if in.Statics, err = b.statics(ctx, b.plan); err != nil {
		return err
	}
	for _, input := range b.inputs {
		in.Inputs[input.spec.Name] = input.decoder.batches()
	}
	if b.state != nil {
		if in.StateDir, err = b.state.NewDir(ctx, b.version); err != nil {
			return err
		}
	}
	if b.result, err = b.opts.Runner.Run(ctx, b.program, b.described, in); err != nil {
		return err
	}
	if err := b.tellTimes(ctx); err != nil {
		b.closeResult()
		b.result = nil
		return err
	}
	return nil
}

// tellTimes asks for the event times that the program makes.
func (b *microbatch) tellTimes(ctx context.Context) error {
	for _, in := range b.inputs {
		step := b.program.EventTimes[in.spec.Name]
		if step == "" {
			continue
		}
		row, err := b.result.Step(ctx, step)
		if err == nil {
			in.events, err = eventTimesIn(row)
		}
		if err != nil {
			return fmt.Errorf("event times of source %s: %w", in.spec.Name, err)
		}
	}
	return nil
}

func (b *microbatch) closeResult() {
	if b.result == nil {
		return
	}
	if err := b.result.Close(); err != nil {
		b.opts.Logger.Warn("the result of a batch was not put away", "pipeline", b.pipeline.Name, "batch", b.plan.Batch, "error", err)
	}
}

// keepState makes the state after the batch the newest version.
func (b *microbatch) keepState(ctx context.Context) error {
	v, err := b.state.Commit(ctx, b.version, b.plan.Batch, b.plan.Watermark, b.result.Runs())
	if err != nil {
		return err
	}
	b.after = v
	return nil
}

// meter asks the sources for their figures, before they are those of the next batch.
func (b *microbatch) meter() {
	b.figures = make([]map[string]string, len(b.inputs))
	for i, in := range b.inputs {
		if src, ok := in.source.(Metered); ok {
			b.figures[i] = src.Metrics()
		}
	}
}

// look asks the sources that have more how far they go, for the report. It is no matter if they do not tell.
func (b *microbatch) look(ctx context.Context) {
	b.latest = make([]Offset, len(b.inputs))
	for i, in := range b.inputs {
		b.latest[i] = in.at
		if t, ok := in.source.(Tipper); ok && in.full() {
			b.latest[i] = nil
			if o, err := t.Latest(ctx); err == nil {
				b.latest[i] = o
			}
		}
	}
}

// mark notes that the batch is done, and moves the engine on.
func (b *microbatch) mark(ctx context.Context) error {
	for _, in := range b.inputs {
		if in.events.rows > 0 {
			b.times.see(in.spec.Name, time.UnixMilli(in.events.max).UTC())
		}
		b.events = b.events.join(in.events)
	}
	m := Mark{Batch: b.plan.Batch, MaxEventTime: maps.Clone(b.times.seen), Discovered: b.discovered()}
	if err := b.retry(ctx, "save progress", func() error { return b.opts.Progress.SaveMark(ctx, m) }); err != nil {
		return err
	}
	b.opts.Fault("marked")
	b.Engine.next = b.plan.Batch + 1
	clear(b.warned)
	b.times.done(b.plan.Watermark)
	if b.Engine.state != nil {
		b.Engine.version = b.after
	}
	for _, in := range b.inputs {
		in.at = b.plan.Sources[in.spec.Name].End.Clone()
	}
	return nil
}
