package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/worker"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

func TestMain(m *testing.M) {
	WorkerMain()
	os.Exit(m.Run())
}

// table collects a result.
type table struct {
	cols []sql.Column
	rows [][]string
}

func (t *table) Columns(cols []sql.Column) error { t.cols = cols; return nil }

func (t *table) Rows(cells [][]byte) error {
	for len(cells) > 0 {
		row := make([]string, len(t.cols))
		for i, c := range cells[:len(t.cols)] {
			row[i] = "NULL"
			if c != nil {
				row[i] = string(c)
			}
		}
		t.rows = append(t.rows, row)
		cells = cells[len(t.cols):]
	}
	return nil
}

func (t *table) String() string {
	var lines []string
	for _, r := range t.rows {
		lines = append(lines, strings.Join(r, "|"))
	}
	return strings.Join(lines, "\n")
}

func newEngine(t testing.TB, dir string) *Engine {
	e := New(Options{TempDir: t.TempDir(), Dirs: []string{dir}, MemoryLimit: 512 << 20})
	t.Cleanup(func() { e.Close() })
	return e
}

func ask(t testing.TB, e *Engine, r *query.Request) (*table, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out table
	_, err := e.Run(ctx, r, &out)
	return &out, err
}

// TestManyFiles reads a table of thousands of small files, whose partition values are the engine's to add.
func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, dir)
	const months = 10 // 87 make 8,700 files
	b := query.Binding{Name: "t1", Format: query.Parquet, Columns: []query.BoundColumn{{Name: "id", Type: sql.Type{Name: "bigint"}}, {Name: "amount", Type: sql.Type{Name: "double"}}},
		Partitions: []query.PartitionColumn{{Name: "m", Type: sql.Type{Name: "integer"}}, {Name: "d", Type: sql.Type{Name: "integer"}}}}
	for m := range months {
		sub := filepath.Join(dir, fmt.Sprint("m=", m))
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("SELECT i AS id, i * 0.5 AS amount, i %% 100 AS d FROM range(%d, %d) r(i)", m*1380, (m+1)*1380)
		rep, err := e.Run(t.Context(), &query.Request{SQL: text, Copy: &query.Copy{Dir: sub, Format: "parquet", Compression: "snappy",
			PartitionBy: []string{"d"}, Columns: []string{"id", "amount", "d"}}}, &table{})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range rep.Written {
			month, day := fmt.Sprint(m), w.Partition["d"]
			b.Files = append(b.Files, w.Path)
			b.Partitions[0].Values = append(b.Partitions[0].Values, &month)
			b.Partitions[1].Values = append(b.Partitions[1].Values, &day)
		}
	}
	for q, want := range map[string]string{
		"SELECT sum(id), count(*) FROM t1":                                       fmt.Sprintf("%d|%d", months*1380*(months*1380-1)/2, months*1380),
		"SELECT m, count(*), min(id) FROM t1 GROUP BY m ORDER BY m DESC LIMIT 1": fmt.Sprintf("%d|1380|%d", months-1, (months-1)*1380),
		"SELECT count(*) FROM t1 WHERE d = 90":                                   fmt.Sprint(months * 1380 / 100),
	} {
		began := time.Now()
		got, err := ask(t, e, &query.Request{SQL: q, Tables: []query.Binding{b}})
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != want {
			t.Errorf("%s = %s, want %s", q, got, want)
		}
		t.Log(len(b.Files), "files", time.Since(began))
	}
}

// TestNullPartitions writes partitions whose value is NULL, at which DuckDB's own way crashed its process.
func TestNullPartitions(t *testing.T) {
	e := newEngine(t, t.TempDir())
	for _, format := range []string{"parquet", "csv"} {
		rep, err := e.Run(t.Context(), &query.Request{
			SQL:  "SELECT i, CASE WHEN i % 3 = 1 THEN 'a/b é' END, CASE WHEN i % 5 > 0 THEN i % 2 = 0 END FROM range(4000) r(i)",
			Copy: &query.Copy{Dir: t.TempDir(), Format: format, Compression: "uncompressed", Delimiter: ",", PartitionBy: []string{"s", "b"}, Columns: []string{"i", "s", "b"}},
		}, &table{})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, w := range rep.Written {
			seen[w.Partition["s"]+"|"+w.Partition["b"]] = true
		}
		for _, s := range []string{"a/b é", hiveNull} {
			for _, b := range []string{"true", "false", hiveNull} {
				if !seen[s+"|"+b] {
					t.Errorf("%s: no partition s=%s b=%s in %v", format, s, b, seen)
				}
			}
		}
		if len(seen) != 6 {
			t.Errorf("%s: %d partitions: %v", format, len(seen), seen)
		}
	}
}

// slow is a query that runs for minutes.
const slow = "SELECT sum(a.i * b.i % 7) FROM range(1000000) a(i), range(1000000) b(i)"

func TestCancel(t *testing.T) {
	e := newEngine(t, t.TempDir())
	if _, err := ask(t, e, &query.Request{SQL: "SELECT 1"}); err != nil { // the worker is up
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := e.Run(ctx, &query.Request{SQL: slow}, &table{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a cancelled query: %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("cancelling took %v", took)
	}
	if got, err := ask(t, e, &query.Request{SQL: "SELECT 2"}); err != nil || got.String() != "2" {
		t.Errorf("the next query: %v %v", got, err)
	}
}

// TestCrash kills a worker under a query: the query fails, the engine goes on.
func TestCrash(t *testing.T) {
	e := newEngine(t, t.TempDir())
	p, err := e.pool.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, healthy, err := p.run(t.Context(), e.task(&query.Request{SQL: slow}), &table{}, time.Second)
		if healthy {
			err = errors.New("the worker counts as healthy")
		}
		failed <- err
	}()
	p.Stop()
	if err := <-failed; !errors.Is(err, query.ErrCrashed) {
		t.Errorf("the query under a crash: %v", err)
	}
	if got, err := ask(t, e, &query.Request{SQL: "SELECT 2"}); err != nil || got.String() != "2" {
		t.Errorf("the next query: %v %v", got, err)
	}
}

// TestMemoryLimit runs queries that need much: what DuckDB counts, and what it does not.
func TestMemoryLimit(t *testing.T) {
	e := New(Options{MemoryLimit: 40 << 20, TempDir: "/nonexistent", Workers: 1})
	t.Cleanup(func() { e.Close() })
	queries := []string{"SELECT count(*) FROM (SELECT i, array_agg(i) FROM range(10000000) r(i) GROUP BY i)"}
	if worker.LimitsMemory {
		queries = append(queries, "SELECT max(length(repeat('x', 3000000) || i)) FROM range(2000) r(i)")
	}
	for _, q := range queries {
		if _, err := ask(t, e, &query.Request{SQL: q}); !errors.Is(err, query.ErrMemory) {
			t.Errorf("a query beyond the limit: %v", err)
		}
		if got, err := ask(t, e, &query.Request{SQL: "SELECT 2"}); err != nil || got.String() != "2" {
			t.Errorf("the next query: %v %v", got, err)
		}
	}
}

// TestLocked tries what no translated query says: even then nothing outside the engine's directories can be reached.
func TestLocked(t *testing.T) {
	e := newEngine(t, t.TempDir())
	for _, q := range []string{
		"SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_text('/proc/self/environ')", "COPY (SELECT 1) TO '/tmp/weir-escaped.csv'",
		"ATTACH '/tmp/weir-escaped.db'", "INSTALL httpfs", "LOAD httpfs", "SET enable_external_access = true", "SET memory_limit = '100GB'",
		"SELECT * FROM glob('/etc/*')",
	} {
		if out, err := ask(t, e, &query.Request{SQL: q}); err == nil {
			t.Errorf("%s: %s", q, out)
		}
	}
}

// stuck is a sink that fails after some rows.
type stuck struct{ rows int }

var errEnough = errors.New("enough")

func (s *stuck) Columns([]sql.Column) error { return nil }

func (s *stuck) Rows(cells [][]byte) error {
	if s.rows += len(cells); s.rows > 1000 {
		return errEnough
	}
	return nil
}

func TestSinkStops(t *testing.T) {
	e := newEngine(t, t.TempDir())
	s := &stuck{}
	if _, err := e.Run(t.Context(), &query.Request{SQL: "SELECT * FROM range(10000000)"}, s); !errors.Is(err, errEnough) {
		t.Errorf("a sink that has enough: %v", err)
	}
	if s.rows > 100000 {
		t.Errorf("%d rows came after the sink had enough", s.rows)
	}
}

func TestManyResultRows(t *testing.T) {
	e := newEngine(t, t.TempDir())
	got, err := ask(t, e, &query.Request{SQL: "SELECT i, CASE WHEN i % 2 = 0 THEN NULL ELSE 'x' END FROM range(300000) r(i)"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.rows) != 300000 || strings.Join(got.rows[299999], "|") != "299999|x" || got.rows[4][1] != "NULL" {
		t.Errorf("%d rows, last %v", len(got.rows), got.rows[len(got.rows)-1])
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(appendCell(appendCell(nil, nil), []byte("abc")))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		cells, err := readCells(payload, nil)
		if err != nil {
			return
		}
		var again []byte
		for _, c := range cells {
			again = appendCell(again, c)
		}
		back, err := readCells(again, nil)
		if err != nil || len(back) != len(cells) {
			t.Fatalf("%d cells, then %d: %v", len(cells), len(back), err)
		}
	})
}
