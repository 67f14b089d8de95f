package delta

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/weir-data/weir/objstore"
)

// Commit is a version as its own commit describes it.
type Commit struct {
	Version int64
	Time    time.Time
	Info    *CommitInfo // nil if the writer left none
}

// History yields the versions whose commits the log still holds, newest first. Of each commit it reads no more than its
// provenance.
func (t *Table) History(ctx context.Context) iter.Seq2[Commit, error] {
	return func(yield func(Commit, error) bool) {
		s, err := t.Snapshot(ctx)
		if err != nil {
			yield(Commit{}, err)
			return
		}
		listing, err := listLog(ctx, t.objects, "")
		if err != nil {
			yield(Commit{}, err)
			return
		}
		for _, f := range slices.Backward(listing.commits) {
			info, err := t.Info(ctx, f.version)
			if errors.Is(err, ErrNoVersion) || errors.Is(err, objstore.ErrNoSuchKey) {
				return // cleaned up meanwhile, and what is older too
			}
			if err != nil {
				yield(Commit{}, fmt.Errorf("version %d: %w", f.version, err))
				return
			}
			c := Commit{f.version, f.modTime, info}
			if info != nil && info.InCommitTimestamp != nil && inCommitTimes(s.protocol, s.metadata) {
				c.Time = time.UnixMilli(*info.InCommitTimestamp).UTC()
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}
