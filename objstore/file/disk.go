package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/weir-data/weir/internal/vfs"
)

// disk is the directory that holds a store's files. Names are slash-separated and relative to it; none leads out of it.
type disk interface {
	Create(name string) (diskFile, error) // fails if the name exists
	Open(name string) (diskFile, error)
	Stat(name string) (fs.FileInfo, error)
	List(name string) ([]string, error)
	Link(old, new string) error // fails if new exists
	Rename(old, new string) error
	Remove(name string) error
	RemoveAll(name string) error
	MkdirAll(name string) error
	SyncDir(name string) error
	// Free is the number of bytes that can still be written; negative if it is not known.
	Free() int64
	// Path is the name as other programs may open it.
	Path(name string) string
	// Adopt moves the file at path, which may lie outside of the directory but on the same file system, to name.
	Adopt(path, name string) error
	// Return is the reverse of Adopt.
	Return(name, path string) error
	Close() error
}

type diskFile interface {
	io.ReadWriteCloser
	io.ReaderAt
	Sync() error
	Stat() (fs.FileInfo, error)
}

func openDisk(fsys vfs.FS, dir string) (disk, error) {
	if err := makeDir(fsys, dir); err != nil {
		return nil, fmt.Errorf("create %s: %w", dir, err)
	}
	if fsys != vfs.Default {
		return vfsDisk{fsys, dir}, nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, err
	}
	return rootDisk{root, abs}, nil
}

// makeDir makes a folder and those above it, durably.
func makeDir(fsys vfs.FS, dir string) error {
	if _, err := fsys.Stat(dir); err == nil {
		return nil
	}
	above := fsys.PathDir(dir)
	if above != dir {
		if err := makeDir(fsys, above); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if above == "." && fsys != vfs.Default {
		above = "" // as vfs in memory calls its root
	}
	f, err := fsys.OpenDir(above)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// rootDisk is a real directory. os.Root keeps symbolic links from leading out of it.
type rootDisk struct {
	root *os.Root
	abs  string
}

func (d rootDisk) Create(name string) (diskFile, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Open does not wait for the other end of a named pipe that somebody placed in the directory.
func (d rootDisk) Open(name string) (diskFile, error) {
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d rootDisk) Stat(name string) (fs.FileInfo, error) { return d.root.Stat(name) }
func (d rootDisk) Link(old, new string) error            { return d.root.Link(old, new) }
func (d rootDisk) Rename(old, new string) error          { return d.root.Rename(old, new) }
func (d rootDisk) Remove(name string) error              { return d.root.Remove(name) }
func (d rootDisk) RemoveAll(name string) error           { return d.root.RemoveAll(name) }
func (d rootDisk) MkdirAll(name string) error            { return d.root.MkdirAll(name, 0o755) }
func (d rootDisk) Path(name string) string               { return filepath.Join(d.abs, filepath.FromSlash(name)) }
func (d rootDisk) Close() error                          { return d.root.Close() }

func (d rootDisk) List(name string) ([]string, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (d rootDisk) SyncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (d rootDisk) Free() int64 {
	u, err := vfs.Default.GetDiskUsage(d.abs)
	if err != nil {
		return -1
	}
	return int64(min(u.AvailBytes, 1<<62))
}

func (d rootDisk) Adopt(path, name string) error {
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return os.Rename(path, d.Path(name))
}

func (d rootDisk) Return(name, path string) error { return os.Rename(d.Path(name), path) }

// vfsDisk is a directory of any vfs.FS: the crash and fault tests run on it.
type vfsDisk struct {
	fs  vfs.FS
	dir string
}

func (d vfsDisk) Create(name string) (diskFile, error) {
	f, err := d.fs.Create(d.Path(name), vfs.Category)
	return vfsFile{f}, err
}

func (d vfsDisk) Open(name string) (diskFile, error) {
	f, err := d.fs.Open(d.Path(name))
	if err != nil {
		return nil, err
	}
	return vfsFile{f}, nil
}

func (d vfsDisk) Stat(name string) (fs.FileInfo, error) {
	fi, err := d.fs.Stat(d.Path(name))
	if err != nil {
		return nil, err
	}
	return fi, nil
}

func (d vfsDisk) List(name string) ([]string, error) { return d.fs.List(d.Path(name)) }
func (d vfsDisk) Link(old, new string) error         { return d.fs.Link(d.Path(old), d.Path(new)) }
func (d vfsDisk) Rename(old, new string) error       { return d.fs.Rename(d.Path(old), d.Path(new)) }
func (d vfsDisk) Remove(name string) error           { return d.fs.Remove(d.Path(name)) }
func (d vfsDisk) RemoveAll(name string) error        { return d.fs.RemoveAll(d.Path(name)) }
func (d vfsDisk) MkdirAll(name string) error         { return d.fs.MkdirAll(d.Path(name), 0o755) }
func (d vfsDisk) Path(name string) string            { return path.Join(d.dir, name) }
func (d vfsDisk) Adopt(path, name string) error      { return d.fs.Rename(path, d.Path(name)) }
func (d vfsDisk) Return(name, path string) error     { return d.fs.Rename(d.Path(name), path) }
func (d vfsDisk) Close() error                       { return nil }

func (d vfsDisk) Free() int64 {
	u, err := d.fs.GetDiskUsage(d.dir)
	if err != nil {
		return -1
	}
	return int64(min(u.AvailBytes, 1<<62))
}

func (d vfsDisk) SyncDir(name string) error {
	f, err := d.fs.OpenDir(d.Path(name))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

type vfsFile struct{ vfs.File }

func (f vfsFile) Stat() (fs.FileInfo, error) { return f.File.Stat() }
