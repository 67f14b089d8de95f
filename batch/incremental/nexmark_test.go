package incremental

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/weir-data/weir/batch/duckdb"
	"os"
	"testing"
	"time"
)

// nexmark are the streams of the Nexmark benchmark.
func nexmark(t testing.TB, mode string) Inputs {
	stream := func(columns string) Stream {
		return Stream{Columns: schema(t, columns), EventTime: "dateTime", Delay: 4 * time.Second}
	}
	return Inputs{Mode: mode, Streams: map[string]Stream{
		"person":  stream("id bigint, name string, emailAddress string, creditCard string, city string, state string, dateTime timestamp, extra string"),
		"auction": stream("id bigint, itemName string, description string, initialBid bigint, reserve bigint, dateTime timestamp, expires timestamp, seller bigint, category bigint, extra string"),
		"bid":     stream("auction bigint, bidder bigint, price bigint, channel string, url string, dateTime timestamp, extra string"),
	}}
}

var nexmarkModes = map[string]string{"q4": Update, "q6": Update}

func TestNexmarkCompiles(t *testing.T) {
	for _, q := range []string{"q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8"} {
		text, err := os.ReadFile("testdata/nexmark/" + q + ".sql")
		if err != nil {
			t.Fatal(err)
		}
		mode := nexmarkModes[q]
		if mode == "" {
			mode = Append
		}
		p, err := Compile(string(text), nexmark(t, mode))
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		t.Logf("%s: %d steps, %d states, keys %v, event time %q", q, len(p.Steps), len(p.States), p.Keys, p.EventTime)
	}
}

// nexmarkDirect are the queries in DuckDB's words over all rows.
var nexmarkDirect = map[string]string{
	"q3": `SELECT p.name, p.city, p.state, a.id FROM auction a JOIN person p ON a.seller = p.id WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')`,
	"q4": `SELECT category, avg(final) FROM (SELECT a.id, a.category, max(b.price) AS final FROM auction a, bid b
		WHERE a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires GROUP BY a.id, a.category, a.expires) GROUP BY category`,
	"q5": `WITH w AS (SELECT auction, unnest([time_bucket(INTERVAL '2 seconds', dateTime) - INTERVAL '2 seconds' * i FOR i IN range(5)]) AS s FROM bid),
		c AS (SELECT s, auction, count(*) AS num FROM w GROUP BY ALL)
		SELECT s, s + INTERVAL '10 seconds', auction, num FROM c QUALIFY num = max(num) OVER (PARTITION BY s)`,
	"q6": `SELECT seller, avg(final) FROM (SELECT *, row_number() OVER (PARTITION BY seller ORDER BY closed DESC, final DESC) AS n FROM (SELECT a.id, a.seller, a.expires AS closed, max(b.price) AS final
		FROM auction a, bid b WHERE a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND a.expires GROUP BY ALL)) WHERE n <= 10 GROUP BY seller`,
	"q7": `SELECT auction, price, bidder, dateTime, extra FROM bid QUALIFY price = max(price) OVER (PARTITION BY time_bucket(INTERVAL '10 seconds', dateTime))`,
	"q8": `SELECT DISTINCT p.id, p.name, time_bucket(INTERVAL '10 seconds', p.dateTime) AS s FROM person p JOIN auction a ON p.id = a.seller
		AND time_bucket(INTERVAL '10 seconds', p.dateTime) = time_bucket(INTERVAL '10 seconds', a.dateTime)`,
}

// TestNexmark runs the stateful queries over random events that are out of order, but not late, and compares with all rows at once.
func TestNexmark(t *testing.T) {
	for q, direct := range nexmarkDirect {
		t.Run(q, func(t *testing.T) {
			t.Parallel()
			query, err := os.ReadFile("testdata/nexmark/" + q + ".sql")
			if err != nil {
				t.Fatal(err)
			}
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 6))
			mode := Append
			if nexmarkModes[q] != "" {
				mode = nexmarkModes[q]
			}
			in := nexmark(t, mode)
			db := openDB(t)
			m := newMachine(t, db, string(query), in)
			m.compact = r
			if seed%2 == 0 && len(m.static) == 0 {
				m.withRunner()
			}
			all, at := map[string][][]any{}, base()
			var got []string
			byKey := map[string]string{}
			take := func(rows []string) {
				got = append(got, rows...)
				for _, row := range rows {
					byKey[strings.SplitN(row, ",", 2)[0]] = row
				}
			}
			for range 8 {
				batch := nexmarkEvents(r, &at, 40)
				for name, rows := range batch {
					all[name] = append(all[name], rows...)
				}
				take(m.run(batch, true))
			}
			far := at.Add(time.Hour)
			take(m.run(map[string][][]any{"person": {{-1, "", "", "", "", "", far, ""}}, "bid": {{-1, -1, -1, "", "", far, ""}},
				"auction": {{-1, "", "", 0, 0, far, far.Add(-time.Minute), -1, -1, ""}}}, true))
			take(m.run(nil, true))
			take(m.run(nil, true))
			if mode == Update {
				got = nil
				for _, row := range byKey {
					got = append(got, row)
				}
			}
			var tables []duckdb.Table
			for name, s := range in.Streams {
				tables = append(tables, duckdb.Table{Name: name, Schema: s.Columns, Rows: rowsOfSchema(t, s.Columns, all[name])})
			}
			want, err := db.Query(context.Background(), direct, tables...)
			if err != nil {
				t.Fatal(err)
			}
			compareRows(t, got, texts(want))
		})
	}
}

// nexmarkEvents are n events from at on, which it moves.
func nexmarkEvents(r *rand.Rand, at *time.Time, n int) map[string][][]any {
	out := map[string][][]any{}
	for range n {
		*at = at.Add(time.Duration(r.IntN(400)) * time.Millisecond)
		ts := at.Add(-time.Duration(r.IntN(3000)) * time.Millisecond)
		switch k := r.IntN(10); {
		case k == 0:
			id := r.IntN(12)
			out["person"] = append(out["person"], []any{id, fmt.Sprint("name", id), "", "", "city", []string{"OR", "ID", "CA", "NY"}[r.IntN(4)], ts, ""})
		case k < 4:
			out["auction"] = append(out["auction"], []any{r.IntN(30), "", "", 1, 1, ts, ts.Add(time.Duration(r.IntN(40)) * time.Second), r.IntN(12), 9 + r.IntN(3), ""})
		default:
			out["bid"] = append(out["bid"], []any{r.IntN(30), r.IntN(5), 100 + r.IntN(50), "", "", ts, fmt.Sprint(r.IntN(1000))})
		}
	}
	return out
}
