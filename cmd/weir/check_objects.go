package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
)

// checkObjects reads every object and every Delta log. Opening the store empties its folder of temporary files, as a start
// of weir serve does; nothing else is changed.
func checkObjects(ctx context.Context, dir string) (_ string, err error) {
	if !exists(filepath.Join(dir, "meta")) {
		return "", fmt.Errorf("%s is not a data directory: it has no meta folder", dir)
	}
	m, err := meta.Open(vfs.Default, filepath.Join(dir, "meta"))
	if err != nil {
		return "", fmt.Errorf("%w (is weir serve running on it? stop it first)", err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	store, err := file.Open(filepath.Join(dir, "objects"), m, file.Options{})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	c := objectCheck{store: store}
	for _, b := range store.Buckets() {
		if err := c.bucket(ctx, b.Name); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s objects, %s bytes; %d Delta tables with %s files", count(c.objects), count(c.bytes), c.tables, count(c.files)), nil
}

// objectCheck counts what was found well.
type objectCheck struct {
	store                 *file.Store
	objects, bytes, files int64
	tables                int
}

func (c *objectCheck) bucket(ctx context.Context, bucket string) error {
	var tables []string
	for opts := (objstore.ListOptions{}); ; {
		page, err := c.store.List(ctx, bucket, opts)
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			if err := c.object(ctx, bucket, o); err != nil {
				return fmt.Errorf("s3://%s/%s: %w", bucket, o.Key, err)
			}
			if folder, ok := strings.CutSuffix(o.Key, "_delta_log/00000000000000000000.json"); ok {
				tables = append(tables, folder)
			}
		}
		if opts.After = page.Next; page.Next == "" {
			break
		}
	}
	for _, folder := range tables {
		if err := c.table(ctx, bucket, folder); err != nil {
			return fmt.Errorf("Delta table s3://%s/%s: %w", bucket, folder, err)
		}
	}
	return nil
}

// object compares the bytes with what the index says: their number, and their MD5 where the ETag is one.
func (c *objectCheck) object(ctx context.Context, bucket string, want objstore.Info) error {
	r, _, err := c.store.Get(ctx, bucket, want.Key, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := md5.New()
	n, err := io.Copy(sum, r)
	if err != nil {
		return err
	}
	if n != want.Size {
		return fmt.Errorf("has %d bytes, should have %d", n, want.Size)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); len(want.ETag) == len(got) && want.ETag != got {
		return fmt.Errorf("has MD5 %s, should have %s", got, want.ETag)
	}
	c.objects++
	c.bytes += n
	return nil
}

// table replays the Delta log and looks for every live file.
func (c *objectCheck) table(ctx context.Context, bucket, folder string) error {
	t, err := delta.Open(ctx, delta.InBucket(c.store, bucket, folder))
	if err != nil {
		return err
	}
	snapshot, err := t.Snapshot(ctx)
	if err != nil {
		return err
	}
	c.tables++
	for f, err := range snapshot.Files(nil) {
		if err != nil {
			return err
		}
		at, key := bucket, folder+f.Path
		if f.Outside {
			var ok bool
			if at, key, ok = delta.Locate(ctx, c.store, bucket, folder, f.Path); !ok {
				continue // another store's to check
			}
		}
		info, err := c.store.Head(ctx, at, key)
		if err != nil {
			return fmt.Errorf("version %d names %s: %w", snapshot.Version(), f.Path, err)
		}
		if info.Size != f.Size {
			return fmt.Errorf("version %d: %s has %d bytes, the log says %d", snapshot.Version(), f.Path, info.Size, f.Size)
		}
		c.files++
	}
	return nil
}
