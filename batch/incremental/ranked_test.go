package incremental

import "testing"

// TestNullsInStructs checks that null comes first in structs and arrays, in the state as in a batch.
func TestNullsInStructs(t *testing.T) {
	in := Inputs{Mode: Complete, Streams: map[string]Stream{"a": {Columns: schema(t, "s struct<x:int,y:array<string>>, l array<int>, id int")}}}
	m := newMachine(t, openDB(t), "SELECT min(s), max(s), min(l), max(l), max_by(id, s), min_by(id, l), arbitrary(s) FROM a", in).withRunner()
	row := func(x any, y any, l []any, id int) []any { return []any{map[string]any{"x": x, "y": y}, l, id} }
	m.run(map[string][][]any{"a": {row(1, nil, []any{1, nil}, 1), row(nil, []any{"b"}, []any{1, 0}, 2), {nil, nil, 3}}}, true)
	got := m.run(map[string][][]any{"a": {row(1, []any{nil}, []any{nil, 5}, 4), row(nil, []any{nil, "c"}, []any{1}, 5)}}, true)
	const want = `[{"x":null,"y":[null,"c"]},{"x":1,"y":[null]},[null,5],[1,0],4,4,{"x":null,"y":[null,"c"]}]`
	if len(got) != 1 || got[0] != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}
