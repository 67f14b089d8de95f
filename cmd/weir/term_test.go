package main

import "testing"

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestChart(t *testing.T) {
	got := chart([]float64{0, 50, 100}, 2, 10, "records/s")
	want := "" +
		"     100 │  █\n" +
		"       0 │ ██\n" +
		"         └─── records/s\n"
	if got != want {
		t.Errorf("chart:\n%s\nwant:\n%s", got, want)
	}
	if n := len(fold(make([]float64, 1000), 60)); n != 60 {
		t.Errorf("fold left %d values", n)
	}
}

// A live line that does not fit would be broken in two, and only its end replaced.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{{"batch 1", 7, "batch 1"}, {"batch 12", 7, "batch …"}, {"größer", 6, "größer"}, {"größere", 6, "größe…"}, {"", 0, ""}, {"a", 1, "a"}, {"ab", 1, "…"}} {
		if got := cut(c.text, c.columns); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.text, c.columns, got, c.want)
		}
	}
}
