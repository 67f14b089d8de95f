package rewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// faulty is a store whose n-th put fails, before or after it took place. Files are put side by side.
type faulty struct {
	objstore.Store
	left  atomic.Int64
	after bool
}

func newFaulty(s objstore.Store, n int, after bool) *faulty {
	f := &faulty{Store: s, after: after}
	f.left.Store(int64(n))
	return f
}

var errFault = errors.New("power is gone")

func (f *faulty) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	left := f.left.Add(-1)
	if left == 0 && f.after {
		if _, err := f.Store.Put(ctx, bucket, key, body, opts); err != nil {
			return objstore.Info{}, err
		}
	}
	if left <= 0 {
		return objstore.Info{}, errFault
	}
	return f.Store.Put(ctx, bucket, key, body, opts)
}

func (f *faulty) Get(ctx context.Context, bucket, key string, r *objstore.Range) (io.ReadCloser, objstore.Info, error) {
	if f.left.Load() <= 0 {
		return nil, objstore.Info{}, errFault
	}
	return f.Store.Get(ctx, bucket, key, r)
}

// TestCrashAtEveryPut stops an operation at each object that it puts: the table is then as before or as after, whole.
func TestCrashAtEveryPut(t *testing.T) {
	const columns = "k int, v string, p int"
	operations := map[string]func(l *lake, table *Table) error{
		"update": func(l *lake, table *Table) error {
			_, err := table.Update(t.Context(), l.set("v", "'x'", "p", "3"), l.where("k % 2 = 0"), "")
			return err
		},
		"merge": func(l *lake, table *Table) error {
			_, err := table.Merge(t.Context(), l.rows(columns, `[1,"m",1]`, `[50,"n",2]`), MergeOptions{Target: "t", Source: "s", On: l.where("t.k = s.k"),
				Clauses: []MergeClause{{Match: Matched, All: true}, {Match: NotMatched, All: true}}})
			return err
		},
		"optimize": func(l *lake, table *Table) error {
			_, err := table.Optimize(t.Context(), OptimizeOptions{Purge: true})
			return err
		},
		"overwrite": func(l *lake, table *Table) error {
			_, err := table.Overwrite(t.Context(), l.rows(columns, `[7,"o",1]`), WriteOptions{Where: l.where("k = 7")})
			return err
		},
	}
	for name, run := range operations {
		t.Run(name, func(t *testing.T) {
			each(t, map[string]string{"delta.enableChangeDataFeed": "true", "delta.checkpointInterval": "1"}, func(t *testing.T, props map[string]string) {
				if name == "overwrite" && props["delta.enableDeletionVectors"] == "false" || name == "optimize" && props["delta.enableDeletionVectors"] == "true" {
					return // the other one goes the same way
				}
				l := newLake(t)
				l.create(columns, []string{"p"}, props)
				for i := range 2 {
					l.append(columns, fmt.Sprintf(`[%d,"a",1]`, 2*i), fmt.Sprintf(`[%d,"b",2]`, 2*i+1))
				}
				crashEverywhere(t, l, run)
			})
		})
	}
}

func crashEverywhere(t *testing.T, l *lake, run func(*lake, *Table) error) {
	t.Helper()
	original := l.store
	before := l.read()
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			l.store = copyStore(t, original)
			f := newFaulty(l.store, n, after)
			table, err := Open(t.Context(), Options{Store: f, Location: location, DB: l.db, Staging: l.dir, Now: now})
			if errors.Is(err, errFault) {
				continue
			}
			l.must(err)
			err = run(l, table)
			l.open()
			got := l.read()
			if err == nil && f.left.Load() > 0 {
				return // it did not come to the fault
			}
			if err != nil && !slices.Equal(got, before) {
				// The commit may have taken place all the same: then the table is as after the operation.
				l.store = copyStore(t, original)
				l.open()
				l.must(run(l, l.table))
				if whole := l.read(); !slices.Equal(got, whole) {
					t.Fatalf("stopped at put %d: the table has\n%s\nneither\n%s\nnor\n%s", n, strings.Join(got, "\n"), strings.Join(before, "\n"), strings.Join(whole, "\n"))
				}
			}
		}
	}
}

// copyStore is a store with the same objects.
func copyStore(t *testing.T, s objstore.Store) objstore.Store {
	t.Helper()
	out := newStore(t)
	after := ""
	for {
		page, err := s.List(t.Context(), "lake", objstore.ListOptions{After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			r, _, err := s.Get(t.Context(), "lake", o.Key, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r)
			r.Close()
			if err == nil {
				_, err = out.Put(t.Context(), "lake", o.Key, bytes.NewReader(body), objstore.PutOptions{})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if after = page.Next; after == "" {
			return out
		}
	}
}

// TestWritersAtTheSameTime has several handles change a table: no change is lost, and conflicts are started again.
func TestWritersAtTheSameTime(t *testing.T) {
	l := newLake(t)
	l.create("k int, n int", nil, nil)
	l.append("k int, n int", `[0,0]`)
	const writers, each = 3, 6
	errs := make(chan error, writers+1)
	for w := range writers {
		table, err := Open(t.Context(), Options{Store: l.store, Location: location, DB: l.db, Staging: l.dir, Now: now})
		l.must(err)
		set, where := l.set("n", "n + 1"), l.where("k = 0")
		go func() {
			var err error
			for i := 0; i < each && err == nil; i++ {
				_, err = table.Update(t.Context(), set, where, "")
				if errors.Is(err, delta.ErrConflict) {
					i, err = i-1, nil
				}
			}
			errs <- err
			_ = w
		}()
	}
	go func() {
		var err error
		for range each {
			_, err = l.table.Optimize(t.Context(), OptimizeOptions{})
		}
		errs <- err
	}()
	for range writers + 1 {
		l.must(<-errs)
	}
	l.want(fmt.Sprintf("[0,%d]", writers*each))
}
