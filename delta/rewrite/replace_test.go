package rewrite

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/delta"
)

// rowsInFile is rows as a Parquet file with its statistics.
func (l *lake) rowsInFile(columns string, lines ...string) Rows {
	l.Helper()
	rows := l.rows(columns, lines...)
	dir, err := os.MkdirTemp(l.dir, "source-")
	l.must(err)
	files, err := l.db.Copy(l.Context(), "SELECT * FROM rows", duckdb.CopyOptions{Dir: dir, Columns: rows.Schema},
		duckdb.Table{Name: "rows", Schema: rows.Schema, Rows: rows.Rows})
	l.must(err)
	out := Rows{Schema: rows.Schema}
	for _, f := range files {
		out.Files = append(out.Files, f.Path)
		out.Stats = append(out.Stats, &delta.Stats{NumRecords: f.Rows, Min: f.Min, Max: f.Max, NullCount: f.Null})
	}
	return out
}

// copies counts the copies that a DB makes.
type copies struct {
	*duckdb.DB
	n int
}

func (c *copies) Copy(ctx context.Context, sql string, opts duckdb.CopyOptions, tables ...duckdb.Table) ([]duckdb.CopiedFile, error) {
	c.n++
	return c.DB.Copy(ctx, sql, opts, tables...)
}

// TestUpsertFiles replaces rows by those of files, which become data files where the table lets them.
func TestUpsertFiles(t *testing.T) {
	const columns = "k int, g string, v double"
	for _, c := range []struct {
		name    string
		columns string
		by      []string
		props   map[string]string
		source  string
		adopted bool
	}{
		{"plain", columns, nil, nil, columns, true},
		{"vectors", columns, nil, map[string]string{"delta.enableDeletionVectors": "true"}, columns, true},
		{"another order", columns, nil, nil, "g string, v double, k int", true},
		{"partitioned", columns, []string{"g"}, nil, columns, false},
		{"other types", "k bigint, g string, v double", nil, nil, columns, false},
		{"mapped", columns, nil, map[string]string{"delta.columnMapping.mode": "name"}, columns, false},
		{"constraint", columns, nil, map[string]string{"delta.constraints.c": "v >= 0"}, columns, false},
		{"changes", columns, nil, map[string]string{"delta.enableChangeDataFeed": "true"}, columns, false},
		{"tracked", columns, nil, map[string]string{"delta.enableRowTracking": "true"}, columns, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLake(t)
			l.create(c.columns, c.by, c.props)
			line := func(k int, g string, v float64) string {
				if c.source == columns {
					return fmt.Sprintf(`[%d,"%s",%v]`, k, g, v)
				}
				return fmt.Sprintf(`["%s",%v,%d]`, g, v, k)
			}
			upsert := func(rows Rows) Result {
				r, err := l.table.Upsert(t.Context(), rows, []Key{{Name: "k"}}, WriteOptions{})
				l.must(err)
				return r
			}
			db := &copies{DB: l.db}
			l.table.opts.DB = db
			upsert(l.rowsInFile(c.source, line(1, "a", 1.5), line(2, "b", 2.5), line(3, "c", 3.5)))
			if adopted := db.n == 0; adopted != c.adopted {
				t.Errorf("adopted %v", adopted)
			}
			r := upsert(l.rowsInFile(c.source, line(2, "x", 7.25), line(4, "d", 4.25)))
			if r.Updated != 1 || r.Inserted != 1 {
				t.Errorf("%+v", r)
			}
			l.want(`[1,"a",1.5]`, `[2,"x",7.25]`, `[3,"c",3.5]`, `[4,"d",4.25]`)
			if r = upsert(l.rowsInFile(c.source, line(1, "a", 0), line(2, "a", 0), line(3, "a", 0), line(4, "a", 0))); r.Updated != 4 || r.Inserted != 0 {
				t.Errorf("all: %+v", r)
			}
			l.want(`[1,"a",0]`, `[2,"a",0]`, `[3,"a",0]`, `[4,"a",0]`)
			if n := len(l.files()); n != 1 {
				t.Errorf("%d files", n)
			}
		})
	}
}

// TestUpsertConflict has another writer change rows while an upsert of files is under way: it begins again, with the same files.
func TestUpsertConflict(t *testing.T) {
	each(t, nil, func(t *testing.T, props map[string]string) {
		l := newLake(t)
		const columns = "k int, v string"
		l.create(columns, nil, props)
		l.append(columns, `[1,"a"]`, `[2,"a"]`, `[3,"a"]`)
		other, err := Open(t.Context(), Options{Store: l.store, Location: location, DB: l.db, Staging: l.dir, Now: now})
		l.must(err)
		m := &meddler{Store: l.store, left: 2, do: func() {
			_, err := other.Update(t.Context(), l.set("v", "'b'"), l.where("k = 2"), "")
			l.must(err)
		}}
		table, err := Open(t.Context(), Options{Store: m, Location: location, DB: l.db, Staging: l.dir, Now: now})
		l.must(err)
		_, err = table.Upsert(t.Context(), l.rowsInFile(columns, `[1,"c"]`, `[4,"c"]`), []Key{{Name: "k"}}, WriteOptions{})
		l.must(err)
		l.want(`[1,"c"]`, `[2,"b"]`, `[3,"a"]`, `[4,"c"]`)
	})
}

// TestCompactorVectors replaces a few rows in each batch: files whose rows have gone for the most part are written anew, and no more.
func TestCompactorVectors(t *testing.T) {
	l := newLake(t)
	const columns, rows = "k int, v int", 100
	l.create(columns, nil, map[string]string{"delta.enableDeletionVectors": "true"})
	var lines, want []string
	for k := range rows {
		lines = append(lines, fmt.Sprintf("[%d,0]", k))
	}
	l.append(columns, lines...)
	var copied int64
	for n := range 40 {
		var some []string
		for i := range 10 {
			some = append(some, fmt.Sprintf("[%d,%d]", (n*10+i)%rows, n))
		}
		_, err := l.table.Upsert(t.Context(), l.rows(columns, some...), []Key{{Name: "k"}}, WriteOptions{})
		l.must(err)
		r, err := l.table.NewCompactor(CompactorOptions{Together: 4}).Run(t.Context(), nil)
		l.must(err)
		copied += r.Copied
		var all int64
		for _, f := range l.files() {
			all += f.Stats.NumRecords
		}
		if files := len(l.files()); files > 8 || all > 3*rows {
			t.Fatalf("batch %d: %d files of %d rows", n, files, all)
		}
	}
	if copied == 0 || copied > 40*rows/2 {
		t.Errorf("%d rows were written again", copied)
	}
	for k := range rows {
		want = append(want, fmt.Sprintf("[%d,%d]", k, 30+k/10))
	}
	l.want(want...)
}
