package rewrite

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
)

var (
	seedFlag      = flag.Uint64("seed", 0, "the first seed of random histories; 0: the clock")
	historiesFlag = flag.Int("histories", 12, "how many random histories to run")
)

// history is a random run of operations on a table and on the model of it.
type history struct {
	*lake
	rng      *rand.Rand
	model    *model
	versions map[int64]*model // that can be read
	version  int64            // the newest
	next     int64            // the k that comes next
	highest  int64            // of the identity column
	clock    time.Time
	done     []string // what was done, for failures

	ids     map[int64]int64    // of rows, by k, in tables that track them: they never change
	tracked map[int64][2]int64 // id and version of the rows that are there
}

// TestRandomHistories runs seeded histories of all operations against a model in memory. After each step the rows must be the model's, and the changes
// of the step's version lead from the rows before to them; after each history rows of older versions are read again, and the checker
// finds the table in order.
func TestRandomHistories(t *testing.T) {
	first := *seedFlag
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	shared := newLake(t)
	for i := range *historiesFlag {
		seed := first + uint64(i)
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			h := newHistory(t, shared.db, shared.dir, seed)
			for range 14 {
				h.step()
			}
			h.end()
		}) && *historiesFlag > 100 {
			t.Fatalf("after %d histories", i)
		}
	}
}

func newHistory(t *testing.T, db *duckdb.DB, dir string, seed uint64) *history {
	h := &history{rng: rand.New(rand.NewPCG(seed, 1)), versions: map[int64]*model{}, highest: idStart - idStep, clock: now(), ids: map[int64]int64{}}
	store := mem.New(h.now)
	h.lake = &lake{TB: t, store: store, db: db, dir: dir}
	h.must(store.CreateBucket(t.Context(), "lake"))
	m := &model{rows: map[int64]modelRow{}, props: map[string]string{
		"delta.checkpointInterval": fmt.Sprint(1 + h.rng.IntN(6)), "delta.enableTypeWidening": "true",
	}}
	h.model = m
	for _, name := range []string{"delta.enableDeletionVectors", "delta.enableChangeDataFeed", "delta.enableRowTracking"} {
		m.props[name] = fmt.Sprint(h.chance(2))
	}
	if h.chance(2) {
		m.props["delta.columnMapping.mode"] = []string{"name", "id"}[h.rng.IntN(2)]
	}
	m.columns = []modelColumn{{key: "k", typ: "int"}, {key: "v", typ: "int"}, {key: "p", typ: []string{"int", "string"}[h.rng.IntN(2)]}}
	for _, c := range []modelColumn{{key: "g", typ: "int", generated: true}, {key: "id", typ: "bigint", identity: true}, {key: "s", typ: "struct<a:int,b:string>"}, {key: "l", typ: "array<struct<x:int,y:string>>"}} {
		if h.chance(3) {
			m.columns = append(m.columns, c)
		}
	}
	for i := range m.columns {
		m.columns[i].name = m.columns[i].key
	}
	if h.chance(2) {
		m.by = []string{"p"}
		if m.column("g") != nil && h.chance(2) {
			m.by = []string{"g", "p"}[:1+h.rng.IntN(2)]
		}
	}
	_, err := delta.Create(t.Context(), delta.InBucket(store, "lake", "t"), delta.CreateOptions{Schema: &columnar.Schema{Fields: bare(m.schema().Fields)}, PartitionBy: m.by, Now: h.now})
	h.must(err)
	h.open()
	_, err = h.table.Alter(t.Context(), Alteration{Schema: m.schema(), Properties: m.props})
	h.must(err)
	h.remember()
	return h
}

func (h *history) now() time.Time { return h.clock }

func (h *history) chance(of int) bool { return h.rng.IntN(of) == 0 }

// open takes a new handle on the table.
func (h *history) open() {
	h.Helper()
	var err error
	h.table, err = Open(h.Context(), Options{Store: h.store, Location: location, DB: h.db, Staging: h.dir, Now: h.now, FileBytes: 2500})
	h.must(err)
	h.table.chunkFiles = 1 + h.rng.IntN(3)
}

func (h *history) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatalf("%v\nafter\n%s\nmodel: %v", err, strings.Join(h.done, "\n"), h.model)
	}
}

func (h *history) fail(format string, args ...any) {
	h.Helper()
	h.Fatalf(format+"\nafter\n%s\nmodel: %v", append(args, strings.Join(h.done, "\n"), h.model)...)
}

func (h *history) step() {
	h.clock = h.clock.Add(time.Minute)
	before := h.model.clone()
	all := []func(){
		h.appendSome, h.appendSome, h.appendSome, h.overwriteSome, h.deleteSome, h.deleteSome, h.updateSome, h.updateSome, h.mergeSome, h.mergeSome,
		h.violate, h.alter, h.alter, h.optimize, h.optimize, h.vacuum, h.restore, h.reopen,
	}
	all[h.rng.IntN(len(all))]()
	h.compare(before)
}

func (h *history) did(format string, args ...any) {
	h.done = append(h.done, fmt.Sprintf("%d: ", h.version)+fmt.Sprintf(format, args...))
}

// snapshot is the newest version.
func (h *history) snapshot() *delta.Snapshot {
	h.Helper()
	s, err := h.table.table.Snapshot(h.Context())
	h.must(err)
	return s
}

// remember notes that the table's newest version is as the model.
func (h *history) remember() {
	h.version = h.snapshot().Version()
	h.versions[h.version] = h.model.clone()
}

// compare looks whether the table is as the model, and its changes lead there from the model before.
func (h *history) compare(before *model) {
	h.Helper()
	s := h.snapshot()
	got := h.readAt(s)
	h.adopt(got)
	h.same(fmt.Sprintf("version %d", s.Version()), got, h.model.lines())
	for f, err := range s.Files(nil) {
		h.must(err)
		if f.Stats == nil || live(f) <= 0 {
			h.fail("file %s without rows or statistics", f.Path)
		}
	}
	was := h.version
	h.remember()
	h.compareIDs(before)
	if h.version > was && h.model.props["delta.enableChangeDataFeed"] == "true" && h.model.holds(before) {
		h.compareChanges(before, h.version, h.version)
	}
}

func (h *history) same(what string, got, want []string) {
	h.Helper()
	if slices.Equal(got, want) {
		return
	}
	var diff []string
	for _, row := range got {
		if !slices.Contains(want, row) {
			diff = append(diff, "+"+row)
		}
	}
	for _, row := range want {
		if !slices.Contains(got, row) {
			diff = append(diff, "-"+row)
		}
	}
	h.fail("%s has %d rows, want %d; differences:\n%s", what, len(got), len(want), strings.Join(diff, "\n"))
}

// adopt takes over the values that the table gave to identity columns, which rise by their step and are never given twice.
func (h *history) adopt(lines []string) {
	h.Helper()
	at := slices.IndexFunc(h.model.columns, func(c modelColumn) bool { return c.identity })
	if at < 0 {
		return
	}
	highest := h.highest
	seen := map[int64]bool{}
	for _, text := range lines {
		var values []any
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		d.UseNumber()
		h.must(d.Decode(&values))
		k, err := values[0].(json.Number).Int64()
		h.must(err)
		r := h.model.rows[k]
		if r == nil || r["id"] != (pending{}) {
			continue
		}
		id, err := values[at].(json.Number).Int64()
		h.must(err)
		if id <= h.highest || (id-idStart)%idStep != 0 || seen[id] {
			h.fail("row %s: identity %d after %d", text, id, h.highest)
		}
		seen[id] = true
		r["id"] = id
		highest = max(highest, id)
	}
	h.highest = highest
}

// compareIDs looks at the ids and versions of rows: ids stay for ever, and versions until v or p of the row change.
func (h *history) compareIDs(before *model) {
	h.Helper()
	if h.model.props["delta.enableRowTracking"] != "true" {
		return
	}
	now := h.readIDs()
	seen := map[int64]int64{}
	last := ""
	if len(h.done) > 0 {
		last = h.done[len(h.done)-1]
	}
	restored := strings.Contains(last, ": restore")
	for k, row := range now {
		id, version := row[0], row[1]
		if other, ok := seen[id]; ok {
			h.fail("rows %d and %d have the id %d", k, other, id)
		}
		seen[id] = k
		if first, ok := h.ids[k]; ok && first != id {
			h.fail("row %d has id %d, it had %d", k, id, first)
		}
		h.ids[k] = id
		old, there := before.rows[k]
		same := there && line(old["v"], old["p"]) == line(h.model.rows[k]["v"], h.model.rows[k]["p"])
		switch {
		case restored:
		case !there && version != h.version, there && !same && version != h.version:
			h.fail("row %d, new or changed, has version %d, not %d", k, version, h.version)
		case there && version != h.tracked[k][1] && version != h.version, version > h.version:
			h.fail("row %d has version %d, it had %d", k, version, h.tracked[k][1])
		case same && version != h.tracked[k][1] && !strings.Contains(last, ": update") && !strings.Contains(last, ": merge"):
			h.fail("row %d, which did not change, has version %d, it had %d", k, version, h.tracked[k][1])
		}
	}
	h.tracked = now
}

// readIDs are id and version of each row by k.
func (h *history) readIDs() map[int64][2]int64 {
	h.Helper()
	dir, err := os.MkdirTemp(h.dir, "read-")
	h.must(err)
	defer os.RemoveAll(dir)
	j := newJob(h.Context(), h.table, h.snapshot(), dir)
	j.carries = true
	files, err := j.candidates(nil)
	h.must(err)
	inputs, err := j.open(files)
	h.must(err)
	query, tables, err := j.target(inputs, nil)
	h.must(err)
	b, err := h.db.Query(h.Context(), "SELECT "+quoteName(h.model.column("k").name)+", "+rowIDColumn+", "+rowVersionColumn+" FROM ("+query+")", tables...)
	h.must(err)
	out := map[int64][2]int64{}
	for i := range b.Len {
		out[b.Columns[0].Int(i)] = [2]int64{b.Columns[1].Int(i), b.Columns[2].Int(i)}
	}
	return out
}

// compareChanges adds the changes of versions from..to to the rows of a model, which must have the same columns: they are then those of version to.
func (h *history) compareChanges(before *model, from, to int64) {
	h.Helper()
	counts := map[string]int{}
	for _, row := range before.lines() {
		counts[row]++
	}
	for b, err := range h.table.Changes(h.Context(), from, to) {
		h.must(err)
		n := len(b.Columns) - 3
		kinds := b.Columns[n]
		b.Columns = b.Columns[:n]
		for i := range b.Len {
			values := make([]any, n)
			for k, c := range b.Columns {
				values[k] = c.Value(i)
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
		if n < 0 {
			h.fail("changes of versions %d to %d delete %s %d times more than it was there", from, to, row, -n)
		}
		for range n {
			got = append(got, row)
		}
	}
	slices.Sort(got)
	h.same(fmt.Sprintf("following the changes of versions %d to %d, the table", from, to), got, h.versions[to].lines())
}

// end reads older versions again, a range of changes, and has the table checked.
func (h *history) end() {
	h.Helper()
	readable := slices.Sorted(func(yield func(int64) bool) {
		for v := range h.versions {
			if !yield(v) {
				return
			}
		}
	})
	for range 3 {
		v := readable[h.rng.IntN(len(readable))]
		s, err := h.table.table.SnapshotAt(h.Context(), v)
		h.must(err)
		h.same(fmt.Sprintf("version %d, read later,", v), h.readAt(s), h.versions[v].lines())
	}
	first := len(readable) - 1 // changes are known after this one
	for first > 0 && h.feeds(readable[first]) && h.model.holds(h.versions[readable[first-1]]) && readable[first-1] == readable[first]-1 {
		first--
	}
	if first < len(readable)-1 {
		h.compareChanges(h.versions[readable[first]], readable[first]+1, h.version)
	}
	report, err := h.table.table.Check(h.Context(), delta.CheckOptions{})
	h.must(err)
	if len(report.Problems) > 0 || report.Rows != int64(len(h.model.rows)) {
		h.fail("the checker says %+v", report)
	}
}

func (h *history) feeds(version int64) bool {
	return h.versions[version].props["delta.enableChangeDataFeed"] == "true"
}

// objects are the keys of the table's objects outside its log.
func (h *history) objects() (keys []string) {
	h.Helper()
	after := ""
	for {
		page, err := h.store.List(h.Context(), "lake", objstore.ListOptions{After: after})
		h.must(err)
		for _, o := range page.Objects {
			if key := strings.TrimPrefix(o.Key, "t/"); !strings.HasPrefix(key, "_delta_log/") {
				keys = append(keys, key)
			}
		}
		if after = page.Next; after == "" {
			return keys
		}
	}
}
