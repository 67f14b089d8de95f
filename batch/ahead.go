package batch

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// taken is a batch that was read and decoded before its plan is kept. Nothing of it has left the process: its dead letters are held
// back, and the plan that follows has the ranges that it was read from.
type taken struct {
	ends     []Offset // by input: up to where it was read
	decoders []*decoder
	events   []eventTimes
	letters  *letterWriter
}

// take reads on from t.ends until the limits of the inputs or the ends of what their sources have. After an error t is of no use.
func (e *Engine) take(ctx context.Context, t *taken) error {
	for i, in := range e.inputs {
		d := t.decoders[i]
		taker, _ := in.source.(Taker)
		if in.fills(d) || d.records > 0 && taker == nil { // others may wait before they say that there is no more
			continue
		}
		t.letters.from(in.spec, len(e.inputs) > 1)
		end, err := in.take(ctx, t.ends[i], in.limit.less(d.records, d.bytes), func(chunk []Record) error { return d.add(ctx, chunk, t.letters) })
		if err != nil {
			return fmt.Errorf("source %s: %w", in.spec.Name, err)
		}
		t.ends[i], t.events[i] = end, in.eventTimes(d)
	}
	return ctx.Err()
}

// take gives f the records of the next batch after start, and returns its end.
func (in *input) take(ctx context.Context, start Offset, limit Limit, f func([]Record) error) (end Offset, err error) {
	if t, ok := in.source.(Taker); ok {
		return t.Take(ctx, start.Clone(), limit, f)
	}
	if end, err = in.source.Plan(ctx, start.Clone(), limit); err != nil || end.Equal(start) {
		return end, err
	}
	return end, in.source.Read(ctx, start.Clone(), end.Clone(), f)
}

// newTaken is one of nothing, that begins at the given offsets and will be decoded by the given decoders.
func (e *Engine) newTaken(batch int64, starts []Offset, decoders []*decoder) *taken {
	for _, d := range decoders {
		d.reset()
	}
	return &taken{
		ends: starts, decoders: decoders, events: make([]eventTimes, len(starts)),
		letters: &letterWriter{letters: e.opts.Letters, pipeline: e.pipeline.Name, batch: batch, held: true},
	}
}

// takeNow takes the next batch, of sources that find its end by reading it. It returns nil where the batch is to be planned before it
// is read: other sources, and whatever went wrong, which then goes wrong again in the batch's own steps.
func (e *Engine) takeNow(ctx context.Context) *taken {
	if !e.takers || e.letterBytes > lettersHeldMax {
		return nil
	}
	var starts []Offset
	var decoders []*decoder
	for _, in := range e.inputs {
		starts, decoders = append(starts, in.at.Clone()), append(decoders, in.decoder)
	}
	t := e.newTaken(e.next, starts, decoders)
	if err := e.take(ctx, t); err != nil {
		e.dropped(t.letters.batch, err)
		return nil
	}
	return t
}

// dropped tells that a batch is read again.
func (e *Engine) dropped(batch int64, err error) {
	if !errors.Is(err, context.Canceled) {
		e.opts.Logger.Debug("a batch will be planned and read again", "pipeline", e.pipeline.Name, "batch", batch, "error", err)
	}
}

// ahead is the next batch on its way while one is at work. Its goroutine is the only user of the sources but for what may be asked at
// any time.
type ahead struct {
	*taken
	took   time.Duration
	err    error
	done   chan struct{} // closed when the fields above are settled
	cancel context.CancelFunc
}

// readAhead begins to take the batch after b, if b has left something to read and nothing can stand in the way of its being next.
func (b *microbatch) readAhead(ctx context.Context) {
	if !b.goesOn() {
		return
	}
	var starts []Offset
	var decoders []*decoder
	for _, in := range b.inputs {
		if in.spare == nil {
			var err error
			if in.spare, err = in.newDecoder(b.opts.Workers); err != nil {
				return // as unlikely as that: the schema has a decoder already
			}
		}
		starts, decoders = append(starts, b.plan.Sources[in.spec.Name].End.Clone()), append(decoders, in.spare)
	}
	a := &ahead{taken: b.newTaken(b.plan.Batch+1, starts, decoders), done: make(chan struct{})}
	ctx, a.cancel = context.WithCancel(ctx)
	b.Engine.ahead = a
	go func() {
		defer close(a.done)
		began := time.Now()
		a.err = b.Engine.take(ctx, a.taken)
		a.took = time.Since(began)
	}()
}

// goesOn says whether the batch after b follows at once, and is worth reading now.
func (b *microbatch) goesOn() bool {
	if b.stopped() || b.pipeline.Trigger.Once && !b.opts.Once || b.letters.bytes > lettersHeldMax {
		return false
	}
	return b.cut() && !(b.availableNow() && b.reached(b.plan))
}

// awaitAhead returns the batch that was read ahead, nil if there is none, it failed, or Stop was called meanwhile. What has come since then
// is added, up to the limits.
func (e *Engine) awaitAhead(ctx context.Context, c *clock) *taken {
	a := e.ahead
	if a == nil {
		return nil
	}
	select {
	case <-a.done:
	case <-e.stop:
		a.cancel()
	}
	e.endAhead()
	err := a.err
	if err == nil {
		err = e.take(ctx, a.taken)
	}
	if err != nil {
		e.dropped(a.letters.batch, err)
		return nil
	}
	c.took["readAhead"] = a.took.Milliseconds()
	return a.taken
}

// endAhead waits until nothing is read any more.
func (e *Engine) endAhead() {
	if e.ahead == nil {
		return
	}
	<-e.ahead.done
	e.ahead.cancel()
	e.ahead = nil
}

// adopt makes t what was read of the batch at hand.
func (b *microbatch) adopt(t *taken) {
	for i, in := range b.inputs {
		if in.decoder != t.decoders[i] {
			in.decoder, in.spare = t.decoders[i], in.decoder
		}
		in.events = t.events[i]
	}
	b.letters = t.letters
	b.letters.held = false
}
