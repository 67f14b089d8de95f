package keyring

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func newRing(t *testing.T) *Ring {
	return New(Options{Dir: filepath.Join(t.TempDir(), "a", "keys"), Region: "us-east-1", Account: "000000000000"})
}

const uuid = "1234abcd-12ab-34cd-56ef-1234567890ab"

// A key is made once and stays the same, by whichever of its names it is asked for.
func TestKeysStay(t *testing.T) {
	r := newRing(t)
	made := map[string][32]byte{}
	for _, ids := range [][]string{
		{"alias/aws/kinesis", "arn:aws:kms:us-east-1:000000000000:alias/aws/kinesis"},
		{uuid, "arn:aws:kms:us-east-1:000000000000:key/" + uuid, strings.ToUpper(uuid)},
		{"alias/a/b"}, {"alias/a_b"}, {"mrk-0123456789abcdef0123456789abcdef"},
		{"arn:aws:kms:us-east-1:123456789012:alias/aws/kinesis"},
	} {
		if _, err := r.Key(ids[0]); !errors.Is(err, ErrNotFound) {
			t.Fatalf("%s before it is made: %v", ids[0], err)
		}
		key, err := r.Make(ids[0])
		if err != nil {
			t.Fatal(err)
		}
		for id, other := range made {
			if key == other {
				t.Fatalf("%s and %s are one key", ids[0], id)
			}
		}
		made[ids[0]] = key
		for _, id := range ids {
			again, err := New(r.opts).Key(id)
			made, err2 := r.Make(id)
			if err != nil || err2 != nil || again != key || made != key {
				t.Fatalf("%s: another key than %s, or %v, %v", id, ids[0], err, err2)
			}
			if !Same(id, ids[0]) {
				t.Fatalf("%s is not the same as %s", id, ids[0])
			}
		}
	}
	entries, err := os.ReadDir(r.opts.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
	want := []string{"123456789012.alias.aws.kinesis", "alias.a.b", "alias.a_b", "alias.aws.kinesis", "key." + uuid, "key.mrk-0123456789abcdef0123456789abcdef"}
	if !slices.Equal(names, want) {
		t.Errorf("files %q", names)
	}
	if info, err := os.Stat(r.opts.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
}

func TestIDs(t *testing.T) {
	r := newRing(t)
	for _, id := range []string{
		"", "x", "alias/", "alias/ä", "alias/../../etc", "alias/" + strings.Repeat("a", 201), "key/" + uuid, uuid + "0",
		"arn:aws:kms:us-east-1:000000000000:" + uuid, "arn:aws:kms:us-east-1:1:key/" + uuid, "arn:aws:s3:us-east-1:000000000000:key/" + uuid,
		"arn:aws:kms:eu-west-1:000000000000:key/" + uuid, "arn:aws:kms:us-east-1:000000000000:key/x/" + uuid, "mrk-" + uuid,
	} {
		if _, err := r.Make(id); !errors.Is(err, ErrID) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if Same("alias/a", "alias/b") || Same(uuid, "alias/a") || Same("arn:aws:kms:us-east-1:000000000000:alias/a", "arn:aws:kms:us-east-1:000000000001:alias/a") {
		t.Error("different keys are the same")
	}
}

// Many who ask for a new key at once get the same one.
func TestMakeRace(t *testing.T) {
	r := newRing(t)
	keys := make([][32]byte, 16)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = New(r.opts).Make("alias/a"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys[1:] {
		if k != keys[0] {
			t.Fatal("two keys of one id")
		}
	}
}

// A key that others could read or replace is not used.
func TestPermissions(t *testing.T) {
	r := newRing(t)
	if _, err := r.Make("alias/a"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(r.opts.Dir, "alias.a")
	for _, c := range []struct {
		path string
		mode os.FileMode
		want error
	}{
		{path, 0o640, ErrDenied}, {path, 0o400, nil}, {r.opts.Dir, 0o770, ErrDenied}, {r.opts.Dir, 0o755, nil},
	} {
		if err := os.Chmod(c.path, c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Key("alias/a"); !errors.Is(err, c.want) {
			t.Errorf("%s with mode %#o: %v", c.path, c.mode, err)
		}
	}
}

// A damaged file is an error, never another key, and is not replaced.
func TestDamage(t *testing.T) {
	r := newRing(t)
	key, err := r.Make("alias/a")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(r.opts.Dir, "alias.a")
	good := encode(key)
	for _, bad := range [][]byte{nil, good[:20], good[1:], append(slices.Clone(good), '\n'), []byte(strings.Replace(string(good), "key-1", "key-2", 1))} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Make("alias/a"); err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrDenied) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode([32]byte{1, 2, 3}))
	f.Add([]byte("weir-key-1 \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := decode(b)
		if err == nil && !strings.EqualFold(string(encode(key)), string(b)) {
			t.Fatalf("%q is read as %x", b, key)
		}
	})
}

// Whatever an id is, its file lies in the folder.
func FuzzParse(f *testing.F) {
	f.Add("alias/aws/kinesis")
	f.Add("arn:aws:kms:us-east-1:000000000000:key/" + uuid)
	f.Fuzz(func(t *testing.T, id string) {
		n, err := parse(id)
		if err != nil {
			return
		}
		if file := n.file("000000000000"); !filepath.IsLocal(file) || strings.ContainsAny(file, `/\`) || len(file) > 255 {
			t.Fatalf("%q is kept in %q", id, file)
		}
	})
}
