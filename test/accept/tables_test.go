// Package accept reads Delta tables that Spark and delta-rs wrote, kept beside the checkout, with SQL as Athena's API
// gives it, and compares the rows with those that Spark reads (testdata/spark.txt, made by truth.py). What comes out is
// docs/delta-tables.md; go test ./test/accept -update rewrites it. Its second part, about tables that make delta-tables has Spark
// make for it, is kept in testdata/made.md.
package accept

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore/mem"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/query/duckdb"
)

var update = flag.Bool("update", false, "rewrite docs/delta-tables.md")

func TestMain(m *testing.M) {
	duckdb.WorkerMain()
	os.Exit(m.Run())
}

// answer is what became of one table.
type answer struct {
	version, files string // empty if it has no snapshot
	rows           int64
	digest         string
	err            string
}

// readAnswers reads what truth.py wrote.
func readAnswers(t *testing.T, path string) (names []string, answers map[string]answer) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	answers = map[string]answer{}
	for line := range strings.Lines(string(body)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			t.Fatalf("%s: %q has %d fields", path, line, len(f))
		}
		a := answer{}
		if f[1] != "-" {
			a.version, a.files = f[1], f[2]
		}
		if f[3] == "error" {
			a.err = f[4]
		} else {
			a.digest = f[4]
			if a.rows, err = strconv.ParseInt(f[3], 10, 64); err != nil {
				t.Fatalf("%s: %q: %v", path, line, err)
			}
		}
		names = append(names, f[0])
		answers[f[0]] = a
	}
	return names, answers
}

// reader runs SQL over the tables.
type reader struct {
	*query.Service
	catalog *catalog.Store
	store   *shelf
}

func newReader(t *testing.T, root string) *reader {
	t.Helper()
	store, err := newShelf(root, mem.New(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	kept := meta.NewMem()
	r := &reader{store: store}
	if r.catalog, err = catalog.New(kept, catalog.Options{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r.Service, err = query.New(query.Options{Meta: kept, Catalog: r.catalog, Objects: store, CacheDir: filepath.Join(dir, "cache"), Now: time.Now,
		Engine: duckdb.New(duckdb.Options{TempDir: dir, Dirs: []string{dir, root}, MemoryLimit: 1 << 30, Workers: 1})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := store.CreateBucket(t.Context(), "results"); err != nil {
		t.Fatal(err)
	}
	if err := r.catalog.CreateDatabase(t.Context(), catalog.Database{Name: "lake"}); err != nil {
		t.Fatal(err)
	}
	return r
}

// read selects all rows of the table in a folder.
func (r *reader) read(t *testing.T, name, folder string) answer {
	t.Helper()
	err := r.catalog.CreateTable(t.Context(), catalog.Table{Database: "lake", Name: name, Type: "EXTERNAL_TABLE",
		Storage:    catalog.Storage{Location: "s3://" + tablesBucket + "/" + folder},
		Parameters: map[string]string{"table_type": "DELTA"}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := r.Start(query.StartInput{SQL: "SELECT * FROM " + name, Database: "lake", Result: query.ResultConfig{OutputLocation: "s3://results/"}})
	if err != nil {
		return answer{err: err.Error()}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	x, err := r.Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if x.State != query.Succeeded {
		return answer{err: x.Reason}
	}
	body, _, err := r.store.Get(t.Context(), "results", strings.TrimPrefix(x.OutputLocation, "s3://results/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var a answer
	if a.rows, a.digest, err = digest(body); err != nil {
		t.Fatalf("result of %s: %v", folder, err)
	}
	return a
}

// digest counts the rows of a CSV file of Athena's and sums their hashes up, as truth.py does: the order does not matter.
func digest(body io.Reader) (rows int64, sum string, err error) {
	in := bufio.NewReaderSize(body, 1<<16)
	if _, err := in.ReadString('\n'); err != nil { // names
		return 0, "", err
	}
	var total uint64
	var row []byte
	for quoted, cell := false, false; ; {
		c, err := in.ReadByte()
		if err == io.EOF {
			return rows, fmt.Sprintf("%016x", total), nil
		}
		if err != nil {
			return 0, "", err
		}
		switch {
		case c == '"' && !quoted:
			quoted, cell = true, true
		case c == '"':
			if next, err := in.Peek(1); err == nil && next[0] == '"' {
				in.ReadByte()
				row = append(row, '"')
				continue
			}
			quoted = false
		case quoted:
			row = append(row, c)
		case c == ',' || c == '\n':
			if !cell {
				row = append(row, 0)
			}
			cell = false
			if c == ',' {
				row = append(row, 0x1f)
				continue
			}
			hash := sha256.Sum256(row)
			total += binary.BigEndian.Uint64(hash[:8])
			rows++
			row = row[:0]
		}
	}
}

// TestTables reads every table of the collections and writes the page about it.
func TestTables(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "data", "delta"))
	if err != nil {
		t.Fatal(err)
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		t.Skipf("the tables of Spark and delta-rs are not here: %v", err)
	}
	made, err := os.ReadFile(madeRows)
	if err != nil {
		t.Fatal(err)
	}
	page := pageHead + tableHead + compare(t, root, filepath.Join("testdata", "spark.txt")) + madeHead + tableHead + string(made)
	keep(t, filepath.Join("..", "..", "docs", "delta-tables.md"), page)
}

// keep compares a file with what it should hold, or writes it.
func keep(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(path); err != nil || string(kept) != want {
		t.Errorf("%s is not what the tables give; run go test ./test/accept -update (%v)", path, err)
	}
}

// madeRows are the rows of the page about tables that Spark makes on the spot.
var madeRows = filepath.Join("testdata", "made.md")

// TestMadeTables reads tables that were just made, see test/interop/delta_tables.sh.
func TestMadeTables(t *testing.T) {
	root, answers := os.Getenv("WEIR_MADE_TABLES"), os.Getenv("WEIR_MADE_ANSWERS")
	if root == "" || answers == "" {
		t.Skip("WEIR_MADE_TABLES and WEIR_MADE_ANSWERS name no folder and no answers")
	}
	keep(t, madeRows, compare(t, root, answers))
}

// compare reads the tables below a folder and returns rows of the page that say what became of them, and a last line that counts.
func compare(t *testing.T, root, answers string) string {
	t.Helper()
	names, truth := readAnswers(t, answers)
	r := newReader(t, root)
	var page strings.Builder
	count := map[string]int{}
	for i, name := range names {
		got, want := r.read(t, "t"+strconv.Itoa(i), name), truth[name]
		needs, err := r.open(t, name, &got)
		if got.version != "" && want.version != "" && (got.version != want.version || got.files != want.files) {
			t.Errorf("%s: version %s with %s files, Spark has %s with %s", name, got.version, got.files, want.version, want.files)
		}
		kind, outcome := judge(got, want, err)
		if kind == "" {
			t.Errorf("%s: %s", name, outcome)
		}
		count[kind]++
		fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", name, orDash(got.version), orDash(needs), strings.ReplaceAll(outcome, "|", "\\|"))
	}
	fmt.Fprintf(&page, "\n%d tables: %d read with Spark's rows, %d refused by name, %d broken, as Spark says too, %d without columns or data.\n",
		len(names), count["read"], count["refused"], count["broken"], count["empty"])
	return page.String()
}

const pageHead = `# Other people's Delta tables

What weir makes of the tables that Delta Lake's own tests and those of delta-rs use, read with SELECT * through Athena's API. Rows are compared,
all values of all columns, with those that Spark 4.0 with Delta Lake 4.0 reads. Written by ` + "`go test ./test/accept -update`" + `; Spark's answers are in
` + "`test/accept/testdata/spark.txt`, made by `test/accept/truth.py`" + `.

`

const madeHead = `
## Tables that Spark makes for the comparison

They use what the collections lack: ` + "`make delta-tables`" + ` has Spark 4.0 make and read them, has weir read them, and compares. The statements are in
` + "`test/interop/delta_tables.py`" + `; ` + "`make delta-tables UPDATE=-update`" + ` rewrites this part.

`

const tableHead = `| table | version | protocol and features | outcome |
|---|---|---|---|
`

// open adds the version and the number of live files to an answer, and says what the table asks of its readers and writers.
func (r *reader) open(t *testing.T, name string, a *answer) (needs string, err error) {
	t.Helper()
	table, err := delta.Open(t.Context(), delta.InBucket(r.store, tablesBucket, name))
	if err != nil {
		return "", err
	}
	s, err := table.Snapshot(t.Context())
	if err != nil {
		return "", err
	}
	n, _ := s.NumFiles()
	a.version, a.files = strconv.FormatInt(s.Version(), 10), strconv.Itoa(n)
	p := s.Protocol()
	words := []string{fmt.Sprintf("%d/%d", p.MinReaderVersion, p.MinWriterVersion)}
	features := append(slices.Clone(p.ReaderFeatures), p.WriterFeatures...)
	slices.Sort(features)
	words = append(words, slices.Compact(features)...)
	if m := s.Mapping(); m != delta.MapNone {
		words = append(words, "mapped by "+string(m))
	}
	return strings.Join(words, " "), nil
}

// judge says what kind of outcome an answer is, given Spark's and what opening the table said; empty is a wrong one.
func judge(got, want answer, opened error) (kind, text string) {
	same := ""
	if want.err != "" {
		same = "; Spark fails too"
	}
	switch {
	case got.err == "" && want.err == "":
		if got.rows != want.rows || got.digest != want.digest {
			return "", fmt.Sprintf("%d rows %s, Spark reads %d %s", got.rows, got.digest, want.rows, want.digest)
		}
		return "read", fmt.Sprintf("%d rows, the same as Spark's", got.rows)
	case got.err == "" && strings.Contains(want.err, "DELTA_READ_TABLE_WITHOUT_COLUMNS") && got.rows == 0:
		return "empty", "a table without columns, which Spark does not select from: no rows"
	case got.err == "":
		return "", fmt.Sprintf("%d rows, but Spark: %s", got.rows, want.err)
	case errors.Is(opened, delta.ErrUnsupported):
		return "refused", "refused: " + opened.Error() + same
	case want.err == "":
		return "", fmt.Sprintf("%s; Spark reads %d rows", got.err, want.rows)
	case errors.Is(opened, delta.ErrNoTable):
		return "broken", "no table: " + opened.Error() + same
	case opened != nil:
		return "broken", "broken: " + opened.Error() + same
	}
	return "empty", "data is missing: " + strings.ReplaceAll(got.err, "s3://"+tablesBucket+"/", "") + same
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
