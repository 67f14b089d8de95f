package rewrite

import (
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
