package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	batchduckdb "github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/query/duckdb"
)

const (
	tablesBucket  = "lake"
	resultsBucket = "results"
	database      = "lake"
)

// lake is the parts of a weir that have to do with tables, without its services.
type lake struct {
	dir     string
	meta    *meta.Store
	objects *file.Store
	catalog *catalog.Store
	query   *query.Service
	rows    *batchduckdb.DB
}

func openLake(ctx context.Context, dir string) (*lake, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	l := &lake{dir: dir, meta: meta.NewMem()}
	if l.objects, err = file.Open(filepath.Join(dir, "objects"), l.meta, file.Options{}); err != nil {
		return nil, err
	}
	for _, b := range []string{tablesBucket, resultsBucket} {
		if err := l.objects.CreateBucket(ctx, b); err != nil {
			return nil, err
		}
	}
	if l.catalog, err = catalog.New(l.meta, catalog.Options{}); err != nil {
		return nil, err
	}
	if err := l.catalog.CreateDatabase(ctx, catalog.Database{Name: database}); err != nil {
		return nil, err
	}
	temp := filepath.Join(dir, "temp")
	if err := os.MkdirAll(temp, 0o755); err != nil {
		return nil, err
	}
	l.query, err = query.New(query.Options{Meta: l.meta, Catalog: l.catalog, Objects: l.objects, CacheDir: filepath.Join(dir, "cache"),
		Engine: duckdb.New(duckdb.Options{TempDir: temp, Dirs: []string{dir}, MemoryLimit: 512 << 20, Workers: 1})})
	if err != nil {
		return nil, err
	}
	l.rows, err = batchduckdb.Open(batchduckdb.Options{Dirs: []string{dir}, TempDir: temp})
	return l, err
}

func (l *lake) close() {
	l.query.Close()
	l.rows.Close()
	l.objects.Close()
}

// objectsOf is the folder of a table in the store.
func (l *lake) objectsOf(name string) delta.Objects {
	return delta.InBucket(l.objects, tablesBucket, name)
}

// register puts a table into the catalog, so that statements find it.
func (l *lake) register(ctx context.Context, name string) error {
	err := l.catalog.CreateTable(ctx, catalog.Table{Database: database, Name: name, Type: "EXTERNAL_TABLE",
		Storage: catalog.Storage{Location: "s3://" + tablesBucket + "/" + name + "/"}, Parameters: map[string]string{"table_type": "DELTA"}})
	if errors.Is(err, catalog.ErrExists) {
		return nil
	}
	return err
}

// run runs a statement to its end.
func (l *lake) run(ctx context.Context, statement string) (*query.Execution, error) {
	id, err := l.query.Start(query.StartInput{SQL: statement, Database: database, Result: query.ResultConfig{OutputLocation: "s3://" + resultsBucket + "/"}})
	if err != nil {
		return nil, err
	}
	x, err := l.query.Wait(ctx, id)
	if err != nil {
		return nil, err
	}
	if x.State != query.Succeeded {
		return nil, fmt.Errorf("%s: %s", statement, x.Reason)
	}
	return x, nil
}
