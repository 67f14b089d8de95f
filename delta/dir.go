package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weir-data/weir/objstore"
)

// Dir is a folder of the local file system as Objects, so that a table at a path can be opened without a store. What was
// put is synced with its folder before the call returns. Put-if-absent is link(2), which one of many processes wins, on
// NFS too. The folder need not exist before something is put.
func Dir(path string) Objects { return dir(path) }

type dir string

// tempPrefix starts the names of files that are being written; no log file and no data file has such a name. Those that
// a crash left are removed by the log's clean-up and by Vacuum.
const tempPrefix = ".weir-tmp-"

func (d dir) file(key string) (string, error) {
	if !filepath.IsLocal(filepath.FromSlash(key)) {
		return "", fmt.Errorf("%w: key %q leaves the folder", ErrInvalid, key)
	}
	return filepath.Join(string(d), filepath.FromSlash(key)), nil
}

func (d dir) open(key string) (*os.File, error) {
	path, err := d.file(key)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, objstore.ErrNoSuchKey)
	}
	return f, err
}

func (d dir) Get(_ context.Context, key string) (io.ReadCloser, error) {
	f, err := d.open(key)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d dir) GetRange(_ context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	f, err := d.open(key)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, offset, length), f}, nil
}

// Head tells the size and time of an object.
func (d dir) Head(_ context.Context, key string) (objstore.Info, error) {
	path, err := d.file(key)
	if err != nil {
		return objstore.Info{}, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return objstore.Info{}, fmt.Errorf("%s: %w", path, objstore.ErrNoSuchKey)
	}
	if err != nil {
		return objstore.Info{}, err
	}
	return objstore.Info{Key: key, Size: info.Size(), ModTime: info.ModTime()}, nil
}

func (d dir) List(ctx context.Context, prefix, after string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		folder := ""
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			folder = prefix[:i+1]
		}
		d.walk(ctx, folder, prefix, after, yield)
	}
}

// readFolder reads what a folder holds, in any order.
func readFolder(path string) ([]fs.DirEntry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// walk lists a folder and what lies below it in the order of keys; folder is empty or ends in a slash. It holds the names
// of one folder for each level.
func (d dir) walk(ctx context.Context, folder, prefix, after string, yield func(objstore.Info, error) bool) bool {
	path, err := d.file("./" + folder)
	if err == nil {
		err = ctx.Err()
	}
	var entries []fs.DirEntry
	if err == nil {
		entries, err = readFolder(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return yield(objstore.Info{}, err)
	}
	name := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { // most often all but a few
		return !e.IsDir() && (folder+e.Name() <= after || !strings.HasPrefix(folder+e.Name(), prefix))
	})
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(name(a), name(b)) })
	for _, e := range entries {
		key := folder + name(e)
		if e.IsDir() {
			apart := !strings.HasPrefix(key, prefix) && !strings.HasPrefix(prefix, key)
			if apart || key < after && !strings.HasPrefix(after, key) {
				continue
			}
			if !d.walk(ctx, key, prefix, after, yield) {
				return false
			}
			continue
		}
		info, err := os.Stat(filepath.Join(path, e.Name()))
		if errors.Is(err, fs.ErrNotExist) { // removed since the folder was read, or a dangling link
			continue
		}
		if err == nil && info.IsDir() { // a link to a folder: not followed, it may lead in circles
			continue
		}
		if err != nil {
			return yield(objstore.Info{}, err)
		}
		if !yield(objstore.Info{Key: key, Size: info.Size(), ModTime: info.ModTime()}, nil) {
			return false
		}
	}
	return true
}

func (d dir) Put(_ context.Context, key string, body []byte) error {
	return d.write(key, bytes.NewReader(body), os.Rename)
}

func (d dir) PutFrom(_ context.Context, key string, body io.Reader) error {
	return d.write(key, body, os.Rename)
}

func (d dir) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	return d.PutIfAbsentFrom(ctx, key, bytes.NewReader(body))
}

func (d dir) PutIfAbsentFrom(_ context.Context, key string, body io.Reader) error {
	return d.write(key, body, func(temp, path string) error {
		err := os.Link(temp, path)
		if errors.Is(err, fs.ErrExist) {
			// Whoever is told that it is there may build on it: it must last.
			return errors.Join(fmt.Errorf("%s: %w", path, objstore.ErrPrecondition), syncFolder(filepath.Dir(path)))
		}
		return err
	})
}

// write puts body into a synced file beside the place and lets place give it its name.
func (d dir) write(key string, body io.Reader, place func(temp, path string) error) error {
	path, err := d.file(key)
	if err != nil {
		return err
	}
	folder := filepath.Dir(path)
	if err := makeFolders(folder); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already after a rename
	_, err = io.Copy(f, body)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := place(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// makeFolders makes a folder and those above it, and syncs each into the one that holds it.
func makeFolders(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	parent := filepath.Dir(path)
	if parent == path {
		return fmt.Errorf("make folder %s: no such root", path)
	}
	if err := makeFolders(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d dir) Delete(_ context.Context, key string) error {
	path, err := d.file(key)
	if err != nil {
		return err
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
