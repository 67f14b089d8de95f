package delta

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// taxiFile is a data file with the statistics of a ride table of everyday size.
func taxiFile(i int) File {
	at := time.Date(2019, 1, 1, i%24, 0, 0, 0, time.UTC)
	return File{
		Path: fmt.Sprintf("year=2019/part-%08d-c000.snappy.parquet", i), Partition: map[string]*string{"year": text("2019")},
		Size: 20000, ModTime: at, Stats: &Stats{
			NumRecords: 400, Min: map[string]any{"id": i, "name": "Ann", "at": at},
			Max:       map[string]any{"id": i + 400, "name": "Zoe", "at": at.Add(time.Hour)},
			NullCount: map[string]any{"id": 0, "name": 1, "at": 0},
		},
	}
}

func BenchmarkCommit(b *testing.B) {
	table := createRides(b, directory(b.TempDir()), nil)
	for i := 0; b.Loop(); i++ {
		tx := table.Begin(table.latest)
		tx.Add(taxiFile(i))
		if _, err := tx.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen10000Commits opens a table with and without checkpoints, and looks for news of one that is open.
func BenchmarkOpen10000Commits(b *testing.B) {
	for _, interval := range []string{"10", "100000"} {
		folder := directory(b.TempDir())
		table := createRides(b, folder, map[string]string{propCheckpointInterval: "100000"})
		s := snapshot(b, table)
		for i := range 10_000 {
			tx := table.Begin(s)
			tx.Add(taxiFile(i))
			if _, err := tx.Commit(b.Context()); err != nil {
				b.Fatal(err)
			}
			s = table.latest
		}
		if interval == "10" {
			if _, err := table.Checkpoint(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		objects := Dir(string(folder))
		b.Run("checkpoint-every-"+interval+"/cold", func(b *testing.B) {
			for b.Loop() {
				if _, err := Open(b.Context(), objects); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("checkpoint-every-"+interval+"/refresh", func(b *testing.B) {
			table, err := Open(b.Context(), objects)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := table.Snapshot(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheckpoint1M writes and reads the checkpoint of a million files, with the greatest heap meanwhile.
func BenchmarkCheckpoint1M(b *testing.B) {
	const files = 1_000_000
	objects := Dir(b.TempDir())
	table := createRides(b, objects, nil)
	s := *snapshot(b, table)
	var set setBuilder
	in := interner{}
	for i := range files {
		f := taxiFile(i)
		stats, err := encodeStats(f.Stats, s.schema, s.PartitionBy(), 32)
		if err != nil {
			b.Fatal(err)
		}
		key := fmt.Sprintf("year=2019/part-%08d-%016x-c000.snappy.parquet", i, uint64(i)*0x9e3779b97f4a7c15)
		if err := set.add(&entry{key: key, add: &Add{Path: key, Size: f.Size, PartitionValues: in.values(f.Partition), Stats: stats}}); err != nil {
			b.Fatal(err)
		}
	}
	var err error
	if s.files, err = set.finish(never); err != nil {
		b.Fatal(err)
	}
	peak := func(b *testing.B, do func() error) {
		var greatest atomic.Uint64
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				greatest.Store(max(greatest.Load(), m.HeapInuse))
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}()
		for b.Loop() {
			if err := do(); err != nil {
				b.Fatal(err)
			}
		}
		close(stop)
		<-done
		b.ReportMetric(float64(greatest.Load())/(1<<20), "heap-MiB")
	}
	b.Run("write", func(b *testing.B) {
		peak(b, func() error {
			_, err := table.writeClassic(b.Context(), &s)
			return err
		})
	})
	s.files = fileSet{}
	runtime.GC()
	b.Run("read", func(b *testing.B) {
		peak(b, func() error {
			t, err := Open(b.Context(), objects)
			if err == nil && t.latest.files.live.files != files {
				err = fmt.Errorf("%d files", t.latest.files.live.files)
			}
			return err
		})
	})
}

func largeSnapshot(b *testing.B, files int) *Snapshot {
	table := createRides(b, newMemory(), nil)
	tx := table.Begin(snapshot(b, table))
	for i := range files {
		tx.Add(taxiFile(i))
	}
	if _, err := tx.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	return snapshot(b, table)
}

func BenchmarkCheckpoint100k(b *testing.B) {
	s := largeSnapshot(b, 100_000)
	body := checkpointBytes(b, s)
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			checkpointBytes(b, s)
		}
		b.ReportMetric(float64(len(body)), "file-bytes")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := newReplay(nil)
			err := readParquetParts(b.Context(), bytes.NewReader(body), int64(len(body)), "", r.takeFiles)
			if err == nil {
				err = r.flush(never)
			}
			if err != nil || r.files.live.files != 100_000 {
				b.Fatal(r.files.live, err)
			}
		}
	})
	b.Run("files", func(b *testing.B) {
		for b.Loop() {
			for _, err := range s.Files(nil) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
