package delta

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// ChangeKind is what happened to the rows of a Change.
type ChangeKind string

// The kinds. The rows of a file of changes say of themselves what happened to them, in their column _change_type.
const (
	RowsInserted ChangeKind = "insert"
	RowsDeleted  ChangeKind = "delete"
	RowsChanged  ChangeKind = ""
)

// Change is rows that a version changed: those of a file but for Without, or only those in Rows.
type Change struct {
	Version int64
	Time    time.Time
	Kind    ChangeKind
	File    *File // a data file, or with RowsChanged a file of changes
	Without *Rows // nil: none
	Rows    *Rows // nil: all
}

// Changes yields what the versions from..to changed, oldest first: their files of changes where they have some, else what follows from the
// data files that they added and removed (section "Change Data Files"). The table must have had delta.enableChangeDataFeed
// all the while; ErrUnsupported names the version that had not. at is a snapshot of version to, by whose schema the
// files are described.
func (t *Table) Changes(ctx context.Context, at *Snapshot, from int64) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		if err := t.changes(ctx, at, from, yield); err != nil {
			yield(nil, err)
		}
	}
}

func (t *Table) changes(ctx context.Context, at *Snapshot, from int64, yield func(*Change, error) bool) error {
	if from < 0 || from > at.version {
		return fmt.Errorf("%w: changes from version %d to %d", ErrNoVersion, from, at.version)
	}
	first, err := t.SnapshotAt(ctx, from)
	if err != nil {
		return err
	}
	metadata := first.metadata
	listing, err := listLog(ctx, t.objects, "")
	if err != nil {
		return err
	}
	for version := from; version <= at.version; version++ {
		c := commitChanges{snapshot: at, version: version, time: listing.modTime(version), metadata: metadata}
		if err := readCommit(ctx, t.objects, version, c.take); err != nil {
			return fmt.Errorf("changes of version %d: %w", version, err)
		}
		metadata = c.metadata
		if metadata.Configuration[propChangeDataFeed] != "true" {
			return fmt.Errorf("%w: changeDataFeed: version %d does not have %s", ErrUnsupported, version, propChangeDataFeed)
		}
		list, err := c.list(ctx)
		if err != nil {
			return fmt.Errorf("changes of version %d: %w", version, err)
		}
		for _, change := range list {
			if !yield(change, nil) {
				return nil
			}
		}
	}
	return nil
}

// commitChanges is what one commit says of rows.
type commitChanges struct {
	snapshot *Snapshot
	version  int64
	time     time.Time
	metadata *Metadata
	cdc      []*CDC
	adds     []*Add
	removes  []*Remove
}

func (c *commitChanges) take(a Action) error {
	switch {
	case a.CommitInfo != nil && a.CommitInfo.InCommitTimestamp != nil:
		c.time = time.UnixMilli(*a.CommitInfo.InCommitTimestamp).UTC()
	case a.Metadata != nil:
		c.metadata = a.Metadata
	case a.CDC != nil:
		c.cdc = append(c.cdc, a.CDC)
	case a.Add != nil && a.Add.DataChange:
		c.adds = append(c.adds, a.Add)
	case a.Remove != nil && a.Remove.DataChange:
		c.removes = append(c.removes, a.Remove)
	}
	return nil
}

func (c *commitChanges) list(ctx context.Context) ([]*Change, error) {
	var out []*Change
	for _, a := range c.cdc {
		f, err := c.file(a.Path, a.PartitionValues, a.Size, nil, "")
		if err != nil {
			return nil, err
		}
		out = append(out, &Change{Version: c.version, Time: c.time, Kind: RowsChanged, File: f})
	}
	if len(out) > 0 {
		return out, nil
	}
	removed := map[string]*File{} // by path
	for _, r := range c.removes {
		f, err := c.file(r.Path, r.PartitionValues, r.Size, r.DeletionVector, "")
		if err != nil {
			return nil, err
		}
		removed[f.Path] = f
	}
	for _, a := range c.adds {
		f, err := c.file(a.Path, a.PartitionValues, a.Size, a.DeletionVector, a.Stats)
		if err != nil {
			return nil, err
		}
		gone, err := c.snapshot.Deleted(ctx, f)
		if err != nil {
			return nil, err
		}
		old, same := removed[f.Path]
		if !same {
			out = append(out, &Change{Version: c.version, Time: c.time, Kind: RowsInserted, File: f, Without: gone})
			continue
		}
		delete(removed, f.Path)
		before, err := c.snapshot.Deleted(ctx, old)
		if err != nil {
			return nil, err
		}
		out = append(out, c.between(f, before, gone)...)
	}
	for _, r := range c.removes {
		path, _, err := decodePathAt(placeOf(c.snapshot.vectors.objects), r.Path)
		if err != nil {
			return nil, err
		}
		f := removed[path]
		if f == nil {
			continue
		}
		gone, err := c.snapshot.Deleted(ctx, f)
		if err != nil {
			return nil, err
		}
		out = append(out, &Change{Version: c.version, Time: c.time, Kind: RowsDeleted, File: f, Without: gone})
	}
	return out, nil
}

// between are the changes of a file whose deletion vector changed.
func (c *commitChanges) between(f *File, before, after *Rows) []*Change {
	var out []*Change
	deleted, inserted := NewRows(), NewRows()
	for row := range after.All() {
		if !before.Contains(row) {
			deleted.Add(row)
		}
	}
	for row := range before.All() {
		if !after.Contains(row) {
			inserted.Add(row)
		}
	}
	if deleted.Cardinality() > 0 {
		out = append(out, &Change{Version: c.version, Time: c.time, Kind: RowsDeleted, File: f, Rows: deleted})
	}
	if inserted.Cardinality() > 0 {
		out = append(out, &Change{Version: c.version, Time: c.time, Kind: RowsInserted, File: f, Rows: inserted})
	}
	return out
}

func (c *commitChanges) file(encoded string, partition map[string]*string, size int64, v *DeletionVector, stats string) (*File, error) {
	path, outside, err := decodePathAt(placeOf(c.snapshot.vectors.objects), encoded)
	if err != nil {
		return nil, err
	}
	s, err := ParseStats(stats)
	if err != nil {
		return nil, err
	}
	return &File{Path: path, Outside: outside, Partition: c.snapshot.logicalValues(partition), Size: size, DeletionVector: v, Stats: s}, nil
}
