// Package folders lets queries of pipelines read, beside their sources, tables of the catalog that are plain folders of files: Parquet,
// JSON and text, as package query reads them for statements.
//
// Tables is a batch.Tables that leaves Delta tables to another. Such a table has no versions: its state is the list of its files, which the
// plan of a batch keeps. State finds them, Select brings to this machine those that are not here, and fails with ErrGone where one was
// removed or replaced since. What was brought is removed by Close; nothing survives a crash but the plan.
package folders

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/query/duckdb"
)

// ErrGone says that a file with which a batch was planned is not there any more.
var ErrGone = errors.New("a file that the batch was planned with is not there any more")

const (
	filesMax = 2000     // of one table: every plan lists them
	bytesMax = 16 << 30 // of one table, all of which are brought to this machine
)

// Options are all required but Now.
type Options struct {
	Store   objstore.Store
	Catalog catalog.Catalog
	Delta   batch.Tables // those that are no folders
	Staging string       // a folder below one of those that the Runner may read
	Now     func() time.Time
}

// Tables are the tables of a catalog. One goroutine uses it.
type Tables struct {
	opts    Options
	folders *query.Folders
	open    map[string]*table
}

var _ batch.Tables = (*Tables)(nil)

// table is a table and what of it is here.
type table struct {
	entry catalog.Table
	delta bool
	dir   string // empty: nothing is here
	files []batch.TableFile
	query string // over files
}

// New returns the tables of a catalog.
func New(opts Options) *Tables {
	return &Tables{opts: opts, folders: query.NewFolders(opts.Catalog, opts.Store, opts.Now), open: map[string]*table{}}
}

// Close removes what was brought here.
func (t *Tables) Close() error {
	var errs []error
	for _, table := range t.open {
		if table.dir != "" {
			errs = append(errs, os.RemoveAll(table.dir))
		}
		table.dir = ""
	}
	return errors.Join(errs...)
}

// table looks a table up, once: who changes its columns starts the pipeline again.
func (t *Tables) table(ctx context.Context, name string) (*table, error) {
	if known := t.open[name]; known != nil {
		return known, nil
	}
	database, short, _ := strings.Cut(name, ".")
	entry, err := t.opts.Catalog.Table(ctx, database, short)
	if err != nil {
		return nil, err
	}
	found := &table{entry: entry, delta: query.IsDelta(entry)}
	switch kind := strings.ToLower(entry.Parameters["table_type"]); {
	case found.delta:
	case strings.EqualFold(entry.Type, "VIRTUAL_VIEW"):
		return nil, errors.New("is a view; write its query in the pipeline")
	case kind == "iceberg" || kind == "hudi":
		return nil, fmt.Errorf("is a table of %s; Delta tables, and folders of Parquet, JSON and text can be joined with streams", kind)
	default:
		if _, err := t.folders.Bind(ctx, entry, nil, nil); err != nil {
			return nil, err
		}
	}
	t.open[name] = found
	return found, nil
}

// Columns implements batch.Tables.
func (t *Tables) Columns(ctx context.Context, name string) (*columnar.Schema, error) {
	table, err := t.table(ctx, name)
	if err != nil {
		return nil, err
	}
	if table.delta {
		return t.opts.Delta.Columns(ctx, name)
	}
	schema := new(columnar.Schema)
	for _, c := range slices.Concat(table.entry.Storage.Columns, table.entry.PartitionKeys) {
		typ, err := columnar.ParseType(c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
		schema.Fields = append(schema.Fields, columnar.Field{Name: strings.ToLower(c.Name), Type: typ, Nullable: true})
	}
	return schema, nil
}

// State implements batch.Tables.
func (t *Tables) State(ctx context.Context, name string) (batch.TableState, error) {
	table, err := t.table(ctx, name)
	if err != nil {
		return batch.TableState{}, err
	}
	if table.delta {
		return t.opts.Delta.State(ctx, name)
	}
	found, err := t.folders.Files(ctx, table.entry)
	if err != nil {
		return batch.TableState{}, err
	}
	state, size := batch.TableState{Files: []batch.TableFile{}}, int64(0)
	for _, f := range found {
		size += f.Size
		state.Files = append(state.Files, batch.TableFile{URL: "s3://" + f.Bucket + "/" + f.Key, ETag: f.ETag, Size: f.Size, Values: f.Values})
	}
	if len(found) > filesMax || size > bytesMax {
		return batch.TableState{}, fmt.Errorf("has %d files of %d MiB; the most that a pipeline reads each batch are %d files and %d MiB. Make it a Delta table, "+
			"or write it into fewer files", len(found), size>>20, filesMax, int64(bytesMax>>20))
	}
	return state, nil
}

// Select implements batch.Tables.
func (t *Tables) Select(ctx context.Context, name string, state batch.TableState) (string, error) {
	table, err := t.table(ctx, name)
	if err != nil {
		return "", fmt.Errorf("table %s: %w", name, err)
	}
	if table.delta {
		return t.opts.Delta.Select(ctx, name, state)
	}
	if state.Files == nil {
		return "", fmt.Errorf("table %s: the batch was planned when it was a Delta table", name)
	}
	if table.dir != "" && slices.EqualFunc(table.files, state.Files, sameFile) {
		return table.query, nil
	}
	if err := t.bring(ctx, table, state.Files); err != nil {
		return "", fmt.Errorf("table %s: %w", name, err)
	}
	return table.query, nil
}

func sameFile(a, b batch.TableFile) bool { return a.URL == b.URL && a.ETag == b.ETag }

// bring makes files the ones that are here.
func (t *Tables) bring(ctx context.Context, table *table, files []batch.TableFile) (err error) {
	if table.dir == "" {
		if table.dir, err = os.MkdirTemp(t.opts.Staging, "folder-"); err != nil {
			return fmt.Errorf("stage files: %w", err)
		}
	}
	table.files, table.query = nil, ""
	found, paths := make([]query.FolderFile, len(files)), make([]string, len(files))
	wanted := map[string]bool{}
	for i, f := range files {
		bucket, key, err := objstore.ParseURL(f.URL)
		if err != nil {
			return err
		}
		found[i] = query.FolderFile{Bucket: bucket, Key: key, Size: f.Size, ETag: f.ETag, Values: f.Values}
		paths[i] = filepath.Join(table.dir, stagedName(f))
		wanted[filepath.Base(paths[i])] = true
		if _, err := os.Stat(paths[i]); err == nil {
			continue
		}
		if err := t.fetch(ctx, found[i], paths[i]); err != nil {
			return fmt.Errorf("%s: %w", f.URL, err)
		}
	}
	b, err := t.folders.Bind(ctx, table.entry, found, paths)
	if err != nil {
		return err
	}
	if table.query, err = duckdb.Select(b); err != nil {
		return err
	}
	table.files = files
	return forget(table.dir, wanted)
}

// stagedName is the name under which a file is kept here. Its extension tells how it is compressed.
func stagedName(f batch.TableFile) string {
	sum := sha256.Sum256([]byte(f.URL + "\x00" + f.ETag))
	name := hex.EncodeToString(sum[:16])
	if ext := path.Ext(f.URL); len(ext) <= 8 && !strings.ContainsAny(ext, "=/ ") {
		name += ext
	}
	return name
}

// fetch brings the very object that was planned.
func (t *Tables) fetch(ctx context.Context, f query.FolderFile, to string) error {
	r, info, err := t.opts.Store.Get(ctx, f.Bucket, f.Key, nil)
	if errors.Is(err, objstore.ErrNoSuchKey) {
		return ErrGone
	}
	if err != nil {
		return err
	}
	defer r.Close()
	if info.ETag != f.ETag {
		return fmt.Errorf("%w: it was replaced", ErrGone)
	}
	w, err := os.CreateTemp(filepath.Dir(to), "fetch-")
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if err = errors.Join(err, w.Close()); err == nil {
		err = os.Rename(w.Name(), to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(w.Name()))
	}
	return nil
}

// forget removes what is in dir and not wanted any more.
func forget(dir string, wanted map[string]bool) error {
	there, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range there {
		if !wanted[e.Name()] {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
