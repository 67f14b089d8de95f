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
