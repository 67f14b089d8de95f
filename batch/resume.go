package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/weir-data/weir/columnar"
)

// prepare compiles the query, checks what it gives and opens its state.
func (e *Engine) prepare(ctx context.Context) (err error) {
	if err := e.recall(ctx); err != nil {
		return err
	}
	if err := e.describe(ctx); err != nil {
		return err
	}
	if len(e.program.States) == 0 {
		return nil
	}
	if err := e.checkEvolution(ctx); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if e.opts.State == nil {
		return errors.New("the query needs state between batches, and there is no place for it")
	}
	s, err := e.opts.State(ctx)
	if err != nil { // then s may be a store that is nil, and not a nil store
		return fmt.Errorf("open state: %w", err)
	}
	e.state = s
	return nil
}

// describe compiles the query over the inputs as they are and checks what it gives.
func (e *Engine) describe(ctx context.Context) (err error) {
	schemas := map[string]*columnar.Schema{}
	for _, in := range e.inputs {
		schemas[in.spec.Name] = in.spec.Schema
	}
	if e.program, e.described, err = e.compile(ctx, schemas); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if err := checkColumns(e.described.Output); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	for i := range e.pipeline.Sinks {
		if err := checkPartitionBy(e.described.Output, e.pipeline.Sinks[i].PartitionBy); err != nil {
			return fmt.Errorf("sink.partition_by: %w", err)
		}
	}
	return nil
}

// compile makes the program of the query over sources of the given columns, to which it adds those of the tables.
func (e *Engine) compile(ctx context.Context, schemas map[string]*columnar.Schema) (*Program, *Description, error) {
	compile := e.opts.Compile
	if compile == nil {
		compile = uncompiled
	}
	p, err := compile(e.pipeline, schemas)
	if err != nil {
		return nil, nil, err
	}
	if err := e.addTables(ctx, p, schemas); err != nil {
		return nil, nil, err
	}
	d, err := e.opts.Runner.Describe(ctx, schemas, p)
	return p, d, err
}

// uncompiled is the pipeline's query as it is.
func uncompiled(p *Pipeline, _ map[string]*columnar.Schema) (*Program, error) {
	return &Program{Steps: []Step{{Name: "output", SQL: p.Query}}, Output: "output"}, nil
}

func checkColumns(s *columnar.Schema) error {
	seen := map[string]bool{}
	for _, f := range s.Fields {
		name := strings.ToLower(f.Name)
		if seen[name] {
			return fmt.Errorf("gives two columns called %s; give one of them another name with AS", f.Name)
		}
		seen[name] = true
	}
	return nil
}

func checkPartitionBy(s *columnar.Schema, by []string) error {
	for _, name := range by {
		i := s.Index(name)
		if i < 0 {
			return fmt.Errorf("the query gives no column called %s", name)
		}
		switch k := s.Fields[i].Type.Kind; k {
		case columnar.Struct, columnar.List, columnar.Map, columnar.Binary, columnar.Float32, columnar.Float64:
			return fmt.Errorf("column %s is of type %s, which makes no folders", name, s.Fields[i].Type)
		}
	}
	if len(by) > 0 && len(by) >= len(s.Fields) {
		return errors.New("no column is left for the files")
	}
	return nil
}

// resume finds where to go on: what the progress says, checked against what sinks and state hold.
func (e *Engine) resume(ctx context.Context) error {
	// The sources first: a stream that is not there must not leave an empty table behind.
	for _, in := range e.inputs {
		if err := e.retry(ctx, "open source", func() error { return in.probe(ctx) }); err != nil {
			return fmt.Errorf("open source %s: %w", in.spec.Name, err)
		}
	}
	held, err := e.openSinks(ctx)
	if err != nil {
		return err
	}
	p, err := e.opts.Progress.Load(ctx)
	if err != nil {
		return err
	}
	if err := e.checkPlan(p.Plan); err != nil {
		return err
	}
	if err := e.checkSinks(p, held); err != nil {
		return err
	}
	if err := e.loadState(ctx, p); err != nil {
		return err
	}
	e.times = newWatermarks(e.pipeline)
	maps.Copy(e.times.seen, p.Mark.MaxEventTime)
	e.next = p.Mark.Batch + 1
	switch {
	case p.Plan == nil:
		if err := e.begin(ctx); err != nil {
			return err
		}
	case p.Mark.Batch == p.Plan.Batch:
		e.times.done(p.Plan.Watermark)
		for _, in := range e.inputs {
			in.at = p.Plan.Sources[in.spec.Name].End.Clone()
		}
	default:
		e.pending = p.Plan
		for _, in := range e.inputs {
			in.at = p.Plan.Sources[in.spec.Name].Start.Clone()
		}
	}
	return e.aim(ctx)
}

// openSinks makes the sinks ready and returns the newest batch that each holds.
func (e *Engine) openSinks(ctx context.Context) (held []int64, err error) {
	out := Output{Pipeline: e.pipeline.Name, Schema: e.described.Output, Mode: e.pipeline.Mode, Keys: e.program.Keys}
	if out.Mode == Update && out.Keys != nil && len(out.Keys) == 0 {
		out.Mode = Complete // one row, which is the whole result
	}
	held = make([]int64, len(e.sinks))
	for i, s := range e.sinks {
		err := e.retry(ctx, "open sink", func() (err error) {
			held[i], err = s.Open(ctx, out)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("open sink: %w", err)
		}
	}
	return held, nil
}

// checkPlan refuses progress of other sources.
func (e *Engine) checkPlan(p *Plan) error {
	if p == nil {
		return nil
	}
	for _, in := range e.inputs {
		r, ok := p.Sources[in.spec.Name]
		if !ok {
			return fmt.Errorf("%w: it knows no source called %s; give the pipeline another name to begin anew", ErrProgress, in.spec.Name)
		}
		if r.Of != in.spec.Stream {
			return fmt.Errorf("%w: it belongs to %s %s, not %s; give the pipeline another name to begin anew",
				ErrProgress, in.spec.Kind, r.Of, in.spec.Stream)
		}
	}
	for name := range p.Sources {
		if e.pipeline.Source(name) == nil {
			return fmt.Errorf("%w: it belongs to a pipeline that also reads a source called %s; give the pipeline another name to begin anew",
				ErrProgress, name)
		}
	}
	return nil
}

// checkSinks refuses progress that would lose or repeat records.
func (e *Engine) checkSinks(p Progress, held []int64) error {
	planned := int64(-1)
	if p.Plan != nil {
		planned = p.Plan.Batch
	}
	for i, last := range held {
		about := e.sinks[i].About()
		if last > planned {
			return fmt.Errorf("%w: %s holds batches up to %d of pipeline %s, the progress ends at %d: it was lost or is an "+
				"older copy. Bring the right progress back, or drop the table, or give the pipeline another name, which reads "+
				"from the source's start again and adds rows that the table has already", ErrProgress, about.Description, last, e.pipeline.Name, planned)
		}
		if p.Mark.Batch >= 0 && last < 0 && about.Guarantee == ExactlyOnce {
			e.opts.Logger.Warn("the sink holds no batch of this pipeline: it is new, or no batch had rows; going on after the last batch",
				"pipeline", e.pipeline.Name, "sink", about.Description, "batch", p.Mark.Batch)
		}
	}
	return nil
}

// loadState takes the state after the newest batch that is done. A version of the batch that a crash interrupted may be there as
// well; the batch runs again and replaces it.
func (e *Engine) loadState(ctx context.Context, p Progress) error {
	if e.state == nil {
		return e.checkNoState(ctx, p)
	}
	newest, err := e.state.Newest(ctx)
	if err != nil {
		return fmt.Errorf("open state: %w", err)
	}
	done, planned := p.Mark.Batch, int64(-1)
	if p.Plan != nil {
		planned = p.Plan.Batch
	}
	const anew = "or give the pipeline another name to begin anew"
	switch {
	case newest < 0 && done >= 0:
		return fmt.Errorf("%w: there is none, and %d batches are done: it was lost, or the query had no need of state before. Bring the "+
			"state back, %s", ErrState, done+1, anew)
	case newest < done:
		return fmt.Errorf("%w: it ends at batch %d and the progress at %d: the state is an older copy. Bring the right one back, %s",
			ErrState, newest, done, anew)
	case newest > planned:
		return fmt.Errorf("%w: it ends at batch %d and the progress at %d: the progress was lost or is an older copy. Bring the right "+
			"one back, %s", ErrState, newest, planned, anew)
	}
	e.version, err = e.state.Load(ctx, done, e.program.States, e.described.States)
	if err != nil {
		return fmt.Errorf("open state: %w", err)
	}
	return nil
}

// checkNoState refuses a query without state where the newest batch that is done left some: rows that wait in it would never be given.
func (e *Engine) checkNoState(ctx context.Context, p Progress) error {
	if e.opts.StateKept == nil || p.Mark.Batch < 0 {
		return nil
	}
	newest, err := e.opts.StateKept(ctx)
	if err != nil {
		return fmt.Errorf("look for state: %w", err)
	}
	if newest >= p.Mark.Batch {
		return fmt.Errorf("%w: it was kept up to batch %d for a query with aggregates, joins or deduplication, and this query has none: what waits in "+
			"it would be lost. Bring the query back, or give the pipeline another name to begin anew", ErrState, newest)
	}
	return nil
}

// begin sets the offsets of a pipeline without progress. A start other than the oldest record is kept as an empty
// batch, so that a restart before the first data does not move it.
func (e *Engine) begin(ctx context.Context) error {
	p := Plan{Batch: 0, Time: e.opts.Now().UTC().Truncate(planUnit), Sources: map[string]Range{}}
	oldest := true
	for _, in := range e.inputs {
		in.at = Offset{}
		if start := in.spec.Start; start.Kind != TrimHorizon {
			oldest = false
			err := e.retry(ctx, "find the start", func() (err error) {
				in.at, err = in.position(ctx, start)
				return err
			})
			if err != nil {
				return fmt.Errorf("start of source %s: %w", in.spec.Name, err)
			}
		}
		p.Sources[in.spec.Name] = Range{Of: in.spec.Stream, Start: in.at.Clone(), End: in.at.Clone()}
	}
	if oldest {
		return nil
	}
	if err := e.opts.Progress.SavePlan(ctx, p); err != nil {
		return err
	}
	e.pending = &p
	return nil
}

// aim sets where a run of what is available ends.
func (e *Engine) aim(ctx context.Context) error {
	if !e.availableNow() {
		return nil
	}
	for _, in := range e.inputs {
		t, ok := in.source.(Tipper)
		if !ok {
			continue
		}
		err := e.retry(ctx, "find the newest record", func() (err error) {
			in.target, err = t.Latest(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("find the newest record of source %s: %w", in.spec.Name, err)
		}
	}
	return nil
}
