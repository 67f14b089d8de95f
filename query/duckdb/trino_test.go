package duckdb

import (
	"os"
	"strings"
	"testing"

	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// TestTrinoExpressions runs testdata/trino.txt: expressions that were translated must answer what Trino answers.
func TestTrinoExpressions(t *testing.T) {
	raw, err := os.ReadFile("testdata/trino.txt")
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, t.TempDir())
	n := 0
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		expr, want, ok := strings.Cut(line, " => ")
		if !ok {
			t.Fatalf("malformed line %q", line)
		}
		n++
		got := evaluate(t, e, expr)
		if prefix, ok := strings.CutPrefix(want, "ERROR "); ok {
			if !strings.Contains(got, prefix) || !strings.HasPrefix(got, "ERROR ") {
				t.Errorf("%s = %s, want an error %s", expr, got, prefix)
			}
		} else if got != want {
			t.Errorf("%s = %s, want %s", expr, got, want)
		}
	}
	if n < 150 {
		t.Fatalf("only %d expressions ran", n)
	}
}

func evaluate(t *testing.T, e *Engine, expr string) string {
	t.Helper()
	q, err := sql.ParseQuery("SELECT " + expr)
	if err != nil {
		return "ERROR " + err.Error()
	}
	tr, err := sql.Translate(q, sql.Options{})
	if err != nil {
		return "ERROR " + err.Error()
	}
	out, err := ask(t, e, &query.Request{SQL: tr.Text})
	if err != nil {
		return "ERROR " + err.Error()
	}
	return out.String()
}
