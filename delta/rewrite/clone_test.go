package rewrite

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// clone makes a shallow clone of the table: a log of its own, which names the files of the other by absolute paths.
func (l *lake) clone() *lake {
	l.Helper()
	s, err := l.table.table.Snapshot(l.Context())
	l.must(err)
	for v := range s.Version() + 1 {
		name := fmt.Sprintf("_delta_log/%020d.json", v)
		r, _, err := l.store.Get(l.Context(), "lake", "t/"+name, nil)
		l.must(err)
		body, err := io.ReadAll(r)
		l.must(err)
		body = bytes.ReplaceAll(body, []byte(`{"path":"`), []byte(`{"path":"s3://lake/t/`))
		_, err = l.store.Put(l.Context(), "lake", "clone/"+name, bytes.NewReader(body), objstore.PutOptions{})
		l.must(err)
	}
	out := *l
	out.table, err = Open(l.Context(), Options{Store: l.store, Location: "s3://lake/clone", DB: l.db, Staging: l.dir, Now: now})
	l.must(err)
	return &out
}

func (l *lake) keys(prefix string) (keys []string) {
	l.Helper()
	page, err := l.store.List(l.Context(), "lake", objstore.ListOptions{})
	l.must(err)
	for _, o := range page.Objects {
		if strings.HasPrefix(o.Key, prefix) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// TestShallowClone changes the rows of a clone in every way: the table that it is a clone of keeps its files and its rows.
func TestShallowClone(t *testing.T) {
	each(t, map[string]string{"delta.enableChangeDataFeed": "true", "delta.checkpointInterval": "3"}, func(t *testing.T, props map[string]string) {
		l := newLake(t)
		const columns = "k int, v string, p int"
		l.create(columns, []string{"p"}, props)
		l.append(columns, `[1,"a",1]`, `[2,"b",1]`, `[3,"c",2]`, `[4,"d",2]`)
		l.append(columns, `[5,"e",1]`, `[6,"f",2]`, `[7,"g",3]`, `[8,"h",3]`)
		before, objects := l.read(), l.keys("t/")
		c := l.clone()
		c.want(before...)
		first := c.version()
		for _, f := range c.files() {
			if !f.Outside {
				t.Fatalf("%s is no file of the other table", f.Path)
			}
		}
		_, err := c.table.Delete(t.Context(), c.where("k = 2"), "")
		c.must(err)
		_, err = c.table.Delete(t.Context(), c.where("p = 3"), "")
		c.must(err)
		_, err = c.table.Update(t.Context(), c.set("v", "v || '!'"), c.where("k >= 5"), "")
		c.must(err)
		_, err = c.table.Merge(t.Context(), c.rows(columns, `[3,"m",2]`, `[9,"n",2]`), MergeOptions{Target: "t", Source: "s", On: c.where("t.k = s.k"),
			Clauses: []MergeClause{{Match: Matched, All: true}, {Match: NotMatched, All: true}}})
		c.must(err)
		want := []string{`[1,"a",1]`, `[3,"m",2]`, `[4,"d",2]`, `[5,"e!",1]`, `[6,"f!",2]`, `[9,"n",2]`}
		c.want(want...)
		c.wantChanges(first+1, "delete 2", "delete 7", "delete 8", "insert 9", "update_postimage 3", "update_postimage 5", "update_postimage 6",
			"update_preimage 3", "update_preimage 5", "update_preimage 6")
		_, err = c.table.Optimize(t.Context(), OptimizeOptions{Purge: true, ZOrderBy: []string{"k"}})
		c.must(err)
		c.want(want...)
		for _, f := range c.files() {
			if f.Outside || f.DeletionVector != nil {
				t.Errorf("after all files were written anew: %+v", f)
			}
		}
		_, err = c.table.table.Vacuum(t.Context(), delta.VacuumOptions{Force: true, NoRetention: true})
		c.must(err)
		if now := l.keys("t/"); !slices.Equal(now, objects) {
			t.Errorf("objects of the other table were\n%v\nare\n%v", objects, now)
		}
		l.want(before...)
	})
}

func (l *lake) version() int64 {
	l.Helper()
	s, err := l.table.table.Snapshot(l.Context())
	l.must(err)
	return s.Version()
}

// wantChanges compares the changes since a version, each as its kind and the row's first column.
func (l *lake) wantChanges(from int64, want ...string) {
	l.Helper()
	var got []string
	for b, err := range l.table.Changes(l.Context(), from, l.version()) {
		l.must(err)
		for i := range b.Len {
			got = append(got, fmt.Sprintf("%s %v", b.Columns[len(b.Columns)-3].Bytes(i), b.Columns[0].Value(i)))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		l.Errorf("changes are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
