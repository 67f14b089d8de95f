package columnar

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseType(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"int", "int"}, {"INTEGER", "int"}, {"long", "bigint"}, {"short", "smallint"}, {"byte", "tinyint"},
		{" double ", "double"}, {"Double Precision", "double"}, {"real", "float"},
		{"decimal", "decimal(10,0)"}, {"decimal(7)", "decimal(7,0)"}, {"Decimal( 10 , 2 )", "decimal(10,2)"},
		{"varchar(20)", "string"}, {"char(3)", "string"}, {"timestamp_ntz", "timestamp_ntz"},
		{"array<struct<a:int>>", "array<struct<a:int>>"},
		{"map<string,double>", "map<string,double>"},
		{"struct<A:int, `odd,name`:array<string>>", "struct<A:int,odd,name:array<string>>"},
		{"struct<>", "struct<>"},
		{"struct<a: int NOT NULL, b:decimal(3,1) comment 'it''s, \\'x\\' > \"', c: array<struct<d:double not  null COMMENT \"y'\">>NOT NULL>",
			"struct<a:int,b:decimal(3,1),c:array<struct<d:double>>>"},
		{"struct<not:int,comment:string COMMENT ''>", "struct<not:int,comment:string>"},
	} {
		got, err := ParseType(c.in)
		if err != nil || got.String() != c.want {
			t.Errorf("ParseType(%q) = %v, %v; want %s", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"", "uniontype<int>", "int>", "decimal(39,0)", "decimal(5,6)", "decimal(", "array<int",
		"map<int>", "struct<a>", "struct<:int>", "struct<a:int NOT>", "struct<a:int NULL>", "struct<a:int COMMENT>", "struct<a:int COMMENT x>", "struct<a:int COMMENT 'x>", `struct<a:int COMMENT 'x\`,
		"struct<a:int COMMENT 'x' NOT NULL>", "int NOT NULL", "array<int NOT NULL>", "varchar(0)", "array", strings.Repeat("array<", 100) + "int" + strings.Repeat(">", 100)} {
		if got, err := ParseType(in); !errors.Is(err, ErrType) {
			t.Errorf("ParseType(%q) = %v, %v; want ErrType", in, got, err)
		}
	}
}

func TestSchemaJSON(t *testing.T) {
	const text = `{"type":"struct","fields":[` +
		`{"name":"a<b","type":"long","nullable":true,"metadata":{"delta.columnMapping.id":9007199254740993}},` +
		`{"name":"d","type":"decimal(10,2)","nullable":false,"metadata":{}},` +
		`{"name":"l","type":{"type":"array","elementType":"timestamp_ntz","containsNull":false},"nullable":true,"metadata":{}},` +
		`{"name":"m","type":{"type":"map","keyType":"string","valueType":{"type":"struct","fields":[]},"valueContainsNull":true},"nullable":true,"metadata":{}}]}`
	s, err := ParseSchemaJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(s.JSON()); got != text {
		t.Errorf("JSON:\n%s\nwant\n%s", got, text)
	}
	for _, bad := range []string{``, `"int"`, `{"type":"struct","fields":[{"name":"a","type":"void"}]}`, `{"type":"udt"}`} {
		if _, err := ParseSchemaJSON([]byte(bad)); err == nil {
			t.Errorf("ParseSchemaJSON(%q): no error", bad)
		}
	}
}

func FuzzParseType(f *testing.F) {
	f.Add("array<struct<a:int,b:map<string,decimal(10,2)>>>")
	f.Add("struct<`x`:varchar(3)>")
	f.Add("struct<x:int NOT NULL COMMENT 'it''s'>")
	f.Fuzz(func(t *testing.T, text string) {
		typ, err := ParseType(text)
		if err != nil || !utf8.ValidString(text) {
			return // a name that is not UTF-8 has no JSON form
		}
		s := &Schema{Fields: []Field{{Name: "c", Type: typ, Nullable: true}}}
		back, err := ParseSchemaJSON(s.JSON())
		if err != nil || !equalType(back.Fields[0].Type, typ) {
			t.Fatalf("%q: %v came back as %v, %v", text, typ, back, err)
		}
	})
}

func equalType(a, b Type) bool {
	if a.Kind != b.Kind || a.Precision != b.Precision || a.Scale != b.Scale || len(a.Fields) != len(b.Fields) {
		return false
	}
	for i := range a.Fields {
		x, y := a.Fields[i], b.Fields[i]
		if x.Name != y.Name || x.Nullable != y.Nullable || !reflect.DeepEqual(x.Metadata, y.Metadata) || !equalType(x.Type, y.Type) {
			return false
		}
	}
	return true
}
