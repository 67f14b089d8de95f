package state

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/vfs"
)

// memBackup is a Backup in memory.
type memBackup struct {
	files map[string][]byte
	fail  error
}

func (m *memBackup) Put(_ context.Context, name string, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err == nil {
		err = m.fail
	}
	if err == nil {
		m.files[name] = data
	}
	return err
}

func (m *memBackup) Get(_ context.Context, name string) (io.ReadCloser, error) {
	data, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(data)), m.fail
}

func (m *memBackup) List(_ context.Context, prefix string) ([]string, error) {
	names := slices.Sorted(maps.Keys(m.files))
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, prefix) }), m.fail
}

func (m *memBackup) Delete(_ context.Context, name string) error {
	delete(m.files, name)
	return m.fail
}

func TestBackupOnAnotherMachine(t *testing.T) {
	backup := &memBackup{files: map[string][]byte{}}
	opts := Options{Keep: 3, Backup: backup}
	here := vfs.NewCrashable()
	s := open(t, here, opts)
	v := load(t, s, -1)
	for i := range 6 {
		v = commit(t, s, v, noon, run{state: "counts", text: string(rune('a' + i)), until: noon.Add(time.Hour)}, run{state: "seen", text: "s", replaces: true})
	}
	s.Close()
	if n := len(backup.files); n != 3+9 {
		t.Errorf("%d files in the backup: %v", n, slices.Sorted(maps.Keys(backup.files)))
	}

	there := vfs.NewCrashable()
	s = open(t, there, opts)
	defer s.Close()
	if n, err := s.Newest(t.Context()); n != 5 || err != nil {
		t.Fatalf("newest is %d, %v", n, err)
	}
	for _, n := range []int64{4, 5} {
		v = load(t, s, n)
	}
	want := "counts:a counts:b counts:c counts:d counts:e counts:f seen:s"
	if got := contents(t, there, v); got != want {
		t.Errorf("got %s", got)
	}
	v = commit(t, s, v, noon.Add(2*time.Hour), run{state: "seen", text: "t", replaces: true})
	for range 2 {
		v = commit(t, s, v, noon.Add(2*time.Hour))
	}
	if names := slices.Sorted(maps.Keys(backup.files)); len(names) != 3+1 {
		t.Errorf("the backup has %v", names)
	}
}

func TestBackupFails(t *testing.T) {
	backup := &memBackup{files: map[string][]byte{}}
	disk := vfs.NewCrashable()
	s := open(t, disk, Options{Backup: backup})
	defer s.Close()
	v := commit(t, s, load(t, s, -1), noon, run{state: "seen", text: "a"})
	dir, err := s.NewDir(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	staged, err := stage(disk, dir, []run{{state: "seen", text: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	backup.fail = errors.New("no route")
	if _, err := s.Commit(t.Context(), v, 1, noon, staged); !errors.Is(err, backup.fail) {
		t.Fatalf("got %v", err)
	}
	backup.fail = nil
	if v, err = s.Commit(t.Context(), v, 1, noon, staged); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, disk, v); got != "seen:a seen:b" {
		t.Errorf("got %s", got)
	}
}

func TestDamagedRunComesFromTheBackup(t *testing.T) {
	backup := &memBackup{files: map[string][]byte{}}
	disk := vfs.NewCrashable()
	s := open(t, disk, Options{Backup: backup})
	defer s.Close()
	v := commit(t, s, load(t, s, -1), noon, run{state: "seen", text: "abc"})
	path := "state/runs/" + v.Runs[0].File
	if err := rewrite(disk, path, func(b []byte) []byte { return b[:1] }); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, disk, load(t, s, 0)); got != "seen:abc" {
		t.Errorf("got %s", got)
	}
	backup.files["runs/"+v.Runs[0].File] = []byte("abx")
	if err := disk.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), 0, specs(), columns(t)); !errors.Is(err, ErrCorrupt) || !errors.Is(err, batch.ErrState) {
		t.Errorf("got %v", err)
	}
}
