package incremental

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestSourceQuery checks event time that the query of a source makes of texts: of a window, of deduplication and of late rows.
func TestSourceQuery(t *testing.T) {
	db := openDB(t)
	in := Inputs{Streams: map[string]Stream{"orders": {
		Columns: schema(t, "id bigint, At string"), EventTime: "ts", Delay: time.Minute,
		Query:       "SELECT *, TRY(date_parse(at, '%Y-%m-%d %H:%i')) AS ts FROM orders WHERE id > 0",
		Deduplicate: &Deduplicate{Columns: []string{"id", "ts"}},
	}}}
	m := newMachine(t, db, "SELECT window.start AS s, count(*) AS n FROM orders GROUP BY window(ts, '5 minutes')", in)
	m.withRunner()
	for i, batch := range []struct {
		rows [][]any
		want []string
	}{
		{[][]any{{1, "2024-01-01 10:01"}, {1, "2024-01-01 10:01"}, {2, "2024-01-01 10:02"}, {-1, "2030-01-01 10:01"}}, nil},
		{[][]any{{3, "2024-01-01 10:07"}, {2, "2024-01-01 10:02"}}, nil},
		{[][]any{{4, "2024-01-01 10:08"}}, []string{`["10:00:00",2]`}},
		{[][]any{{5, "2024-01-01 10:01"}, {6, nil}, {7, "soon"}}, nil}, // late; in no window
	} {
		if got := m.run(map[string][][]any{"orders": batch.rows}, true); strings.Join(got, " ") != strings.Join(batch.want, " ") {
			t.Errorf("batch %d: got %v, want %v", i, got, batch.want)
		}
	}
	if m.dropped != 1 {
		t.Errorf("%d rows were late, want 1", m.dropped)
	}
}

// TestSourceQueryRowwise checks that a pipeline's query without state reads what the source's query gives, under the names that it may have
// itself, and that event time is followed all the same: an instant with a zone too.
func TestSourceQueryRowwise(t *testing.T) {
	in := Inputs{Streams: map[string]Stream{"source": {
		Columns: schema(t, "Id bigint, events array<struct<ms:bigint>>"), EventTime: "at", Delay: time.Minute,
		Query: "SELECT Id, from_unixtime(ms / 1e3) AS at FROM source CROSS JOIN UNNEST(events) AS u(ms)",
	}}}
	m := newMachine(t, openDB(t), "WITH rows AS (SELECT id, source.at AS t FROM source WHERE at IS NOT NULL) SELECT * FROM rows", in)
	m.withRunner()
	got := m.run(map[string][][]any{"source": {{1, []any{map[string]any{"ms": 1704103200000}, map[string]any{"ms": nil}}}, {2, nil}}}, true)
	if want := `[1,"10:00:00"]`; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if want := base().Add(-time.Minute); !m.mark.Equal(want) {
		t.Errorf("the watermark is %v, want %v", m.mark, want)
	}
}

func TestSourceQueryRefusals(t *testing.T) {
	for _, c := range []struct{ query, column, want string }{
		{"SELECT count(*) AS n FROM a", "", "source a: query: works row by row"},
		{"SELECT DISTINCT id FROM a", "", "source a: query: works row by row"},
		{"SELECT x.id FROM a AS x JOIN a AS y ON x.id = y.id", "", "source a: query: works row by row"},
		{"SELECT id FROM b", "", "source a: query: reads the records of the source from the table a"},
		{"SELECT id FROM a, b", "", "b"},
		{"SELECT id AS i, v FROM a", "ts", "source a: watermark: the query of the source gives no column ts; it gives i, v"},
		{"SELECT v AS ts FROM a", "ts", "source a: watermark: column ts is of type varchar; event time must be a timestamp"},
		{"SELECT nope FROM a", "", "source a: query: COLUMN_NOT_FOUND"},
		{"SELECT", "", "source a: query: "},
		{"SELECT id FROM a LIMIT 3", "", "source a: query: LIMIT needs the Complete output mode"},
	} {
		in := Inputs{Streams: map[string]Stream{"a": {Columns: schema(t, leftColumns), Query: c.query, EventTime: c.column}, "b": {Columns: schema(t, leftColumns)}}}
		_, err := Compile("SELECT * FROM a", in)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.query, err, c.want)
		}
	}
}

// TestSourceQueryDefinesState checks that another way to make event time is another state, and another filter is not.
func TestSourceQueryDefinesState(t *testing.T) {
	definition := func(query string) string {
		in := Inputs{Streams: map[string]Stream{"a": {Columns: schema(t, leftColumns), Query: query, EventTime: "t", Deduplicate: &Deduplicate{Columns: []string{"id", "t"}}}, "b": twoStreams(t, Append).Streams["b"]}}
		p, err := Compile("SELECT window, count(*) AS n FROM (SELECT a.t FROM a JOIN b ON a.id = b.id AND b.ts BETWEEN a.t AND a.t + INTERVAL '1' MINUTE) GROUP BY window(t, '1 minute')", in)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, s := range p.States {
			all = append(all, fmt.Sprint(s.Name, s.Definition))
		}
		return strings.Join(all, "\n")
	}
	was := definition("SELECT id, v, ts AS t FROM a")
	if is := definition("select ID, v,\n ts AS t FROM a WHERE v <> 'x'"); was != is {
		t.Errorf("a filter changes the state\n%s\n%s", was, is)
	}
	if is := definition("SELECT id, v, ts + INTERVAL '1' HOUR AS t FROM a"); was == is || strings.Count(is, "rows of a:SELECT") != 4 {
		t.Errorf("another event time is the same state\n%s", is)
	}
}
