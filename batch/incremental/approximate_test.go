package incremental

import (
	"encoding/json"
	"math"
	"testing"
)

// TestApproximate checks the stated errors of approx_distinct and approx_percentile over several batches.
func TestApproximate(t *testing.T) {
	in := Inputs{Mode: Complete, Streams: map[string]Stream{"a": {Columns: schema(t, "k int, x bigint, y double")}}}
	m := newMachine(t, openDB(t), "SELECT k, approx_distinct(x), approx_percentile(y, 0.5), approx_percentile(x, ARRAY[0.0, 0.9, 1.0]), count(*), approx_distinct(x, 0.01) FROM a GROUP BY k", in)
	var out []string
	n := 0
	for range 5 {
		var rows [][]any
		for range 4000 {
			rows = append(rows, []any{n % 2, n / 3, float64(n)/100 - 50}, []any{3, n % 10, nil})
			n++
		}
		out = m.run(map[string][][]any{"a": rows}, true)
	}
	near := func(what string, got any, want, relative float64) {
		t.Helper()
		if g, ok := got.(float64); !ok || math.Abs(g-want) > math.Abs(want)*relative+1e-9 {
			t.Errorf("%s: got %v, want about %v", what, got, want)
		}
	}
	for _, text := range out {
		var r []any
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if r[0].(float64) == 3 {
			near("few", r[1], 10, 0)
			if r[2] != nil {
				t.Errorf("percentile of nothing: %v", r[2])
			}
			continue
		}
		near("distinct", r[1], 6667, 0.08)
		near("distinct, closer", r[5], 6667, 0.04)
		near("median", parse(t, r[2]), 50, 0.012)
		near("p0", r[3].([]any)[0], 0, 0)
		near("p90", r[3].([]any)[1], 6000, 0.012)
		near("p100", r[3].([]any)[2], 6666, 0.012)
	}
}

func parse(t *testing.T, v any) any {
	t.Helper()
	var f float64
	if err := json.Unmarshal([]byte(v.(string)), &f); err != nil {
		t.Fatal(err)
	}
	return f
}
