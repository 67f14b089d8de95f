package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore"
)

// crashFS takes copies of the disk, as a crash would leave it, around every sync and every change of a name.
type crashFS struct {
	*vfs.Crashable
	mu     sync.Mutex
	rng    *rand.Rand
	copies []*vfs.Crashable
	on     bool
}

// crash records what may be left: what was synced; some of the rest too; all of it (kill -9, no power loss).
func (c *crashFS) crash() {
	if !c.on {
		return
	}
	for _, percent := range []int{0, 50, 100} {
		c.copies = append(c.copies, c.CrashClone(vfs.CrashConfig{UnsyncedDataPercent: percent, RNG: c.rng}))
	}
}

// step runs one operation of the disk between two crashes.
func (c *crashFS) step(f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.crash()
	err := f()
	c.crash()
	return err
}

func (c *crashFS) Create(name string, cat pebblevfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.Crashable.Create(name, cat)
	return crashFile{f, c}, err
}

func (c *crashFS) OpenDir(name string) (vfs.File, error) {
	f, err := c.Crashable.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return crashFile{f, c}, nil
}

func (c *crashFS) Link(old, new string) error {
	return c.step(func() error { return c.Crashable.Link(old, new) })
}

func (c *crashFS) Rename(old, new string) error {
	return c.step(func() error { return c.Crashable.Rename(old, new) })
}

func (c *crashFS) Remove(name string) error {
	return c.step(func() error { return c.Crashable.Remove(name) })
}

type crashFile struct {
	vfs.File
	fs *crashFS
}

func (f crashFile) Sync() error     { return f.fs.step(f.File.Sync) }
func (f crashFile) SyncData() error { return f.fs.step(f.File.SyncData) }

// world is a store on a disk, with its metadata on the same one.
type world struct {
	*Store
	db *meta.Store
}

func openWorld(t *testing.T, fs vfs.FS) world {
	t.Helper()
	db, err := meta.Open(fs, "meta")
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s, err := Open("objects", db, Options{FS: fs, SettleAfter: time.Hour, Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	return world{s, db}
}

func (w world) close(t *testing.T) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.db.Close(); err != nil {
		t.Error(err)
	}
}

// describe is all that the store's users can see. Ids of versions are random, so they are left out.
func (w world) describe(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	ctx := t.Context()
	for _, bk := range w.Buckets() {
		fmt.Fprintf(&b, "bucket %s %s\n", bk.Name, bk.Versioning)
		page, err := w.List(ctx, bk.Name, objstore.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			r, obj, err := w.Open(ctx, bk.Name, o.Key)
			if err != nil {
				t.Fatalf("listed, but: %v", err)
			}
			fmt.Fprintf(&b, "  %q %s %s %v %v = %s\n", o.Key, o.ETag, obj.ContentType, obj.Metadata, obj.Tags, drain(t, r))
			p, err := w.Path(ctx, bk.Name, o.Key)
			if err != nil {
				t.Fatal(err)
			}
			if f, err := w.opts.FS.Open(p); err != nil {
				t.Fatalf("file of %q: %v", o.Key, err)
			} else {
				f.Close()
			}
		}
		versions, err := w.ListVersions(ctx, bk.Name, VersionList{})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range versions.Versions {
			body := "marker"
			if !v.Marker {
				r, _, err := w.OpenVersion(ctx, bk.Name, v.Key, versionName(v.Version))
				if err != nil {
					t.Fatalf("version listed, but: %v", err)
				}
				body = drain(t, r)
			}
			fmt.Fprintf(&b, "  version %q latest=%t null=%t = %s\n", v.Key, v.Latest, v.Version == "", body)
		}
		ups, err := w.Uploads(bk.Name, "", "", "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range ups {
			parts, err := w.Parts(bk.Name, u.Key, u.ID, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				fmt.Fprintf(&b, "  part %q %d %s\n", u.Key, p.Number, p.ETag)
			}
			fmt.Fprintf(&b, "  upload %q\n", u.Key)
		}
	}
	return b.String()
}

func drain(t *testing.T, r *Reader) string {
	t.Helper()
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// The scenario touches every kind of write. After a crash at any point in one, its effect is there as a whole or not at
// all; after it has returned, it is there.
func TestCrashAnywhere(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	disk := &crashFS{Crashable: vfs.NewCrashable(), rng: rand.New(rand.NewPCG(seed, 0))}
	w := openWorld(t, disk)
	defer w.close(t)
	checked := 0
	before := w.describe(t)
	for _, step := range scenario {
		disk.mu.Lock()
		disk.on, disk.copies = true, nil
		disk.mu.Unlock()
		if err := step.do(w); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		disk.mu.Lock()
		during := len(disk.copies)
		disk.crash()
		disk.on = false
		copies := disk.copies
		disk.mu.Unlock()
		after := w.describe(t)
		for i, c := range copies {
			if i < during && during > 30 && disk.rng.IntN(during) > 30 {
				continue // enough of them
			}
			checked++
			again := openWorld(t, c)
			got := again.describe(t)
			if got != after && (i >= during || got != before) {
				t.Errorf("%s: crash %d of %d left\n%swhere before was\n%sand after\n%s", step.name, i, during, got, before, after)
			}
			if _, err := again.Put(t.Context(), "lake", "later", strings.NewReader("x"), objstore.PutOptions{}); err != nil && step.name != "bucket" {
				t.Errorf("%s: put after crash %d: %v", step.name, i, err)
			}
			again.close(t)
			if t.Failed() {
				return
			}
		}
		before = after
	}
	t.Logf("%d crashes", checked)
	if checked < 200 {
		t.Errorf("only %d crashes looked at", checked)
	}
}

var ctx = context.Background()

func put(key, body string) func(world) error {
	return func(w world) error {
		_, err := w.PutObject(ctx, "lake", key, strings.NewReader(body), PutOptions{PutOptions: objstore.PutOptions{
			ContentType: "type of " + body, Metadata: map[string]string{"m": body},
		}})
		return err
	}
}

func remove(keys ...string) func(world) error {
	return func(w world) error {
		var ds []Deletion
		for _, k := range keys {
			ds = append(ds, Deletion{Key: k})
		}
		_, err := w.DeleteAll(ctx, "lake", ds)
		return err
	}
}

var scenario = []struct {
	name string
	do   func(world) error
}{
	{"bucket", func(w world) error { return w.CreateBucket(ctx, "lake") }},
	{"put", put("a/b", "one")},
	{"put another", put("a/c", "c")},
	{"replace", put("a/b", "two, longer")},
	{"settle", func(w world) error { return w.Settle() }},
	{"replace settled", put("a/b", "three")},
	{"replace unsettled", put("a/b", "four")},
	{"key in the way", put("a", "beside a/b")},
	{"odd key", put("x//y", "odd")},
	{"create", func(w world) error {
		_, err := w.Put(ctx, "lake", "_delta_log/0.json", strings.NewReader("{}"), objstore.PutOptions{IfAbsent: true})
		return err
	}},
	{"delete", remove("a/c")},
	{"put again", put("a/c", "c2")},
	{"delete many", remove("a/c", "a/b", "x//y", "none")},
	{"settle deletes", func(w world) error { return w.Settle() }},
	{"import", func(w world) error {
		var files []objstore.LocalFile
		for i := range 4 {
			name := path.Join(w.TempDir(), fmt.Sprint("part-", i))
			f, err := w.opts.FS.Create(name, vfs.Category)
			if err == nil {
				_, err = f.Write([]byte(name))
				f.Close()
			}
			if err != nil {
				return fmt.Errorf("%w: %w", errStep, err)
			}
			files = append(files, objstore.LocalFile{Key: fmt.Sprint("t/p=", i%2, "/", i), Path: name})
		}
		_, err := w.ImportAll(ctx, "lake", files)
		return err
	}},
	{"tags", func(w world) error {
		_, err := w.SetTags("lake", "t/p=0/0", nil, []Tag{{"k", "v"}})
		return err
	}},
	{"begin upload", func(w world) error { _, err := w.CreateUpload("lake", "up", PutOptions{}); return err }},
	{"part", func(w world) error { return part(w, 1, "first ") }},
	{"part again", func(w world) error { return part(w, 1, "FIRST ") }},
	{"part two", func(w world) error { return part(w, 2, "second") }},
	{"complete", func(w world) error {
		_, err := w.CompleteUpload(ctx, "lake", "up", upload(w), Completion{Parts: []CompletePart{{Number: 1}, {Number: 2}}})
		return err
	}},
	{"versioning", func(w world) error { return w.SetVersioning("lake", Enabled) }},
	{"version", put("up", "second version")},
	{"marker", remove("up")},
	{"version after marker", put("up", "third version")},
	{"odd version", put("v//v", "1")},
	{"odd version 2", put("v//v", "2")},
	{"delete current version", func(w world) error { return removeVersion(w, "up") }},
	{"delete marker", func(w world) error { return removeVersion(w, "up") }},
	{"suspend", func(w world) error { return w.SetVersioning("lake", Suspended) }},
	{"null version", put("up", "null version")},
	{"null marker", remove("up")},
	{"settle versions", func(w world) error { return w.Settle() }},
}

var errStep = errors.New("the test's own file")

func upload(w world) string {
	ups, _ := w.Uploads("lake", "", "", "", 1)
	return ups[0].ID
}

func part(w world, number int, body string) error {
	_, err := w.PutPart(ctx, "lake", "up", upload(w), number, strings.NewReader(body), nil)
	return err
}

// removeVersion deletes the latest version for good.
func removeVersion(w world, key string) error {
	page, err := w.ListVersions(ctx, "lake", VersionList{Prefix: key})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(page.Versions, func(o Object) bool { return o.Latest })
	done, err := w.DeleteAll(ctx, "lake", []Deletion{{Key: key, Version: versionName(page.Versions[i].Version)}})
	if err != nil {
		return err
	}
	return done[0].Err
}
