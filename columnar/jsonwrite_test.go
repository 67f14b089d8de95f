package columnar

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestAppendRow(t *testing.T) {
	schema := &Schema{}
	for _, f := range []struct{ name, typ string }{
		{"a", "bigint"}, {"b", "string"}, {"c", "double"}, {"d", "decimal(10,2)"}, {"e", "timestamp"}, {"f", "date"}, {"g", "binary"},
		{"h", "array<int>"}, {"i", "struct<x:int,y:string>"}, {"j", "map<string,int>"}, {"k", "boolean"}, {"l", "float"},
	} {
		typ, err := ParseType(f.typ)
		if err != nil {
			t.Fatal(err)
		}
		schema.Fields = append(schema.Fields, Field{Name: f.name, Type: typ, Nullable: true})
	}
	b := NewBuilder(schema)
	at := time.Date(2019, 1, 31, 8, 5, 6, 120_000_000, time.UTC)
	for _, row := range [][]any{
		{int64(-5), "é\"\\\n<", 0.1, "12.50", at, at, []byte{0, 255}, []any{int64(1), nil}, map[string]any{"x": int64(1), "y": nil}, map[string]any{"k\"": int64(2)}, true, 0.25},
		{nil, nil, math.NaN(), nil, nil, nil, nil, []any{}, nil, map[string]any{}, nil, math.Inf(-1)},
		{nil, "", 1e300, "0.01", time.Unix(0, 0).UTC(), nil, []byte{}, nil, map[string]any{}, nil, false, nil},
	} {
		if err := b.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	batch := b.Batch()
	for i, want := range []string{
		`{"a":-5,"b":"é\"\\\n\u003c","c":0.1,"d":12.50,"e":"2019-01-31T08:05:06.12Z","f":"2019-01-31","g":"AP8=","h":[1,null],"i":{"x":1},"j":{"k\"":2},"k":true,"l":0.25}`,
		`{"c":"NaN","h":[],"j":{},"l":"-Infinity"}`,
		`{"b":"","c":1e+300,"d":0.01,"e":"1970-01-01T00:00:00Z","g":"","i":{},"k":false}`,
	} {
		got := batch.AppendRow(nil, i)
		if string(got) != want || !json.Valid(got) {
			t.Errorf("row %d:\n%s\nwant\n%s", i, got, want)
		}
	}
}
