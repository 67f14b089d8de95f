package folders_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/batch/folders"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
)

// world is a catalog of tables that lie in a bucket, and a runner that joins the numbers 1 to 3 with them.
type world struct {
	*testing.T
	store   objstore.Store
	catalog *catalog.Store
	staging string
	db      *duckdb.DB
	runner  *duckdb.Runner
	tables  *folders.Tables
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, store: mem.New(nil), staging: t.TempDir()}
	w.must(w.store.CreateBucket(t.Context(), "lake"))
	var err error
	w.catalog, err = catalog.New(meta.NewMem(), catalog.Options{})
	w.must(err)
	w.must(w.catalog.CreateDatabase(t.Context(), catalog.Database{Name: "lake"}))
	w.db, err = duckdb.Open(duckdb.Options{Dirs: []string{w.staging}})
	w.must(err)
	w.runner, err = w.db.NewRunner()
	w.must(err)
	w.tables = w.open()
	t.Cleanup(func() {
		w.must(w.tables.Close())
		w.runner.Close()
		w.db.Close()
		if left, err := os.ReadDir(w.staging); err != nil || len(left) > 0 {
			t.Errorf("left in staging: %v %v", left, err)
		}
	})
	return w
}

func (w *world) open() *folders.Tables {
	return folders.New(folders.Options{Store: w.store, Catalog: w.catalog, Delta: deltas{}, Staging: w.staging})
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// deltas are Delta tables that hold nothing but their version.
type deltas struct{}

func (deltas) Columns(context.Context, string) (*columnar.Schema, error) { return idAndName(), nil }
func (deltas) State(context.Context, string) (batch.TableState, error) {
	return batch.TableState{Version: 7}, nil
}
func (deltas) Select(_ context.Context, _ string, s batch.TableState) (string, error) {
	return fmt.Sprintf("SELECT 1 AS id, 'version %d' AS name", s.Version), nil
}

func idAndName() *columnar.Schema {
	return &columnar.Schema{Fields: []columnar.Field{
		{Name: "id", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true}, {Name: "name", Type: columnar.Type{Kind: columnar.String}, Nullable: true}}}
}

func (w *world) put(key string, data []byte) {
	w.Helper()
	_, err := w.store.Put(w.Context(), "lake", key, bytes.NewReader(data), objstore.PutOptions{})
	w.must(err)
}

// create makes a table with the columns id and name in its files.
func (w *world) create(name string, serde catalog.SerDe, more func(*catalog.Table)) {
	w.Helper()
	t := catalog.Table{Database: "lake", Name: name, Type: "EXTERNAL_TABLE", Storage: catalog.Storage{
		Location: "s3://lake/" + name, SerDe: serde, Columns: []catalog.Column{{Name: "id", Type: "bigint"}, {Name: "name", Type: "string"}}}}
	if more != nil {
		more(&t)
	}
	w.must(w.catalog.CreateTable(w.Context(), t))
}

// join is the table's name column beside each number, and columns beyond it.
func (w *world) join(table string, state batch.TableState, columns string) string {
	w.Helper()
	query, err := w.tables.Select(w.Context(), table, state)
	w.must(err)
	schema, err := w.tables.Columns(w.Context(), table)
	w.must(err)
	n := &columnar.Schema{Fields: []columnar.Field{{Name: "n", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true}}}
	p := &batch.Program{Output: "output", Tables: map[string]string{"t": table}, Steps: []batch.Step{
		{Name: "output", SQL: "SELECT n, name" + columns + " FROM source JOIN t ON n = id"}}}
	d, err := w.runner.Describe(w.Context(), map[string]*columnar.Schema{"source": n, "t": schema}, p)
	w.must(err)
	rows := columnar.NewBuilder(n)
	for i := range 3 {
		w.must(rows.Append(i + 1))
	}
	res, err := w.runner.Run(w.Context(), p, d, batch.RunInput{
		Inputs: map[string][]*columnar.Batch{"source": {rows.Batch()}}, Statics: map[string]string{"t": query}})
	w.must(err)
	defer res.Close()
	b, err := res.First(w.Context(), 10)
	w.must(err)
	var all []string
	for i := range b.Len {
		var cells []string
		for _, c := range b.Columns {
			cells = append(cells, fmt.Sprint(c.Value(i)))
		}
		all = append(all, strings.Join(cells, " "))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (w *world) state(table string) batch.TableState {
	w.Helper()
	s, err := w.tables.State(w.Context(), table)
	w.must(err)
	text, err := json.Marshal(map[string]batch.TableState{table: s})
	w.must(err)
	var back map[string]batch.TableState
	w.must(json.Unmarshal(text, &back)) // as a plan keeps it
	return back[table]
}

var (
	jsonSerDe = catalog.SerDe{Library: "org.openx.data.jsonserde.JsonSerDe"}
	csvSerDe  = catalog.SerDe{Library: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", Parameters: map[string]string{"field.delim": ","}}
)

func zip(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.Bytes()
}

func TestFormats(t *testing.T) {
	w := newWorld(t)
	w.create("json", jsonSerDe, nil)
	w.put("json/a.json.gz", zip(`{"ID":1,"Name":"one"}`+"\n"+`{"ID":2,"Name":"two"}`+"\n"))
	w.put("json/_hidden", []byte("no"))
	if got := w.join("lake.json", w.state("lake.json"), ""); got != "1 one, 2 two" {
		t.Errorf("JSON: %s", got)
	}
	w.create("csv", csvSerDe, func(t *catalog.Table) {
		t.PartitionKeys = []catalog.Column{{Name: "Year", Type: "int"}, {Name: "place", Type: "varchar(10)"}}
	})
	if got := w.join("lake.csv", w.state("lake.csv"), ""); got != "" {
		t.Errorf("without files: %s", got)
	}
	w.put("csv/2025/b/f.csv", []byte("2,two\n3,three\n"))
	w.put("csv/2026/null/f.csv", []byte("1,one\n"))
	for path, values := range map[string][]string{"2025/b": {"2025", "b"}, "2026/null": {"2026", "__HIVE_DEFAULT_PARTITION__"}} {
		_, err := w.catalog.AddPartitions(t.Context(), "lake", "csv", []catalog.Partition{
			{Values: values, Storage: catalog.Storage{Location: "s3://lake/csv/" + path, SerDe: csvSerDe}}})
		w.must(err)
	}
	if got := w.join("lake.csv", w.state("lake.csv"), ", year + 1, place"); got != "1 one 2027 <nil>, 2 two 2026 b, 3 three 2026 b" {
		t.Errorf("CSV: %s", got)
	}
	w.create("parquet", catalog.SerDe{Library: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"}, nil)
	copied, err := w.db.Copy(t.Context(), "SELECT CAST(3 AS BIGINT) AS id, 'drei' AS name", duckdb.CopyOptions{Dir: w.staging, Columns: idAndName()})
	w.must(err)
	data, err := os.ReadFile(copied[0].Path)
	w.must(err)
	w.must(os.Remove(copied[0].Path))
	w.put("parquet/x.parquet", data)
	if got := w.join("lake.parquet", w.state("lake.parquet"), ""); got != "3 drei" {
		t.Errorf("Parquet: %s", got)
	}
	w.create("delta", jsonSerDe, func(t *catalog.Table) { t.Parameters = map[string]string{"table_type": "DELTA"} })
	if got := w.join("lake.delta", w.state("lake.delta"), ""); got != "1 version 7" {
		t.Errorf("Delta: %s", got)
	}
}

// A batch reads the files that it was planned with, also in another process, whatever has come since; and fails where one of them is gone.
func TestPlannedFiles(t *testing.T) {
	w := newWorld(t)
	w.create("json", jsonSerDe, nil)
	w.put("json/a.json", []byte(`{"id":1,"name":"one"}`))
	planned := w.state("lake.json")
	if text, _ := json.Marshal(planned); !strings.HasPrefix(string(text), `[{"file":"s3://lake/json/a.json","etag":"`) {
		t.Errorf("in the plan: %s", text)
	}
	w.put("json/b.json", []byte(`{"id":2,"name":"two"}`))
	for range 2 {
		if got := w.join("lake.json", planned, ""); got != "1 one" {
			t.Errorf("the plan's files: %s", got)
		}
		if got := w.join("lake.json", w.state("lake.json"), ""); got != "1 one, 2 two" {
			t.Errorf("those of now: %s", got)
		}
		w.must(w.tables.Close())
		w.tables = w.open()
	}
	later := w.state("lake.json")
	w.put("json/b.json", []byte(`{"id":2,"name":"zwei"}`))
	if _, err := w.tables.Select(t.Context(), "lake.json", later); !errors.Is(err, folders.ErrGone) || batch.IsTemporary(err) || !strings.Contains(err.Error(), "s3://lake/json/b.json") {
		t.Errorf("a file that was replaced: %v", err)
	}
	w.must(w.store.Delete(t.Context(), "lake", "json/a.json"))
	w.must(w.tables.Close())
	if _, err := w.tables.Select(t.Context(), "lake.json", planned); !errors.Is(err, folders.ErrGone) {
		t.Errorf("a file that was removed: %v", err)
	}
	if got := w.join("lake.json", w.state("lake.json"), ""); got != "2 zwei" {
		t.Errorf("after that: %s", got)
	}
	if entries, _ := filepath.Glob(filepath.Join(w.staging, "folder-*", "*")); len(entries) != 1 {
		t.Errorf("kept here: %v", entries)
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	w.create("orc", catalog.SerDe{Library: "org.apache.hadoop.hive.ql.io.orc.OrcSerde"}, nil)
	w.create("view", jsonSerDe, func(t *catalog.Table) { t.Type = "VIRTUAL_VIEW" })
	w.create("ice", jsonSerDe, func(t *catalog.Table) { t.Parameters = map[string]string{"table_type": "ICEBERG"} })
	w.create("big", jsonSerDe, nil)
	for i := range 2001 {
		w.put(fmt.Sprintf("big/%d.json", i), []byte("{}"))
	}
	for table, want := range map[string]string{
		"lake.orc": "is not supported: Parquet, JSON, LazySimple and OpenCSV are", "lake.view": "is a view", "lake.ice": "is a table of iceberg",
		"lake.big": "has 2001 files", "lake.none": "not found",
	} {
		if _, err := w.tables.State(t.Context(), table); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", table, err)
		}
	}
	w.create("delta", jsonSerDe, func(t *catalog.Table) { t.Parameters = map[string]string{"table_type": "DELTA"} })
	w.create("json", jsonSerDe, nil)
	if _, err := w.tables.Select(t.Context(), "lake.json", batch.TableState{Version: 3}); err == nil || !strings.Contains(err.Error(), "when it was a Delta table") {
		t.Errorf("a state of another kind: %v", err)
	}
}
