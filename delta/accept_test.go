package delta

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// golden compares got with testdata/name, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("%s:%d\n got %s\nwant %s", path, i+1, g, w)
		}
	}
}

// TestTablesOfOthers reads tables that Spark and delta-rs wrote, kept beside the checkout. For each the answer file
// says what is read, refused by name, or broken; its counts were compared with delta-rs where that reads the table.
func TestTablesOfOthers(t *testing.T) {
	root := filepath.Join("..", "..", "shared", "data", "delta")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("the tables of Spark and delta-rs are not here: %v", err)
	}
	var out strings.Builder
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		if e.Name() == "_delta_log" {
			dir := filepath.Dir(path)
			name, err := filepath.Rel(root, dir)
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "%s: %s\n", filepath.ToSlash(name), describe(t, directory(dir)))
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "tables.txt", out.String())
}

// describe says in a line what a table holds: by its statistics, without opening data files.
func describe(t *testing.T, objects Objects) string {
	table, err := Open(t.Context(), objects)
	if err != nil {
		return err.Error()
	}
	s, err := table.Snapshot(t.Context())
	if err != nil {
		return err.Error()
	}
	files, rows, unknown, deleted := 0, int64(0), 0, int64(0)
	for f, err := range s.Files(nil) {
		if err != nil {
			return fmt.Sprintf("version %d, %v", s.Version(), err)
		}
		files++
		gone, err := s.Deleted(t.Context(), f)
		if err != nil {
			return fmt.Sprintf("version %d, %v", s.Version(), err)
		}
		deleted += gone.Cardinality()
		if f.Stats == nil {
			unknown++
		} else {
			rows += f.Stats.NumRecords
		}
		for _, name := range s.PartitionBy() {
			if _, err := ParsePartition(s.Schema().Fields[s.Schema().Index(name)].Type, f.Partition[name]); err != nil {
				return fmt.Sprintf("version %d, file %q, partition column %q: %v", s.Version(), f.Path, name, err)
			}
		}
	}
	line := fmt.Sprintf("version %d, %d columns", s.Version(), len(s.Schema().Fields))
	if by := s.PartitionBy(); len(by) > 0 {
		line += fmt.Sprintf(", by %s", strings.Join(by, " "))
	}
	if m := s.Mapping(); m != MapNone {
		line += fmt.Sprintf(", mapped by %s", m)
	}
	line += fmt.Sprintf(", %d files", files)
	if deleted > 0 {
		line += fmt.Sprintf(", %d rows deleted of", deleted)
	}
	if unknown > 0 {
		return line + fmt.Sprintf(", %d rows and those of %d files without statistics", rows, unknown)
	}
	return line + fmt.Sprintf(", %d rows", rows)
}
