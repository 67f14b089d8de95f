// Package delta lands micro-batches in Delta tables: Sink is batch's Sink, Letters its place for dead letters.
//
// A Sink creates the table when it is missing and registers it in the catalog, both in Open. Each batch then becomes
// one commit: Parquet files are written beside the store's objects, moved to their places in the table's folder, and
// added by a commit that carries txn {appId: the pipeline's name, version: the batch's number}.
//
// In output mode update a batch is a merge by the keys of the query's result, in mode complete an overwrite; both carry the txn too.
//
// Between batches small files may be written together (Options.Compact), so that a table which is committed to every second keeps
// large files. It runs in the pipeline's own process and turn, so that the two never get in each other's way.
//
// What survives a crash: files that no commit names are no part of the table; like those of Spark's failed tasks they lie
// there until a vacuum. The batch that runs again gives its files names of their own. A batch whose commit is there
// already is recognised by its txn, before anything is written or at the latest by the commit. A batch without rows leaves
// no commit: run again it has none either.
package delta

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/catalog"
	table "github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/objstore"
)

// Options of a Sink. Store and Location are required.
type Options struct {
	Store       objstore.Store
	Location    string // s3://bucket/folder
	PartitionBy []string
	Compression string // snappy (default) | zstd | gzip | uncompressed
	Catalog     Catalog
	Database    string // with Table: the name in Catalog; empty: not registered
	Table       string
	// Staging is where files are written before they become objects; default StagingDir(Store).
	Staging string
	Now     func() time.Time
	// DB runs the statements that change rows: output modes update and complete, and compaction, need it. Staging must be below one of
	// its folders.
	DB rewrite.DB
	// Compact keeps the table's files large between batches.
	Compact bool
	// Vectors gives the table delta.enableDeletionVectors: rows that a batch replaces are deleted by vectors, and their files stay. Without
	// it the table keeps the property that it has.
	Vectors bool
	// Fault is called between the steps of a batch; see batch.Options. The step is "uploaded": the files are objects, and no commit names them.
	Fault  func(point string)
	Logger *slog.Logger // told when files could not be compacted, which the next batch makes up for; nil: slog.Default
}

// Catalog is what a Sink needs of a catalog.
type Catalog interface {
	Database(ctx context.Context, name string) (catalog.Database, error)
	CreateDatabase(ctx context.Context, d catalog.Database) error
	Table(ctx context.Context, database, name string) (catalog.Table, error)
	CreateTable(ctx context.Context, t catalog.Table) error
	UpdateTable(ctx context.Context, t catalog.Table) error
}

// StagingDir is the folder in which files for s are written: one that s can take them from without copying, else one
// of the system's.
func StagingDir(s objstore.Store) string {
	if l, ok := s.(objstore.Local); ok {
		return l.TempDir()
	}
	return os.TempDir()
}

// Sink writes one table for one pipeline.
type Sink struct {
	opts           Options
	bucket, prefix string // the prefix ends in a slash unless it is empty
	out            batch.Output
	table          *table.Table
	rows           *rewrite.Table // nil: there is no DB
	compactor      compactor      // nil: none
	changes        int            // whose files the compactor was not told of
	added          []table.File   // that it will be told of
	left           int            // batches since it ran
}

var (
	_ batch.Sink       = (*Sink)(nil)
	_ batch.Maintainer = (*Sink)(nil)
)

// New returns a sink; nothing is read or written before Open.
func New(opts Options) (*Sink, error) {
	bucket, prefix, err := objstore.ParseURL(opts.Location)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	if opts.Staging == "" {
		opts.Staging = StagingDir(opts.Store)
	}
	if opts.Compression == "" {
		opts.Compression = "snappy"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Fault == nil {
		opts.Fault = func(string) {}
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return &Sink{opts: opts, bucket: bucket, prefix: prefix}, nil
}

// Open implements batch.Sink: it makes or widens the table, and puts it into the catalog.
func (s *Sink) Open(ctx context.Context, out batch.Output) (last int64, err error) {
	if out.Mode != batch.Append && s.opts.DB == nil {
		return 0, fmt.Errorf("table %s: output mode %s changes rows, and there is nothing that does", s.opts.Location, out.Mode)
	}
	s.out = out
	objects := table.InBucket(s.opts.Store, s.bucket, s.prefix)
	s.table, err = table.OpenWith(ctx, objects, table.Options{Now: s.opts.Now})
	if errors.Is(err, table.ErrNoTable) {
		s.table, err = table.Create(ctx, objects, table.CreateOptions{
			Schema: out.Schema, PartitionBy: s.opts.PartitionBy, Properties: s.propertiesFor(out.Schema), Now: s.opts.Now,
		})
	}
	if errors.Is(err, table.ErrConflict) { // another writer was first
		err = batch.Temporary(err)
	}
	if err != nil {
		return 0, fmt.Errorf("table %s: %w", s.opts.Location, err)
	}
	snapshot, err := s.fit(ctx, out.Schema)
	if err == nil {
		snapshot, err = s.allowVectors(ctx, snapshot)
	}
	if err != nil {
		return 0, fmt.Errorf("table %s: %w", s.opts.Location, err)
	}
	if err := s.register(ctx, snapshot); err != nil {
		return 0, fmt.Errorf("register table %s.%s: %w", s.opts.Database, s.opts.Table, err)
	}
	if s.opts.DB != nil {
		s.rows, err = rewrite.Open(ctx, rewrite.Options{
			Store: s.opts.Store, Location: s.opts.Location, DB: s.opts.DB, Staging: s.opts.Staging, Compression: s.opts.Compression,
			Now: s.opts.Now, Table: s.table,
		})
		if err != nil {
			return 0, err
		}
		if s.opts.Compact {
			s.compactor = s.rows.NewCompactor(rewrite.CompactorOptions{})
		}
	}
	if version, ok := snapshot.Txn(out.Pipeline); ok {
		return version, nil
	}
	return -1, nil
}

func temporaryConflict(err error) error {
	if errors.Is(err, table.ErrConflict) {
		return batch.Temporary(err)
	}
	return err
}

// About implements batch.Sink.
func (s *Sink) About() batch.SinkInfo {
	return batch.SinkInfo{Description: "DeltaSink[" + s.opts.Location + "]", Guarantee: batch.ExactlyOnce}
}

// Write implements batch.Sink.
func (s *Sink) Write(ctx context.Context, id int64, rows batch.Rows) (batch.Written, error) {
	if rows.Len() == 0 && s.out.Mode != batch.Complete {
		return batch.Written{}, nil
	}
	snapshot, err := s.fit(ctx, s.out.Schema)
	if err != nil {
		return batch.Written{}, fmt.Errorf("table %s: %w", s.opts.Location, err)
	}
	if version, ok := snapshot.Txn(s.out.Pipeline); ok && version >= id {
		return batch.Written{Replayed: true}, nil
	}
	dir, err := os.MkdirTemp(s.opts.Staging, "batch-")
	if err != nil {
		return batch.Written{}, fmt.Errorf("stage batch: %w", err)
	}
	defer os.RemoveAll(dir) // what cannot be removed is emptied when the store opens
	if !plain(snapshot, s.out.Schema) || s.out.Mode == batch.Complete || s.out.Mode == batch.Update && s.out.Keys != nil {
		return s.change(ctx, id, rows, dir)
	}
	files, err := rows.Write(ctx, batch.WriteOptions{Dir: dir, PartitionBy: s.opts.PartitionBy, Compression: s.opts.Compression})
	if err != nil || len(files) == 0 {
		return batch.Written{}, err
	}
	w, err := s.commit(ctx, snapshot, id, files)
	if err != nil {
		return batch.Written{}, fmt.Errorf("table %s: %w", s.opts.Location, err)
	}
	return w, nil
}

func (s *Sink) commit(ctx context.Context, snapshot *table.Snapshot, id int64, files []batch.ParquetFile) (batch.Written, error) {
	placed := s.place(files)
	if err := objstore.Upload(ctx, s.opts.Store, s.bucket, s.opts.Staging, placed); err != nil {
		return batch.Written{}, err
	}
	s.opts.Fault("uploaded")
	tx := s.table.Begin(snapshot)
	tx.SetTxn(s.out.Pipeline, id)
	var w batch.Written
	added := make([]table.File, len(files))
	for i, f := range files {
		added[i] = table.File{
			Path: strings.TrimPrefix(placed[i].Key, s.prefix), Partition: f.Partition, Size: f.Size,
			ModTime: s.opts.Now(), Stats: statsOf(f),
		}
		tx.Add(added[i])
		w.Rows, w.Files, w.Bytes = w.Rows+f.Rows, w.Files+1, w.Bytes+f.Size
	}
	tx.SetInfo("STREAMING UPDATE", map[string]string{
		"outputMode": outputModes[s.out.Mode], "queryId": s.out.Pipeline, "epochId": strconv.FormatInt(id, 10),
	}, map[string]string{
		"numRemovedFiles": "0", "numAddedFiles": strconv.Itoa(w.Files),
		"numOutputRows": strconv.FormatInt(w.Rows, 10), "numOutputBytes": strconv.FormatInt(w.Bytes, 10),
	})
	switch _, err := tx.Commit(ctx); {
	case errors.Is(err, table.ErrReplayed):
		return batch.Written{Replayed: true}, nil
	case err != nil:
		return batch.Written{}, temporaryConflict(err)
	}
	if s.compactor != nil {
		s.added = append(s.added, added...)
	}
	return w, nil
}

// contentType is that of Parquet files.
const contentType = "application/octet-stream"

var suffixes = map[string]string{"snappy": ".snappy.parquet", "zstd": ".zstd.parquet", "gzip": ".gz.parquet", "uncompressed": ".parquet"}

// place sorts files by partition and gives them their keys, which no other attempt at the batch uses: a commit of an earlier
// attempt may still be on its way to the store, and what it names must stay as it was.
func (s *Sink) place(files []batch.ParquetFile) []objstore.LocalFile {
	folder := func(f batch.ParquetFile) string { return table.DataFolder(s.opts.PartitionBy, f.Partition) }
	slices.SortStableFunc(files, func(a, b batch.ParquetFile) int { return strings.Compare(folder(a), folder(b)) })
	name := uuid.New()
	placed := make([]objstore.LocalFile, len(files))
	for i, f := range files {
		key := fmt.Sprintf("%s%spart-%05d-%s-c000%s", s.prefix, folder(f), i, name, suffixes[s.opts.Compression])
		placed[i] = objstore.LocalFile{Key: key, Path: f.Path, Opts: objstore.PutOptions{ContentType: contentType}}
	}
	return placed
}

// statsOf are a file's statistics as Delta keeps them.
func statsOf(f batch.ParquetFile) *table.Stats {
	stats := &table.Stats{NumRecords: f.Rows, Min: map[string]any{}, Max: map[string]any{}, NullCount: map[string]any{}}
	for name, c := range f.Columns {
		if c.Min != nil && c.Max != nil {
			stats.Min[name], stats.Max[name] = c.Min, c.Max
		}
		if c.Nulls >= 0 {
			stats.NullCount[name] = c.Nulls
		}
	}
	return stats
}
