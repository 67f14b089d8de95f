package rewrite

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

var (
	seedFlag      = flag.Uint64("seed", 0, "the first seed of random histories; 0: the clock")
	historiesFlag = flag.Int("histories", 6, "how many random histories to run")
)

// modelRow is a row of the model: k is unique, v and p may be null, w is only there after the schema grew.
type modelRow struct {
	k    int
	v, p *int
	w    *int
}

func (r modelRow) text(wide bool) string {
	n := func(x *int) any {
		if x == nil {
			return nil
		}
		return *x
	}
	if wide {
		return line(r.k, n(r.v), n(r.p), n(r.w))
	}
	return line(r.k, n(r.v), n(r.p))
}

// history is a random run of operations on a table and on the model of it.
type history struct {
	*lake
	rng      *rand.Rand
	rows     map[int]modelRow
	versions map[int64][]string // what was read after each version
	wide     bool
	next     int
	cdf      bool
}

// TestRandomHistories runs seeded histories of all operations against a model in memory. After each step the rows must be the model's, after
// each history those of every older version too, and the changes between two versions must lead from one to the other.
func TestRandomHistories(t *testing.T) {
	first := *seedFlag
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	for i := range *historiesFlag {
		seed := first + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			runHistory(t, seed, 12)
		})
	}
}

func runHistory(t *testing.T, seed uint64, steps int) {
	h := &history{lake: newLake(t), rng: rand.New(rand.NewPCG(seed, 1)), rows: map[int]modelRow{}, versions: map[int64][]string{}}
	props := map[string]string{"delta.checkpointInterval": fmt.Sprint(1 + h.rng.IntN(6))}
	flip := func(name string) bool {
		on := h.rng.IntN(2) == 0
		props[name] = fmt.Sprint(on)
		return on
	}
	flip("delta.enableDeletionVectors")
	h.cdf = flip("delta.enableChangeDataFeed")
	if h.rng.IntN(3) == 0 {
		props["delta.columnMapping.mode"] = "name"
	}
	var by []string
	if h.rng.IntN(2) == 0 {
		by = []string{"p"}
	}
	h.create("k int, v int, p int", by, props)
	h.table.opts.FileBytes = 2000 // so that there are files that are large enough
	for step := range steps {
		op := h.step()
		if h.Failed() {
			t.Fatalf("step %d: %s", step, op)
		}
		h.compare(step, op)
	}
	h.compareVersions()
}

// someRows are new rows, in the model and as lines; the caller appends them.
func (h *history) someRows(n int) (lines []string, made []modelRow) {
	for range n {
		h.next++
		r := modelRow{k: h.next, v: h.value(20), p: h.value(3)}
		if h.wide {
			r.w = h.value(5)
		}
		made = append(made, r)
		lines = append(lines, r.text(h.wide))
	}
	return lines, made
}

func (h *history) value(n int) *int {
	if h.rng.IntN(6) == 0 {
		return nil
	}
	v := h.rng.IntN(n)
	return &v
}

func (h *history) columns() string {
	if h.wide {
		return "k int, v int, p int, w int"
	}
	return "k int, v int, p int"
}

// predicate is a condition and what the model makes of it.
func (h *history) predicate() (string, func(modelRow) bool) {
	is := func(x *int, ok func(int) bool) bool { return x != nil && ok(*x) }
	n := h.rng.IntN(20)
	switch h.rng.IntN(5) {
	case 0:
		return fmt.Sprintf("p = %d", n%3), func(r modelRow) bool { return is(r.p, func(v int) bool { return v == n%3 }) }
	case 1:
		return "p IS NULL", func(r modelRow) bool { return r.p == nil }
	case 2:
		return fmt.Sprintf("v < %d", n), func(r modelRow) bool { return is(r.v, func(v int) bool { return v < n }) }
	case 3:
		return fmt.Sprintf("k %% 3 = %d AND (p <> 1 OR v > 5)", n%3), func(r modelRow) bool {
			return r.k%3 == n%3 && (is(r.p, func(v int) bool { return v != 1 }) || is(r.v, func(v int) bool { return v > 5 }))
		}
	}
	k := h.rng.IntN(h.next + 1)
	return fmt.Sprintf("k = %d", k), func(r modelRow) bool { return r.k == k }
}

func (h *history) step() string {
	switch h.rng.IntN(10) {
	case 0, 1, 2:
		return h.appendSome()
	case 3:
		return h.overwriteSome()
	case 4, 5:
		text, selects := h.predicate()
		_, err := h.table.Delete(h.Context(), h.where(text), "")
		h.must(err)
		for k, r := range h.rows {
			if selects(r) {
				delete(h.rows, k)
			}
		}
		return "delete " + text
	case 6, 7:
		return h.updateSome()
	case 8:
		return h.mergeSome()
	}
	if !h.wide && h.rng.IntN(2) == 0 {
		h.wide = true
		return h.appendSome()
	}
	opts := OptimizeOptions{Purge: h.rng.IntN(2) == 0}
	if h.rng.IntN(3) == 0 {
		opts.ZOrderBy = []string{"k", "v"}
	}
	_, err := h.table.Optimize(h.Context(), opts)
	h.must(err)
	return fmt.Sprintf("optimize %+v", opts)
}

func (h *history) appendSome() string {
	lines, made := h.someRows(1 + h.rng.IntN(30))
	_, err := h.table.Append(h.Context(), h.lake.rows(h.columns(), lines...), WriteOptions{MergeSchema: h.wide})
	h.must(err)
	for _, r := range made {
		h.rows[r.k] = r
	}
	return fmt.Sprintf("append %d rows, wide %v", len(lines), h.wide)
}

func (h *history) overwriteSome() string {
	lines, made := h.someRows(1 + h.rng.IntN(5))
	opts := WriteOptions{MergeSchema: h.wide}
	text, selects := "everything", func(modelRow) bool { return true }
	if h.rng.IntN(3) > 0 {
		text, selects = h.predicate()
		opts.Where = h.where(text)
		kept := made[:0]
		lines = nil
		for _, r := range made {
			if selects(r) {
				kept = append(kept, r)
				lines = append(lines, r.text(h.wide))
			}
		}
		made = kept
	}
	_, err := h.table.Overwrite(h.Context(), h.lake.rows(h.columns(), lines...), opts)
	h.must(err)
	for k, r := range h.rows {
		if selects(r) {
			delete(h.rows, k)
		}
	}
	for _, r := range made {
		h.rows[r.k] = r
	}
	return fmt.Sprintf("overwrite %s with %d rows", text, len(made))
}

func (h *history) updateSome() string {
	text, selects := h.predicate()
	set := h.set("v", "v + 1")
	if h.rng.IntN(3) == 0 {
		set = h.set("v", "v + 1", "p", "k % 3")
	}
	_, err := h.table.Update(h.Context(), set, h.where(text), "")
	h.must(err)
	for k, r := range h.rows {
		if !selects(r) {
			continue
		}
		if r.v != nil {
			v := *r.v + 1
			r.v = &v
		}
		if len(set) > 1 {
			p := r.k % 3
			r.p = &p
		}
		h.rows[k] = r
	}
	return fmt.Sprintf("update %d columns where %s", len(set), text)
}

func (h *history) mergeSome() string {
	lines, source := h.someRows(h.rng.IntN(4))
	for k := range h.rows {
		if len(source) > 6 {
			break
		}
		if h.rng.IntN(3) == 0 {
			r := modelRow{k: k, v: h.value(20), p: h.value(3)}
			source, lines = append(source, r), append(lines, r.text(h.wide))
		}
	}
	orphans := h.rng.IntN(3) == 0
	clauses := []MergeClause{
		{Match: Matched, And: h.expr("s.v > 10"), Delete: true},
		{Match: Matched, Set: h.set("v", "s.v", "p", "s.p")},
		{Match: NotMatched, And: h.expr("s.k % 2 = 0"), All: true},
	}
	if orphans {
		clauses = append(clauses, MergeClause{Match: NotMatchedBySource, And: h.expr("t.v = 3"), Set: h.set("v", "4")})
	}
	_, err := h.table.Merge(h.Context(), h.lake.rows(h.columns(), lines...), MergeOptions{Target: "t", Source: "s", On: h.where("t.k = s.k"), Clauses: clauses, MergeSchema: h.wide})
	h.must(err)
	touched := map[int]bool{}
	for _, s := range source {
		touched[s.k] = true
		r, ok := h.rows[s.k]
		switch {
		case ok && s.v != nil && *s.v > 10:
			delete(h.rows, s.k)
		case ok:
			r.v, r.p = s.v, s.p
			h.rows[s.k] = r
		case s.k%2 == 0:
			h.rows[s.k] = s
		}
	}
	for k, r := range h.rows {
		if orphans && !touched[k] && r.v != nil && *r.v == 3 {
			four := 4
			r.v = &four
			h.rows[k] = r
		}
	}
	return fmt.Sprintf("merge %v, orphans %v", lines, orphans)
}

// model are the rows that the table must have.
func (h *history) model(wide bool) []string {
	var out []string
	for _, r := range h.rows {
		out = append(out, r.text(wide))
	}
	slices.Sort(out)
	return out
}

func (h *history) compare(step int, op string) {
	h.Helper()
	s, err := h.table.table.Snapshot(h.Context())
	h.must(err)
	wide := s.Schema().Index("w") >= 0
	h.wide = wide // a step that wanted to add the column may have had no rows
	got, want := h.readAt(s), h.model(wide)
	if !slices.Equal(got, want) {
		h.Fatalf("step %d, %s: version %d has\n%s\nwant\n%s", step, op, s.Version(), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	h.versions[s.Version()] = got
	for f, err := range s.Files(nil) {
		h.must(err)
		if f.Stats == nil || live(f) <= 0 {
			h.Errorf("step %d, %s: file %s without rows or statistics", step, op, f.Path)
		}
	}
}

// compareVersions reads all versions again, and the changes between them.
func (h *history) compareVersions() {
	h.Helper()
	var last int64
	for version, want := range h.versions {
		s, err := h.table.table.SnapshotAt(h.Context(), version)
		h.must(err)
		if got := h.readAt(s); !slices.Equal(got, want) {
			h.Errorf("version %d, read later, has\n%s\nwant\n%s", version, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		last = max(last, version)
	}
	if !h.cdf || last < 2 {
		return
	}
	counts := map[string]int{}
	for b, err := range h.table.Changes(h.Context(), 2, last) {
		h.must(err)
		kinds := b.Columns[len(b.Columns)-3]
		b.Columns = b.Columns[:len(b.Columns)-3]
		for i := range b.Len {
			var values []any
			for _, c := range b.Columns {
				values = append(values, c.Value(i))
			}
			switch string(kinds.Bytes(i)) {
			case "insert", "update_postimage":
				counts[line(values...)]++
			default:
				counts[line(values...)]--
			}
		}
	}
	var got []string
	for row, n := range counts {
		for range n {
			got = append(got, row)
		}
		if n < 0 {
			h.Errorf("changes delete %s %d times more than it was there", row, -n)
		}
	}
	slices.Sort(got)
	if want := h.versions[last]; !slices.Equal(got, want) {
		h.Errorf("changes lead to\n%s\nthe table has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

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
