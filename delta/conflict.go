package delta

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/objstore"
)

// rebase checks the transaction against the commits from a version on, which other writers have made since its
// snapshot, and returns the version after them.
func (tx *Transaction) rebase(ctx context.Context, version int64) (int64, error) {
	for ; ; version++ {
		w := winner{added: map[string]bool{}, removed: map[string]bool{}, txns: map[string]int64{}, rowIDs: -1, reads: tx.reads}
		err := readCommit(ctx, tx.table.objects, version, w.take)
		if errors.Is(err, objstore.ErrNoSuchKey) {
			return version, nil
		}
		if err != nil {
			return 0, err
		}
		tx.rowIDs = max(tx.rowIDs, w.rowIDs)
		if err := tx.conflict(&w); err != nil {
			return 0, fmt.Errorf("commit after version %d: version %d: %w", tx.read.version, version, err)
		}
	}
}

// winner is what a commit that came first changed.
type winner struct {
	protocol, metadata bool
	added, removed     map[string]bool // by key
	txns               map[string]int64
	grew               bool // by rows, not only by moved ones
	blind              bool
	rowIDs             int64 // high water mark of row ids, -1 if it says none

	reads     func(*Add) (bool, error)
	readAdded string // a file with rows that this transaction would have read
}

func (w *winner) take(a Action) error {
	switch {
	case a.Protocol != nil:
		w.protocol = true
	case a.Metadata != nil:
		w.metadata = true
	case a.Txn != nil:
		w.txns[a.Txn.AppID] = a.Txn.Version
	case a.CommitInfo != nil:
		w.blind = a.CommitInfo.IsBlindAppend != nil && *a.CommitInfo.IsBlindAppend
	case a.DomainMetadata != nil:
		w.rowIDs = max(w.rowIDs, a.DomainMetadata.rowIDHighWater())
	case a.Add != nil:
		w.grew = w.grew || a.Add.DataChange
		if a.Add.DataChange && w.readAdded == "" {
			hit, err := w.reads(a.Add)
			if err != nil {
				return err
			}
			if hit {
				w.readAdded = a.Add.Path
			}
		}
		return note(w.added, a.Add.Path, a.Add.DeletionVector)
	case a.Remove != nil:
		return note(w.removed, a.Remove.Path, a.Remove.DeletionVector)
	}
	return nil
}

func note(keys map[string]bool, encoded string, dv *DeletionVector) error {
	path, _, err := decodePath(encoded)
	if err != nil {
		return err
	}
	keys[entryKey(path, dv)] = true
	return nil
}

// conflict says why the transaction cannot be put after the winner, nil if it can. The cases are those of the
// protocol's "Concurrency Control" section for the changes that are made here:
//
//	winner \ this          append  remove   whole-table  schema
//	append, blind          ok      ok       ok           conflict
//	append, derived        ok      ok       conflict     conflict
//	remove                 ok      same file conflict    conflict
//	the same file          conflict always
//	metaData, protocol     conflict always
//	txn of the same app    conflict, or replayed
func (tx *Transaction) conflict(w *winner) error {
	if w.protocol {
		return fmt.Errorf("%w: the protocol was changed", ErrConflict)
	}
	if tx.txn != nil {
		if last, ok := w.txns[tx.txn.AppID]; ok {
			if last >= tx.txn.Version {
				return fmt.Errorf("%w: %s has version %d", ErrReplayed, tx.txn.AppID, last)
			}
			return fmt.Errorf("%w: another writer committed %s version %d", ErrConflict, tx.txn.AppID, last)
		}
	}
	if w.metadata {
		return fmt.Errorf("%w: the metadata was changed", ErrConflict)
	}
	if tx.metadata != nil {
		return fmt.Errorf("%w: the table was changed while its schema is", ErrConflict)
	}
	for _, r := range tx.removes {
		if path, _, _ := decodePath(r.Path); w.removed[entryKey(path, r.DeletionVector)] {
			return fmt.Errorf("%w: data file %q was removed", ErrConflict, path)
		}
	}
	for path := range tx.touched {
		if w.added[path] {
			return fmt.Errorf("%w: data file %q was added", ErrConflict, path)
		}
	}
	if w.readAdded != "" && !w.blind {
		return fmt.Errorf("%w: data file %q was added, with rows that were read", ErrConflict, w.readAdded)
	}
	if tx.readTable && (len(w.removed) > 0 || w.grew && !w.blind) {
		return fmt.Errorf("%w: rows that were read were changed", ErrConflict)
	}
	return nil
}

// checkWider says why a schema does not contain the old one.
func checkWider(old, wider []columnar.Field, prefix string) error {
	if err := checkFields(wider, prefix); err != nil {
		return err
	}
	byName := map[string]*columnar.Field{}
	for i := range wider {
		byName[strings.ToLower(wider[i].Name)] = &wider[i]
	}
	kept := map[string]bool{}
	for i := range old {
		o := &old[i]
		name := prefix + o.Name
		w := byName[strings.ToLower(o.Name)]
		if w == nil || w.Name != o.Name {
			return fmt.Errorf("%w: column %q is gone", ErrInvalid, name)
		}
		kept[o.Name] = true
		if o.Nullable && !w.Nullable {
			return fmt.Errorf("%w: column %q would no longer be nullable", ErrInvalid, name)
		}
		if err := checkWiderType(o.Type, w.Type, name); err != nil {
			return err
		}
	}
	for i := range wider {
		if w := &wider[i]; !kept[w.Name] && !w.Nullable {
			return fmt.Errorf("%w: new column %q is not nullable", ErrInvalid, prefix+w.Name)
		}
	}
	return nil
}

func checkWiderType(old, wider columnar.Type, name string) error {
	if old.Kind != wider.Kind || old.Precision != wider.Precision || old.Scale != wider.Scale {
		return fmt.Errorf("%w: typeWidening: column %q from %s to %s", ErrUnsupported, name, old, wider)
	}
	switch old.Kind {
	case columnar.Struct:
		return checkWider(old.Fields, wider.Fields, name+".")
	case columnar.List, columnar.Map:
		for i := range old.Fields {
			o, w := &old.Fields[i], &wider.Fields[i]
			if o.Nullable && !w.Nullable {
				return fmt.Errorf("%w: the elements of column %q would no longer be nullable", ErrInvalid, name)
			}
			if err := checkWiderType(o.Type, w.Type, name+"."+o.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
