package columnar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// schemaOf makes a schema from "name type, name type"; commas inside <> and () belong to the type.
func schemaOf(t testing.TB, text string) *Schema {
	t.Helper()
	typ, err := ParseType("struct<" + text + ">")
	if err != nil {
		t.Fatal(err)
	}
	return &Schema{Fields: typ.Fields}
}

// decodeRow gives the values of one record as fmt prints them, and the bad fields.
func decodeRow(t testing.TB, schema *Schema, opts JSONOptions, record string) string {
	t.Helper()
	d, err := NewJSONDecoder(schema, opts)
	if err != nil {
		t.Fatal(err)
	}
	rows, bad, err := d.Append([]byte(record))
	if err != nil {
		if d.Len() != 0 || rows != 0 {
			t.Errorf("%s: refused, but %d rows", record, d.Len())
		}
		checkBatch(t, d.Batch())
		return "error: " + err.Error()
	}
	checkBatch(t, d.Batch())
	var out []string
	for r := range rows {
		for _, c := range d.Batch().Columns {
			out = append(out, fmt.Sprint(c.Value(r)))
		}
	}
	for _, b := range bad {
		out = append(out, "bad:"+b.Field)
	}
	return strings.Join(out, " ")
}

// checkBatch verifies the layout of every column.
func checkBatch(t testing.TB, b *Batch) {
	t.Helper()
	for i, c := range b.Columns {
		checkColumn(t, b.Schema.Fields[i].Name, c, b.Len)
	}
}

func checkColumn(t testing.TB, name string, c *Column, rows int) {
	t.Helper()
	if c.Len != rows {
		t.Fatalf("%s: %d rows, want %d", name, c.Len, rows)
	}
	if c.Valid != nil {
		if len(c.Valid) != (rows+7)/8 || cap(c.Valid)%8 != 0 {
			t.Fatalf("%s: bitmap of %d bytes (capacity %d) for %d rows", name, len(c.Valid), cap(c.Valid), rows)
		}
		if rows&7 != 0 && c.Valid[len(c.Valid)-1]>>(rows&7) != 0 {
			t.Fatalf("%s: bits set behind the last row", name)
		}
	}
	child := rows
	if c.Offsets != nil {
		if len(c.Offsets) != rows+1 {
			t.Fatalf("%s: %d offsets for %d rows", name, len(c.Offsets), rows)
		}
		for i := range rows {
			if c.Offsets[i] > c.Offsets[i+1] {
				t.Fatalf("%s: offsets fall at row %d", name, i)
			}
		}
		child = int(c.Offsets[rows])
	}
	switch k := c.Type.Kind; {
	case k == String || k == Binary:
		if len(c.Data) != child {
			t.Fatalf("%s: %d bytes, offsets say %d", name, len(c.Data), child)
		}
	case k >= Struct:
		for i, kid := range c.Children {
			checkColumn(t, name+"."+c.Type.Fields[i].Name, kid, child)
		}
	default:
		if len(c.Data) != rows*k.Width() {
			t.Fatalf("%s: %d bytes for %d rows", name, len(c.Data), rows)
		}
	}
}

func TestJSONValues(t *testing.T) {
	for _, c := range []struct{ typ, in, want string }{
		{"int", `7`, "7"}, {"int", `-0`, "0"}, {"int", `2147483647`, "2147483647"}, {"int", `2147483648`, "<nil> bad:v"},
		{"int", `1.0`, "<nil> bad:v"}, {"int", `1e2`, "<nil> bad:v"}, {"int", `"1"`, "<nil> bad:v"}, {"int", `null`, "<nil>"},
		{"int", `01`, "error"}, {"int", `1.`, "error"}, {"int", `+1`, "error"}, {"int", `-`, "error"}, {"int", `1e`, "error"}, {"int", `nul`, "error"},
		{"tinyint", `-128`, "-128"}, {"tinyint", `128`, "<nil> bad:v"}, {"smallint", `-32769`, "<nil> bad:v"},
		{"bigint", `-9223372036854775808`, "-9223372036854775808"}, {"bigint", `9223372036854775808`, "<nil> bad:v"},
		{"bigint", `9223372036854775807`, "9223372036854775807"}, {"bigint", `-9223372036854775809`, "<nil> bad:v"}, {"bigint", `99999999999999999999`, "<nil> bad:v"},
		{"double", `3.5`, "3.5"}, {"double", `1`, "1"}, {"double", `0.1e-7`, "1e-08"}, {"double", `123456789012345678901234567890`, "1.2345678901234568e+29"},
		{"double", `1e999`, "<nil> bad:v"}, {"double", `"3.5"`, "<nil> bad:v"}, {"double", `"NaN"`, "NaN"}, {"double", `"-INF"`, "-Inf"}, {"double", `NaN`, "NaN"},
		{"double", `-Infinity`, "-Inf"}, {"float", `+INF`, "+Inf"}, {"string", `NaN`, "NaN"}, {"int", `NaN`, "<nil> bad:v"}, {"int", `-Infinity`, "<nil> bad:v"},
		{"double", `Nan`, "error"}, {"double", `Infinit`, "error"}, {"timestamp", `NaN`, "<nil> bad:v"}, {"int", `-x`, "error"},
		{"float", `0.1`, "0.10000000149011612"}, {"float", `1e39`, "<nil> bad:v"},
		{"boolean", `true`, "true"}, {"boolean", `"true"`, "<nil> bad:v"}, {"boolean", `1`, "<nil> bad:v"}, {"boolean", `truE`, "error"},
		{"string", `"a\u00e9\n\ud83d\ude00\"\/"`, "aé\n😀\"/"}, {"string", `"\ud800x"`, "\ufffdx"}, {"string", `"\ud800\u0041"`, "\ufffdA"},
		{"string", `1.50`, "1.50"}, {"string", `{"a": [1 ]}`, `{"a": [1 ]}`}, {"string", `true`, "true"}, {"string", `""`, ""},
		{"string", `"\x"`, "error"}, {"string", "\"\n\"", "error"}, {"string", "\"\xff\"", "error"}, {"string", `"abc`, "error"},
		{"timestamp", `"2019-01-15 03:36:12"`, "2019-01-15 03:36:12 +0000 UTC"}, {"timestamp", `"2019-01-15T03:36:12Z"`, "2019-01-15 03:36:12 +0000 UTC"},
		{"timestamp", `"2019-01-15T03:36:12.123456789"`, "2019-01-15 03:36:12.123456 +0000 UTC"}, {"timestamp", `"2019-01-15T03:36:12.5+01:00"`, "2019-01-15 02:36:12.5 +0000 UTC"},
		{"timestamp", `"2019-01-15T03:36:12+0130"`, "2019-01-15 02:06:12 +0000 UTC"}, {"timestamp", `"2019-01-15"`, "2019-01-15 00:00:00 +0000 UTC"},
		{"timestamp", `"2019-1-5 3:6:2"`, "2019-01-05 03:06:02 +0000 UTC"}, {"timestamp", `1547523372`, "2019-01-15 03:36:12 +0000 UTC"},
		{"timestamp", `"2019-02-29 00:00:00"`, "<nil> bad:v"}, {"timestamp", `"2019-01-15 24:00:00"`, "<nil> bad:v"}, {"timestamp", `""`, "<nil> bad:v"}, {"timestamp", `1.5`, "<nil> bad:v"},
		{"timestamp", `"2019-01-15 03:36:12 Europe/Paris"`, "2019-01-15 02:36:12 +0000 UTC"}, {"timestamp", `"2019\u002d01-15 03:36:12"`, "2019-01-15 03:36:12 +0000 UTC"},
		{"timestamp", `"1969-12-31T23:59:59.999999"`, "1969-12-31 23:59:59.999999 +0000 UTC"}, {"timestamp", `"0001-01-01 00:00:00"`, "0001-01-01 00:00:00 +0000 UTC"},
		{"timestamp", `"999999-01-01 00:00:00"`, "<nil> bad:v"}, {"timestamp", `99999999999999`, "<nil> bad:v"},
		{"timestamp_ntz", `"2019-01-15 03:36:12.25"`, "2019-01-15 03:36:12.25 +0000 UTC"}, {"timestamp_ntz", `"2019-01-15 03:36:12Z"`, "<nil> bad:v"},
		{"date", `"2019-01-15"`, "2019-01-15 00:00:00 +0000 UTC"}, {"date", `"2019-01-15 10:00"`, "2019-01-15 00:00:00 +0000 UTC"}, {"date", `17911`, "<nil> bad:v"},
		{"decimal(10,2)", `12.345`, "12.35"}, {"decimal(10,2)", `-12.345`, "-12.35"}, {"decimal(10,2)", `"7"`, "7.00"}, {"decimal(10,2)", `1e7`, "10000000.00"},
		{"decimal(10,2)", `1e8`, "<nil> bad:v"}, {"decimal(3,2)", `9.999`, "<nil> bad:v"}, {"decimal(10,2)", `0.004`, "0.00"}, {"decimal(10,2)", `1e-2000000000`, "0.00"},
		{"decimal(38,0)", `99999999999999999999999999999999999999`, "99999999999999999999999999999999999999"}, {"decimal(38,38)", `-0.00000000000000000000000000000000000001`, "-0.00000000000000000000000000000000000001"},
		{"decimal(10,2)", `1e2000000000000`, "<nil> bad:v"}, {"decimal(10,2)", `"x"`, "<nil> bad:v"},
		{"binary", `"AQID"`, "[1 2 3]"}, {"binary", `"AQI"`, "<nil> bad:v"}, {"binary", `1`, "<nil> bad:v"},
		{"struct<a:int,b:string>", `{"b":"x","c":[1,{}]}`, "map[a:<nil> b:x]"}, {"struct<a:int>", `{}`, "map[a:<nil>]"}, {"struct<a:int>", `[1]`, "<nil> bad:v"},
		{"struct<a:int,b:int>", `{"a":"q","b":2}`, "map[a:<nil> b:2] bad:v.a"}, {"struct<a:int>", `{"a":1,}`, "error"}, {"struct<a:int>", `{"a":1`, "error"},
		{"array<int>", `[1, null,"x" ,4]`, "[1 <nil> <nil> 4] bad:v.element"}, {"array<int>", `[]`, "[]"}, {"array<int>", `1`, "<nil> bad:v"}, {"array<int>", `[1,]`, "error"},
		{"array<struct<a:array<string>>>", `[{"a":["x"]},{},null]`, "[map[a:[x]] map[a:<nil>] <nil>]"},
		{"map<string,int>", `{"a":1,"b":null}`, "map[a:1 b:<nil>]"}, {"map<string,int>", `{"a":1,"a":2}`, "<nil> bad:v"}, {"map<string,int>", `{}`, "map[]"},
	} {
		got := decodeRow(t, schemaOf(t, "v:"+c.typ), JSONOptions{}, `{"v":`+c.in+`}`)
		if got != c.want && !(c.want == "error" && strings.HasPrefix(got, "error")) {
			t.Errorf("%s from %s: %s, want %s", c.typ, c.in, got, c.want)
		}
	}
}

func TestJSONCoerce(t *testing.T) {
	opts := JSONOptions{Coerce: true, IgnoreCase: true, KeyNames: map[string]string{"When": "ts"}}
	for _, c := range []struct{ typ, in, want string }{
		{"int", `"12"`, "12"}, {"int", `1.0`, "1"}, {"int", `1.5`, "<nil> bad:v"}, {"int", `"x"`, "<nil> bad:v"}, {"double", `"3.5"`, "3.5"}, {"float", `"2"`, "2"},
		{"boolean", `"TRUE"`, "true"}, {"string", `{"A": {"B" : "C" }, "x\u0041": [1, 2]}`, `{"a":{"b":"C"},"x\u0041":[1,2]}`},
		{"array<int>", `5`, "[5]"}, {"array<struct<a:int>>", `{"a":1}`, "[map[a:1]]"}, {"struct<a:int,b:string>", `[1,"x",3]`, "map[a:1 b:x]"}, {"struct<a:int>", `5`, "<nil> bad:v"},
		{"map<string,int>", `{"Ab":1}`, "map[ab:1]"}, {"map<string,int>", `[1]`, "<nil> bad:v"},
		{"timestamp", `1547523372`, "2019-01-15 03:36:12 +0000 UTC"}, {"timestamp", `"1547523372.25"`, "2019-01-15 03:36:12.25 +0000 UTC"}, {"timestamp", `1547523372123`, "2019-01-15 03:36:12.123 +0000 UTC"},
		{"timestamp", `"2019-1-5 3:6:2.5"`, "2019-01-05 03:06:02.5 +0000 UTC"}, {"timestamp", `"2019-01-15T03:36:12Z"`, "2019-01-15 03:36:12 +0000 UTC"},
		{"timestamp", `"2019-01-15T03:36:12"`, "<nil> bad:v"}, {"timestamp", `"2019-01-15T03:36:12+01:00"`, "<nil> bad:v"}, {"timestamp", `-1`, "1969-12-31 23:59:59 +0000 UTC"},
		{"timestamp", `1e30`, "<nil> bad:v"},
	} {
		if got := decodeRow(t, schemaOf(t, "v:"+c.typ), opts, `{"V":`+c.in+`}`); got != c.want {
			t.Errorf("%s from %s: %s, want %s", c.typ, c.in, got, c.want)
		}
	}
	if got := decodeRow(t, schemaOf(t, "ts:int,Other:int"), opts, `{"ts":1,"WHEN":2,"oTHER":3}`); got != "2 3" {
		t.Errorf("mapped keys: %s", got)
	}
	dots := JSONOptions{DotsToUnderscores: true, IgnoreCase: true}
	if got := decodeRow(t, schemaOf(t, "a_b:int"), dots, `{"A.b":1}`); got != "1" {
		t.Errorf("dots: %s", got)
	}
	hive := JSONOptions{IgnoreCase: true, NoNestedText: true, TimestampFormats: []string{"yyyy-MM-dd'T'HH:mm:ss.SSSZ", "millis"}}
	if got := decodeRow(t, schemaOf(t, "a:string,b:timestamp,c:timestamp"), hive, `{"a":[1],"b":"2019-01-15T03:36:12.250+0100","c":1547523372123}`); got != "<nil> 2019-01-15 02:36:12.25 +0000 UTC 2019-01-15 03:36:12.123 +0000 UTC bad:a" {
		t.Errorf("hive: %s", got)
	}
}

func TestJSONRecords(t *testing.T) {
	s := schemaOf(t, "a:int,b:string,c:array<int>")
	deep := strings.Repeat("[", 1001) + strings.Repeat("]", 1001)
	for _, c := range []struct{ in, want string }{
		{`{"a":1,"b":"x","c":[1]}`, "1 x [1]"},
		{`{ "c" : [ 1 ] , "b" : "x" , "a" : 1 }`, "1 x [1]"},
		{`{"\u0061":1}`, "1 <nil> <nil>"},
		{`{"a":1}{"a":2} {"b":"y"}`, "1 <nil> <nil> 2 <nil> <nil> <nil> y <nil>"},
		{`{"a":1,"a":2,"c":[1,2],"c":[3],"b":"long","b":"s"}`, "2 s [3]"},
		{`{"a":1,"a":null}`, "<nil> <nil> <nil>"},
		{`{}`, "<nil> <nil> <nil>"},
		{`{"z":{"y":[1,2,{"x":"\u12"}]}}`, "error"}, {`{"z":` + deep + `}`, "error"},
		{`{"z":"` + "\xc3" + `"}`, "error"}, {"{\"\xc3\":1}", "error"},
		{``, "error"}, {` `, "error"}, {`[{"a":1}]`, "error"}, {`1`, "error"}, {`{"a":1} x`, "error"}, {`{"a":1},{"a":2}`, "error"}, {`{"a" 1}`, "error"}, {`{"a":1 "b":2}`, "error"}, {`{,}`, "error"}, {`{"a":1]`, "error"}, {`{"c":[1,2`, "error"}, {`{"a":1}{"a":`, "error"},
	} {
		got := decodeRow(t, s, JSONOptions{}, c.in)
		if got != c.want && !(c.want == "error" && strings.HasPrefix(got, "error")) {
			t.Errorf("%s: %s, want %s", clip(c.in, 60), got, c.want)
		}
	}
}

func TestJSONUndoAndReset(t *testing.T) {
	s := schemaOf(t, "a:int,b:string,c:array<struct<x:string>>")
	d, err := NewJSONDecoder(s, JSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for i := range 20 {
			rec := fmt.Sprintf(`{"a":%d,"b":"s%d","c":[{"x":"y%d"},{}]}`, i, i, i)
			if i%3 == 1 {
				rec = `{"b":5}`
			}
			if _, _, err := d.Append([]byte(rec)); err != nil {
				t.Fatal(err)
			}
			if i%2 == 1 {
				d.Undo(1)
			}
			if _, _, err := d.Append([]byte(`{"c":[{"x":"q"},{"x":`)); !errors.Is(err, errSyntax) {
				t.Fatalf("half a record: %v", err)
			}
			checkBatch(t, d.Batch())
		}
		if d.Len() != 10 || fmt.Sprint(d.Batch().Columns[2].Value(9)) != "[map[x:y18] map[x:<nil>]]" || d.Batch().Columns[1].Value(2) != "5" {
			t.Fatalf("after undo: %d rows, %v, %v", d.Len(), d.Batch().Columns[2].Value(9), d.Batch().Columns[1].Value(2))
		}
		d.Reset()
		checkBatch(t, d.Batch())
	}
	if _, err := NewJSONDecoder(schemaOf(t, "a:int,A:int"), JSONOptions{IgnoreCase: true}); err == nil {
		t.Error("two fields of one name: no error")
	}
	if _, err := NewJSONDecoder(schemaOf(t, "a:map<int,int>"), JSONOptions{}); err == nil {
		t.Error("map with int keys: no error")
	}
}

// FuzzJSON compares acceptance and values with encoding/json.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"i":1,"f":2.5e3,"s":"x\u00e9\ud83d\ude00","b":true,"t":"2019-01-15 03:36:12","l":[1,2],"o":{"i":3,"s":"y"},"m":{"k":1}}`,
		`{"s":{"a":[1,"x",null]},"zz":[{}],"f":-0.0}`, `{"s":"a","s":"b"}{"i":-9223372036854775808}`, `{"l":[[1]],"d":1e-3}`, "{\"s\":\"\x00\"}",
	} {
		f.Add([]byte(s))
	}
	schema := schemaOf(f, "i:bigint,f:double,s:string,b:boolean,t:timestamp,l:array<int>,o:struct<i:int,s:string>,m:map<string,double>,d:decimal(20,3)")
	f.Fuzz(func(t *testing.T, record []byte) {
		d, err := NewJSONDecoder(schema, JSONOptions{})
		if err != nil {
			t.Fatal(err)
		}
		d.Append([]byte(`{"s":"first","l":[7],"o":{"s":"z"}}`))
		rows, _, err := d.Append(record)
		checkBatch(t, d.Batch())
		want, wantErr := oracle(record)
		if !utf8.Valid(record) {
			if err == nil {
				t.Fatalf("%q: not UTF-8, accepted", record)
			}
			return
		}
		if err == nil && wantErr != nil && (bytes.Contains(record, []byte("NaN")) || bytes.Contains(record, []byte("INF")) || bytes.Contains(record, []byte("Infinity"))) {
			return // numbers that encoding/json does not know
		}
		if (err == nil) != (wantErr == nil) && !errors.Is(err, errDepth) {
			t.Fatalf("%q: %v, encoding/json says %v", record, err, wantErr)
		}
		if err != nil {
			return
		}
		if rows != len(want) {
			t.Fatalf("%q: %d rows, want %d", record, rows, len(want))
		}
		for r, obj := range want {
			for i, field := range schema.Fields {
				if raw, ok := obj[field.Name]; ok {
					compareValue(t, field.Name, d.Batch().Columns[i].Value(r+1), raw)
				} else if v := d.Batch().Columns[i].Value(r + 1); v != nil {
					t.Fatalf("%q: %s is %v, want null", record, field.Name, v)
				}
			}
		}
		d.Undo(rows)
		checkBatch(t, d.Batch())
		if d.Len() != 1 || d.Batch().Columns[2].Value(0) != "first" {
			t.Fatal("undo lost the first row")
		}
		for _, opts := range []JSONOptions{{Coerce: true, IgnoreCase: true}, {NoNestedText: true, DotsToUnderscores: true, TimestampFormats: []string{"yyyy-MM-dd HH:mm:ss"}}} {
			decodeRow(t, schema, opts, string(record))
		}
	})
}

// FuzzJSONLearned decodes a record after another one, whose order of keys and spaces is remembered: it must give what it gives alone.
func FuzzJSONLearned(f *testing.F) {
	for _, s := range [][2]string{
		{`{"i": 1, "f": 2.5, "s": "x", "o": {"i": 3, "s": "y"}}`, `{"i": 12345678901, "f": 3, "s": 1.0, "o": {"i": 4, "s": null}}`},
		{`{ "s" :"x", "f":1}{"f":2,"s":""}`, `{ "s" :"long enough for words", "f":1.25}{"f":-2,"s":"é"}`},
		{`{"zz":1,"s":"a","s":"b","o":{}}`, `{"zz":1,"s":"a"  ,"s":"b","o":{} }`}, {`{"i":1,"f":2}`, `{"i":1,"f":`},
		{`{"s":"0"}`, `{"":0"s":1}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	schema := schemaOf(f, "i:bigint,f:double,s:string,o:struct<i:int,s:string>")
	f.Fuzz(func(t *testing.T, first, second []byte) {
		alone, err := NewJSONDecoder(schema, JSONOptions{})
		if err != nil {
			t.Fatal(err)
		}
		after, err := NewJSONDecoder(schema, JSONOptions{})
		if err != nil {
			t.Fatal(err)
		}
		before, _, _ := after.Append(first)
		rows, bad, err := alone.Append(second)
		rows2, bad2, err2 := after.Append(second)
		if rows != rows2 || fmt.Sprint(err) != fmt.Sprint(err2) || fmt.Sprint(bad) != fmt.Sprint(bad2) {
			t.Fatalf("%q: %d, %v, %v; after %q: %d, %v, %v", second, rows, bad, err, first, rows2, bad2, err2)
		}
		checkBatch(t, after.Batch())
		for i, c := range alone.Batch().Columns {
			for r := range rows {
				if a, b := c.Value(r), after.Batch().Columns[i].Value(before+r); fmt.Sprint(a) != fmt.Sprint(b) {
					t.Fatalf("%q: %v, after %q: %v", second, a, first, b)
				}
			}
		}
	})
}

// oracle decodes back-to-back objects with encoding/json.
func oracle(record []byte) ([]map[string]json.RawMessage, error) {
	var out []map[string]json.RawMessage
	dec := json.NewDecoder(strings.NewReader(string(record)))
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		if raw[0] != '{' {
			return nil, errors.New("not an object")
		}
		var obj map[string]json.RawMessage
		if err := json.Unmarshal(raw, &obj); err != nil {
			return nil, err
		}
		out = append(out, obj)
	}
	if rest := record[dec.InputOffset():]; strings.Trim(string(rest), " \t\r\n") != "" {
		return nil, errors.New("something behind the last object")
	}
	if len(out) == 0 {
		return nil, errors.New("nothing")
	}
	return out, nil
}

func compareValue(t *testing.T, name string, got any, raw json.RawMessage) {
	t.Helper()
	var want any
	var ok bool
	switch name {
	case "i":
		n, err := strconv.ParseInt(string(raw), 10, 64)
		want, ok = n, err == nil
	case "f":
		x, err := strconv.ParseFloat(string(raw), 64)
		want, ok = x, err == nil && raw[0] != '"'
		if ok && got != nil && math.Float64bits(got.(float64)) != math.Float64bits(x) {
			t.Fatalf("f: %v from %s", got, raw)
		}
		if !ok {
			return // NaN and the infinities as text
		}
	case "s":
		var text string
		if ok = json.Unmarshal(raw, &text) == nil && raw[0] == '"'; !ok {
			text, ok = string(raw), string(raw) != "null"
		}
		want = text
	case "b":
		want, ok = string(raw) == "true", string(raw) == "true" || string(raw) == "false"
	case "d":
		var x float64
		if g, is := got.(string); is && raw[0] != '"' {
			have, _ := strconv.ParseFloat(g, 64)
			if json.Unmarshal(raw, &x); math.Abs(have-x) > 0.000501+math.Abs(x)*1e-15 {
				t.Fatalf("d: %v from %s", got, raw)
			}
		}
		return
	default:
		return
	}
	if !ok {
		want = nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %#v from %s, want %#v", name, got, raw, want)
	}
}
