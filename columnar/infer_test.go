package columnar

import (
	"errors"
	"strings"
	"testing"
)

// inferText gives the fields of records as "name type seen", with what cannot stay left out.
func inferFields(fields []InferredField) string {
	var out []string
	for _, f := range fields {
		if t, ok := Resolve(f.Type); ok {
			out = append(out, f.Name+" "+t.DDL()+" "+string(rune('0'+f.Seen)))
		}
	}
	return strings.Join(out, ", ")
}

func TestInference(t *testing.T) {
	for _, c := range []struct {
		opts InferOptions
		in   []string
		want string
	}{
		{InferOptions{}, []string{`{"a":1,"b":"x"}`, `{"b":null,"a":2147483648,"c":true}`}, "a bigint 2, b string 1, c boolean 1"},
		{InferOptions{Ints: true}, []string{`{"a":1,"b":1}`, `{"a":-5,"b":2147483648}`}, "a int 2, b bigint 2"},
		{InferOptions{}, []string{`{"a":1}`, `{"a":1.5}`}, "a double 2"},
		{InferOptions{}, []string{`{"a":1}`, `{"a":true}`}, "a string 2"},
		{InferOptions{}, []string{`{"a":12345678901234567890}`, `{"a":1}`}, "a decimal(20,0) 2"},
		{InferOptions{}, []string{`{"a":12345678901234567890,"b":1e40,"c":1234567890123456789012345678901234567890}`, `{"a":1.5}`}, "a double 2, b double 1, c double 1"},
		{InferOptions{Decimals: true}, []string{`{"a":1.25,"b":-0.001,"c":1e3,"d":0.0}`, `{"a":100.5}`}, "a decimal(5,2) 2, b decimal(3,3) 1, c decimal(4,0) 1, d double 1"},
		{InferOptions{}, []string{`{"a":NaN}`, `{"a":-Infinity}`}, "a double 2"},
		{InferOptions{}, []string{`{"t":"2019-01-15 03:36:12"}`}, "t string 1"},
		{InferOptions{Times: true}, []string{`{"t":"2019-01-15 03:36:12","d":"2019-01-15","m":"2019-01-15","s":"2019-01-15","n":"2019"}`, `{"t":"2019-01-15T03:36:12.5+01:00","d":"2020-02-29","m":"2019-01-15T03:36","s":"2019-02-29","n":"1"}`},
			"t timestamp 2, d date 2, m timestamp 2, s string 2, n string 2"},
		{InferOptions{}, []string{`{"a":[]}`, `{"a":[null,1]}`, `{"a":[2.5]}`, `{"b":[]}`}, "a array<double> 3, b array<string> 1"},
		{InferOptions{}, []string{`{"a":{"x":1}}`, `{"a":{"y":{"z":[{"q":1},{"r":"s"}]}}}`, `{"a":null}`}, "a struct<x:bigint,y:struct<z:array<struct<q:bigint,r:string>>>> 2"},
		{InferOptions{}, []string{`{"a":{"x":1}}`, `{"a":[1]}`, `{"a":{"x":1}}`}, "a string 3"},
		{InferOptions{}, []string{`{"a":{},"b":[{}],"c":{"d":{}}}`, `{"e":1}`}, "e bigint 1"},
		{InferOptions{}, []string{`{"a":1,"A":"x"}`}, "a bigint 1, A string 1"},
		{InferOptions{IgnoreCase: true}, []string{`{"a":1,"A":"x"}`}, "a string 1"},
		{InferOptions{}, []string{`{"a":1}{"a":2} {"b":1}`, `{"a":1,"a":2}`}, "a bigint 3, b bigint 1"},
		{InferOptions{}, []string{`{"\u0061\"":1}`}, "a\" bigint 1"},
		{InferOptions{DepthMax: 2}, []string{`{"a":{"b":{"c":1}},"d":[[1]]}`}, "a struct<b:string> 1, d array<string> 1"},
	} {
		n := NewInference(c.opts)
		for _, r := range c.in {
			if err := n.Add([]byte(r)); err != nil {
				t.Fatalf("%s: %v", r, err)
			}
		}
		if got := inferFields(n.Fields()); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", strings.Join(c.in, " "), got, c.want)
		}
	}
}

func TestInferenceRefuses(t *testing.T) {
	n := NewInference(InferOptions{MembersMax: 2})
	for _, c := range []struct {
		in   string
		want error
	}{{``, ErrEmpty}, {`[1]`, errSyntax}, {`{"a":1`, errTail}, {`{"z":1,"y":tru}`, errSyntax}, {`{"a":1,"b":2,"c":3}`, ErrWide}} {
		if err := n.Add([]byte(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.in, err, c.want)
		}
	}
	if n.Records() != 0 {
		t.Errorf("%d records", n.Records())
	}
	n.Add([]byte(`{"x":1}`))
	if got := len(n.Fields()); got != 2 {
		t.Errorf("%d names kept, want 2", got)
	}
}

func TestInferText(t *testing.T) {
	csv := Format{Name: "csv", Options: map[string]string{"header": "true"}}
	for _, c := range []struct {
		format Format
		in     string
		limit  int64
		whole  bool
		want   string
	}{
		{Format{}, ` [ {"a":1} , {"a":2.5} ] `, 9, true, "a double 2"},
		{Format{}, "{\"a\":1}\n{\"a\":2.5}\n", 1, true, "a bigint 1"},
		{Format{}, `{"a":1}{"a":`, 9, false, "a bigint 1"},
		{Format{}, `{"a":1}{"a":`, 9, true, "error"},
		{Format{}, `[{"a":1}`, 9, true, "error"}, {Format{}, `[{"a":1}] x`, 9, true, "error"}, {Format{}, `[{"a":1} {"a":2}]`, 9, true, "error"},
		{csv, "a,b,,d\n1,x,true,\n2147483648,,false,\n", 9, true, "a bigint 2, b string 1, _c2 boolean 2, d string 0"},
		{csv, "\"a b\"\n1.5\n2\n\"x", 9, false, "a b double 2"},
		{Format{Name: "csv"}, "1,2019-01-15\n,2019-01-16\n", 9, true, "_c0 int 1, _c1 date 2"},
		{Format{Name: "csv"}, "", 9, true, "error"}, {Format{Name: "avro"}, "", 9, true, "error"},
	} {
		fields, _, err := InferText([]byte(c.in), c.format, InferOptions{Times: true}, c.limit, c.whole)
		got := inferFields(fields)
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%q: %s (%v), want %s", c.in, got, err, c.want)
		}
	}
}

// FuzzInference checks that a schema that was inferred decodes the records that it was inferred from.
func FuzzInference(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":[{"c":"2019-01-15"}],"d":{"e":1.5}}`), []byte(`{"a":null,"b":[],"d":{"f":[1,"x"]}}`), true)
	f.Add([]byte(`{"a":"2019-01-15 03:36:12"}{"a":"x"}`), []byte(`{"a":12345678901234567890,"b":"2019-01-15"}`), false)
	f.Fuzz(func(t *testing.T, one, two []byte, times bool) {
		n := NewInference(InferOptions{Times: times, Decimals: times})
		if n.Add(one) != nil || n.Add(two) != nil {
			return
		}
		s := &Schema{}
		for _, field := range n.Fields() {
			typ, ok := Resolve(field.Type)
			if !ok || field.Name == "" {
				continue
			}
			if back, err := ParseType(typ.DDL()); err == nil && back.DDL() != typ.DDL() {
				t.Fatalf("type %s reads back as %s", typ.DDL(), back.DDL())
			}
			field.Field.Type = typ
			s.Fields = append(s.Fields, field.Field)
		}
		d, err := NewJSONDecoder(s, JSONOptions{})
		if err != nil {
			return // names that a struct repeats, such as after replacing half a surrogate
		}
		for _, record := range [][]byte{one, two} {
			_, bad, err := d.Append(record)
			if err != nil && !strings.Contains(err.Error(), "expands to more") {
				t.Fatalf("%q: %v", record, err)
			}
			for _, b := range bad {
				if !strings.HasSuffix(b.Reason, "of type double") { // 1e999 is none
					t.Fatalf("%q with %s: %v", record, s.JSON(), bad)
				}
			}
		}
		checkBatch(t, d.Batch())
	})
}
