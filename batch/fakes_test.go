package batch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

const numbersFile = `
name: numbers
source:
  stream: numbers
  schema:
    n: {type: bigint, nullable: false}
    text: string
    x: double
  mode: permissive
  max_records_per_trigger: 40
sink:
  delta: s3://lake/numbers
trigger: available-now
dead_letters: s3://lake/_dead
`

// numbers are records {"n": i}; one in 7 is no JSON, one in 11 lacks n, one in 13 has a bad x.
func numbers(from, to int) (records [][]byte) {
	for i := from; i < to; i++ {
		switch {
		case i%7 == 3:
			records = append(records, fmt.Appendf(nil, "no JSON %d", i))
		case i%11 == 5:
			records = append(records, fmt.Appendf(nil, `{"text": "%d"}`, i))
		case i%13 == 9:
			records = append(records, fmt.Appendf(nil, `{"n": %d, "x": "bad"}`, i))
		default:
			records = append(records, fmt.Appendf(nil, `{"n": %d, "text": "t", "x": 0.5}`, i))
		}
	}
	return records
}

// copyRunner gives every row of the source as it is.
type copyRunner struct{}

func (copyRunner) Describe(_ context.Context, in map[string]*columnar.Schema, _ *batch.Program) (*batch.Description, error) {
	return &batch.Description{Inputs: in, Output: in["source"]}, nil
}

func (copyRunner) Run(_ context.Context, _ *batch.Program, d *batch.Description, in batch.RunInput) (batch.Result, error) {
	return copied{d.Output, in.Inputs["source"]}, nil
}

// copied are rows in memory.
type copied struct {
	schema *columnar.Schema
	rows   []*columnar.Batch
}

func (c copied) Schema() *columnar.Schema    { return c.schema }
func (copied) Runs() []batch.StateRun        { return nil }
func (copied) Metrics() []batch.StateMetrics { return nil }
func (copied) Close() error                  { return nil }

func (copied) Step(context.Context, string) (*columnar.Batch, error) {
	return nil, errors.New("no steps here")
}

func (c copied) Len() (n int64) {
	for _, b := range c.rows {
		n += int64(b.Len)
	}
	return n
}

func (copied) Write(context.Context, batch.WriteOptions) ([]batch.ParquetFile, error) {
	return nil, errors.New("no files here")
}

func (c copied) Each(_ context.Context, f func(*columnar.Batch) error) error {
	for _, b := range c.rows {
		if err := f(b); err != nil {
			return err
		}
	}
	return nil
}

func (c copied) First(_ context.Context, limit int) (*columnar.Batch, error) {
	b := columnar.NewBuilder(c.schema)
	for _, part := range c.rows {
		for i := 0; i < part.Len && b.Len() < limit; i++ {
			var row []any
			for _, c := range part.Columns {
				row = append(row, c.Value(i))
			}
			if err := b.Append(row...); err != nil {
				return nil, err
			}
		}
	}
	return b.Batch(), nil
}

// memSink is a table in memory that knows which batches it has.
type memSink struct {
	last  int64
	rows  []int64 // the first column
	sizes []int   // rows of each batch
}

func newMemSink() *memSink { return &memSink{last: -1} }

func (s *memSink) Open(context.Context, batch.Output) (int64, error) { return s.last, nil }

func (s *memSink) About() batch.SinkInfo {
	return batch.SinkInfo{Description: "memory", Guarantee: batch.ExactlyOnce}
}

func (s *memSink) Write(ctx context.Context, id int64, rows batch.Rows) (batch.Written, error) {
	if id <= s.last {
		return batch.Written{Replayed: true}, nil
	}
	if rows.Len() == 0 {
		return batch.Written{}, nil
	}
	err := rows.Each(ctx, func(b *columnar.Batch) error {
		for i := range b.Len {
			s.rows = append(s.rows, b.Columns[0].Int(i))
		}
		return nil
	})
	s.sizes = append(s.sizes, int(rows.Len()))
	s.last = id
	return batch.Written{Rows: rows.Len()}, err
}

// memLetters are dead letters in memory.
type memLetters map[string][]byte

func (m memLetters) Put(_ context.Context, name string, body []byte) error {
	m[name] = bytes.Clone(body)
	return nil
}

func (m memLetters) all(t testing.TB) (letters []batch.Letter) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(m)) {
		for d := json.NewDecoder(bytes.NewReader(m[name])); ; {
			var l batch.Letter
			if err := d.Decode(&l); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			letters = append(letters, l)
		}
	}
	return letters
}

var errCrash = errors.New("crash")

// faults makes the engine's world die at its n-th step: odd numbers before a step takes effect, even ones after. After
// that no step works.
type faults struct {
	mu   sync.Mutex // guards the fields below
	left int        // to go; 0: never
	dead bool
}

func (f *faults) step(do func() error) error {
	if f.dies() {
		return errCrash
	}
	if err := do(); err != nil {
		return err
	}
	if f.dies() {
		return errCrash
	}
	return nil
}

func (f *faults) dies() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left == 0 {
		f.dead = true
	}
	return f.dead
}

type faultySource struct {
	batch.Source
	f *faults
}

func (s faultySource) Plan(ctx context.Context, start batch.Offset, l batch.Limit) (end batch.Offset, err error) {
	err = s.f.step(func() (err error) { end, err = s.Source.Plan(ctx, start, l); return err })
	return end, err
}

func (s faultySource) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	return s.Source.Read(ctx, start, end, func(chunk []batch.Record) error {
		return s.f.step(func() error { return f(chunk) })
	})
}

type faultySink struct {
	batch.Sink
	f *faults
}

func (s faultySink) Open(ctx context.Context, out batch.Output) (last int64, err error) {
	err = s.f.step(func() (err error) { last, err = s.Sink.Open(ctx, out); return err })
	return last, err
}

func (s faultySink) Write(ctx context.Context, id int64, out batch.Rows) (w batch.Written, err error) {
	err = s.f.step(func() (err error) { w, err = s.Sink.Write(ctx, id, out); return err })
	return w, err
}

type faultyLetters struct {
	batch.Letters
	f *faults
}

func (l faultyLetters) Put(ctx context.Context, name string, body []byte) error {
	return l.f.step(func() error { return l.Letters.Put(ctx, name, body) })
}

type faultyProgress struct {
	batch.ProgressStore
	f *faults
}

func (p faultyProgress) SavePlan(ctx context.Context, plan batch.Plan) error {
	return p.f.step(func() error { return p.ProgressStore.SavePlan(ctx, plan) })
}

func (p faultyProgress) SaveMark(ctx context.Context, m batch.Mark) error {
	return p.f.step(func() error { return p.ProgressStore.SaveMark(ctx, m) })
}

// faulty puts f between an engine and its world.
func faulty(opts batch.Options, f *faults) batch.Options {
	sources := map[string]batch.Source{}
	for name, s := range opts.Sources {
		sources[name] = faultySource{s, f}
	}
	opts.Sources = sources
	for i, s := range opts.Sinks {
		opts.Sinks[i] = faultySink{s, f}
	}
	opts.Letters = faultyLetters{opts.Letters, f}
	opts.Progress = faultyProgress{opts.Progress, f}
	return opts
}

// memProgress is progress in memory.
type memProgress struct{ at batch.Progress }

func newMemProgress() *memProgress { return &memProgress{batch.Progress{Mark: batch.Mark{Batch: -1}}} }

func (p *memProgress) Load(context.Context) (batch.Progress, error) { return p.at, nil }

func (p *memProgress) SavePlan(_ context.Context, plan batch.Plan) error {
	p.at.Plan = &plan
	return nil
}

func (p *memProgress) SaveMark(_ context.Context, m batch.Mark) error {
	p.at.Mark = m
	return nil
}
