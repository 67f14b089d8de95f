package duckdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// minutes are windows of a minute by key, in the steps that package incremental makes of
// SELECT window(ts, '1 minute'), k, count(*), sum(v) FROM source GROUP BY window(ts, '1 minute'), k.
func minutes(mode string) *batch.Program {
	old := `SELECT * FROM agg WHERE until <= weir_watermark() AND until > weir_late()`
	now := ` WHERE until <= weir_watermark()`
	if mode == "update" {
		old = `SELECT s.* FROM (SELECT * FROM agg WHERE until > weir_late()) AS s SEMI JOIN agg_new AS n
			ON s.w IS NOT DISTINCT FROM n.w AND s.k IS NOT DISTINCT FROM n.k`
		now = ``
	}
	p := &batch.Program{
		Steps: []batch.Step{
			{Name: "agg_rows", SQL: `SELECT time_bucket(INTERVAL 1 MINUTE, ts) AS w, k, v FROM source`},
			{Name: "agg_groups", SQL: `SELECT w, k, count(*) AS "count(*)", sum(v) AS "sum(v)", w + INTERVAL 1 MINUTE AS until FROM agg_rows GROUP BY w, k`},
			{Name: "agg_late", SQL: `SELECT coalesce(sum("count(*)"), 0) AS late FROM agg_groups WHERE until <= weir_late()`},
			{Name: "agg_new", SQL: `SELECT * FROM agg_groups WHERE until > weir_late()`},
			{Name: "agg_kept", SQL: `SELECT * FROM agg_new WHERE until > weir_watermark()`},
			{Name: "agg_merged", SQL: `SELECT w, k, CAST(sum("count(*)") AS BIGINT) AS "count(*)", sum("sum(v)") AS "sum(v)", until
				FROM (` + old + ` UNION ALL SELECT * FROM agg_new` + now + `) GROUP BY w, k, until`},
			{Name: "result", SQL: `SELECT {'start': w, 'end': w + INTERVAL 1 MINUTE} AS "window", k, "count(*)" AS n, CAST("sum(v)" AS DECIMAL(38,0)) AS s FROM agg_merged`},
		},
		States: []batch.StateSpec{{
			Name: "agg", Operator: "stateStoreSave", Like: "agg_new", Update: "agg_kept", Until: "until", Late: "agg_late", Keys: []string{"w", "k"},
			Compact: `SELECT w, k, CAST(sum("count(*)") AS BIGINT) AS "count(*)", sum("sum(v)") AS "sum(v)", until FROM runs GROUP BY w, k, until`,
		}},
		Output: "result",
	}
	if mode == "update" {
		p.Keys = []string{"window", "k"}
	}
	return p
}

var keyedSchema = &columnar.Schema{Fields: []columnar.Field{
	{Name: "ts", Type: columnar.Type{Kind: columnar.Timestamp}, Nullable: true},
	{Name: "k", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true},
	{Name: "v", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true},
}}

// keyed are rows of a batch, random among keys, within seconds of event time.
func keyed(b testing.TB, rng *rand.Rand, start time.Time, took time.Duration, rows, keys int) []*columnar.Batch {
	b.Helper()
	out := columnar.NewBuilder(keyedSchema)
	for i := range rows {
		at := start.Add(took * time.Duration(i) / time.Duration(rows))
		if err := out.Append(at, rng.Int64N(int64(keys)), int64(i)); err != nil {
			b.Fatal(err)
		}
	}
	return []*columnar.Batch{out.Batch()}
}

// BenchmarkWindows runs batches of 250,000 rows through windows of a minute over a million keys; an hour of event time passes in
// 720 batches. The figures are per batch; "plain" is a GROUP BY of the same rows.
func BenchmarkWindows(b *testing.B) {
	const rows, keys, step = 250_000, 1_000_000, 5 * time.Second
	for _, mode := range []string{"append", "update"} {
		b.Run(mode, func(b *testing.B) {
			s := newFixture(b, minutes(mode), Options{Threads: 2}, keyedSchema)
			plain, err := s.runner.db.NewRunner()
			if err != nil {
				b.Fatal(err)
			}
			defer plain.Close()
			if err := plain.open(); err != nil {
				b.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			start := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
			var plainTook, runTook, commitTook, writeTook time.Duration
			var slowest time.Duration
			var merged, most int
			for i := range b.N {
				b.StopTimer()
				in := keyed(b, rng, start.Add(time.Duration(i)*step), step, rows, keys)
				t := time.Now()
				groupBy(b, plain, in)
				plainTook += time.Since(t)
				var watermark time.Time
				if i > 0 {
					watermark = start.Add(time.Duration(i)*step - 10*time.Second)
				}
				b.StartTimer()
				t = time.Now()
				var ran time.Time
				s.run(watermark, in, func(res batch.Result) {
					ran = time.Now()
					if _, err := res.Write(context.Background(), batch.WriteOptions{Dir: s.dir}); err != nil {
						b.Fatal(err)
					}
					writeTook += time.Since(ran)
				})
				runTook += ran.Sub(t)
				took := time.Since(t)
				commitTook += took - ran.Sub(t)
				slowest = max(slowest, took)
				merged += s.metrics[0].CompactedRuns
				most = max(most, s.metrics[0].RunsOnDisk)
			}
			ms := func(d time.Duration) float64 { return float64(d.Milliseconds()) / float64(b.N) }
			b.ReportMetric(ms(plainTook), "plain-ms")
			b.ReportMetric(ms(runTook), "run-ms")
			b.ReportMetric(ms(writeTook), "write-ms")
			b.ReportMetric(ms(commitTook-writeTook), "commit-ms")
			b.ReportMetric(float64(slowest.Milliseconds()), "slowest-ms")
			b.ReportMetric(float64(most), "runs")
			b.ReportMetric(float64(merged), "merged")
			b.ReportMetric(rss(b), "peak-MiB")
		})
	}
}

func groupBy(b *testing.B, r *Runner, in []*columnar.Batch) {
	b.Helper()
	w := r.newWorkspace()
	if err := w.input(b.Context(), "source", keyedSchema, in); err != nil {
		b.Fatal(err)
	}
	if _, err := w.table(b.Context(), "plain", `SELECT time_bucket(INTERVAL 1 MINUTE, ts) AS w, k, count(*) AS n, sum(v) AS s FROM source GROUP BY ALL`); err != nil {
		b.Fatal(err)
	}
	if err := w.close(); err != nil {
		b.Fatal(err)
	}
}

// rss is the most memory that the process has had, in MiB.
func rss(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kib); err == nil {
			return kib / 1024
		}
	}
	return 0
}

// byKey counts by key for ever, in the steps that package incremental makes of SELECT k, count(*), sum(v) FROM source GROUP BY k.
func byKey() *batch.Program {
	return &batch.Program{
		Steps: []batch.Step{
			{Name: "agg_new", SQL: `SELECT k, count(*) AS "count(*)", CAST(sum(v) AS BIGINT) AS "sum(v)" FROM source GROUP BY k`},
			{Name: "agg_merged", SQL: `SELECT k, CAST(sum("count(*)") AS BIGINT) AS "count(*)", CAST(sum("sum(v)") AS BIGINT) AS "sum(v)"
				FROM (SELECT s.* FROM (SELECT * FROM agg) AS s SEMI JOIN agg_new AS n ON s.k IS NOT DISTINCT FROM n.k UNION ALL SELECT * FROM agg_new) GROUP BY k`},
			{Name: "result", SQL: `SELECT k, "count(*)" AS n, "sum(v)" AS s FROM agg_merged`},
		},
		States: []batch.StateSpec{{
			Name: "agg", Operator: "stateStoreSave", Like: "agg_new", Update: "agg_new", Keys: []string{"k"},
			Compact: `SELECT k, CAST(sum("count(*)") AS BIGINT) AS "count(*)", CAST(sum("sum(v)") AS BIGINT) AS "sum(v)" FROM runs GROUP BY k`, Touched: "agg_new",
		}},
		Output: "result", Keys: []string{"k"},
	}
}

// BenchmarkSmallBatches runs batches of 20 rows over a state of as many keys as its name says, when that has settled, and looks for the keys of the batch
// alone or in all of it. The figure is the processor time of a batch that draws no runs together, the median.
func BenchmarkSmallBatches(b *testing.B) {
	for _, keys := range []int{100_000, 1_000_000, 4_000_000} {
		for _, touched := range []string{"agg_new", ""} {
			b.Run(fmt.Sprintf("%d touched=%s", keys, touched), func(b *testing.B) {
				p := byKey()
				p.States[0].Touched = touched
				s := newFixture(b, p, Options{Threads: 2}, keyedSchema)
				rng := rand.New(rand.NewPCG(1, 2))
				start := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
				batchOf := func(rows int) {
					s.run(time.Time{}, keyed(b, rng, start, time.Second, rows, keys), func(batch.Result) {})
				}
				for at := 0; at < 3*keys; at += 250_000 {
					batchOf(250_000)
				}
				for range 2 * sortBatches {
					batchOf(100)
				}
				var took []time.Duration
				b.ResetTimer()
				for range b.N {
					before := processorTime(b)
					batchOf(20)
					if s.metrics[0].CompactedRuns == 0 {
						took = append(took, processorTime(b)-before)
					}
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "cpu-ms")
				b.ReportMetric(float64(s.metrics[0].RunsOnDisk), "runs")
			})
		}
	}
}

// processorTime is what this process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
