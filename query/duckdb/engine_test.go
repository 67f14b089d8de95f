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
	e := New(Options{TempDir: t.TempDir(), Dirs: []string{dir}, Memory: "512MB"})
	t.Cleanup(func() { e.Close() })
	return e
}

func ask(t testing.TB, e *Engine, r *query.Request) (*table, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out table
	_, err := e.Run(ctx, r, &out)
	return &out, err
}

func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, dir)
	b := query.Binding{Name: "t1", Format: query.Parquet, Columns: []query.BoundColumn{{Name: "id", Type: sql.Type{Name: "bigint"}}, {Name: "amount", Type: sql.Type{Name: "double"}}},
		Partitions: []query.PartitionColumn{{Name: "m", Type: sql.Type{Name: "integer"}}, {Name: "d", Type: sql.Type{Name: "integer"}}}}
	for m := range 87 {
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
	for _, q := range []string{"SELECT sum(amount), count(*) FROM t1", "SELECT m, count(*), sum(amount) FROM t1 GROUP BY m ORDER BY m LIMIT 2", "SELECT count(*) FROM t1 WHERE d = 3"} {
		began := time.Now()
		got, err := ask(t, e, &query.Request{SQL: q, Tables: []query.Binding{b}})
		if err != nil {
			t.Fatal(err)
		}
		t.Log(len(b.Files), q, got, time.Since(began))
	}
}

var _ = errors.Is
var _ = fmt.Sprint
var _ = filepath.Join
