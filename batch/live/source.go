package live

import (
	"context"
	"fmt"

	"github.com/weir-data/weir/batch"
)

// source is a Source that ends at a cut.
type source struct {
	Source
	run *run
	to  batch.Offset // the cut
	at  batch.Offset // how far it has been read
}

// Latest implements batch.Tipper: nothing is behind the cut.
func (s *source) Latest(context.Context) (batch.Offset, error) { return s.to.Clone(), nil }

// Position implements batch.Starter.
func (s *source) Position(ctx context.Context, start batch.Start) (batch.Offset, error) {
	if start.Kind == batch.Latest {
		return s.to.Clone(), nil
	}
	return s.Source.Position(ctx, start)
}

// Plan implements batch.Source.
func (s *source) Plan(ctx context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	end, err := s.Source.Plan(ctx, start, limit)
	if err != nil {
		return nil, err
	}
	for shard := range end {
		if to, ok := clip(shard, start, end, s.to); ok {
			end[shard] = to
		} else {
			delete(end, shard)
		}
	}
	return end, nil
}

// clip is the end of a batch in a shard, no further than the cut; false if the batch has nothing of it, nor had one before.
func clip(shard string, start, end, cut batch.Offset) (string, bool) {
	at := batch.Offset{shard: end[shard]}
	if to, ok := cut[shard]; ok {
		if !(batch.Offset{shard: to}).Reached(at) {
			at[shard] = to
		}
		if at.Reached(batch.Offset{shard: start[shard]}) {
			return at[shard], true
		}
	}
	from, ok := start[shard]
	return from, ok
}

// Read implements batch.Source.
func (s *source) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	return s.Source.Read(ctx, start, end, func(chunk []batch.Record) error {
		for i := range chunk {
			s.run.left -= int64(len(chunk[i].Data))
		}
		if s.run.left < 0 {
			return fmt.Errorf("%w: more than %d MiB of records; start it, or read the table without FOR LIVE", ErrTooMuch, s.run.opts.BytesMax>>20)
		}
		return f(chunk)
	})
}
