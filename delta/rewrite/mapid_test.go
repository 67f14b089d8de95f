package rewrite

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/weir-data/weir/objstore"
)

// edit changes the text of a commit.
func (l *lake) edit(version int, oldnew ...string) {
	l.Helper()
	key := fmt.Sprintf("t/_delta_log/%020d.json", version)
	r, _, err := l.store.Get(l.Context(), "lake", key, nil)
	l.must(err)
	body, err := io.ReadAll(r)
	l.must(err)
	text := strings.NewReplacer(oldnew...).Replace(string(body))
	if text == string(body) {
		l.Fatalf("commit %d: nothing to change in %s", version, text)
	}
	_, err = l.store.Put(l.Context(), "lake", key, strings.NewReader(text), objstore.PutOptions{})
	l.must(err)
	for v := range 10 {
		l.must(l.store.Delete(l.Context(), "lake", fmt.Sprintf("t/_delta_log/%020d.crc", v)))
	}
}

// TestMappedByID changes a table that finds columns by id, of which the first file calls them otherwise than the schema does.
func TestMappedByID(t *testing.T) {
	l := newLake(t)
	const columns = "k int, a string, s struct<x:int,y:string>, l array<struct<z:int>>"
	l.create(columns, nil, map[string]string{"delta.columnMapping.mode": "name"})
	l.append(columns, `[1,"one",{"x":1,"y":"p"},[{"z":1}]]`, `[2,"two",null,null]`, `[3,"three",{"x":3,"y":null},[]]`)
	physical := func(name string) string { return `physicalName\":\"` + name + `\"` }
	l.edit(1, `"delta.columnMapping.mode":"name"`, `"delta.columnMapping.mode":"id"`, physical("a"), physical("y"), physical("y"), physical("a"),
		physical("s"), physical("renamed"), physical("z"), physical("zz"), physical("x"), physical("xx"))
	l.open()
	_, err := l.table.Update(t.Context(), l.set("a", "concat(a, '!')"), l.where("k = 1 AND s.x = 1"), "")
	l.must(err)
	l.append(columns, `[4,"four",{"x":4,"y":"q"},[{"z":4}]]`)
	_, err = l.table.Delete(t.Context(), l.where("a = 'two'"), "")
	l.must(err)
	_, err = l.table.Optimize(t.Context(), OptimizeOptions{})
	l.must(err)
	l.want(`[1,"one!",{"x":1,"y":"p"},[{"z":1}]]`, `[3,"three",{"x":3,"y":null},[]]`, `[4,"four",{"x":4,"y":"q"},[{"z":4}]]`)
}
