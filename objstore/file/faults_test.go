package file

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore"
)

// fullFS fails the n-th change of the objects' folder with ENOSPC, and all after it while full is set.
type fullFS struct {
	*vfs.Crashable
	left int // changes that still work; negative: no limit
}

func (f *fullFS) spend(name string) error {
	if f.left < 0 || !strings.HasPrefix(name, "objects") {
		return nil
	}
	if f.left == 0 {
		return &errNoSpace
	}
	f.left--
	return nil
}

var errNoSpace = fsError{syscall.ENOSPC}

type fsError struct{ syscall.Errno }

func (e *fsError) Unwrap() error { return e.Errno }

func (f *fullFS) Create(name string, cat pebblevfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.spend(name); err != nil {
		return nil, err
	}
	file, err := f.Crashable.Create(name, cat)
	return fullFile{file, f, name}, err
}

func (f *fullFS) Link(old, new string) error {
	if err := f.spend(new); err != nil {
		return err
	}
	return f.Crashable.Link(old, new)
}

func (f *fullFS) Rename(old, new string) error {
	if err := f.spend(new); err != nil {
		return err
	}
	return f.Crashable.Rename(old, new)
}

type fullFile struct {
	vfs.File
	fs   *fullFS
	name string
}

func (f fullFile) Write(p []byte) (int, error) {
	if err := f.fs.spend(f.name); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f fullFile) Sync() error {
	if err := f.fs.spend(f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

// Whatever change finds the disk full, the write fails as a whole, says why, and works when there is room again.
func TestFullDisk(t *testing.T) {
	for _, step := range scenario {
		t.Run(step.name, func(t *testing.T) {
			for n := 0; ; n++ {
				disk := &fullFS{vfs.NewCrashable(), -1}
				w := openWorld(t, disk)
				for _, s := range scenario {
					if s.name == step.name {
						break
					}
					if err := s.do(w); err != nil {
						t.Fatal(err)
					}
				}
				before := w.describe(t)
				disk.left = n
				err := step.do(w)
				spent := disk.left > 0
				disk.left = -1
				after := w.describe(t)
				if err != nil && !errors.Is(err, objstore.ErrNoSpace) && !errors.Is(err, errStep) {
					t.Errorf("change %d: %v", n, err)
				}
				if err != nil && after != before && step.name != "import" { // of an import some files may be there
					t.Errorf("change %d failed (%v), and left\n%swhere there was\n%s", n, err, after, before)
				}
				if err != nil && !errors.Is(err, errStep) {
					if err := step.do(w); err != nil {
						t.Errorf("change %d, with room again: %v", n, err)
					}
				}
				w.close(t)
				if err == nil && spent || t.Failed() {
					return
				}
			}
		})
	}
}

// The reserve is kept for the metadata store.
func TestReserve(t *testing.T) {
	disk := vfs.NewCrashable()
	w := openWorld(t, disk)
	defer w.close(t)
	if err := w.CreateBucket(ctx, "lake"); err != nil {
		t.Fatal(err)
	}
	if err := put("k", "old")(w); err != nil {
		t.Fatal(err)
	}
	disk.TestingSetDiskUsage(pebblevfs.DiskUsage{AvailBytes: 64<<20 - 1, TotalBytes: 1 << 30})
	if err := put("k", "new")(w); !errors.Is(err, objstore.ErrNoSpace) {
		t.Errorf("put on a full disk: %v", err)
	}
	if err := remove("k")(w); err != nil {
		t.Errorf("delete on a full disk: %v", err)
	}
	disk.TestingSetDiskUsage(pebblevfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 30})
	if err := put("k", "new")(w); err != nil {
		t.Errorf("put with room again: %v", err)
	}
}

// Nothing of a failed body stays behind.
func TestTempIsClean(t *testing.T) {
	w := openWorld(t, vfs.NewCrashable())
	defer w.close(t)
	if err := w.CreateBucket(ctx, "lake"); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	body := io.MultiReader(strings.NewReader("x"), errReader{broken})
	if _, err := w.Put(ctx, "lake", "k", body, objstore.PutOptions{}); !errors.Is(err, broken) {
		t.Errorf("put: %v", err)
	}
	if _, err := w.Put(ctx, "lake", "k", strings.NewReader("x"), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Put(ctx, "lake", "k", strings.NewReader("x"), objstore.PutOptions{IfMatch: "other"}); !errors.Is(err, objstore.ErrPrecondition) {
		t.Errorf("put: %v", err)
	}
	if err := w.Settle(); err != nil {
		t.Fatal(err)
	}
	if names, err := w.disk.List(tempDir); err != nil || len(names) > 0 {
		t.Errorf("left: %q, %v", names, err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
