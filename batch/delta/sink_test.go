package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	table "github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
)

// writer is Rows that are one file of 3 rows for each partition of its list.
type writer struct {
	batch.Rows // not asked for
	partitions []string
}

func (w writer) Len() int64 { return -1 }

func (w writer) Write(_ context.Context, opts batch.WriteOptions) (files []batch.ParquetFile, err error) {
	for i, p := range w.partitions {
		path := filepath.Join(opts.Dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte("parquet of "+p), 0o644); err != nil {
			return nil, err
		}
		f := batch.ParquetFile{Path: path, Rows: 3, Size: int64(len("parquet of " + p)), Partition: map[string]*string{"p": &p},
			Columns: map[string]batch.ColumnStats{"s": {Min: "a", Max: "b", Nulls: 1}}}
		if p == "" {
			f.Partition["p"] = nil
		}
		files = append(files, f)
	}
	return files, nil
}

func schema(t testing.TB, fields ...string) *columnar.Schema {
	t.Helper()
	s := &columnar.Schema{}
	for _, f := range fields {
		name, text, _ := strings.Cut(f, " ")
		typ, err := columnar.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Fields = append(s.Fields, columnar.Field{Name: name, Type: typ, Nullable: true})
	}
	return s
}

// counting counts the puts of data files.
type counting struct {
	objstore.Store
	mu   sync.Mutex // guards puts
	puts []string
}

func (c *counting) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	c.mu.Lock()
	c.puts = append(c.puts, key)
	c.mu.Unlock()
	return c.Store.Put(ctx, bucket, key, body, opts)
}

type fixture struct {
	store   *counting
	catalog *catalog.Store
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	s := mem.New(nil)
	if err := s.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	c, err := catalog.New(meta.NewMem(), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{&counting{Store: s}, c}
}

func (f *fixture) sink(t testing.TB, change func(*Options)) *Sink {
	t.Helper()
	opts := Options{Store: f.store, Location: "s3://lake/t", PartitionBy: []string{"p"}, Catalog: f.catalog, Database: "lake", Table: "t",
		Staging: t.TempDir()}
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f *fixture) snapshot(t testing.TB) *table.Snapshot {
	t.Helper()
	tab, err := table.Open(t.Context(), table.InBucket(f.store, "lake", "t"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := tab.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBatchesOnce(t *testing.T) {
	f := newFixture(t)
	columns := schema(t, "s string", "p string")
	out := writer{partitions: []string{"b", "", "a/x"}}
	for restart := range 3 {
		s := f.sink(t, nil)
		last, err := s.Open(t.Context(), batch.Output{Pipeline: "pipe", Schema: columns})
		if err != nil || last != int64(restart)-1 {
			t.Fatalf("open: %d, %v", last, err)
		}
		for id := range int64(restart + 1) {
			f.store.puts = nil
			w, err := s.Write(t.Context(), id, out)
			if err != nil {
				t.Fatal(err)
			}
			if replay := id < int64(restart); w.Replayed != replay || replay && len(f.store.puts) > 0 || !replay && (w.Rows != 9 || w.Files != 3) {
				t.Errorf("restart %d, batch %d: %+v, puts %v", restart, id, w, f.store.puts)
			}
		}
	}
	snapshot := f.snapshot(t)
	var paths []string
	for file, err := range snapshot.Files(nil) {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, file.Path[:strings.Index(file.Path, "part-")+10])
		if _, err := f.store.Head(t.Context(), "lake", "t/"+file.Path); err != nil {
			t.Errorf("%s: %v", file.Path, err)
		}
		if file.Stats.NumRecords != 3 || fmt.Sprint(file.Stats.Max["s"]) != "b" {
			t.Errorf("%s: statistics %+v", file.Path, file.Stats)
		}
	}
	slices.Sort(paths)
	if got := strings.Join(slices.Compact(paths), " "); got != "p=__HIVE_DEFAULT_PARTITION__/part-00000 p=a%2Fx/part-00001 p=b/part-00002" || len(paths) != 9 {
		t.Errorf("%d files: %s", len(paths), got)
	}
	if v, ok := snapshot.Txn("pipe"); !ok || v != 2 {
		t.Errorf("txn %d, %v", v, ok)
	}
}

// tornStore writes half of each data file, and fails.
type tornStore struct {
	objstore.Store
	err error
}

func (s tornStore) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	if strings.Contains(key, "part-") {
		if _, err := s.Store.Put(ctx, bucket, key, strings.NewReader("half"), opts); err != nil {
			return objstore.Info{}, err
		}
		return objstore.Info{}, s.err
	}
	return s.Store.Put(ctx, bucket, key, body, opts)
}

// TestCrashBeforeCommit lets the commit fail once: the batch that runs again touches no file of the first attempt, whose
// commit might still be on its way, and the table names its own files only.
func TestCrashBeforeCommit(t *testing.T) {
	f := newFixture(t)
	columns := schema(t, "s string", "p string")
	boom := errors.New("boom")
	s := f.sink(t, func(o *Options) { o.Store = tornStore{f.store, boom} })
	if _, err := s.Open(t.Context(), batch.Output{Pipeline: "pipe", Schema: columns}); err != nil {
		t.Fatal(err)
	}
	out := writer{partitions: []string{"a", "b"}}
	if _, err := s.Write(t.Context(), 0, out); !errors.Is(err, boom) {
		t.Fatalf("error %v", err)
	}
	s = f.sink(t, nil)
	if _, err := s.Open(t.Context(), batch.Output{Pipeline: "pipe", Schema: columns}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), 0, out); err != nil {
		t.Fatal(err)
	}
	page, err := f.store.List(t.Context(), "lake", objstore.ListOptions{Prefix: "t/p="})
	if err != nil || len(page.Objects) < 3 { // two of the batch, and what the first attempt left
		t.Errorf("%d data files, %v", len(page.Objects), err)
	}
	live := 0
	for file := range f.snapshot(t).Files(nil) {
		live++
		if info, err := f.store.Head(t.Context(), "lake", "t/"+file.Path); err != nil || info.Size != file.Size {
			t.Errorf("%s: %d bytes, the log says %d, %v", file.Path, info.Size, file.Size, err)
		}
	}
	if live != 2 {
		t.Errorf("the table names %d files", live)
	}
}

func TestSchemaAndCatalog(t *testing.T) {
	f := newFixture(t)
	open := func(change func(*Options), fields ...string) string {
		t.Helper()
		if _, err := f.sink(t, change).Open(t.Context(), batch.Output{Pipeline: "pipe", Schema: schema(t, fields...)}); err != nil {
			return err.Error()
		}
		entry, err := f.catalog.Table(t.Context(), "lake", "t")
		if err != nil {
			return err.Error()
		}
		var cols []string
		for _, c := range append(entry.Storage.Columns, entry.PartitionKeys...) {
			cols = append(cols, c.Name+" "+c.Type)
		}
		return entry.Parameters["table_type"] + " v" + entry.Version + ": " + strings.Join(cols, ", ")
	}
	for _, c := range []struct {
		change func(*Options)
		fields []string
		want   string
	}{
		{nil, []string{"S string", "p string", "d decimal(10,2)"}, "DELTA v0: s string, d decimal(10,2), p string"},
		{nil, []string{"S string", "p string"}, "DELTA v0: s string, d decimal(10,2), p string"},
		{nil, []string{"p string", "new array<int>"}, "DELTA v1: s string, d decimal(10,2), new array<int>, p string"},
		{nil, []string{"s string", "p string"}, "table s3://lake/t: has column S, the query gives s: write it in the same case"},
		{nil, []string{"p string", "r struct<a:int,b:array<struct<c:int>>>"}, "DELTA v2: s string, d decimal(10,2), new array<int>, r struct<a:int,b:array<struct<c:int>>>, p string"},
		{nil, []string{"p string", "r struct<a:int>"}, "DELTA v2: s string, d decimal(10,2), new array<int>, r struct<a:int,b:array<struct<c:int>>>, p string"},
		{nil, []string{"p string", "r struct<b:int>"}, "table s3://lake/t: has column r of type struct<a:int,b:array<struct<c:int>>>, the query gives struct<b:int>: cast it"},
		{nil, []string{"S int", "p string"}, "table s3://lake/t: has column S of type string, the query gives int: cast it"},
		{func(o *Options) { o.PartitionBy = []string{"S"} }, []string{"S string", "p string"},
			"table s3://lake/t: is partitioned by [p], the pipeline says [S]"},
		{func(o *Options) { o.Location = "s3://lake/other" }, []string{"S string", "p string"},
			"register table lake.t: the catalog has this table at s3://lake/t, the pipeline writes to s3://lake/other; choose another name or location"},
		{func(o *Options) { o.Location = "s3://none/t" }, []string{"S string", "p string"}, "table s3://none/t: "},
	} {
		if got := open(c.change, c.fields...); got != c.want && !(strings.HasSuffix(c.want, ": ") && strings.HasPrefix(got, c.want)) {
			t.Errorf("%v\ngot  %s\nwant %s", c.fields, got, c.want)
		}
	}
}

// TestVectors asks for deletion vectors in a new table and in one that is there. A pipeline that does not ask leaves the table as it is.
func TestVectors(t *testing.T) {
	for _, before := range []bool{false, true} {
		f := newFixture(t)
		for i, vectors := range []bool{!before, true, true, false} {
			_, err := f.sink(t, func(o *Options) { o.Vectors = vectors }).Open(t.Context(), batch.Output{Pipeline: "pipe", Schema: schema(t, "s string", "p string")})
			if err != nil {
				t.Fatal(err)
			}
			s := f.snapshot(t)
			want := vectors || i > 0
			if has := s.Properties()["delta.enableDeletionVectors"] == "true"; has != want || has != slices.Contains(s.Protocol().ReaderFeatures, "deletionVectors") {
				t.Errorf("before %v, opened %d times: properties %v, protocol %+v", before, i+1, s.Properties(), s.Protocol())
			}
			if version := s.Version(); i > 0 && version != int64(btoi(before)) {
				t.Errorf("before %v, opened %d times: version %d", before, i+1, version)
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestLetters(t *testing.T) {
	f := newFixture(t)
	l, err := NewLetters(f.store, "s3://lake/_dead/rides/")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "again"} {
		if err := l.Put(t.Context(), "batch-0/x.ndjson", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	info, err := f.store.Head(t.Context(), "lake", "_dead/rides/batch-0/x.ndjson")
	if err != nil || info.Size != 5 {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := NewLetters(f.store, "/tmp"); err == nil {
		t.Error("a path was taken for a location")
	}
}
