package live_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/live"
	"github.com/weir-data/weir/batch/objects"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/objstore/mem"
)

// shards is a source in memory. Sequence numbers begin at 1.
type shards map[string][]string

func (s shards) Latest(context.Context) (batch.Offset, error) {
	at := batch.Offset{}
	for id, recs := range s {
		if len(recs) > 0 {
			at[id] = strconv.Itoa(len(recs))
		}
	}
	return at, nil
}

func (s shards) Position(ctx context.Context, start batch.Start) (batch.Offset, error) {
	if start.Kind == batch.TrimHorizon {
		return batch.Offset{}, nil
	}
	return s.Latest(ctx)
}

func number(seq string) int {
	n, _ := strconv.Atoi(seq)
	return n
}

func (s shards) Plan(_ context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	end, left := start.Clone(), limit.Records
	for id, recs := range s {
		if n := min(len(recs)-number(start[id]), left); n > 0 {
			end[id] = strconv.Itoa(number(start[id]) + n)
			left -= n
		}
	}
	return end, nil
}

func (s shards) Read(_ context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	for id := range end {
		for i := number(start[id]); i < number(end[id]); i++ {
			if err := f([]batch.Record{{Shard: id, SeqNum: strconv.Itoa(i + 1), Data: []byte(s[id][i])}}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s shards) Wait(context.Context, batch.Offset) error { return errors.New("nobody waits") }

// same is a Runner whose result is its input.
type same struct{}

func (same) Describe(_ context.Context, in map[string]*columnar.Schema, _ *batch.Program) (*batch.Description, error) {
	return &batch.Description{Inputs: in, Output: in["source"]}, nil
}

func (same) Run(_ context.Context, _ *batch.Program, d *batch.Description, in batch.RunInput) (batch.Result, error) {
	return rows{schema: d.Output, parts: in.Inputs["source"]}, nil
}

type rows struct {
	batch.Result
	schema *columnar.Schema
	parts  []*columnar.Batch
}

func (rows) Metrics() []batch.StateMetrics { return nil }
func (rows) Close() error                  { return nil }

func (r rows) Len() (n int64) {
	for _, b := range r.parts {
		n += int64(b.Len)
	}
	return n
}

func (r rows) numbers() (all []int64) {
	for _, b := range r.parts {
		for i := range b.Len {
			all = append(all, b.Columns[0].Int(i))
		}
	}
	return all
}

// Write writes the numbers as text.
func (r rows) Write(_ context.Context, opts batch.WriteOptions) ([]batch.ParquetFile, error) {
	f := batch.ParquetFile{Path: filepath.Join(opts.Dir, "rows"), Rows: r.Len()}
	return []batch.ParquetFile{f}, os.WriteFile(f.Path, fmt.Append(nil, r.numbers()), 0o644)
}

// table is the sink of the pipeline.
type table struct {
	held     int64
	rows     []int64
	versions []table // older ones
}

func (t *table) Open(context.Context, batch.Output) (int64, error) { return t.held, nil }
func (t *table) About() batch.SinkInfo                             { return batch.SinkInfo{Description: "table"} }

func (t *table) Write(_ context.Context, id int64, r batch.Rows) (batch.Written, error) {
	if id <= t.held || r.Len() == 0 {
		return batch.Written{}, nil
	}
	t.versions = append(t.versions, table{held: t.held, rows: slices.Clone(t.rows)})
	t.held, t.rows = id, append(t.rows, r.(rows).numbers()...)
	return batch.Written{}, nil
}

type letters struct{}

func (letters) Put(context.Context, string, []byte) error { return nil }

// world is a pipeline with all that it works on.
type world struct {
	pipeline *batch.Pipeline
	source   shards
	table    *table
	progress *objects.Progress
	total    int // good records in the source
}

const file = `
name: p
source:
  stream: s
  schema: {n: {type: bigint, nullable: false}}
  max_records_per_trigger: 7
sink:
  delta: s3://lake/t
dead_letters: s3://lake/_dead
`

func newWorld(t *testing.T) *world {
	t.Helper()
	p, err := batch.ParsePipeline("p.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	store := mem.New(nil)
	if err := store.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	progress, err := objects.New(store, "s3://lake/_weir/p")
	if err != nil {
		t.Fatal(err)
	}
	return &world{pipeline: p, source: shards{"0": nil, "1": nil}, table: &table{held: -1}, progress: progress}
}

// put adds good records, and sometimes a bad one.
func (w *world) put(r *rand.Rand, n int) {
	for range n {
		shard := strconv.Itoa(r.IntN(len(w.source)))
		if r.IntN(5) == 0 {
			w.source[shard] = append(w.source[shard], "no JSON")
		}
		w.source[shard] = append(w.source[shard], fmt.Sprintf(`{"n": %d}`, w.total))
		w.total++
	}
}

var errCrash = errors.New("crash")

// run runs the pipeline until it is done or a fault point was passed some times.
func (w *world) run(t *testing.T, point string, passes int) {
	t.Helper()
	e, err := batch.New(batch.Options{
		Pipeline: w.pipeline, Sources: map[string]batch.Source{"source": w.source}, Runner: same{}, Sinks: []batch.Sink{w.table},
		Letters: letters{}, Progress: w.progress, Once: true, Fault: func(p string) {
			if p == point {
				if passes--; passes == 0 {
					panic(errCrash)
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p := recover(); p != nil && p != errCrash { //nolint:errorlint
			panic(p)
		}
	}()
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// live returns the table's rows and those of its tail. while happens after the progress was read.
func (w *world) live(t *testing.T, while func()) ([]int64, *live.Tail) {
	t.Helper()
	before, err := w.progress.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	while()
	held, all := w.table.held, slices.Clone(w.table.rows)
	from, err := live.Since(t.Context(), w.progress, before, held, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	while()
	tail, err := live.Run(t.Context(), w.options(t, from, held))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tail.Files {
		text, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range strings.Fields(strings.Trim(string(text), "[]")) {
			all = append(all, int64(number(n)))
		}
	}
	return all, tail
}

func (w *world) options(t *testing.T, from batch.Progress, held int64) live.Options {
	return live.Options{
		Pipeline: w.pipeline, Sources: map[string]live.Source{"source": w.source}, Runner: same{}, From: from, Held: held, Dir: t.TempDir(),
	}
}

// Whatever point a pipeline has come to, or died at, and whatever it does meanwhile: table and tail together have each good record once.
func TestEachRecordOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	points := append([]string{""}, batch.FaultPoints...)
	for range 30 {
		w := newWorld(t)
		advance := func() {
			if r.IntN(2) == 0 {
				w.put(r, r.IntN(20))
			}
			if r.IntN(2) == 0 {
				w.run(t, points[r.IntN(len(points))], 1+r.IntN(3))
			}
		}
		for range 6 {
			advance()
			if r.IntN(4) == 0 {
				w.source[strconv.Itoa(len(w.source))] = nil // a shard more
			}
			all, tail := w.live(t, advance)
			slices.Sort(all)
			for i, n := range all {
				if n != int64(i) {
					t.Fatalf("row %d is %d: %v, tail %+v", i, n, all, tail)
				}
			}
			if len(all) != w.total {
				t.Fatalf("%d rows of %d records, tail %+v", len(all), w.total, tail)
			}
		}
	}
}

// A tail says what it is made of, and stops at the cut though more comes.
func TestCut(t *testing.T) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(1, 1))
	w.put(r, 20)
	w.run(t, "marked", 2)
	w.put(r, 20)
	cut, _ := w.source.Latest(t.Context())
	done, err := w.progress.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opts := w.options(t, done, w.table.held)
	opts.Sources = map[string]live.Source{"source": &growing{w, r}}
	tail, err := live.Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	c := tail.Cuts[0]
	if tail.Batch != 1 || !maps.Equal(c.To, cut) || !maps.Equal(c.After, done.Plan.Sources["source"].End) || c.Stream != "s" || c.Source != "source" {
		t.Errorf("%+v", tail)
	}
	want := 40 - len(w.table.rows)
	if tail.Rows != int64(want) || tail.Records != tail.Rows+tail.Letters || tail.Letters == 0 {
		t.Errorf("%d rows, %d records, %d letters; want %d rows", tail.Rows, tail.Records, tail.Letters, want)
	}
	opts.Dir, opts.BytesMax = t.TempDir(), 50
	if _, err := live.Run(t.Context(), opts); !errors.Is(err, live.ErrTooMuch) {
		t.Errorf("more than may wait: %v", err)
	}
	if _, err := live.Since(t.Context(), w.progress, done, 99, math.MaxInt64); !errors.Is(err, live.ErrElsewhere) {
		t.Errorf("a batch that the progress does not know: %v", err)
	}
}

// Batches without rows leave no trace in the table, however many they are: the progress knows of them.
func TestBatchesWithoutRows(t *testing.T) {
	w := newWorld(t)
	w.put(rand.New(rand.NewPCG(1, 2)), 5)
	w.run(t, "", 0)
	for range 7 * (batch.PlansKept + 10) {
		w.source["0"] = append(w.source["0"], "no JSON")
	}
	w.run(t, "", 0)
	w.source["0"] = append(w.source["0"], `{"n": 5}`)
	all, tail := w.live(t, func() {})
	if len(all) != 6 || tail.Records != 1 || tail.Batch < batch.PlansKept || w.table.held > 2 {
		t.Errorf("%v, %+v", all, tail)
	}
}

// growing is a source that gets more whenever it is asked.
type growing struct {
	w *world
	r *rand.Rand
}

func (g *growing) Plan(ctx context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	g.w.put(g.r, 3)
	g.w.source[strconv.Itoa(len(g.w.source))] = []string{`{"n": 1000}`}
	return g.w.source.Plan(ctx, start, limit)
}

func (g *growing) Latest(ctx context.Context) (batch.Offset, error) { return g.w.source.Latest(ctx) }
func (g *growing) Wait(ctx context.Context, at batch.Offset) error  { return g.w.source.Wait(ctx, at) }

func (g *growing) Position(ctx context.Context, s batch.Start) (batch.Offset, error) {
	return g.w.source.Position(ctx, s)
}

func (g *growing) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	return g.w.source.Read(ctx, start, end, f)
}
