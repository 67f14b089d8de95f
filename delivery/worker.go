package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/meta"
)

// worker carries one delivery stream or channel: it gathers, plans and delivers, one thing after the other.
type worker struct {
	streams *Streams
	meters  observer
	deliver func(ctx context.Context, j job) error // carries out a plan
	ctx     context.Context
	stop    context.CancelFunc
	done    chan struct{} // closed when run has returned

	mu       sync.Mutex // guards the fields below
	info     Info
	failure  error              // of the newest attempt
	stopWait context.CancelFunc // ends a wait for records, so that a new configuration is looked at
}

func newWorker(s *Streams, info Info) *worker {
	w := &worker{streams: s, info: info, done: make(chan struct{})}
	w.ctx, w.stop = context.WithCancel(s.ctx)
	if info.Channel != nil {
		m := newChannelMeters(s.opts.Metrics, info)
		w.meters, w.deliver = m, func(ctx context.Context, j job) error { return deliverToChannel(ctx, j, m) }
		return w
	}
	m := newMeters(s.opts.Metrics, info.Name)
	w.meters, w.deliver = m, func(ctx context.Context, j job) error { return (&flush{job: j, meters: m}).run(ctx) }
	return w
}

// observer measures what a worker does, whatever it delivers to.
type observer interface {
	incoming(records int, bytes int64) // from clients directly
	read(records, bytes int64)         // from a stream, while it gathers
	behind(d time.Duration)            // the newest record that was seen
	failed()                           // an attempt
}

func (w *worker) current() Info {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.info
}

// update gives the worker a changed stream.
func (w *worker) update(info Info) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.info = info
	if w.stopWait != nil {
		w.stopWait()
	}
}

const (
	backoffMin = 500 * time.Millisecond
	backoffMax = time.Minute
)

// run works until the stream is stopped. What fails is tried again, for ever: records are never dropped.
func (w *worker) run() {
	defer close(w.done)
	backoff := backoffMin
	for w.ctx.Err() == nil {
		err := w.deliverNext(w.ctx)
		w.note(err)
		if err == nil {
			backoff = backoffMin
			continue
		}
		if w.ctx.Err() != nil {
			return
		}
		w.meters.failed()
		w.streams.opts.Logger.Warn("delivery will be tried again", "delivery", w.current().Name, "after", backoff, "error", err)
		select {
		case <-w.ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, backoffMax)
	}
}

// deliverNext carries out the pending plan, if there is none after gathering and planning the next.
func (w *worker) deliverNext(ctx context.Context) error {
	s, name := w.streams, w.current().Name
	source, err := w.source(ctx)
	if err != nil {
		return err
	}
	p, err := s.pending(name)
	if err != nil {
		return err
	}
	if p == nil {
		if p, err = w.next(ctx, source); err != nil {
			return err
		}
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err = w.deliver(ctx, job{streams: s, info: w.current(), plan: p, source: source})
	<-s.slots
	if err != nil {
		return err
	}
	if err := s.finish(name, p); err != nil {
		return err
	}
	if w.current().Source == "" {
		return s.opts.Log.Trim(ctx, w.current().logName(), p.End)
	}
	return nil
}

// note keeps how the newest attempt ended.
func (w *worker) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failure = err
}

// source opens what the stream reads from.
func (w *worker) source(ctx context.Context) (batch.Source, error) {
	info := w.current()
	if info.Source == "" {
		return w.streams.opts.Log.Source(ctx, info.logName())
	}
	source, err := w.streams.opts.Stream(ctx, info.Source)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", info.Source, err)
	}
	return source, nil
}

// buffer is what was counted since the last plan.
type buffer struct {
	start, end batch.Offset
	records    int64
	bytes      int64
	oldest     time.Time
	newest     time.Time
	due        time.Time // when it was first found to be old enough
}

func (b *buffer) add(records []batch.Record) {
	for _, r := range records {
		b.records++
		b.bytes += int64(len(r.Data))
		if b.oldest.IsZero() || r.Arrival.Before(b.oldest) {
			b.oldest = r.Arrival
		}
		if r.Arrival.After(b.newest) {
			b.newest = r.Arrival
		}
	}
}

// next gathers records until a hint is reached and saves the plan to deliver them.
func (w *worker) next(ctx context.Context, source batch.Source) (*plan, error) {
	s, name := w.streams, w.current().Name
	at, err := meta.Load[progress](s.state, doneKey(name))
	if err != nil {
		return nil, fmt.Errorf("read progress of delivery %s: %w", name, err)
	}
	b := buffer{start: at.Offset, end: at.Offset}
	if err := w.gather(ctx, source, &b); err != nil {
		return nil, err
	}
	info := w.current()
	p := &plan{Number: at.Plan + 1, Start: b.start, End: b.end, Records: b.records, Bytes: b.bytes,
		Instant: b.oldest.UTC(), Made: s.opts.Now().UTC(), Version: info.Version, Config: info.Config, Channel: info.Channel}
	if err := s.resolveSchema(ctx, p); err != nil {
		return nil, err
	}
	if err := meta.Save(s.state, planKey(name), p); err != nil {
		return nil, fmt.Errorf("save plan of delivery %s: %w", name, err)
	}
	return p, nil
}

// gather counts records into b until its size or its age reaches the hints of the present configuration. A backlog
// (records that were there before the buffer became due) is gathered up to the size.
func (w *worker) gather(ctx context.Context, source batch.Source, b *buffer) error {
	now := w.streams.opts.Now
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait, settle := w.watch(ctx)
		size, interval := w.config()
		if b.bytes >= size {
			settle()
			return nil
		}
		if b.records > 0 && b.due.IsZero() && !now().Before(b.oldest.Add(interval)) {
			b.due = now()
		}
		if !b.due.IsZero() && !b.newest.Before(b.due) {
			settle()
			return nil
		}
		end, err := source.Plan(ctx, b.end, batch.Limit{Bytes: size - b.bytes})
		if err == nil && !end.Equal(b.end) {
			err = w.count(ctx, source, b, end)
			settle()
			if err != nil {
				return err
			}
			continue
		}
		if err == nil && b.due.IsZero() {
			w.meters.behind(0)
			err = waitFor(wait, source, b, interval, now())
		}
		settle()
		if err != nil {
			return fmt.Errorf("wait for records: %w", err)
		}
		if !b.due.IsZero() {
			return nil
		}
	}
}

// count reads up to end, only to know how much it is.
func (w *worker) count(ctx context.Context, source batch.Source, b *buffer, end batch.Offset) error {
	records, bytes := b.records, b.bytes
	err := source.Read(ctx, b.end, end, func(rs []batch.Record) error {
		b.add(rs)
		return nil
	})
	if err != nil {
		return fmt.Errorf("count records: %w", err)
	}
	b.end = end
	w.meters.behind(w.streams.opts.Now().Sub(b.newest))
	if w.current().Source != "" {
		w.meters.read(b.records-records, b.bytes-bytes)
	}
	return nil
}

func (w *worker) config() (size int64, interval time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.info.trigger()
}

// watch returns a context that ends when the stream's configuration changes; settle releases it.
func (w *worker) watch(ctx context.Context) (wait context.Context, settle context.CancelFunc) {
	wait, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	w.stopWait = cancel
	w.mu.Unlock()
	return wait, cancel
}

// waitFor returns when there may be more, when b is due, or when ctx is done, which are no errors.
func waitFor(ctx context.Context, source batch.Source, b *buffer, interval time.Duration, now time.Time) error {
	if b.records > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.oldest.Add(interval).Sub(now))
		defer cancel()
	}
	if err := source.Wait(ctx, b.end); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
