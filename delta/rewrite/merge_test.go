package rewrite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

func (l *lake) expr(text string) sql.Expr {
	l.Helper()
	x, err := sql.ParseExpr(text)
	l.must(err)
	return x
}

func TestMerge(t *testing.T) {
	each(t, nil, func(t *testing.T, props map[string]string) {
		l := newLake(t)
		const columns = "k int, v string, p int"
		l.create(columns, []string{"p"}, props)
		l.append(columns, `[1,"a",1]`, `[2,"b",1]`, `[3,"c",2]`, `[4,"d",2]`, `[5,"e",3]`)
		source := l.rows("k int, v string, p int, op string",
			`[1,"A",1,"u"]`, `[3,null,2,"d"]`, `[9,"new",4,"u"]`, `[8,"no",4,"d"]`, `[4,"x",7,"skip"]`)
		r, err := l.table.Merge(t.Context(), source, MergeOptions{
			Target: "t", Source: "s", On: l.where("t.k = s.k"),
			Clauses: []MergeClause{
				{Match: Matched, And: l.expr("s.op = 'd'"), Delete: true},
				{Match: Matched, And: l.expr("s.op = 'u'"), Set: l.set("v", "s.v || t.v", "p", "t.p + 10")},
				{Match: NotMatched, And: l.expr("s.op <> 'd'"), Set: l.set("k", "s.k", "v", "s.v", "p", "s.p")},
				{Match: NotMatchedBySource, And: l.expr("t.k = 5"), Set: l.set("v", "'gone'")},
			},
		})
		l.must(err)
		if r.Inserted != 1 || r.Updated != 2 || r.Deleted != 1 {
			t.Errorf("%+v", r)
		}
		l.want(`[1,"Aa",11]`, `[2,"b",1]`, `[4,"d",2]`, `[5,"gone",3]`, `[9,"new",4]`)

		twice := l.rows(columns, `[2,"x",1]`, `[2,"y",1]`)
		_, err = l.table.Merge(t.Context(), twice, MergeOptions{Target: "t", Source: "s", On: l.where("t.k = s.k"),
			Clauses: []MergeClause{{Match: Matched, Set: l.set("v", "s.v")}}})
		if !errors.Is(err, ErrAmbiguous) {
			t.Errorf("two rows for one: %v", err)
		}
		_, err = l.table.Merge(t.Context(), twice, MergeOptions{Target: "t", Source: "s", On: l.where("t.k = s.k"),
			Clauses: []MergeClause{{Match: Matched, Delete: true}, {Match: NotMatched, All: true}}})
		l.must(err)
		l.want(`[1,"Aa",11]`, `[4,"d",2]`, `[5,"gone",3]`, `[9,"new",4]`)
		_, err = l.table.Merge(t.Context(), l.rows("k int, v string, p int, extra double", `[1,"z",1,1.5]`, `[77,"y",1,2.5]`), MergeOptions{
			Target: "t", Source: "s", On: l.where("t.k = s.k"), MergeSchema: true,
			Clauses: []MergeClause{{Match: Matched, All: true}, {Match: NotMatched, All: true}}})
		l.must(err)
		l.want(`[1,"z",1,1.5]`, `[4,"d",2,null]`, `[5,"gone",3,null]`, `[77,"y",1,2.5]`, `[9,"new",4,null]`)
	})
}

func (l *lake) files() (files []*delta.File) {
	l.Helper()
	s, err := l.table.table.Snapshot(l.Context())
	l.must(err)
	for f, err := range s.Files(nil) {
		l.must(err)
		files = append(files, f)
	}
	return files
}

func TestOptimize(t *testing.T) {
	l := newLake(t)
	const columns = "k int, p string"
	l.create(columns, []string{"p"}, map[string]string{"delta.enableDeletionVectors": "true", "delta.appendOnly": "false"})
	var want []string
	for i := range 12 {
		l.append(columns, fmt.Sprintf(`[%d,"a"]`, i), fmt.Sprintf(`[%d,"b"]`, i+100))
		want = append(want, fmt.Sprintf(`[%d,"a"]`, i), fmt.Sprintf(`[%d,"b"]`, i+100))
	}
	_, err := l.table.Delete(t.Context(), l.where("k = 5"), "")
	l.must(err)
	want = slices.DeleteFunc(want, func(s string) bool { return s == `[5,"a"]` })
	r, err := l.table.Optimize(t.Context(), OptimizeOptions{Where: l.where("p = 'a'")})
	l.must(err)
	if n := len(l.files()); n != 13 || r.AddedFiles != 1 || r.RemovedFiles != 11 {
		t.Errorf("%d files after %+v", n, r)
	}
	l.want(want...)
	if _, err := l.table.Optimize(t.Context(), OptimizeOptions{Where: l.where("k = 1")}); !errors.Is(err, delta.ErrInvalid) {
		t.Errorf("where on a column that is no partition column: %v", err)
	}
	var progress OptimizeProgress
	_, err = l.table.Optimize(t.Context(), OptimizeOptions{Progress: func(p OptimizeProgress) { progress = p }})
	l.must(err)
	if n := len(l.files()); n != 2 || progress.Files != 12 || progress.FilesTotal != 12 {
		t.Errorf("%d files, %+v", n, progress)
	}
	l.want(want...)
	before := len(l.files())
	if r, err = l.table.Optimize(t.Context(), OptimizeOptions{}); err != nil || r.Committed || len(l.files()) != before {
		t.Errorf("optimized again: %+v, %v", r, err)
	}
	_, err = l.table.Delete(t.Context(), l.where("k = 7"), "")
	l.must(err)
	if r, err = l.table.Optimize(t.Context(), OptimizeOptions{Purge: true}); err != nil || r.AddedFiles != 1 {
		t.Errorf("purge: %+v, %v", r, err)
	}
	for _, f := range l.files() {
		if f.DeletionVector != nil {
			t.Errorf("%s has a deletion vector after a purge", f.Path)
		}
	}
	_, err = l.table.Optimize(t.Context(), OptimizeOptions{ZOrderBy: []string{"k"}})
	l.must(err)
	l.want(slices.DeleteFunc(want, func(s string) bool { return s == `[7,"a"]` })...)
}

func TestCompactor(t *testing.T) {
	l := newLake(t)
	const columns = "k int, p string"
	l.create(columns, []string{"p"}, nil)
	c := l.table.NewCompactor(CompactorOptions{Together: 4, IdleCalls: 5})
	var want []string
	for i := range 50 {
		line := fmt.Sprintf(`[%d,"p%d"]`, i, i/40)
		before := map[string]bool{}
		for _, f := range l.files() {
			before[f.Path] = true
		}
		l.append(columns, line)
		want = append(want, line)
		var added []delta.File
		for _, f := range l.files() {
			if !before[f.Path] {
				added = append(added, *f)
			}
		}
		_, err := c.Run(t.Context(), added)
		l.must(err)
		if n := len(l.files()); n > 8 {
			t.Fatalf("%d files after %d appends", n, i+1)
		}
	}
	for range 20 {
		_, err := c.Run(t.Context(), nil)
		l.must(err)
	}
	if n := len(l.files()); n != 2 || len(c.small) > 1 {
		t.Errorf("%d files at the end, %d partitions remembered", n, len(c.small))
	}
	l.want(want...)
}

// TestCompactorSkips has time for one append in four: a partition that gets no more is idle as soon as it would be otherwise.
func TestCompactorSkips(t *testing.T) {
	l := newLake(t)
	const columns = "k int, p string"
	l.create(columns, []string{"p"}, nil)
	c := l.table.NewCompactor(CompactorOptions{Together: 4, IdleCalls: 8})
	_, err := c.Run(t.Context(), nil)
	l.must(err)
	var want []string
	for i := range 3 {
		want = append(want, fmt.Sprintf(`[%d,"over"]`, i))
		l.append(columns, want[i])
	}
	var added []delta.File
	for _, f := range l.files() {
		added = append(added, *f)
	}
	calls := 0
	for ; len(l.files()) > 1 && calls < 100; calls += 4 {
		_, err := c.Run(t.Context(), added)
		l.must(err)
		added = nil
		for range 3 {
			c.Skip()
		}
	}
	if calls != 12 {
		t.Errorf("written together after %d appends, want 12", calls)
	}
	l.want(want...)
}

// TestVectorFiles deletes many rows of several files: their vectors share one object.
func TestVectorFiles(t *testing.T) {
	l := newLake(t)
	l.create("k int, p int", []string{"p"}, map[string]string{"delta.enableDeletionVectors": "true"})
	var lines []string
	for i := range 6000 {
		lines = append(lines, fmt.Sprintf("[%d,%d]", i, i%2))
	}
	l.append("k int, p int", lines...)
	for _, c := range []struct {
		where string
		left  int
	}{{"(k * 7919) % 101 < 40", 3624}, {"k % 3 = 0", 2416}} {
		_, err := l.table.Delete(t.Context(), l.where(c.where), "")
		l.must(err)
		if n := len(l.read()); n != c.left {
			t.Errorf("after %s: %d rows, want %d", c.where, n, c.left)
		}
	}
	objects := map[string]bool{}
	for _, f := range l.files() {
		v := f.DeletionVector
		if v == nil || v.StorageType != "u" || v.Offset == nil || !f.Stats.Loose || f.Stats.NumRecords != 3000 {
			t.Fatalf("%s: vector %+v, statistics %+v", f.Path, v, f.Stats)
		}
		objects[v.PathOrInlineDv] = true
	}
	if len(objects) != 1 {
		t.Errorf("%d objects of vectors", len(objects))
	}
}

// TestRowTracking gives new rows ids behind those that were given out; rows that are written anew keep theirs.
func TestRowTracking(t *testing.T) {
	l := newLake(t)
	l.create("k int", nil, map[string]string{"delta.enableRowTracking": "true", "delta.enableDeletionVectors": "true"})
	l.append("k int", `[1]`, `[2]`, `[3]`)
	l.append("k int", `[4]`, `[5]`)
	_, err := l.table.Delete(t.Context(), l.where("k = 2"), "")
	l.must(err)
	bases := map[int64]int64{}
	for _, f := range l.files() {
		if f.BaseRowID == nil || f.DefaultRowCommitVersion == nil {
			t.Fatalf("%s has no row ids", f.Path)
		}
		bases[*f.BaseRowID] = *f.DefaultRowCommitVersion
	}
	if len(bases) != 2 || bases[0] != 2 || bases[3] != 3 {
		t.Errorf("base row ids and versions %v", bases)
	}
	_, err = l.table.Update(t.Context(), l.set("k", "k + 10"), l.where("k = 1"), "")
	l.must(err)
	_, err = l.table.Optimize(t.Context(), OptimizeOptions{Purge: true})
	l.must(err)
	l.want(`[11]`, `[3]`, `[4]`, `[5]`)
	h := &history{lake: l, model: &model{columns: []modelColumn{{key: "k", name: "k", typ: "int"}}}}
	got := h.readIDs()
	for k, want := range map[int64][2]int64{11: {0, 5}, 3: {2, 2}, 4: {3, 3}, 5: {4, 3}} {
		if got[k] != want {
			t.Errorf("row %d has id and version %v, want %v", k, got[k], want)
		}
	}
}

// meddler is a store that calls do before its n-th put.
type meddler struct {
	objstore.Store
	do func()

	mu   sync.Mutex // guards left; puts of one commit come side by side, and wait for do
	left int
}

func (m *meddler) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	m.mu.Lock()
	if m.left--; m.left == 0 {
		m.do()
	}
	m.mu.Unlock()
	return m.Store.Put(ctx, bucket, key, body, opts)
}

// TestOptimizeBesideAppends appends while files are written together: neither gets in the other's way. A row that is deleted meanwhile stays
// deleted.
func TestOptimizeBesideAppends(t *testing.T) {
	for _, c := range []struct {
		meddle func(l *lake) error
		want   []string
	}{
		{func(l *lake) error {
			_, err := l.table.Append(l.Context(), l.rows("k int", `[9]`), WriteOptions{})
			return err
		}, []string{`[0]`, `[1]`, `[2]`, `[9]`}},
		{func(l *lake) error {
			_, err := l.table.Delete(l.Context(), l.where("k = 1"), "")
			return err
		}, []string{`[0]`, `[2]`}},
	} {
		for put := 1; put <= 2; put++ { // before the file, and before the commit
			l := newLake(t)
			l.create("k int", nil, nil)
			for i := range 3 {
				l.append("k int", fmt.Sprintf("[%d]", i))
			}
			m := &meddler{Store: l.store, left: put, do: func() { l.must(c.meddle(l)) }}
			table, err := Open(t.Context(), Options{Store: m, Location: location, DB: l.db, Staging: l.dir, Now: now})
			l.must(err)
			_, err = table.Optimize(t.Context(), OptimizeOptions{})
			l.must(err)
			l.want(c.want...)
		}
	}
}
