package incremental

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestDeduplicate compares deduplication with a model of Spark's, row by row in the order of event time.
func TestDeduplicate(t *testing.T) {
	const delay = 5 * time.Minute
	for _, c := range []struct {
		name   string
		dedupe Deduplicate
		time   string // the column of event time
		until  func(row []any) time.Time
	}{
		{"for ever", Deduplicate{Columns: []string{"id"}}, "", func([]any) time.Time { return time.Time{} }},
		{"late rows", Deduplicate{Columns: []string{"id", "v"}}, "ts", func([]any) time.Time { return time.Time{} }},
		{"event time", Deduplicate{Columns: []string{"id", "ts"}}, "ts", func(r []any) time.Time { at, _ := r[2].(time.Time); return at }},
		{"within", Deduplicate{Columns: []string{"id", "v"}, WithinWatermark: true}, "ts", func(r []any) time.Time { return r[2].(time.Time).Add(delay) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 4))
			in := Inputs{Streams: map[string]Stream{"a": {Columns: schema(t, leftColumns), EventTime: c.time, Delay: delay, Deduplicate: &c.dedupe}}}
			query := "SELECT id, v, ts FROM a"
			if c.time == "" {
				query = "SELECT id FROM a"
			}
			m := newMachine(t, openDB(t), query, in)
			m.compact = r
			if seed%2 == 0 && len(m.static) == 0 {
				m.withRunner()
			}
			seen := map[string]time.Time{}
			at := base()
			for n := range 12 {
				at = at.Add(time.Duration(r.IntN(180)) * time.Second)
				rows := randomSide(r, at)
				if c.dedupe.WithinWatermark {
					for _, row := range rows {
						if row[2] == nil {
							row[2] = at
						}
					}
				}
				late, mark := m.late, m.mark
				var want []string
				for _, row := range byTime(rows) {
					ts, ok := row[2].(time.Time)
					if c.time != "" && ok && !ts.After(late) {
						continue
					}
					key := ""
					for _, k := range c.dedupe.Columns {
						key += fmt.Sprint(row[m.in.Streams["a"].Columns.Index(k)], "|")
					}
					if _, dup := seen[key]; !dup {
						seen[key] = c.until(row)
						if c.time == "" { // which of the rows it is is not said
							row = row[:1]
						}
						cells := []any{}
						for _, v := range row {
							cells = append(cells, plain(v))
						}
						want = append(want, jsonText(cells))
					}
				}
				for k, end := range seen {
					if !end.IsZero() && !end.After(mark) {
						delete(seen, k)
					}
				}
				got := m.run(map[string][][]any{"a": rows}, true)
				if fmt.Sprint(count(got)) != fmt.Sprint(count(want)) {
					t.Fatalf("batch %d: got %v\nwant %v", n, got, want)
				}
			}
		})
	}
}

func count(rows []string) map[string]int {
	n := map[string]int{}
	for _, r := range rows {
		n[r]++
	}
	return n
}

// byTime sorts rows as deduplicate looks at them: by event time, nulls last, then by the other columns.
func byTime(rows [][]any) [][]any {
	text := func(v any) string {
		if v == nil {
			return "~"
		}
		if at, ok := v.(time.Time); ok {
			return at.Format(time.RFC3339Nano)
		}
		return fmt.Sprint(v)
	}
	out := append([][]any{}, rows...)
	for i := range out {
		for k := i; k > 0; k-- {
			a, b := out[k-1], out[k]
			if text(a[2])+text(a[0])+text(a[1]) <= text(b[2])+text(b[0])+text(b[1]) {
				break
			}
			out[k-1], out[k] = b, a
		}
	}
	return out
}

// TestDeduplicateWithoutTime checks that a row without event time is forgotten at the first watermark, as in Spark, so that the state
// stays bounded.
func TestDeduplicateWithoutTime(t *testing.T) {
	in := Inputs{Streams: map[string]Stream{"a": {Columns: schema(t, "id int, ts timestamp"), EventTime: "ts", Delay: time.Minute,
		Deduplicate: &Deduplicate{Columns: []string{"id"}, WithinWatermark: true}}}}
	m := newMachine(t, openDB(t), "SELECT id FROM a", in)
	var got []string
	for n, rows := range [][][]any{{{1, nil}, {1, nil}}, {{1, nil}, {2, base()}}, {{1, nil}}, {{1, nil}}} {
		for _, r := range m.run(map[string][][]any{"a": rows}, true) {
			got = append(got, fmt.Sprint(n, r))
		}
	}
	if want := "[0[1] 1[2] 3[1]]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
