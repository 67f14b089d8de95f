package rewrite

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// field makes a column with metadata.
func field(t testing.TB, name, typ string, nullable bool, metadata map[string]any) columnar.Field {
	t.Helper()
	ct, err := columnar.ParseType(typ)
	if err != nil {
		t.Fatal(err)
	}
	return columnar.Field{Name: name, Type: ct, Nullable: nullable, Metadata: metadata}
}

func TestRules(t *testing.T) {
	l := newLake(t)
	strict := schemaOf(t, "id int, name string, s struct<a:int>")
	strict.Fields[1].Metadata = map[string]any{"delta.invariants": `{"expression":{"expression":"name <> 'bad'"}}`}
	l.createWith(strict, nil, map[string]string{"delta.constraints.positive": "id > 0", "delta.constraints.quoted": "`name` == \"ok\" OR length(name) < 10"})
	const columns = "id int, name string, s struct<a:int>"
	l.append(columns, `[1,"ok",{"a":1}]`)
	for _, c := range []struct{ line, want string }{
		{`[0,"ok",null]`, "CHECK constraint positive (id > 0): {'id': 0"},
		{`[null,"ok",null]`, "CHECK constraint positive"},
		{`[2,"bad",null]`, "invariant of column name"},
		{`[2,"much too long",null]`, "CHECK constraint quoted"},
	} {
		_, err := l.table.Append(t.Context(), l.rows(columns, c.line), WriteOptions{})
		if !errors.Is(err, ErrViolation) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.line, err, c.want)
		}
	}
	if _, err := l.table.Update(t.Context(), l.set("id", "-1"), Condition{}, ""); !errors.Is(err, ErrViolation) {
		t.Errorf("update against a constraint: %v", err)
	}
	if _, err := l.table.Alter(t.Context(), Alteration{Properties: map[string]string{"delta.constraints.big": "id > 1"}}); !errors.Is(err, ErrViolation) {
		t.Errorf("a constraint that a row breaks: %v", err)
	}
	l.want(`[1,"ok",{"a":1}]`)
	s, err := l.table.table.Snapshot(t.Context())
	l.must(err)
	if p := s.Protocol(); p.MinReaderVersion != 1 || p.MinWriterVersion != 3 {
		t.Errorf("protocol %+v", p)
	}
}

func TestColumnsByThemselves(t *testing.T) {
	l := newLake(t)
	schema := &columnar.Schema{Fields: []columnar.Field{
		field(t, "id", "bigint", true, map[string]any{"delta.identity.start": json.Number("10"), "delta.identity.step": json.Number("5"), "delta.identity.allowExplicitInsert": false}),
		field(t, "at", "timestamp", true, nil),
		field(t, "day", "date", true, map[string]any{"delta.generationExpression": "CAST(at AS DATE)"}),
		field(t, "code", "string", true, map[string]any{"CURRENT_DEFAULT": "'none'", "__CHAR_VARCHAR_TYPE_STRING": "varchar(5)"}),
	}}
	l.createWith(schema, nil, nil)
	l.append("at timestamp", `["2020-01-02 03:04:05"]`)
	l.append("at timestamp, code string", `["2020-01-03 00:00:00","abc"]`, `[null,null]`)
	got := l.read()
	want := []string{`[10,"2020-01-02 03:04:05","2020-01-02 00:00:00","none"]`, `[15,"2020-01-03 00:00:00","2020-01-03 00:00:00","abc"]`, `[20,null,null,null]`}
	if !slices.Equal(got, want) {
		// Which of two rows comes first is not said.
		want[1], want[2] = `[15,null,null,null]`, `[20,"2020-01-03 00:00:00","2020-01-03 00:00:00","abc"]`
		if !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
	}
	for _, c := range []struct{ columns, line, want string }{
		{"code string", `["much too long"]`, "column code is longer than varchar(5)"},
		{"at timestamp, day date", `["2020-01-02 03:04:05","2020-01-01"]`, "generated column day"},
	} {
		_, err := l.table.Append(t.Context(), l.rows(c.columns, c.line), WriteOptions{})
		if !errors.Is(err, ErrViolation) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.line, err, c.want)
		}
	}
	if _, err := l.table.Append(t.Context(), l.rows("id bigint", `[1]`), WriteOptions{}); !errors.Is(err, delta.ErrInvalid) {
		t.Errorf("a value for an identity column: %v", err)
	}
	_, err := l.table.Update(t.Context(), l.set("at", "at + INTERVAL '1' DAY"), l.where("id = 10"), "")
	l.must(err)
	if got := l.read()[0]; got != `[10,"2020-01-03 03:04:05","2020-01-03 00:00:00","none"]` {
		t.Errorf("after an update: %s", got)
	}
}

func TestSchemaEvolution(t *testing.T) {
	l := newLake(t)
	l.create("a int, s struct<x:int>", nil, map[string]string{"delta.enableTypeWidening": "true"})
	l.append("a int, s struct<x:int>", `[1,{"x":1}]`)
	rows := l.rows("a bigint, s struct<x:int,y:string>, b double", `[5000000000,{"x":2,"y":"z"},1.5]`)
	if _, err := l.table.Append(t.Context(), rows, WriteOptions{}); !errors.Is(err, delta.ErrInvalid) {
		t.Errorf("new columns without MergeSchema: %v", err)
	}
	_, err := l.table.Append(t.Context(), rows, WriteOptions{MergeSchema: true})
	l.must(err)
	l.want(`[1,{"x":1,"y":null},null]`, `[5000000000,{"x":2,"y":"z"},1.5]`)
	_, err = l.table.Overwrite(t.Context(), l.rows("z string", `["only"]`), WriteOptions{OverwriteSchema: true})
	l.must(err)
	l.want(`["only"]`)
}

func TestOverwrite(t *testing.T) {
	each(t, nil, func(t *testing.T, props map[string]string) {
		l := newLake(t)
		const columns = "k int, p int"
		l.create(columns, []string{"p"}, props)
		l.append(columns, `[1,1]`, `[2,1]`, `[3,2]`, `[4,null]`)
		_, err := l.table.Overwrite(t.Context(), l.rows(columns, `[9,2]`, `[8,3]`, `[7,null]`), WriteOptions{Dynamic: true})
		l.must(err)
		l.want(`[1,1]`, `[2,1]`, `[9,2]`, `[8,3]`, `[7,null]`)
		_, err = l.table.Overwrite(t.Context(), l.rows(columns, `[2,5]`), WriteOptions{Where: l.where("k >= 2 AND k < 9")})
		l.must(err)
		l.want(`[1,1]`, `[9,2]`, `[2,5]`)
		if _, err = l.table.Overwrite(t.Context(), l.rows(columns, `[2,5]`), WriteOptions{Where: l.where("p = 1")}); !errors.Is(err, ErrViolation) {
			t.Errorf("rows outside of what they replace: %v", err)
		}
		l.want(`[1,1]`, `[9,2]`, `[2,5]`)
		_, err = l.table.Overwrite(t.Context(), l.rows(columns, `[3,3]`), WriteOptions{})
		l.must(err)
		l.want(`[3,3]`)
	})
}

func TestColumnMapping(t *testing.T) {
	l := newLake(t)
	l.create("a int, s struct<x:int>, p int", []string{"p"}, nil)
	l.append("a int, s struct<x:int>, p int", `[1,{"x":1},1]`)
	alter := func(a Alteration) {
		t.Helper()
		_, err := l.table.Alter(t.Context(), a)
		l.must(err)
	}
	alter(Alteration{Properties: map[string]string{"delta.columnMapping.mode": "name"}})
	alter(Alteration{Rename: map[string]string{"a": "the first, of all"}})
	_, err := l.table.Append(t.Context(), Rows{}, WriteOptions{})
	if err == nil {
		t.Error("rows without a schema were appended")
	}
	_, err = l.table.Append(t.Context(), l.rows("s struct<x:int,y:int>, p int, b string", `[{"x":2,"y":3},2,"b"]`), WriteOptions{MergeSchema: true})
	l.must(err)
	l.want(`[1,{"x":1,"y":null},1,null]`, `[null,{"x":2,"y":3},2,"b"]`)
	_, err = l.table.Update(t.Context(), l.set("the first, of all", `"the first, of all" + p`), l.where("s.x = 1"), "")
	l.must(err)
	alter(Alteration{Drop: []string{"b"}})
	_, err = l.table.Append(t.Context(), l.rows("p int, b string", `[7,"again"]`), WriteOptions{MergeSchema: true})
	l.must(err)
	l.want(`[2,{"x":1,"y":null},1,null]`, `[null,{"x":2,"y":3},2,null]`, `[null,null,7,"again"]`)
	s, err := l.table.table.Snapshot(t.Context())
	l.must(err)
	if p := s.Protocol(); p.MinReaderVersion != 2 || p.MinWriterVersion != 5 {
		t.Errorf("protocol %+v", p)
	}
	for _, f := range l.files() {
		if f.Stats == nil || f.Stats.NullCount["p"] != nil || f.Stats.NullCount["s"] == nil && f.Partition["p"] != nil && *f.Partition["p"] == "2" {
			t.Errorf("%s: %+v", f.Path, f.Stats)
		}
	}
}

// changesText are the changes of versions as JSON lists.
func (l *lake) changesText(from, to int64) []string {
	l.Helper()
	var out []string
	for b, err := range l.table.Changes(l.Context(), from, to) {
		l.must(err)
		b.Columns = b.Columns[:len(b.Columns)-1]
		out = append(out, textRows(b)...)
	}
	slices.Sort(out)
	return out
}

func TestChanges(t *testing.T) {
	each(t, map[string]string{"delta.enableChangeDataFeed": "true"}, func(t *testing.T, props map[string]string) {
		l := newLake(t)
		const columns = "k int, v string"
		l.create(columns, nil, props) // versions 0 and 1
		l.append(columns, `[1,"a"]`, `[2,"b"]`, `[3,"c"]`, `[4,"d"]`)
		_, err := l.table.Delete(t.Context(), l.where("k = 1"), "")
		l.must(err)
		_, err = l.table.Update(t.Context(), l.set("v", "v || '!'"), l.where("k = 2"), "")
		l.must(err)
		_, err = l.table.Merge(t.Context(), l.rows(columns, `[3,"C"]`, `[5,"E"]`), MergeOptions{Target: "t", Source: "s", On: l.where("t.k = s.k"),
			Clauses: []MergeClause{{Match: Matched, All: true}, {Match: NotMatched, All: true}, {Match: NotMatchedBySource, And: l.expr("t.k = 4"), Delete: true}}})
		l.must(err)
		_, err = l.table.Optimize(t.Context(), OptimizeOptions{Purge: true})
		l.must(err)
		s, err := l.table.table.Snapshot(t.Context())
		l.must(err)
		_, err = l.table.Overwrite(t.Context(), l.rows(columns, `[6,"f"]`), WriteOptions{Where: l.where("k = 5")})
		if !errors.Is(err, ErrViolation) {
			t.Error(err)
		}
		got := l.changesText(2, s.Version())
		want := []string{
			`[1,"a","delete",3]`, `[1,"a","insert",2]`, `[2,"b!","update_postimage",4]`, `[2,"b","insert",2]`, `[2,"b","update_preimage",4]`,
			`[3,"C","update_postimage",5]`, `[3,"c","insert",2]`, `[3,"c","update_preimage",5]`, `[4,"d","delete",5]`, `[4,"d","insert",2]`,
			`[5,"E","insert",5]`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("changes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		_, err = l.table.Overwrite(t.Context(), l.rows(columns, `[3,"x"]`), WriteOptions{Where: l.where("k = 3")})
		l.must(err)
		_, err = l.table.Overwrite(t.Context(), l.rows(columns, `[9,"y"]`), WriteOptions{})
		l.must(err)
		got = l.changesText(s.Version()+1, s.Version()+2)
		n, m := s.Version()+1, s.Version()+2
		want = []string{line(3, "C", "delete", n), line(3, "x", "insert", n), line(2, "b!", "delete", m), line(3, "x", "delete", m), line(5, "E", "delete", m), line(9, "y", "insert", m)}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("changes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func line(values ...any) string {
	text, _ := json.Marshal(values)
	return string(text)
}

func TestSparkExpr(t *testing.T) {
	for text, want := range map[string]string{
		"concat('AS string', CAST(id as STRING))":      `concat('AS string', CAST("id" AS varchar))`,
		"cast(cast(a AS long) AS Float) + `as` * 2":    `CAST(CAST("a" AS bigint) AS real) + "as" * 2`,
		"string = 'x' AND `cast as` <=> \"it's\"":      `"string" = 'x' AND "cast as" IS NOT DISTINCT FROM 'it''s'`,
		"cast(at AS timestamp_ntz) == cast(b AS date)": `CAST("at" AS timestamp(3)) = CAST("b" AS date)`,
	} {
		x, err := sparkExpr(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := sql.PrintExpr(x); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func FuzzSparkExpr(f *testing.F) {
	for _, text := range []string{"id > 0", "`a b` == \"x\"", "a <=> 'it''s'", "CAST(at AS DATE)", "'", "\"\\\"", "x IN (1, 2)"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if x, err := sparkExpr(text); err == nil && x == nil {
			t.Fatal("no expression and no error")
		} else if err != nil && !errors.Is(err, delta.ErrUnsupported) {
			t.Fatal(err)
		}
	})
}
