package delta

import (
	"bytes"
	"runtime"
	"sync"
)

const (
	// sourcesMax bounds the blobs that a reader of a run keeps unpacked.
	sourcesMax = 128
	// splitEntries is from how many entries on a merge is done by several goroutines, each for a range of keys.
	splitEntries = 32 << 10
	splitMax     = 8
)

// mergeRuns makes one run of several, oldest first. Tombstones deleted before the cutoff (milliseconds since the epoch) are
// forgotten. Only the blocks are written anew; the blobs are, too, once too many sources are mixed or most of their text is
// of entries that are gone.
func mergeRuns(runs []*run, cutoff int64) *run {
	if len(runs) == 1 {
		return runs[0]
	}
	out := (&runMerge{runs: runs, cutoff: cutoff, anew: sourcesOf(runs) > sourcesMax}).merge()
	if out.used < out.total/2 {
		out = (&runMerge{runs: []*run{out}, cutoff: never, anew: true}).merge()
	}
	return out
}

// sourcesOf is how many blobs are read by turns when runs are read as one: those of runs that overlap.
func sourcesOf(runs []*run) int {
	most := 0
	for _, r := range runs {
		n := 0
		for _, other := range runs {
			if r.n > 0 && other.n > 0 && other.blocks[0].first <= r.blocks[0].first && other.last >= r.blocks[0].first {
				n += other.sources
			}
		}
		most = max(most, n)
	}
	return most
}

// runMerge is the making of one run of others.
type runMerge struct {
	runs   []*run
	cutoff int64
	anew   bool // blobs too

	numbers [][]uint64 // by run: new numbers of its partition values
	bases   []int      // by run: number of its first blob
}

func (g *runMerge) merge() *run {
	out := &run{sources: 1}
	values := newValueList()
	n := 0
	for _, r := range g.runs {
		numbers := make([]uint64, len(r.values))
		for i, m := range r.values {
			numbers[i] = values.number(m)
		}
		g.numbers = append(g.numbers, numbers)
		g.bases = append(g.bases, len(out.blobs))
		if !g.anew {
			out.blobs = append(out.blobs, r.blobs...)
			out.total += r.total
		}
		n += r.n
	}
	if !g.anew {
		out.sources = max(sourcesOf(g.runs), 1)
	}
	out.values = values.list
	bounds := g.bounds(n)
	packers := make([]packer, len(bounds)-1)
	var done sync.WaitGroup
	for i := range packers {
		done.Go(func() { g.pack(&packers[i], bounds[i], bounds[i+1]) })
	}
	done.Wait()
	for i := range packers {
		out.finish(&packers[i])
	}
	return out
}

// bounds are keys that part the entries in ranges of about the same length; the first and the last are empty.
func (g *runMerge) bounds(n int) []string {
	bounds := []string{""}
	if parts := min(runtime.GOMAXPROCS(0), splitMax); n >= splitEntries {
		longest := g.runs[0]
		for _, r := range g.runs {
			if r.n > longest.n {
				longest = r
			}
		}
		for i := 1; i < parts; i++ {
			key := longest.blocks[len(longest.blocks)*i/parts].first
			if key > bounds[len(bounds)-1] {
				bounds = append(bounds, key)
			}
		}
	}
	return append(bounds, "")
}

func (g *runMerge) pack(p *packer, from, to string) {
	parts := make([]*source, len(g.runs))
	for i, r := range g.runs {
		parts[i] = &source{reader: newReader(r, from, to), number: i}
	}
	for m := newMerger(parts); m.next(); {
		s := m.top
		if s.removed() && s.at < g.cutoff {
			continue
		}
		values := g.numbers[s.number][s.values]
		if g.anew {
			r := s.reader.record()
			p.add(&r, values)
			continue
		}
		tail := s.tail
		tail.blob += g.bases[s.number]
		p.entry(s.key, s.flags, values, s.size, s.at, tail)
	}
	p.flushBlock()
	p.flushBlob()
}

// source is a part of a set as a merger reads it: a run, or a list.
type source struct {
	*reader
	list   []*entry
	pos    int // one past the entry of list that it stands on
	name   []byte
	number int // among the merger's parts; the greater is the newer
}

func (s *source) next() bool {
	if s.reader != nil {
		ok := s.reader.next()
		s.name = s.reader.key
		return ok
	}
	if s.pos == len(s.list) {
		return false
	}
	s.name = append(s.name[:0], s.list[s.pos].key...)
	s.pos++
	return true
}

func (s *source) entry() *entry {
	if s.reader != nil {
		return s.reader.entry()
	}
	return s.list[s.pos-1]
}

// record is the entry with its partition values; texts are valid until the next one's.
func (s *source) record() (record, map[string]*string) {
	if s.reader != nil {
		return s.reader.record(), s.partition()
	}
	return s.list[s.pos-1].record()
}

func (s *source) removed() bool {
	if s.reader != nil {
		return s.reader.removed()
	}
	return s.list[s.pos-1].add == nil
}

// partition are the values of a live file.
func (s *source) partition() map[string]*string {
	if s.reader != nil {
		return s.run.values[s.values]
	}
	return s.list[s.pos-1].add.PartitionValues
}

// stamp is the deletion time of a tombstone, in milliseconds since the epoch.
func (s *source) stamp() int64 {
	if s.reader != nil {
		return s.reader.at
	}
	return s.list[s.pos-1].remove.DeletionTimestamp
}

// merger walks ordered parts as one. Of entries with the same key it shows that of the last part.
type merger struct {
	parts []*source // a heap of those that are not at their end: the first is shown next
	top   *source   // stands on the entry that is shown
}

func newMerger(parts []*source) *merger {
	m := &merger{}
	for i, p := range parts {
		p.number = i
		if p.next() {
			m.parts = append(m.parts, p)
		}
	}
	for i := len(m.parts)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return m
}

func (m *merger) next() bool {
	if m.top != nil {
		m.pass()
	}
	m.top = nil
	if len(m.parts) > 0 {
		m.top = m.parts[0]
	}
	return m.top != nil
}

// pass moves every part past the key that was shown: those that hide behind the first lie right below it.
func (m *merger) pass() {
	for {
		hidden := 0
		for i := 1; i <= 2 && i < len(m.parts); i++ {
			if bytes.Equal(m.parts[i].name, m.top.name) {
				hidden = i
			}
		}
		m.advance(hidden)
		if hidden == 0 {
			return
		}
	}
}

// advance moves a part to its next entry, or takes it out at its end.
func (m *merger) advance(i int) {
	if !m.parts[i].next() {
		last := len(m.parts) - 1
		m.parts[i] = m.parts[last]
		m.parts[last] = nil
		m.parts = m.parts[:last]
		if i == last {
			return
		}
	}
	m.sink(i)
}

// sink restores the order of the heap below a part whose key has grown.
func (m *merger) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.parts); child++ {
			if m.before(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		m.parts[i], m.parts[least] = m.parts[least], m.parts[i]
		i = least
	}
}

func (m *merger) before(a, b int) bool {
	d := bytes.Compare(m.parts[a].name, m.parts[b].name)
	return d < 0 || d == 0 && m.parts[a].number > m.parts[b].number
}
