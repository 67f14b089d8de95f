package duckdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// Rowwise executes Programs without state, in which a row of the result depends on one row of one input. For one sink it keeps
// nothing: the result is computed where it is asked for, straight into Parquet files, and in parts where memory is short. For several
// the result is computed once and kept in memory, if it fits.
type Rowwise struct{ db *DB }

var _ batch.Runner = (*Rowwise)(nil)

// NewRowwise returns a runner that uses d.
func NewRowwise(d *DB) *Rowwise { return &Rowwise{d} }

// Describe implements batch.Runner.
func (r *Rowwise) Describe(ctx context.Context, inputs map[string]*columnar.Schema, p *batch.Program) (*batch.Description, error) {
	if len(p.States) > 0 {
		return nil, errors.New("needs state between batches")
	}
	steps, query, err := outputOf(p, batch.RunInput{})
	if err != nil {
		return nil, err
	}
	var tables []Table
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		tables = append(tables, Table{Name: name, Schema: inputs[name]})
	}
	schema, err := r.db.describe(ctx, tables, steps, query)
	if err != nil {
		return nil, err
	}
	return &batch.Description{Inputs: inputs, Output: schema}, nil
}

// outputOf is the step that gives p's output and those before it, with the times of in.
func outputOf(p *batch.Program, in batch.RunInput) (steps []batch.Step, query string, err error) {
	for _, s := range p.Steps {
		s.SQL = in.Bind(s.SQL)
		if s.Name == p.Output {
			return steps, s.SQL, nil
		}
		steps = append(steps, s)
	}
	return nil, "", fmt.Errorf("program has no step %s", p.Output)
}

// Run implements batch.Runner.
func (r *Rowwise) Run(ctx context.Context, p *batch.Program, d *batch.Description, in batch.RunInput) (batch.Result, error) {
	out := &rowwiseResult{db: r.db, schema: d.Output}
	var err error
	if out.steps, out.query, err = outputOf(p, in); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(d.Inputs)) {
		out.parts = append(out.parts, tablePart{name, d.Inputs[name], piecesOf(in.Inputs[name])})
	}
	out.inputs, out.before = out.parts, out.steps
	if in.Shared {
		if err := out.share(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sharedMax is the number of bytes up to which a result is kept for several sinks. Tests lower it.
var sharedMax int64 = 256 << 20

// sharedName is the table of rows that are kept.
const sharedName = "weir_result"

var errLarge = errors.New("too much to keep")

// share runs the query, and makes the result one of the rows that it gave. One that is too large stays as it is.
func (r *rowwiseResult) share(ctx context.Context) error {
	var kept []*columnar.Batch
	var bytes int64
	err := r.each(ctx, func(b *columnar.Batch) error {
		kept = append(kept, b)
		for _, c := range b.Columns {
			bytes += columnBytes(c)
		}
		if bytes > sharedMax {
			return errLarge
		}
		return nil
	})
	switch {
	case errors.Is(err, errLarge), errors.Is(err, ErrMemory):
		return nil
	case err != nil:
		return err
	}
	r.parts, r.steps, r.query, r.known = []tablePart{{sharedName, r.schema, piecesOf(kept)}}, nil, "SELECT * FROM "+sharedName, true
	return nil
}

// columnBytes is what a column takes in memory.
func columnBytes(c *columnar.Column) int64 {
	n := int64(len(c.Data) + 4*len(c.Offsets) + len(c.Valid))
	for _, kid := range c.Children {
		n += columnBytes(kid)
	}
	return n
}

// rowwiseResult is a query and the rows that it is about, not yet run.
type rowwiseResult struct {
	db     *DB
	schema *columnar.Schema
	parts  []tablePart
	steps  []batch.Step
	query  string
	known  bool // the rows are the result

	inputs []tablePart // parts and steps as they were, for Step
	before []batch.Step
}

func (r *rowwiseResult) Schema() *columnar.Schema      { return r.schema }
func (r *rowwiseResult) Runs() []batch.StateRun        { return nil }
func (r *rowwiseResult) Metrics() []batch.StateMetrics { return nil }
func (r *rowwiseResult) Close() error                  { return nil }

// Len implements batch.Rows: no rows give none, and how many others give is only known of a result that is kept.
func (r *rowwiseResult) Len() int64 {
	if n := rowsOf(r.parts); n == 0 || r.known {
		return int64(n)
	}
	return -1
}

// Write implements batch.Rows.
func (r *rowwiseResult) Write(ctx context.Context, opts batch.WriteOptions) ([]batch.ParquetFile, error) {
	files, err := r.db.write(ctx, r.parts, r.steps, r.query, opts)
	return files, ofQuery(err)
}

// Step implements batch.Result. What the query gives is no step.
func (r *rowwiseResult) Step(ctx context.Context, name string) (*columnar.Batch, error) {
	of := &rowwiseResult{db: r.db, steps: r.before, query: "SELECT * FROM " + quoteName(name), schema: &columnar.Schema{}}
	return of.fetch(ctx, r.inputs, "")
}

// First implements batch.Rows.
func (r *rowwiseResult) First(ctx context.Context, limit int) (*columnar.Batch, error) {
	return r.fetch(ctx, r.parts, fmt.Sprintf(" LIMIT %d", limit))
}

// eachPieces is the number of vectors whose result Each holds in memory.
const eachPieces = 32

// Each implements batch.Rows.
func (r *rowwiseResult) Each(ctx context.Context, f func(*columnar.Batch) error) error {
	return r.each(ctx, f)
}

// each is Each with parts that f may keep.
func (r *rowwiseResult) each(ctx context.Context, f func(*columnar.Batch) error) error {
	for rest := r.parts; rowsOf(rest) > 0; {
		var now []tablePart
		now, rest = cut(rest, eachPieces)
		b, err := r.fetch(ctx, now, "")
		if err != nil {
			return err
		}
		if b.Len == 0 {
			continue
		}
		if err := f(b); err != nil {
			return err
		}
	}
	return nil
}

// fetch runs the query over parts into memory.
func (r *rowwiseResult) fetch(ctx context.Context, parts []tablePart, tail string) (*columnar.Batch, error) {
	if rowsOf(parts) == 0 {
		return columnar.NewBuilder(r.schema).Batch(), nil
	}
	c, err := r.db.take(ctx)
	if err != nil {
		return nil, err
	}
	defer r.db.give(c)
	with, done := withParts(parts)
	defer done()
	with = withSteps(with, r.steps)
	results, err := c.results(over(with, r.query, []string{"*"}))
	if err != nil {
		return nil, err
	}
	b, err := c.query(ctx, over(with, r.query, expressions(results))+tail)
	return b, ofQuery(err)
}

func rowsOf(parts []tablePart) int {
	n := 0
	for _, p := range parts {
		for _, piece := range p.pieces {
			n += piece.n
		}
	}
	return n
}

func piecesIn(parts []tablePart) int {
	n := 0
	for _, p := range parts {
		n += len(p.pieces)
	}
	return n
}

func halves(parts []tablePart) (first, second []tablePart) { return cut(parts, piecesIn(parts)/2) }

// cut returns parts of the first n pieces, and those of the others. All inputs are in both, so that a query finds them.
func cut(parts []tablePart, n int) (first, rest []tablePart) {
	for _, p := range parts {
		k := min(n, len(p.pieces))
		n -= k
		first = append(first, tablePart{p.name, p.schema, p.pieces[:k]})
		rest = append(rest, tablePart{p.name, p.schema, p.pieces[k:]})
	}
	return first, rest
}
