package query

import (
	"context"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

// Folders finds the files of tables that are plain folders, and says how they are read, for those who read them otherwise than by a
// statement. Its methods are safe for concurrent use.
type Folders struct{ s *Service }

// FolderFile is a file of such a table.
type FolderFile struct {
	Bucket, Key string
	Size        int64
	ETag        string
	Values      map[string]*string // of the partition keys, in lower case; nil is NULL
}

// IsDelta says whether a table of the catalog is a Delta table, and so none of Folders.
func IsDelta(t catalog.Table) bool { return isDelta(t) }

// NewFolders returns the tables of a catalog. A nil now is time.Now: projected partitions may depend on it.
func NewFolders(c catalog.Catalog, objects objstore.Store, now func() time.Time) *Folders {
	opts := Options{Catalog: c, Objects: objects, Now: now}
	opts.setDefaults()
	return &Folders{&Service{opts: opts}}
}

// Files are those of all partitions of a table, or below its location if it has none.
func (f *Folders) Files(ctx context.Context, t catalog.Table) ([]FolderFile, error) {
	p, table, err := f.planned(ctx, t)
	if err != nil {
		return nil, err
	}
	found, err := p.folderFiles(table)
	if err != nil {
		return nil, err
	}
	all := make([]FolderFile, len(found))
	for i, d := range found {
		all[i] = FolderFile{d.bucket, d.key, d.size, d.etag, d.values}
	}
	return all, nil
}

// Bind says how files of a table are read that lie at paths on this machine, one for each.
func (f *Folders) Bind(ctx context.Context, t catalog.Table, files []FolderFile, paths []string) (*Binding, error) {
	p, table, err := f.planned(ctx, t)
	if err != nil {
		return nil, err
	}
	b, err := p.layout(table)
	if err != nil {
		return nil, err
	}
	all := make([]dataFile, len(files))
	for i, d := range files {
		all[i] = dataFile{bucket: d.Bucket, key: d.Key, size: d.Size, etag: d.ETag, values: d.Values, path: paths[i]}
	}
	return b, p.attach(b, table, all, false)
}

// planned is a table of which all columns are read.
func (f *Folders) planned(ctx context.Context, t catalog.Table) (*planner, *planned, error) {
	table := &planned{table: t, source: &sql.Source{Binding: "weir_t", Used: map[string]bool{}}}
	var err error
	if table.source.Columns, err = tableColumns(t); err != nil {
		return nil, nil, err
	}
	for _, c := range table.source.Columns {
		table.source.Used[c.Name] = true
	}
	return &planner{ctx: ctx, s: f.s}, table, nil
}
