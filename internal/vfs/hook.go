package vfs

import (
	"fmt"
	"io"
	"os"
	"path"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
)

// Kind of an operation that changes a disk or makes a change durable.
type Kind string

// The kinds that a Hook sees. Reads are not operations.
const (
	OpCreate   Kind = "create"
	OpLink     Kind = "link"
	OpRemove   Kind = "remove"
	OpRename   Kind = "rename"
	OpMkdir    Kind = "mkdir"
	OpReserve  Kind = "reserve" // Preallocate
	OpWrite    Kind = "write"
	OpSync     Kind = "sync"      // fsync of a file
	OpSyncData Kind = "sync-data" // fdatasync of a file
	OpSyncDir  Kind = "sync-dir"
)

// Op is one operation, as it is about to happen.
type Op struct {
	Kind  Kind
	Name  string // path; of a rename or link the old one
	To    string // new path of a rename or link
	Pos   int64  // of a write
	Bytes int64  // of a write or reservation
	Grow  int64  // how far the operation makes the file longer
}

// String is one line without the folder, for golden lists.
func (o Op) String() string {
	name := path.Base(o.Name)
	switch o.Kind {
	case OpWrite, OpReserve:
		return fmt.Sprintf("%s %s %d+%d", o.Kind, name, o.Pos, o.Bytes)
	case OpRename, OpLink:
		return fmt.Sprintf("%s %s %s", o.Kind, name, path.Base(o.To))
	}
	return fmt.Sprintf("%s %s", o.Kind, name)
}

// Hooked returns fs with before called ahead of every operation, from whatever goroutine the operation
// comes. If before returns an error the operation does not happen and returns that error.
func Hooked(fs FS, before func(Op) error) FS { return &hookFS{FS: fs, before: before} }

type hookFS struct {
	FS
	before func(Op) error
}

func (h *hookFS) Create(name string, c pebblevfs.DiskWriteCategory) (File, error) {
	if err := h.before(Op{Kind: OpCreate, Name: name}); err != nil {
		return nil, err
	}
	return h.wrap(name, false)(h.FS.Create(name, c))
}

func (h *hookFS) OpenReadWrite(name string, c pebblevfs.DiskWriteCategory, o ...pebblevfs.OpenOption) (File, error) {
	if _, err := h.FS.Stat(name); err != nil {
		if err := h.before(Op{Kind: OpCreate, Name: name}); err != nil {
			return nil, err
		}
	}
	return h.wrap(name, false)(h.FS.OpenReadWrite(name, c, o...))
}

func (h *hookFS) ReuseForWrite(oldname, newname string, c pebblevfs.DiskWriteCategory) (File, error) {
	if err := h.before(Op{Kind: OpRename, Name: oldname, To: newname}); err != nil {
		return nil, err
	}
	return h.wrap(newname, false)(h.FS.ReuseForWrite(oldname, newname, c))
}

func (h *hookFS) Open(name string, o ...pebblevfs.OpenOption) (File, error) {
	return h.wrap(name, false)(h.FS.Open(name, o...))
}

func (h *hookFS) OpenDir(name string) (File, error) { return h.wrap(name, true)(h.FS.OpenDir(name)) }

func (h *hookFS) Link(oldname, newname string) error {
	if err := h.before(Op{Kind: OpLink, Name: oldname, To: newname}); err != nil {
		return err
	}
	return h.FS.Link(oldname, newname)
}

func (h *hookFS) Rename(oldname, newname string) error {
	if err := h.before(Op{Kind: OpRename, Name: oldname, To: newname}); err != nil {
		return err
	}
	return h.FS.Rename(oldname, newname)
}

func (h *hookFS) Remove(name string) error {
	if err := h.before(Op{Kind: OpRemove, Name: name}); err != nil {
		return err
	}
	return h.FS.Remove(name)
}

func (h *hookFS) RemoveAll(name string) error {
	if err := h.before(Op{Kind: OpRemove, Name: name}); err != nil {
		return err
	}
	return h.FS.RemoveAll(name)
}

func (h *hookFS) MkdirAll(dir string, perm os.FileMode) error {
	if err := h.before(Op{Kind: OpMkdir, Name: dir}); err != nil {
		return err
	}
	return h.FS.MkdirAll(dir, perm)
}

func (h *hookFS) Lock(name string) (io.Closer, error) { return h.FS.Lock(name) }

func (h *hookFS) Unwrap() FS { return h.FS }

// wrap makes the answer of an open call pass its operations through the hook.
func (h *hookFS) wrap(name string, dir bool) func(File, error) (File, error) {
	return func(f File, err error) (File, error) {
		if err != nil {
			return nil, err
		}
		return &hookFile{File: f, fs: h, name: name, dir: dir}, nil
	}
}

type hookFile struct {
	File
	fs   *hookFS
	name string
	dir  bool
	pos  int64 // of the next Write; Write and WriteAt are never mixed on one file
}

func (f *hookFile) Write(p []byte) (int, error) {
	if err := f.write(f.pos, int64(len(p))); err != nil {
		return 0, err
	}
	n, err := f.File.Write(p)
	f.pos += int64(n)
	return n, err
}

func (f *hookFile) WriteAt(p []byte, pos int64) (int, error) {
	if err := f.write(pos, int64(len(p))); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, pos)
}

func (f *hookFile) write(pos, n int64) error {
	op := Op{Kind: OpWrite, Name: f.name, Pos: pos, Bytes: n}
	if info, err := f.File.Stat(); err == nil {
		op.Grow = max(0, pos+n-info.Size())
	}
	return f.fs.before(op)
}

func (f *hookFile) Preallocate(pos, n int64) error {
	if err := f.fs.before(Op{Kind: OpReserve, Name: f.name, Pos: pos, Bytes: n}); err != nil {
		return err
	}
	return f.File.Preallocate(pos, n)
}

func (f *hookFile) Sync() error {
	kind := OpSync
	if f.dir {
		kind = OpSyncDir
	}
	if err := f.fs.before(Op{Kind: kind, Name: f.name}); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *hookFile) SyncData() error {
	kind := OpSyncData
	if f.dir {
		kind = OpSyncDir
	}
	if err := f.fs.before(Op{Kind: kind, Name: f.name}); err != nil {
		return err
	}
	return f.File.SyncData()
}
