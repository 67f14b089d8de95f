package incremental

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestPrograms compares programs with those in testdata/programs.txt: "mode: query", then steps and states.
func TestPrograms(t *testing.T) {
	const name = "testdata/programs.txt"
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, block := range strings.Split(strings.TrimSpace(string(raw)), "\n\n") {
		in, want, _ := strings.Cut(block, "\n----\n")
		mode, query, _ := strings.Cut(in, ": ")
		got := programText(t, mode, query)
		if out = append(out, in+"\n----\n"+got); !*update && got != want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", in, got, want)
		}
	}
	if *update {
		if err := os.WriteFile(name, []byte(strings.Join(out, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func programText(t *testing.T, mode, query string) string {
	t.Helper()
	p, err := Compile(query, everything(t, mode))
	if err != nil {
		return "error: " + err.Error()
	}
	var lines []string
	for _, s := range p.Steps {
		lines = append(lines, s.Name+": "+s.SQL)
	}
	for _, s := range p.States {
		lines = append(lines, fmt.Sprintf("state %s (%s) like %s update %s replace %v until %q late %q keys %v touched %q", s.Name, s.Operator, s.Like, s.Update, s.Replace,
			s.Until, s.Late, s.Keys, s.Touched))
		if s.Compact != "" {
			lines = append(lines, "  compact: "+s.Compact)
		}
		for _, k := range slices.Sorted(maps.Keys(s.Definition)) {
			lines = append(lines, "  "+k+": "+s.Definition[k])
		}
	}
	return strings.Join(append(lines, fmt.Sprintf("output %s keys %v event time %q tables %v", p.Output, p.Keys, p.EventTime, p.Tables)), "\n")
}

// TestStateOfChangedQueries checks which changes of a query leave the definition of its state as it is.
func TestStateOfChangedQueries(t *testing.T) {
	definition := func(query string) string {
		p, err := Compile(query, everything(t, Append))
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, s := range p.States {
			all = append(all, fmt.Sprint(s.Name, s.Operator, s.Keys, s.Definition))
		}
		return strings.Join(all, "\n")
	}
	aggregate := "SELECT window(ts, '5 minutes') AS w, k, sum(x) AS s, count(*) AS n FROM source GROUP BY 1, 2"
	join := "SELECT a.id, v, w FROM a JOIN b ON a.id = b.id AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR"
	for _, c := range []struct {
		was, is string
		same    bool
	}{
		{aggregate, "SELECT count(*) AS n, k, sum(x) + 1 AS s, window(ts, '5 minutes').end AS e FROM source WHERE x > 3 GROUP BY window(ts, '5 minutes'), k HAVING count(*) > 1", true},
		{aggregate, "SELECT window(ts, '6 minutes') AS w, k, sum(x) AS s, count(*) AS n FROM source GROUP BY 1, 2", false},
		{aggregate, "SELECT window(ts, '5 minutes') AS w, upper(k) AS k, sum(x) AS s, count(*) AS n FROM source GROUP BY 1, 2", false},
		{join, "SELECT w, a.id + 1 AS i, v FROM a JOIN b ON a.id = b.id AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR WHERE v <> 'x'", true},
		{join, "SELECT a.id, v, w FROM a JOIN b ON a.id = b.id AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '2' HOUR", false},
		{join, "SELECT a.id, v, w FROM a LEFT JOIN b ON a.id = b.id AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR", false},
	} {
		if got := definition(c.was) == definition(c.is); got != c.same {
			t.Errorf("%s\n%s\nsame state: %v\n%s\n%s", c.was, c.is, got, definition(c.was), definition(c.is))
		}
	}
}
