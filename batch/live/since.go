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
// the table was read: what it calls done is in the table too, also where it gave no rows.
func Since(ctx context.Context, plans Plans, before batch.Progress, held int64) (batch.Progress, error) {
	at := max(before.Mark.Batch, held)
	if at < 0 {
		return before, nil
	}
	p, err := plans.At(ctx, at)
	if errors.Is(err, os.ErrNotExist) {
		return p, fmt.Errorf("%w (batch %d)", ErrElsewhere, at)
	}
	return p, err
}
