// Package parquet adds micro-batches to a folder of Parquet files, in a bucket or on this machine: it is a batch.Sink.
//
// Before the files of a batch are put, their names are noted in a file of the folder, _weir/PIPELINE.json, whose part that begins
// with "_" hides it from those who read the folder; when all are there, it says so. A batch that runs again after a crash removes what
// the attempt before had put, so the folder holds every row once when the batch is done. A reader may see a part of a batch
// for a moment, unless the bucket is this weir's own, which puts files all or none. Rows are only added: a query whose rows change needs a Delta table.
package parquet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/google/uuid"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// Options of New. Location is required, and Store if it is in a bucket.
type Options struct {
	Store       objstore.Store
	Location    string // s3://bucket/folder, or a folder of this machine, file:///folder
	PartitionBy []string
	Compression string // snappy (default) | zstd | gzip | uncompressed
	// Staging is where files are written before they are put: a folder that the writer of rows may write to.
	Staging string
}

// Sink is a folder.
type Sink struct {
	opts     Options
	folder   folder
	pipeline string
	held     note
}

var _ batch.Sink = (*Sink)(nil)

// note is what the folder says of a pipeline's newest batch.
type note struct {
	Batch int64    `json:"batchId"`
	Done  bool     `json:"done"`
	Files []string `json:"files"` // below the folder
}

// noteMax bounds a note in bytes.
const noteMax = 64 << 20

// New returns a Sink. Nothing is read or written yet.
func New(opts Options) (*Sink, error) {
	if opts.Compression == "" {
		opts.Compression = "snappy"
	}
	s := &Sink{opts: opts}
	if dir, ok := strings.CutPrefix(opts.Location, "file://"); ok || !strings.Contains(opts.Location, "://") {
		s.folder = localFolder(dir)
		return s, nil
	}
	bucket, prefix, err := objstore.ParseURL(opts.Location)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	s.folder = &bucketFolder{opts.Store, bucket, prefix, opts.Staging}
	return s, nil
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

func (s *Sink) noteName() string { return "_weir/" + s.pipeline + ".json" }

func (s *Sink) read(ctx context.Context) (note, error) {
	raw, err := s.folder.read(ctx, s.noteName())
	if errors.Is(err, fs.ErrNotExist) {
		return note{Batch: -1, Done: true}, nil
	}
	if err != nil {
		return note{}, err
	}
	var n note
	if err := json.Unmarshal(raw, &n); err != nil {
		return note{}, fmt.Errorf("%s is damaged: %w", s.noteName(), err)
	}
	return n, nil
}

func (s *Sink) save(ctx context.Context, n note) error {
	raw, err := json.Marshal(n)
	if err == nil {
		err = s.folder.save(ctx, s.noteName(), raw)
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
		for _, name := range s.held.Files {
			if err := s.folder.remove(ctx, name); err != nil {
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

// put puts files into the folder, between the two states of the note.
func (s *Sink) put(ctx context.Context, id int64, files []batch.ParquetFile) (w batch.Written, err error) {
	n := note{Batch: id}
	attempt := uuid.New()
	placed := make([]localFile, len(files))
	for i, f := range files {
		name := fmt.Sprintf("%spart-%05d-%s-c000%s", delta.PartitionPath(s.opts.PartitionBy, f.Partition), i, attempt, extensions[s.opts.Compression])
		placed[i] = localFile{name, f.Path}
		n.Files = append(n.Files, name)
		w.Rows, w.Files, w.Bytes = w.Rows+f.Rows, w.Files+1, w.Bytes+f.Size
	}
	if err := s.save(ctx, n); err != nil {
		return w, err
	}
	if err := s.folder.put(ctx, placed); err != nil {
		return w, err
	}
	n.Done = true
	return w, s.save(ctx, n)
}

func (s *Sink) failed(what string, err error) error {
	return fmt.Errorf("folder %s: %s: %w", s.opts.Location, what, err)
}
