package columnar

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRescued(t *testing.T) {
	format := Format{Rescued: "_rescued", CorruptRecord: "_corrupt"}
	s := completeSchema(t, format, "a:int,s:struct<x:int,y:struct<z:int>>,l:array<struct<q:int>>,m:map<string,int>,_rescued:string")
	d, err := NewRecordDecoder(s, format)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d.Reset()
		for _, c := range []struct{ in, want string }{
			{`{"a":1,"s":{"x":1,"y":{"z":2}},"l":[{"q":1}],"m":{"k":1}}`, "1 map[x:1 y:map[z:2]] [map[q:1]] map[k:1] <nil> <nil>"},
			{`{"a":"x", "b" : [1, 2],"c\u0041":{}}`, `<nil> <nil> <nil> <nil> {"a":"x","b":[1, 2],"c\u0041":{}} <nil>`},
			{`{"s":{"x":"1","y":{"z":2,"w":true}},"a":7}`, `7 map[x:<nil> y:map[z:2]] <nil> <nil> {"s":{"x":"1","y":{"w":true}}} <nil>`},
			{`{"s":[1],"a":7}`, `7 <nil> <nil> <nil> {"s":[1]} <nil>`},
			{`{"l":[{"q":1},{"q":"x"}]}`, `<nil> <nil> [map[q:1] map[q:<nil>]] <nil> {"l":[{"q":1},{"q":"x"}]} <nil>`},
			{`{"l":[{"q":1,"new":0}],"m":{"k":"v"}}`, `<nil> <nil> [map[q:1]] map[k:<nil>] {"l":[{"q":1,"new":0}],"m":{"k":"v"}} <nil>`},
			{`{"m":{"k":1,"k":2}}`, `<nil> <nil> <nil> <nil> {"m":{"k":1,"k":2}} <nil>`},
			{`{"a":`, `<nil> <nil> <nil> <nil> <nil> {"a":`},
			{`{"a":1}{"b":2}`, "1 <nil> <nil> <nil> <nil> <nil>\n<nil> <nil> <nil> <nil> {\"b\":2} <nil>"},
			{` {"b":1} {"a":2,"a":"y"}`, "<nil> <nil> <nil> <nil> {\"b\":1} <nil>\n<nil> <nil> <nil> <nil> {\"a\":\"y\"} <nil>"},
		} {
			before := d.Len()
			// Behind other bytes, so that places are not counted from the slice's beginning only.
			rows, bad, err := d.Append(append([]byte("xx"), c.in...)[2:], &Origin{})
			if err != nil {
				t.Fatalf("%s: %v", c.in, err)
			}
			if bad != nil && !strings.HasSuffix(c.in, ":") {
				t.Errorf("%s: bad fields %v", c.in, bad)
			}
			checkBatch(t, d.Batch())
			lines := strings.Split(strings.ReplaceAll(rowsText(d.Batch()), "|", " "), "\n")
			if got := strings.Join(lines[before:], "\n"); got != c.want {
				t.Errorf("%s:\n got %s\nwant %s", c.in, got, c.want)
			}
			d.Undo(rows)
			checkBatch(t, d.Batch())
			d.Append([]byte(c.in), &Origin{})
		}
	}
}

func TestEvolve(t *testing.T) {
	format := Format{Evolve: true}
	for _, c := range []struct {
		fields  string
		records []string
		want    string
		added   string
	}{
		{"a:int", []string{`{"a":1}`, `{"a":"x"}`}, "struct<a:int>", ""},
		{"a:int", []string{`{"b":1}`, `{"b":1.5,"t":"2019-01-15 03:36:12"}`, `{"n":null,"e":{},"l":[],"A":1}`}, "struct<a:int,b:double,t:timestamp>", "b t"},
		{"a:int,s:struct<x:int>", []string{`{"s":{"y":"q"},"z":{"u":1}}`, `{"s":{"x":1,"X":2},"z":{"v":[true]}}`}, "struct<a:int,s:struct<x:int,y:string>,z:struct<u:bigint,v:array<boolean>>>", "s.y z"},
		{"l:array<struct<x:int,i:array<struct<j:int>>>>", []string{`{"l":[{"x":1},{"y":2,"i":[{"k":1}]}]}`}, "struct<l:array<struct<x:int,i:array<struct<j:int,k:bigint>>,y:bigint>>>", "l.element.y l.element.i.element.k"},
		{"m:map<string,struct<x:int>>", []string{`{"m":{"k":{"y":1}}}`}, "struct<m:map<string,struct<x:int>>>", ""},
		{"a:int,_stream:string", []string{`{"_stream":"x","_arrival":1,"c":1}`}, "struct<a:int,_stream:string,c:bigint>", "c"},
	} {
		s := completeSchema(t, format, c.fields)
		d, err := NewRecordDecoder(s, format)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range c.records {
			if _, _, err := d.Append([]byte(r), &Origin{}); err != nil {
				t.Fatal(err)
			}
		}
		wide, added := EvolveSchema(s, d.Discovered())
		if got := (Type{Kind: Struct, Fields: wide.Fields}).DDL(); got != c.want || strings.Join(added, " ") != c.added {
			t.Errorf("%v: %s, added %v", c.records, got, added)
		}
		again, err := NewRecordDecoder(wide, format)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range c.records {
			again.Append([]byte(r), &Origin{})
		}
		if _, added := EvolveSchema(wide, again.Discovered()); added != nil {
			t.Errorf("%v: still lacks %v", c.records, added)
		}
	}
}

// FuzzRescued checks that what a record holds is in its row, or in what was rescued.
func FuzzRescued(f *testing.F) {
	f.Add([]byte(`{"a":"x","s":{"x":1,"new":[1]},"l":[{"q":1},{"q":null,"r":2}]}{"m":{"k":1,"k":2}}`))
	f.Add([]byte(` {"\u0061":1 , "b":{"c":[{}]}} `))
	format := Format{Rescued: "_rescued", Evolve: true}
	s := completeSchema(f, format, "a:int,s:struct<x:int,y:struct<z:int>>,l:array<struct<q:int>>,m:map<string,int>")
	f.Fuzz(func(t *testing.T, record []byte) {
		d, err := NewRecordDecoder(s, format)
		if err != nil {
			t.Fatal(err)
		}
		d.Append([]byte(`{"b":1}`), &Origin{})
		rows, bad, err := d.Append(record, &Origin{})
		checkBatch(t, d.Batch())
		if err != nil {
			return
		}
		if bad != nil {
			t.Fatalf("%q: bad fields %v", record, bad)
		}
		plain, err := NewJSONDecoder(&Schema{Fields: s.Fields[:4]}, JSONOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, bad, err = plain.Append(record)
		if err != nil {
			t.Fatalf("%q: %v without rescued", record, err)
		}
		column := d.Batch().Columns[4]
		rescued := 0
		for i := 1; i <= rows; i++ {
			if column.Null(i) {
				continue
			}
			rescued++
			if !json.Valid(column.Bytes(i)) && !strings.ContainsAny(string(record), "NI") {
				t.Fatalf("%q: rescued %q", record, column.Bytes(i))
			}
		}
		if bad != nil && rescued == 0 {
			t.Fatalf("%q: %v, but nothing was rescued", record, bad)
		}
		wide, added := EvolveSchema(s, d.Discovered())
		if _, err := NewRecordDecoder(wide, format); err != nil && added != nil {
			t.Fatalf("%q: schema %s: %v", record, wide.JSON(), err)
		}
		d.Undo(rows)
		checkBatch(t, d.Batch())
	})
}
