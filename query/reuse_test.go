package query_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/query/duckdb"
)

// reuseLake is a lake with a table t.
func reuseLake(t *testing.T) *lake {
	t.Helper()
	l := newLake(t, false)
	l.run("CREATE DATABASE lake")
	l.run("CREATE DATABASE other")
	l.put("t/a.json", `{"n": 1}`)
	l.run("CREATE EXTERNAL TABLE t (n int) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://data/t/'")
	return l
}

func reusing(text string) query.StartInput {
	return query.StartInput{SQL: text, Database: "lake", Reuse: query.Reuse{Enabled: true, MaxAge: time.Hour}}
}

func (l *lake) succeed(in query.StartInput) *query.Execution {
	l.t.Helper()
	return l.await(l.start(in), query.Succeeded)
}

func TestReuse(t *testing.T) {
	l := reuseLake(t)
	in := reusing("SELECT sum(n) FROM lake.t WHERE n < ?")
	in.Parameters = []string{"100"}
	first := l.succeed(in)
	if first.Reused || first.Stats.ScannedBytes == 0 {
		t.Fatalf("the first: %+v", first)
	}
	l.put("t/b.json", `{"n": 10}`)
	l.passed.Add(int64(time.Hour))
	again := l.succeed(in)
	if !again.Reused || again.ID == first.ID || again.OutputLocation != first.OutputLocation || again.Stats.ScannedBytes != 0 ||
		again.Stats.OutputRows != 1 || l.csv(again) != "1" {
		t.Errorf("an equal query: %+v", again)
	}
	for name, change := range map[string]func(*query.StartInput){
		"other text":      func(in *query.StartInput) { in.SQL += " " },
		"other database":  func(in *query.StartInput) { in.Database = "other" },
		"other parameter": func(in *query.StartInput) { in.Parameters = []string{"99"} },
		"other location":  func(in *query.StartInput) { in.Result.OutputLocation = "s3://results/x/" },
		"not asked for":   func(in *query.StartInput) { in.Reuse = query.Reuse{} },
	} {
		other := in
		change(&other)
		if x := l.succeed(other); x.Reused || l.csv(x) != "11" {
			t.Errorf("%s: %s, reused %v", name, l.csv(x), x.Reused)
		}
	}
	// The last of these ran without asking, and is the newest result now.
	if x := l.succeed(in); !x.Reused || l.csv(x) != "11" {
		t.Errorf("after one that did not ask: %s, reused %v", l.csv(x), x.Reused)
	}
}

// TestReuseExpires counts the age from when the query ran, not from when its result was last reused.
func TestReuseExpires(t *testing.T) {
	l := reuseLake(t)
	in := reusing("SELECT sum(n) FROM t")
	l.succeed(in)
	for i, want := range []bool{true, false, true} {
		if i < 2 {
			l.passed.Add(int64(time.Hour/2 + time.Second))
		}
		if x := l.succeed(in); x.Reused != want {
			t.Errorf("step %d: reused %v", i, x.Reused)
		}
	}
}

func TestReuseNeedsTheResult(t *testing.T) {
	l := reuseLake(t)
	in := reusing("SELECT sum(n) FROM t")
	first := l.succeed(in)
	bucket, key, err := objstore.ParseURL(first.OutputLocation)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.objects.Delete(t.Context(), bucket, key); err != nil {
		t.Fatal(err)
	}
	if x := l.succeed(in); x.Reused || l.csv(x) != "1" {
		t.Errorf("after the result went: %+v", x)
	}
}

func TestReuseOnlyOfWhatIsDeterministic(t *testing.T) {
	l := reuseLake(t)
	l.run("CREATE VIEW clock AS SELECT n, now() AS at FROM t")
	l.run("CREATE VIEW plain AS SELECT n FROM t")
	l.run("PREPARE p FROM SELECT n FROM t WHERE n = ?")
	for text, want := range map[string]bool{
		"SELECT n FROM t":                               true,
		"SELECT n FROM plain":                           true,
		"EXECUTE p USING 1":                             true,
		"SELECT n, NOW /* soon */ () FROM t":            false,
		"SELECT current_timestamp(3)":                   false,
		"SELECT * FROM (SELECT current_date)":           false,
		"SELECT random(10)":                             false,
		"SELECT rand()":                                 false,
		"SELECT uuid()":                                 false,
		"SELECT n FROM t TABLESAMPLE BERNOULLI (50)":    false,
		"SELECT n FROM clock":                           false,
		"SELECT n FROM (SELECT * FROM lake.clock) AS x": false,
		"SHOW TABLES":                                   false,
		"EXPLAIN SELECT 1":                              false,
		"INSERT INTO sink SELECT 1":                     false,
	} {
		if strings.HasPrefix(text, "INSERT") {
			l.run("CREATE TABLE sink WITH (external_location = 's3://data/sink/') AS SELECT 0 AS n")
		}
		l.succeed(reusing(text))
		if x := l.succeed(reusing(text)); x.Reused != want {
			t.Errorf("%s: reused %v", text, x.Reused)
		}
	}
	l.run("DEALLOCATE PREPARE p")
	l.run("PREPARE p FROM SELECT -n FROM t WHERE n = ?")
	if x := l.succeed(reusing("EXECUTE p USING 1")); x.Reused || l.csv(x) != "-1" {
		t.Errorf("a statement prepared anew: %s, reused %v", l.csv(x), x.Reused)
	}
	in := reusing("SELECT n FROM t WHERE cast(n AS double) > ?")
	in.Parameters = []string{"random()"}
	l.succeed(in)
	if x := l.succeed(in); x.Reused {
		t.Error("with a random parameter: reused")
	}
}

// TestReuseIsBounded drops the entries of executions that leave the history, and no others.
func TestReuseIsBounded(t *testing.T) {
	l := reuseLake(t)
	l.Close()
	l.opts.History = 3
	l.opts.Engine = duckdb.New(duckdb.Options{TempDir: t.TempDir(), MemoryLimit: 512 << 20, Workers: 1})
	l.open()
	for i := range 6 {
		l.succeed(reusing("SELECT " + itoa(i)))
	}
	entries := 0
	for _, err := range l.meta.Space("query").Scan("reuse/", "") {
		if err != nil {
			t.Fatal(err)
		}
		entries++
	}
	if entries != 3 {
		t.Errorf("%d entries for 3 executions", entries)
	}
	if x := l.succeed(reusing("SELECT 0")); x.Reused {
		t.Error("reused what left the history")
	}
	if x := l.succeed(reusing("SELECT 5")); !x.Reused {
		t.Error("not reused though it is in the history")
	}
}

func TestReuseAndToken(t *testing.T) {
	l := reuseLake(t)
	in := reusing("SELECT n FROM t")
	l.succeed(in)
	in.Token = strings.Repeat("t", 32)
	if first, second := l.succeed(in), l.succeed(in); first.ID != second.ID || !second.Reused {
		t.Errorf("the same token gave %s and %s", first.ID, second.ID)
	}
	in.Reuse.Enabled, in.Result.OutputLocation = false, "s3://results/"
	if _, err := l.Start(in); !errors.Is(err, query.ErrInvalid) {
		t.Errorf("the same token without reuse: %v", err)
	}
}
