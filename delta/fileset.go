package delta

import (
	"iter"
	"maps"
	"math"
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

// path is the decoded path of an entry.
func (e *entry) path() string { return pathOf(e.key) }

func pathOf(key string) string {
	path, _, _ := strings.Cut(key, "\x00")
	return path
}

func entryKey(path string, dv *DeletionVector) string {
	if dv == nil {
		return path
	}
	return path + "\x00" + dv.id()
}

// tally counts live files.
type tally struct {
	files int
	bytes int64
}

// keyRange is the keys from one to before another ("": no end).
type keyRange struct{ from, to string }

// fileSet is an immutable set of entries ordered by key. Versions that follow one another share most of it: packed runs,
// each at least mergeFactor times as long as the next, and a short overlay of what changed last. Of entries with the same
// key the one in the newest part counts.
type fileSet struct {
	runs    []*run // oldest first
	overlay []*entry
	live    tally
}

const (
	overlayMax  = 1024
	mergeFactor = 4
	never       = math.MinInt64 // a cutoff that forgets no tombstone
)

// with returns the set after changes. Tombstones deleted before the cutoff (milliseconds since the epoch) may be
// forgotten.
func (s fileSet) with(changes map[string]*entry, cutoff int64) fileSet {
	if len(changes) == 0 {
		return s
	}
	sorted := make([]*entry, 0, len(changes))
	for _, k := range slices.Sorted(maps.Keys(changes)) {
		e := changes[k]
		sorted = append(sorted, e)
		if live, size := s.look(k); live {
			s.live.files--
			s.live.bytes -= size
		}
		if e.add != nil {
			s.live.files++
			s.live.bytes += e.add.Size
		}
	}
	s.overlay = mergeEntries(s.overlay, sorted)
	if len(s.overlay) <= overlayMax {
		return s
	}
	return s.pack(cutoff)
}

// pack turns the overlay into a run, and runs of similar length into one.
func (s fileSet) pack(cutoff int64) fileSet {
	var c chunk
	for _, e := range s.overlay {
		if e.remove == nil || len(s.runs) > 0 || e.remove.DeletionTimestamp >= cutoff {
			c.addOwn(e.record())
		}
	}
	newest := c.pack()
	n := newest.n
	kept := len(s.runs)
	for kept > 0 && s.runs[kept-1].n < mergeFactor*n {
		kept--
		n += s.runs[kept].n
	}
	if kept > 0 {
		cutoff = never // an older add may lie below
	}
	merged := mergeRuns(append(slices.Clone(s.runs[kept:]), newest), cutoff)
	s.runs = append(slices.Clone(s.runs[:kept]), merged)
	s.overlay = nil
	return s
}

// mergeEntries merges two ordered lists; where both have a key, the entry of over counts.
func mergeEntries(under, over []*entry) []*entry {
	out := make([]*entry, 0, len(under)+len(over))
	for _, e := range over {
		n := 0
		for n < len(under) && under[n].key < e.key {
			n++
		}
		out = append(out, under[:n]...)
		if under = under[n:]; len(under) > 0 && under[0].key == e.key {
			under = under[1:]
		}
		out = append(out, e)
	}
	return append(out, under...)
}

// all yields every entry in the order of keys.
func (s fileSet) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for m := s.merger(); m.next(); {
			if !yield(m.top.entry()) {
				return
			}
		}
	}
}

// adds yields the live files whose partition values are accepted (nil: all). What is not is never unpacked.
func (s fileSet) adds(accepts func(map[string]*string) bool) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		var last map[string]*string
		var accepted, asked bool
		for m := s.merger(); m.next(); {
			if m.top.removed() {
				continue
			}
			if accepts != nil {
				values := m.top.partition()
				if !asked || !sameMap(last, values) {
					last, accepted, asked = values, accepts(values), true
				}
				if !accepted {
					continue
				}
			}
			if !yield(m.top.entry()) {
				return
			}
		}
	}
}

// get returns the entry of a key, nil if there is none.
func (s fileSet) get(key string) *entry {
	i, ok := slices.BinarySearchFunc(s.overlay, key, func(e *entry, k string) int { return strings.Compare(e.key, k) })
	if ok {
		return s.overlay[i]
	}
	if r := s.find(key); r != nil {
		return r.entry()
	}
	return nil
}

// look says whether a key's file is live, and its size.
func (s fileSet) look(key string) (live bool, size int64) {
	i, ok := slices.BinarySearchFunc(s.overlay, key, func(e *entry, k string) int { return strings.Compare(e.key, k) })
	if ok {
		e := s.overlay[i]
		return e.add != nil, sizeOf(e)
	}
	if r := s.find(key); r != nil {
		return !r.removed(), r.size
	}
	return false, 0
}

func sizeOf(e *entry) int64 {
	if e.add != nil {
		return e.add.Size
	}
	return e.remove.Size
}

// find returns a reader that stands on a key's newest packed entry, nil if there is none.
func (s fileSet) find(key string) *reader {
	for _, run := range slices.Backward(s.runs) {
		if r := newReader(run, key, ""); r.next() && string(r.key) == key {
			return r
		}
	}
	return nil
}

func (s fileSet) merger() *merger { return s.mergerOf(keyRange{}) }

// mergerOf walks the entries of a range.
func (s fileSet) mergerOf(keys keyRange) *merger {
	parts := make([]*source, 0, len(s.runs)+1)
	for _, r := range s.runs {
		parts = append(parts, &source{reader: newReader(r, keys.from, keys.to)})
	}
	place := func(key string) int {
		i, _ := slices.BinarySearchFunc(s.overlay, key, func(e *entry, k string) int { return strings.Compare(e.key, k) })
		return i
	}
	end := len(s.overlay)
	if keys.to != "" {
		end = place(keys.to)
	}
	if list := s.overlay[place(keys.from):end]; len(list) > 0 {
		parts = append(parts, &source{list: list})
	}
	return newMerger(parts)
}
