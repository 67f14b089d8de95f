package query_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/objstore/mem"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/query/duckdb"
)

var update = flag.Bool("update", false, "rewrite testdata")

func TestMain(m *testing.M) {
	duckdb.WorkerMain()
	os.Exit(m.Run())
}

// lake is a service with a catalog and objects.
type lake struct {
	*query.Service
	t       testing.TB
	catalog *catalog.Store
	objects objstore.Store
	meta    *meta.Store
	opts    query.Options
	engine  func() query.Engine
	passed  atomic.Int64 // nanoseconds since startTime
}

// startTime is when all statements of these tests start, unless they let time pass.
var startTime = time.Date(2026, 11, 22, 10, 20, 30, 456e6, time.UTC)

// newLake opens a service on files, or in memory.
func newLake(t testing.TB, onFiles bool) *lake {
	t.Helper()
	l := &lake{t: t, meta: meta.NewMem()}
	now := func() time.Time { return startTime.Add(time.Duration(l.passed.Load())) }
	dir := t.TempDir()
	l.objects = mem.New(now)
	if onFiles {
		store, err := file.Open(filepath.Join(dir, "objects"), l.meta, file.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		l.objects = store
	}
	var err error
	if l.catalog, err = catalog.New(l.meta, catalog.Options{Now: now}); err != nil {
		t.Fatal(err)
	}
	l.opts = query.Options{Meta: l.meta, Catalog: l.catalog, Objects: l.objects, CacheDir: filepath.Join(dir, "cache"), Now: now}
	l.engine = func() query.Engine {
		return duckdb.New(duckdb.Options{TempDir: dir, Dirs: []string{dir}, MemoryLimit: 512 << 20, Workers: 1})
	}
	l.open()
	for _, b := range []string{"data", "results"} {
		if err := l.objects.CreateBucket(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func (l *lake) open() {
	l.t.Helper()
	l.opts.Engine = l.engine() // Close ends the engine too
	s, err := query.New(l.opts)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Service = s
}

func (l *lake) put(key, body string) {
	l.t.Helper()
	if strings.HasSuffix(key, ".gz") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(body))
		z.Close()
		body = b.String()
	}
	if _, err := l.objects.Put(l.t.Context(), "data", key, strings.NewReader(body), objstore.PutOptions{}); err != nil {
		l.t.Fatal(err)
	}
}

// run runs a statement to its end.
func (l *lake) run(sql string, params ...string) *query.Execution {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*time.Minute)
	defer cancel()
	id, err := l.Start(query.StartInput{SQL: sql, Database: "lake", Parameters: params, Result: query.ResultConfig{OutputLocation: "s3://results/"}})
	if err != nil {
		return &query.Execution{State: "REFUSED", Reason: err.Error()}
	}
	x, err := l.Wait(ctx, id)
	if err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
	return x
}

// object reads an object of the results.
func (l *lake) object(url string) string {
	l.t.Helper()
	bucket, key, err := objstore.ParseURL(url)
	if err != nil {
		l.t.Fatal(err)
	}
	r, _, err := l.objects.Get(l.t.Context(), bucket, key, nil)
	if err != nil {
		l.t.Fatalf("read %s: %v", url, err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(body)
}

// show is the outcome of a statement as transcripts have it: the bytes of the result object, or the reason.
func (l *lake) show(x *query.Execution) string {
	if x.State != query.Succeeded {
		return string(x.State) + ": " + x.Reason + "\n"
	}
	if strings.HasSuffix(x.OutputLocation, ".csv") || strings.HasSuffix(x.OutputLocation, ".txt") {
		return l.object(x.OutputLocation)
	}
	return fmt.Sprintf("%d rows\n", x.UpdateCount)
}

var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// TestTranscripts runs testdata/*.txt: statements, and under ---- what they answer.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			l := newLake(t, true)
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, block := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n\n") {
				statement, _, _ := strings.Cut(block, "\n----")
				got.WriteString(statement + "\n----\n" + ids.ReplaceAllString(l.step(statement), "<id>") + "\n")
			}
			text := strings.TrimSuffix(got.String(), "\n")
			if *update {
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if text != string(raw) {
				t.Errorf("%s: got\n%s", name, diff(string(raw), text))
			}
		})
	}
}

// diff shows the first lines that differ.
func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			from := max(0, i-3)
			return fmt.Sprintf("line %d:\n%s\nwant:\n%s", i+1, strings.Join(g[min(from, len(g)):min(i+6, len(g))], "\n"), strings.Join(w[min(from, len(w)):min(i+6, len(w))], "\n"))
		}
	}
	return ""
}

// step runs one block: "# …" is a comment, "put KEY" stores the lines below it, anything else is a statement.
func (l *lake) step(block string) string {
	for strings.HasPrefix(block, "#") {
		_, block, _ = strings.Cut(block, "\n")
	}
	if rest, ok := strings.CutPrefix(block, "put "); ok {
		key, body, _ := strings.Cut(rest, "\n")
		l.put(key, body+"\n")
		return ""
	}
	return l.show(l.run(block))
}
