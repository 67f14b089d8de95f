package incremental

import (
	"context"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/batch/state"
	"github.com/weir-data/weir/columnar"
)

// engine runs a program as pipelines do: by the Runner, with state in files.
type engine struct {
	runner *duckdb.Runner
	store  *state.Store
	about  *batch.Description
	at     batch.StateVersion
}

// withRunner lets the machine run its program by the Runner.
func (m *machine) withRunner() *machine {
	m.t.Helper()
	dir := m.t.(*testing.T).TempDir()
	db, err := duckdb.Open(duckdb.Options{Threads: 1, Dirs: []string{dir}})
	if err != nil {
		m.t.Fatal(err)
	}
	r, err := db.NewRunner()
	if err != nil {
		m.t.Fatal(err)
	}
	s, err := state.Open(state.Options{Dir: filepath.Join(dir, "state")})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		s.Close()
		r.Close()
		db.Close()
	})
	inputs := map[string]*columnar.Schema{}
	for name, in := range m.in.Streams {
		inputs[name] = in.Columns
	}
	e := &engine{runner: r, store: s}
	if e.about, err = r.Describe(context.Background(), inputs, m.p); err != nil {
		m.t.Fatal(err)
	}
	if e.at, err = s.Load(context.Background(), -1, m.p.States, e.about.States); err != nil {
		m.t.Fatal(err)
	}
	m.engine = e
	return m
}

func (m *machine) runEngine(rows map[string][][]any, commit bool) []string {
	m.t.Helper()
	ctx, e := context.Background(), m.engine
	in := batch.RunInput{Batch: e.at.Batch + 1, Watermark: m.mark, Late: m.late, Time: time.Unix(1e9, 0), State: e.at, Inputs: map[string][]*columnar.Batch{}}
	for name, s := range m.in.Streams {
		in.Inputs[name] = rowsOfSchema(m.t, s.Columns, rows[name])
	}
	var err error
	if in.StateDir, err = e.store.NewDir(ctx, e.at); err != nil {
		m.t.Fatal(err)
	}
	res, err := e.runner.Run(ctx, m.p, e.about, in)
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Close()
	var out []string
	if err := res.Each(ctx, func(b *columnar.Batch) error {
		out = append(out, texts(b)...)
		return nil
	}); err != nil {
		m.t.Fatal(err)
	}
	sort.Strings(out)
	if !commit {
		return out
	}
	for name, step := range m.p.EventTimes {
		b, err := res.Step(ctx, step)
		if err != nil || b.Len != 1 {
			m.t.Fatalf("step %s: %d rows, %v", step, b.Len, err)
		}
		if at := time.UnixMicro(b.Columns[2].Int(0)); b.Columns[0].Int(0) > 0 && at.After(m.max[name]) {
			m.max[name] = at
		}
	}
	for _, metrics := range res.Metrics() {
		m.dropped += metrics.RowsLate
	}
	if e.at, err = e.store.Commit(ctx, e.at, in.Batch, m.mark, res.Runs()); err != nil {
		m.t.Fatal(err)
	}
	m.advance(rows)
	return out
}
