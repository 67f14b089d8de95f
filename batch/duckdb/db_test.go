package duckdb

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

func open(t testing.TB, dirs ...string) *DB {
	t.Helper()
	db, err := Open(Options{Dirs: dirs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// everyKind has a field of each kind that a query can see.
func everyKind(t testing.TB) *columnar.Schema {
	t.Helper()
	s := &columnar.Schema{}
	for _, f := range [][2]string{
		{"b", "boolean"}, {"i8", "tinyint"}, {"i16", "smallint"}, {"i32", "int"}, {"i64", "bigint"}, {"f32", "float"},
		{"f64", "double"}, {"s", "string"}, {"bin", "binary"}, {"d", "date"}, {"ts", "timestamp"}, {"d4", "decimal(4,1)"},
		{"d9", "decimal(9,2)"}, {"d18", "decimal(18,3)"}, {"d38", "decimal(38,4)"}, {"l", "array<int>"},
		{"st", "struct<a:int,b:string,c:array<double>>"}, {"m", "map<string,int>"}, {"ls", "array<struct<x:string,y:timestamp>>"},
	} {
		typ, err := columnar.ParseType(f[1])
		if err != nil {
			t.Fatal(err)
		}
		s.Fields = append(s.Fields, columnar.Field{Name: f[0], Type: typ, Nullable: true})
	}
	return s
}

// everyKindRows are n rows that have all, some or no values, so that nulls meet every place of a bitmap's word.
func everyKindRows(t testing.TB, n int) *columnar.Batch {
	t.Helper()
	b := columnar.NewBuilder(everyKind(t))
	at := time.Date(2019, 1, 31, 8, 0, 0, 123456000, time.UTC)
	for i := range n {
		if i%7 == 3 {
			if err := b.Append(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var list, structs []any
		for k := range i % 4 {
			list = append(list, i+k)
			structs = append(structs, []any{strings.Repeat("é", 5*k), at.Add(time.Duration(i) * time.Second)})
		}
		if list == nil {
			list, structs = []any{}, []any{}
		}
		row := []any{i%2 == 0, i % 100, i % 30000, i, int64(i) << 32, float32(i) / 4, float64(i) / 3, strings.Repeat("x", i%40),
			[]byte{byte(i), 0, 255}, at.AddDate(0, 0, i), at.Add(time.Duration(i) * time.Microsecond),
			fmt.Sprintf("%d.5", i%900), fmt.Sprintf("-%d.25", i%900000), fmt.Sprintf("%d.125", i),
			fmt.Sprintf("-123456789012345678901234%d.5", i%10), list,
			[]any{i, "a longer text than twelve bytes", []any{0.5, nil}}, map[string]any{"key": i}, structs}
		for k := range row {
			if (i+k)%11 == 0 {
				row[k] = nil
			}
		}
		if err := b.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	return b.Batch()
}

func TestRowsKeepEveryKind(t *testing.T) {
	db := open(t)
	in := everyKindRows(t, 5000)
	out, err := rowsOver(context.Background(), db, []*columnar.Batch{in}, "SELECT * FROM source", 10000)
	if err != nil {
		t.Fatal(err)
	}
	if out.Len != in.Len {
		t.Fatalf("got %d rows, want %d", out.Len, in.Len)
	}
	want := map[string]int{}
	for i := range in.Len {
		want[rowText(in, i)]++
	}
	for i := range out.Len {
		if text := rowText(out, i); want[text] == 0 {
			t.Fatalf("row %s was not put in", text)
		} else {
			want[text]--
		}
	}
}

func rowText(b *columnar.Batch, i int) string {
	var all []any
	for _, c := range b.Columns {
		all = append(all, c.Value(i))
	}
	text, _ := json.Marshal(all)
	return string(text)
}

func TestDescribe(t *testing.T) {
	db := open(t)
	for _, c := range []struct{ query, want string }{
		{"SELECT i64, year(ts) AS y, upper(s) u, d9*2 AS m FROM source", "i64 bigint, y bigint, u string, m decimal(18,2)"},
		{"select * exclude (l,st,m,ls), s || 'x' AS z from source;\n", ""},
		{"WITH x AS (SELECT i32 FROM source WHERE b) SELECT i32+1::int AS j FROM x -- the end", "j int"},
		{"SELECT count(*) FROM source", "error: aggregates"},
		{"SELECT DISTINCT s FROM source", "error: aggregates"},
		{"SELECT s, sum(i32) FROM source GROUP BY s", "error: aggregates"},
		{"SELECT row_number() OVER () FROM source", "error: window functions"},
		{"SELECT s FROM source ORDER BY s", "error: ORDER BY"},
		{"SELECT s FROM source LIMIT 3", "error: LIMIT"},
		{"SELECT a.s FROM source a JOIN source b ON a.i32=b.i32", "error: joins rows of source"},
		{"SELECT s, w FROM source JOIN (VALUES ('x','y')) v(k, w) ON s = k", "s string, w string"},
		{"SELECT s, x FROM source, unnest(l) AS u(x)", "s string, x int"},
		{"SELECT unnest(l) AS x FROM source", "x int"},
		{"SELECT s FROM source WHERE s IN ('a','b')", "s string"},
		{"SELECT * FROM read_csv('/etc/passwd')", "error: "},
		{"SELECT * FROM weir_source(12)", "error: no such source"},
		{"SELECT * FROM duckdb_settings()", "error: does something else"},
		{"SELECT 1; SELECT 2", "error: has 2 statements"},
		{"SELECT 1) ; COPY (SELECT 1", "error: syntax"},
		{"COPY (SELECT 1) TO '/tmp/x'", "error: "},
		{"DROP TABLE x", "error: "},
		{"", "error: "},
		{"SELECT nothing FROM source", "error: Binder Error"},
		{"SELECT s, (SELECT sum(x) FROM unnest(l) u(x)) AS t FROM source", "s string, t decimal(38,0)"},
		{"SELECT s FROM source WHERE i32 > (SELECT max(x) FROM (VALUES (1),(2)) v(x))", "s string"},
		{"SELECT s, x FROM (SELECT s, l, row_number() OVER () AS n FROM source) CROSS JOIN unnest(l) u(x)", "error: window functions"},
		{"SELECT s, (SELECT count(*) FROM source b WHERE b.i32 = source.i32) FROM source", "error: "},
		{"WITH x AS MATERIALIZED (SELECT s FROM source) SELECT s FROM x UNION ALL SELECT s FROM x", "s string"},
		{"SELECT [ROW(1, 'a')] AS n FROM source", "error: column n is a row whose fields have no names"},
		{"SELECT INTERVAL 1 DAY AS n FROM source", "error: column n is of a type that tables do not have"},
		{"SELECT ? AS n FROM source", "error: has parameters"},
		{"SELECT 1::hugeint h, 2::ubigint u, 3::utinyint t, uuid() id, ts::timestamptz z FROM source",
			"h decimal(38,0), u decimal(20,0), t smallint, id string, z timestamp"},
	} {
		got := ""
		schema, err := describeOver(context.Background(), db, everyKind(t), c.query)
		if err != nil {
			got = "error: " + err.Error()
		} else {
			var cols []string
			for _, f := range schema.Fields {
				cols = append(cols, f.Name+" "+f.Type.String())
			}
			got = strings.Join(cols, ", ")
		}
		if prefix, isErr := strings.CutPrefix(c.want, "error: "); isErr {
			if !strings.Contains(strings.ToLower(got), "error") || !strings.Contains(got, prefix) && prefix != "syntax" {
				t.Errorf("%s\n  got  %s\n  want %s", c.query, got, c.want)
			}
		} else if c.want != "" && got != c.want || strings.HasPrefix(got, "error") {
			t.Errorf("%s\n  got  %s\n  want %s", c.query, got, c.want)
		}
	}
}

func TestWriteEveryKind(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	files, err := writeOver(context.Background(), db, []*columnar.Batch{everyKindRows(t, 5000)}, "SELECT *, year(d) AS y FROM source",
		batch.WriteOptions{Dir: dir, PartitionBy: []string{"y", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	rows := int64(0)
	for _, f := range files {
		info, err := os.Stat(f.Path)
		if err != nil || info.Size() != f.Size {
			t.Fatalf("%s: %v, size %d", f.Path, err, f.Size)
		}
		rows += f.Rows
		if _, ok := f.Partition["y"]; !ok || len(f.Partition) != 2 {
			t.Errorf("partition %v", f.Partition)
		}
		if _, ok := f.Columns["y"]; ok {
			t.Errorf("partition column is in the file")
		}
	}
	if rows != 5000 {
		t.Errorf("%d rows", rows)
	}
}
