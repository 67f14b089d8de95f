package duckdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// written reads files back: each row with its partition, and each file's statistics, sorted.
func written(t testing.TB, files []batch.ParquetFile) (rows, stats []string) {
	t.Helper()
	for _, f := range files {
		r, err := os.Open(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		info, err := r.Stat()
		if err != nil {
			t.Fatal(err)
		}
		b, err := columnar.ReadParquet(r, info.Size())
		if err != nil {
			t.Fatalf("%s: %v", f.Path, err)
		}
		if info.Size() != f.Size || int64(b.Len) != f.Rows {
			t.Errorf("%s: %d bytes and %d rows, the result says %d and %d", f.Path, info.Size(), b.Len, f.Size, f.Rows)
		}
		partition, err := json.Marshal(f.Partition)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Len {
			rows = append(rows, string(partition)+rowText(b, i))
		}
		columns, err := json.Marshal(f.Columns)
		if err != nil {
			t.Fatal(err)
		}
		stats = append(stats, string(partition)+string(columns))
	}
	slices.Sort(rows)
	slices.Sort(stats)
	return rows, stats
}

// partQuery makes partitions of all kinds that are allowed, null, empty and with letters that paths escape.
const partQuery = `SELECT b AS pb, CASE WHEN i32 % 3 = 0 THEN '' WHEN i32 % 3 = 1 THEN 'a/b c=%é' END AS ps,
	CASE WHEN b THEN d4 END AS pd, * FROM source WHERE i32 < 1000 OR i32 IS NULL`

// TestWaysOfPartitioning writes the same rows by statements, without them, and through files: rows, values and bounds must agree.
func TestWaysOfPartitioning(t *testing.T) {
	in := []*columnar.Batch{everyKindRows(t, 4000)}
	dir := t.TempDir()
	db := open(t, dir)
	schema, err := db.describe(t.Context(), []Table{{Name: "source", Schema: in[0].Schema}}, nil, partQuery)
	if err != nil {
		t.Fatal(err)
	}
	by := []string{"pb", "ps"}
	fields := slices.DeleteFunc(slices.Clone(schema.Fields), func(f columnar.Field) bool { return slices.Contains(by, f.Name) })
	with, done := withTables([]Table{{"source", in[0].Schema, in}})
	defer done()
	write := func(max int64, small int) (rows, stats []string) {
		t.Helper()
		c, err := db.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer db.give(c)
		w := &writer{db: db, conn: c, opts: batch.WriteOptions{PartitionBy: by}}
		if w.results, err = c.results(over(with, partQuery, []string{"*"})); err != nil {
			t.Fatal(err)
		}
		files, err := os.MkdirTemp(dir, "ways-")
		if err != nil {
			t.Fatal(err)
		}
		p := db.partitions(c, CopyOptions{Dir: files, Columns: &columnar.Schema{Fields: fields}, PartitionBy: by}, "")
		p.max, p.small = max, small
		copied, err := p.write(t.Context(), over(with, partQuery, w.columns(w.results)), "")
		if err != nil {
			t.Fatal(err)
		}
		if max == 0 && len(p.spilled) == 0 {
			t.Error("no rows were spilled")
		}
		var out []batch.ParquetFile
		for i := range copied {
			out = append(out, copied[i].parquetFile(fields))
			if v := copied[i].Partition["ps"]; v != nil && *v != "a/b c=%é" {
				t.Errorf("partition value %q", *v)
			}
		}
		return written(t, out)
	}
	rows, stats := write(1<<30, 0)
	for what, c := range map[string]struct {
		max   int64
		small int
	}{"without statements": {1 << 30, 1 << 30}, "through files": {0, 0}, "partly through files": {40_000, 0}} {
		rows2, stats2 := write(c.max, c.small)
		if !slices.Equal(rows, rows2) {
			t.Errorf("%s: rows differ: %d and %d", what, len(rows), len(rows2))
			for i := range min(len(rows), len(rows2)) {
				if rows[i] != rows2[i] {
					t.Fatalf("%s: row %d\nCOPY  %s\nthis %s", what, i, rows[i], rows2[i])
				}
			}
		}
		for i := range max(len(stats), len(stats2)) { // numbers may be written in several ways
			if plainNumbers(t, stats[i]) != plainNumbers(t, stats2[i]) {
				t.Errorf("%s: statistics of file %d\nCOPY  %s\nthis %s", what, i, stats[i], stats2[i])
			}
		}
	}
}

// plainNumbers writes two JSON values, one after the other, with all numbers in one form. DuckDB gives no bounds for
// decimals of more than 18 digits, so they do not count.
func plainNumbers(t testing.TB, text string) (out string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	for range 2 {
		var v map[string]any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		delete(v, "d38")
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out += string(b)
	}
	return out
}

func TestManyPartitions(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	files, err := writeOver(t.Context(), db, []*columnar.Batch{everyKindRows(t, 900)}, "SELECT *, i32 % 700 AS p, ts AS q FROM source",
		batch.WriteOptions{Dir: dir, PartitionBy: []string{"p", "d"}, Compression: "zstd"})
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := written(t, files)
	if len(rows) != 900 || len(files) < 700 {
		t.Errorf("%d rows in %d files", len(rows), len(files))
	}
	for _, f := range files {
		if d := f.Partition["d"]; d != nil {
			if _, err := time.Parse(time.DateOnly, *d); err != nil {
				t.Errorf("partition value %q", *d)
			}
		}
	}
}

func TestTimestampsInFilesAreInstants(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	files, err := writeOver(t.Context(), db, []*columnar.Batch{everyKindRows(t, 10)},
		"SELECT ts, ts::timestamptz AS z, date_trunc('hour', ts) AS h, [ts] AS l FROM source", batch.WriteOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	r, err := os.Open(files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := columnar.ReadParquet(r, files[0].Size)
	if err != nil {
		t.Fatal(err)
	}
	want := time.Date(2019, 1, 31, 8, 0, 0, 123458000, time.UTC)
	for i, c := range b.Columns[:2] {
		if c.Type.Kind != columnar.Timestamp || c.Value(2) != want {
			t.Errorf("column %d is %s, %v", i, c.Type, c.Value(2))
		}
	}
	if k := b.Columns[3].Children[0].Type.Kind; k != columnar.Timestamp {
		t.Errorf("elements of l are of kind %v", k)
	}
	if got := files[0].Columns["ts"].Max; got != "2019-01-31T08:00:00.123465Z" && got != "2019-01-31T08:00:00.123464Z" {
		t.Errorf("max of ts is %v", got)
	}
}

// TestTooLargeForMemoryIsWrittenInParts gives DuckDB far less memory than the rows of a batch.
func TestTooLargeForMemoryIsWrittenInParts(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(Options{Dirs: []string{dir}, MemoryLimit: 30 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	b := columnar.NewBuilder(&columnar.Schema{Fields: []columnar.Field{
		{Name: "n", Type: columnar.Type{Kind: columnar.Int32}}, {Name: "s", Type: columnar.Type{Kind: columnar.String}}}})
	for i := range 20_000 {
		if err := b.Append(i, strings.Repeat(fmt.Sprintf("%08d", i*7919), 150)); err != nil {
			t.Fatal(err)
		}
	}
	for _, by := range [][]string{nil, {"few"}, {"many"}} {
		files, err := writeOver(t.Context(), db, []*columnar.Batch{b.Batch()}, "SELECT *, n % 10 AS few, n % 50 AS many FROM source",
			batch.WriteOptions{Dir: dir, PartitionBy: by})
		if err != nil {
			t.Errorf("by %v: %v", by, err)
			continue
		}
		if rows, _ := written(t, files); len(rows) != 20_000 || len(slices.Compact(rows)) != 20_000 {
			t.Errorf("by %v: %d rows", by, len(rows))
		}
		t.Logf("by %v: %d files", by, len(files))
	}
}

func TestErrorLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	in := []*columnar.Batch{everyKindRows(t, 100_000)}
	cancelled, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for name, c := range map[string]struct {
		ctx   context.Context
		query string
		dir   string
	}{
		"error in the middle": {t.Context(), "SELECT CASE WHEN i32 > 90000 THEN error('boom') ELSE i32 END AS x FROM source", dir},
		"cancelled":           {cancelled, "SELECT i64, md5(md5(md5(repeat(s || i32, 2000)))) AS x FROM source", dir},
		"not among Dirs":      {t.Context(), "SELECT i64 FROM source", t.TempDir()},
	} {
		_, err := writeOver(c.ctx, db, in, c.query, batch.WriteOptions{Dir: c.dir})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if name == "cancelled" && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		left, err := filepath.Glob(filepath.Join(c.dir, "*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
	// The connections are usable after that.
	if _, err := writeOver(t.Context(), db, in, "SELECT i64 FROM source WHERE b", batch.WriteOptions{Dir: dir}); err != nil {
		t.Error(err)
	}
}

func TestNoRowsNoFiles(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	for _, by := range [][]string{nil, {"i32"}} {
		files, err := writeOver(t.Context(), db, []*columnar.Batch{everyKindRows(t, 10)}, "SELECT i32, s FROM source WHERE i32 < 0",
			batch.WriteOptions{Dir: dir, PartitionBy: by})
		if err != nil || len(files) != 0 {
			t.Errorf("by %v: %v, %v", by, files, err)
		}
	}
}

// TestQueriesSeeNothingElse runs what Describe would refuse already.
func TestQueriesSeeNothingElse(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, t.TempDir())
	in := []*columnar.Batch{everyKindRows(t, 10)}
	for _, query := range []string{
		"SELECT * FROM read_csv('" + secret + "')", "SELECT * FROM '" + secret + "'", "SELECT content FROM read_text('" + secret + "')",
		"SELECT * FROM glob('/*')", "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')", "SELECT 1) TO '" + secret + "'; SELECT (1",
		"SET enable_external_access = true", "SELECT * FROM weir_source(1)", "ATTACH '" + secret + "' AS x",
	} {
		if b, err := rowsOver(t.Context(), db, in, query, 10); err == nil {
			t.Errorf("%s gave %d rows", query, b.Len)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	for _, q := range []string{"SELECT * FROM source", "SELECT i32+1 AS x, upper(s) FROM source WHERE b -- c", "WITH x AS (SELECT 1) SELECT * FROM x",
		"SELECT 1) ; SELECT (2", "SELECT count(*) FROM source", "SELECT * FROM read_csv('/etc/passwd')", "SELECT l[1], st.a, m['k'] FROM source"} {
		f.Add(q)
	}
	db := open(f)
	schema := everyKind(f)
	f.Fuzz(func(t *testing.T, query string) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s, err := describeOver(ctx, db, schema, query)
		if err == nil && len(s.Fields) == 0 {
			t.Fatalf("%q gives no columns", query)
		}
	})
}

// TestSerialCopies run beside each other, and leave what others do.
func TestSerialCopies(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	in := everyKindRows(t, 3000)
	fields := in.Schema.Fields[:1]
	g, ctx := errgroup.WithContext(t.Context())
	for i := range 8 {
		g.Go(func() error {
			out := filepath.Join(dir, fmt.Sprint(i))
			if err := os.Mkdir(out, 0o755); err != nil {
				return err
			}
			files, err := db.Copy(ctx, "SELECT * FROM rows_", CopyOptions{Dir: out, Columns: &columnar.Schema{Fields: fields}, Serial: i%2 == 0},
				Table{Name: "rows_", Schema: in.Schema, Rows: []*columnar.Batch{in}})
			if err == nil && (len(files) != 1 || files[0].Rows != 3000) {
				err = fmt.Errorf("files %+v", files)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
