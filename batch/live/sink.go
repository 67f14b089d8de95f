package live

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weir-data/weir/batch"
)

var _ batch.Sink = (*run)(nil)

// About implements batch.Sink.
func (r *run) About() batch.SinkInfo {
	return batch.SinkInfo{Description: "FOR LIVE", Guarantee: batch.ExactlyOnce}
}

// Open implements batch.Sink.
func (r *run) Open(_ context.Context, out batch.Output) (int64, error) {
	r.out, r.tail.Mode, r.tail.Keys = out, out.Mode, out.Keys
	if out.Mode == batch.Update && out.Keys == nil {
		r.tail.Mode = batch.Append // every row is new
	}
	return r.opts.Held, nil
}

// Write implements batch.Sink. What the table holds is left out.
func (r *run) Write(ctx context.Context, id int64, rows batch.Rows) (batch.Written, error) {
	if id <= r.tail.Batch {
		return batch.Written{Replayed: true}, nil
	}
	if r.tail.Mode == batch.Complete {
		r.tail.Files, r.tail.Rows = nil, 0
	}
	if rows.Len() == 0 {
		return batch.Written{}, nil
	}
	r.folders++
	opts := batch.WriteOptions{Dir: filepath.Join(r.opts.Dir, fmt.Sprint(r.folders))}
	if err := os.Mkdir(opts.Dir, 0o755); err != nil {
		return batch.Written{}, err
	}
	if r.tail.Mode == batch.Append {
		opts.PartitionBy = r.opts.PartitionBy
	}
	files, err := rows.Write(ctx, opts)
	if err != nil {
		return batch.Written{}, err
	}
	w := batch.Written{Files: len(files)}
	for _, f := range files {
		r.tail.Files = append(r.tail.Files, File{f, id})
		r.tail.Rows += f.Rows
		w.Rows, w.Bytes = w.Rows+f.Rows, w.Bytes+f.Size
	}
	if r.written += w.Bytes; r.written > writtenMax {
		return w, fmt.Errorf("%w: its query makes more than %d MiB of rows of them; start it, or read the table without FOR LIVE", ErrTooMuch, writtenMax>>20)
	}
	return w, nil
}

// nowhere takes dead letters: the pipeline will write them.
type nowhere struct{}

func (nowhere) Put(context.Context, string, []byte) error { return nil }

// progress begins somewhere and keeps nothing.
type progress struct{ from batch.Progress }

func (p *progress) Load(context.Context) (batch.Progress, error) { return p.from, nil }
func (p *progress) SavePlan(context.Context, batch.Plan) error   { return nil }
func (p *progress) SaveMark(context.Context, batch.Mark) error   { return nil }
