package rewrite

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

var othersFlag = flag.Int("others", 12, "how many of other people's tables to try, chosen by chance")

// othersBytesMax is the size of other people's tables up to which they are tried.
const othersBytesMax = 2 << 20

// TestOtherPeoplesTables writes all files of tables that Spark and delta-rs made anew: the rows must stay as they are, or the table
// be refused by name.
func TestOtherPeoplesTables(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "data", "delta")
	if _, err := os.Stat(root); err != nil {
		t.Skip("no folder ../shared with other people's tables")
	}
	logs, err := filepath.Glob(filepath.Join(root, "*", "*", "_delta_log"))
	if err != nil {
		t.Fatal(err)
	}
	if *othersFlag < len(logs) {
		rand.Shuffle(len(logs), func(i, k int) { logs[i], logs[k] = logs[k], logs[i] })
		logs = logs[:*othersFlag]
	}
	same, refused := 0, 0
	l := newLake(t)
	for _, log := range logs {
		dir := filepath.Dir(log)
		name, err := filepath.Rel(root, dir)
		if err != nil {
			t.Fatal(err)
		}
		l.store = newStore(t)
		if !l.load(t, dir) {
			continue
		}
		switch err := l.writeAnew(t, name); {
		case err == nil:
			same++
		case errors.Is(err, delta.ErrUnsupported), errors.Is(err, delta.ErrCorrupt), errors.Is(err, objstore.ErrNoSuchKey):
			refused++
			t.Logf("%s: %v", name, err)
		default:
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Logf("%d tables with the same rows, %d refused", same, refused)
	if len(logs) > 100 && same < 100 {
		t.Errorf("only %d of %d tables were written anew", same, len(logs))
	}
}

// load copies a folder into the store; false if it is too large.
func (l *lake) load(t *testing.T, dir string) bool {
	t.Helper()
	small := true
	var size int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !small {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if size += int64(len(body)); size > othersBytesMax {
			small = false
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		_, err = l.store.Put(t.Context(), "lake", "t/"+filepath.ToSlash(rel), bytes.NewReader(body), objstore.PutOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return small
}

// writeAnew deletes nothing and then writes all files of the table anew, one at a time, and compares the rows.
func (l *lake) writeAnew(t *testing.T, name string) error {
	table, err := Open(t.Context(), Options{Store: l.store, Location: location, DB: l.db, Staging: l.dir})
	if err != nil {
		return err
	}
	l.table = table
	before, err := l.rowsOf(t)
	if err != nil {
		return err
	}
	s, err := table.table.Snapshot(t.Context())
	if err != nil {
		return err
	}
	var groups []group
	for f, err := range s.Files(nil) {
		if err != nil {
			return err
		}
		groups = append(groups, groupOf([]*delta.File{f}))
	}
	if _, _, err := table.optimizeGroups(t.Context(), groups, nil, nil); err != nil {
		return err
	}
	after, err := l.rowsOf(t)
	if err != nil {
		return err
	}
	if !slices.Equal(before, after) {
		for i := range min(len(before), len(after)) {
			if before[i] != after[i] {
				t.Errorf("%s: row %d of %d was\n%.500s\nis\n%.500s", name, i, len(before), before[i], after[i])
				return nil
			}
		}
		t.Errorf("%s: %d rows were %d", name, len(after), len(before))
	}
	return nil
}

// rowsOf are all rows as text, sorted.
func (l *lake) rowsOf(t *testing.T) ([]string, error) {
	t.Helper()
	s, err := l.table.table.Snapshot(t.Context())
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(l.dir, "read-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	j := newJob(t.Context(), l.table, s, dir)
	files, err := j.candidates(nil)
	if err != nil {
		return nil, err
	}
	inputs, err := j.open(files)
	if err != nil {
		return nil, err
	}
	query, tables, err := j.target(inputs, nil)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range s.Schema().Fields {
		names = append(names, "CAST("+quoteName(f.Name)+" AS VARCHAR) AS "+quoteName(f.Name))
	}
	if len(names) == 0 {
		return nil, nil
	}
	b, err := l.db.Query(t.Context(), "SELECT "+strings.Join(names, ", ")+" FROM ("+query+")", tables...)
	if err != nil {
		return nil, err
	}
	return textRows(b), nil
}
