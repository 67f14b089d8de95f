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
