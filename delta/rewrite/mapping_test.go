package rewrite

import (
	"errors"
	"fmt"
	"testing"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// TestFieldIDs looks at the ids that files carry, at every depth.
func TestFieldIDs(t *testing.T) {
	l := newLake(t)
	const columns = "k int, s struct<a:int,b:string>, l array<struct<x:int,y:int>>, m map<string,struct<v:int>>"
	l.create(columns, nil, map[string]string{"delta.columnMapping.mode": "id", "delta.enableChangeDataFeed": "true"})
	l.append(columns, `[1,{"a":1,"b":"x"},[{"x":1,"y":2}],null]`, `[2,null,[],null]`)
	s, err := l.table.table.Snapshot(t.Context())
	l.must(err)
	dir := t.TempDir()
	j := newJob(t.Context(), l.table, s, dir)
	inputs, err := j.open(l.files())
	l.must(err)
	ids := 0
	var count func(have, want []columnar.Field, named bool)
	count = func(have, want []columnar.Field, named bool) {
		for i := range want {
			if named {
				id, ok := delta.FieldID(&want[i])
				if !ok || fmt.Sprint(have[i].Metadata[metaFieldID]) != fmt.Sprint(id) {
					t.Errorf("field %s has id %v, want %d", want[i].Name, have[i].Metadata, id)
				}
				ids++
			}
			count(have[i].Type.Fields, want[i].Type.Fields, want[i].Type.Kind == columnar.Struct)
		}
	}
	count(inputs[0].schema.Fields, s.Schema().Fields, true)
	if ids != 9 {
		t.Errorf("%d fields with ids", ids)
	}
	_, err = l.table.Alter(t.Context(), Alteration{Rename: map[string]string{"s": "t", "k": "s"}})
	l.must(err)
	_, err = l.table.Update(t.Context(), l.set("s", "s + 10"), l.where("t.a = 1"), "")
	l.must(err)
	l.want(`[11,{"a":1,"b":"x"},[{"x":1,"y":2}],null]`, `[2,null,[],null]`)
	_, err = l.table.Optimize(t.Context(), OptimizeOptions{ZOrderBy: []string{"s"}})
	l.must(err)
	l.want(`[11,{"a":1,"b":"x"},[{"x":1,"y":2}],null]`, `[2,null,[],null]`)
}

// TestWidenInside widens types inside structs, lists and maps, by rows and by a statement. The log tells where.
func TestWidenInside(t *testing.T) {
	l := newLake(t)
	const before, after = "k int, s struct<a:int,l:array<smallint>>, l array<int>", "k int, s struct<a:bigint,l:array<int>>, l array<bigint>"
	l.create(before, nil, map[string]string{"delta.enableTypeWidening": "true"})
	l.append(before, `[1,{"a":1,"l":[7]},[1,null]]`)
	_, err := l.table.Append(t.Context(), l.rows(after, `[2,{"a":5000000000,"l":[70000]},[5000000000]]`), WriteOptions{MergeSchema: true})
	l.must(err)
	l.want(`[1,{"a":1,"l":[7]},[1,null]]`, `[2,{"a":5000000000,"l":[70000]},[5000000000]]`)
	s, err := l.table.table.Snapshot(t.Context())
	l.must(err)
	fields := s.Schema().Fields
	changes := line(fields[1].Metadata["delta.typeChanges"], fields[1].Type.Fields[0].Metadata["delta.typeChanges"],
		fields[1].Type.Fields[1].Metadata["delta.typeChanges"], fields[2].Metadata["delta.typeChanges"])
	if want := `[null,[{"fromType":"integer","toType":"long"}],[{"fieldPath":"element","fromType":"short","toType":"integer"}],[{"fieldPath":"element","fromType":"integer","toType":"long"}]]`; changes != want {
		t.Errorf("type changes\n%s\nwant\n%s", changes, want)
	}
	wider := schemaOf(t, "k int, s struct<a:bigint,l:array<bigint>>, l array<bigint>")
	_, err = l.table.Alter(t.Context(), Alteration{Schema: wider})
	l.must(err)
	_, err = l.table.Optimize(t.Context(), OptimizeOptions{})
	l.must(err)
	l.want(`[1,{"a":1,"l":[7]},[1,null]]`, `[2,{"a":5000000000,"l":[70000]},[5000000000]]`)
	if _, err := l.table.Alter(t.Context(), Alteration{Schema: schemaOf(t, before)}); !errors.Is(err, delta.ErrInvalid) {
		t.Errorf("narrower types: %v", err)
	}
}
