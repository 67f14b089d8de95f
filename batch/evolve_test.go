package batch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

const evolveFile = `
name: evolve
source:
  stream: s
  schema: {n: bigint}
  evolve: true
  max_records_per_trigger: 10
sink:
  delta: s3://lake/rides
trigger: available-now
dead_letters: s3://lake/_dead
`

// growing are records whose fields become more: b from record 25 on, in it y from 45 on.
func growing(from, to int) (records [][]byte, rows []string) {
	for i := from; i < to; i++ {
		r := fmt.Sprintf(`{"n":%d}`, i)
		switch {
		case i >= 45:
			r = fmt.Sprintf(`{"n":%d,"b":{"x":%d,"y":"t"}}`, i, i)
		case i >= 25:
			r = fmt.Sprintf(`{"n":%d,"b":{"x":%d}}`, i, i)
		}
		records, rows = append(records, []byte(r)), append(rows, r)
	}
	slices.Sort(rows)
	return records, rows
}

// jsonSink keeps rows as JSON, and the columns it was opened with.
type jsonSink struct {
	memSink
	rows    []string
	columns string
}

func (s *jsonSink) Open(_ context.Context, out batch.Output) (int64, error) {
	s.columns = columnar.Type{Kind: columnar.Struct, Fields: out.Schema.Fields}.DDL()
	return s.last, nil
}

func (s *jsonSink) Write(ctx context.Context, id int64, rows batch.Rows) (batch.Written, error) {
	if id <= s.last {
		return batch.Written{Replayed: true}, nil
	}
	s.last = id
	return batch.Written{Rows: rows.Len()}, rows.Each(ctx, func(b *columnar.Batch) error {
		for i := range b.Len {
			s.rows = append(s.rows, string(b.AppendRow(nil, i)))
		}
		return nil
	})
}

func TestEvolveThroughCrashes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for point := 1; ; point++ {
		records, want := growing(0, 60)
		source, sink, letters, progress := newMemSource(2, records), &jsonSink{memSink: memSink{last: -1}}, memLetters{}, newMemProgress()
		for i, left := range []int{point, 1 + r.IntN(20), 0} {
			opts := batch.Options{
				Pipeline: parse(t, evolveFile), Sources: one(source), Runner: copyRunner{}, Sinks: []batch.Sink{sink}, Letters: letters, Progress: progress,
			}
			e, err := batch.New(faulty(opts, &faults{left: left}))
			if err != nil {
				t.Fatal(err)
			}
			err = e.Run(t.Context())
			if err != nil && (!errors.Is(err, errCrash) || left == 0) {
				t.Fatalf("point %d, run %d: %v", point, i, err)
			}
			if err == nil && i == 0 {
				return
			}
		}
		slices.Sort(sink.rows)
		if !slices.Equal(sink.rows, want) || sink.columns != "struct<n:bigint,b:struct<x:bigint,y:string>>" {
			t.Fatalf("point %d: columns %s, rows %v", point, sink.columns, sink.rows)
		}
	}
}

func TestEvolveIntoDelta(t *testing.T) {
	l := newLake(t)
	records, want := growing(0, 60)
	source := newMemSource(1, records[:30])
	run(t, l.options(t, parse(t, evolveFile), source))
	source.put(records[30:]) // the second run knows of b by the mark
	run(t, l.options(t, parse(t, evolveFile), source))
	var rows []string
	l.readTable(t, func(_ map[string]*string, b *columnar.Batch) {
		for i := range b.Len {
			rows = append(rows, string(b.AppendRow(nil, i)))
		}
	})
	slices.Sort(rows)
	if !slices.Equal(rows, want) {
		t.Errorf("rows %s", strings.Join(rows, "\n"))
	}
}

// evolveStateFile is a query that is to evolve beside its state.
const evolveStateFile = `
name: evolve
source:
  stream: s
  schema: {n: bigint, at: timestamp, b: "struct<x:bigint>"}
  watermark: {column: at, delay: 5 minutes}
  deduplicate: {columns: [n], within_watermark: true}
  evolve: true
  mode: fail
  max_records_per_trigger: 10
query: QUERY
sink: {delta: s3://lake/rides}
trigger: available-now
`

// TestEvolveBesideState lets fields come while the pipeline remembers which records it has seen, through deaths and restarts.
func TestEvolveBesideState(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := &statefulWorld{p: parse(t, strings.Replace(evolveStateFile, "QUERY", "SELECT * FROM source", 1)), source: newMemSource(1, nil), dir: t.TempDir()}
	w.lake = newLake(t, w.dir)
	var want []string
	for i := range 60 {
		record := fmt.Sprintf(`{"n":%d,"at":"2026-01-31T08:00:00Z"`, i)
		if i >= 20 {
			record += fmt.Sprintf(`,"b":{"x":%d,"y":"t"}`, i)
		}
		if i >= 40 {
			record += `,"c":"new"`
		}
		record += "}"
		want = append(want, record)
		w.source.put([][]byte{[]byte(record)})
		if i > 0 {
			w.source.put([][]byte{fmt.Appendf(nil, `{"n":%d,"at":"2026-01-31T08:00:30Z","again":true}`, r.IntN(i))})
		}
		if i%10 == 9 {
			w.run(t, 1+r.IntN(12))
		}
	}
	w.run(t, 0)
	var got []string
	w.lake.readTable(t, func(_ map[string]*string, b *columnar.Batch) {
		for i := range b.Len {
			got = append(got, string(b.AppendRow(nil, i)))
		}
	})
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}

// State that would have to keep a new field is refused before anything runs.
func TestEvolveStateRefused(t *testing.T) {
	for query, refused := range map[string]bool{
		"SELECT window(at, '1 minute') AS w, count(*) AS c FROM source GROUP BY 1":              false,
		"SELECT window(at, '1 minute') AS w, b, count(*) AS c FROM source GROUP BY 1, 2":        true,
		"SELECT window(at, '1 minute') AS w, b.x AS x, count(*) AS c FROM source GROUP BY 1, 2": false,
		"SELECT l.* FROM source l JOIN source r ON l.n = r.n AND l.at = r.at":                   true,
		"SELECT l.n FROM source l JOIN source r ON l.n = r.n AND l.at = r.at":                   false,
	} {
		w := &statefulWorld{p: parse(t, strings.Replace(evolveStateFile, "QUERY", query, 1)), source: newMemSource(1, nil), dir: t.TempDir()}
		w.lake = newLake(t, w.dir)
		err := w.try(t)
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), "would have to keep new fields") {
			t.Errorf("%s: %v", query, err)
		}
	}
}
