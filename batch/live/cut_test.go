package live_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/files"
	"github.com/weir-data/weir/batch/live"
)

// rowsOf are the rows of a version of the table and of its tail, in order.
func rowsOf(t *testing.T, version table, tail *live.Tail) []int64 {
	t.Helper()
	all := slices.Clone(version.rows)
	for _, f := range tail.Files {
		text, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range strings.Fields(strings.Trim(string(text), "[]")) {
			all = append(all, int64(number(n)))
		}
	}
	slices.Sort(all)
	return all
}

// choose asks for a cut as package query does: of the newest version, and if that has passed the cut of one before it. ok is false if there
// is none.
func (w *world) choose(t *testing.T, c *live.Choice) (all []int64, ok bool) {
	t.Helper()
	before, err := w.progress.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	version, below := *w.table, int64(math.MaxInt64)
	for {
		from, err := live.Since(t.Context(), w.progress, before, version.held, below)
		if err != nil {
			t.Fatal(err)
		}
		opts := w.options(t, from, version.held)
		opts.Choice = c
		tail, err := live.Run(t.Context(), opts)
		passed := new(live.PassedError)
		if !errors.As(err, &passed) {
			if err != nil {
				t.Fatal(err)
			}
			return rowsOf(t, version, tail), true
		}
		last, err := live.Before(t.Context(), w.progress, from.Plan.Batch, passed.Cut)
		if err != nil {
			t.Fatal(err)
		}
		if last < 0 {
			return nil, false
		}
		older := slices.DeleteFunc(append(slices.Clone(w.table.versions), *w.table), func(v table) bool { return v.held > last })
		version, below = older[len(older)-1], last+1
	}
}

// A cut that was told once gives the same rows whatever came since, while a version of the table before it is known; the pipeline may have
// died anywhere.
func TestChosenCut(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	points := append([]string{""}, batch.FaultPoints...)
	again, refused := 0, 0
	for range 15 {
		w := newWorld(t)
		for range 5 {
			w.put(r, r.IntN(20))
			w.run(t, points[r.IntN(len(points))], 1+r.IntN(3))
			w.put(r, r.IntN(20))
			want, tail := w.live(t, func() {})
			slices.Sort(want)
			c := &live.Choice{At: map[string][]live.Part{"source": tail.Cuts[0].Parts()}}
			for range 3 {
				got, ok := w.choose(t, c)
				if ok && !slices.Equal(got, want) {
					t.Fatalf("at %v: %v, before %v", c.At, got, want)
				}
				if ok {
					again++
				} else {
					refused++
				}
				w.put(r, r.IntN(20))
				if r.IntN(2) == 0 {
					w.source[strconv.Itoa(len(w.source))] = nil
				}
				w.run(t, points[r.IntN(len(points))], 1+r.IntN(3))
			}
		}
	}
	if again < refused {
		t.Errorf("%d cuts were found again, %d refused", again, refused)
	}
}

// walked is a source that knows no tip before it has been read.
type walked struct {
	s     shards
	r     *rand.Rand
	tips  batch.Offset
	short []string
	grow  func()
}

func (w *walked) Tips() (tips batch.Offset, ended, short []string) { return w.tips, nil, w.short }

// Plan takes up to ten records of each shard, and sometimes none of one, which others read.
func (w *walked) Plan(_ context.Context, start batch.Offset, _ batch.Limit) (batch.Offset, error) {
	end := start.Clone()
	w.tips, w.short = batch.Offset{}, nil
	for id, recs := range w.s {
		n := min(len(recs)-number(start[id]), 10)
		if w.r.IntN(4) == 0 {
			w.short = append(w.short, id)
			continue
		}
		if n > 0 {
			end[id] = strconv.Itoa(number(start[id]) + n)
		}
		if number(end[id]) == len(recs) {
			w.tips[id] = end[id]
		} else {
			w.short = append(w.short, id)
		}
	}
	w.grow()
	return end, nil
}

func (w *walked) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	return w.s.Read(ctx, start, end, f)
}

func (w *walked) Wait(ctx context.Context, at batch.Offset) error { return w.s.Wait(ctx, at) }

func (w *walked) Position(ctx context.Context, s batch.Start) (batch.Offset, error) {
	return w.s.Position(ctx, s)
}

// A source that has to be read to be cut ends where reading first comes to its newest record, however much comes meanwhile.
func TestWalkedCut(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		synctest.Test(t, func(t *testing.T) { testWalkedCut(t, r) })
	}
}

func testWalkedCut(t *testing.T, r *rand.Rand) {
	w := newWorld(t)
	w.put(r, r.IntN(50))
	asked, plans := maps.Clone(w.source), 0
	src := &walked{s: w.source, r: r, grow: func() {
		if plans++; plans > 100 {
			t.Fatal("it never ends")
		}
		w.put(r, r.IntN(5))
	}}
	opts := w.options(t, batch.Progress{Mark: batch.Mark{Batch: -1}}, -1)
	opts.Sources = map[string]live.Source{"source": src}
	tail, err := live.Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	to, records := tail.Cuts[0].To, 0
	for id, recs := range asked {
		records += number(to[id])
		if number(to[id]) < len(recs) {
			t.Errorf("shard %s is cut at %q, and had %d records when it was asked for", id, to[id], len(recs))
		}
	}
	if tail.Records != int64(records) || tail.Rows != int64(len(rowsOf(t, table{}, tail))) {
		t.Errorf("%d records up to %v, %d rows", tail.Records, to, tail.Rows)
	}
	// The same again.
	opts.Choice, opts.Dir = &live.Choice{At: map[string][]live.Part{"source": tail.Cuts[0].Parts()}}, t.TempDir()
	second, err := live.Run(t.Context(), opts)
	if err != nil || !slices.Equal(rowsOf(t, table{}, second), rowsOf(t, table{}, tail)) {
		t.Errorf("again: %v", err)
	}
	opts.Choice.At["source"] = []live.Part{{Shard: "0", To: "1000"}}
	opts.Dir = t.TempDir()
	if _, err := live.Run(t.Context(), opts); !errors.Is(err, live.ErrCut) {
		t.Errorf("behind the newest record: %v", err)
	}
	opts.Choice = &live.Choice{Time: time.Now()}
	if _, err := live.Run(t.Context(), opts); !errors.Is(err, live.ErrCut) {
		t.Errorf("at a time: %v", err)
	}
}

// Files are cut at the time of the youngest.
func TestCutOfFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pipeline.Sources[0].Kind = batch.FileSource
		dir := t.TempDir()
		put := func(name, text string, age time.Duration) {
			if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			at := time.Now().Add(-age)
			if err := os.Chtimes(dir+"/"+name, at, at); err != nil {
				t.Fatal(err)
			}
		}
		src, err := files.InFolder(dir, files.Options{})
		if err != nil {
			t.Fatal(err)
		}
		run := func(c *live.Choice) ([]int64, *live.Tail) {
			t.Helper()
			opts := w.options(t, batch.Progress{Mark: batch.Mark{Batch: -1}}, -1)
			opts.Sources, opts.Choice = map[string]live.Source{"source": src}, c
			tail, err := live.Run(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			return rowsOf(t, table{}, tail), tail
		}
		if rows, tail := run(nil); len(rows) > 0 || len(tail.Cuts[0].Parts()) > 0 {
			t.Errorf("no files: %v, %+v", rows, tail)
		}
		put("a", "{\"n\": 1}\n{\"n\": 2}\n", time.Hour)
		put("b", `{"n": 3}`, time.Minute)
		rows, tail := run(nil)
		parts := tail.Cuts[0].Parts()
		want := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339Nano)
		if !slices.Equal(rows, []int64{1, 2, 3}) || !slices.Equal(parts, []live.Part{{Shard: live.FilesShard, To: want}}) {
			t.Errorf("%v, cut at %v, want %s", rows, parts, want)
		}
		put("c", `{"n": 4}`, time.Second)
		for _, c := range []struct {
			choice live.Choice
			want   []int64
		}{
			{live.Choice{At: map[string][]live.Part{"source": parts}}, []int64{1, 2, 3}},
			{live.Choice{Time: time.Now().Add(-time.Minute)}, []int64{1, 2, 3}},
			{live.Choice{Time: time.Now().Add(-time.Minute - time.Microsecond)}, []int64{1, 2}},
			{live.Choice{Time: time.Now()}, []int64{1, 2, 3, 4}},
			{live.Choice{}, nil},
		} {
			if rows, _ := run(&c.choice); !slices.Equal(rows, c.want) {
				t.Errorf("at %+v: %v, want %v", c.choice, rows, c.want)
			}
		}
	})
}
