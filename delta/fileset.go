package delta

import (
	"bytes"
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
func (s fileSet) with(changes map[string]*entry, cutoff int64) (fileSet, error) {
	if len(changes) == 0 {
		return s, nil
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
		return s, nil
	}
	return s.pack(cutoff)
}

// pack turns the overlay into a run, and runs of similar length into one.
func (s fileSet) pack(cutoff int64) (fileSet, error) {
	parts := []*source{{list: s.overlay}}
	n := len(s.overlay)
	kept := len(s.runs)
	for kept > 0 && s.runs[kept-1].n < mergeFactor*n {
		kept--
		n += s.runs[kept].n
		parts = append(parts, &source{reader: newReader(s.runs[kept], "")})
	}
	slices.Reverse(parts)
	if kept > 0 {
		cutoff = never // an older add may lie below
	}
	merged, err := packAll(parts, cutoff)
	if err != nil {
		return fileSet{}, err
	}
	s.runs = append(slices.Clone(s.runs[:kept]), merged)
	s.overlay = nil
	return s, nil
}

// packAll makes one run of parts, oldest first.
func packAll(parts []*source, cutoff int64) (*run, error) {
	p := newPacker()
	for m := newMerger(parts); m.next(); {
		if e := m.top.entry(); e.remove == nil || e.remove.DeletionTimestamp >= cutoff {
			if err := p.add(e); err != nil {
				return nil, err
			}
		}
	}
	return p.finish(), nil
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
		r := newReader(run, key)
		for r.next() && string(r.key) <= key {
			if string(r.key) == key {
				return r
			}
		}
	}
	return nil
}

func (s fileSet) merger() *merger {
	parts := make([]*source, 0, len(s.runs)+1)
	for _, r := range s.runs {
		parts = append(parts, &source{reader: newReader(r, "")})
	}
	if len(s.overlay) > 0 {
		parts = append(parts, &source{list: s.overlay})
	}
	return newMerger(parts)
}

// source is a part of a set as a merger reads it: a run, or a list.
type source struct {
	*reader
	list []*entry
	at   int // one past the entry of list that it stands on
	name []byte
}

func (s *source) next() bool {
	if s.reader != nil {
		ok := s.reader.next()
		s.name = s.reader.key
		return ok
	}
	if s.at == len(s.list) {
		return false
	}
	s.name = append(s.name[:0], s.list[s.at].key...)
	s.at++
	return true
}

func (s *source) entry() *entry {
	if s.reader != nil {
		return s.reader.entry()
	}
	return s.list[s.at-1]
}

func (s *source) removed() bool {
	if s.reader != nil {
		return s.reader.removed()
	}
	return s.list[s.at-1].add == nil
}

// partition are the values of a live file.
func (s *source) partition() map[string]*string {
	if s.reader != nil {
		return s.run.values[s.values]
	}
	return s.list[s.at-1].add.PartitionValues
}

// merger walks ordered parts as one. Of entries with the same key it shows that of the last part.
type merger struct {
	parts []*source // not at their end
	top   *source   // stands on the entry that is shown
	fresh bool      // nothing was shown yet
}

func newMerger(parts []*source) *merger {
	m := &merger{fresh: true}
	for _, p := range parts {
		if p.next() {
			m.parts = append(m.parts, p)
		}
	}
	return m
}

func (m *merger) next() bool {
	if !m.fresh {
		m.pass()
	}
	m.fresh = false
	if len(m.parts) == 0 {
		return false
	}
	m.top = m.parts[0]
	for _, p := range m.parts[1:] {
		if bytes.Compare(p.name, m.top.name) <= 0 {
			m.top = p
		}
	}
	return true
}

// pass moves every part past the key that was shown. The part that showed it comes last: its key is compared with.
func (m *merger) pass() {
	shown := m.top
	kept := m.parts[:0]
	more := func(p *source) bool { return p == shown || !bytes.Equal(p.name, shown.name) || p.next() }
	for _, p := range m.parts {
		if more(p) {
			kept = append(kept, p)
		}
	}
	if m.parts = kept; !shown.next() {
		m.parts = slices.DeleteFunc(m.parts, func(p *source) bool { return p == shown })
	}
}

// setBuilder makes a set of entries that come in any order, as those of a checkpoint do, of which many may be: they are
// sorted and packed some at a time.
type setBuilder struct {
	chunk  []*entry
	packer *packer // of a run that the next chunk may continue
	runs   []*run
}

// chunkEntries bounds what a setBuilder holds unpacked.
const chunkEntries = 16 << 10

func (b *setBuilder) add(e *entry) error {
	if b.chunk = append(b.chunk, e); len(b.chunk) < chunkEntries {
		return nil
	}
	return b.flush()
}

func (b *setBuilder) flush() error {
	if len(b.chunk) == 0 {
		return nil
	}
	slices.SortStableFunc(b.chunk, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	if b.packer != nil && b.chunk[0].key <= b.packer.last {
		b.runs = append(b.runs, b.packer.finish())
		b.packer = nil
	}
	if b.packer == nil {
		b.packer = newPacker()
	}
	for i, e := range b.chunk {
		if i+1 < len(b.chunk) && b.chunk[i+1].key == e.key {
			continue // the later one counts
		}
		if err := b.packer.add(e); err != nil {
			return err
		}
	}
	clear(b.chunk)
	b.chunk = b.chunk[:0]
	return nil
}

// finish returns the set. Of two entries with the same key the later one counts.
func (b *setBuilder) finish() (fileSet, error) {
	if err := b.flush(); err != nil {
		return fileSet{}, err
	}
	if b.packer != nil {
		b.runs = append(b.runs, b.packer.finish())
	}
	b.chunk, b.packer = nil, nil
	switch len(b.runs) {
	case 0:
		return fileSet{}, nil
	case 1:
		return fileSet{runs: b.runs, live: b.runs[0].live}, nil
	}
	var parts []*source
	for _, r := range b.runs {
		parts = append(parts, &source{reader: newReader(r, "")})
	}
	one, err := packAll(parts, never)
	if err != nil {
		return fileSet{}, err
	}
	return fileSet{runs: []*run{one}, live: one.live}, nil
}

// stamp is the deletion time of a tombstone, in milliseconds since the epoch.
func (s *source) stamp() int64 {
	if s.reader != nil {
		return s.reader.at
	}
	return s.list[s.at-1].remove.DeletionTimestamp
}
