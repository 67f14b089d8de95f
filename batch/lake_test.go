package batch_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	sink "github.com/weir-data/weir/batch/delta"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore/file"
)

// lake is all that a pipeline into a Delta table needs, on this machine's disk.
type lake struct {
	store   *file.Store
	catalog *catalog.Store
	meta    *meta.Store
	db      *duckdb.DB
}

func newLake(t testing.TB, dirs ...string) *lake {
	t.Helper()
	dir := t.TempDir()
	l := &lake{meta: meta.NewMem()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	l.store, err = file.Open(filepath.Join(dir, "objects"), l.meta, file.Options{})
	must(err)
	must(l.store.CreateBucket(t.Context(), "lake"))
	l.catalog, err = catalog.New(l.meta, catalog.Options{})
	must(err)
	l.db, err = duckdb.Open(duckdb.Options{Dirs: append(dirs, sink.StagingDir(l.store))})
	must(err)
	t.Cleanup(l.db.Close)
	return l
}

// options are those of an engine for p over source.
func (l *lake) options(t testing.TB, p *batch.Pipeline, source batch.Source) batch.Options {
	t.Helper()
	letters, err := sink.NewLetters(l.store, p.DeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sink.New(sink.Options{
		Store: l.store, Location: p.Sinks[0].Location, PartitionBy: p.Sinks[0].PartitionBy, Compression: p.Sinks[0].Compression,
		Catalog: l.catalog, Database: p.Sinks[0].Database, Table: p.Sinks[0].Table,
		DB: l.db, Compact: p.Sinks[0].Compact,
	})
	if err != nil {
		t.Fatal(err)
	}
	return batch.Options{
		Pipeline: p, Sources: one(source), Runner: duckdb.NewRowwise(l.db), Sinks: []batch.Sink{s}, Letters: letters, Progress: batch.NewMetaProgress(l.meta, p.Name),
	}
}

func run(t testing.TB, opts batch.Options) {
	t.Helper()
	e, err := batch.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// tableFiles are the live files of the table at lake/rides.
func (l *lake) tableFiles(t testing.TB) []*delta.File {
	t.Helper()
	table, err := delta.Open(t.Context(), delta.InBucket(l.store, "lake", "rides"))
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := table.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var files []*delta.File
	for f, err := range snapshot.Files(nil) {
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// readTable calls f with the rows of each live file and its partition.
func (l *lake) readTable(t testing.TB, f func(map[string]*string, *columnar.Batch)) {
	t.Helper()
	for _, file := range l.tableFiles(t) {
		path, err := l.store.Path(t.Context(), "lake", "rides/"+file.Path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := r.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != file.Size {
			t.Fatalf("%s has %d bytes, the log says %d", file.Path, info.Size(), file.Size)
		}
		b, err := columnar.ReadParquet(r, info.Size())
		r.Close()
		if err != nil {
			t.Fatalf("%s: %v", file.Path, err)
		}
		if int64(b.Len) != file.Stats.NumRecords {
			t.Fatalf("%s has %d rows, the log says %d", file.Path, b.Len, file.Stats.NumRecords)
		}
		f(file.Partition, b)
	}
}

// TestSmallBatches runs many small batches into one table: with compaction between them few files are left, and all rows once.
func TestSmallBatches(t *testing.T) {
	l := newLake(t)
	records, _ := rides(t)
	records = records[:500]
	p := parse(t, strings.Replace(ridesFile, "partition_by: [year, month, day, hour]", "partition_by: [VendorID]", 1))
	p.Sources[0].Limit.Records = 10
	opts := l.options(t, p, newMemSource(1, records))
	batches := 0
	opts.OnProgress = func(batch.Report) { batches++ }
	run(t, opts)
	rows, partitions := 0, map[string]bool{}
	l.readTable(t, func(partition map[string]*string, b *columnar.Batch) {
		rows += b.Len
		partitions[fmt.Sprint(partition)] = true
	})
	files := len(l.tableFiles(t))
	if rows != len(records) || batches < 50 || files > 12*len(partitions) {
		t.Errorf("%d rows of %d in %d files after %d batches", rows, len(records), files, batches)
	}
}

func TestRidesIntoDelta(t *testing.T) {
	l := newLake(t)
	records, real := rides(t)
	// By month: the 8,567 folders by hour are in a benchmark.
	p := parse(t, strings.Replace(ridesFile, "month, day, hour]", "month]", 1))
	opts := l.options(t, p, newMemSource(4, records))
	var reports []batch.Report
	opts.OnProgress = func(r batch.Report) { reports = append(reports, r) }
	began := time.Now()
	run(t, opts)
	t.Logf("%d rides in %v: %s", len(records), time.Since(began), mustJSON(reports))

	months := map[string]int{}
	rows, noVendor, total := 0, 0, 0.0
	l.readTable(t, func(partition map[string]*string, b *columnar.Batch) {
		rows += b.Len
		months[*partition["year"]+"-"+*partition["month"]] += b.Len
		vendor, amount := b.Columns[b.Schema.Index("VendorID")], b.Columns[b.Schema.Index("total_amount")]
		for i := range b.Len {
			if vendor.Null(i) {
				noVendor++
			}
			total += amount.Float(i)
		}
	})
	if rows != len(records) {
		t.Errorf("%d rows of %d records", rows, len(records))
	}
	if !real {
		return
	}
	if want := 372; noVendor != want {
		t.Errorf("%d rides without vendor, want %d", noVendor, want)
	}
	if got := fmt.Sprintf("%.2f", total); got != "2290992.67" {
		t.Errorf("total_amount sums to %s", got)
	}
	want := map[string]int{}
	for _, r := range records {
		_, at, _ := strings.Cut(string(r), `"tpep_pickup_datetime": "`)
		want[at[:4]+"-"+strings.TrimPrefix(at[5:7], "0")]++
	}
	if mustJSON(months) != mustJSON(want) {
		t.Errorf("months %s, want %s", mustJSON(months), mustJSON(want))
	}
	entry, err := l.catalog.Table(t.Context(), "lake", "rides")
	if err != nil {
		t.Fatal(err)
	}
	if entry.Storage.Location != "s3://lake/rides" || len(entry.Storage.Columns) != 21 || len(entry.PartitionKeys) != 2 {
		t.Errorf("catalog has %+v", entry)
	}
	run(t, opts) // nothing new: nothing happens
	if n := len(l.tableFiles(t)); n == 0 {
		t.Error("no files")
	}
}

// BenchmarkRides is stream to committed Delta: rides of two hours, so that a batch has a few partitions, and the real ones,
// whose 8,567 hours are all in one batch.
func BenchmarkRides(b *testing.B) {
	b.Run("live", func(b *testing.B) {
		benchmarkRides(b, 3_000_000, generatedRides(100_000, time.Date(2019, 1, 1, 8, 0, 0, 0, time.UTC), 2*time.Hour))
	})
	b.Run("year", func(b *testing.B) {
		records, _ := rides(b)
		benchmarkRides(b, len(records), records)
	})
}

func benchmarkRides(b *testing.B, n int, records [][]byte) {
	for b.Loop() {
		b.StopTimer()
		l := newLake(b)
		opts := l.options(b, parse(b, ridesFile), &repeat{records, n})
		if testing.Verbose() {
			opts.OnProgress = func(r batch.Report) { b.Log(mustJSON(r.DurationMs), mustJSON(r.Sink)) }
		}
		b.StartTimer()
		run(b, opts)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "\n")
	b.Logf("peak of memory %s", strings.TrimSpace(peak))
}

// repeat is a source of n records, the same ones over and over, that takes no memory for them.
type repeat struct {
	records [][]byte
	n       int
}

const repeatShard = "shardId-000000000000"

func (s *repeat) Plan(_ context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	at, size := position(start, repeatShard), int64(0)
	end := at
	for end < s.n && end-at < limit.Records && size < limit.Bytes {
		size += int64(len(s.records[end%len(s.records)]))
		end++
	}
	if end == at {
		return start, nil
	}
	return batch.Offset{repeatShard: strconv.Itoa(end)}, nil
}

func (s *repeat) Read(_ context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	chunk := make([]batch.Record, 0, 5000)
	for i := position(start, repeatShard); i < position(end, repeatShard); {
		chunk = chunk[:0]
		for ; i < position(end, repeatShard) && len(chunk) < cap(chunk); i++ {
			chunk = append(chunk, batch.Record{Shard: repeatShard, Data: s.records[i%len(s.records)]})
		}
		if err := f(chunk); err != nil {
			return err
		}
	}
	return nil
}

func (s *repeat) Wait(context.Context, batch.Offset) error { return nil }
