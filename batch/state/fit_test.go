package state

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/vfs"
)

func TestChangedQueries(t *testing.T) {
	fs := vfs.NewCrashable()
	s := open(t, fs, Options{})
	commit(t, s, load(t, s, -1), time.Time{}, run{state: "counts", text: "a"})
	defer s.Close()
	for name, c := range map[string]struct {
		change func(specs []batch.StateSpec, columns map[string]*columnar.Schema) []batch.StateSpec
		want   string // "": it fits
	}{
		"nothing": {func(sp []batch.StateSpec, _ map[string]*columnar.Schema) []batch.StateSpec { return sp }, ""},
		"an aggregate less": {func(sp []batch.StateSpec, c map[string]*columnar.Schema) []batch.StateSpec {
			c["counts"] = schemaOf(t, "until timestamp, k string")
			return sp
		}, ""},
		"other columns first": {func(sp []batch.StateSpec, c map[string]*columnar.Schema) []batch.StateSpec {
			c["counts"] = schemaOf(t, "n bigint, k string, until timestamp")
			return sp
		}, ""},
		"an aggregate more": {func(sp []batch.StateSpec, c map[string]*columnar.Schema) []batch.StateSpec {
			c["counts"] = schemaOf(t, "until timestamp, k string, n bigint, m double")
			return sp
		}, "state counts (stateStoreSave) has changed: column m is new: double"},
		"another type": {func(sp []batch.StateSpec, c map[string]*columnar.Schema) []batch.StateSpec {
			c["counts"] = schemaOf(t, "until timestamp, k string, n double")
			return sp
		}, "column n was bigint, is double"},
		"another group": {func(sp []batch.StateSpec, c map[string]*columnar.Schema) []batch.StateSpec {
			c["counts"] = schemaOf(t, "until timestamp, k string, j int, n bigint")
			sp[0].Keys, sp[0].Definition = []string{"k", "j"}, map[string]string{"group by": "k, j"}
			return sp
		}, "state counts (stateStoreSave) has changed: group by was k, is k, j."},
		"groups in another order": {func(sp []batch.StateSpec, c map[string]*columnar.Schema) []batch.StateSpec {
			sp[1].Definition = map[string]string{"columns": "j(1, 'a,b'), k"}
			return sp
		}, "columns was k, is j(1, 'a,b'), k"},
		"a watermark": {func(sp []batch.StateSpec, c map[string]*columnar.Schema) []batch.StateSpec {
			sp[1].Definition = map[string]string{"columns": "k", "watermark": "ts, 5 minutes"}
			return sp
		}, "state seen (dedupe) has changed: watermark is new: ts, 5 minutes"},
		"another operator": {func(sp []batch.StateSpec, c map[string]*columnar.Schema) []batch.StateSpec {
			sp[1].Operator = "dedupeWithinWatermark"
			return sp
		}, "its operator was dedupe, is dedupeWithinWatermark"},
		"no operator": {func(sp []batch.StateSpec, _ map[string]*columnar.Schema) []batch.StateSpec { return sp[:1] },
			"the query has no state seen (dedupe) any more"},
		"an operator": {func(sp []batch.StateSpec, c map[string]*columnar.Schema) []batch.StateSpec {
			c["more"] = schemaOf(t, "k string")
			return append(sp, batch.StateSpec{Name: "more", Operator: "dedupe"})
		}, "the query has come to need state more (dedupe), of which nothing was kept"},
	} {
		cols := columns(t)
		_, err := s.Load(t.Context(), 0, c.change(specs(), cols), cols)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (!errors.Is(err, batch.ErrState) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func FuzzDecodeManifest(f *testing.F) {
	schema := schemaOf(f, "k string, n bigint")
	tables, err := tablesOf([]batch.StateSpec{{Name: "counts", Operator: "stateStoreSave", Definition: map[string]string{"group by": "k"}}},
		map[string]*columnar.Schema{"counts": schema})
	if err != nil {
		f.Fatal(err)
	}
	m := &manifest{Batch: 7, Watermark: &noon, Tables: tables, Runs: []runRef{{batch.StateRun{State: "counts", File: "7-1-counts-0.parquet", Rows: 3, Bytes: 100, Until: noon}, 42}}}
	f.Add(m.encode()[headSize:])
	f.Add([]byte(`{"batchId":1,"states":[{"name":"a","columns":{}}],"runs":[{"file":"../x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeManifest(withHead(body))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%v is not ErrCorrupt", err)
			}
			return
		}
		for _, run := range got.Runs {
			if strings.ContainsAny(run.File, "/\\\x00") || run.File == ".." {
				t.Fatalf("file %q", run.File)
			}
		}
		if _, err := decodeManifest(got.encode()); err != nil {
			t.Fatalf("cannot be read again: %v", err)
		}
		if _, err := decodeManifest(body); err == nil {
			t.Fatal("a manifest without its head was read")
		}
	})
}

func TestSortedList(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"k varchar, window(ts, '5 minutes') timestamp", "window(ts, '5 minutes') timestamp, k varchar", true},
		{"f(a, b) int, c int", "c int, f(a, b) int", true},
		{"f(a, b) int, c int", "c int, f(b, a) int", false},
		{"k || ', x' varchar, x varchar", "x varchar, k || ', x' varchar", true},
		{"a int, a int", "a int", false},
		{"row(a int, b int)), c", "c, row(a int, b int))", false},
	} {
		if got := slices.Equal(sortedList(c.a), sortedList(c.b)); got != c.same {
			t.Errorf("%s\n%s\ngot %v", c.a, c.b, got)
		}
	}
}
