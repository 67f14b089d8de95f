package live

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/weir-data/weir/batch"
)

// ErrElsewhere says that a pipeline's progress does not know what its table holds.
var ErrElsewhere = errors.New("the table holds a batch that the progress of its pipeline does not know: the pipeline keeps it elsewhere, or it was lost")

// Plans is the progress of a pipeline for one who looks on.
type Plans interface {
	Load(ctx context.Context) (batch.Progress, error)
	// At is as Load was when the plan of a batch was the newest, its mark perhaps there already. os.ErrNotExist if that plan is not kept.
	At(ctx context.Context, batch int64) (batch.Progress, error)
}

// Since returns where a table stands that holds the batches of a pipeline up to held (-1: none). before is what the progress said before
// the table was read: what it calls done is in the table too, also where it gave no rows. Of an older version of the table below says
// which batch it lacks; math.MaxInt64 for none.
func Since(ctx context.Context, plans Plans, before batch.Progress, held, below int64) (batch.Progress, error) {
	at := min(max(before.Mark.Batch, held), below-1)
	if at < 0 && below > 0 {
		return before, nil
	}
	p, err := plans.At(ctx, max(at, 0))
	if errors.Is(err, os.ErrNotExist) {
		return p, fmt.Errorf("%w (batch %d)", ErrElsewhere, at)
	}
	if at < 0 {
		p.Mark = batch.Mark{Batch: -1}
	}
	return p, err
}

// Before returns the newest batch up to from that ends within a cut, offsets by source, and whose plan is kept; -1 if there is none.
func Before(ctx context.Context, plans Plans, from int64, cut map[string]batch.Offset) (int64, error) {
	for at := from; at >= 0; at-- {
		p, err := plans.At(ctx, at)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return -1, err
		}
		all := true
		for name, r := range p.Plan.Sources {
			if _, in := within(r.End, cut[name]); !in {
				all = false
			}
		}
		if all {
			return at, nil
		}
	}
	return -1, nil
}
