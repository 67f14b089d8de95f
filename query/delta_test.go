package query_test

import (
	"strings"
	"testing"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// TestDelta reads a Delta table: partition values and columns from its log, files pruned by values and statistics,
// older versions, and no writes.
func TestDelta(t *testing.T) {
	l := newLake(t, true)
	l.run("CREATE DATABASE lake")
	kind := func(k columnar.Kind) columnar.Type { return columnar.Type{Kind: k} }
	schema := &columnar.Schema{Fields: []columnar.Field{{Name: "ID", Type: kind(columnar.Int64), Nullable: true},
		{Name: "ts", Type: kind(columnar.Timestamp), Nullable: true}, {Name: "late", Type: kind(columnar.String), Nullable: true},
		{Name: "Year", Type: kind(columnar.Int32), Nullable: true}}}
	table, err := delta.Create(t.Context(), delta.InBucket(l.objects, "data", "rides"), delta.CreateOptions{Schema: schema, PartitionBy: []string{"Year"}})
	if err != nil {
		t.Fatal(err)
	}
	year := func(y string) map[string]*string { return map[string]*string{"Year": &y} }
	for i, part := range []map[string]*string{year("2019"), year("2020"), {"Year": nil}} {
		first := i * 100
		x := l.run("UNLOAD (SELECT n AS id, date_add('hour', n, TIMESTAMP '2020-01-01 00:00:00') AS ts FROM UNNEST(sequence(" +
			strings.Join([]string{itoa(first), itoa(first + 99)}, ", ") + ")) AS t(n)) TO 's3://data/rides/part" + itoa(i) + "/' WITH (format = 'PARQUET')")
		files, err := l.objects.List(t.Context(), "data", objstore.ListOptions{Prefix: "rides/part" + itoa(i) + "/"})
		if err != nil || len(files.Objects) != 1 {
			t.Fatal(err, x.Reason, files)
		}
		snapshot, err := table.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tx := table.Begin(snapshot)
		tx.Add(delta.File{Path: strings.TrimPrefix(files.Objects[0].Key, "rides/"), Partition: part, Size: files.Objects[0].Size,
			Stats: &delta.Stats{NumRecords: 100, Min: map[string]any{"ID": float64(first)}, Max: map[string]any{"ID": float64(first + 99)}}})
		if _, err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.catalog.CreateTable(t.Context(), catalog.Table{Database: "lake", Name: "rides", Type: "EXTERNAL_TABLE",
		Storage:    catalog.Storage{Location: "s3://data/rides", Columns: []catalog.Column{{Name: "col", Type: "array<string>"}}},
		Parameters: map[string]string{"table_type": "DELTA"}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ sql, want string }{
		{"SELECT count(*), sum(id), count(late), count(year) FROM rides", "300,44850,0,200"},
		{"SELECT year, count(*) FROM rides GROUP BY 1 ORDER BY 1", "2019,100|2020,100|NULL,100"},
		{"SELECT count(*) FROM rides WHERE year = 2020 AND ts < TIMESTAMP '2020-01-06 00:00:00'", "20"},
		{"SELECT count(*) FROM rides FOR VERSION AS OF 1", "100"},
		{"SELECT id, late FROM rides WHERE id IN (5, 205) ORDER BY 1", "5,NULL|205,NULL"},
		{"SELECT max(id) FROM rides WHERE year IS NULL", "299"},
	} {
		x := l.run(c.sql)
		if got := l.csv(x); got != c.want {
			t.Errorf("%s = %s, want %s", c.sql, got, c.want)
		}
	}
	for sql, files := range map[string]string{
		"SELECT id FROM rides":                            "3 files",
		"SELECT id FROM rides WHERE year >= 2020":         "1 files",
		"SELECT id FROM rides WHERE id = 150":             "1 files",
		"SELECT id FROM rides WHERE id > 150":             "2 files",
		"SELECT id FROM rides WHERE id > 150 OR id < 10":  "3 files",
		"SELECT id FROM rides WHERE year = 2019 AND id=7": "1 files",
		"SELECT id FROM rides WHERE year = 2018":          "0 files",
	} {
		if got := l.show(l.run("EXPLAIN " + sql)); !strings.Contains(got, "parquet, "+files) {
			t.Errorf("%s reads not %s:\n%s", sql, files, got)
		}
	}
	if x := l.run("INSERT INTO rides VALUES (1, NULL, 'x', 2019)"); !strings.Contains(x.Reason, "does not support inserts") {
		t.Errorf("INSERT into a Delta table: %s %s", x.State, x.Reason)
	}
	if got := l.show(l.run("DESCRIBE rides")); !strings.HasPrefix(got, "id ") || !strings.Contains(got, "year") {
		t.Errorf("DESCRIBE: %s", got)
	}
}
