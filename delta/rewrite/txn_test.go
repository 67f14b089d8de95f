package rewrite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// TestTxn repeats versions of an application: each takes place once, also one that changes no row and one whose commit the
// writer never heard of.
func TestTxn(t *testing.T) {
	l := newLake(t)
	const columns = "k int, v string"
	l.create(columns, nil, map[string]string{"delta.checkpointInterval": "1"})
	merge := func(table *Table, version int64, lines ...string) error {
		_, err := table.Merge(t.Context(), l.rows(columns, lines...), MergeOptions{Target: "t", Source: "s", On: l.where("t.k = s.k"),
			Clauses: []MergeClause{{Match: Matched, Set: l.set("v", "t.v || s.v")}, {Match: NotMatched, All: true}},
			AppID:   "pipeline", AppVersion: version})
		return err
	}
	l.must(merge(l.table, 1, `[1,"a"]`))
	l.must(merge(l.table, 2, `[1,"b"]`, `[2,"c"]`))
	l.must(merge(l.table, 3)) // nothing to do
	for version := range int64(4) {
		if err := merge(l.table, version, `[1,"x"]`, `[3,"x"]`); !errors.Is(err, delta.ErrReplayed) {
			t.Errorf("version %d again: %v", version, err)
		}
	}
	l.want(`[1,"ab"]`, `[2,"c"]`)

	// The puts of a merge: its data file, then the commit.
	f := newFaulty(l.store, 2, true)
	table, err := Open(t.Context(), Options{Store: f, Location: location, DB: l.db, Staging: l.dir, Now: now})
	l.must(err)
	if err := merge(table, 4, `[2,"d"]`); !errors.Is(err, delta.ErrUnresolved) {
		t.Fatalf("a commit that nobody can tell about: %v", err)
	}
	l.open()
	if err := merge(l.table, 4, `[2,"d"]`); !errors.Is(err, delta.ErrReplayed) {
		t.Errorf("version 4, which was committed, again: %v", err)
	}
	l.must(merge(l.table, 5, `[2,"e"]`))
	l.want(`[1,"ab"]`, `[2,"cde"]`)
}

// TestTxnRace has another writer of the same application commit first.
func TestTxnRace(t *testing.T) {
	l := newLake(t)
	l.create("k int", nil, nil)
	merge := func(table *Table, version int64, line string) error {
		_, err := table.Merge(t.Context(), l.rows("k int", line), MergeOptions{Target: "t", Source: "s", On: l.where("t.k = s.k"),
			Clauses: []MergeClause{{Match: NotMatched, All: true}}, AppID: "pipeline", AppVersion: version})
		return err
	}
	m := &meddler{Store: l.store, left: 2, do: func() { l.must(merge(l.table, 7, `[7]`)) }}
	table, err := Open(t.Context(), Options{Store: m, Location: location, DB: l.db, Staging: l.dir, Now: now})
	l.must(err)
	if err := merge(table, 7, `[8]`); !errors.Is(err, delta.ErrReplayed) {
		t.Errorf("the slower one of two: %v", err)
	}
	l.want(`[7]`)
}

// TestUpsert replaces rows by their keys, one of which is sometimes null.
func TestUpsert(t *testing.T) {
	l := newLake(t)
	const columns = "k int, g string, v string"
	l.create(columns, nil, nil)
	upsert := func(version int64, null bool, lines ...string) error {
		_, err := l.table.Upsert(t.Context(), l.rows(columns, lines...), []Key{{Name: "k"}, {Name: "g", MayBeNull: null}},
			WriteOptions{AppID: "pipeline", AppVersion: version})
		return err
	}
	l.must(upsert(0, true, `[1,"a","x"]`, `[1,null,"x"]`))
	l.must(upsert(1, true, `[1,null,"y"]`, `[2,null,"y"]`))
	l.must(upsert(2, false, `[1,"a","z"]`, `[2,"b","z"]`))
	if err := upsert(2, false, `[1,"a","again"]`); !errors.Is(err, delta.ErrReplayed) {
		t.Errorf("again: %v", err)
	}
	if err := upsert(3, false, `[1,"a","p"]`, `[1,"a","q"]`); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("two rows of one key: %v", err)
	}
	if _, err := l.table.Upsert(t.Context(), l.rows(columns, `[1,"a","p"]`), nil, WriteOptions{}); !errors.Is(err, delta.ErrInvalid) {
		t.Errorf("no keys: %v", err)
	}
	l.want(`[1,"a","z"]`, `[1,null,"y"]`, `[2,"b","z"]`, `[2,null,"y"]`)
}

// TestUpsertMany joins by hash: of many rows it would take minutes to compare each with each.
func TestUpsertMany(t *testing.T) {
	const rows = 2000
	l := newLake(t)
	many := func(v int64) Rows {
		schema := schemaOf(l, "k bigint, v bigint")
		b := columnar.NewBuilder(schema)
		for i := range int64(rows) {
			l.must(b.Append(i, v))
		}
		return Rows{Schema: schema, Rows: []*columnar.Batch{b.Batch()}}
	}
	l.create("k bigint, v bigint", nil, nil)
	_, err := l.table.Append(t.Context(), many(1), WriteOptions{})
	l.must(err)
	for _, key := range []Key{{Name: "k"}, {Name: "k", MayBeNull: true}} {
		db := &explaining{DB: l.db}
		table, err := Open(t.Context(), Options{Store: l.store, Location: location, DB: db, Staging: l.dir, Now: now})
		l.must(err)
		r, err := table.Upsert(t.Context(), many(2), []Key{key}, WriteOptions{})
		l.must(err)
		if r.Updated != rows || r.Inserted != 0 {
			t.Errorf("%+v", r)
		}
		if byHash, eachWithEach := db.joins(); byHash == 0 || eachWithEach > 0 {
			t.Errorf("key %+v: %d joins by hash, %d of each row with each:\n%s", key, byHash, eachWithEach, strings.Join(db.plans, "\n"))
		}
	}
}

// TestUpsertApart changes a row in each of two files, which must not become one that the next upsert has to write anew as a whole.
func TestUpsertApart(t *testing.T) {
	l := newLake(t)
	const columns, rows = "k bigint, v string", 2000
	l.create(columns, nil, nil)
	opts := l.table.opts
	l.table.opts.FileBytes = 64 << 10
	defer func() { l.table.opts = opts }()
	for file := range 2 {
		var lines []string
		for i := range rows {
			lines = append(lines, fmt.Sprintf(`[%d,"%x"]`, file*rows+i, (file*rows+i)*2654435761))
		}
		l.append(columns, lines...)
	}
	_, err := l.table.Upsert(t.Context(), l.rows(columns, `[5,"x"]`, fmt.Sprintf(`[%d,"y"]`, rows+5)), []Key{{Name: "k"}}, WriteOptions{})
	l.must(err)
	if files := l.files(); len(files) != 3 { // with that of the new rows
		t.Errorf("%d files", len(files))
	}
}

// shortDB has too little memory for copies that several threads run.
type shortDB struct {
	*duckdb.DB
	serial int
}

func (d *shortDB) Copy(ctx context.Context, sql string, opts duckdb.CopyOptions, tables ...duckdb.Table) ([]duckdb.CopiedFile, error) {
	if opts.Serial {
		d.serial++
		return d.DB.Copy(ctx, sql, opts, tables...)
	}
	return nil, errors.Join(duckdb.ErrMemory, os.WriteFile(filepath.Join(opts.Dir, "half.parquet"), []byte("PAR1"), 0o644))
}

// TestUpsertShortOfMemory is run by one thread where several hold too much.
func TestUpsertShortOfMemory(t *testing.T) {
	l := newLake(t)
	const columns = "k int, v string"
	l.create(columns, nil, nil)
	db := &shortDB{DB: l.db}
	table, err := Open(t.Context(), Options{Store: l.store, Location: location, DB: db, Staging: l.dir, Now: now})
	l.must(err)
	for n, lines := range [][]string{{`[1,"a"]`, `[2,"a"]`}, {`[2,"b"]`, `[3,"b"]`}} {
		_, err := table.Upsert(t.Context(), l.rows(columns, lines...), []Key{{Name: "k"}}, WriteOptions{AppID: "p", AppVersion: int64(n)})
		l.must(err)
	}
	l.want(`[1,"a"]`, `[2,"b"]`, `[3,"b"]`)
	if db.serial == 0 {
		t.Error("no copy was run by one thread")
	}
}
