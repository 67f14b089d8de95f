package delta

import (
	"context"
	"errors"
	"fmt"
)

// numberingMax bounds the files that one commit of NumberRows adds again.
const numberingMax = 10_000

// NumberRows gives ids to the rows that have none, so that the table may start to track its rows (delta.enableRowTracking; section "Row
// Tracking"). It adds the feature first: from then on every writer numbers what it adds. Files without ids are then added again with
// theirs, in commits that change no rows. What was done stays if it is interrupted, and is gone on with by the next call.
// It returns the version that it found in order, the first time it looked if there was nothing to do. ErrUnsupported: a file lacks
// statistics, so that nobody knows how many ids it needs.
func (t *Table) NumberRows(ctx context.Context) (version int64, err error) {
	for range commitAttemptsMax {
		version, done, err := t.numberSome(ctx)
		if err != nil && !errors.Is(err, ErrConflict) {
			return 0, fmt.Errorf("number the rows of files that are there: %w", err)
		}
		if done {
			return version, nil
		}
	}
	return 0, fmt.Errorf("number the rows of files that are there: %w", &Conflict{With: ConflictContention})
}

// numberSome makes one commit, unless all rows of the newest version have ids.
func (t *Table) numberSome(ctx context.Context) (version int64, done bool, err error) {
	s, err := t.Snapshot(ctx)
	if err != nil {
		return 0, false, err
	}
	tx := t.Begin(s)
	tx.RowsStay()
	tx.ChecksRows()
	if err := tx.numberAgain(); err != nil {
		return 0, false, err
	}
	if len(tx.adds) == 0 {
		return s.version, true, nil
	}
	tx.SetInfo("ROW TRACKING BACKFILL", map[string]string{}, nil)
	if !s.protocol.writes("rowTracking") {
		tx = t.Begin(s)
		tx.Alter(Alteration{Features: []string{"rowTracking", "domainMetadata"}})
		tx.SetInfo("UPGRADE PROTOCOL", map[string]string{"newFeatures": "domainMetadata, rowTracking"}, nil)
	}
	version, err = tx.Commit(ctx)
	return version, false, err
}

// numberAgain adds files without row ids once more; Commit gives the ids.
func (tx *Transaction) numberAgain() error {
	for e := range tx.read.files.adds(nil) {
		if e.add.BaseRowID != nil {
			continue
		}
		if stats, err := ParseStats(e.add.Stats); err != nil || stats == nil {
			return fmt.Errorf("%w: rowTracking: data file %q has no statistics; OPTIMIZE writes it anew", ErrUnsupported, e.path())
		}
		if len(tx.adds) == numberingMax {
			return nil
		}
		add := *e.add
		add.DataChange = false
		if add.PartitionValues == nil {
			add.PartitionValues = map[string]*string{}
		}
		tx.touched[e.key] = true
		tx.adds = append(tx.adds, &add)
	}
	return nil
}
