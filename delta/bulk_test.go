package delta

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// restorable is a table in a folder, with data files that are there.
func restorable(t *testing.T, objects Objects, properties map[string]string) (*Table, func(path string)) {
	t.Helper()
	table, err := Create(t.Context(), objects, CreateOptions{Schema: ridesSchema(), PartitionBy: []string{"year"}, Properties: properties})
	if err != nil {
		t.Fatal(err)
	}
	return table, func(path string) {
		t.Helper()
		if err := objects.Put(t.Context(), path, []byte("12345")); err != nil {
			t.Fatal(err)
		}
		appendFile(t, table, path)
	}
}

// TestRestoreInFolder restores in a folder of a file system, which takes commits as they are written, with rows that are numbered.
func TestRestoreInFolder(t *testing.T) {
	objects := Dir(t.TempDir())
	table, add := restorable(t, objects, map[string]string{"delta.feature.rowTracking": "supported", "delta.feature.domainMetadata": "supported"})
	add("a b")
	add("c")
	s := snapshot(t, table)
	tx := table.Begin(s)
	for f, err := range s.Files(nil) {
		if err != nil {
			t.Fatal(err)
		}
		tx.RemoveFile(f)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	add("d")
	out, err := table.Restore(t.Context(), 2, RestoreOptions{})
	if err != nil || out.Version != 5 || out.Added.Files != 2 || out.Removed.Files != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	fresh, err := Open(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []*Table{table, fresh} {
		s := snapshot(t, table)
		if got := paths(t, s); !slices.Equal(got, []string{"a b", "c"}) {
			t.Errorf("files %q", got)
		}
		for f := range s.Files(nil) {
			if f.BaseRowID == nil || *f.DefaultRowCommitVersion > 2 {
				t.Errorf("%s: row ids were given anew: %+v", f.Path, f)
			}
		}
	}
	report, err := fresh.Check(t.Context(), CheckOptions{LogOnly: true})
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestRestoreConflicts puts a commit of another writer between a restore's look at the table and its own commit.
func TestRestoreConflicts(t *testing.T) {
	for what, c := range map[string]struct {
		other string
		want  error
	}{
		"blind append":                 {`{"commitInfo":{"isBlindAppend":true}}` + "\n" + `{"add":{"path":"z","partitionValues":{"year":"2019"},"size":1,"modificationTime":1,"dataChange":true}}`, nil},
		"a file that is put back":      {`{"commitInfo":{"isBlindAppend":true}}` + "\n" + `{"add":{"path":"a","partitionValues":{"year":"2019"},"size":1,"modificationTime":1,"dataChange":true}}`, ErrConflict},
		"a file that is taken out":     {`{"remove":{"path":"b","deletionTimestamp":1,"dataChange":false}}`, ErrConflict},
		"rows derived from the table":  {`{"commitInfo":{"isBlindAppend":false}}` + "\n" + `{"add":{"path":"z","partitionValues":{"year":"2019"},"size":1,"modificationTime":1,"dataChange":true}}`, ErrConflict},
		"rows that both have are gone": {`{"remove":{"path":"kept","deletionTimestamp":1,"dataChange":true}}`, ErrConflict},
	} {
		objects := newMemory()
		table, add := restorable(t, objects, nil)
		add("kept")
		add("a")
		tx := table.Begin(snapshot(t, table))
		tx.Remove("a")
		if _, err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		add("b")
		target, err := table.SnapshotAt(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		tx = table.Begin(snapshot(t, table))
		tx.ReadTable()
		var out Restored
		if tx.bulk, err = table.restoring(t.Context(), tx, target, &out); err != nil {
			t.Fatal(err)
		}
		objects.set(commitKey(5), c.other+"\n")
		if _, err = tx.Commit(t.Context()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if c.want == nil {
			if got := paths(t, snapshot(t, table)); !slices.Equal(got, []string{"a", "kept", "z"}) {
				t.Errorf("%s: files %q", what, got)
			}
		}
	}
}

// TestRestoreHoldsLittle writes a restore of many files and looks at the memory that it takes meanwhile.
func TestRestoreHoldsLittle(t *testing.T) {
	const files = 100_000
	table := createRides(t, newMemory(), nil)
	var set setBuilder
	for i := range files {
		path := fmt.Sprintf("year=2019/part-%06d-%s", i, strings.Repeat("x", 100))
		if err := set.add(&entry{key: path, add: &Add{Path: path, Size: 1, Stats: `{"numRecords":1}`}}); err != nil {
			t.Fatal(err)
		}
	}
	target, err := set.finish(never)
	if err != nil {
		t.Fatal(err)
	}
	tx := table.Begin(snapshot(t, table))
	tx.bulk = &bulkChanges{target: target, tombstone: tx.tombstone, adds: files}
	counted := &lineCounter{}
	if err := tx.writeBulk(counted, 1); err != nil || counted.lines != files {
		t.Fatalf("%d lines, %v", counted.lines, err)
	}
	if took := counted.most - counted.first; counted.most > counted.first && took > 16<<20 {
		t.Errorf("%d MiB for %d MiB of a commit", took>>20, counted.bytes>>20)
	}
}

// lineCounter looks at the memory in use once in a while.
type lineCounter struct {
	lines, bytes int
	first, most  uint64
}

var _ io.Writer = (*lineCounter)(nil)

func (c *lineCounter) Write(p []byte) (int, error) {
	c.lines++
	c.bytes += len(p)
	if c.lines%20_000 == 1 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		if c.first == 0 {
			c.first = m.HeapAlloc
		}
		c.most = max(c.most, m.HeapAlloc)
	}
	return len(p), nil
}
