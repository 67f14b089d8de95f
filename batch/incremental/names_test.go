package incremental

import (
	"fmt"
	"testing"
)

// TestNames checks what the columns of results are called, which of them name rows, and what is said of the state.
func TestNames(t *testing.T) {
	in := Inputs{Mode: Update, Streams: map[string]Stream{"Rides": {Columns: schema(t, "PULocationID int, fare double, pickedUp timestamp"), EventTime: "pickedUp"}}}
	for _, c := range []struct{ query, mode, columns, keys, state string }{
		{"SELECT PULocationID, count(*) AS n, sum(fare) FROM rides GROUP BY PULocationID", Update, "PULocationID int, n bigint, _col2 double",
			"[PULocationID]", "pulocationid int, count(*) bigint, sum(fare) double"},
		{"SELECT window(pickedUp, '1 hour'), avg(fare) AS a FROM rides GROUP BY 1", Append, "window struct<start:timestamp,end:timestamp>, a double", "[]",
			"window_start timestamp, sum(fare) double, count(fare) bigint, weir_until timestamp"},
		{"SELECT window.end, max(fare) AS m, avg(fare) FILTER (WHERE PULocationID = 3) AS a FROM rides GROUP BY window(pickedUp, '1 hour')", Update,
			"end timestamp, m double, a double", "[end]", ""},
		{"SELECT pickedUp, count(*) AS n FROM rides GROUP BY pickedUp", Append, "pickedUp timestamp, n bigint", "[]", "pickedup timestamp, count(*) bigint, weir_until timestamp"},
		{"SELECT a.PULocationID, b.PULocationID FROM rides AS a JOIN rides AS b ON a.fare = b.fare", Append, "PULocationID int, pulocationid_1 int", "[]",
			"a_pulocationid int, a_fare double"},
	} {
		in.Mode = c.mode
		m := newMachine(t, openDB(t), c.query, in).withRunner()
		about := m.engine.about
		if got := fields(about.Output); got != c.columns {
			t.Errorf("%s: columns %s, want %s", c.query, got, c.columns)
		}
		if got := fmt.Sprint(m.p.Keys); got != c.keys {
			t.Errorf("%s: keys %s, want %s", c.query, got, c.keys)
		}
		if got := fields(about.States[m.p.States[0].Name]); c.state != "" && got != c.state {
			t.Errorf("%s: state %s, want %s", c.query, got, c.state)
		}
	}
}
