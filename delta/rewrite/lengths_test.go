package rewrite

import (
	"errors"
	"strings"
	"testing"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// TestLengths writes and reads columns that Spark calls char(n) and varchar(n).
func TestLengths(t *testing.T) {
	sized := func(name, kind, text string) columnar.Field {
		return field(t, name, kind, true, map[string]any{metaLength: text})
	}
	for _, by := range [][]string{nil, {"c"}} {
		l := newLake(t)
		const columns = "c string, v string, s struct<A:string,n:int>, l array<string>, m map<string,string>"
		l.createWith(&columnar.Schema{Fields: []columnar.Field{
			sized("c", "string", "char(4)"), sized("v", "string", "varchar(3)"), sized("s", "struct<A:string,n:int>", "struct<A:char(2),n:int>"),
			sized("l", "array<string>", "array<varchar(2)>"), sized("m", "map<string,string>", "map<char(2),varchar(1)>"),
		}}, by, nil)
		l.append(columns, `["ab","xyz",{"A":"q","n":1},["a","b "],{"k":"1"}]`, `["ef  ","é☃ ",{"A":"r","n":null},["a ",null],{"k ":null}]`, `[null,null,null,null,null]`)
		l.want(`["ab  ","xyz",{"A":"q ","n":1},["a","b "],{"k ":"1"}]`, `["ef  ","é☃ ",{"A":"r ","n":null},["a ",null],{"k ":null}]`, `[null,null,null,null,null]`)
		for _, line := range []string{`["abcde",null,null,null,null]`, `["abc    ",null,null,null,null]`, `[null,null,{"A":"x  ","n":1},null,null]`, `[null,"wxyz",null,null,null]`, `[null,null,{"A":"xyz","n":1},null,null]`,
			`[null,null,null,["a",null,"xyz"],null]`, `[null,null,null,null,{"xyz":"1"}]`, `[null,null,null,null,{"a":"12"}]`} {
			if _, err := l.table.Append(t.Context(), l.rows(columns, line), WriteOptions{}); !errors.Is(err, ErrViolation) || !strings.Contains(err.Error(), "is longer than") {
				t.Errorf("%s: %v", line, err)
			}
		}
		_, err := l.table.Update(t.Context(), l.set("c", "'x'"), l.where("c = 'ab'"), "")
		l.must(err)
		if _, err = l.table.Update(t.Context(), l.set("v", "'wxyz'"), Condition{}, ""); !errors.Is(err, ErrViolation) {
			t.Errorf("an update with a text that is too long: %v", err)
		}
		_, err = l.table.Merge(t.Context(), l.rows("c string, v string", `["x ","new"]`, `["g","h"]`), MergeOptions{Target: "t", Source: "s", On: l.where("t.c = s.c"),
			Clauses: []MergeClause{{Match: Matched, All: true}, {Match: NotMatched, All: true}}})
		l.must(err)
		_, err = l.table.Delete(t.Context(), l.where("c IN ('ef', 'zz') OR c BETWEEN 'g     ' AND 'g'"), "")
		l.must(err)
		l.want(`["x   ","new",{"A":"q ","n":1},["a","b "],{"k ":"1"}]`, `[null,null,null,null,null]`)
	}
}

// TestCharOfOthers reads a char(n) that its writer did not fill up, which no statistics and no partition values may hide.
func TestCharOfOthers(t *testing.T) {
	for _, by := range [][]string{nil, {"c"}} {
		l := newLake(t)
		f := field(t, "c", "string", true, nil)
		l.createWith(&columnar.Schema{Fields: []columnar.Field{f, field(t, "n", "int", true, nil)}}, by, nil)
		l.append("c string, n int", `["ab",1]`, `["cd  ",2]`, `["ef",3]`)
		f.Metadata = map[string]any{metaLength: "char(4)"}
		_, err := l.table.Alter(t.Context(), Alteration{Schema: &columnar.Schema{Fields: []columnar.Field{f, field(t, "n", "int", true, nil)}}})
		l.must(err)
		l.want(`["ab  ",1]`, `["cd  ",2]`, `["ef  ",3]`)
		_, err = l.table.Delete(t.Context(), l.where("c = 'ab  ' OR c = 'cd'"), "")
		l.must(err)
		l.want(`["ef  ",3]`)
		_, err = l.table.Overwrite(t.Context(), l.rows("c string, n int", `["ef",4]`), WriteOptions{Where: l.where("c >= 'ef   '")})
		l.must(err)
		l.want(`["ef  ",4]`)
	}
}

// TestSinkWithoutLengths sees that who adds files without a look at their rows may not add them to such a table.
func TestSinkWithoutLengths(t *testing.T) {
	l := newLake(t)
	l.createWith(&columnar.Schema{Fields: []columnar.Field{field(t, "c", "string", true, map[string]any{metaLength: "varchar(4)"})}}, nil, nil)
	s, err := l.table.table.Snapshot(t.Context())
	l.must(err)
	tx := l.table.table.Begin(s)
	tx.Add(delta.File{Path: "x.parquet", Size: 1})
	if _, err := tx.Commit(t.Context()); !errors.Is(err, delta.ErrUnsupported) {
		t.Errorf("a file with any text: %v", err)
	}
}
