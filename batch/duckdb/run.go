package duckdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// Run implements batch.Runner. The result is to be closed before the next Run.
func (r *Runner) Run(ctx context.Context, p *batch.Program, d *batch.Description, in batch.RunInput) (batch.Result, error) {
	if stateless(p) {
		return NewRowwise(r.db).Run(ctx, p, d, in)
	}
	out, err := r.run(ctx, p, d, &in)
	if err == nil || ctx.Err() != nil || !errors.Is(err, ErrMemory) && !errors.Is(err, errBroken) || r.threads == 1 {
		return out, err
	}
	// One thread holds much less in memory at a time. As the next batches are as large, it stays so.
	r.Close()
	r.threads = 1
	return r.run(ctx, p, d, &in)
}

func (r *Runner) run(ctx context.Context, p *batch.Program, d *batch.Description, in *batch.RunInput) (batch.Result, error) {
	if r.compiled == nil || r.compiled.program != p {
		c, err := r.compile(ctx, d.Inputs, p)
		if err != nil {
			return nil, err
		}
		r.compiled = c
	}
	out := &runResult{db: r.own, conn: r.conn, workspace: r.newWorkspace(), schema: d.Output, program: p, output: r.compiled.output}
	if err := out.run(ctx, r.compiled, in); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// runResult is a batch.Result: the output is a temporary table until it is closed.
type runResult struct {
	db        *DB
	conn      *conn
	workspace *workspace
	schema    *columnar.Schema
	program   *batch.Program
	output    []result

	rows    int64
	runs    []batch.StateRun
	metrics []batch.StateMetrics
}

// run executes the steps and writes the state.
func (r *runResult) run(ctx context.Context, c *compiled, in *batch.RunInput) error {
	if err := r.bind(ctx, c, in); err != nil {
		return err
	}
	if err := r.narrow(ctx, c, in, slices.Sorted(maps.Keys(c.inputs))...); err != nil {
		return err
	}
	for _, step := range r.program.Steps {
		if c.inline[step.Name] {
			if err := r.workspace.view(ctx, step.Name, trimQuery(step.SQL)); err != nil {
				return err
			}
		} else if err := r.keep(ctx, step); err != nil {
			return err
		}
		if err := r.narrow(ctx, c, in, step.Name); err != nil {
			return err
		}
	}
	for _, s := range c.states {
		if err := r.change(ctx, s, in); err != nil {
			return err
		}
	}
	return nil
}

// keep computes the rows of a step.
func (r *runResult) keep(ctx context.Context, step batch.Step) error {
	n, err := r.workspace.table(ctx, step.Name, trimQuery(step.SQL))
	if err != nil {
		return fmt.Errorf("step %s: %w", step.Name, ofQuery(err))
	}
	if step.Name == r.program.Output {
		r.rows = n
	}
	return nil
}

// bind makes the time, the inputs and the state readable.
func (r *runResult) bind(ctx context.Context, c *compiled, in *batch.RunInput) error {
	w := r.workspace
	if err := w.clock(ctx, in.Watermark, in.Late, in.Time); err != nil {
		return err
	}
	for name, schema := range c.inputs {
		var err error
		if sql, ok := in.Statics[name]; ok {
			err = w.static(ctx, name, schema, sql)
		} else {
			err = w.input(ctx, name, schema, in.Inputs[name])
		}
		if err != nil {
			return fmt.Errorf("input %s: %w", name, err)
		}
	}
	for _, s := range c.states {
		if s.narrowed(in) {
			continue // not before it is known what touches it, as each time that a view is made the files are opened
		}
		if err := r.show(ctx, s, in); err != nil {
			return err
		}
	}
	return nil
}

// show makes a state readable, without rows for which where is false.
func (r *runResult) show(ctx context.Context, s *stateTable, in *batch.RunInput, where ...string) error {
	sql := s.read(in.State.Dir, s.runsOf(in.State.Runs), in.Late, "weir_late()", where...)
	if err := r.workspace.view(ctx, s.spec.Name, sql); err != nil {
		return fmt.Errorf("%w: read state %s: %w", batch.ErrState, s.spec.Name, err)
	}
	return nil
}

// change writes what becomes of a state in the batch.
func (r *runResult) change(ctx context.Context, s *stateTable, in *batch.RunInput) (err error) {
	before := s.runsOf(in.State.Runs)
	w := &stateWriter{conn: r.conn, table: s, in: in, kept: slices.Clone(before)}
	m := batch.StateMetrics{Operator: s.spec.Operator}
	began := time.Now()
	if m.RowsUpdated, err = w.update(ctx); err != nil {
		return err
	}
	m.UpdatesTook = time.Since(began)
	began = time.Now()
	if err := r.expire(ctx, w, &m); err != nil {
		return err
	}
	if s.spec.Late != "" {
		if m.RowsLate, err = r.late(ctx, s.spec.Late); err != nil {
			return err
		}
	}
	m.RemovalsTook = time.Since(began)
	for _, run := range append(w.kept, w.added...) {
		m.Bytes += run.Bytes
		m.RunsOnDisk++
	}
	r.runs, r.metrics = append(r.runs, w.added...), append(r.metrics, m)
	return nil
}

// expire counts what the watermark has passed, and draws runs together.
func (r *runResult) expire(ctx context.Context, w *stateWriter, m *batch.StateMetrics) (err error) {
	before, err := w.seen(ctx, w.kept, w.in.Late, "weir_late()")
	if err != nil {
		return err
	}
	if m.RowsTotal, err = w.seen(ctx, w.kept, w.in.Watermark, "weir_watermark()"); err != nil {
		return err
	}
	m.RowsRemoved = before - m.RowsTotal
	w.kept = slices.DeleteFunc(w.kept, func(run batch.StateRun) bool { return !run.Until.IsZero() && !run.Until.After(w.in.Watermark) })
	if m.CompactedRuns, err = w.merge(ctx, w.table.toMerge(w.kept, w.in)); err != nil || m.CompactedRuns == 0 {
		return err
	}
	m.RowsTotal, err = w.seen(ctx, w.kept, w.in.Watermark, "weir_watermark()")
	return err
}

// late asks a step for how many rows came too late.
func (r *runResult) late(ctx context.Context, step string) (int64, error) {
	b, err := r.conn.query(ctx, "SELECT CAST(COLUMNS(*) AS BIGINT) FROM "+quoteName(step))
	if err != nil {
		return 0, err
	}
	if b.Len != 1 || len(b.Columns) != 1 {
		return 0, fmt.Errorf("step %s gives %d rows of %d columns, not one number", step, b.Len, len(b.Columns))
	}
	return b.Columns[0].Int(0), nil
}
