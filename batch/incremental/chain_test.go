package incremental

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch/duckdb"
)

// TestRowwise checks that what works row by row stays one step without state.
func TestRowwise(t *testing.T) {
	for _, q := range []string{
		"SELECT *, year(ts) AS year FROM source",
		"WITH x AS (SELECT x FROM source WHERE b) SELECT x + 1 AS y FROM x",
		"SELECT k, w FROM source JOIN (VALUES ('x', 'y')) AS v(k2, w) ON k = k2",
		"SELECT k, e FROM source CROSS JOIN UNNEST(ARRAY[x, 1]) AS u(e)",
		"SELECT k, (SELECT sum(e) FROM UNNEST(ARRAY[x, 1]) AS u(e)) AS s FROM source",
		"SELECT k FROM source WHERE x > (SELECT max(m) FROM (VALUES 1, 2) AS v(m))",
		"SELECT k FROM source UNION ALL SELECT v FROM a",
		"SELECT k FROM source WHERE k IN ('a', 'b') AND transform(ARRAY[x], k -> k + 1)[1] > 0;",
		"SELECT source.k, n.name FROM source LEFT JOIN lake.names AS n ON source.k = n.k",
		"SELECT k, window(ts, '1 minute') AS w, current_timestamp AS now FROM source",
		"SELECT k FROM source WHERE k NOT IN (SELECT k FROM lake.names)",
		"SELECT k FROM source WHERE x = '3'",
		"TABLE source",
	} {
		p, err := Compile(q, everything(t, Append))
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		if len(p.Steps) != 1 || len(p.States) != 0 {
			t.Errorf("%s: %d steps, %d states", q, len(p.Steps), len(p.States))
		}
		if tables := strings.Contains(q, "lake."); tables != (p.Tables["lake.names"] == "lake.names") {
			t.Errorf("%s: tables %v", q, p.Tables)
		}
	}
}

// TestChains runs queries of several operators over random streams without late rows, and compares with the same in DuckDB.
func TestChains(t *testing.T) {
	minute := func(x string) string { return "time_bucket(INTERVAL '1 minute', " + x + ")" }
	five := func(x string) string { return "time_bucket(INTERVAL '5 minutes', " + x + ")" }
	for i, c := range []struct{ query, direct string }{
		{"SELECT window.start AS s, max(n) AS m FROM (SELECT window, k, count(*) AS n FROM source GROUP BY window(ts, '1 minute'), k) GROUP BY window",
			"SELECT s, max(n) FROM (SELECT " + minute("ts") + " AS s, k, count(*) AS n FROM source WHERE ts IS NOT NULL GROUP BY ALL) GROUP BY s"},
		{"SELECT window(window_time(w), '5 minutes') AS w, sum(n) AS n, count(*) AS c FROM (SELECT window(ts, '1 minute') AS w, k, count(*) AS n FROM source GROUP BY 1, 2) GROUP BY 1",
			"SELECT {'start': " + five("s") + ", 'end': " + five("s") + " + INTERVAL '5 minutes'} AS w, sum(n)::BIGINT, count(*) FROM (SELECT " + minute("ts") +
				" AS s, k, count(*) AS n FROM source WHERE ts IS NOT NULL GROUP BY ALL) GROUP BY w"},
		{"SELECT n.name, window(s.ts, '5 minutes').start AS t, count(*) AS c FROM source AS s JOIN lake.names AS n ON s.k = n.k WHERE s.x > 0 GROUP BY 1, window(s.ts, '5 minutes')",
			"SELECT name, " + five("ts") + ", count(*) FROM source s JOIN \"lake.names\" n USING (k) WHERE x > 0 AND ts IS NOT NULL GROUP BY ALL"},
		{"SELECT window(ts, '5 minutes').end AS e, id, count(*) AS c FROM (SELECT id, ts FROM a UNION ALL SELECT id, ts FROM b) GROUP BY 1, 2, window(ts, '5 minutes')",
			"SELECT " + five("ts") + " + INTERVAL '5 minutes', id, count(*) FROM (SELECT id, ts FROM a UNION ALL SELECT id, ts FROM b) WHERE ts IS NOT NULL GROUP BY ALL"},
		{"WITH x AS (SELECT id, window(ts, '1 minute') AS w FROM a), y AS (SELECT id, window(ts, '1 minute') AS w, count(*) AS n FROM b GROUP BY 1, 2) SELECT x.id, y.n, x.w.start AS s FROM x LEFT JOIN y ON x.id = y.id AND x.w = y.w",
			"SELECT x.id, n, x.s FROM (SELECT id, " + minute("ts") + " AS s FROM a WHERE ts IS NOT NULL) x LEFT JOIN (SELECT id, " + minute("ts") + " AS s, count(*) AS n FROM b WHERE ts IS NOT NULL GROUP BY ALL) y ON x.id = y.id AND x.s = y.s"},
		{"SELECT a.id, c.w FROM a JOIN b ON a.id = b.id AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' MINUTE JOIN b AS c ON c.id = b.id AND c.ts BETWEEN b.ts AND b.ts + INTERVAL '1' MINUTE",
			"SELECT a.id, c.w FROM a, b, b AS c WHERE a.id = b.id AND c.id = b.id AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 1 MINUTE AND c.ts BETWEEN b.ts AND b.ts + INTERVAL 1 MINUTE"},
		{"SELECT * FROM a WHERE id IN (SELECT id FROM b WHERE w = 'x' AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' MINUTE)",
			"SELECT * FROM a WHERE id IN (SELECT id FROM b WHERE w = 'x' AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 1 MINUTE)"},
		{"SELECT x.v FROM a AS x WHERE x.id IN (SELECT y.id FROM b AS y WHERE y.w = x.v AND y.ts BETWEEN x.ts AND x.ts + INTERVAL '1' MINUTE)",
			"SELECT v FROM a WHERE id IN (SELECT id FROM b WHERE w = v AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 1 MINUTE)"},
		{"SELECT * FROM (SELECT id, ts FROM a WHERE v = 'x') AS q(i, t) JOIN lake.names ON k = 'a'", "SELECT id, ts, k, name FROM a, \"lake.names\" WHERE v = 'x' AND k = 'a'"},
		{"SELECT session_window(ts, '30 seconds').start AS s, id, count(*) AS n FROM (SELECT DISTINCT id, ts FROM a) GROUP BY 2, session_window(ts, '30 seconds')",
			"SELECT min(ts), id, count(*) FROM (SELECT *, sum(f) OVER (PARTITION BY id ORDER BY ts) AS g FROM (SELECT *, CASE WHEN ts <= lag(ts) OVER (PARTITION BY id ORDER BY ts) + INTERVAL 30 SECOND THEN 0 ELSE 1 END AS f FROM (SELECT DISTINCT id, ts FROM a WHERE ts IS NOT NULL))) GROUP BY id, g"},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			compareChain(t, c.query, c.direct)
		})
	}
}

func compareChain(t *testing.T, query, direct string) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d\n%s", seed, query)
	r := rand.New(rand.NewPCG(seed, 7))
	in := everything(t, Append)
	delete(in.Streams, "plain")
	for name, s := range in.Streams {
		s.Delay = 10 * time.Minute
		in.Streams[name] = s
	}
	db := openDB(t)
	names := schema(t, "k string, name string")
	static := duckdb.Table{Name: "lake.names", Schema: names, Rows: rowsOfSchema(t, names, [][]any{{"a", "Anna"}, {"b", "Bert"}, {"b", "Bea"}})}
	m := newMachine(t, db, query, in, static)
	m.compact = r
	if seed%2 == 0 && len(m.static) == 0 {
		m.withRunner()
	}
	all, at := map[string][][]any{}, base()
	var got []string
	for range 7 {
		at = at.Add(time.Duration(r.IntN(120)) * time.Second)
		batch := map[string][][]any{}
		for range r.IntN(20) {
			ts := at.Add(-time.Duration(r.IntN(400)) * time.Second)
			batch["source"] = append(batch["source"], []any{string(rune('a' + r.IntN(4))), r.IntN(20) - 10, 1.5, "1.25", true, ts})
			batch["a"] = append(batch["a"], []any{r.IntN(4), []string{"x", "y"}[r.IntN(2)], ts.Add(time.Duration(r.IntN(90)) * time.Second)})
			batch["b"] = append(batch["b"], []any{r.IntN(4), []string{"x", "y"}[r.IntN(2)], ts.Add(time.Duration(r.IntN(90)) * time.Second)})
		}
		for name, rows := range batch {
			all[name] = append(all[name], rows...)
		}
		got = append(got, m.run(batch, true)...)
	}
	far := at.Add(24 * time.Hour)
	got = append(got, m.run(map[string][][]any{"source": {{"zz", 0, 0.0, nil, nil, far}}, "a": {{-1, nil, far}}, "b": {{-2, nil, far}}}, true)...)
	for range 3 {
		got = append(got, m.run(nil, true)...)
	}
	tables := []duckdb.Table{static}
	for name, s := range in.Streams {
		tables = append(tables, duckdb.Table{Name: name, Schema: s.Columns, Rows: rowsOfSchema(t, s.Columns, all[name])})
	}
	b, err := db.Query(context.Background(), direct, tables...)
	if err != nil {
		t.Fatal(err)
	}
	if m.dropped > 0 {
		t.Errorf("%d rows were late", m.dropped)
	}
	compareRows(t, got, texts(b))
}

// TestSharedQueries checks that WITH queries that use each other twice are compiled once, not twice as often at each level.
func TestSharedQueries(t *testing.T) {
	q := "WITH q0 AS (SELECT id, ts FROM a)"
	for i := range 40 {
		q += fmt.Sprintf(", q%d AS (SELECT id, ts FROM q%d UNION ALL SELECT id, ts FROM q%d)", i+1, i, i)
	}
	p, err := Compile(q+" SELECT DISTINCT id, ts FROM q40", everything(t, Append))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Steps) > 300 {
		t.Errorf("%d steps", len(p.Steps))
	}
}
