package crawler

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/weir-data/weir/columnar"
)

func describe(fields []columnar.Field) string {
	var parts []string
	for _, f := range fields {
		parts = append(parts, f.Name+" "+hive(f.Type))
	}
	return strings.Join(parts, ", ")
}

func TestInferJSON(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, c := range []struct{ data, want string }{
		{`{"a":1,"b":"x"}` + "\n" + `{"a":3000000000,"c":true}`, "2: a bigint, b string, c boolean"},
		{`{"a":1}{"a":1.5}{"a":null}`, "3: a double"},
		{`{"a":null}`, "1: a string"},
		{`{"A":1}{"a":"x"}`, "2: A string"},
		{`{"a":{"X":1,"y":[1,2.5,null]}} {"a":{"z":{}}}`, "2: a struct<x:int,y:array<double>,z:string>"},
		{`{"a":[{"b":1},{"c":"x"}]}`, "1: a array<struct<b:int,c:string>>"},
		{`{"a":[]}`, "1: a array<string>"},
		{`{"a":1,"a":2.5}`, "1: a double"},
		{`[{"a":1},{"b":2}]`, "array 2: a int, b int"},
		{`[{"a":1}] x`, "no"},
		{`[1,2]`, "no"},
		{`{"a":1} 7`, "no"},
		{`{}`, "no"},
		{`"a"`, "no"},
		{``, "no"},
		{`{"a":1}` + "\n" + `{"a":1,"b`, "no"},
		{`{"a":1}` + "\n" + `{"a":1,"b…cut`, "1: a int"},
		{`{"a…cut`, "no"},
		{deep, "1: a " + strings.Repeat("struct<a:", 31) + "string" + strings.Repeat(">", 31)},
		{strings.Repeat(`{"a":`, 9000), "no"},
	} {
		data, cut := strings.CutSuffix(c.data, "…cut")
		r, ok := inferJSON([]byte(data), !cut, 1000)
		got := "no"
		if ok {
			got = fmt.Sprintf("%d: %s", r.records, describe(r.fields))
			if r.array {
				got = "array " + got
			}
		}
		if got != c.want {
			t.Errorf("%.60s: got %s, want %s", c.data, got, c.want)
		}
	}
}

func TestInferCSV(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"id,name,fare\n1,a,2.5\n2,b,3\n", `2 header ",": id bigint, name string, fare double`},
		{"1,a,2.5\n2,b,3\n", `2 ",": col0 bigint, col1 string, col2 double`},
		{"a,b\nc,d\n", `2 ",": col0 string, col1 string`},
		{"id|ok\r\n1|true\r\n2|FALSE\r\n", `2 header "|": id bigint, ok boolean`},
		{"id\tname\n1\tx y\n", `1 header "\t": id bigint, name string`},
		{"id;a,b\n1;2,3\n", `1 header ",": id;a string, b bigint`},
		{"id;n\n1;2,3\n", `1 header ";": id bigint, n string`},
		{"id\x01n\n1\x012\n", `1 header "\x01": id bigint, n bigint`},
		{"id,name\n1,\"a, b\"\n2,\"say \"\"x\"\"\"\n", `2 header quoted ",": id string, name string`},
		{"id,\n1,\n2,\n", `2 header ",": id bigint,  string`},
		{"a,a\n1,2\n", `2 ",": col0 string, col1 string`},
		{"id,name\n1,a\n2,b,c\n", "no"},
		{"id,name\n1,a\n2…cut", `1 header ",": id bigint, name string`},
		{"id,name\n", "no"},
		{"id\n1\n2\n", "no"},
		{"id,name\n\n1,a\n", `1 header ",": id bigint, name string`},
		{"a,b\n\x00\x01,2\n", "no"},
		{"a,b\n\xff,2\n", "no"},
		{"", "no"},
	} {
		data, cut := strings.CutSuffix(c.data, "…cut")
		got := "no"
		if r, ok := inferCSV([]byte(data), !cut, 1000); ok {
			got = fmt.Sprint(r.records)
			if r.header {
				got += " header"
			}
			if r.quoted {
				got += " quoted"
			}
			got += fmt.Sprintf(" %q: %s", string(r.delimiter), describe(r.fields))
		}
		if got != c.want {
			t.Errorf("%q: got %s, want %s", c.data, got, c.want)
		}
	}
}

func TestDecompress(t *testing.T) {
	text := []byte(strings.Repeat("id,name\n", 1000))
	var gz, sn bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write(text)
	g.Close()
	s := snappy.NewBufferedWriter(&sn)
	s.Write(text)
	s.Close()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"gzip": gz.Bytes(), "snappy": sn.Bytes(), "zstd": z.EncodeAll(text, nil), "none": text} {
		sm := decompress(data, true)
		if sm.compression != name || !bytes.Equal(sm.data, text) || !sm.whole {
			t.Errorf("%s: got %s, %d bytes, whole %v", name, sm.compression, len(sm.data), sm.whole)
		}
		half := decompress(data[:len(data)/2], false)
		if !bytes.HasPrefix(text, half.data) || half.whole {
			t.Errorf("half of %s: got %d bytes, whole %v", name, len(half.data), half.whole)
		}
	}
}

func TestDecompressIsBounded(t *testing.T) {
	var gz bytes.Buffer
	g, _ := gzip.NewWriterLevel(&gz, gzip.BestSpeed)
	zeros := make([]byte, 1<<20)
	for range 20 {
		g.Write(zeros)
	}
	g.Close()
	if sm := decompress(gz.Bytes(), true); len(sm.data) != sampleMemory || sm.whole {
		t.Errorf("got %d bytes, whole %v", len(sm.data), sm.whole)
	}
}

func TestRecordsAreLimited(t *testing.T) {
	for _, text := range []string{strings.Repeat("{\"a\":1}\n", 1000), "a,b\n" + strings.Repeat("1,22\n", 1000)} {
		sh := classifyText(decompress([]byte(text), true), 100)
		if sh == nil || sh.records > 100 || !sh.partial || sh.stored > int64(len(text))/9 || sh.stored < int64(len(text))/12 {
			t.Errorf("%.10q: got %+v", text, sh)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"*.csv", "a.csv", true},
		{"*.csv", "x/a.csv", false},
		{"**.csv", "x/y/a.csv", true},
		{"year=2015/**", "year=2015/month=1/a", true},
		{"*.{csv,json}", "a.json", true},
		{"*.{csv,json}", "a.jsonl", false},
		{"day-?[0-4]", "day-13", true},
		{"day-?[!0-4]", "day-13", false},
		{`a\*b`, "a*b", true},
		{`a\*b`, "axb", false},
		{"a.b", "axb", false},
		{"a,b", "a,b", true},
	} {
		re, err := compileGlob(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if re.MatchString(c.path) != c.want {
			t.Errorf("%s over %s: got %v", c.pattern, c.path, !c.want)
		}
	}
	for _, bad := range []string{"{a,b", "[abc", "[]", "[z-a]", strings.Repeat("a", 2000)} {
		if _, err := compileGlob(bad); err == nil {
			t.Errorf("%.20s compiles", bad)
		}
	}
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"int", "bigint", "bigint"},
		{"smallint", "tinyint", "smallint"},
		{"int", "double", "double"},
		{"int", "decimal(10,2)", "decimal(12,2)"}, {"float", "decimal(10,2)", "double"}, {"bigint", "decimal(38,19)", "double"},
		{"decimal(10,2)", "decimal(5,4)", "decimal(12,4)"},
		{"date", "timestamp", "timestamp"},
		{"boolean", "int", "string"},
		{"array<int>", "array<string>", "array<string>"},
		{"map<string,int>", "map<string,bigint>", "map<string,bigint>"},
		{"struct<a:int>", "struct<A:double,b:string>", "struct<a:double,b:string>"},
		{"struct<a:int>", "array<int>", "string"},
	} {
		a, err := columnar.ParseType(c.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := columnar.ParseType(c.b)
		if err != nil {
			t.Fatal(err)
		}
		if got := hive(merge(a, b)); got != c.want {
			t.Errorf("%s and %s: got %s, want %s", c.a, c.b, got, c.want)
		}
		if got, back := hive(merge(a, b)), hive(merge(b, a)); got != back && !strings.HasPrefix(got, "struct") {
			t.Errorf("%s and %s: %s one way, %s the other", c.a, c.b, got, back)
		}
	}
}

func FuzzClassifyText(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":1.5},null]}`+"\n"), true)
	f.Add([]byte("id,\"na\"\"me\"\n1,x\n"), false)
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), true)
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00"), true)
	f.Fuzz(func(t *testing.T, data []byte, whole bool) {
		sh := classifyText(decompress(data, whole), 1000)
		if sh == nil {
			return
		}
		if len(sh.fields) == 0 || sh.records < 0 {
			t.Fatalf("classified %q as %s with %d fields and %d records", data, sh.classification, len(sh.fields), sh.records)
		}
		sh.join(sh).storage()
	})
}

func FuzzCompileGlob(f *testing.F) {
	f.Add("a/**/{b,[!c]}*?", "a/x")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		if re, err := compileGlob(pattern); err == nil {
			re.MatchString(path)
		}
	})
}
