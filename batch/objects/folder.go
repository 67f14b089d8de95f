package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/weir-data/weir/objstore"
)

// Folder is a folder of a bucket as a place for files: it is package state's Backup.
type Folder struct {
	store          objstore.Store
	bucket, prefix string
}

// NewFolder returns the folder at location, s3://bucket/folder.
func NewFolder(store objstore.Store, location string) (*Folder, error) {
	bucket, prefix, err := objstore.ParseURL(location)
	if err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	return &Folder{store, bucket, strings.Trim(prefix, "/") + "/"}, nil
}

// Put makes an object of data, in place of what there was.
func (f *Folder) Put(ctx context.Context, name string, data io.Reader) error {
	_, err := f.store.Put(ctx, f.bucket, f.prefix+name, data, objstore.PutOptions{ContentType: "application/octet-stream"})
	return f.failed("put", name, err)
}

// Get opens an object. The error wraps fs.ErrNotExist if there is none.
func (f *Folder) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, _, err := f.store.Get(ctx, f.bucket, f.prefix+name, nil)
	if errors.Is(err, objstore.ErrNoSuchKey) || errors.Is(err, objstore.ErrNoSuchBucket) {
		err = errors.Join(fs.ErrNotExist, err)
	}
	return r, f.failed("get", name, err)
}

// List returns the names that begin with prefix.
func (f *Folder) List(ctx context.Context, prefix string) (names []string, err error) {
	opts := objstore.ListOptions{Prefix: f.prefix + prefix}
	for {
		page, err := f.store.List(ctx, f.bucket, opts)
		if errors.Is(err, objstore.ErrNoSuchBucket) {
			return nil, nil
		}
		if err != nil {
			return nil, f.failed("list", prefix, err)
		}
		for _, o := range page.Objects {
			names = append(names, strings.TrimPrefix(o.Key, f.prefix))
		}
		if page.Next == "" {
			return names, nil
		}
		opts.After = page.Next
	}
}

// Delete removes an object; none of that name is no error.
func (f *Folder) Delete(ctx context.Context, name string) error {
	return f.failed("delete", name, f.store.Delete(ctx, f.bucket, f.prefix+name))
}

func (f *Folder) failed(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s s3://%s/%s%s: %w", what, f.bucket, f.prefix, name, err)
}
