package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/state"
	"github.com/weir-data/weir/columnar"
)

// keepCounts makes a store with one batch for each of texts, such as "a 1, b 2": partial counts by key, to be added up.
func keepCounts(t *testing.T, dir string, texts ...string) {
	t.Helper()
	schema := &columnar.Schema{Fields: []columnar.Field{
		{Name: "k", Type: columnar.Type{Kind: columnar.String}, Nullable: true},
		{Name: "n", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true},
		{Name: "until", Type: columnar.Type{Kind: columnar.Timestamp}, Nullable: true},
	}}
	s, err := state.Open(state.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) // the command reads beside it
	specs := []batch.StateSpec{{Name: "counts", Operator: "stateStoreSave", Keys: []string{"k"}, Until: "until",
		Compact: "SELECT k, CAST(sum(n) AS BIGINT) AS n, until FROM runs GROUP BY k, until"}}
	v, err := s.Load(t.Context(), -1, specs, map[string]*columnar.Schema{"counts": schema})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	for i, text := range texts {
		staged, err := s.NewDir(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		b := columnar.NewBuilder(schema)
		for n, row := range strings.Split(text, ", ") {
			k, count, _ := strings.Cut(row, " ")
			if err := b.Append(k, int64(len(count)), at.Add(time.Duration(n)*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		var buf bytes.Buffer
		if _, err := columnar.WriteParquet(&buf, columnar.ParquetOptions{}, b.Batch()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(staged, "r.parquet"), buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		run := batch.StateRun{State: "counts", File: "r.parquet", Rows: int64(b.Len()), From: at, Until: at.Add(time.Duration(b.Len()-1) * time.Hour)}
		if v, err = s.Commit(t.Context(), v, int64(i), at.Add(time.Duration(i)*time.Minute), []batch.StateRun{run}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStateCommand(t *testing.T) {
	data := t.TempDir()
	keepCounts(t, filepath.Join(data, "pipelines", "rides"), "gone xxxx, a x, b xx", "gone xxxx, a xxx, c x")
	for name, c := range map[string]struct {
		cmd   StateCmd
		want  string // CSV, or how an error begins; "*" is anything
		fails bool
	}{
		"list": {StateCmd{Pipeline: "rides", Batch: -1}, "operator,kind,keys,rows,bytes,runs,leaves,watermark,batch,versions\n" +
			"counts,stateStoreSave,k,6,*,2,2026-01-31T10:00:00Z,2026-01-31T08:01:00Z,1,0 to 1\n", false},
		"drawn together": {StateCmd{Pipeline: "rides", Batch: -1, SQL: "SELECT k, n FROM counts ORDER BY k"}, "k,n\na,4\nb,2\nc,1\n", false},
		"an older one": {StateCmd{Pipeline: "rides", Operator: "counts", SQL: "SELECT k, n, until FROM state ORDER BY k"},
			"k,n,until\na,1,2026-01-31 09:00:00\nb,2,2026-01-31 10:00:00\n", false},
		"no batch":    {StateCmd{Pipeline: "rides", Batch: 7}, "there is no state of batch 7; versions are kept of batches 0 to 1", true},
		"no operator": {StateCmd{Pipeline: "rides", Batch: -1, Operator: "x"}, "there is no operator x, only counts", true},
		"no pipeline": {StateCmd{Pipeline: "other", Batch: -1}, "no state of a pipeline other in*", true},
		"no table":    {StateCmd{Pipeline: "rides", Batch: -1, SQL: "SELECT * FROM nosuch"}, "state of batch 1 (tables: counts)*", true},
		"no files":    {StateCmd{Pipeline: "rides", Batch: -1, SQL: "DROP TABLE counts"}, "*", true},
		"a folder":    {StateCmd{Pipeline: filepath.Join(data, "pipelines", "rides"), Batch: -1, SQL: "SELECT count(*) AS n FROM counts"}, "n\n3\n", false},
	} {
		c.cmd.Data = data
		var out bytes.Buffer
		dir, err := c.cmd.folder()
		if err == nil {
			var a *answer
			if a, err = c.cmd.ask(t.Context(), dir); err == nil {
				err = printCSV(&out, a)
			}
		}
		got := out.String()
		if err != nil {
			got = err.Error()
		}
		before, after, _ := strings.Cut(c.want, "*")
		if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) || (err != nil) != c.fails {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
