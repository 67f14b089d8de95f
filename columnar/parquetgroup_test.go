package columnar

import (
	"bytes"
	"errors"
	"math/rand"
	"reflect"
	"testing"
	"time"
)

const flatKinds = "bool:boolean,i8:tinyint,i16:smallint,i32:int,i64:bigint,f32:float,f64:double,s:string,b:binary,day:date,ts:timestamp,ntz:timestamp_ntz," +
	"d9:decimal(9,2),d18:decimal(18,4),d20:decimal(20,0),d38:decimal(38,10)"

// variedBatch has columns with few and with many values, in runs and mixed, with and without nulls.
func variedBatch(t testing.TB, schema *Schema, r *rand.Rand, rows int) *Batch {
	b := NewBuilder(schema)
	pools := make([][]any, len(schema.Fields))
	nulls, runs := make([]bool, len(pools)), make([]int, len(pools))
	for i, f := range schema.Fields {
		n := []int{1, 2, 30, 3000, rows}[r.Intn(5)]
		nulls[i], runs[i] = f.Nullable && r.Intn(2) == 0, 1<<r.Intn(9)
		for len(pools[i]) < n {
			if v := randomValue(r, f.Type, 0); v != nil || nulls[i] {
				pools[i] = append(pools[i], v)
			}
		}
	}
	row := make([]any, len(pools))
	for at := range rows {
		for i := range row {
			if at%runs[i] == 0 {
				row[i] = pools[i][r.Intn(len(pools[i]))]
			}
		}
		if err := b.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	return b.Batch()
}

func TestGroupWriter(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Log("seed", seed)
	r := rand.New(rand.NewSource(seed))
	schema := schemaOf(t, flatKinds)
	for i := range schema.Fields {
		schema.Fields[i].Nullable = i%3 > 0
	}
	for _, run := range []struct {
		opts ParquetOptions
		rows int
	}{
		{ParquetOptions{}, 40_000},
		{ParquetOptions{Compression: "ZSTD", PageSize: 3000}, 40_000},
		{ParquetOptions{Compression: "GZIP", NoDictionary: true, PageSize: 1}, 2000}, // a page for each row
		{ParquetOptions{Compression: "UNCOMPRESSED"}, 40_000},
	} {
		opts := run.opts
		a, b, c := variedBatch(t, schema, r, 70), variedBatch(t, schema, r, run.rows), variedBatch(t, schema, r, 1)
		var file, slow bytes.Buffer
		g, err := NewGroupWriter(&file, schema, opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(g.Write(a, b), g.Write(), g.Write(c)); err != nil {
			t.Fatal(err)
		}
		stats, err := g.Close()
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewParquetWriter(&slow, schema, opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.Write(a), p.Write(b), p.Write(c)); err != nil {
			t.Fatal(err)
		}
		want, err := p.Close()
		if err != nil {
			t.Fatal(err)
		}
		if stats.Rows != int64(run.rows+71) || stats.Bytes != int64(file.Len()) || !reflect.DeepEqual(stats.Columns, want.Columns) {
			t.Errorf("%+v, want %+v", stats, want)
		}
		f, err := OpenParquet(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if !equalType(Type{Kind: Struct, Fields: f.Schema().Fields}, Type{Kind: Struct, Fields: schema.Fields}) || f.Groups() != 2 {
			t.Errorf("%d groups of %s", f.Groups(), f.Schema().JSON())
		}
		got, err := f.Read()
		if err != nil {
			t.Fatal(err)
		}
		checkBatch(t, got)
		sameRows(t, got, a, b, c)
	}
}

// TestRowGroupSize: batches are cut where a row group is full.
func TestRowGroupSize(t *testing.T) {
	schema := schemaOf(t, "n:bigint,s:string")
	b := variedBatch(t, schema, rand.New(rand.NewSource(1)), 5000)
	var file bytes.Buffer
	if _, err := WriteParquet(&file, ParquetOptions{BlockSize: 10_000}, b, b); err != nil {
		t.Fatal(err)
	}
	p, err := OpenParquet(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if least := int(2 * b.Bytes() / 20_000); p.Groups() < least || p.Groups() > 3*least {
		t.Errorf("%d row groups, want %d to %d", p.Groups(), least, 3*least)
	}
	got, err := p.Read()
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, got, b, b)
}

func TestGroupWriterRefusals(t *testing.T) {
	if _, err := NewGroupWriter(new(bytes.Buffer), schemaOf(t, "l:array<int>"), ParquetOptions{}); !errors.Is(err, ErrType) {
		t.Errorf("a list: %v", err)
	}
	schema := schemaOf(t, "n:int")
	b := NewBuilder(schema)
	if err := b.Append(nil); err != nil {
		t.Fatal(err)
	}
	g, err := NewGroupWriter(new(bytes.Buffer), &Schema{Fields: []Field{{Name: "n", Type: Type{Kind: Int32}}}}, ParquetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Write(b.Batch()); !errors.Is(err, errNull) {
		t.Errorf("a null: %v", err)
	}
}
