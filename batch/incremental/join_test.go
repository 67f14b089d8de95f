package incremental

import (
	"math/rand/v2"
	"testing"
	"time"
)

const leftColumns, rightColumns = "id int, v string, ts timestamp", "id int, w string, ts timestamp"

func twoStreams(t testing.TB, mode string) Inputs {
	return Inputs{Mode: mode, Streams: map[string]Stream{
		"a": {Columns: schema(t, leftColumns), EventTime: "ts", Delay: 5 * time.Minute},
		"b": {Columns: schema(t, rightColumns), EventTime: "ts", Delay: 10 * time.Minute},
	}}
}

// TestJoins compares joins of random streams, with late rows, with nested loops over the rows that were not late.
func TestJoins(t *testing.T) {
	on := " ON a.id = b.id AND b.ts BETWEEN a.ts - INTERVAL '2' MINUTE AND a.ts + INTERVAL '6' MINUTE"
	within := func(a, b []any) bool {
		at, ok1 := a[2].(time.Time)
		bt, ok2 := b[2].(time.Time)
		return ok1 && ok2 && a[0] != nil && a[0] == b[0] && !bt.Before(at.Add(-2*time.Minute)) && !bt.After(at.Add(6*time.Minute))
	}
	for _, c := range []struct {
		kind, query string
		match       func(a, b []any) bool
		alone       func(row []any) bool // what of an outer side leaves at once
	}{
		{"inner", "SELECT a.id, v, w, a.ts AS at, b.ts AS bt FROM a JOIN b" + on, within, nil},
		{"inner", "SELECT a.id, v, w, a.ts AS at, b.ts AS bt FROM a, b WHERE a.id = b.id AND b.ts >= a.ts - INTERVAL '2' MINUTE AND b.ts <= date_add('minute', 6, a.ts)", within, nil},
		{"inner", "SELECT a.id, v, w, a.ts AS at, b.ts AS bt FROM a JOIN b USING (id) WHERE v = 'x'",
			func(a, b []any) bool { return a[0] != nil && a[0] == b[0] && a[1] == "x" }, nil},
		{"left", "SELECT a.id, v, w, a.ts AS at, b.ts AS bt FROM a LEFT JOIN b" + on, within, nil},
		{"left", "SELECT a.id, v, w, a.ts AS at, b.ts AS bt FROM a LEFT JOIN b" + on + " AND w <> 'x' AND v <> 'y'",
			func(a, b []any) bool { return within(a, b) && b[1] != nil && b[1] != "x" && a[1] != nil && a[1] != "y" },
			func(a []any) bool { return a[1] == nil || a[1] == "y" }},
		{"full", "SELECT coalesce(a.id, b.id), v, w, a.ts AS at, b.ts AS bt FROM a FULL JOIN b" + on + " AND coalesce(w, v) <> 'x' AND v <> 'y' AND w <> 'y'",
			func(a, b []any) bool {
				return within(a, b) && b[1] != nil && b[1] != "x" && b[1] != "y" && a[1] != nil && a[1] != "y"
			},
			func(row []any) bool { return row[1] == nil || row[1] == "y" }},
		{"right", "SELECT b.id, v, w, a.ts AS at, b.ts AS bt FROM a RIGHT JOIN b" + on, within, nil},
		{"full", "SELECT coalesce(a.id, b.id), v, w, a.ts AS at, b.ts AS bt FROM a FULL JOIN b" + on, within, nil},
		{"semi", "SELECT id, v, ts FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.id = a.id AND b.ts BETWEEN a.ts - INTERVAL '2' MINUTE AND a.ts + INTERVAL '6' MINUTE)", within, nil},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			compareJoin(t, c.kind, c.query, c.match, c.alone)
		})
	}
}

func compareJoin(t *testing.T, kind, query string, match func(a, b []any) bool, alone func(row []any) bool) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	m := newMachine(t, openDB(t), query, twoStreams(t, Append))
	m.compact = r
	if seed%2 == 0 && len(m.static) == 0 {
		m.withRunner()
	}
	var left, right [][]any
	var got []string
	keep := func(all, rows [][]any) [][]any {
		for _, row := range rows {
			if at, ok := row[2].(time.Time); !ok || at.After(m.late) {
				all = append(all, row)
			}
		}
		return all
	}
	at := base()
	for range 9 {
		at = at.Add(time.Duration(r.IntN(240)) * time.Second)
		batch := map[string][][]any{"a": randomSide(r, at), "b": randomSide(r, at)}
		if r.IntN(5) == 0 {
			delete(batch, "b")
		}
		left, right = keep(left, batch["a"]), keep(right, batch["b"])
		if r.IntN(3) == 0 {
			m.run(batch, false)
		}
		got = append(got, m.run(batch, true)...)
	}
	far := [][]any{{-1, "z", at.Add(24 * time.Hour)}}
	got = append(got, m.run(map[string][][]any{"a": far, "b": {{-2, "z", at.Add(24 * time.Hour)}}}, true)...)
	got = append(got, m.run(nil, true)...)
	got = append(got, m.run(nil, true)...)
	compareRows(t, got, nestedLoops(kind, left, right, match, alone))
}

func randomSide(r *rand.Rand, at time.Time) [][]any {
	var rows [][]any
	for range r.IntN(12) {
		ts := at.Add(time.Duration(r.IntN(360)-180) * time.Second)
		if r.IntN(8) == 0 {
			ts = ts.Add(-time.Duration(r.IntN(30)) * time.Minute)
		}
		row := []any{r.IntN(4), []string{"x", "y", "z"}[r.IntN(3)], ts}
		for i := range row {
			if r.IntN(15) == 0 {
				row[i] = nil
			}
		}
		rows = append(rows, row, row) // twice, now and then
		if r.IntN(4) > 0 {
			rows = rows[:len(rows)-1]
		}
	}
	return rows
}

// nestedLoops is the join of all rows. A row without a time never becomes final, and leaves only with a partner, or if it is alone
// by itself; alone may be nil.
func nestedLoops(kind string, left, right [][]any, match func(a, b []any) bool, alone func(row []any) bool) []string {
	final := func(row []any) bool { return row[2] != nil || alone != nil && alone(row) }
	var out []string
	emit := func(vals ...any) {
		for i := range vals {
			vals[i] = plain(vals[i])
		}
		out = append(out, jsonText(vals))
	}
	partner := make([]bool, len(right))
	for _, a := range left {
		found := false
		for i, b := range right {
			if !match(a, b) {
				continue
			}
			partner[i] = true
			if kind == "semi" {
				if !found {
					emit(a[0], a[1], a[2])
				}
			} else {
				emit(a[0], a[1], b[1], a[2], b[2])
			}
			found = true
		}
		if !found && (kind == "left" || kind == "full") && final(a) {
			emit(a[0], a[1], nil, a[2], nil)
		}
	}
	for i, b := range right {
		if !partner[i] && (kind == "right" || kind == "full") && final(b) {
			emit(b[0], nil, b[1], nil, b[2])
		}
	}
	return out
}

// TestRowsThatNeverHaveAPartnerLeaveAtOnce has rows that fail a condition of their own side alone, also without event time: as in Spark
// they do not wait, and nothing of them is kept.
func TestRowsThatNeverHaveAPartnerLeaveAtOnce(t *testing.T) {
	m := newMachine(t, openDB(t), "SELECT a.id, v, w FROM a LEFT JOIN b ON a.id = b.id AND v <> 'y' AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR",
		twoStreams(t, Append))
	at := base()
	got := m.run(map[string][][]any{
		"a": {{1, "y", at}, {2, "y", nil}, {3, nil, nil}, {4, "x", at}, {5, "x", nil}},
		"b": {{1, "w", at}, {2, "w", at}},
	}, true)
	compareRows(t, got, []string{`[1,"y",null]`, `[2,"y",null]`, `[3,null,null]`})
}

// TestJoinThenAggregate checks that rows which waited for their partner are not late for the aggregation above.
func TestJoinThenAggregate(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	query := `SELECT window(a.ts, '5 minutes') AS w, count(*) AS n, count(b.id) AS m FROM a LEFT JOIN b ON a.id = b.id
		AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '6' MINUTE GROUP BY 1`
	m := newMachine(t, openDB(t), query, twoStreams(t, Append))
	var left, right [][]any
	var got []string
	at := base()
	step := func(batch map[string][][]any) {
		for name, all := range map[string]*[][]any{"a": &left, "b": &right} {
			for _, row := range batch[name] {
				if ts, ok := row[2].(time.Time); ok && ts.After(m.late) {
					*all = append(*all, row)
				}
			}
		}
		got = append(got, m.run(batch, true)...)
	}
	for range 9 {
		at = at.Add(time.Duration(r.IntN(240)) * time.Second)
		step(map[string][][]any{"a": randomSide(r, at), "b": randomSide(r, at)})
	}
	far := at.Add(24 * time.Hour).Truncate(5 * time.Minute)
	step(map[string][][]any{"a": {{-1, nil, far}}, "b": {{-2, nil, far}}})
	step(nil)
	step(nil)
	counts := map[time.Time][2]int{}
	for _, a := range left {
		ats, n := a[2].(time.Time), 0
		for _, b := range right {
			bts := b[2].(time.Time)
			if a[0] != nil && a[0] == b[0] && !bts.Before(ats) && !bts.After(ats.Add(6*time.Minute)) {
				n++
			}
		}
		w := ats.Truncate(5 * time.Minute)
		counts[w] = [2]int{counts[w][0] + max(n, 1), counts[w][1] + n}
	}
	delete(counts, far)
	var want []string
	for w, n := range counts {
		want = append(want, jsonText([]any{map[string]any{"start": plain(w), "end": plain(w.Add(5 * time.Minute))}, n[0], n[1]}))
	}
	compareRows(t, got, want)
}

func TestJoinRefusals(t *testing.T) {
	for _, c := range []struct{ query, mode, want string }{
		{"SELECT a.id FROM a LEFT JOIN b ON a.id = b.id", Append, "Stream-stream LeftOuter join"},
		{"SELECT a.id FROM a LEFT JOIN b ON a.id = b.id AND b.ts >= a.ts", Append, "Stream-stream LeftOuter join"},
		{"SELECT a.id FROM a FULL JOIN b ON a.id = b.id AND b.ts >= a.ts", Append, "Stream-stream FullOuter join"},
		{"SELECT a.id FROM a JOIN b ON a.id = b.id", Update, "Join between two streaming DataFrames/Datasets is not supported in Update output mode"},
		{"SELECT id FROM a WHERE id NOT IN (SELECT id FROM b)", Append, "LeftAnti joins"},
		{"SELECT id FROM a WHERE id IN (SELECT id FROM b)", Append, "Stream-stream LeftSemi join"},
	} {
		_, err := Compile(c.query, twoStreams(t, c.mode))
		if err == nil || !contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.query, err, c.want)
		}
	}
}
