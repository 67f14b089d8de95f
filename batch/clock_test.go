package batch_test

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-data/weir/batch"
)

// TestClockSteps sets the clock back by an hour, forward by a day and right again, between batches and while the pipeline waits: batches keep their interval and
// their order, patience its length, and no figure is negative.
func TestClockSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(numbers(0, 20))
		opts := w.options(t, strings.Replace(numbersFile, "available-now", "10 seconds", 1))
		source := &failing{w.source, 0, syscall.ECONNREFUSED}
		opts.Sources = one(source)
		step := time.Duration(0)
		opts.Now = func() time.Time { return time.Now().Round(0).Add(step) } // without the reading of the clock that only goes forward
		steps := []time.Duration{-time.Hour, 24 * time.Hour, 0, 24 * time.Hour, -time.Hour}
		opts.OnWait = func(*batch.Waiting) { step += 24 * time.Hour }
		var e *batch.Engine
		var last time.Time
		batches := int64(0)
		opts.OnProgress = func(r batch.Report) {
			now := time.Now()
			if apart := now.Sub(last); r.BatchID != batches || batches > 0 && (apart < 9*time.Second || apart > 11*time.Second) {
				t.Errorf("batch %d, the %dth, comes %v after the one before", r.BatchID, batches, apart)
			}
			for name, ms := range r.DurationMs {
				if ms < 0 || ms > 1000 {
					t.Errorf("batch %d: %s took %d ms", r.BatchID, name, ms)
				}
			}
			for name, text := range r.Sources[0].Metrics {
				if n, err := strconv.ParseFloat(text, 64); err != nil || n < 0 {
					t.Errorf("batch %d: %s is %s", r.BatchID, name, text)
				}
			}
			if r.BatchDuration < 0 || r.InputRate < 0 || r.ProcessedRate < 0 {
				t.Errorf("batch %d: %+v", r.BatchID, r)
			}
			if last = now; batches == int64(len(steps)) {
				e.Stop()
				return
			}
			step = steps[batches]
			batches++
			w.source.put(numbers(int(20*batches), int(20*batches+20)))
			if batches == 2 {
				source.times = 3
			}
		}
		var err error
		if e, err = batch.New(opts); err != nil {
			t.Fatal(err)
		}
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.check(t, 20*(len(steps)+1))
	})
}
