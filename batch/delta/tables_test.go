package delta_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-data/weir/batch"
	batchdelta "github.com/weir-data/weir/batch/delta"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore/mem"
)

// TestTables joins rows of a stream with a table that changes between batches: each batch sees the version of its plan.
func TestTables(t *testing.T) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	staging := t.TempDir()
	db, err := duckdb.Open(duckdb.Options{Dirs: []string{staging}})
	must(err)
	defer db.Close()
	store := mem.New(nil)
	must(store.CreateBucket(ctx, "lake"))
	zones := &columnar.Schema{Fields: []columnar.Field{
		{Name: "id", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true}, {Name: "name", Type: columnar.Type{Kind: columnar.String}, Nullable: true},
		{Name: "since", Type: columnar.Type{Kind: columnar.Timestamp}, Nullable: true},
	}}
	_, err = delta.Create(ctx, delta.InBucket(store, "lake", "zones/"), delta.CreateOptions{
		Schema: zones, PartitionBy: []string{"name"}, Properties: map[string]string{"delta.enableDeletionVectors": "true"}})
	must(err)
	table, err := rewrite.Open(ctx, rewrite.Options{Store: store, Location: "s3://lake/zones", DB: db, Staging: staging})
	must(err)
	c, err := catalog.New(meta.NewMem(), catalog.Options{})
	must(err)
	must(c.CreateDatabase(ctx, catalog.Database{Name: "lake"}))
	for name, kind := range map[string]string{"zones": "DELTA", "csv": "none"} {
		must(c.CreateTable(ctx, catalog.Table{Database: "lake", Name: name, Parameters: map[string]string{"table_type": kind},
			Storage: catalog.Storage{Location: "s3://lake/zones", Columns: []catalog.Column{{Name: "id", Type: "bigint"}}}}))
	}
	tables := batchdelta.NewTables(batchdelta.TablesOptions{Store: store, Catalog: c, DB: db, Staging: staging})
	defer tables.Close()
	runner, err := db.NewRunner()
	must(err)
	defer runner.Close()

	n := &columnar.Schema{Fields: []columnar.Field{{Name: "n", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true}}}
	schema, err := tables.Columns(ctx, "lake.zones")
	must(err)
	p := &batch.Program{Output: "output", Tables: map[string]string{"zones": "lake.zones"}, Steps: []batch.Step{
		{Name: "output", SQL: "SELECT n, name, since FROM source LEFT JOIN zones ON n = id"}}}
	d, err := runner.Describe(ctx, map[string]*columnar.Schema{"source": n, "zones": schema}, p)
	must(err)
	rows := columnar.NewBuilder(n)
	must(rows.Append(1))
	names := func(version int64) string {
		query, err := tables.Select(ctx, "lake.zones", batch.TableState{Version: version})
		must(err)
		res, err := runner.Run(ctx, p, d, batch.RunInput{
			Inputs: map[string][]*columnar.Batch{"source": {rows.Batch()}}, Statics: map[string]string{"zones": query}})
		must(err)
		defer res.Close()
		b, err := res.First(ctx, 10)
		must(err)
		var all []string
		for i := range b.Len {
			text, err := json.Marshal([]any{b.Columns[1].Value(i), b.Columns[2].Value(i)})
			must(err)
			all = append(all, string(text))
		}
		return fmt.Sprint(all)
	}
	if got := names(0); got != "[[null,null]]" {
		t.Errorf("of an empty table: %s", got)
	}
	more := columnar.NewBuilder(zones)
	must(more.Append(1, "a", nil))
	must(more.Append(2, "b", nil))
	_, err = table.Append(ctx, rewrite.Rows{Schema: zones, Rows: []*columnar.Batch{more.Batch()}}, rewrite.WriteOptions{})
	must(err)
	where, err := rewrite.Where("id = 1")
	must(err)
	if v, err := tables.State(ctx, "lake.zones"); err != nil || v.Version != 1 {
		t.Errorf("state %+v, %v", v, err)
	}
	_, err = table.Delete(ctx, where, "")
	must(err)
	for _, v := range []int64{1, 2, 1} {
		want := map[int64]string{1: `[["a",null]]`, 2: "[[null,null]]"}[v]
		if got := names(v); got != want {
			t.Errorf("version %d: %s, want %s", v, got, want)
		}
	}
	if _, err := tables.Columns(ctx, "lake.csv"); err == nil || !strings.Contains(err.Error(), "no Delta table") {
		t.Errorf("a table of text: %v", err)
	}
	if _, err := tables.State(ctx, "lake.none"); err == nil {
		t.Error("a table that is not there has a version")
	}
}
