// Package objects keeps the progress of a pipeline in an object store, beside the table that the pipeline writes, so that
// it goes on wherever it is started next.
//
// Progress is a batch.ProgressStore: one object for each plan and for each mark. A plan is put only if there is none
// of its number, which is atomic at the store: of two processes that run the same pipeline by mistake, one stops.
package objects

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/objstore"
)

// Progress is the progress of one pipeline in a folder of a bucket.
type Progress struct {
	store          objstore.Store
	bucket, prefix string
}

var _ batch.ProgressStore = (*Progress)(nil)

// New returns the progress kept at location, s3://bucket/folder.
func New(store objstore.Store, location string) (*Progress, error) {
	bucket, prefix, err := objstore.ParseURL(location)
	if err != nil {
		return nil, fmt.Errorf("progress: %w", err)
	}
	return &Progress{store, bucket, strings.Trim(prefix, "/") + "/"}, nil
}

// planMax bounds the size of a plan in bytes; one has a line for each shard.
const planMax = 16 << 20

// Load implements batch.ProgressStore.
func (p *Progress) Load(ctx context.Context) (batch.Progress, error) {
	plan, err := p.newest(ctx, "offsets")
	if err != nil {
		return batch.Progress{}, p.failed("read", err)
	}
	mark, err := p.newest(ctx, "commits")
	if err != nil {
		return batch.Progress{}, p.failed("read", err)
	}
	return batch.ProgressOf("s3://"+p.bucket+"/"+p.prefix, plan, mark)
}

// newest is what is kept under the greatest batch number of a kind.
func (p *Progress) newest(ctx context.Context, kind string) (s batch.Saved, err error) {
	key, opts := "", objstore.ListOptions{Prefix: p.prefix + kind + "/"}
	for {
		page, err := p.store.List(ctx, p.bucket, opts)
		if errors.Is(err, objstore.ErrNoSuchBucket) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		if n := len(page.Objects); n > 0 {
			key = page.Objects[n-1].Key
		}
		if page.Next == "" {
			break
		}
		opts.After = page.Next
	}
	if key == "" {
		return s, nil
	}
	if s.Batch, err = batch.ProgressNumber(key); err != nil {
		return s, err
	}
	s.JSON, err = p.get(ctx, batch.ProgressName(kind, s.Batch))
	return s, err
}

// At is the progress as of a batch: its plan, and its mark or, if there is none yet, that of the batch before. os.ErrNotExist if the
// plan is not kept.
func (p *Progress) At(ctx context.Context, number int64) (batch.Progress, error) {
	plan, mark := batch.Saved{Batch: number}, batch.Saved{Batch: number}
	var err error
	if plan.JSON, err = p.get(ctx, batch.ProgressName("offsets", number)); err == nil {
		mark.JSON, err = p.get(ctx, batch.ProgressName("commits", number))
		if errors.Is(err, objstore.ErrNoSuchKey) {
			err = nil
			if mark.Batch--; mark.Batch >= 0 {
				mark.JSON, err = p.get(ctx, batch.ProgressName("commits", mark.Batch))
			}
		}
	}
	if errors.Is(err, objstore.ErrNoSuchKey) || errors.Is(err, objstore.ErrNoSuchBucket) {
		err = fmt.Errorf("%w: %w", os.ErrNotExist, err)
	}
	if err != nil {
		return batch.Progress{}, p.failed("read", err)
	}
	return batch.ProgressOf("s3://"+p.bucket+"/"+p.prefix, plan, mark)
}

func (p *Progress) get(ctx context.Context, name string) ([]byte, error) {
	r, _, err := p.store.Get(ctx, p.bucket, p.prefix+name, nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, planMax))
}

// SavePlan implements batch.ProgressStore. A plan of this number that says something else is another process's.
func (p *Progress) SavePlan(ctx context.Context, plan batch.Plan) error {
	raw, err := json.Marshal(plan)
	if err != nil {
		return p.failed("save", err)
	}
	name := batch.ProgressName("offsets", plan.Batch)
	_, err = p.store.Put(ctx, p.bucket, p.prefix+name, bytes.NewReader(raw), objstore.PutOptions{ContentType: "application/json", IfAbsent: true})
	if errors.Is(err, objstore.ErrPrecondition) {
		// Either our own put, whose answer was lost, or somebody else's.
		there, getErr := p.get(ctx, name)
		if getErr != nil {
			return p.failed("save", getErr)
		}
		if !bytes.Equal(there, raw) {
			return fmt.Errorf("%w: batch %d was planned by another process that runs this pipeline", batch.ErrProgress, plan.Batch)
		}
		err = nil
	}
	if err != nil {
		return p.failed("save", err)
	}
	return p.forget(ctx, "offsets", plan.Batch)
}

// SaveMark implements batch.ProgressStore.
func (p *Progress) SaveMark(ctx context.Context, m batch.Mark) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return p.failed("save", err)
	}
	opts := objstore.PutOptions{ContentType: "application/json"}
	if _, err := p.store.Put(ctx, p.bucket, p.prefix+batch.ProgressName("commits", m.Batch), bytes.NewReader(raw), opts); err != nil {
		return p.failed("save", err)
	}
	return p.forget(ctx, "commits", m.Batch)
}

// forget removes the entry that is too old to be kept beside number.
func (p *Progress) forget(ctx context.Context, kind string, number int64) error {
	if number < batch.PlansKept {
		return nil
	}
	if err := p.store.Delete(ctx, p.bucket, p.prefix+batch.ProgressName(kind, number-batch.PlansKept)); err != nil {
		return p.failed("save", err)
	}
	return nil
}

func (p *Progress) failed(what string, err error) error {
	return fmt.Errorf("%s progress at s3://%s/%s: %w", what, p.bucket, p.prefix, err)
}
