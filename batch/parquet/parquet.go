// Package parquet adds micro-batches to a folder of Parquet files in a bucket: it is a batch.Sink.
//
// Before the files of a batch are put, their names are noted in an object of the folder, _weir/PIPELINE.json, whose part that begins
// with "_" hides it from those who read the folder; when all are there, it says so. A batch that runs again after a crash removes what
// the attempt before had put, so the folder holds every row once when the batch is done. Where the store cannot put files all or
// none, a reader may see a part of a batch for a moment. Rows are only added: a query whose rows change needs a Delta table.
package parquet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/uuid"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// Options of New. Store and Location are required.
type Options struct {
	Store       objstore.Store
	Location    string // s3://bucket/folder
	PartitionBy []string
	Compression string // snappy (default) | zstd | gzip | uncompressed
	// Staging is where files are written before they become objects: a folder that the writer of rows may write to.
	Staging string
}

// Sink is a folder.
type Sink struct {
	opts           Options
	bucket, prefix string
	pipeline       string
	held           note
}

var _ batch.Sink = (*Sink)(nil)

// note is what the folder says of a pipeline's newest batch.
type note struct {
	Batch int64    `json:"batchId"`
	Done  bool     `json:"done"`
	Keys  []string `json:"keys"` // of its files
}

// noteMax bounds a note in bytes.
const noteMax = 64 << 20

// New returns a Sink. Nothing is read or written yet.
func New(opts Options) (*Sink, error) {
	bucket, prefix, err := objstore.ParseURL(opts.Location)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	if opts.Compression == "" {
		opts.Compression = "snappy"
	}
	return &Sink{opts: opts, bucket: bucket, prefix: prefix}, nil
}

// About implements batch.Sink.
func (s *Sink) About() batch.SinkInfo {
	return batch.SinkInfo{Description: "FileSink[" + s.opts.Location + "]", Guarantee: batch.ExactlyOnce}
}

// Open implements batch.Sink.
func (s *Sink) Open(ctx context.Context, out batch.Output) (last int64, err error) {
	if out.Mode != batch.Append {
		return 0, fmt.Errorf("a folder of Parquet files takes output mode append only, not %s: use a Delta table", out.Mode)
	}
	s.pipeline = out.Pipeline
	if s.held, err = s.read(ctx); err != nil {
		return 0, s.failed("open", err)
	}
	if s.held.Done {
		return s.held.Batch, nil
	}
	return s.held.Batch - 1, nil
}

func (s *Sink) noteKey() string { return s.prefix + "_weir/" + s.pipeline + ".json" }

func (s *Sink) read(ctx context.Context) (note, error) {
	r, _, err := s.opts.Store.Get(ctx, s.bucket, s.noteKey(), nil)
	if errors.Is(err, objstore.ErrNoSuchKey) {
		return note{Batch: -1, Done: true}, nil
	}
	if err != nil {
		return note{}, err
	}
	defer r.Close()
	var n note
	if err := json.NewDecoder(io.LimitReader(r, noteMax)).Decode(&n); err != nil {
		return note{}, fmt.Errorf("%s is damaged: %w", s.noteKey(), err)
	}
	return n, nil
}

func (s *Sink) save(ctx context.Context, n note) error {
	raw, err := json.Marshal(n)
	if err == nil {
		_, err = s.opts.Store.Put(ctx, s.bucket, s.noteKey(), bytes.NewReader(raw), objstore.PutOptions{ContentType: "application/json"})
	}
	if err == nil {
		s.held = n
	}
	return err
}

// Write implements batch.Sink.
func (s *Sink) Write(ctx context.Context, id int64, rows batch.Rows) (batch.Written, error) {
	if s.held.Batch > id || s.held.Batch == id && s.held.Done {
		return batch.Written{Replayed: true}, nil
	}
	if s.held.Batch == id {
		for _, key := range s.held.Keys {
			if err := s.opts.Store.Delete(ctx, s.bucket, key); err != nil {
				return batch.Written{}, s.failed("remove an attempt before", err)
			}
		}
	}
	dir, err := os.MkdirTemp(s.opts.Staging, "batch-")
	if err != nil {
		return batch.Written{}, fmt.Errorf("stage batch: %w", err)
	}
	defer os.RemoveAll(dir)
	files, err := rows.Write(ctx, batch.WriteOptions{Dir: dir, PartitionBy: s.opts.PartitionBy, Compression: s.opts.Compression})
	if err != nil || len(files) == 0 {
		return batch.Written{}, err
	}
	w, err := s.put(ctx, id, files)
	if err != nil {
		return batch.Written{}, s.failed("write", err)
	}
	return w, nil
}

var extensions = map[string]string{"snappy": ".snappy.parquet", "zstd": ".zstd.parquet", "gzip": ".gz.parquet", "uncompressed": ".parquet"}

// put makes files objects, between the two states of the note.
func (s *Sink) put(ctx context.Context, id int64, files []batch.ParquetFile) (w batch.Written, err error) {
	n := note{Batch: id}
	name := uuid.New()
	placed := make([]objstore.LocalFile, len(files))
	for i, f := range files {
		key := fmt.Sprintf("%s%spart-%05d-%s-c000%s", s.prefix, delta.PartitionPath(s.opts.PartitionBy, f.Partition), i, name, extensions[s.opts.Compression])
		placed[i] = objstore.LocalFile{Key: key, Path: f.Path, Opts: objstore.PutOptions{ContentType: "application/octet-stream"}}
		n.Keys = append(n.Keys, key)
		w.Rows, w.Files, w.Bytes = w.Rows+f.Rows, w.Files+1, w.Bytes+f.Size
	}
	if err := s.save(ctx, n); err != nil {
		return w, err
	}
	if err := objstore.Upload(ctx, s.opts.Store, s.bucket, s.opts.Staging, placed); err != nil {
		return w, err
	}
	n.Done = true
	return w, s.save(ctx, n)
}

func (s *Sink) failed(what string, err error) error {
	return fmt.Errorf("folder %s: %s: %w", s.opts.Location, what, err)
}
