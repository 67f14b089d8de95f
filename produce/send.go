package produce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// SendOptions tell how records are sent. Zero fields are defaults.
type SendOptions struct {
	Stream string
	Rate   float64 // records a second over all; 0 is as fast as they are taken
	// Batch is the number of records in a call: 1 uses PutRecord, more PutRecords. 0 chooses by Rate.
	Batch int
	// Concurrency is the number of calls under way. 0 is 1 for single records, so that they arrive in order, else 4.
	Concurrency int
	// Acked, if not nil, is called for every acknowledged record, from several goroutines.
	Acked func(r Result)
	// Retried, if not nil, is told why records have to be sent again, from several goroutines.
	Retried func(reason error)
	// RetryFor is how long a call may be tried again while nothing at all is acknowledged, before Run gives up; 0 is for ever.
	RetryFor time.Duration
}

// Stats count what Send did. Only acknowledged records are in Records and Bytes.
type Stats struct {
	Records int64
	Bytes   int64
	Retries int64 // records that were sent again
}

// Sender sends one Source. Make it with NewSender, call Run once; Stats may be called at any time.
type Sender struct {
	client Client
	src    Source
	opts   SendOptions

	held *Entry // read, but too large for the batch before; used by Run's goroutine only

	records, bytes, retries atomic.Int64
	acked                   atomic.Int64 // when a record was acknowledged last, in nanoseconds since 1970
}

// NewSender prepares to send what src yields.
func NewSender(c Client, src Source, opts SendOptions) *Sender {
	if opts.Batch <= 0 {
		opts.Batch = batchFor(opts.Rate)
	}
	opts.Batch = min(opts.Batch, maxBatch)
	if opts.Concurrency <= 0 {
		opts.Concurrency = 4
		if opts.Batch == 1 {
			opts.Concurrency = 1
		}
	}
	return &Sender{client: c, src: src, opts: opts}
}

// batchFor makes about ten calls a second, so that a slow rate still flows.
func batchFor(rate float64) int {
	if rate <= 0 {
		return maxBatch
	}
	return max(1, min(maxBatch, int(rate/10)))
}

// Stats are the counts so far.
func (s *Sender) Stats() Stats {
	return Stats{s.records.Load(), s.bytes.Load(), s.retries.Load()}
}

// Run sends until the source ends, a call fails for good, or ctx is done. Records whose answer had not come when ctx ended
// are not counted; they may be in the stream. The error is nil when all of the source was acknowledged.
func (s *Sender) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan []Entry)
	var wg sync.WaitGroup
	for range s.opts.Concurrency {
		wg.Go(func() {
			for batch := range batches {
				if err := s.deliver(ctx, batch); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	err := s.feed(ctx, batches)
	close(batches)
	wg.Wait()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// feed cuts the source into batches and hands each out when it is due.
func (s *Sender) feed(ctx context.Context, batches chan<- []Entry) error {
	pace := newPace(s.opts.Rate, time.Now())
	for {
		batch, end := s.nextBatch()
		if len(batch) > 0 {
			if err := waitUntil(ctx, pace.next(time.Now(), len(batch))); err != nil {
				return context.Cause(ctx)
			}
			select {
			case batches <- batch:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if errors.Is(end, io.EOF) {
			return nil
		}
		if end != nil {
			return end
		}
	}
}

// pace says when records are due at a rate.
type pace struct {
	each time.Duration // between two records; 0 is no limit
	due  time.Time     // of the next
}

// lagMax is how far the pace may fall behind, as while the server is away, and still catch up: what was lost beyond
// that is not made good by a burst.
const lagMax = time.Second

func newPace(rate float64, now time.Time) *pace {
	p := &pace{due: now}
	if rate > 0 {
		p.each = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// next returns when n records may go and plans the ones after them.
func (p *pace) next(now time.Time, n int) time.Time {
	if late := now.Add(-lagMax); p.due.Before(late) {
		p.due = late
	}
	at := p.due
	p.due = at.Add(time.Duration(n) * p.each)
	return at
}

func waitUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// nextBatch takes records until the batch is full by number or by size; end is why there are no more. A record that is
// larger than a batch may be goes alone: only the service knows whether it takes that.
func (s *Sender) nextBatch() (batch []Entry, end error) {
	size := 0
	batch = make([]Entry, 0, s.opts.Batch)
	for len(batch) < s.opts.Batch {
		e, err := s.nextEntry()
		if err != nil {
			return batch, err
		}
		if size += len(e.Data) + len(e.Key); size > maxBatchBytes && len(batch) > 0 {
			s.held = &e
			return batch, nil
		}
		batch = append(batch, e)
	}
	return batch, nil
}

func (s *Sender) nextEntry() (Entry, error) {
	if e := s.held; e != nil {
		s.held = nil
		return *e, nil
	}
	rec, key, err := s.src.Next(nil)
	return Entry{key, rec}, err
}

// Bounds of the pause before records are sent again.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// deliver sends a batch until every record of it is acknowledged. It gives up only when ctx is done, the service says
// that it will never take them, or nothing has been acknowledged for too long.
func (s *Sender) deliver(ctx context.Context, batch []Entry) error {
	began := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		left, err := s.attempt(ctx, batch)
		if err != nil && (ctx.Err() != nil || !s.temporary(err)) {
			return fmt.Errorf("put %d records into stream %s: %w", len(batch), s.opts.Stream, err)
		}
		if len(left) == 0 {
			return nil
		}
		s.retries.Add(int64(len(left)))
		if s.opts.Retried != nil {
			s.opts.Retried(err)
		}
		if since := s.waitsSince(began); s.opts.RetryFor > 0 && time.Since(since) > s.opts.RetryFor {
			return fmt.Errorf("put %d records into stream %s: nothing was acknowledged for %v: %w", len(left), s.opts.Stream, s.opts.RetryFor, err)
		}
		if len(left) < len(batch) {
			pause = firstPause
		}
		batch = left
		if err := waitUntil(ctx, time.Now().Add(pause)); err != nil {
			return err
		}
	}
}

// waitsSince is since when nothing has been acknowledged, for a batch that was first sent at began.
func (s *Sender) waitsSince(began time.Time) time.Time {
	if last := time.Unix(0, s.acked.Load()); last.After(began) {
		return last
	}
	return began
}

// attempt makes one call and returns the entries that it did not bring in.
func (s *Sender) attempt(ctx context.Context, batch []Entry) (left []Entry, err error) {
	if s.opts.Batch == 1 {
		r, err := s.client.PutRecord(ctx, s.opts.Stream, batch[0])
		if err != nil {
			return batch, err
		}
		s.ack(batch[0], r)
		return nil, nil
	}
	results, err := s.client.PutRecords(ctx, s.opts.Stream, batch)
	if err != nil {
		return batch, err
	}
	if len(results) != len(batch) {
		return batch, fmt.Errorf("%d results for %d records", len(results), len(batch))
	}
	for i, r := range results {
		if r.ErrorCode != "" {
			left = append(left, batch[i])
			if err = errors.New(r.ErrorCode); r.ErrorMessage != "" {
				err = fmt.Errorf("%s: %s", r.ErrorCode, r.ErrorMessage)
			}
			continue
		}
		s.ack(batch[i], r)
	}
	if len(left) > 0 {
		return left, refused{err}
	}
	return nil, nil
}

// refused is the error of a call that was answered but did not take all records. It is always worth another try.
type refused struct{ error }

func (s *Sender) temporary(err error) bool {
	var r refused
	return errors.As(err, &r) || s.client.Temporary(err)
}

func (s *Sender) ack(e Entry, r Result) {
	s.acked.Store(time.Now().UnixNano())
	s.records.Add(1)
	s.bytes.Add(int64(len(e.Data)))
	if s.opts.Acked != nil {
		s.opts.Acked(r)
	}
}
