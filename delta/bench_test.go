package delta

import (
	"bytes"
	"fmt"
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

func BenchmarkOpen1000Commits(b *testing.B) {
	objects := directory(b.TempDir())
	table := createRides(b, objects, map[string]string{propCheckpointInterval: "100000"})
	for i := range 1000 {
		tx := table.Begin(table.latest)
		tx.Add(taxiFile(i))
		if _, err := tx.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := Open(b.Context(), objects); err != nil {
			b.Fatal(err)
		}
	}
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
			n := 0
			err := readParquetActions(bytes.NewReader(body), int64(len(body)), func(a Action) error {
				e, err := r.entry(a)
				if e != nil {
					n++
				}
				return err
			})
			if err != nil || n != 100_000 {
				b.Fatal(n, err)
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
