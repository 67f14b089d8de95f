package incremental

import (
	"strings"
	"testing"
)

// TestTypesRowByRow checks that what works row by row follows the types of columns, by their names and through stars.
func TestTypesRowByRow(t *testing.T) {
	in := Inputs{Streams: map[string]Stream{"a": {Columns: schema(t, "id int, dt date, d decimal(10,2), m map<string,int>, l array<struct<x:int,Y:string>>, s struct<Up:int,b:date>, t array<string>")}}}
	for _, c := range []struct{ query, columns string }{
		{"SELECT dt + INTERVAL '1' DAY AS x, date_add('month', 1, dt) AS y FROM a", "x date, y date"},
		{"SELECT d / 3 AS x FROM a", "x decimal(10,2)"},
		{"SELECT cardinality(m) AS x, reverse(t) AS y, t || 'z' AS z FROM a", "x bigint, y array<string>, z array<string>"},
		{"SELECT id, k, v FROM a CROSS JOIN UNNEST(m) AS u(k, v)", "id int, k string, v int"},
		{"SELECT id, x, y FROM a CROSS JOIN UNNEST(l) AS u(x, y)", "id int, x int, y string"},
		{"SELECT s.up AS x, s.b + INTERVAL '1' DAY AS y FROM a", "x int, y date"},
		{"WITH w AS (SELECT *, id + 1 AS n FROM a) SELECT q.*, cardinality(q.m) AS c FROM (SELECT m, dt + INTERVAL '1' DAY AS e FROM w) AS q", "m map<string,int>, e date, c bigint"},
		{"SELECT x.id, cardinality(y.m) AS n FROM a AS x JOIN (SELECT * FROM (VALUES 1) AS v(one)) AS z ON true CROSS JOIN (SELECT MAP(ARRAY['k'], ARRAY[1]) AS m) AS y", "id int, n bigint"},
		// What the dialect refuses goes by the engine's rules.
		{"SELECT id = '7' AS x, s['b'] AS y FROM a", "x boolean, y date"},
		{"SELECT * FROM (SELECT id, dt FROM a UNION ALL SELECT * FROM (SELECT id, CAST(dt AS TIMESTAMP) FROM a)) AS u(n, e)", "n int, e timestamp"},
	} {
		m := newMachine(t, openDB(t), c.query, in).withRunner()
		if got := strings.ToLower(fields(m.engine.about.Output)); got != c.columns {
			t.Errorf("%s: columns %s, want %s", c.query, got, c.columns)
		}
	}
}
