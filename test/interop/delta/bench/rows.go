package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
)

// hours are the columns that tables of rides are partitioned by.
var hours = []string{"year", "month", "day", "hour"}

// ready is when the store knew what lies in the table's folder.
var ready time.Time

// withTable runs a change of the table in a folder, through a store on the folder that it lies in. Its index is a new one: what others
// put into the folder is taken in first, which does not count, as it is done once for a file.
func withTable(ctx context.Context, dir string, do func(*rewrite.Table) error) (err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	own, err := os.MkdirTemp(filepath.Dir(dir), "store-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(own)
	index, err := meta.Open(vfs.Default, filepath.Join(own, "meta"))
	if err != nil {
		return err
	}
	bucket := filepath.Join(own, "objects", "lake")
	if err := os.MkdirAll(bucket, 0o755); err != nil {
		return err
	}
	if err := os.Rename(dir, filepath.Join(bucket, "table")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Rename(filepath.Join(bucket, "table"), dir)) }()
	store, err := file.Open(filepath.Join(own, "objects"), index, file.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close(), index.Close()) }()
	if err := store.CreateBucket(ctx, "lake"); err != nil {
		return err
	}
	db, err := duckdb.Open(duckdb.Options{Dirs: []string{filepath.Dir(dir)}, TempDir: own})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := takeIn(ctx, store); err != nil {
		return err
	}
	ready = time.Now()
	objects := delta.InBucket(store, "lake", "table")
	if _, err := delta.Open(ctx, objects); errors.Is(err, delta.ErrNoTable) {
		if err := createRides(ctx, objects); err != nil {
			return err
		}
	}
	t, err := rewrite.Open(ctx, rewrite.Options{Store: store, Location: "s3://lake/table", DB: db})
	if err != nil {
		return err
	}
	return do(t)
}

// takeIn has the store look at all objects.
func takeIn(ctx context.Context, store *file.Store) error {
	for after := ""; ; {
		page, err := store.List(ctx, "lake", objstore.ListOptions{After: after})
		if err != nil {
			return err
		}
		for _, o := range page.Objects {
			if _, err := store.Path(ctx, "lake", o.Key); err != nil {
				return err
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

// rides is the schema of the Parquet file that is appended, set before a table is made.
var rides *columnar.Schema

func createRides(ctx context.Context, objects delta.Objects) error {
	if rides == nil {
		return delta.ErrNoTable
	}
	_, err := delta.Create(ctx, objects, delta.CreateOptions{Schema: rides, PartitionBy: hours})
	return err
}

func appendRides(ctx context.Context, dir string, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("which file?")
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := columnar.OpenParquet(f, info.Size())
	if err != nil {
		return err
	}
	rides = p.Schema()
	return withTable(ctx, dir, func(t *rewrite.Table) error {
		_, err := t.Append(ctx, rewrite.Rows{Schema: p.Schema(), Files: []string{args[0]}}, rewrite.WriteOptions{})
		return err
	})
}

func optimize(ctx context.Context, dir string, _ []string) error {
	return withTable(ctx, dir, func(t *rewrite.Table) error {
		_, err := t.Optimize(ctx, rewrite.OptimizeOptions{})
		return err
	})
}
