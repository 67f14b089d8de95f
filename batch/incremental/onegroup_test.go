package incremental

import (
	"fmt"
	"testing"
)

// TestOneGroupOfValues checks that aggregates that keep values give one row where all rows are one group, also when no other
// aggregate has a partial there.
func TestOneGroupOfValues(t *testing.T) {
	in := Inputs{Mode: Complete, Streams: map[string]Stream{"a": {Columns: schema(t, "x int, y double")}}}
	for _, c := range []struct{ call, empty, first, second string }{
		{"approx_distinct(x)", "[0]", "[2]", "[3]"},
		{"count(DISTINCT x)", "[0]", "[2]", "[3]"},
		{"sum(DISTINCT x) + 1", "[null]", "[4]", "[7]"},
		{"approx_percentile(x, 1.0)", "[null]", "[2]", "[3]"},
		{"approx_distinct(x), count(DISTINCT y)", "[0,0]", "[2,1]", "[3,2]"},
	} {
		m := newMachine(t, openDB(t), "SELECT "+c.call+" FROM a", in)
		var got []string
		for _, rows := range [][][]any{nil, {{1, 5.0}, {2, 5.0}, {2, nil}}, {{2, 5.0}, {3, 6.0}}} {
			got = append(got, m.run(map[string][][]any{"a": rows}, true)...)
		}
		if want := fmt.Sprint([]string{c.empty, c.first, c.second}); fmt.Sprint(got) != want {
			t.Errorf("%s: got %v, want %v", c.call, got, want)
		}
	}
}

// TestMomentsOfNoNumbers checks that NaN, infinities and numbers whose squares are too large make variances NaN, and stop nothing.
func TestMomentsOfNoNumbers(t *testing.T) {
	in := Inputs{Mode: Complete, Streams: map[string]Stream{"a": {Columns: schema(t, "k int, x string, y double")}}}
	m := newMachine(t, openDB(t), "SELECT k, stddev(CAST(x AS DOUBLE)), var_pop(CAST(x AS DOUBLE)), corr(y, CAST(x AS DOUBLE)), covar_samp(CAST(x AS DOUBLE), y), "+
		"regr_slope(y, CAST(x AS DOUBLE)) FROM a GROUP BY k", in)
	m.run(map[string][][]any{"a": {{1, "NaN", 1.0}, {1, "1", 1.0}, {2, "Infinity", 1.0}, {2, "3", 1.0}, {3, "1e200", 1.0}, {3, "-1e300", 1.0}, {4, "1", 1.0}, {5, nil, 1.0}}}, true)
	got := m.run(map[string][][]any{"a": {{1, "2", 2.0}, {2, "2", 2.0}, {3, "2", 2.0}, {4, "3", 2.0}, {5, nil, 2.0}}}, true)
	compareRows(t, got, []string{
		`[1,"NaN","NaN","NaN","NaN","NaN"]`, `[2,"NaN","NaN","NaN","NaN","NaN"]`, `[3,"NaN","NaN","NaN","NaN","NaN"]`,
		`[4,"1.41421356","1","1","1","0.5"]`, `[5,null,null,null,null,null]`,
	})
}
