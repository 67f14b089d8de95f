package duckdb

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/state"
	"github.com/weir-data/weir/columnar"
)

// tumbling counts by key in windows of ten minutes and emits those that are final.
func tumbling() *batch.Program {
	return &batch.Program{
		Steps: []batch.Step{
			{Name: "rows", SQL: `SELECT time_bucket(INTERVAL 10 MINUTE, ts) AS w, k, v FROM source`},
			{Name: "late", SQL: `SELECT count(*) FROM rows WHERE w + INTERVAL 10 MINUTE <= weir_late()`},
			{Name: "partial", SQL: `SELECT w, w + INTERVAL 10 MINUTE AS until, k, count(*) AS n, sum(v) AS total FROM rows
				WHERE w + INTERVAL 10 MINUTE > weir_late() GROUP BY ALL`},
			{Name: "final", SQL: `SELECT {'start': w, 'end': until} AS "window", k, CAST(sum(n) AS BIGINT) AS n, CAST(sum(total) AS BIGINT) AS total
				FROM (SELECT * FROM counts UNION ALL SELECT * FROM partial) WHERE until <= weir_watermark() GROUP BY ALL`},
		},
		States: []batch.StateSpec{{
			Name: "counts", Operator: "stateStoreSave", Like: "partial", Update: "partial", Until: "until", Late: "late", Keys: []string{"w", "k"},
			Compact:    `SELECT w, until, k, CAST(sum(n) AS BIGINT) AS n, CAST(sum(total) AS HUGEINT) AS total FROM runs GROUP BY ALL`,
			Definition: map[string]string{"group by": "window(ts, 10 minutes), k", "watermark": "ts, 5 minutes"},
		}},
		Output: "final",
	}
}

var eventSchema = &columnar.Schema{Fields: []columnar.Field{
	{Name: "ts", Type: columnar.Type{Kind: columnar.Timestamp}, Nullable: true},
	{Name: "k", Type: columnar.Type{Kind: columnar.String}, Nullable: true},
	{Name: "v", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true},
}}

// events are rows such as "08:03 a 1".
func events(t testing.TB, rows ...string) []*columnar.Batch {
	t.Helper()
	b := columnar.NewBuilder(eventSchema)
	for _, row := range rows {
		parts := strings.Fields(row)
		var v int64
		if _, err := fmt.Sscan(parts[2], &v); err != nil {
			t.Fatal(err)
		}
		if err := b.Append(clockTime(t, parts[0]), parts[1], v); err != nil {
			t.Fatal(err)
		}
	}
	return []*columnar.Batch{b.Batch()}
}

func clockTime(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateTime, "2026-01-31 "+text+":00")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// fixture is a pipeline's Runner and store.
type fixture struct {
	t       testing.TB
	dir     string // where results may be written
	runner  *Runner
	store   *state.Store
	program *batch.Program
	about   *batch.Description
	at      batch.StateVersion
	late    time.Time
	metrics []batch.StateMetrics
}

func newFixture(t testing.TB, p *batch.Program, opts Options, source *columnar.Schema) *fixture {
	t.Helper()
	dir := t.TempDir()
	opts.Dirs = append(opts.Dirs, dir)
	db, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	r, err := db.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	s, err := state.Open(state.Options{Dir: filepath.Join(dir, "state [1]")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		r.Close()
		db.Close()
	})
	f := &fixture{t: t, dir: dir, runner: r, store: s, program: p}
	if f.about, err = r.Describe(context.Background(), map[string]*columnar.Schema{"source": source}, p); err != nil {
		t.Fatal(err)
	}
	if f.at, err = s.Load(context.Background(), -1, p.States, f.about.States); err != nil {
		t.Fatal(err)
	}
	return f
}

// run runs a batch and commits its state; f looks at the result.
func (s *fixture) run(watermark time.Time, rows []*columnar.Batch, f func(batch.Result)) {
	s.t.Helper()
	ctx := context.Background()
	in := batch.RunInput{
		Batch: s.at.Batch + 1, Watermark: watermark, Late: s.late, Time: time.Unix(1, 0), State: s.at,
		Inputs: map[string][]*columnar.Batch{"source": rows},
	}
	var err error
	if in.StateDir, err = s.store.NewDir(ctx, s.at); err != nil {
		s.t.Fatal(err)
	}
	res, err := s.runner.Run(ctx, s.program, s.about, in)
	if err != nil {
		s.t.Fatal(err)
	}
	f(res)
	s.metrics = res.Metrics()
	if s.at, err = s.store.Commit(ctx, s.at, in.Batch, watermark, res.Runs()); err != nil {
		s.t.Fatal(err)
	}
	if err := res.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.late = watermark
}

// rows runs a batch and returns its output, sorted.
func (s *fixture) rows(watermark time.Time, rows []*columnar.Batch) []string {
	s.t.Helper()
	var all []string
	s.run(watermark, rows, func(res batch.Result) {
		err := res.Each(context.Background(), func(b *columnar.Batch) error {
			for i := range b.Len {
				all = append(all, rowText(b, i))
			}
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	})
	slices.Sort(all)
	return all
}

func TestTumblingCount(t *testing.T) {
	s := newFixture(t, tumbling(), Options{}, eventSchema)
	at := func(text string) time.Time { return clockTime(t, text) }
	for i, c := range []struct {
		watermark time.Time
		rows      []*columnar.Batch
		want      string
		metrics   string
	}{
		{time.Time{}, events(t, "08:01 a 1", "08:02 a 2", "08:03 b 4", "08:11 a 8"), "", "total 3 updated 3 removed 0 late 0 runs 1"},
		{at("08:06"), events(t, "08:04 a 16", "08:19 a 32"), "", "total 5 updated 2 removed 0 late 0 runs 2"},
		{at("08:14"), nil, `[{"end":"2026-01-31T08:10:00Z","start":"2026-01-31T08:00:00Z"},"a",3,19] [{"end":"2026-01-31T08:10:00Z","start":"2026-01-31T08:00:00Z"},"b",1,4]`,
			"total 2 updated 0 removed 3 late 0 runs 2"},
		{at("08:14"), events(t, "08:05 a 64", "08:15 c 128"), "", "total 3 updated 1 removed 0 late 1 runs 3"},
		{at("09:00"), nil, `[{"end":"2026-01-31T08:20:00Z","start":"2026-01-31T08:10:00Z"},"a",2,40] [{"end":"2026-01-31T08:20:00Z","start":"2026-01-31T08:10:00Z"},"c",1,128]`,
			"total 0 updated 0 removed 3 late 0 runs 0"},
	} {
		if got := strings.Join(s.rows(c.watermark, c.rows), " "); got != c.want {
			t.Errorf("batch %d: got %s, want %s", i, got, c.want)
		}
		m := s.metrics[0]
		if got := fmt.Sprintf("total %d updated %d removed %d late %d runs %d", m.RowsTotal, m.RowsUpdated, m.RowsRemoved, m.RowsLate, m.RunsOnDisk); got != c.metrics {
			t.Errorf("batch %d: %s, want %s", i, got, c.metrics)
		}
		if len(s.at.Runs) != m.RunsOnDisk {
			t.Errorf("batch %d: %d runs in the version", i, len(s.at.Runs))
		}
	}
}
