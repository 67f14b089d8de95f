package duckdb

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// touching counts by two keys for ever and gives the keys of the batch; it is so with and without Touched.
func touching(touched string) *batch.Program {
	return &batch.Program{
		Steps: []batch.Step{
			{Name: "fresh", SQL: `SELECT k, a, count(*) AS n FROM source GROUP BY ALL`},
			{Name: "same", SQL: `SELECT * FROM fresh WHERE true`, Chooses: true},
			{Name: "merged", SQL: `SELECT k, a, CAST(sum(n) AS BIGINT) AS n FROM (SELECT s.* FROM counts AS s SEMI JOIN same AS f
				ON s.k IS NOT DISTINCT FROM f.k AND s.a IS NOT DISTINCT FROM f.a UNION ALL SELECT * FROM same) GROUP BY ALL`},
			{Name: "out", SQL: `SELECT * FROM merged`},
		},
		States: []batch.StateSpec{{Name: "counts", Operator: "stateStoreSave", Like: "fresh", Update: "fresh", Keys: []string{"k", "a"}, Touched: touched,
			Compact: `SELECT k, a, CAST(sum(n) AS BIGINT) AS n FROM runs GROUP BY ALL`}},
		Output: "out", Keys: []string{"k", "a"},
	}
}

var touchingSchema = &columnar.Schema{Fields: []columnar.Field{
	{Name: "k", Type: columnar.Type{Kind: columnar.String}, Nullable: true},
	{Name: "a", Type: columnar.Type{Kind: columnar.Timestamp}, Nullable: true},
}}

// touchingRows are random rows; keys are sometimes null, and hard to write.
func touchingRows(t *testing.T, rng *rand.Rand, rows, keys int) []*columnar.Batch {
	t.Helper()
	b := columnar.NewBuilder(touchingSchema)
	for range rows {
		n := rng.IntN(keys)
		var k, a any = fmt.Sprintf("%d'%s", n, []string{"", `"`, "é", strings.Repeat("x", 300), "\x00"}[n%50*3%5*(n%7)/6]), time.UnixMicro(int64(n%11) * 3_600_000_001).UTC()
		if n%97 == 0 && keys > 100 {
			k = nil
		}
		if n%89 == 0 {
			a = nil
		}
		if err := b.Append(k, a); err != nil {
			t.Fatal(err)
		}
	}
	return []*columnar.Batch{b.Batch()}
}

// TestTouched runs batches of all sizes over a state, with and without looking for the touched keys alone: the results are the same, also
// where the files were written by a version that did not know of it, and the fewer row groups are read the fewer keys there are.
func TestTouched(t *testing.T) {
	defer func(n int64) { narrowRowsMin = n }(narrowRowsMin)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	plain, narrow := newFixture(t, touching(""), Options{}, touchingSchema), newFixture(t, touching("same"), Options{}, touchingSchema)
	narrowRowsMin = 0
	defer func(n int64) { listedShare = n }(listedShare)
	listedShare = 1
	before := plain.program
	for i, size := range []int{3000, 40_000, 1, 0, 700, 30, 40_000, 2, 100, 1, 10, 200, 5, 5, 5, 5, 5, 5, 5, 600, 5, 5, 5, 5, 5} {
		rows := touchingRows(t, rng, size, 60_000)
		narrow.program = touching("same")
		if i < 2 {
			narrow.program = before // the state is like that of an old version at first
		}
		want, got := plain.rows(time.Time{}, rows), narrow.rows(time.Time{}, rows)
		if !slices.Equal(want, got) {
			t.Fatalf("batch %d of %d rows: %d rows, without narrowing %d", i, size, len(got), len(want))
		}
	}
	sorted := slices.ContainsFunc(narrow.at.Runs, func(r batch.StateRun) bool { return r.Sorted })
	if !sorted {
		t.Errorf("no run is sorted: %+v", narrow.at.Runs)
	}
}

// TestTouchedIsLittle looks for a few keys in a large sorted run: most of its row groups are left alone.
func TestTouchedIsLittle(t *testing.T) {
	s := newFixture(t, byKey(), Options{Threads: 1}, keyedSchema)
	rng := rand.New(rand.NewPCG(1, 2))
	at := time.Unix(0, 0)
	s.run(time.Time{}, keyed(t, rng, at, time.Second, 100_000, 1<<40), func(batch.Result) {})
	for range sortBatches {
		s.run(time.Time{}, keyed(t, rng, at, time.Second, 1, 1<<40), func(batch.Result) {})
	}
	i := slices.IndexFunc(s.at.Runs, func(r batch.StateRun) bool { return r.Sorted })
	if i < 0 || s.at.Runs[i].Rows < 99_000 {
		t.Fatalf("runs %+v", s.at.Runs)
	}
	path := filepath.Join(s.at.Dir, s.at.Runs[i].File)
	b, err := s.runner.conn.query(t.Context(), "SELECT count(*), max(CAST(stats_max_value AS BIGINT) - CAST(stats_min_value AS BIGINT)) FROM parquet_metadata("+
		quoteText(escapeGlob(path))+") WHERE path_in_schema = 'k'")
	if err != nil {
		t.Fatal(err)
	}
	if groups, widest := b.Columns[0].Int(0), b.Columns[1].Int(0); groups < 20 || widest > 1<<40/8 {
		t.Errorf("%d row groups, one of them over %d of %d keys", groups, widest, 1<<40)
	}
}

// TestOldRuns goes on with the state of a version that wrote no Batch and sorted nothing.
func TestOldRuns(t *testing.T) {
	runs := []batch.StateRun{{File: "a", Rows: sortRowsMin}, {File: "b", Rows: sortRowsMin - 1}, {File: "c", Rows: sortRowsMin, Sorted: true},
		{File: "d", Rows: sortRowsMin, Batch: 90}}
	s := &stateTable{spec: &batch.StateSpec{Name: "s", Keys: []string{"k"}, Touched: "x"}, schema: touchingSchema}
	for batchID, want := range map[int64]string{15: "", 16: "a", 105: "a", 106: "a d"} {
		var names []string
		for _, r := range s.toMerge(runs, &batch.RunInput{Batch: batchID}) {
			names = append(names, r.File)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("batch %d: sorted %q, want %q", batchID, got, want)
		}
	}
	s.spec = &batch.StateSpec{Name: "s", Keys: []string{"k"}}
	if got := s.toMerge(runs, &batch.RunInput{Batch: 1000}); got != nil {
		t.Errorf("state that no keys touch: %v", got)
	}
}
