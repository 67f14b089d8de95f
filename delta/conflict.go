package delta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/objstore"
)

// rebase checks the transaction against the commits after at, which other writers have made since, and returns what it
// is to be put after now.
func (tx *Transaction) rebase(ctx context.Context, at base) (base, error) {
	for {
		w := winner{
			added: map[string]bool{}, removed: map[string]bool{}, txns: map[string]int64{}, domains: map[string]bool{}, rowIDs: -1,
			reads: tx.reads, place: placeOf(tx.table.objects),
		}
		err := readCommit(ctx, tx.table.objects, at.version+1, w.take)
		if errors.Is(err, objstore.ErrNoSuchKey) {
			return at, nil
		}
		if err != nil {
			return at, err
		}
		at.version++
		at.inCommit = w.inCommit
		tx.rowIDs = max(tx.rowIDs, w.rowIDs)
		if err := tx.conflict(&w); err != nil {
			var c *Conflict
			if errors.As(err, &c) {
				c.Version = at.version
			}
			return at, fmt.Errorf("commit after version %d: %w", tx.read.version, err)
		}
	}
}

// winner is what a commit that came first changed.
type winner struct {
	protocol, metadata bool
	added, removed     map[string]bool // by key
	txns               map[string]int64
	domains            map[string]bool
	shrank, grew       string // a file with rows that went or came, not only moved
	blind              bool
	rowIDs             int64 // high water mark of row ids, -1 if it says none
	inCommit           int64 // milliseconds since the epoch, 0 if it does not say

	place                  string // where the table's folder lies, if that is known
	reads                  func(*Add) (bool, error)
	readAdded, readRemoved string // a file with rows that this transaction would have read, or has
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
		if at := a.CommitInfo.InCommitTimestamp; at != nil {
			w.inCommit = *at
		}
	case a.DomainMetadata != nil:
		w.domains[a.DomainMetadata.Domain] = true
		w.rowIDs = max(w.rowIDs, a.DomainMetadata.rowIDHighWater())
	case a.Add != nil:
		if a.Add.DataChange {
			w.grew = a.Add.Path
			if err := w.read(&w.readAdded, a.Add); err != nil {
				return err
			}
		}
		return note(w.added, w.place, a.Add.Path, a.Add.DeletionVector)
	case a.Remove != nil:
		if a.Remove.DataChange {
			w.shrank = a.Remove.Path
			if err := w.read(&w.readRemoved, &Add{Path: a.Remove.Path, PartitionValues: a.Remove.PartitionValues}); err != nil {
				return err
			}
		}
		return note(w.removed, w.place, a.Remove.Path, a.Remove.DeletionVector)
	}
	return nil
}

// read notes the first file that the transaction would have read.
func (w *winner) read(first *string, a *Add) error {
	if *first != "" {
		return nil
	}
	hit, err := w.reads(a)
	if hit {
		*first = a.Path
	}
	return err
}

func note(keys map[string]bool, place, encoded string, dv *DeletionVector) error {
	path, _, err := decodePathAt(place, encoded)
	if err != nil {
		return err
	}
	keys[entryKey(path, dv)] = true
	return nil
}

// conflict says why the transaction cannot be put after the winner, nil if it can. The cases are those of the
// protocol's "Concurrency Control" section:
//
//	winner \ this          append   remove     reads there   schema    properties
//	append, blind          ok       ok         ok (*)        conflict  ok
//	append, derived        ok       ok         conflict      conflict  ok
//	files written anew     ok       same file  ok            conflict  ok
//	remove                 ok       same file  conflict      conflict  ok
//	the same path          conflict always
//	metaData, protocol     conflict always
//	txn of the same app    conflict, or replayed
//	the same domain        conflict, except row tracking's: ids are given anew
//	clustering columns     conflict  ok        ok            conflict  conflict
//
// (*) a conflict where delta.isolationLevel is Serializable.
func (tx *Transaction) conflict(w *winner) error {
	if w.protocol {
		return &Conflict{With: ConflictProtocol}
	}
	if tx.txn != nil {
		if last, ok := w.txns[tx.txn.AppID]; ok && last >= tx.txn.Version {
			return fmt.Errorf("%w: %s has version %d", ErrReplayed, tx.txn.AppID, last)
		} else if ok {
			return &Conflict{With: ConflictTxn, What: tx.txn.AppID}
		}
	}
	if w.metadata {
		return &Conflict{With: ConflictMetadata}
	}
	if tx.metadata != nil && !tx.onlyProperties() {
		return &Conflict{With: ConflictSchema}
	}
	for i := range tx.domains {
		if name := tx.domains[i].Domain; w.domains[name] {
			return &Conflict{With: ConflictDomain, What: name}
		}
	}
	if w.domains[clusteringDomain] && (tx.numAdds() > 0 || tx.metadata != nil) {
		return &Conflict{With: ConflictDomain, What: clusteringDomain} // the files may lack statistics of the new columns
	}
	for _, r := range tx.removes {
		if path, _, _ := decodePathAt(w.place, r.Path); w.removed[entryKey(path, r.DeletionVector)] {
			return &Conflict{With: ConflictDelete, What: path}
		}
	}
	for key := range tx.touched {
		if w.added[key] {
			return &Conflict{With: ConflictPath, What: pathOf(key)}
		}
		if w.removed[key] { // the file would come back
			return &Conflict{With: ConflictDelete, What: pathOf(key)}
		}
	}
	if tx.bulk != nil {
		if err := tx.bulk.conflict(w); err != nil {
			return err
		}
	}
	return tx.readConflict(w)
}

// readConflict says whether the winner changed rows that the transaction read.
func (tx *Transaction) readConflict(w *winner) error {
	if tx.readTable {
		w.readAdded, w.readRemoved = w.grew, w.shrank
	}
	if w.readRemoved != "" {
		return &Conflict{With: ConflictDeleteRead, What: w.readRemoved}
	}
	serializable := tx.read.metadata.Configuration[propIsolationLevel] == "Serializable"
	if w.readAdded != "" && (!w.blind || serializable) {
		return &Conflict{With: ConflictAppend, What: w.readAdded}
	}
	return nil
}

// onlyProperties says that the transaction changes properties that ask nothing of the rows, and nothing else.
func (tx *Transaction) onlyProperties() bool {
	was, m := tx.read.metadata, tx.metadata
	if tx.protocol != nil || tx.numAdds()+tx.numRemoves() > 0 || m.SchemaString != was.SchemaString ||
		!slices.Equal(m.PartitionColumns, was.PartitionColumns) {
		return false
	}
	for key, value := range m.Configuration {
		if strings.HasPrefix(key, "delta.constraints.") && was.Configuration[key] != value {
			return false
		}
	}
	return true
}

// checkFields refuses names and types that need table features, which SetSchema does not add.
func checkFields(fields []columnar.Field, prefix string) error {
	seen := map[string]bool{}
	for i := range fields {
		f := &fields[i]
		name := prefix + f.Name
		lower := strings.ToLower(f.Name)
		switch {
		case f.Name == "":
			return fmt.Errorf("%w: a column without a name", ErrInvalid)
		case strings.ContainsAny(f.Name, " ,;{}()\n\t="):
			return fmt.Errorf("%w: column name %q: none of \" ,;{}()=\", tab and newline without columnMapping", ErrInvalid, name)
		case seen[lower]:
			return fmt.Errorf("%w: two columns called %q, apart from case", ErrInvalid, name)
		case f.Type.Kind == columnar.TimestampNTZ:
			return fmt.Errorf("%w: timestampNtz: column %q", ErrUnsupported, name)
		}
		seen[lower] = true
		for key := range f.Metadata {
			if strings.HasPrefix(key, "delta.") {
				return fmt.Errorf("%w: %s of column %q", ErrUnsupported, key, name)
			}
		}
		if err := checkFields(f.Type.Fields, name+"."); err != nil {
			return err
		}
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
