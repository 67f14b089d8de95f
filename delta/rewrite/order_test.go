package rewrite

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weir-data/weir/delta"
)

// TestHilbert walks along the curve through a grid: every step leads to a cell beside the last.
func TestHilbert(t *testing.T) {
	l := newLake(t)
	for _, c := range []struct{ columns, bits int }{{1, 4}, {2, 5}, {3, 3}, {4, 2}, {6, 2}} {
		var cells, names, order []string
		for i := range c.columns {
			cells = append(cells, fmt.Sprintf("(SELECT range AS c%d, range AS weir_z%d FROM range(%d))", i, i, 1<<c.bits))
			names = append(names, fmt.Sprintf("CAST(c%d AS BIGINT)", i))
		}
		query := hilbert("SELECT * FROM "+strings.Join(cells, ", "), c.columns, c.bits)
		order = append(order, interleaved(c.columns, c.bits))
		b, err := l.db.Query(t.Context(), "SELECT "+strings.Join(names, ", ")+" FROM ("+query+") ORDER BY "+order[0])
		l.must(err)
		if b.Len != 1<<(c.columns*c.bits) {
			t.Fatalf("%d cells", b.Len)
		}
		for row := 1; row < b.Len; row++ {
			var step int64
			for _, col := range b.Columns {
				d := col.Int(row) - col.Int(row-1)
				step += max(d, -d)
			}
			if step != 1 {
				t.Fatalf("%d columns of %d bits: step %d is %d long", c.columns, c.bits, row, step)
			}
		}
	}
}

// TestOptimizeClustered optimizes a clustered table: its rows come into the order of its columns once, and small files go together.
func TestOptimizeClustered(t *testing.T) {
	l := newLake(t)
	l.create("x int, s struct<Y:int,z:string>", nil, map[string]string{"delta.columnMapping.mode": "name"})
	l.cluster(`["x"]`, `["s","Y"]`)
	var lines []string
	for i := range 4096 { // the cells of a square, scattered
		at := i * 1597 % 4096
		lines = append(lines, fmt.Sprintf(`[%d,{"Y":%d,"z":"%d"}]`, at%64, at/64, i))
	}
	const columns = "x int, s struct<Y:int,z:string>"
	l.append(columns, lines[:2048]...)
	l.append(columns, lines[2048:]...)
	table, err := Open(t.Context(), Options{Store: l.store, Location: location, DB: l.db, Staging: l.dir, Now: now})
	l.must(err)
	if _, err := table.Optimize(t.Context(), OptimizeOptions{ZOrderBy: []string{"x"}}); err == nil {
		t.Error("a Z-order of a clustered table")
	}
	optimize := func() Result {
		t.Helper()
		r, err := table.Optimize(t.Context(), OptimizeOptions{})
		l.must(err)
		return r
	}
	if r := optimize(); r.RemovedFiles != 2 || r.AddedFiles != 1 || r.Copied != 4096 {
		t.Errorf("%+v", r)
	}
	for _, f := range l.files() {
		if f.ClusteringProvider != clusteringProvider {
			t.Errorf("%s is clustered by %q", f.Path, f.ClusteringProvider)
		}
	}
	if walk := l.walk(); walk > 4300 {
		t.Errorf("%d steps lead from row to row", walk)
	}
	slices.Sort(lines)
	if got := l.read(); !slices.Equal(got, lines) {
		t.Errorf("%d rows", len(got))
	}
	l.append(columns, lines[0])
	for _, removed := range []int{2, 0} {
		if r := optimize(); r.RemovedFiles != removed || r.Committed != (removed > 0) {
			t.Errorf("not %d files were written anew: %+v", removed, r)
		}
	}
}

// walk is how far it is from each row of the newest version to the next, in steps of x and s.Y.
func (l *lake) walk() (steps int64) {
	l.Helper()
	s, err := l.table.table.Snapshot(l.Context())
	l.must(err)
	j := newJob(l.Context(), l.table, s, l.dir)
	files, err := j.candidates(nil)
	l.must(err)
	inputs, err := j.open(files)
	l.must(err)
	query, tables, err := j.target(inputs, nil)
	l.must(err)
	b, err := l.db.Query(l.Context(), `SELECT CAST(x AS BIGINT), CAST(struct_extract(s, 'Y') AS BIGINT) FROM (`+query+`) ORDER BY weir_file, weir_row`, tables...)
	l.must(err)
	for row := 1; row < b.Len; row++ {
		for _, c := range b.Columns {
			d := c.Int(row) - c.Int(row-1)
			steps += max(d, -d)
		}
	}
	return steps
}

// cluster makes the table a clustered one; columns are lists of logical names.
func (l *lake) cluster(columns ...string) {
	l.Helper()
	s, err := l.table.table.Snapshot(l.Context())
	l.must(err)
	tx := l.table.table.Begin(s)
	tx.SetDomain(delta.DomainMetadata{Domain: "delta.clustering", Configuration: `{"clusteringColumns":[` + strings.Join(columns, ",") + `]}`})
	_, err = tx.Commit(l.Context())
	l.must(err)
}
