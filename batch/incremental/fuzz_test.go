package incremental

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-data/weir/sql"
)

// FuzzCompile checks that any text gives a program that hangs together or an error.
func FuzzCompile(f *testing.F) {
	files, err := filepath.Glob("testdata/nexmark/*.sql")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.NewReplacer("bid", "a", "auction", "a", "person", "b", "datetime", "ts").Replace(string(text)))
	}
	for _, q := range []string{
		"SELECT window(ts, '5 minutes', '1 minute') AS w, k, avg(x), count(DISTINCT y) FROM source GROUP BY 1, 2 HAVING sum(x) > 1",
		"SELECT session_window(ts, '5 minutes'), max_by(k, x) FROM source GROUP BY session_window(ts, '5 minutes')",
		"SELECT a.id FROM a LEFT JOIN b ON a.id = b.id AND b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR",
		"SELECT a.*, n.name FROM a FULL JOIN b USING (id), lake.names AS n WHERE n.k = v AND EXISTS (SELECT 1 FROM b AS c WHERE c.ts = a.ts)",
		"SELECT DISTINCT id FROM a UNION SELECT id FROM b",
		"WITH x(i) AS (SELECT id FROM a) SELECT i, approx_percentile(i, 0.5), histogram(i) FROM x GROUP BY i ORDER BY 1 LIMIT 3",
		"SELECT k FROM source CROSS JOIN UNNEST(ARRAY[1, x]) AS u(e)",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		of := everything(t, Append)
		of.Streams["a"] = Stream{Columns: of.Streams["a"].Columns, Query: query}
		if p, err := Compile("SELECT count(*) AS n, max(id) AS m FROM a GROUP BY window(ts, '1 minute')", of); err == nil && len(p.States) > 0 {
			t.Fatalf("a window without a watermark in append mode: %v", p)
		}
		for _, mode := range []string{Append, Update, Complete} {
			p, err := Compile(query, everything(t, mode))
			if err != nil {
				var sound *sql.Error
				if !errors.As(err, &sound) && !errors.Is(err, ErrUnsupported) && !strings.Contains(err.Error(), "columns of") {
					t.Fatalf("%v", err)
				}
				continue
			}
			steps := map[string]bool{}
			for _, s := range p.Steps {
				if steps[strings.ToLower(s.Name)] || strings.Contains(s.SQL, internal) {
					t.Fatalf("step %s: %s", s.Name, s.SQL)
				}
				steps[strings.ToLower(s.Name)] = true
			}
			for _, s := range p.States {
				if !steps[strings.ToLower(s.Like)] || !steps[strings.ToLower(s.Update)] {
					t.Fatalf("state %v", s)
				}
			}
			if !steps[p.Output] {
				t.Fatalf("no output in %v", p)
			}
		}
	})
}
