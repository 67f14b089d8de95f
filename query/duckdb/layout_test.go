package duckdb

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// TestLayouts reads files whose structs agree with the table's in part, or not at all, by name and by field id.
func TestLayouts(t *testing.T) {
	db, err := openDatabase()
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	dir := t.TempDir()
	write := func(name, text, ids string) string {
		path := filepath.Join(dir, name)
		if err := db.exec("COPY (" + text + ") TO " + quote(path) + " (FORMAT parquet, FIELD_IDS " + ids + ")"); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files := []string{
		write("a", "SELECT 1 AS id, {'x': 10, 'y': 'a'} AS s, [{'z': 1}] AS l UNION ALL SELECT 2, NULL, NULL",
			"{id: 1, s: {__duckdb_field_id: 2, x: 3, y: 4}, l: {__duckdb_field_id: 5, element: {__duckdb_field_id: 6, z: 7}}}"),
		write("b", "SELECT 3 AS id, {'old': 30, 'other': 'b'} AS s, [{'q': 3}, NULL] AS l",
			"{id: 1, s: {__duckdb_field_id: 2, old: 3, other: 9}, l: {__duckdb_field_id: 5, element: {__duckdb_field_id: 6, q: 7}}}"),
		write("c", "SELECT 4 AS id, {'x': 40, 'y': 'c'} AS s", "{id: 1, s: {__duckdb_field_id: 2, x: 3, y: 4}}"),
		write("d", "SELECT 5 AS id", "{id: 1}"),
	}
	scalar := func(name string) sql.Type { return sql.Type{Name: name} }
	row := func(name string, t sql.Type, more ...any) sql.Type {
		r := sql.Type{Name: "row", Fields: []string{name}, Args: []sql.Type{t}}
		for i := 0; i < len(more); i += 2 {
			r.Fields, r.Args = append(r.Fields, more[i].(string)), append(r.Args, more[i+1].(sql.Type))
		}
		return r
	}
	array := func(t sql.Type) sql.Type { return sql.Type{Name: "array", Args: []sql.Type{t}} }
	gone := roaring64.BitmapOf(0)
	deleted, err := gone.ToPortableBytes()
	if err != nil {
		t.Fatal(err)
	}
	b := &query.Binding{Name: "t", Format: query.Parquet, Files: files, Columns: []query.BoundColumn{
		{Name: "id", Type: scalar("bigint")},
		{Name: "s", Type: row("xx", scalar("bigint"), "yy", scalar("varchar")), FileType: row("x", scalar("bigint"), "y", scalar("varchar")),
			FileIDs: row("3", scalar("bigint"), "4", scalar("varchar"))},
		{Name: "l", Type: array(row("zz", scalar("bigint"))), FileType: array(row("z", scalar("bigint"))), FileIDs: array(row("7", scalar("bigint")))},
	}, Partitions: []query.PartitionColumn{{Name: "p", Type: scalar("varchar"), Values: []*string{&files[0], &files[1], nil, &files[3]}}},
		Deleted: [][]byte{nil, nil, deleted, nil}}
	read := func(text string) string {
		var out strings.Builder
		if err := db.query(text, func([]sql.Column) error { return nil }, func(cols []*vector, rows int) error {
			for r := range rows {
				for _, c := range cols {
					out.Write(append(c.cell(nil, r), ' '))
				}
				out.WriteByte('\n')
			}
			return nil
		}); err != nil {
			return err.Error()
		}
		return out.String()
	}
	const text = "SELECT id, s, l, p IS NULL AS p FROM t ORDER BY id"
	if err := db.define(b, false); err != nil {
		t.Fatal(err)
	}
	if got := read(text); !strings.Contains(got, noCommonField) {
		t.Errorf("DuckDB casts structs without a common field: %s", got)
	}
	if err := db.define(b, true); err != nil {
		t.Fatal(err)
	}
	if got, want := read(text), `1 {xx=10, yy=a} [{zz=1}] false 
2 null null false 
3 null null false 
5 null null false 
`; got != want {
		t.Errorf("by name:\n%s", got)
	}
	for i, id := range []int32{1, 2, 5} {
		b.Columns[i].ID = &id
	}
	b.Name = "byid"
	if err := db.define(b, false); err != nil {
		t.Fatal(err)
	}
	if got, want := read(strings.Replace(text, "FROM t", "FROM byid", 1)), `1 {xx=10, yy=a} [{zz=1}] false 
2 null null false 
3 {xx=30, yy=null} [{zz=3}, null] false 
5 null null false 
`; got != want {
		t.Errorf("by id:\n%s", got)
	}
	// A hidden column has no id: it is found by its name beside those that are found by id.
	b.Name = "mixed"
	b.Columns = append(b.Columns, query.BoundColumn{Name: "weir_own", File: "own id", Type: scalar("bigint"), Hidden: true})
	b.Files = append(b.Files, write("e", "SELECT {'newer': 60} AS struct, 6 AS number, 66 AS \"own id\"", "{number: 1, struct: {__duckdb_field_id: 2, newer: 3}}"))
	b.Deleted = append(b.Deleted, nil)
	base := "7"
	b.Partitions = []query.PartitionColumn{{Name: "rid", Type: scalar("bigint"), Values: []*string{&base, &base, &base, &base, &base}, Position: true, Own: "weir_own"}}
	if err := db.define(b, false); err != nil {
		t.Fatal(err)
	}
	if got, want := read("SELECT id, s, l, rid FROM mixed ORDER BY id"), `1 {xx=10, yy=a} [{zz=1}] 7 
2 null null 8 
3 {xx=30, yy=null} [{zz=3}, null] 7 
5 null null 7 
6 {xx=60, yy=null} null 66 
`; got != want {
		t.Errorf("by id and name:\n%s", got)
	}
}
