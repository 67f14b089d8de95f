package file

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
)

// openReal opens a store on a real folder that other programs may write to.
func openReal(t *testing.T) (*Store, string) {
	t.Helper()
	dir := t.TempDir()
	db := meta.NewMem()
	s, err := Open(dir, db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := s.CreateBucket(ctx, "lake"); err != nil {
		t.Fatal(err)
	}
	return s, filepath.Join(dir, "lake")
}

func writeFile(t *testing.T, dir, name, body string) string {
	t.Helper()
	full := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(body), 0o644)); err != nil {
		t.Fatal(err)
	}
	return full
}

func read(t *testing.T, s *Store, key string) string {
	t.Helper()
	r, _, err := s.Open(ctx, "lake", key)
	if err != nil {
		return err.Error()
	}
	return drain(t, r)
}

func keys(t *testing.T, s *Store, prefix, delimiter string) string {
	t.Helper()
	page, err := s.List(ctx, "lake", objstore.ListOptions{Prefix: prefix, Delimiter: delimiter})
	if err != nil {
		t.Fatal(err)
	}
	list := slices.Clone(page.Prefixes)
	for _, o := range page.Objects {
		list = append(list, o.Key)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestOtherProgramsFiles(t *testing.T) {
	s, dir := openReal(t)
	if _, err := s.Put(ctx, "lake", "t/ours", strings.NewReader("ours"), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "t/theirs", "theirs")
	writeFile(t, dir, "t/deep/er/file", "deep")
	if got := read(t, s, "t/theirs"); got != "theirs" {
		t.Errorf("get: %s", got)
	}
	if got := keys(t, s, "", ""); got != "t/deep/er/file t/ours t/theirs" {
		t.Errorf("list: %s", got)
	}
	writeFile(t, dir, "u/new", "new")
	if got := keys(t, s, "", "/"); got != "t/ u/" {
		t.Errorf("list with a delimiter: %s", got)
	}
	writeFile(t, dir, "t/more", "more")
	if got := keys(t, s, "t/", "/"); got != "t/deep/ t/more t/ours t/theirs" {
		t.Errorf("list of a folder: %s", got)
	}

	before, _ := s.Head(ctx, "lake", "t/ours")
	writeFile(t, dir, "t/ours", "replaced by them")
	after, err := s.Head(ctx, "lake", "t/ours")
	if got := read(t, s, "t/ours"); err != nil || got != "replaced by them" || after.ETag == before.ETag || after.Size != 16 {
		t.Errorf("replaced: %s, %+v, %v", got, after, err)
	}
	if _, err := s.Put(ctx, "lake", "t/deep/er/file", strings.NewReader(""), objstore.PutOptions{IfAbsent: true}); !errors.Is(err, objstore.ErrPrecondition) {
		t.Errorf("put-if-absent of their file: %v", err)
	}
	if err := s.Delete(ctx, "lake", "t/theirs"); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "t/deep")); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, s, "", ""); got != "t/more t/ours u/new" {
		t.Errorf("list after removals: %s", got)
	}
	if _, err := s.Head(ctx, "lake", "t/deep/er/file"); !errors.Is(err, objstore.ErrNoSuchKey) {
		t.Errorf("removed by them: %v", err)
	}
}

// A copied data directory has new file times; what is known of its objects stays.
func TestTouched(t *testing.T) {
	s, dir := openReal(t)
	opts := objstore.PutOptions{ContentType: "text/plain", Metadata: map[string]string{"a": "b"}}
	made, err := s.Put(ctx, "lake", "k", strings.NewReader("body"), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "k"), time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Head(ctx, "lake", "k")
	if err != nil || got.ETag != made.ETag || got.ContentType != "text/plain" || got.Metadata["a"] != "b" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRescan(t *testing.T) {
	s, dir := openReal(t)
	for _, k := range []string{"a", "b", "odd//k"} {
		if _, err := s.Put(ctx, "lake", k, strings.NewReader("body of "+k), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	stray := writeFile(t, filepath.Dir(dir), ".weir/odd/lake/00/stray", "left by a crash")
	writeFile(t, dir, "a", "BODY of a and more")
	if err := os.Remove(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if err := s.Rescan(ctx, "lake"); err != nil {
		t.Fatal(err)
	}
	page, err := s.List(ctx, "lake", objstore.ListOptions{})
	if err != nil || len(page.Objects) != 2 || page.Objects[0].Size != 18 {
		t.Errorf("%+v, %v", page, err)
	}
	if got := read(t, s, "odd//k"); got != "body of odd//k" {
		t.Error(got)
	}
	if _, err := os.Stat(stray); !os.IsNotExist(err) {
		t.Errorf("stray file: %v", err)
	}
}

// Links in a bucket's folder lead nowhere outside of the store.
func TestLinksDoNotEscape(t *testing.T) {
	s, dir := openReal(t)
	outside := t.TempDir()
	secret := writeFile(t, outside, "secret", "secret")
	for link, target := range map[string]string{"file": secret, "folder": outside, "up": "../../../../../../etc"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []string{"file", "folder/secret", "up/passwd"} {
		if got := read(t, s, k); strings.Contains(got, "secret") && !strings.Contains(got, "lake/") || strings.Contains(got, "root:") {
			t.Errorf("%s: %s", k, got)
		}
		s.Put(ctx, "lake", k, strings.NewReader("overwritten"), objstore.PutOptions{}) // may fail
		s.Delete(ctx, "lake", k)
	}
	if raw, err := os.ReadFile(secret); err != nil || string(raw) != "secret" {
		t.Errorf("the file outside is %q, %v", raw, err)
	}
	if _, err := s.List(ctx, "lake", objstore.ListOptions{}); err != nil {
		t.Error(err)
	}
}

// A program that creates a file between our check and our link wins.
func TestCreateRace(t *testing.T) {
	s, dir := openReal(t)
	for i := range 20 {
		key := "log/" + string(rune('a'+i))
		theirs := filepath.Join(dir, key)
		done := make(chan error)
		go func() {
			os.MkdirAll(filepath.Dir(theirs), 0o755)
			f, err := os.OpenFile(theirs, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
			if err == nil {
				_, err = f.WriteString("theirs")
				f.Close()
			}
			done <- err
		}()
		_, ourErr := s.Put(ctx, "lake", key, strings.NewReader("ours"), objstore.PutOptions{IfAbsent: true})
		theirErr := <-done
		if (ourErr == nil) == (theirErr == nil) {
			t.Fatalf("both or none created it: %v, %v", ourErr, theirErr)
		}
		want := "ours"
		if ourErr != nil {
			want = "theirs"
		}
		if got := read(t, s, key); got != want {
			t.Fatalf("%s, want %s (%v, %v)", got, want, ourErr, theirErr)
		}
	}
}

func TestImportGivesBack(t *testing.T) {
	s, _ := openReal(t)
	if _, err := s.Put(ctx, "lake", "taken", strings.NewReader("x"), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	inside := writeFile(t, s.TempDir(), "part/1", "data")
	outside := writeFile(t, filepath.Dir(filepath.Dir(s.TempDir())), "elsewhere", "data")
	for _, p := range []string{inside, outside} {
		if _, err := s.Import(ctx, "lake", "taken", p, objstore.PutOptions{IfAbsent: true}); !errors.Is(err, objstore.ErrPrecondition) {
			t.Errorf("import: %v", err)
		}
		if raw, err := os.ReadFile(p); err != nil || string(raw) != "data" {
			t.Errorf("%s after a failed import: %q, %v", p, raw, err)
		}
		if _, err := s.Import(ctx, "lake", "imported", p, objstore.PutOptions{ContentType: "x/y"}); err != nil {
			t.Errorf("import: %v", err)
		}
		if err := os.WriteFile(p, []byte("reused"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := read(t, s, "imported"); got != "data" {
			t.Errorf("imported object is %q after its maker used the name again", got)
		}
	}
}
