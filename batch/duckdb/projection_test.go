package duckdb

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// flatBatches are rows of the kinds that are not nested. Those of the first batch lie in runs of n/100, in the second they are mixed, and the
// second has nulls.
func flatBatches(t testing.TB, n int) []*columnar.Batch {
	t.Helper()
	all := everyKind(t)
	schema := &columnar.Schema{Fields: slices.DeleteFunc(slices.Clone(all.Fields), func(f columnar.Field) bool { return len(f.Type.Fields) > 0 })}
	schema.Fields = append(schema.Fields, columnar.Field{Name: "Part", Type: columnar.Type{Kind: columnar.Int32}, Nullable: true})
	from := everyKindRows(t, n)
	var batches []*columnar.Batch
	for k := range 2 {
		b := columnar.NewBuilder(schema)
		for i := range n {
			var row []any
			for _, c := range from.Columns[:len(schema.Fields)-1] {
				v := c.Value(i)
				if k == 0 && v == nil {
					v = from.Columns[len(row)].Value(1) // the second row has no null
				}
				row = append(row, v)
			}
			part := i * 100 / n
			if k == 1 {
				part = i * 7 % 5
			}
			if err := b.Append(append(row, part)...); err != nil {
				t.Fatal(err)
			}
		}
		batches = append(batches, b.Batch())
	}
	return batches
}

// projections are queries by whether columns are carried, and for each the columns that files are partitioned by.
var projections = []struct {
	carries bool
	query   string
	by      string
}{
	{true, `SELECT * FROM source`, ""},
	{true, `SELECT * FROM source;`, "Part"},
	{true, `SELECT *, year("r1"."ts") AS "y", "r1"."i32" % 3 AS m FROM "source" AS "r1"`, "y m"},
	{true, `SELECT * FROM source WHERE i32 % 5 = 2 AND s > 'x'`, ""},
	{true, `SELECT s AS b, i64, "part" AS p, s || '!' AS "É" FROM source WHERE i32 % 50 < 7`, "p"},
	{true, `SELECT r1.*, i32 % 3 = 0 AS q, CASE i32 % 4 WHEN 0 THEN '' WHEN 1 THEN 'a/b' WHEN 2 THEN 'c' END AS e FROM source AS r1`, "q e"},
	{true, `SELECT s, i8, unnest([1, i8 % 5]) AS u FROM source`, "u"},
	{true, `SELECT bin, s AS weir_row, s AS "weir_row_" FROM source`, ""},
	{true, `SELECT i32 + 1 AS n FROM source`, ""},
	{true, `SELECT s FROM source WHERE false`, ""},
	{false, `WITH x AS (SELECT * FROM source) SELECT * FROM x`, ""},
	{false, `SELECT * FROM (SELECT * FROM source)`, ""},
	{false, `SELECT source FROM source`, ""},
	{false, `SELECT * EXCLUDE (s) FROM source`, ""},
	{false, `SELECT s, (SELECT max(v) FROM (VALUES (1), (2)) AS x(v)) AS m FROM source`, ""},
	{false, `SELECT i32 + 1 AS n1, n1 + 1 AS n2 FROM source`, ""},
	{false, `SELECT s, struct_pack(a := i32) AS c FROM source`, ""},
	{false, `SELECT s FROM source UNION ALL SELECT s FROM source`, ""},
	{false, `FROM source SELECT s`, ""},
	{false, `SELECT list_sum(list_transform([1, 2], x -> x + i32)) AS n FROM source`, ""},
	{false, `SELECT coalesce(COLUMNS('i3|i6')) FROM source`, ""},
}

// TestProjections writes results with columns that are carried past DuckDB, and as DuckDB gives them: rows, values and bounds must agree.
func TestProjections(t *testing.T) {
	db := open(t, t.TempDir())
	in := flatBatches(t, 3*2048+17)
	parts := []tablePart{{"source", in[0].Schema, piecesOf(in)}}
	for _, c := range projections {
		opts := batch.WriteOptions{PartitionBy: strings.Fields(c.by)}
		rows, stats, carries := writtenBy(t, db, parts, c.query, opts, false)
		if carries != c.carries {
			t.Errorf("%s: carries columns: %v", c.query, carries)
		}
		rows2, stats2, _ := writtenBy(t, db, parts, c.query, opts, true)
		if !slices.Equal(rows, rows2) {
			t.Errorf("%s: rows differ: %d and %d", c.query, len(rows), len(rows2))
			for i := range min(len(rows), len(rows2)) {
				if rows[i] != rows2[i] {
					t.Errorf("row %d\nwithout DuckDB %s\nwith           %s", i, rows[i], rows2[i])
					break
				}
			}
		}
		if c.query != projections[0].query && c.by == "" {
			continue // DuckDB's own writer has bounds of its own
		}
		for i := range min(len(stats), len(stats2)) {
			if plainNumbers(t, stats[i]) != plainNumbers(t, stats2[i]) {
				t.Errorf("%s: statistics of file %d\nwithout DuckDB %s\nwith           %s", c.query, i, stats[i], stats2[i])
			}
		}
	}
}

// writtenBy writes the result of a query, by DuckDB if all columns are to go through it, and says whether some are carried.
func writtenBy(t *testing.T, db *DB, parts []tablePart, query string, opts batch.WriteOptions, all bool) (rows, stats []string, carries bool) {
	t.Helper()
	c, err := db.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.give(c)
	root, err := os.MkdirTemp(db.opts.Dirs[0], "projection-")
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{db: db, conn: c, root: root, opts: opts, query: query, whole: all}
	if err := w.writeAll(t.Context(), parts); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	p, err := c.projection(t.Context(), query, parts[0], w.results)
	if err != nil {
		t.Fatal(err)
	}
	rows, stats = written(t, w.files)
	return rows, stats, p != nil
}

// A batch whose computed columns do not fit into memory is written in halves.
func TestProjectionInHalves(t *testing.T) {
	db := open(t, t.TempDir())
	in := flatBatches(t, 8*2048)
	parts := []tablePart{{"source", in[0].Schema, piecesOf(in)}}
	db.opts.MemoryLimit = 1 << 20
	opts := batch.WriteOptions{PartitionBy: []string{"Part"}}
	query := `SELECT i32, repeat('x', 100) AS long, "Part" FROM source`
	rows, _, carries := writtenBy(t, db, parts, query, opts, false)
	want, _, _ := writtenBy(t, db, parts, query, opts, true)
	if !carries || !slices.Equal(rows, want) {
		t.Errorf("%d rows, want %d", len(rows), len(want))
	}
}

// BenchmarkRowwise writes rides that lie in the order of their partitions, or are mixed.
func BenchmarkRowwise(b *testing.B) {
	const n = 100_000
	at := columnar.Type{Kind: columnar.Timestamp}
	schema := &columnar.Schema{Fields: []columnar.Field{{Name: "at", Type: at, Nullable: true}}}
	for i := range 10 {
		schema.Fields = append(schema.Fields, columnar.Field{Name: fmt.Sprint("f", i), Type: columnar.Type{Kind: columnar.Float64}, Nullable: true},
			columnar.Field{Name: fmt.Sprint("s", i), Type: columnar.Type{Kind: columnar.String}, Nullable: true})
	}
	for name, step := range map[string]int{"in order": 1, "mixed": 7919} {
		b.Run(name, func(b *testing.B) {
			rows := columnar.NewBuilder(schema)
			for i := range n {
				row := []any{time.Unix(int64(i*step%n)*86400/n, 0)}
				for k := range 10 {
					row = append(row, float64(i*k%1000)/100, fmt.Sprint(i*k%260))
				}
				if err := rows.Append(row...); err != nil {
					b.Fatal(err)
				}
			}
			db := open(b, b.TempDir())
			in := []*columnar.Batch{rows.Batch()}
			for b.Loop() {
				files, err := writeOver(b.Context(), db, in, `SELECT *, day("at") AS day, hour("at") AS hour FROM source`, batch.WriteOptions{Dir: db.opts.Dirs[0], PartitionBy: []string{"day", "hour"}})
				if err != nil || len(files) != 24 {
					b.Fatal(len(files), err)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrec/s")
		})
	}
}
