package delta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weir-data/weir/objstore"
)

// Table is a handle; it remembers the last snapshot to refresh it cheaply. Safe for concurrent use. Several handles,
// in this and in other processes, may read and write the same table.
type Table struct {
	objects Objects
	opts    Options
	vectors *vectors

	// turn has room for the one who refreshes or writes a checkpoint: a lock that can be waited for with a context.
	turn    chan struct{}
	latest  *Snapshot // guarded by turn
	cleaned time.Time // guarded by turn; when the log was last cleaned
}

// Open returns the table in the folder, or ErrNoTable.
func Open(ctx context.Context, objects Objects) (*Table, error) {
	return OpenWith(ctx, objects, Options{})
}

// OpenWith is Open with options.
func OpenWith(ctx context.Context, objects Objects, opts Options) (*Table, error) {
	t := newTable(objects, opts)
	if _, err := t.Snapshot(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

func newTable(objects Objects, opts Options) *Table {
	return &Table{objects: objects, opts: opts, vectors: newVectors(objects, vectorsBytesMax), turn: make(chan struct{}, 1)}
}

func (t *Table) lock(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *Table) unlock() { <-t.turn }

// Snapshot reads the newest version.
func (t *Table) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := t.lock(ctx); err != nil {
		return nil, err
	}
	defer t.unlock()
	return t.refreshLocked(ctx)
}

// refreshLocked brings latest up to date: from the commits since, or anew.
func (t *Table) refreshLocked(ctx context.Context) (*Snapshot, error) {
	if t.latest != nil {
		s, err := t.advance(ctx, t.latest)
		if err == nil {
			t.latest = s
			return s, nil
		}
		if !errors.Is(err, errLogGone) {
			return nil, err
		}
	}
	s, err := t.load(ctx, -1)
	if err != nil {
		return nil, err
	}
	t.latest = s
	return s, nil
}

// errLogGone says that commits after a snapshot were cleaned up, so that it cannot be advanced.
var errLogGone = errors.New("commits were cleaned up")

// followMax is how many commits are looked for by their names before the log is listed.
const followMax = 8

// follow replays the commits right after s, which are asked for by name: of a long log, a listing is dear. whole is false if
// there may be more of them.
func (t *Table) follow(ctx context.Context, s *Snapshot) (next *Snapshot, whole bool, err error) {
	r := t.newReplay(s)
	version := s.version
	for range followMax {
		r.inCommit = nil
		err := readLogFile(ctx, t.objects, commitKey(version+1), r.apply)
		if errors.Is(err, objstore.ErrNoSuchKey) {
			whole = true
			break
		}
		if err != nil {
			return nil, false, err
		}
		version++
	}
	if version == s.version {
		same := *s
		same.loaded = t.opts.now()
		return &same, true, nil
	}
	info, err := t.head(ctx, commitKey(version))
	if err != nil {
		return nil, false, err
	}
	next, err = t.advanced(ctx, r, s, version, info.ModTime)
	return next, whole, err
}

// advanced is the snapshot after s that r has come to.
func (t *Table) advanced(ctx context.Context, r *replay, s *Snapshot, version int64, written time.Time) (*Snapshot, error) {
	next, err := r.snapshot(version, s, t.cutoff)
	if err != nil {
		return nil, err
	}
	next.vectors, next.loaded, next.lastCheckpoint = t.vectors, t.opts.now(), s.lastCheckpoint
	return next, t.setTime(ctx, next, written, r.inCommit)
}

// advance replays the commits after s.
func (t *Table) advance(ctx context.Context, s *Snapshot) (*Snapshot, error) {
	if t.opts.now().Sub(s.loaded) < freshMax { // else what follows may have been cleaned up
		next, whole, err := t.follow(ctx, s)
		if whole || err != nil {
			return next, err
		}
		s = next
	}
	listing, err := listLog(ctx, t.objects, commitKey(s.version))
	if err != nil {
		return nil, err
	}
	if listing.newest() <= s.version {
		return s, nil
	}
	commits := listing.commits
	for i, c := range commits {
		if c.version != s.version+1+int64(i) {
			return nil, errLogGone
		}
	}
	version := s.version + int64(len(commits))
	if version < listing.newest() {
		return nil, errLogGone
	}
	r := t.newReplay(s)
	if err := readCommits(ctx, t.objects, commits, r); err != nil {
		if errors.Is(err, objstore.ErrNoSuchKey) {
			return nil, errLogGone
		}
		return nil, err
	}
	next, err := t.advanced(ctx, r, s, version, listing.modTime(version))
	if err != nil {
		return nil, err
	}
	if n := len(listing.checkpoints); n > 0 {
		next.lastCheckpoint = listing.checkpoints[n-1].version
	}
	return next, nil
}

// load rebuilds a version (-1: the newest) from the newest checkpoint before it. When a clean-up takes away what was just
// listed, it looks again.
func (t *Table) load(ctx context.Context, version int64) (s *Snapshot, err error) {
	for range loadAttempts {
		s, err = t.loadOnce(ctx, version)
		if !errors.Is(err, objstore.ErrNoSuchKey) {
			return s, err
		}
	}
	return nil, err
}

const loadAttempts = 3

func (t *Table) loadOnce(ctx context.Context, version int64) (*Snapshot, error) {
	hint, err := readHint(ctx, t.objects)
	if err != nil {
		return nil, err
	}
	var listing *logListing
	if hint >= 0 && (version < 0 || hint <= version) {
		if listing, err = listLog(ctx, t.objects, fmt.Sprintf("%s%0*d", logFolder, versionDigits, hint)); err != nil {
			return nil, err
		}
	}
	if listing == nil || len(listing.checkpoints) == 0 || listing.checkpoints[0].version > hint {
		if listing, err = listLog(ctx, t.objects, ""); err != nil {
			return nil, err
		}
	}
	newest := listing.newest()
	if newest < 0 {
		return nil, ErrNoTable
	}
	if version < 0 {
		version = newest
	}
	if version > newest {
		return nil, fmt.Errorf("%w: %d, the newest is %d", ErrNoVersion, version, newest)
	}
	return t.replay(ctx, listing, version)
}

// segment is the listing's own, but for commits that a listing may lack although later ones are in it: the names of a
// folder in which others write meanwhile come as they are found.
func (t *Table) segment(ctx context.Context, listing *logListing, version int64) (*checkpointFiles, []logFile, error) {
	for {
		base, commits, err := listing.segment(version)
		var missing *missingCommit
		if !errors.As(err, &missing) {
			return base, commits, err
		}
		info, headErr := t.head(ctx, commitKey(missing.version))
		if errors.Is(headErr, objstore.ErrNoSuchKey) {
			return nil, nil, err
		}
		if headErr != nil {
			return nil, nil, headErr
		}
		listing.insert(logFile{missing.version, missing.version, info.Key, info.Size, info.ModTime})
	}
}

func (t *Table) replay(ctx context.Context, listing *logListing, version int64) (*Snapshot, error) {
	base, commits, err := t.segment(ctx, listing, version)
	if err != nil {
		return nil, err
	}
	r := t.newReplay(nil)
	checkpoint := int64(-1)
	if base != nil {
		checkpoint = base.version
		if err := readCheckpoint(ctx, t.objects, base, r); err != nil {
			return nil, err
		}
	}
	if err := readCommits(ctx, t.objects, commits, r); err != nil {
		return nil, err
	}
	s, err := r.snapshot(version, nil, t.cutoff)
	if err != nil {
		return nil, err
	}
	s.lastCheckpoint, s.vectors, s.loaded = checkpoint, t.vectors, t.opts.now()
	if _, ok := slices.BinarySearch(listing.sums, version); ok {
		if err := t.checkSum(ctx, s); err != nil {
			return nil, err
		}
	}
	return s, t.setTime(ctx, s, listing.modTime(version), r.inCommit)
}

func (t *Table) newReplay(from *Snapshot) *replay {
	r := newReplay(from)
	r.place = placeOf(t.objects)
	return r
}

// cutoff is the time before which deleted files need no tombstone any more, in milliseconds since the epoch.
func (t *Table) cutoff(m *Metadata) int64 {
	return t.opts.now().Add(-fileRetention(m.Configuration)).UnixMilli()
}

// SnapshotAt reads a given version; ErrNoVersion if there is none or the log no longer reaches back to it.
func (t *Table) SnapshotAt(ctx context.Context, version int64) (*Snapshot, error) {
	if version < 0 {
		return nil, fmt.Errorf("%w: %d", ErrNoVersion, version)
	}
	s, err := t.load(ctx, version)
	if err != nil && errors.Is(err, ErrCorrupt) && t.cleanedUp(ctx, version) {
		return nil, fmt.Errorf("%w: %d was cleaned up", ErrNoVersion, version)
	}
	return s, err
}

// cleanedUp says whether the log starts only after what rebuilds version.
func (t *Table) cleanedUp(ctx context.Context, version int64) bool {
	listing, err := listLog(ctx, t.objects, "")
	if err != nil || len(listing.commits) == 0 || listing.commits[0].version == 0 {
		return false
	}
	return len(listing.checkpoints) == 0 || listing.checkpoints[0].version > version
}

// Versions returns the versions whose commits the log still holds, oldest first.
func (t *Table) Versions(ctx context.Context) ([]int64, error) {
	listing, err := listLog(ctx, t.objects, "")
	if err != nil {
		return nil, err
	}
	versions := make([]int64, 0, len(listing.commits))
	for _, c := range listing.commits {
		versions = append(versions, c.version)
	}
	return slices.Clip(versions), nil
}

// Info returns the provenance of a version, nil if its commit has none.
func (t *Table) Info(ctx context.Context, version int64) (*CommitInfo, error) {
	var info *CommitInfo
	err := readCommit(ctx, t.objects, version, func(a Action) error {
		if a.CommitInfo != nil {
			info = a.CommitInfo
			return errStop
		}
		return nil
	})
	if errors.Is(err, objstore.ErrNoSuchKey) {
		return nil, fmt.Errorf("%w: %d", ErrNoVersion, version)
	}
	if err != nil && !errors.Is(err, errStop) {
		return nil, err
	}
	return info, nil
}

// errStop ends a reading early.
var errStop = errors.New("stop")
