package batch_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// memState is a state store in memory that has versions only.
type memState struct {
	versions []int64
	closed   bool
}

func (s *memState) Newest(context.Context) (int64, error) {
	if len(s.versions) == 0 {
		return -1, nil
	}
	return slices.Max(s.versions), nil
}

func (s *memState) Load(_ context.Context, n int64, _ []batch.StateSpec, _ map[string]*columnar.Schema) (batch.StateVersion, error) {
	if n >= 0 && !slices.Contains(s.versions, n) {
		return batch.StateVersion{}, fmt.Errorf("%w: no version %d", batch.ErrState, n)
	}
	return batch.StateVersion{Batch: n}, nil
}

func (s *memState) NewDir(context.Context, batch.StateVersion) (string, error) { return "", nil }

func (s *memState) Commit(_ context.Context, v batch.StateVersion, n int64, _ time.Time, _ []batch.StateRun) (batch.StateVersion, error) {
	if v.Batch != n-1 {
		return v, fmt.Errorf("version %d after %d", n, v.Batch)
	}
	if !slices.Contains(s.versions, n) {
		s.versions = append(s.versions, n)
	}
	return batch.StateVersion{Batch: n}, nil
}

func (s *memState) Close() error {
	s.closed = true
	return nil
}

// stateful makes a query one that has state.
func stateful(o batch.Options, s *memState) batch.Options {
	o.Compile = func(*batch.Pipeline, map[string]*columnar.Schema) (*batch.Program, error) {
		return &batch.Program{States: []batch.StateSpec{{Name: "counts"}}}, nil
	}
	o.State = func(context.Context) (batch.StateStore, error) { return s, nil }
	o.StateKept = s.Newest
	return o
}

// TestStateThatDoesNotFitIsRefused lets a pipeline do four batches, changes what is kept of it, and runs it again.
func TestStateThatDoesNotFitIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*memProgress, *memState)
		want   string // part of the error; empty: it runs
	}{
		{"as it was", func(*memProgress, *memState) {}, ""},
		{"state lost", func(_ *memProgress, s *memState) { s.versions = nil }, "there is none, and 4 batches are done"},
		{"state older", func(_ *memProgress, s *memState) { s.versions = s.versions[:3] }, "it ends at batch 2 and the progress at 3: the state is an older copy"},
		{"state newer", func(_ *memProgress, s *memState) { s.versions = append(s.versions, 4) }, "it ends at batch 4 and the progress at 3: the progress was lost"},
		{"mark missing", func(p *memProgress, _ *memState) { p.at.Mark.Batch = 2 }, ""},
		{"mark and state missing", func(p *memProgress, s *memState) { p.at.Mark.Batch, s.versions = 2, s.versions[:3] }, ""},
		{"mark missing, state two behind", func(p *memProgress, s *memState) { p.at.Mark.Batch, s.versions = 2, s.versions[:2] },
			"it ends at batch 1 and the progress at 2"},
		{"old version gone", func(p *memProgress, s *memState) { p.at.Mark.Batch, s.versions = 2, s.versions[3:] }, "no version 2"},
	} {
		w, s, p := newWorld(numbers(0, 150)), &memState{}, newMemProgress()
		w.progress = p
		run(t, stateful(w.options(t, numbersFile), s))
		if len(s.versions) != 4 || !s.closed {
			t.Fatalf("versions %v, closed %v", s.versions, s.closed)
		}
		c.change(p, s)
		w.source.put(numbers(150, 160))
		e, err := batch.New(stateful(w.options(t, numbersFile), s))
		if err != nil {
			t.Fatal(err)
		}
		switch err = e.Run(t.Context()); {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want == "":
			w.check(t, 160)
		case !errors.Is(err, batch.ErrState) || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: error %v", c.name, err)
		}
	}
}

// TestQueryThatNeedsItsStateNoMore takes the aggregation away from a pipeline that has state. One whose newest batches were done without
// state goes on.
func TestQueryThatNeedsItsStateNoMore(t *testing.T) {
	w, s := newWorld(numbers(0, 150)), &memState{}
	run(t, stateful(w.options(t, numbersFile), s))
	w.source.put(numbers(150, 160))
	without := func() error {
		o := stateful(w.options(t, numbersFile), s)
		o.Compile = nil
		o.State = func(context.Context) (batch.StateStore, error) {
			t.Error("a query without state has opened a store of it")
			return s, nil
		}
		e, err := batch.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return e.Run(t.Context())
	}
	if err := without(); !errors.Is(err, batch.ErrState) || !strings.Contains(err.Error(), "kept up to batch 3") {
		t.Errorf("error %v", err)
	}
	w.check(t, 150)
	s.versions = s.versions[:3]
	if err := without(); err != nil {
		t.Error(err)
	}
	w.check(t, 160)
}

// A state that cannot be opened is an error, and nothing is left to be closed.
func TestStateThatCannotBeOpened(t *testing.T) {
	o := stateful(newWorld(nil).options(t, numbersFile), nil)
	o.State = func(context.Context) (batch.StateStore, error) {
		var none *closing // as one who returns what he got of another function
		return none, fs.ErrPermission
	}
	e, err := batch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(t.Context()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v", err)
	}
}

// closing cannot be closed where it is nil.
type closing struct {
	memState
	closed *bool
}

func (c *closing) Close() error {
	*c.closed = true
	return nil
}

// A start elsewhere than at the oldest record is a batch of its own, which leaves state too.
func TestStartLatestWithState(t *testing.T) {
	w, s := newWorld(numbers(0, 30)), &memState{}
	opts := stateful(w.options(t, strings.Replace(numbersFile, "stream: numbers", "stream: numbers\n  start: latest", 1)), s)
	opts.Sources = one(latest{w.source})
	run(t, opts)
	w.source.put(numbers(30, 40))
	run(t, opts)
	if !slices.Equal(s.versions, []int64{0, 1}) || len(w.sink.rows) == 0 || slices.Min(w.sink.rows) < 30 {
		t.Errorf("versions %v, rows %v", s.versions, w.sink.rows)
	}
}

const twoFile = `
name: two
sources:
  a: {stream: numbers, schema: {n: bigint, at: timestamp}, watermark: {column: at, delay: 1 minute}}
  b: {stream: others, schema: {n: bigint, at: timestamp}, watermark: {column: at, delay: 2 minutes}}
query: SELECT * FROM a
sinks: [{console: true}, {console: true}]
trigger: 10 seconds
dead_letters: s3://lake/_dead
`

// bothRunner gives the rows of both sources.
type bothRunner struct{}

func (bothRunner) Describe(_ context.Context, in map[string]*columnar.Schema, _ *batch.Program) (*batch.Description, error) {
	return &batch.Description{Inputs: in, Output: in["a"]}, nil
}

func (bothRunner) Run(_ context.Context, _ *batch.Program, d *batch.Description, in batch.RunInput) (batch.Result, error) {
	return copied{d.Output, append(slices.Clone(in.Inputs["a"]), in.Inputs["b"]...)}, nil
}

// TestTwoSourcesIntoTwoSinks has sinks that each know what they hold, bad records of two sources, and two watermarks.
func TestTwoSourcesIntoTwoSinks(t *testing.T) {
	for policy, want := range map[string]string{
		"min": "0: 2 rows, watermark ; 1: 1 rows, watermark ; 2: 0 rows, watermark 2026-01-31T08:01:00.000Z",
		"max": "0: 2 rows, watermark ; 1: 0 rows, watermark 2026-01-31T08:04:00.000Z; 2: 1 rows, watermark 2026-01-31T08:04:00.000Z",
	} {
		synctest.Test(t, func(t *testing.T) {
			record := func(n int, at string) []byte { return fmt.Appendf(nil, `{"n":%d,"at":"2026-01-31T%sZ"}`, n, at) }
			a, b := newMemSource(1, [][]byte{record(1, "08:05:00"), []byte("bad")}), newMemSource(1, nil)
			first, second, letters := newMemSink(), newMemSink(), memLetters{}
			second.last = 0 // it has the first batch already
			var log []string
			opts := stateful(batch.Options{
				Pipeline: parse(t, twoFile+"watermark_policy: "+policy), Sources: map[string]batch.Source{"a": a, "b": b}, Runner: bothRunner{},
				Sinks: []batch.Sink{first, second}, Letters: letters, Progress: newMemProgress(),
				OnProgress: func(r batch.Report) {
					log = append(log, fmt.Sprintf("%d: %d rows, watermark %s", r.BatchID, r.NumInputRows, r.EventTime.Watermark))
					if len(r.Sinks) != 2 || len(r.Sources) != 2 || r.Sinks[1].Replayed != (r.BatchID == 0) {
						t.Errorf("batch %d: %+v", r.BatchID, r)
					}
				},
			}, &memState{})
			opts.Compile = func(*batch.Pipeline, map[string]*columnar.Schema) (*batch.Program, error) {
				return &batch.Program{States: []batch.StateSpec{{Name: "counts", Until: "until"}}}, nil
			}
			progress := newMemProgress()
			plan := batch.Plan{Sources: map[string]batch.Range{}}
			opts.Progress = progress
			e, err := batch.New(opts)
			if err != nil {
				t.Fatal(err)
			}
			// The second sink must not be ahead of the plan: batch 0 is planned, and its process died before the mark.
			offset, _ := a.Plan(t.Context(), batch.Offset{}, batch.Limit{Records: 10, Bytes: 1 << 20})
			plan.Sources["a"] = batch.Range{Of: "numbers", Start: batch.Offset{}, End: offset}
			plan.Sources["b"] = batch.Range{Of: "others", Start: batch.Offset{}, End: batch.Offset{}}
			progress.at.Plan = &plan
			done := make(chan error)
			go func() { done <- e.Run(t.Context()) }()
			time.Sleep(5 * time.Second)
			b.put([][]byte{record(2, "08:03:00")})
			time.Sleep(10 * time.Second)
			e.Stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if got := strings.Join(log, "; "); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", policy, got, want)
			}
			if !slices.Equal(first.rows, []int64{1, 2}) || !slices.Equal(second.rows, []int64{2}) {
				t.Errorf("%s: sinks have %v and %v", policy, first.rows, second.rows)
			}
			if l := letters.all(t); len(l) != 1 || l[0].Stream != "numbers" || letters["batch-00000000000000000000/a/shardId-000000000000-00000.ndjson"] == nil {
				t.Errorf("%s: letters %+v", policy, l)
			}
		})
	}
}
