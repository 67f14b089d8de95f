package batch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	sink "github.com/weir-data/weir/batch/delta"
	"github.com/weir-data/weir/batch/incremental"
	"github.com/weir-data/weir/batch/state"
	"github.com/weir-data/weir/columnar"
)

const eventsFile = `
name: events
source:
  stream: events
  schema: {k: string, x: bigint, at: timestamp}
  watermark: {column: at, delay: 5 minutes}
  mode: fail
  max_records_per_trigger: 60
query: SELECT window(at, '10 minutes') AS w, k, count(*) AS n, sum(x) AS s FROM source GROUP BY 1, 2
sink:
  delta: s3://lake/rides
  mode: MODE
trigger: available-now
`

// events are records of n events, one a minute, each up to four minutes late: less than the watermark's delay.
func events(r *rand.Rand, from, n int) (records [][]byte) {
	for i := from; i < from+n; i++ {
		at := eventTime(i).Add(-time.Duration(r.IntN(240)) * time.Second)
		key := fmt.Sprintf("%q", string(rune('a'+r.IntN(3))))
		if r.IntN(10) == 0 {
			key = "null"
		}
		records = append(records, fmt.Appendf(nil, `{"k":%s,"x":%d,"at":%q}`, key, i, at.Format(time.RFC3339Nano)))
	}
	return records
}

func eventTime(i int) time.Time { return time.Date(2026, 1, 31, 8, i, 0, 0, time.UTC) }

// compileEvents is the compiler of queries, as weir run has it.
func compileEvents(p *batch.Pipeline, inputs map[string]*columnar.Schema) (*batch.Program, error) {
	in := incremental.Inputs{Streams: map[string]incremental.Stream{}, Mode: p.Mode.String()}
	for _, s := range p.Sources {
		stream := incremental.Stream{Columns: inputs[s.Name], Query: s.Query, EventTime: s.Watermark.Column, Delay: s.Watermark.Delay}
		if d := s.Deduplicate; d != nil {
			stream.Deduplicate = &incremental.Deduplicate{Columns: d.Columns, WithinWatermark: d.WithinWatermark}
		}
		in.Streams[s.Name] = stream
	}
	return incremental.Compile(p.Query, in)
}

// statefulWorld is a lake, a source and the folder of the state.
type statefulWorld struct {
	lake   *lake
	p      *batch.Pipeline
	source *memSource
	dir    string
	log    []string // of the batches
}

func newStatefulWorld(t testing.TB, mode string, records [][]byte) *statefulWorld {
	w := &statefulWorld{p: parse(t, strings.Replace(eventsFile, "MODE", mode, 1)), source: newMemSource(1, records), dir: t.TempDir()}
	w.lake = newLake(t, w.dir)
	return w
}

// run runs the pipeline until it is done, or until it dies at the n-th pass of a fault point; n is 0 for never.
func (w *statefulWorld) run(t testing.TB, n int) (died string) {
	t.Helper()
	e, done := w.engine(t, n)
	defer done()
	defer func() {
		if p := recover(); p != nil {
			died = p.(string)
		}
	}()
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ""
}

// try runs the pipeline until it is done, and returns why it is not.
func (w *statefulWorld) try(t testing.TB) error {
	t.Helper()
	e, done := w.engine(t, 0)
	defer done()
	return e.Run(t.Context())
}

// engine is the pipeline, to be run and done with.
func (w *statefulWorld) engine(t testing.TB, n int) (e *batch.Engine, done func()) {
	t.Helper()
	runner, err := w.lake.db.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	s, err := sink.New(sink.Options{Store: w.lake.store, Location: w.p.Sinks[0].Location, DB: w.lake.db, Compact: true})
	if err != nil {
		t.Fatal(err)
	}
	e, err = batch.New(batch.Options{
		Pipeline: w.p, Sources: one(w.source), Compile: compileEvents, Runner: runner, Sinks: []batch.Sink{s},
		Progress: batch.NewMetaProgress(w.lake.meta, w.p.Name),
		State: func(context.Context) (batch.StateStore, error) {
			return state.Open(state.Options{Dir: filepath.Join(w.dir, "state")})
		},
		OnProgress: func(r batch.Report) {
			w.log = append(w.log, fmt.Sprintf("%d: %d rows, watermark %s", r.BatchID, r.NumInputRows, r.EventTime.Watermark))
		},
		Fault: func(point string) {
			if n--; n == 0 {
				panic(point)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e, runner.Close
}

// table is the result as the table has it: count and sum by window and key.
func (w *statefulWorld) table(t testing.TB) map[string]string {
	t.Helper()
	got := map[string]string{}
	w.lake.readTable(t, func(_ map[string]*string, b *columnar.Batch) {
		column := func(name string) *columnar.Column { return b.Columns[b.Schema.Index(name)] }
		for i := range b.Len {
			key := "null"
			if k := column("k"); !k.Null(i) {
				key = string(k.Bytes(i))
			}
			at := time.UnixMicro(column("w").Children[0].Int(i)).UTC()
			key = at.Format("15:04 ") + key
			if got[key] != "" {
				t.Errorf("%s is there twice", key)
			}
			got[key] = fmt.Sprintf("%d %d", column("n").Int(i), column("s").Int(i))
		}
	})
	return got
}

// want is the result over records: windows that end after the watermark are not there yet in append mode.
func wantEvents(t testing.TB, mode string, records [][]byte) map[string]string {
	t.Helper()
	type group struct{ n, s int64 }
	groups, last := map[string]group{}, time.Time{}
	times := map[string]time.Time{}
	for _, r := range records {
		var e struct {
			K  *string
			X  int64
			At time.Time
		}
		if err := json.Unmarshal(r, &e); err != nil {
			t.Fatal(err)
		}
		k := "null"
		if e.K != nil {
			k = *e.K
		}
		if e.At.After(last) {
			last = e.At
		}
		start := e.At.Truncate(10 * time.Minute)
		key := start.Format("15:04 ") + k
		times[key] = start.Add(10 * time.Minute)
		groups[key] = group{groups[key].n + 1, groups[key].s + e.X}
	}
	want := map[string]string{}
	for key, g := range groups {
		if mode == "append" && times[key].After(last.Add(-5*time.Minute)) {
			continue
		}
		want[key] = fmt.Sprintf("%d %d", g.n, g.s)
	}
	return want
}

// TestStateExactlyOnceThroughCrashes lets a pipeline with windows die at each of its fault points in turn, then at a random one,
// then run, with more input after each death.
func TestStateExactlyOnceThroughCrashes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for _, mode := range []string{"append", "update", "complete"} {
		t.Run(mode, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			passed := map[string]int{}
			for point := 1; ; point += 1 + r.IntN(3) { // all of them over several runs of the test
				records := events(r, 0, 100)
				w := newStatefulWorld(t, mode, records)
				died := w.run(t, point)
				if died == "" {
					break
				}
				passed[died]++
				more := events(r, 100, 30)
				w.source.put(more)
				w.run(t, 1+r.IntN(14))
				w.run(t, 0)
				if got, want := w.table(t), wantEvents(t, mode, append(records, more...)); !maps.Equal(got, want) {
					t.Fatalf("after a death at %s, the %d. point\ngot  %v\nwant %v\n%s", died, point, got, want, strings.Join(w.log, "\n"))
				}
			}
			if len(passed) < 3 {
				t.Errorf("only died at %v", passed)
			}
		})
	}
}

// TestEventTimeInMilliseconds has windows over times that are numbers, with a late one, and one that does not fit.
func TestEventTimeInMilliseconds(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	texts := events(rand.New(rand.NewPCG(seed, 0)), 0, 200)
	number := regexp.MustCompile(`"at":"([^"]+)"`)
	var numbers [][]byte
	for i, r := range texts {
		at, err := time.Parse(time.RFC3339Nano, string(number.FindSubmatch(r)[1]))
		if err != nil {
			t.Fatal(err)
		}
		form := []string{`"at":%d`, `"at":"%d"`, `"at":%d.0`}[i%3]
		numbers = append(numbers, number.ReplaceAll(r, fmt.Appendf(nil, form, at.UnixMilli())))
	}
	w := newStatefulWorld(t, "append", numbers)
	file := strings.Replace(eventsFile, "mode: fail", "mode: fail\n  options: {timestampUnit: ms}", 1)
	w.p = parse(t, strings.Replace(file, "MODE", "append", 1))
	w.run(t, 0)
	w.source.put([][]byte{fmt.Appendf(nil, `{"k":"a","x":1,"at":%d}`, eventTime(0).UnixMilli())})
	w.run(t, 0)
	if got, want := w.table(t), wantEvents(t, "append", texts); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v\n%s", got, want, strings.Join(w.log, "\n"))
	}
	w.source.put([][]byte{[]byte(`{"k":"a","x":1,"at":9223372036854775807}`)})
	if err := w.try(t); err == nil || !strings.Contains(err.Error(), "9223372036854775807 is not of type timestamp") {
		t.Errorf("a number that is no time: %v", err)
	}
}

// TestKeysInAnotherOrder goes on with a query that names its keys, and its columns, in another order.
func TestKeysInAnotherOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, mode := range []string{"append", "update", "complete"} {
		records := events(r, 0, 100)
		w := newStatefulWorld(t, mode, records)
		w.run(t, 0)
		w.p.Query = "SELECT sum(x) AS s, k, count(*) AS n, window AS w FROM source GROUP BY k, window(at, '10 minutes')"
		more := events(r, 100, 30)
		w.source.put(more)
		w.run(t, 0)
		if got, want := w.table(t), wantEvents(t, mode, append(records, more...)); !maps.Equal(got, want) {
			t.Errorf("%s: got  %v\nwant %v\n%s", mode, got, want, strings.Join(w.log, "\n"))
		}
	}
}

// TestEventTimeOfQuery has windows over times that the source's query makes of texts, without what it leaves out, and lets the pipeline die at
// some of its fault points.
func TestEventTimeOfQuery(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	file := strings.Replace(eventsFile, "at: timestamp}", "at: string}\n  query: SELECT k, x, from_iso8601_timestamp(at) AS at FROM source WHERE x >= 0", 1)
	for range 4 {
		records := events(r, 0, 100)
		w := newStatefulWorld(t, "append", append(slices.Clone(records), []byte(`{"k":"a","x":-1,"at":"2099-01-01T00:00:00Z"}`)))
		w.p = parse(t, strings.Replace(file, "MODE", "append", 1))
		w.run(t, 1+r.IntN(16))
		more := events(r, 100, 30)
		w.source.put(more)
		w.run(t, 1+r.IntN(16))
		w.run(t, 0)
		if got, want := w.table(t), wantEvents(t, "append", append(records, more...)); !maps.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v\n%s", got, want, strings.Join(w.log, "\n"))
		}
	}
}

// TestWatermarksAndBatchesWithoutData looks at what batches work with.
func TestWatermarksAndBatchesWithoutData(t *testing.T) {
	record := func(at string) []byte { return fmt.Appendf(nil, `{"k":"a","x":1,"at":"2026-01-31T%sZ"}`, at) }
	w := newStatefulWorld(t, "append", [][]byte{record("08:01:00.123456"), record("08:12:00")})
	w.run(t, 0)
	w.source.put([][]byte{record("08:03:00"), record("08:16:00.5")})
	w.run(t, 0)
	w.source.put([][]byte{record("08:02:00")}) // too late: its window is gone
	w.run(t, 0)
	want := []string{
		"0: 2 rows, watermark ", "1: 0 rows, watermark 2026-01-31T08:07:00.000Z",
		"2: 2 rows, watermark 2026-01-31T08:07:00.000Z", "3: 0 rows, watermark 2026-01-31T08:11:00.500Z",
		"4: 1 rows, watermark 2026-01-31T08:11:00.500Z",
	}
	if !slices.Equal(w.log, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(w.log, "\n"), strings.Join(want, "\n"))
	}
	if got := w.table(t); !maps.Equal(got, map[string]string{"08:00 a": "2 2"}) {
		t.Errorf("table %v", got)
	}
}
