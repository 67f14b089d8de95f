package delta

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// entry is the newest word of the log on one data file: an add or a remove.
type entry struct {
	key     string // decoded path, then the deletion vector's id: what makes a logical file (section "Action Reconciliation")
	outside bool   // the file does not lie in the table's folder
	add     *Add
	remove  *Remove
}

// pathOf is the decoded path of an entry.
func (e *entry) path() string {
	path, _, _ := strings.Cut(e.key, "\x00")
	return path
}

func entryKey(path string, dv *DeletionVector) string {
	if dv == nil {
		return path
	}
	return path + "\x00" + dv.id()
}

// fileSet is an immutable set of entries ordered by key: a large base, and a small overlay that overrides it, so that
// the next version shares most of what the last one holds.
type fileSet struct {
	base, overlay []*entry
}

// overlayMax is the number of entries from which on an overlay of an eighth of the base is merged into it.
const overlayMax = 1024

// with returns the set after changes. Tombstones deleted before the cutoff (milliseconds since the epoch) may be
// forgotten.
func (s fileSet) with(changes map[string]*entry, cutoff int64) fileSet {
	if len(changes) == 0 {
		return s
	}
	keys := slices.Sorted(maps.Keys(changes))
	sorted := make([]*entry, len(keys))
	for i, k := range keys {
		sorted[i] = changes[k]
	}
	overlay := collect(merged(s.overlay, sorted), len(s.overlay)+len(sorted))
	if len(overlay) < max(overlayMax, len(s.base)/8) {
		return fileSet{s.base, overlay}
	}
	base := make([]*entry, 0, len(s.base)+len(overlay))
	for e := range merged(s.base, overlay) {
		if e.remove == nil || e.remove.DeletionTimestamp >= cutoff {
			base = append(base, e)
		}
	}
	return fileSet{base: base}
}

// newFileSet takes the entries of a checkpoint; of two with the same key the later one counts.
func newFileSet(entries []*entry) fileSet {
	slices.SortStableFunc(entries, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	n := 0
	for _, e := range entries {
		if n > 0 && entries[n-1].key == e.key {
			n--
		}
		entries[n] = e
		n++
	}
	clear(entries[n:])
	return fileSet{base: entries[:n]}
}

// all yields every entry in the order of keys.
func (s fileSet) all() iter.Seq[*entry] { return merged(s.base, s.overlay) }

// get returns the entry of a key, nil if there is none.
func (s fileSet) get(key string) *entry {
	for _, list := range [][]*entry{s.overlay, s.base} {
		i, ok := slices.BinarySearchFunc(list, key, func(e *entry, k string) int { return strings.Compare(e.key, k) })
		if ok {
			return list[i]
		}
	}
	return nil
}

// merged yields two ordered lists as one; where both have a key, the entry of over.
func merged(under, over []*entry) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		i := 0
		for _, e := range over {
			for i < len(under) && under[i].key < e.key {
				if !yield(under[i]) {
					return
				}
				i++
			}
			if i < len(under) && under[i].key == e.key {
				i++
			}
			if !yield(e) {
				return
			}
		}
		for _, e := range under[i:] {
			if !yield(e) {
				return
			}
		}
	}
}

func collect(seq iter.Seq[*entry], capacity int) []*entry {
	list := make([]*entry, 0, capacity)
	for e := range seq {
		list = append(list, e)
	}
	return list
}
