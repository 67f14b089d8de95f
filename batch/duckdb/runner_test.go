package duckdb

import (
	"context"
	"errors"
	"fmt"
	"math/big"
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

// runningTotals keeps totals by key for ever and gives the keys of the batch.
// TestRunIntoPartitions writes what a query with state gives into the folders of a table that is partitioned.
func TestRunIntoPartitions(t *testing.T) {
	s := newFixture(t, runningTotals(), Options{}, eventSchema)
	s.run(time.Time{}, events(t, "08:01 a 1", "08:02 b 2", "08:03 a 4"), func(res batch.Result) {
		files, err := res.Write(t.Context(), batch.WriteOptions{Dir: s.dir, PartitionBy: []string{"k"}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, fmt.Sprintf("%s:%d", *f.Partition["k"], f.Rows))
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != "a:1 b:1" {
			t.Errorf("files %s", text)
		}
	})
}

func runningTotals() *batch.Program {
	return &batch.Program{
		Steps: []batch.Step{
			{Name: "fresh", SQL: `SELECT k, count(*) AS n, sum(v) AS total FROM source GROUP BY k`},
			{Name: "merged", SQL: `SELECT k, CAST(sum(n) AS BIGINT) AS n, sum(total) AS total FROM (
				SELECT s.* FROM totals AS s SEMI JOIN fresh AS n ON s.k IS NOT DISTINCT FROM n.k UNION ALL SELECT * FROM fresh) GROUP BY k`},
			{Name: "out", SQL: `SELECT k, n, CAST(total AS VARCHAR) AS total FROM merged`},
		},
		States: []batch.StateSpec{{Name: "totals", Operator: "stateStoreSave", Like: "fresh", Update: "fresh", Keys: []string{"k"},
			Compact: `SELECT k, CAST(sum(n) AS BIGINT) AS n, sum(total) AS total FROM runs GROUP BY k`}},
		Output: "out", Keys: []string{"k"},
	}
}

// TestRunsAreMerged adds to the same keys in many batches, with sums beyond 64 bits.
func TestRunsAreMerged(t *testing.T) { testRunsAreMerged(t) }

// TestRunsAreMergedInParts does it for a part of the keys after the other.
func TestRunsAreMergedInParts(t *testing.T) {
	defer func(n int64) { mergeRowsMax = n }(mergeRowsMax)
	mergeRowsMax = 3
	testRunsAreMerged(t)
}

func testRunsAreMerged(t *testing.T) {
	s := newFixture(t, runningTotals(), Options{}, eventSchema)
	const large = 1 << 62
	most, merged := 0, 0
	for i := range 40 {
		want := fmt.Sprintf(`["a",%d,"%s"]`, i+1, new(big.Int).Mul(big.NewInt(large), big.NewInt(int64(i+1))))
		if i%2 == 0 {
			want += fmt.Sprintf(` ["b",%d,"%d"]`, i/2+1, i/2+1)
		}
		rows := events(t, fmt.Sprintf("08:00 a %d", large))
		if i%2 == 0 {
			rows = append(rows, events(t, "08:00 b 1")...)
		}
		if got := strings.Join(s.rows(time.Time{}, rows), " "); got != want {
			t.Fatalf("batch %d: got %s, want %s", i, got, want)
		}
		most, merged = max(most, len(s.at.Runs)), merged+s.metrics[0].CompactedRuns
		if m := s.metrics[0]; m.RunsOnDisk != len(s.at.Runs) || m.RowsRemoved != 0 {
			t.Fatalf("batch %d: metrics %+v, %d runs", i, m, len(s.at.Runs))
		}
	}
	if most > levelRuns+1 || merged == 0 {
		t.Errorf("up to %d runs, %d were merged", most, merged)
	}
}

func TestStateThatIsReplaced(t *testing.T) {
	p := &batch.Program{
		Steps: []batch.Step{
			{Name: "fresh", SQL: `SELECT k, max(v) AS v, max(ts) AS until FROM source GROUP BY k`},
			{Name: "next", SQL: `SELECT k, max(v) AS v, max(until) AS until FROM (SELECT * FROM best UNION ALL SELECT * FROM fresh)
				WHERE until > weir_watermark() GROUP BY k`},
			{Name: "out", SQL: `SELECT k, v FROM best`},
		},
		States: []batch.StateSpec{{Name: "best", Operator: "x", Like: "fresh", Update: "next", Replace: true, Until: "until"}},
		Output: "out",
	}
	s := newFixture(t, p, Options{}, eventSchema)
	for i, c := range []struct {
		watermark string
		rows      []string
		want      string
	}{
		{"07:00", []string{"08:00 a 1", "09:00 b 2"}, ""},
		{"07:00", []string{"08:30 a 3"}, `["a",1] ["b",2]`},
		{"08:45", nil, `["a",3] ["b",2]`},
		{"08:45", nil, `["b",2]`},
		{"09:00", nil, `["b",2]`},
		{"09:00", nil, ""},
	} {
		if got := strings.Join(s.rows(clockTime(t, c.watermark), events(t, c.rows...)), " "); got != c.want {
			t.Errorf("batch %d: got %s, want %s", i, got, c.want)
		}
		if len(s.at.Runs) > 1 {
			t.Errorf("batch %d: runs %v", i, s.at.Runs)
		}
	}
	if len(s.at.Runs) != 0 {
		t.Errorf("what is left: %v", s.at.Runs)
	}
}

func TestStaticTables(t *testing.T) {
	p := &batch.Program{
		Steps:  []batch.Step{{Name: "out", SQL: `SELECT k, name, born FROM source JOIN "lake.names" AS n USING (k)`}},
		Output: "out", Tables: map[string]string{"lake.names": "lake.names"},
	}
	db := open(t)
	r, err := db.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	names := &columnar.Schema{Fields: []columnar.Field{
		{Name: "k", Type: columnar.Type{Kind: columnar.String}}, {Name: "name", Type: columnar.Type{Kind: columnar.String}},
		{Name: "born", Type: columnar.Type{Kind: columnar.Timestamp}},
	}}
	d, err := r.Describe(t.Context(), map[string]*columnar.Schema{"source": eventSchema, "lake.names": names}, p)
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Run(t.Context(), p, d, batch.RunInput{
		Inputs:  map[string][]*columnar.Batch{"source": events(t, "08:00 a 1")},
		Statics: map[string]string{"lake.names": `SELECT 'a' AS k, 'Anna' AS name, TIMESTAMPTZ '2026-01-31 08:00:00+01' AS born`},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	b, err := res.First(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if b.Len != 1 || rowText(b, 0) != `["a","Anna","2026-01-31T07:00:00Z"]` {
		t.Errorf("got %d rows, %s", b.Len, rowText(b, 0))
	}
}

// TestBatchBeyondMemory runs batches whose tables need more than the limit: they spill.
func TestBatchBeyondMemory(t *testing.T) {
	s := newFixture(t, runningTotals(), Options{StateMemory: 128 << 20, Threads: 1}, eventSchema)
	const rows = 300_000
	b := columnar.NewBuilder(eventSchema)
	for i := range rows {
		if err := b.Append(time.Unix(0, 0), fmt.Sprintf("a key that is long enough to take some memory, number %d", i), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	in := []*columnar.Batch{b.Batch()}
	for range 2 {
		s.run(time.Time{}, in, func(res batch.Result) {
			if res.Len() != rows {
				t.Errorf("%d rows", res.Len())
			}
			files, err := res.Write(t.Context(), batch.WriteOptions{Dir: s.dir})
			if err != nil {
				t.Fatal(err)
			}
			var written int64
			for _, f := range files {
				written += f.Rows
			}
			if written != rows {
				t.Errorf("%d rows were written", written)
			}
			n := 0
			if err := res.Each(t.Context(), func(b *columnar.Batch) error { n += b.Len; return nil }); err != nil || n != rows {
				t.Errorf("%d rows, %v", n, err)
			}
		})
	}
}

func TestRunIsInterrupted(t *testing.T) {
	p := runningTotals()
	p.Steps[2].SQL = `SELECT CAST(count(*) AS VARCHAR) AS n FROM range(100000000) AS a, range(100000) AS b, merged`
	s := newFixture(t, p, Options{}, eventSchema)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	in := batch.RunInput{Inputs: map[string][]*columnar.Batch{"source": events(t, "08:00 a 1")}}
	if _, err := s.runner.Run(ctx, p, s.about, in); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	p.Steps[2].SQL = "SELECT k AS n FROM merged" // the connection is of use again, and what the batch had made is gone
	if got := strings.Join(s.rows(time.Time{}, events(t, "08:00 a 1")), " "); got != `["a"]` {
		t.Errorf("got %s", got)
	}
}

// TestViewIsInterrupted ends the context while a view is made: it may be there or not.
func TestViewIsInterrupted(t *testing.T) {
	s := newFixture(t, runningTotals(), Options{}, eventSchema)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		w := s.runner.newWorkspace()
		if err := w.view(ctx, "v", "SELECT 1"); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		w = s.runner.newWorkspace()
		if err := w.view(t.Context(), "v", "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDescribePrograms(t *testing.T) {
	p := tumbling()
	s := newFixture(t, p, Options{}, eventSchema)
	var columns []string
	for _, f := range s.about.States["counts"].Fields {
		columns = append(columns, f.Name+" "+f.Type.String())
	}
	if got, want := strings.Join(columns, ", "), "w timestamp, until timestamp, k string, n bigint, total decimal(38,0)"; got != want {
		t.Errorf("state has %s, want %s", got, want)
	}
	for name, c := range map[string]struct {
		change func(p *batch.Program)
		want   string
	}{
		"no column":   {func(p *batch.Program) { p.Steps[0].SQL = "SELECT nosuch FROM source" }, `Referenced column "nosuch" not found`},
		"no select":   {func(p *batch.Program) { p.Steps[0].SQL = "DROP TABLE x" }, "is not a SELECT (step rows)"},
		"two":         {func(p *batch.Program) { p.Steps[0].SQL = "SELECT 1; SELECT 2" }, "has 2 statements"},
		"no like":     {func(p *batch.Program) { p.States[0].Like = "nosuch" }, `state counts is like step "nosuch"`},
		"no until":    {func(p *batch.Program) { p.States[0].Until = "nosuch" }, "state counts has no column nosuch"},
		"no names":    {func(p *batch.Program) { p.Steps[3].SQL = "SELECT ROW(1, 'a') AS i" }, "column i is a row whose fields have no names"},
		"no interval": {func(p *batch.Program) { p.Steps[3].SQL = "SELECT INTERVAL 1 DAY AS i" }, "column i is of a type that tables do not have"},
	} {
		p := tumbling()
		c.change(p)
		_, err := s.runner.Describe(t.Context(), map[string]*columnar.Schema{"source": eventSchema}, p)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestMentions(t *testing.T) {
	for sql, want := range map[string]int{
		`SELECT * FROM step`: 1, `SELECT Step.a FROM "STEP" AS x`: 2, `SELECT 'step', "a""b" FROM steps, my_step`: 0, `SELECT step(1), 'it''s step' FROM "st"`: 1,
		`SELECT 'unclosed step`: 0,
	} {
		if got := mentions(sql, "step"); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
}

func TestToMerge(t *testing.T) {
	at := clockTime(t, "08:00")
	runs := func(n int, rows, merged int64, until time.Time) []batch.StateRun {
		var all []batch.StateRun
		for range n {
			all = append(all, batch.StateRun{Rows: rows, MergedRows: merged, Until: until})
		}
		return all
	}
	for name, c := range map[string]struct {
		runs []batch.StateRun
		want int
	}{
		"few":               {runs(levelRuns-1, 100, 0, time.Time{}), 0},
		"many":              {runs(levelRuns, 100, 0, time.Time{}), levelRuns},
		"one is large":      {append(runs(levelRuns, 100, 0, time.Time{}), runs(1, 1e6, 0, time.Time{})...), levelRuns},
		"small ones first":  {append(runs(levelRuns-1, 1e6, 0, time.Time{}), runs(3, 100, 0, time.Time{})...), levelRuns + 2},
		"gone soon":         {runs(levelRuns, 100, 0, at.Add(10*time.Minute)), 0},
		"gone late":         {runs(levelRuns, 100, 0, at.Add(10*time.Hour)), levelRuns},
		"too many":          {runs(runsMax, 100, 0, at.Add(10*time.Minute)), runsMax},
		"keys repeat":       {append(runs(1, 100_000, 200_000, time.Time{}), runs(4, 50_000, 0, time.Time{})...), 5},
		"keys do not":       {append(runs(1, 190_000, 200_000, time.Time{}), runs(4, 95_000, 0, time.Time{})...), 0},
		"nothing has grown": {append(runs(1, 100_000, 200_000, time.Time{}), runs(3, 50_000, 0, time.Time{})...), 0},
	} {
		if got := len(toMerge(c.runs, at.Add(-time.Minute), at)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
