package rewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
)

var errStatement = errors.New("a statement was run")

// noStatements is a DB that runs none.
type noStatements struct{}

func (noStatements) Query(context.Context, string, ...duckdb.Table) (*columnar.Batch, error) {
	return nil, errStatement
}

func (noStatements) Copy(context.Context, string, duckdb.CopyOptions, ...duckdb.Table) ([]duckdb.CopiedFile, error) {
	return nil, errStatement
}

// optimize is Optimize, where statements are allowed or not.
func (l *lake) optimize(statements bool) (Result, error) {
	l.Helper()
	if !statements {
		l.table.opts.DB = noStatements{}
		defer func() { l.table.opts.DB = l.db }()
	}
	return l.table.Optimize(l.Context(), OptimizeOptions{})
}

func TestConcatenate(t *testing.T) {
	l := newLake(t)
	const columns = "k int, name string, n bigint, x double, d decimal(20,3), day date, at timestamp, ok boolean, p string"
	l.create(columns, []string{"p"}, nil)
	var want []string
	for i := range 9 {
		line := fmt.Sprintf(`[%d,"n%d",%d,%d.5,"%d.125","2019-01-0%d","2019-01-15T0%d:00:00Z",%t,"a"]`, i, i%2, i*1e9, i, i, i+1, i, i%3 == 0)
		null := fmt.Sprintf(`[%d,null,null,null,null,null,null,null,"a"]`, i+100)
		l.append(columns, line, null)
	}
	want = l.read()
	r, err := l.optimize(false)
	l.must(err)
	if r.RemovedFiles != 9 || r.AddedFiles != 1 || r.Copied != 18 {
		t.Errorf("%+v", r)
	}
	l.want(want...)
	f := l.files()[0]
	if s := f.Stats; s == nil || s.NumRecords != 18 || fmt.Sprintf("%v %v %v %v %v %v %v", s.Min["k"], s.Max["k"], s.NullCount["k"], s.Min["name"], s.Max["name"], s.NullCount["name"], s.Max["d"]) != "0 108 0 n0 n1 9 8.125" {
		t.Errorf("statistics %+v", s)
	}
}

// TestConcatenateNot: files whose rows are not the table's as they lie are read by statements.
func TestConcatenateNot(t *testing.T) {
	for name, c := range map[string]struct {
		properties map[string]string
		columns    string
		change     func(*lake)
	}{
		"nested": {columns: "k int, l array<int>"},
		"a column that older files lack": {columns: "k int", change: func(l *lake) {
			_, err := l.table.Append(l.Context(), l.rows("k int, more string", `[50,"x"]`), WriteOptions{MergeSchema: true})
			l.must(err)
		}},
		"deleted rows": {columns: "k int", properties: map[string]string{"delta.enableDeletionVectors": "true"}, change: func(l *lake) {
			l.append("k int", `[50]`, `[51]`)
			_, err := l.table.Delete(l.Context(), l.where("k = 51"), "")
			l.must(err)
		}},
		"mapped columns": {columns: "k int", properties: map[string]string{"delta.columnMapping.mode": "name"}},
		"rows with ids":  {columns: "k int", properties: map[string]string{"delta.enableRowTracking": "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t)
			l.create(c.columns, nil, c.properties)
			for i := range 3 {
				l.append("k int", fmt.Sprintf(`[%d]`, i))
			}
			if c.change != nil {
				c.change(l)
			}
			want := l.read()
			if _, err := l.optimize(false); !errors.Is(err, errStatement) {
				t.Errorf("without statements: %v", err)
			}
			r, err := l.optimize(true)
			l.must(err)
			if r.AddedFiles != 1 || r.RemovedFiles < 3 {
				t.Errorf("%+v", r)
			}
			l.want(want...)
		})
	}
}

func TestOpenLike(t *testing.T) {
	write := func(columns, compression string) []byte {
		b := columnar.NewBuilder(schemaOf(t, columns))
		if err := b.Append(nil, nil); err != nil {
			t.Fatal(err)
		}
		var file bytes.Buffer
		if _, err := columnar.WriteParquet(&file, columnar.ParquetOptions{Compression: compression}, b.Batch()); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()
	}
	schema := schemaOf(t, "k bigint, s string")
	good := write("s string, k bigint", "SNAPPY")
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"columns in another order": {good, nil},
		"a narrower type":          {write("s string, k int", "SNAPPY"), errUnlike},
		"another name":             {write("s string, K bigint", "SNAPPY"), errUnlike},
		"zstd":                     {write("s string, k bigint", "ZSTD"), errUnlike},
		"cut":                      {good[:len(good)-5], columnar.ErrCorrupt},
	} {
		if _, err := openLike(c.body, schema); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
