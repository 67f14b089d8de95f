package batch

import (
	"context"
	"fmt"
	"time"
)

// clock measures the steps of one micro-batch, under the names that Spark gives them.
type clock struct {
	now   func() time.Time
	began time.Time
	took  map[string]int64 // milliseconds
}

func (e *Engine) newClock() *clock {
	return &clock{now: e.opts.Now, began: e.opts.Now(), took: map[string]int64{}}
}

// step does f and notes how long it took.
func (c *clock) step(name string, f func() error) error {
	t := c.now()
	err := f()
	c.took[name] += c.now().Sub(t).Milliseconds()
	return err
}

// plan returns the batch to run, its plan durable, or nil if the source has nothing.
func (e *Engine) plan(ctx context.Context, c *clock) (*Plan, error) {
	if p := e.pending; p != nil {
		e.pending = nil
		return p, nil
	}
	var end Offset
	err := c.step("latestOffset", func() error {
		return e.retry(ctx, "plan a batch", func() (err error) {
			end, err = e.opts.Source.Plan(ctx, e.at.Clone(), e.pipeline.Source.Limit)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("plan batch %d: %w", e.next, err)
	}
	if end.Equal(e.at) {
		return nil, nil
	}
	p := &Plan{Batch: e.next, Source: e.pipeline.Source.Stream, Start: e.at, End: end.Clone(), Time: c.began.UTC()}
	err = c.step("walCommit", func() error {
		return e.retry(ctx, "save progress", func() error { return e.opts.Progress.SavePlan(ctx, *p) })
	})
	return p, err
}

// runBatch does all of one planned batch. cut says that its limit ended it, so that more is waiting.
func (e *Engine) runBatch(ctx context.Context, p *Plan, c *clock) (cut bool, err error) {
	letters := &letterWriter{letters: e.opts.Letters, pipeline: e.pipeline.Name, stream: p.Source, batch: p.Batch}
	err = c.step("getBatch", func() error {
		return e.retry(ctx, "read records", func() error { return e.read(ctx, p, letters) })
	})
	if err != nil {
		return false, err
	}
	out := NewOutput(e.opts.Transform, e.schema, e.decoder.batches(), e.query)
	var w Written
	if e.opts.Sink != nil && out.InputRows() > 0 {
		err = c.step("addBatch", func() error {
			return e.retry(ctx, "write", func() (err error) {
				w, err = e.opts.Sink.Write(ctx, p.Batch, out)
				return err
			})
		})
		if err != nil {
			return false, err
		}
	}
	if e.opts.Print != nil {
		if err := e.opts.Print.Batch(ctx, p.Batch, out); err != nil {
			return false, fmt.Errorf("print: %w", err)
		}
	}
	err = c.step("commitOffsets", func() error {
		return e.retry(ctx, "save progress", func() error { return e.opts.Progress.SaveCommit(ctx, p.Batch) })
	})
	if err != nil {
		return false, err
	}
	e.at, e.next = p.End, p.Batch+1
	if e.opts.OnProgress != nil {
		e.opts.OnProgress(e.report(p, c, w, letters.count))
	}
	limit := e.pipeline.Source.Limit
	return nearly(e.decoder.records, int64(limit.Records)) || nearly(e.decoder.bytes, limit.Bytes), nil
}

// nearly says whether n is at a limit that sources keep about.
func nearly(n, limit int64) bool { return limit > 0 && n >= limit-limit/10 }

// read decodes the records of p and writes the dead letters among them. Done again, it gives the same.
func (e *Engine) read(ctx context.Context, p *Plan, letters *letterWriter) error {
	e.decoder.reset()
	letters.count, letters.shards = 0, nil
	err := e.opts.Source.Read(ctx, p.Start.Clone(), p.End.Clone(), func(chunk []Record) error {
		return e.decoder.add(ctx, chunk, letters)
	})
	if err != nil {
		return err
	}
	return letters.flush(ctx)
}
