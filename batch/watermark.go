package batch

import (
	"fmt"
	"math"
	"time"

	"github.com/weir-data/weir/columnar"
)

// watermarks follow the event times of a pipeline's inputs. What they say only depends on the batches that are done, so that a
// restart changes nothing.
type watermarks struct {
	specs map[string]*Watermark // by source; those that have none are not there
	max   bool                  // the greatest counts, instead of the least

	seen map[string]time.Time // the greatest event time, by source
	now  time.Time            // what the next batch works with; zero: nothing yet
	used time.Time            // what the newest batch worked with
}

func newWatermarks(p *Pipeline) watermarks {
	w := watermarks{specs: map[string]*Watermark{}, max: p.MaxWatermark, seen: map[string]time.Time{}}
	for _, s := range p.Sources {
		if s.Watermark != nil {
			w.specs[s.Name] = s.Watermark
		}
	}
	return w
}

// see takes note of the greatest event time of a batch of a source.
func (w *watermarks) see(source string, t time.Time) {
	if last, ok := w.seen[source]; !ok || t.After(last) {
		w.seen[source] = t
	}
}

// done raises the watermark to what has been seen, after a batch that worked with used. It never goes back. Before every source
// has had a row there is no watermark, unless the greatest counts.
func (w *watermarks) done(used time.Time) {
	w.used = used
	if used.After(w.now) {
		w.now = used
	}
	var chosen time.Time
	first := true
	for name, spec := range w.specs {
		t, ok := w.seen[name]
		switch {
		case ok:
			t = t.Add(-spec.Delay)
		case w.max:
			continue
		}
		if first || w.max && t.After(chosen) || !w.max && t.Before(chosen) {
			chosen, first = t, false
		}
	}
	if chosen.After(w.now) {
		w.now = chosen
	}
}

// eventTimes are those of the rows of a batch, in milliseconds since 1970 as Spark counts them.
type eventTimes struct {
	rows     int64
	min, max int64
	sum      float64
}

// eventTimesOf looks at a column of timestamps. Nulls have no time.
func eventTimesOf(batches []*columnar.Batch, column int) eventTimes {
	e := eventTimes{min: math.MaxInt64, max: math.MinInt64}
	for _, b := range batches {
		c := b.Columns[column]
		for i := range b.Len {
			if c.Null(i) {
				continue
			}
			t := floorDiv(c.Int(i), 1000)
			e.rows++
			e.sum += float64(t)
			e.min, e.max = min(e.min, t), max(e.max, t)
		}
	}
	return e
}

// eventTimesIn reads what a step of Program.EventTimes gave.
func eventTimesIn(b *columnar.Batch) (eventTimes, error) {
	if b.Len == 0 {
		return eventTimes{}, nil
	}
	if b.Len != 1 || len(b.Columns) != 4 {
		return eventTimes{}, fmt.Errorf("%d rows of %d columns, not one of 4", b.Len, len(b.Columns))
	}
	e := eventTimes{rows: b.Columns[0].Int(0)}
	if e.rows > 0 {
		e.min, e.max = floorDiv(b.Columns[1].Int(0), 1000), floorDiv(b.Columns[2].Int(0), 1000)
		e.sum = b.Columns[3].Value(0).(float64) / 1000
	}
	return e, nil
}

// floorDiv is a/b rounded down, for b > 0.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// join adds the times of another input.
func (e eventTimes) join(o eventTimes) eventTimes {
	switch {
	case o.rows == 0:
		return e
	case e.rows == 0:
		return o
	}
	return eventTimes{rows: e.rows + o.rows, min: min(e.min, o.min), max: max(e.max, o.max), sum: e.sum + o.sum}
}
