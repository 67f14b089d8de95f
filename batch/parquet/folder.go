package parquet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weir-data/weir/objstore"
)

// folder is where files go. Names are paths below it, with slashes. What a call did survives power loss when it returns.
type folder interface {
	// read returns a file; fs.ErrNotExist if there is none.
	read(ctx context.Context, name string) ([]byte, error)
	// save makes a file hold data, all or nothing.
	save(ctx context.Context, name string, data []byte) error
	// put makes files of this machine files of the folder; after an error some may be.
	put(ctx context.Context, files []localFile) error
	// remove removes a file, and what there is of one that a crash left half written; one that is not there is no error.
	remove(ctx context.Context, name string) error
}

type localFile struct{ name, path string }

// bucketFolder lies in a bucket.
type bucketFolder struct {
	store          objstore.Store
	bucket, prefix string
	staging        string
}

func (b *bucketFolder) read(ctx context.Context, name string) ([]byte, error) {
	r, _, err := b.store.Get(ctx, b.bucket, b.prefix+name, nil)
	if errors.Is(err, objstore.ErrNoSuchKey) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, noteMax))
}

func (b *bucketFolder) save(ctx context.Context, name string, data []byte) error {
	_, err := b.store.Put(ctx, b.bucket, b.prefix+name, bytes.NewReader(data), objstore.PutOptions{ContentType: "application/json"})
	return err
}

func (b *bucketFolder) put(ctx context.Context, files []localFile) error {
	placed := make([]objstore.LocalFile, len(files))
	for i, f := range files {
		placed[i] = objstore.LocalFile{Key: b.prefix + f.name, Path: f.path, Opts: objstore.PutOptions{ContentType: "application/octet-stream"}}
	}
	return objstore.Upload(ctx, b.store, b.bucket, b.staging, placed)
}

func (b *bucketFolder) remove(ctx context.Context, name string) error {
	return b.store.Delete(ctx, b.bucket, b.prefix+name)
}

// localFolder lies on this machine.
type localFolder string

func (l localFolder) path(name string) string {
	return filepath.Join(string(l), filepath.FromSlash(name))
}

func (l localFolder) read(_ context.Context, name string) ([]byte, error) {
	return os.ReadFile(l.path(name))
}

func (l localFolder) save(_ context.Context, name string, data []byte) error {
	return l.write(name, bytes.NewReader(data))
}

func (l localFolder) put(ctx context.Context, files []localFile) error {
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		from, err := os.Open(f.path)
		if err != nil {
			return err
		}
		err = l.write(f.name, from)
		from.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// write makes a file hold what r gives. Until it is whole it has a name that readers of the folder do not see.
func (l localFolder) write(name string, r io.Reader) error {
	path := l.path(name)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp := unfinished(path)
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return l.syncUp(dir)
}

// unfinished is the name of a file until it is whole.
func unfinished(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
}

// syncUp syncs dir and the folders above it, up to the one that the folder is in.
func (l localFolder) syncUp(dir string) error {
	top := filepath.Dir(filepath.Clean(string(l)))
	for {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		err = d.Sync()
		d.Close()
		if up := filepath.Dir(dir); err == nil && dir != top && up != dir {
			dir = up
			continue
		}
		return err
	}
}

func (l localFolder) remove(_ context.Context, name string) error {
	path := l.path(name)
	for _, p := range []string{path, unfinished(path)} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
