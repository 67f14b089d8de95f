package batch_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// TestConsole compares with testdata/console.txt, which follows Spark's Dataset.show and Double.toString of Java.
func TestConsole(t *testing.T) {
	s := &columnar.Schema{}
	for _, f := range [][2]string{{"id", "bigint"}, {"name", "string"}, {"amount", "double"}, {"f", "float"}, {"at", "timestamp"}, {"d", "date"},
		{"dec", "decimal(10,2)"}, {"bin", "binary"}, {"ok", "boolean"}, {"tags", "array<string>"}, {"st", "struct<a:int,b:string>"}, {"m", "map<string,int>"}} {
		typ, err := columnar.ParseType(f[1])
		if err != nil {
			t.Fatal(err)
		}
		s.Fields = append(s.Fields, columnar.Field{Name: f[0], Type: typ, Nullable: true})
	}
	at := time.Date(2019, 1, 15, 3, 36, 12, 0, time.UTC)
	b := columnar.NewBuilder(s)
	for _, row := range [][]any{
		{1, "Ada", 9.75, float32(0.1), at, at, "12.5", []byte{0x41, 0xff}, true, []any{"a", nil}, []any{1, "x"}, map[string]any{"k": 1}},
		{2, nil, 1e7, float32(1e10), at.Add(123456 * time.Microsecond), nil, nil, nil, nil, []any{}, []any{nil, nil}, map[string]any{}},
		{3, "a text that is longer than twenty characters", -0.0001, nil, at.Add(120 * time.Millisecond)},
		{4, "two\nlines", 100.0},
		{5, "日本", 1.0 / 3},
	} {
		if err := b.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	show := func(p batch.ConsolePrinter, id int64, in ...*columnar.Batch) {
		p.W = &out
		if _, err := p.Write(t.Context(), id, copied{s, in}); err != nil {
			t.Fatal(err)
		}
	}
	show(batch.ConsolePrinter{}, 0, b.Batch())
	show(batch.ConsolePrinter{NumRows: 2, Truncate: -1}, 1, b.Batch())
	show(batch.ConsolePrinter{}, 2)

	many := columnar.NewBuilder(&columnar.Schema{Fields: s.Fields[:2]})
	for i := range 30 {
		if err := many.Append(i, fmt.Sprint("row ", i)); err != nil {
			t.Fatal(err)
		}
	}
	p := batch.ConsolePrinter{W: &out}
	if _, err := p.Write(t.Context(), 3, copied{many.Batch().Schema, []*columnar.Batch{many.Batch()}}); err != nil {
		t.Fatal(err)
	}
	const name = "testdata/console.txt"
	if *update {
		if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", out.Bytes(), want)
	}
}

// TestDiscard sees all rows and keeps none.
func TestDiscard(t *testing.T) {
	s := &columnar.Schema{Fields: []columnar.Field{{Name: "n", Type: columnar.Type{Kind: columnar.Int32}}}}
	b := columnar.NewBuilder(s)
	for n := range 3 {
		if err := b.Append(n); err != nil {
			t.Fatal(err)
		}
	}
	last, err := batch.Discard{}.Open(t.Context(), batch.Output{Schema: s})
	if last != -1 || err != nil {
		t.Errorf("holds batch %d, %v", last, err)
	}
	w, err := batch.Discard{}.Write(t.Context(), 4, copied{s, []*columnar.Batch{b.Batch(), b.Batch()}})
	if w != (batch.Written{Rows: 6}) || err != nil {
		t.Errorf("%+v, %v", w, err)
	}
}
