package incremental

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch/duckdb"
)

const eventColumns = "k string, x int, y double, d decimal(10,2), b boolean, ts timestamp"

func events(t testing.TB, mode string, delay time.Duration) Inputs {
	return Inputs{Mode: mode, Streams: map[string]Stream{"source": {Columns: schema(t, eventColumns), EventTime: "ts", Delay: delay}}}
}

// randomEvents are n rows about at, some of them long before it, some with nulls.
func randomEvents(r *rand.Rand, at time.Time, n int) [][]any {
	var rows [][]any
	for range n {
		ts := at.Add(time.Duration(r.IntN(120_000)-60_000) * time.Millisecond)
		if r.IntN(8) == 0 {
			ts = ts.Add(-time.Duration(r.IntN(30)) * time.Minute)
		}
		row := []any{string(rune('a' + r.IntN(4))), r.IntN(20) - 10, float64(r.IntN(40)) / 4, []string{"1.25", "-3.50", "1000.01"}[r.IntN(3)],
			r.IntN(2) == 0, ts}
		for i := range row {
			if r.IntN(15) == 0 {
				row[i] = nil
			}
		}
		rows = append(rows, row)
	}
	return rows
}

const aggregates = `count(*), count(x), sum(x), avg(x), min(x), max(y), sum(y), avg(y), sum(d), avg(d), count(*) FILTER (WHERE x > 0), sum(x) FILTER (WHERE b),
	stddev(y), var_pop(x), bool_and(b), bool_or(b), count_if(b), covar_pop(y, x), corr(x, y), max_by(x, y), min_by(k, y), arbitrary(k)`

// direct are the same aggregates in DuckDB's own words.
const direct = `count(*), count(x), sum(x)::BIGINT, avg(x), min(x), max(y), sum(y), avg(y), sum(d)::DECIMAL(38,2), round(avg(d), 2)::DECIMAL(10,2),
	count(*) FILTER (WHERE x > 0), (sum(x) FILTER (WHERE b))::BIGINT, stddev_samp(y), var_pop(x), bool_and(b), bool_or(b), coalesce(count_if(b), 0)::BIGINT,
	covar_pop(y, x), CASE WHEN NOT isnan(corr(x, y)) THEN corr(x, y) END, (max({'y': y, 'x': x}) FILTER (WHERE y IS NOT NULL)).x, (min({'y': y, 'x': k}) FILTER (WHERE y IS NOT NULL)).x, min(k)`

const tumbling = `{'start': time_bucket(INTERVAL '5 minutes', ts), 'end': time_bucket(INTERVAL '5 minutes', ts) + INTERVAL '5 minutes'}`

// TestAggregatesInAllModes compares what batches of random rows give with a query over all rows that were not too late.
func TestAggregatesInAllModes(t *testing.T) {
	for _, c := range []struct{ name, query, want, modes string }{
		{"tumbling", "SELECT window(ts, '5 minutes') AS w, k, " + aggregates + " FROM source GROUP BY 1, k",
			"SELECT " + tumbling + " AS w, k, " + direct + " FROM rows WHERE ts IS NOT NULL GROUP BY ALL", ""},
		{"having", "SELECT k, sum(x) + 1 AS s, window.end AS e FROM source WHERE x <> 3 GROUP BY k, window(ts, '5 minutes') HAVING count(*) > 2",
			"SELECT k, sum(x)::BIGINT + 1, time_bucket(INTERVAL '5 minutes', ts) + INTERVAL '5 minutes' AS e FROM rows WHERE x <> 3 AND ts IS NOT NULL GROUP BY k, e HAVING count(*) > 2", "append complete"},
		{"distinct", "SELECT window(ts, '5 minutes') AS w, k, count(DISTINCT x), sum(DISTINCT x) FILTER (WHERE b), avg(DISTINCT y), set_agg(x), histogram(x), count(*), count(DISTINCT y) FROM source GROUP BY 1, 2",
			"SELECT " + tumbling + " AS w, k, count(DISTINCT x), (sum(DISTINCT x) FILTER (WHERE b))::BIGINT, avg(DISTINCT y), list(DISTINCT x ORDER BY x) FILTER (WHERE x IS NOT NULL), CAST(histogram(x) FILTER (WHERE x IS NOT NULL) AS MAP(INTEGER, BIGINT)), count(*), count(DISTINCT y) FROM rows WHERE ts IS NOT NULL GROUP BY ALL", ""},
		{"lists", "SELECT window(ts, '5 minutes') AS w, k, array_agg(x), max(y, 3), min_by(k, x, 2) FILTER (WHERE b), array_agg(x) FILTER (WHERE b) FROM source GROUP BY w, k",
			"SELECT " + tumbling + " AS w, k, list_sort(list(x), 'ASC', 'NULLS LAST'), max(y, 3), (list_transform(min({'y': x, 'x': k}, 2) FILTER (WHERE b AND x IS NOT NULL), lambda p: p.x)), list_sort(list(x) FILTER (WHERE b), 'ASC', 'NULLS LAST') FROM rows WHERE ts IS NOT NULL GROUP BY ALL", ""},
		{"sliding", "SELECT window(ts, '10 minutes', '5 minutes', '1 minute') AS w, k, count(*), sum(x), count(DISTINCT y) FROM source GROUP BY 1, 2",
			"SELECT {'start': s, 'end': s + INTERVAL '10 minutes'} AS w, k, count(*), sum(x)::BIGINT, count(DISTINCT y) FROM (SELECT *, unnest([bb, bb - INTERVAL '5 minutes']) AS s FROM (SELECT *, time_bucket(INTERVAL '5 minutes', ts, INTERVAL '1 minute') AS bb FROM rows WHERE ts IS NOT NULL)) GROUP BY ALL", "complete"},
		{"uneven slide", "SELECT window(ts, '5 minutes', '2 minutes') AS w, count(*), sum(x) FROM source GROUP BY 1",
			"SELECT {'start': s, 'end': s + INTERVAL '5 minutes'} AS w, count(*), sum(x)::BIGINT FROM (SELECT *, unnest([bb, bb - INTERVAL '2 minutes', bb - INTERVAL '4 minutes']) AS s FROM (SELECT *, time_bucket(INTERVAL '2 minutes', ts, TIMESTAMP '1970-01-01') AS bb FROM rows WHERE ts IS NOT NULL)) WHERE s + INTERVAL '5 minutes' > ts GROUP BY ALL", "complete"},
		{"no keys", "SELECT count(*), sum(x), count(DISTINCT k), avg(y) FROM source WHERE x > 0", "SELECT count(*), sum(x)::BIGINT, count(DISTINCT k), avg(y) FROM rows WHERE x > 0", "complete"},
		{"distinct rows", "SELECT DISTINCT k, x, window(ts, '5 minutes') FROM source", "SELECT DISTINCT k, x, " + tumbling + " AS w FROM rows WHERE ts IS NOT NULL", "append complete"},
	} {
		for _, mode := range []string{Append, Update, Complete} {
			if c.modes != "" && !strings.Contains(c.modes, mode) {
				continue
			}
			t.Run(c.name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				compareWithBatch(t, c.query, mode, c.want, 2, inWindow)
			})
		}
	}
}

// TestKeysThatAreNoWindows has groups by a time itself, of which nulls are never final, and groups that are never final, so that no row
// is late for them.
func TestKeysThatAreNoWindows(t *testing.T) {
	byTime := func(row []any) (time.Time, bool) {
		ts, ok := row[5].(time.Time)
		return ts, ok
	}
	never := func([]any) (time.Time, bool) { return time.Time{}, false }
	for _, c := range []struct {
		mode, query, want string
		final             func(row []any) (time.Time, bool)
	}{
		{Append, "SELECT k, ts, count(*) FROM source GROUP BY ts, k", "SELECT k, ts, count(*) FROM rows WHERE ts IS NOT NULL GROUP BY ALL", byTime},
		{Update, "SELECT k, ts, count(*), count(DISTINCT x) FROM source GROUP BY ts, k", "SELECT k, ts, count(*), count(DISTINCT x) FROM rows GROUP BY ALL", byTime},
		{Update, "SELECT k, b, count(*), avg(x), approx_distinct(x) FROM source GROUP BY k, b",
			"SELECT k, b, count(*), avg(x), count(DISTINCT x) FROM rows GROUP BY ALL", never},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			compareWithBatch(t, c.query, c.mode, c.want, 2, c.final)
		})
	}
}

// TestGroupingSets compares with DuckDB's. Rows are told apart by the keys and by grouping().
func TestGroupingSets(t *testing.T) {
	for by, mode := range map[string]string{"ROLLUP (k, x % 3)": Append, "CUBE (k, x % 3)": Complete, "GROUPING SETS ((k, x % 3), (k), ())": Update,
		"GROUPING SETS (k, x % 3), b": Update} {
		query := "SELECT window(ts, '5 minutes') AS w, k, x % 3 AS o, grouping(k, x % 3) AS g, grouping(x % 3) AS h, count(DISTINCT y), " + aggregates + " FROM source GROUP BY 1, " + by
		want := "SELECT w, k, o, g, h, * EXCLUDE (w, k, o, g, h) FROM (SELECT " + tumbling + " AS w, k, x % 3 AS o, grouping(k, x % 3) AS g, grouping(x % 3) AS h, count(DISTINCT y), " + direct +
			" FROM rows WHERE ts IS NOT NULL GROUP BY w, " + by + ")"
		keys := 4
		if strings.HasSuffix(by, ", b") {
			query, want, keys = strings.Replace(query, "AS g,", "AS g, b,", 1), strings.Replace(want, "AS g,", "AS g, b,", 1), 5
			want = strings.NewReplacer("SELECT w, k, o, g, h, *", "SELECT w, k, o, g, b, h, *", "(w, k, o, g, h)", "(w, k, o, g, b, h)").Replace(want)
		}
		t.Run(by+"/"+mode, func(t *testing.T) {
			t.Parallel()
			compareWithBatch(t, query, mode, want, keys, inWindow)
		})
	}
}

// inWindow is when the window of five minutes of a row is final.
func inWindow(row []any) (time.Time, bool) {
	ts, ok := row[5].(time.Time)
	return ts.Truncate(5 * time.Minute).Add(5 * time.Minute), ok
}

// compareWithBatch compares a query with want over the rows that are not late: those that can be, and are final before the batch.
func compareWithBatch(t *testing.T, query, mode, want string, keys int, final func(row []any) (time.Time, bool)) {
	db := openDB(t)
	in := events(t, mode, 10*time.Minute)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	m := newMachine(t, db, query, in)
	m.compact = r
	if seed%2 == 0 && len(m.static) == 0 {
		m.withRunner()
	}
	got := map[string]string{}
	var appended []string
	var kept [][]any
	at := base()
	for n := 0; n < 6 || mode == Append && m.dropped == 0 && n < 90; n++ { // until a row has come too late
		at = at.Add(time.Duration(r.IntN(240)) * time.Second)
		rows := randomEvents(r, at, r.IntN(40))
		for _, row := range rows {
			end, ok := final(row)
			if mode == Complete || !ok || end.After(m.late) {
				kept = append(kept, row)
			}
		}
		batch := map[string][][]any{"source": rows}
		if r.IntN(3) == 0 {
			m.run(batch, false) // an attempt that is repeated
		}
		out := m.run(batch, true)
		appended = append(appended, out...)
		if mode == Complete {
			appended = out
		}
		for _, row := range out {
			parts := strings.SplitN(row, ",", 10)
			if strings.HasPrefix(row, "[{") { // a window has two
				parts = append([]string{parts[0] + parts[1]}, parts[2:]...)
			}
			got[strings.Join(parts[:min(keys, len(parts))], ",")] = row
		}
	}
	if mode == Append { // everything becomes final
		far := []any{"z", nil, nil, nil, nil, at.Add(24 * time.Hour)}
		appended = append(appended, m.run(map[string][][]any{"source": {far}}, true)...)
		appended = append(appended, m.run(nil, true)...)
	}
	b, err := db.Query(context.Background(), want, duckdb.Table{Name: "rows", Schema: in.Streams["source"].Columns,
		Rows: rowsOfSchema(t, in.Streams["source"].Columns, kept)})
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	if mode != Update {
		have = appended
	} else {
		for _, row := range got {
			have = append(have, row)
		}
	}
	compareRows(t, have, texts(b))
	if mode == Append && m.dropped == 0 {
		t.Error("no row came too late: the test is too weak")
	}
}

func compareRows(t *testing.T, got, want []string) {
	t.Helper()
	count := map[string]int{}
	for _, r := range want {
		count[r]++
	}
	for _, r := range got {
		count[r]--
	}
	bad := 0
	for r, n := range count {
		if n != 0 && bad < 8 {
			bad++
			t.Errorf("%s: %d too few (negative: too many)", r, n)
		}
	}
	if len(got) == 0 {
		t.Error("no rows")
	}
}
