package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A fork has a version as it was and goes its own way; the store does not notice. What this machine lacks comes from the backup.
func TestFork(t *testing.T) {
	for _, backup := range []Backup{nil, &memBackup{files: map[string][]byte{}}} {
		opts := Options{Dir: filepath.Join(t.TempDir(), "own"), Keep: 3, Backup: backup}
		s, err := Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		v := load(t, s, -1)
		for i := range 5 {
			v = commit(t, s, v, time.Time{}, run{state: "seen", text: string(rune('a' + i))})
		}
		if backup != nil {
			for _, r := range v.Runs[:2] {
				if err := os.Remove(filepath.Join(v.Dir, r.File)); err != nil {
					t.Fatal(err)
				}
			}
		}
		to := filepath.Join(t.TempDir(), "fork")
		if err := Fork(t.Context(), opts, to, 1); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a version that is gone: %v", err)
		}
		if err := Fork(t.Context(), opts, to, 3); err != nil {
			t.Fatal(err)
		}
		f, err := Open(Options{Dir: to})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		w := load(t, f, 3) // which compares checksums
		if len(w.Runs) != 4 {
			t.Errorf("the fork has runs %+v", w.Runs)
		}
		w = commit(t, f, w, time.Time{}, run{state: "seen", text: "other"})
		if len(w.Runs) != 5 {
			t.Errorf("the fork goes on with %+v", w.Runs)
		}
		if newest, err := s.Newest(t.Context()); err != nil || newest != 4 {
			t.Errorf("the store is at %d, %v", newest, err)
		}
		if v := commit(t, s, v, time.Time{}, run{state: "seen", text: "f"}); len(v.Runs) != 6 {
			t.Errorf("the store goes on with %+v", v.Runs)
		}
	}
}
