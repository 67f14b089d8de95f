package incremental

import (
	"math/rand/v2"
	"sort"
	"testing"
	"time"
)

// TestSessions compares sessions with a model that merges those of the rows that were not late.
func TestSessions(t *testing.T) {
	byRow := func(row []any) time.Duration { // none for some
		id, _ := row[0].(int)
		return time.Duration(id%3) * 40 * time.Second
	}
	for _, c := range []struct {
		mode, gap string
		of        func(row []any) time.Duration
	}{
		{Append, "'90 seconds'", func([]any) time.Duration { return 90 * time.Second }},
		{Complete, "'90 seconds'", func([]any) time.Duration { return 90 * time.Second }},
		{Append, "CASE id % 3 WHEN 1 THEN '40 seconds' WHEN 2 THEN INTERVAL '80' SECOND ELSE '-5 seconds' END", byRow},
		{Complete, "if(id % 3 = 0, NULL, coalesce((id % 3) * INTERVAL '40' SECOND, '0 seconds'))", byRow},
	} {
		mode := c.mode
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 5))
			query := "SELECT session_window AS w, v, count(*) AS n, min(id) AS m FROM a GROUP BY session_window(ts, " + c.gap + "), v"
			in := Inputs{Mode: mode, Streams: map[string]Stream{"a": {Columns: schema(t, leftColumns), EventTime: "ts", Delay: 2 * time.Minute}}}
			m := newMachine(t, openDB(t), query, in)
			m.compact = r
			if seed%2 == 0 && len(m.static) == 0 {
				m.withRunner()
			}
			open := map[any][]session{}
			at := base()
			var got, want []string
			for n := range 15 {
				at = at.Add(time.Duration(r.IntN(200)) * time.Second)
				batch := map[string][][]any{"a": randomSide(r, at)}
				if n == 13 {
					batch["a"] = [][]any{{-1, "far", at.Add(24 * time.Hour)}}
				}
				if n == 14 {
					batch = nil
				}
				for _, row := range batch["a"] {
					ts, ok := row[2].(time.Time)
					gap := c.of(row)
					if ok && gap > 0 && (mode == Complete || ts.Add(gap).After(m.late)) {
						open[row[1]] = addSession(open[row[1]], session{ts, ts.Add(gap), 1, row[0]})
					}
				}
				if mode == Complete {
					got, want = nil, nil
				}
				for v, all := range open {
					var rest []session
					for _, s := range all {
						if mode == Complete || !s.end.After(m.mark) {
							want = append(want, jsonText([]any{map[string]any{"start": plain(s.start), "end": plain(s.end)}, v, s.n, s.least}))
						}
						if mode == Complete || s.end.After(m.mark) {
							rest = append(rest, s)
						}
					}
					open[v] = rest
				}
				if r.IntN(3) == 0 {
					m.run(batch, false)
				}
				got = append(got, m.run(batch, true)...)
			}
			compareRows(t, got, want)
		})
	}
}

type session struct {
	start, end time.Time
	n          int
	least      any
}

func addSession(all []session, s session) []session {
	all = append(all, s)
	sort.Slice(all, func(i, k int) bool { return all[i].start.Before(all[k].start) })
	var out []session
	for _, s := range all {
		if len(out) == 0 || s.start.After(out[len(out)-1].end) {
			out = append(out, s)
			continue
		}
		last := &out[len(out)-1]
		last.n += s.n
		if s.end.After(last.end) {
			last.end = s.end
		}
		if last.least == nil || s.least != nil && s.least.(int) < last.least.(int) {
			last.least = s.least
		}
	}
	return out
}
