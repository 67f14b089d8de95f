package columnar

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

const everyKind = "b:boolean,i8:tinyint,i16:smallint,i32:int,i64:bigint,f:float,d:double,s:string,bin:binary,day:date,ts:timestamp,ntz:timestamp_ntz," +
	"d9:decimal(9,2),d18:decimal(18,4),d20:decimal(20,0),d38:decimal(38,10),st:struct<x:int,y:struct<z:string,l:array<int>>>,l:array<string>,ll:array<array<bigint>>," +
	"ls:array<struct<a:int,b:array<string>>>,m:map<string,double>,ml:map<string,array<struct<q:date>>>"

// randomValue makes a value for Builder.Append; one in six is nil.
func randomValue(r *rand.Rand, t Type, depth int) any {
	if r.Intn(6) == 0 {
		return nil
	}
	switch t.Kind {
	case Bool:
		return r.Intn(2) == 0
	case Int8, Int16, Int32, Int64:
		shift := 64 - 8*t.Kind.Width()
		return int64(r.Uint64()) >> shift >> r.Intn(8)
	case Date:
		return time.Unix(int64(r.Intn(40000)-10000)*secondsPerDay, 0).UTC()
	case Timestamp, TimestampNTZ:
		return time.UnixMicro(r.Int63() >> 12 * int64(1-2*r.Intn(2))).UTC()
	case Float32:
		return float32(r.NormFloat64())
	case Float64:
		return r.NormFloat64() * 1e6
	case String:
		return strings.Repeat("é", r.Intn(3)) + fmt.Sprint(r.Intn(50))
	case Binary:
		b := make([]byte, r.Intn(5))
		r.Read(b)
		return b
	case Decimal:
		n := 1 + r.Intn(t.Precision)
		v := Int128{}
		for range n {
			v = v.times10(byte(r.Intn(10)))
		}
		if r.Intn(2) == 0 {
			v = v.neg()
		}
		return v
	case Struct:
		var vs []any
		for _, f := range t.Fields {
			vs = append(vs, randomValue(r, f.Type, depth+1))
		}
		return vs
	case List:
		vs := []any{}
		for range r.Intn(4) {
			vs = append(vs, randomValue(r, t.Fields[0].Type, depth+1))
		}
		return vs
	}
	m := map[string]any{}
	for range r.Intn(3) {
		m[fmt.Sprint("k", r.Intn(100))] = randomValue(r, t.Fields[1].Type, depth+1)
	}
	return m
}

func randomBatch(t testing.TB, schema *Schema, r *rand.Rand, rows int) *Batch {
	b := NewBuilder(schema)
	for range rows {
		var row []any
		for _, f := range schema.Fields {
			row = append(row, randomValue(r, f.Type, 0))
		}
		if err := b.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	checkBatch(t, b.Batch())
	return b.Batch()
}

func sameRows(t testing.TB, got *Batch, want ...*Batch) {
	t.Helper()
	at := 0
	for _, w := range want {
		for i := range w.Len {
			for c := range w.Columns {
				g, v := got.Columns[c].Value(at), w.Columns[c].Value(i)
				if !reflect.DeepEqual(g, v) {
					t.Fatalf("row %d, %s: %v, want %v", at, w.Schema.Fields[c].Name, g, v)
				}
			}
			at++
		}
	}
	if got.Len != at {
		t.Fatalf("%d rows, want %d", got.Len, at)
	}
}

func TestParquetRoundTrip(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Log("seed", seed)
	r := rand.New(rand.NewSource(seed))
	schema := schemaOf(t, everyKind)
	for _, opts := range []ParquetOptions{{}, {Compression: "GZIP", Version: 2, PageSize: 2000}, {Compression: "ZSTD", BlockSize: 50_000},
		{Compression: "UNCOMPRESSED", NoDictionary: true, BlockSize: 20_000, PageSize: 500}} {
		a, b := randomBatch(t, schema, r, 700), randomBatch(t, schema, r, 1500)
		var file bytes.Buffer
		stats, err := WriteParquet(&file, opts, a, b)
		if err != nil {
			t.Fatal(err)
		}
		if stats.Rows != 2200 || stats.Bytes != int64(file.Len()) {
			t.Errorf("stats %d rows, %d bytes", stats.Rows, stats.Bytes)
		}
		p, err := OpenParquet(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if !equalType(Type{Kind: Struct, Fields: p.Schema().Fields}, Type{Kind: Struct, Fields: schema.Fields}) {
			t.Errorf("schema came back as %s", p.Schema().JSON())
		}
		got, err := p.Read()
		if err != nil {
			t.Fatal(err)
		}
		checkBatch(t, got)
		sameRows(t, got, a, b)
		two, err := ReadParquet(bytes.NewReader(file.Bytes()), int64(file.Len()), "ls", "i64")
		if err != nil || two.Columns[1].Type.Kind != Int64 || two.Len != 2200 {
			t.Errorf("two columns: %v, %v", two, err)
		}
		rows := 0
		for g := range p.Groups() {
			part, err := p.ReadGroup(g, "s")
			if err != nil {
				t.Fatal(err)
			}
			rows += part.Len
		}
		if rows != 2200 {
			t.Errorf("%d groups hold %d rows", p.Groups(), rows)
		}
	}
}

func TestParquetStats(t *testing.T) {
	b := NewBuilder(schemaOf(t, "i:int,f:double,s:string,d:decimal(20,2),day:date,st:struct<x:int>,l:array<int>,none:int"))
	for _, row := range [][]any{
		{-5, 2.5, "b", "-7.25", time.Date(2019, 1, 2, 0, 0, 0, 0, time.UTC), []any{3}, []any{1}},
		{7, math.NaN(), "a", "12", nil, nil, nil},
		{nil, -1.0, "ccc", nil, time.Date(1960, 1, 2, 0, 0, 0, 0, time.UTC), []any{nil}, []any{9, nil}},
	} {
		if err := b.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	stats, err := WriteParquet(new(bytes.Buffer), ParquetOptions{}, b.Batch())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range stats.Columns {
		got = append(got, fmt.Sprintf("%v %v %v %d %v", c.Path, c.Min, c.Max, c.Nulls, c.NaN))
	}
	want := []string{"[i] -5 7 1 false", "[f] -1 2.5 0 true", "[s] a ccc 0 false", "[d] -7.25 12.00 1 false",
		"[day] 1960-01-02 00:00:00 +0000 UTC 2019-01-02 00:00:00 +0000 UTC 1 false", "[st x] 3 3 2 false", "[none] <nil> <nil> 3 false"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestParquetRefusals(t *testing.T) {
	s := schemaOf(t, "a:int")
	s.Fields[0].Nullable = false
	b := NewBuilder(s)
	b.Append(nil)
	if _, err := WriteParquet(new(bytes.Buffer), ParquetOptions{}, b.Batch()); err == nil {
		t.Error("null in a required column: no error")
	}
	if _, err := WriteParquet(new(bytes.Buffer), ParquetOptions{Compression: "LZO"}, b.Batch()); err == nil {
		t.Error("LZO: no error")
	}
	if _, err := NewParquetWriter(new(bytes.Buffer), schemaOf(t, "a:struct<>"), ParquetOptions{}); !errors.Is(err, ErrType) {
		t.Errorf("struct without fields: %v", err)
	}
	var file bytes.Buffer
	if _, err := WriteParquet(&file, ParquetOptions{}, randomBatch(t, schemaOf(t, everyKind), rand.New(rand.NewSource(1)), 50)); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < file.Len(); n += 7 {
		if _, err := ReadParquet(bytes.NewReader(file.Bytes()[:n]), int64(n)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("first %d bytes: %v", n, err)
		}
	}
}

// TestParquetOfOthers reads a file that parquet-go wrote from Go structs: unsigned, millisecond, nanosecond and 2-level forms.
func TestParquetOfOthers(t *testing.T) {
	type row struct {
		U8   uint8     `parquet:"u8"`
		U32  uint32    `parquet:"u32"`
		Ms   time.Time `parquet:"ms,timestamp(millisecond)"`
		Ns   time.Time `parquet:"ns,timestamp(nanosecond)"`
		Tags []string  `parquet:"tags"`
		Sub  []struct {
			A *int64 `parquet:"a"`
		} `parquet:"sub"`
	}
	when := time.Date(2019, 1, 15, 3, 36, 12, 123456789, time.UTC)
	one := int64(1)
	var file bytes.Buffer
	rows := []row{{200, math.MaxUint32, when, when, []string{"x", "y"}, []struct {
		A *int64 `parquet:"a"`
	}{{nil}, {&one}}}, {}}
	if err := parquet.Write(&file, rows); err != nil {
		t.Fatal(err)
	}
	b, err := ReadParquet(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	checkBatch(t, b)
	var got []any
	for _, c := range b.Columns {
		got = append(got, c.Value(0))
	}
	want := "[200 4294967295 2019-01-15 03:36:12.123 +0000 UTC 2019-01-15 03:36:12.123456 +0000 UTC [x y] [map[a:<nil>] map[a:1]]]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v\nwant %s", got, want)
	}
	if v := b.Columns[4].Value(1); fmt.Sprint(v) != "[]" {
		t.Errorf("no tags: %v", v)
	}
}

// TestParquetOfSpark reads every Parquet file of the shared Delta tables, where that folder is there.
func TestParquetOfSpark(t *testing.T) {
	root := filepath.Join("..", "..", "shared", "data", "delta")
	files, _ := filepath.Glob(filepath.Join(root, "spark-golden", "*", "*.parquet"))
	if len(files) == 0 {
		t.Log("no Spark files beside the checkout; the round trip stands alone")
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ReadParquet(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(filepath.Dir(name)), err)
			continue
		}
		checkBatch(t, b)
	}
}

func FuzzParquetRead(f *testing.F) {
	for seed := range int64(3) {
		var file bytes.Buffer
		schema := schemaOf(f, []string{"a:int,s:string", "l:array<struct<x:int,m:map<string,date>>>", "d:decimal(20,2),t:timestamp,b:boolean"}[seed])
		if _, err := WriteParquet(&file, ParquetOptions{Compression: "UNCOMPRESSED"}, randomBatch(f, schema, rand.New(rand.NewSource(seed)), 20)); err != nil {
			f.Fatal(err)
		}
		f.Add(file.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ReadParquet(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			checkBatch(t, b)
		}
	})
}

func FuzzParquetRoundTrip(f *testing.F) {
	f.Add(int64(1), uint16(10), "a:int,l:array<struct<x:string>>")
	f.Fuzz(func(t *testing.T, seed int64, rows uint16, types string) {
		typ, err := ParseType("struct<" + types + ">")
		if err != nil {
			return
		}
		schema := &Schema{Fields: typ.Fields}
		b := randomBatch(t, schema, rand.New(rand.NewSource(seed)), int(rows%500))
		var file bytes.Buffer
		if _, err := WriteParquet(&file, ParquetOptions{PageSize: 300, BlockSize: 3000}, b); err != nil {
			return // a struct without fields, a name twice
		}
		got, err := ReadParquet(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		checkBatch(t, got)
		sameRows(t, got, b)
	})
}

// parquetFile writes batches with the default options.
func parquetFile(t testing.TB, batches ...*Batch) *bytes.Reader {
	t.Helper()
	var file bytes.Buffer
	if _, err := WriteParquet(&file, ParquetOptions{}, batches...); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(file.Bytes())
}
