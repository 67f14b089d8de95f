package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/objstore"
)

// TableOptimizeCmd writes small files together.
type TableOptimizeCmd struct {
	tableTarget
	Where  string   `help:"Only partitions for which this is true." placeholder:"SQL"`
	ZOrder []string `help:"Write all files anew, rows with similar values of these columns together." placeholder:"COLUMN"`
	Purge  bool     `help:"Write files with deletion vectors anew, whatever their size."`
}

// Help is shown by weir table optimize --help.
func (TableOptimizeCmd) Help() string {
	return `Rows stay as they are, and writers that append meanwhile are not disturbed. The small files stay on disk until a vacuum.

Examples:
  weir table optimize lake.rides
  weir table optimize s3://lake/rides --where "year = 2026"
  weir table optimize ./rides --z-order vendorid,payment_type
` + tableTargets
}

// Run writes the files.
func (c *TableOptimizeCmd) Run(ctx context.Context) error {
	opts := rewrite.OptimizeOptions{ZOrderBy: c.ZOrder, Purge: c.Purge}
	if c.Where != "" {
		var err error
		if opts.Where, err = rewrite.Where(c.Where); err != nil {
			return fmt.Errorf("--where: %w", err)
		}
	}
	return c.with(ctx, func(o *openTable) error {
		staging, err := os.MkdirTemp("", "weir-optimize-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(staging)
		db, err := duckdb.Open(duckdb.Options{Dirs: []string{staging}})
		if err != nil {
			return err
		}
		defer db.Close()
		store, location := o.store, o.location
		if o.folder != "" {
			store, location = &folderStore{folder: o.folder, objects: delta.Dir(o.folder)}, "s3://"+folderBucket
		}
		table, err := rewrite.Open(ctx, rewrite.Options{Store: store, Location: location, DB: db, Staging: staging, Table: o.Table})
		if err != nil {
			return err
		}
		line := newProgressLine()
		opts.Progress = func(p rewrite.OptimizeProgress) {
			line.show("%s of %s files, %s of %s", count(int64(p.Files)), count(int64(p.FilesTotal)), sizeText(p.Bytes), sizeText(p.BytesTotal))
		}
		out, err := table.Optimize(ctx, opts)
		line.end()
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSONLine(os.Stdout, map[string]any{
				"version": out.Version, "addedFiles": out.AddedFiles, "addedBytes": out.AddedBytes, "removedFiles": out.RemovedFiles, "removedBytes": out.RemovedBytes,
			})
		}
		if out.RemovedFiles == 0 {
			fmt.Println("nothing to optimize")
			return nil
		}
		fmt.Printf("version %d: %s, %s, instead of %s, %s\n", out.Version, counted(int64(out.AddedFiles), "file"), sizeText(out.AddedBytes),
			counted(int64(out.RemovedFiles), "file"), sizeText(out.RemovedBytes))
		return nil
	})
}

// folderBucket is the only bucket of a folderStore.
const folderBucket = "folder"

// folderStore is a folder of this machine as a store with one bucket, as far as tables need one.
type folderStore struct {
	folder  string
	objects delta.Objects // the same folder
}

// folderObjects are the optional parts of delta.Objects that a folder has.
type folderObjects interface {
	GetRange(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
	Head(ctx context.Context, key string) (objstore.Info, error)
	PutFrom(ctx context.Context, key string, body io.Reader) error
}

func (s *folderStore) more() folderObjects { return s.objects.(folderObjects) }

// Get opens an object, or a part of it.
func (s *folderStore) Get(ctx context.Context, bucket, key string, r *objstore.Range) (io.ReadCloser, objstore.Info, error) {
	info, err := s.Head(ctx, bucket, key)
	if err != nil {
		return nil, info, err
	}
	var body io.ReadCloser
	if r == nil {
		body, err = s.objects.Get(ctx, key)
	} else {
		body, err = s.more().GetRange(ctx, key, r.Offset, r.Length)
	}
	return body, info, err
}

// Head tells an object's size and time.
func (s *folderStore) Head(ctx context.Context, _, key string) (objstore.Info, error) {
	return s.more().Head(ctx, key)
}

// Put stores an object. Of the options only IfAbsent is honoured; a folder has no place for the others.
func (s *folderStore) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	if !opts.IfAbsent {
		if err := s.more().PutFrom(ctx, key, body); err != nil {
			return objstore.Info{}, err
		}
		return s.Head(ctx, bucket, key)
	}
	all, err := io.ReadAll(body)
	if err == nil {
		err = s.objects.PutIfAbsent(ctx, key, all)
	}
	if err != nil {
		return objstore.Info{}, err
	}
	return s.Head(ctx, bucket, key)
}

// Delete removes an object.
func (s *folderStore) Delete(ctx context.Context, _, key string) error {
	return s.objects.Delete(ctx, key)
}

// List lists a page of objects.
func (s *folderStore) List(ctx context.Context, _ string, opts objstore.ListOptions) (objstore.Page, error) {
	var page objstore.Page
	if opts.Delimiter != "" {
		return page, errors.New("a folder is listed without delimiter")
	}
	limit := opts.Limit
	if limit <= 0 {
		limit = 1000
	}
	for info, err := range s.objects.List(ctx, opts.Prefix, opts.After) {
		if err != nil {
			return page, err
		}
		if len(page.Objects) == limit {
			page.Next = page.Objects[limit-1].Key
			break
		}
		page.Objects = append(page.Objects, info)
	}
	return page, nil
}

// CreateBucket does nothing: the folder is there.
func (s *folderStore) CreateBucket(context.Context, string) error { return nil }

// Path is the file of an object.
func (s *folderStore) Path(_ context.Context, _, key string) (string, error) {
	if !filepath.IsLocal(filepath.FromSlash(key)) {
		return "", fmt.Errorf("key %q leaves the folder", key)
	}
	return filepath.Abs(filepath.Join(s.folder, filepath.FromSlash(key)))
}

// Import makes a file an object: a copy of it, as it may lie on another file system.
func (s *folderStore) Import(ctx context.Context, bucket, key, path string, opts objstore.PutOptions) (objstore.Info, error) {
	f, err := os.Open(path)
	if err != nil {
		return objstore.Info{}, err
	}
	defer f.Close()
	info, err := s.Put(ctx, bucket, strings.TrimPrefix(key, "/"), f, opts)
	if err == nil {
		err = os.Remove(path)
	}
	return info, err
}

// TempDir is the system's: Import copies.
func (s *folderStore) TempDir() string { return os.TempDir() }
