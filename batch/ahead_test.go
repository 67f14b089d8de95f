package batch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-data/weir/batch"
)

// taker makes a Taker of a source.
type taker struct{ batch.Source }

func (s taker) Take(ctx context.Context, start batch.Offset, limit batch.Limit, f func([]batch.Record) error) (batch.Offset, error) {
	end, err := s.Plan(ctx, start, limit)
	if err != nil || end.Equal(start) {
		return end, err
	}
	return end, s.Read(ctx, start, end, f)
}

// kinds run a test with a source that plans, and with one that takes.
func kinds(t *testing.T, f func(t *testing.T, kind func(batch.Source) batch.Source)) {
	t.Run("plans", func(t *testing.T) { f(t, func(s batch.Source) batch.Source { return s }) })
	t.Run("takes", func(t *testing.T) { f(t, func(s batch.Source) batch.Source { return taker{s} }) })
}

// diary is what happened, in order.
type diary struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) at(line string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Index(d.lines, line)
}

// diarySource notes its reads, by the number of records that came before them, and takes its time.
type diarySource struct {
	*memSource
	*diary
	pause  time.Duration
	before func(ctx context.Context, start int) error // of a Read
}

func (s diarySource) Plan(ctx context.Context, start batch.Offset, l batch.Limit) (batch.Offset, error) {
	s.note("plan %d", behind(start))
	return s.memSource.Plan(ctx, start, l)
}

func (s diarySource) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	s.note("read %d", behind(start))
	time.Sleep(s.pause)
	if s.before != nil {
		if err := s.before(ctx, behind(start)); err != nil {
			return err
		}
	}
	return s.memSource.Read(ctx, start, end, f)
}

// behind is how many records of a memSource are up to o.
func behind(o batch.Offset) (n int) {
	for shard := range o {
		n += position(o, shard)
	}
	return n
}

type diarySink struct {
	*memSink
	*diary
	pause time.Duration
	while func(id int64) // in the middle of a Write
}

func (s diarySink) Write(ctx context.Context, id int64, rows batch.Rows) (batch.Written, error) {
	s.note("write %d", id)
	time.Sleep(s.pause)
	if s.while != nil {
		s.while(id)
	}
	w, err := s.memSink.Write(ctx, id, rows)
	s.note("written %d", id)
	return w, err
}

type diaryProgress struct {
	batch.ProgressStore
	*diary
}

func (p diaryProgress) SavePlan(ctx context.Context, plan batch.Plan) error {
	p.note("planned %d", plan.Batch)
	return p.ProgressStore.SavePlan(ctx, plan)
}

func (p diaryProgress) SaveMark(ctx context.Context, m batch.Mark) error {
	p.note("marked %d", m.Batch)
	return p.ProgressStore.SaveMark(ctx, m)
}

type diaryLetters struct {
	batch.Letters
	*diary
}

func (l diaryLetters) Put(ctx context.Context, name string, body []byte) error {
	n, err := batch.ProgressNumber(strings.TrimPrefix(name[:strings.IndexByte(name, '/')], "batch-"))
	if err != nil {
		return err
	}
	l.note("letters %d", n)
	return l.Letters.Put(ctx, name, body)
}

// watched is a world whose parts keep a diary.
func (w *world) watched(t *testing.T, file string) (batch.Options, *diarySource, *diarySink) {
	d := &diary{}
	source, sink := &diarySource{memSource: w.source, diary: d}, &diarySink{memSink: w.sink, diary: d}
	opts := w.options(t, file)
	opts.Sinks, opts.Letters, opts.Progress = []batch.Sink{sink}, diaryLetters{w.letters, d}, diaryProgress{w.progress, d}
	opts.Sources = one(source)
	return opts, source, sink
}

// inOrder sees to it that the lines are in the diary, each after the one before it.
func (d *diary) inOrder(t *testing.T, lines ...string) {
	t.Helper()
	last := -1
	for _, line := range lines {
		at := d.at(line)
		if at <= last {
			t.Errorf("no %q after what precedes it in %q:\n%s", line, lines, strings.Join(d.lines, "\n"))
			return
		}
		last = at
	}
}

func TestNextBatchIsReadWhileThisOneIsWritten(t *testing.T) {
	kinds(t, func(t *testing.T, kind func(batch.Source) batch.Source) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(numbers(0, 150))
			opts, source, sink := w.watched(t, numbersFile)
			source.pause, sink.pause = 8*time.Second, 10*time.Second
			opts.Sources = one(kind(source))
			var reports []batch.Report
			opts.OnProgress = func(r batch.Report) { reports = append(reports, r) }
			began := time.Now()
			run(t, opts)
			w.check(t, 150)
			// 8 s for the first batch to be read, and 10 s for each of four to be written.
			if took := time.Since(began); took > 50*time.Second {
				t.Errorf("took %v", took)
			}
			d := source.diary
			d.inOrder(t, "read 0", "letters 0", "write 0", "written 0", "marked 0", "planned 1", "letters 1", "write 1", "written 1",
				"marked 1", "planned 2", "letters 2", "write 2", "written 2", "marked 2", "planned 3", "letters 3", "write 3", "written 3", "marked 3")
			// A write and the reading ahead begin at the same instant, either first.
			d.inOrder(t, "letters 0", "read 40", "written 0")
			d.inOrder(t, "letters 1", "read 80", "written 1")
			d.inOrder(t, "letters 2", "read 120", "written 2")
			d.inOrder(t, "planned 0", "letters 0")
			if len(reports) != 4 || reports[0].DurationMs["getBatch"] != 8000 || reports[1].DurationMs["getBatch"] != 0 || reports[1].DurationMs["readAhead"] != 8000 {
				t.Errorf("reports %+v", reports)
			}
		})
	})
}

func TestNothingIsReadAhead(t *testing.T) {
	stop := func(e *batch.Engine) { e.Stop() }
	for _, c := range []struct {
		name, file string
		records    [][]byte
		tip        bool
		first      func(*batch.Engine) // while batch 0 is read
	}{
		{"the source is drained", numbersFile, numbers(0, 30), false, nil},
		{"the end of what is available is reached", numbersFile, numbers(0, 40), true, nil},
		{"one batch was asked for", strings.Replace(numbersFile, "available-now", "once", 1), slices.Repeat([][]byte{[]byte(`{"n":1}`)}, 50), false, nil},
		{"stopped", numbersFile, numbers(0, 150), false, stop},
		{"too many letters", strings.Replace(numbersFile, "permissive", "drop", 1), slices.Repeat([][]byte{make([]byte, 400<<10)}, 80), false, nil},
	} {
		kinds(t, func(t *testing.T, kind func(batch.Source) batch.Source) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.records)
				opts, source, sink := w.watched(t, c.file)
				var e *batch.Engine
				source.before = func(context.Context, int) error {
					if c.first != nil && source.at("planned 0") >= 0 { // what is planned is finished
						c.first(e)
					}
					return nil
				}
				sink.while = func(id int64) {
					synctest.Wait()
					if id == 0 {
						source.note("middle of write 0")
					}
				}
				opts.Sources = one(kind(source))
				if c.tip {
					opts.Sources = one(latest{w.source})
				}
				if c.first != nil {
					opts.Sources = one(source)
				}
				e, err := batch.New(opts)
				if err != nil {
					t.Fatal(err)
				}
				if err := e.Run(t.Context()); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				lines := source.lines
				from, to := slices.Index(lines, "write 0"), slices.Index(lines, "written 0")
				if got := lines[from : to+1]; len(got) != 3 {
					t.Errorf("%s: while batch 0 was written: %q", c.name, got)
				}
			})
		})
	}
}

// TestCrashesWithTheNextBatchAtHand lets the world end at each fault point of each batch, with the next one read already, and then go on.
func TestCrashesWithTheNextBatchAtHand(t *testing.T) {
	kinds(t, func(t *testing.T, kind func(batch.Source) batch.Source) {
		for crash := 0; ; crash++ {
			finished := false
			synctest.Test(t, func(t *testing.T) {
				w, f := newWorld(numbers(0, 150)), &faults{}
				passed := 0
				opts := faulty(w.options(t, numbersFile), f)
				opts.Sources = one(kind(opts.Sources["source"]))
				opts.Fault = func(string) {
					synctest.Wait() // what can be read is
					if passed++; passed > crash {
						f.mu.Lock()
						f.dead = true
						f.mu.Unlock()
					}
				}
				e, err := batch.New(opts)
				if err != nil {
					t.Fatal(err)
				}
				err = e.Run(t.Context())
				finished = err == nil && passed <= crash
				if err != nil && !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				w.source.put(numbers(150, 180))
				opts = w.options(t, numbersFile)
				opts.Sources = one(kind(w.source))
				run(t, opts)
				if w.check(t, 180); t.Failed() {
					t.Fatalf("after a crash at fault point %d", crash)
				}
			})
			if finished || t.Failed() {
				t.Logf("%d fault points", crash)
				return
			}
		}
	})
}

// TestErrorsOfABatchReadAhead lets the first reads of batch 1 fail: it matters at the time of batch 1 only.
func TestErrorsOfABatchReadAhead(t *testing.T) {
	for _, c := range []struct {
		err   error
		times int
		ok    bool
	}{
		{batch.Temporary(errors.New("for now")), 1, true},
		{batch.Temporary(errors.New("for now")), 5, true},
		{errors.New("once"), 1, true},
		{errors.New("for good"), 1000, false},
	} {
		kinds(t, func(t *testing.T, kind func(batch.Source) batch.Source) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(numbers(0, 150))
				opts, source, _ := w.watched(t, numbersFile)
				source.before = func(_ context.Context, start int) error {
					if start == 40 && c.times > 0 {
						c.times--
						// Some of it was decoded.
						return errors.Join(w.source.Read(t.Context(), batch.Offset{}, batch.Offset{"shardId-000000000000": "1"}, func([]batch.Record) error { return nil }), c.err)
					}
					return nil
				}
				opts.Sources = one(kind(source))
				e, err := batch.New(opts)
				if err != nil {
					t.Fatal(err)
				}
				err = e.Run(t.Context())
				if c.ok {
					if w.check(t, 150); err != nil {
						t.Error(err)
					}
					return
				}
				p, _ := w.progress.Load(t.Context())
				if !errors.Is(err, c.err) || !strings.Contains(err.Error(), "batch 1: ") || p.Plan.Batch != 1 || p.Mark.Batch != 0 || len(w.sink.sizes) != 1 {
					t.Errorf("%v, plan %d, mark %d", err, p.Plan.Batch, p.Mark.Batch)
				}
			})
		})
	}
}

// A record that does not fit stops the pipeline when its batch is at hand, and not before.
func TestBadRecordReadAhead(t *testing.T) {
	kinds(t, func(t *testing.T, kind func(batch.Source) batch.Source) {
		w := newWorld(append(slices.Repeat([][]byte{[]byte(`{"n":1}`)}, 40), []byte("bad")))
		opts := w.options(t, strings.Replace(numbersFile, "permissive", "fail", 1))
		opts.Sources = one(kind(w.source))
		e, err := batch.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		err = e.Run(t.Context())
		p, _ := w.progress.Load(t.Context())
		if !errors.Is(err, batch.ErrBadRecord) || p.Plan.Batch != 1 || p.Mark.Batch != 0 || len(w.sink.rows) != 40 {
			t.Errorf("%v, plan %d, mark %d, %d rows", err, p.Plan.Batch, p.Mark.Batch, len(w.sink.rows))
		}
	})
}

// TestStopWhileTheNextBatchIsRead ends the reading, by Stop and by the context, and leaves no goroutine behind, which synctest would find.
func TestStopWhileTheNextBatchIsRead(t *testing.T) {
	for _, by := range []string{"stop", "context"} {
		kinds(t, func(t *testing.T, kind func(batch.Source) batch.Source) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(numbers(0, 150))
				opts, source, _ := w.watched(t, strings.Replace(numbersFile, "available-now", "1 minute", 1))
				source.before = func(ctx context.Context, start int) error {
					if start < 40 {
						return nil
					}
					<-ctx.Done() // a service that does not answer
					return ctx.Err()
				}
				opts.Sources = one(kind(source))
				e, err := batch.New(opts)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- e.Run(ctx) }()
				synctest.Wait()
				if source.at("marked 0") < 0 || source.at("read 40") < 0 {
					t.Fatalf("diary %q", source.lines)
				}
				if by == "stop" {
					e.Stop()
				} else {
					cancel()
				}
				if err = <-done; by == "stop" && err != nil || by == "context" && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
				p, _ := w.progress.Load(t.Context())
				if by == "stop" && (p.Plan.Batch != 0 || p.Mark.Batch != 0) || len(w.sink.sizes) != 1 {
					t.Errorf("%s: plan %d, mark %d, %v", by, p.Plan.Batch, p.Mark.Batch, w.sink.sizes)
				}
			})
		})
	}
}

// A batch that was read ahead when little was there takes what has come until its time, of sources that tell at once.
func TestBatchReadAheadIsFilledUp(t *testing.T) {
	for _, takes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(numbers(0, 46))
			opts, source, sink := w.watched(t, numbersFile)
			sink.while = func(id int64) {
				synctest.Wait()
				if id == 0 {
					w.source.put(numbers(46, 70))
				}
			}
			if opts.Sources = one(source); takes {
				opts.Sources = one(taker{source})
			}
			var sizes []int64
			opts.OnProgress = func(r batch.Report) { sizes = append(sizes, r.NumInputRows) }
			run(t, opts)
			w.check(t, 70)
			if want := map[bool][]int64{false: {40, 6, 24}, true: {40, 30}}[takes]; !slices.Equal(sizes, want) {
				t.Errorf("takes %v: batches of %v, want %v", takes, sizes, want)
			}
		})
	}
}

// Event times of a batch that is read ahead raise the watermark when it is done, and not before.
func TestWatermarksOfABatchReadAhead(t *testing.T) {
	file := strings.Replace(strings.Replace(numbersFile, "x: double", "at: timestamp", 1), "  mode: permissive",
		"  mode: permissive\n  watermark: {column: at, delay: 1 minute}", 1)
	kinds(t, func(t *testing.T, kind func(batch.Source) batch.Source) {
		var records [][]byte
		for i := range 120 {
			at := time.Date(2026, 1, 31, 8, i/40*10, 0, 0, time.UTC)
			records = append(records, []byte(mustJSON(map[string]any{"n": i, "at": at})))
		}
		w := newWorld(records)
		opts := w.options(t, file)
		opts.Sources = one(kind(w.source))
		progress := w.progress.(*memProgress)
		var log []string
		opts.OnProgress = func(r batch.Report) {
			seen, _ := json.Marshal(progress.at.Mark.MaxEventTime["source"])
			log = append(log, fmt.Sprintf("%s %s %s", r.EventTime.Watermark, r.EventTime.Max, seen))
		}
		run(t, opts)
		want := []string{
			` 2026-01-31T08:00:00.000Z "2026-01-31T08:00:00Z"`,
			`2026-01-31T07:59:00.000Z 2026-01-31T08:10:00.000Z "2026-01-31T08:10:00Z"`,
			`2026-01-31T08:09:00.000Z 2026-01-31T08:20:00.000Z "2026-01-31T08:20:00Z"`,
		}
		if !slices.Equal(log, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
		}
	})
}
