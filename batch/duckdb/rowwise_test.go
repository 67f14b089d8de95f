package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// program is the Program of a query.
func program(query string) *batch.Program {
	return &batch.Program{Steps: []batch.Step{{Name: "output", SQL: query}}, Output: "output"}
}

func describeOver(ctx context.Context, db *DB, schema *columnar.Schema, query string) (*columnar.Schema, error) {
	d, err := NewRowwise(db).Describe(ctx, map[string]*columnar.Schema{"source": schema}, program(query))
	if err != nil {
		return nil, err
	}
	return d.Output, nil
}

// resultOver runs query without checking it first.
func resultOver(ctx context.Context, db *DB, in []*columnar.Batch, query string) batch.Result {
	d := &batch.Description{Inputs: map[string]*columnar.Schema{"source": in[0].Schema}}
	r, err := NewRowwise(db).Run(ctx, program(query), d, batch.RunInput{Inputs: map[string][]*columnar.Batch{"source": in}})
	if err != nil {
		panic(err)
	}
	return r
}

func writeOver(ctx context.Context, db *DB, in []*columnar.Batch, query string, opts batch.WriteOptions) ([]batch.ParquetFile, error) {
	return resultOver(ctx, db, in, query).Write(ctx, opts)
}

func rowsOver(ctx context.Context, db *DB, in []*columnar.Batch, query string, limit int) (*columnar.Batch, error) {
	return resultOver(ctx, db, in, query).First(ctx, limit)
}

// TestRowwisePrograms runs steps over two inputs, with the times of the batch, in each of the ways in which rows are taken.
func TestRowwisePrograms(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	schema := &columnar.Schema{Fields: []columnar.Field{{Name: "n", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true}}}
	rows := func(from, to int) []*columnar.Batch {
		b := columnar.NewBuilder(schema)
		for i := from; i < to; i++ {
			if err := b.Append(i); err != nil {
				t.Fatal(err)
			}
		}
		return []*columnar.Batch{b.Batch()}
	}
	p := &batch.Program{
		Steps: []batch.Step{
			{Name: "joined", SQL: "SELECT n FROM a UNION ALL SELECT -n FROM b"},
			{Name: "tally", SQL: "SELECT count(*) AS n FROM joined"},
			{Name: "output", SQL: "SELECT n, weir_batch_time() AS at, weir_watermark() < TIMESTAMP '0001-01-01' AS w, 'weir_late()' AS s FROM joined WHERE n % 2 = 0"},
			{Name: "unused", SQL: "SELECT 1"},
		},
		Output: "output",
	}
	r := NewRowwise(db)
	d, err := r.Describe(t.Context(), map[string]*columnar.Schema{"a": schema, "b": schema}, p)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 31, 8, 0, 0, 123456000, time.UTC)
	const n = 200_000 // more than Each holds at once
	res, err := r.Run(t.Context(), p, d, batch.RunInput{Time: now, Inputs: map[string][]*columnar.Batch{"a": rows(0, n), "b": rows(1, 11)}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	var got []int64
	parts := 0
	err = res.Each(t.Context(), func(b *columnar.Batch) error {
		parts++
		for i := range b.Len {
			got = append(got, b.Columns[0].Int(i))
			if at := b.Columns[1].Int(i); at != now.UnixMicro() || b.Columns[2].Data[i] == 0 || string(b.Columns[3].Bytes(i)) != "weir_late()" {
				return fmt.Errorf("row %d: %s", i, rowText(b, i))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if len(got) != n/2+5 || got[0] != -10 || got[len(got)-1] != n-2 || parts < 2 {
		t.Errorf("%d rows in %d parts", len(got), parts)
	}
	files, err := res.Write(t.Context(), batch.WriteOptions{Dir: dir})
	if err != nil || len(files) != 1 || files[0].Rows != n/2+5 {
		t.Errorf("files %+v, %v", files, err)
	}
	shared, err := r.Run(t.Context(), p, d, batch.RunInput{Time: now, Shared: true, Inputs: map[string][]*columnar.Batch{"a": rows(0, n), "b": rows(1, 11)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range []batch.Result{res, shared} {
		if b, err := res.Step(t.Context(), "tally"); err != nil || b.Len != 1 || b.Columns[0].Int(0) != n+10 {
			t.Errorf("a step gave %+v, %v", b, err)
		}
	}
	none, err := r.Run(t.Context(), p, d, batch.RunInput{Time: now})
	if err != nil || none.Len() != 0 || res.Len() != -1 {
		t.Errorf("nothing gave %v, %v", none, err)
	}
	if b, err := none.First(t.Context(), 10); err != nil || b.Len != 0 || len(b.Schema.Fields) != 4 {
		t.Errorf("the first rows of nothing: %+v, %v", b, err)
	}
	if b, err := none.Step(t.Context(), "tally"); err != nil || b.Len != 0 {
		t.Errorf("a step over nothing: %+v, %v", b, err)
	}
	p.Output = "none"
	if _, err := r.Describe(t.Context(), d.Inputs, p); err == nil || !strings.Contains(err.Error(), "no step none") {
		t.Errorf("error %v", err)
	}
}

// TestRowwiseShared runs a query whose rows differ from run to run for two sinks: they get the same rows, unless these are too many.
func TestRowwiseShared(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	in := events(t, "08:00 a 1", "08:01 b 2", "08:02 a 3")
	p := program("SELECT uuid() AS id, ts, CAST(ts AS DATE) AS day, [v, NULL] AS list, {'k': k} AS s FROM source WHERE v < 3")
	r := NewRowwise(db)
	d, err := r.Describe(t.Context(), map[string]*columnar.Schema{"source": in[0].Schema}, p)
	if err != nil {
		t.Fatal(err)
	}
	run := func() (same bool, size int64) {
		t.Helper()
		res, err := r.Run(t.Context(), p, d, batch.RunInput{Shared: true, Inputs: map[string][]*columnar.Batch{"source": in}})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Close()
		var sinks [][]string
		for range 2 {
			var rows []string
			err := res.Each(t.Context(), func(b *columnar.Batch) error {
				for i := range b.Len {
					rows = append(rows, rowText(b, i))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(rows)
			sinks = append(sinks, rows)
		}
		files, err := res.Write(t.Context(), batch.WriteOptions{Dir: dir, PartitionBy: []string{"day"}})
		if err != nil || len(files) != 1 || files[0].Rows != 2 || *files[0].Partition["day"] != "2026-01-31" {
			t.Fatalf("files %+v, %v", files, err)
		}
		return slices.Equal(sinks[0], sinks[1]), res.Len()
	}
	if same, size := run(); !same || size != 2 {
		t.Errorf("the same rows: %v, %d of them", same, size)
	}
	defer func(n int64) { sharedMax = n }(sharedMax)
	sharedMax = 10
	if same, size := run(); same || size != -1 {
		t.Errorf("large: the same rows: %v, %d of them", same, size)
	}
}

// TestValueErrors checks that a value that a query cannot compute with is told with what to write, however rows are taken.
func TestValueErrors(t *testing.T) {
	db := open(t, t.TempDir())
	schema := &columnar.Schema{Fields: []columnar.Field{{Name: "s", Type: columnar.Type{Kind: columnar.String}, Nullable: true}}}
	b := columnar.NewBuilder(schema)
	if err := b.Append("x"); err != nil {
		t.Fatal(err)
	}
	in, query := []*columnar.Batch{b.Batch()}, "SELECT CAST(s AS INTEGER) AS n FROM source"
	_, write := writeOver(t.Context(), db, in, query, batch.WriteOptions{Dir: t.TempDir()})
	_, read := rowsOver(t.Context(), db, in, query, 1)
	for _, err := range []error{write, read} {
		if err == nil || !strings.Contains(err.Error(), "Could not convert string 'x' to INT32") || strings.Count(err.Error(), "TRY_CAST") != 1 {
			t.Errorf("got %v", err)
		}
	}
}
