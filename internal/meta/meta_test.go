package meta

import (
	"errors"
	"testing"

	"github.com/weir-data/weir/internal/vfs"
)

func TestSpacesAreApart(t *testing.T) {
	s := NewMem()
	defer s.Close()
	a, b := s.Space("a"), s.Space("ab")
	for _, k := range []string{"x/1", "x/2", "x\xff", "y"} {
		if err := a.Put(k, []byte(k)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Put("x/9", nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		prefix, after string
		want          []string
	}{
		{"", "", []string{"x/1", "x/2", "x\xff", "y"}},
		{"x/", "", []string{"x/1", "x/2"}},
		{"x/", "x/1", []string{"x/2"}},
		{"", "x/2", []string{"x\xff", "y"}},
		{"z", "", nil},
	} {
		var got []string
		for e, err := range a.Scan(c.prefix, c.after) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Key)
		}
		if len(got) != len(c.want) {
			t.Fatalf("scan %q after %q: got %q, want %q", c.prefix, c.after, got, c.want)
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Fatalf("scan %q after %q: got %q, want %q", c.prefix, c.after, got, c.want)
			}
		}
	}
}

// A write that returned nil is there after a crash that loses everything not synced.
func TestPutSurvivesCrash(t *testing.T) {
	disk := vfs.NewCrashable()
	s, err := Open(disk, "meta")
	if err != nil {
		t.Fatal(err)
	}
	sp := s.Space("t")
	if err := Save(sp, "k", map[string]int{"n": 7}); err != nil {
		t.Fatal(err)
	}
	after := disk.CrashClone(vfs.CrashConfig{})
	s.Close()

	s, err = Open(after, "meta")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := Load[map[string]int](s.Space("t"), "k")
	if err != nil || got["n"] != 7 {
		t.Fatalf("after the crash: %v, %v", got, err)
	}
	if _, err := s.Space("t").Get("none"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("missing key: %v", err)
	}
}

// fullDisk is a disk that says how much room is left.
type fullDisk struct {
	vfs.FS
	free uint64
}

func (d *fullDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free, TotalBytes: 1 << 30}, nil
}

// A nearly full disk refuses what would fill it, lets go of what is deleted, and takes writes again when there is room.
func TestFullDisk(t *testing.T) {
	disk := &fullDisk{FS: vfs.NewCrashable(), free: 1 << 30}
	s, err := Open(disk, "meta")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sp := s.Space("t")
	if err := sp.Put("a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	disk.free = reserveBytes
	if err := sp.Put("b", []byte("2")); !errors.Is(err, ErrNoSpace) {
		t.Fatalf("put on a full disk: %v", err)
	}
	if err := sp.Delete("a"); err != nil {
		t.Fatalf("delete on a full disk: %v", err)
	}
	if _, err := sp.Get("b"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("what was refused is there: %v", err)
	}
	disk.free = 1 << 30
	if err := sp.Put("b", []byte("2")); err != nil {
		t.Fatal(err)
	}
}
