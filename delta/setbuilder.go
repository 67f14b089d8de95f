package delta

import "fmt"

// setBuilder makes a set of entries that come in any order, of which many may be. Of two with the same key the later one
// counts. Chunks of them are sorted and packed; the runs that this gives are merged at the end, and meanwhile whenever there
// are many.
type setBuilder struct {
	open   chunk
	recent []*run // oldest first
	older  []*run // before those, each merged of many
}

// recentMax is how many runs a builder keeps before it merges them.
const recentMax = sourcesMax / 2

// add takes an entry.
func (b *setBuilder) add(e *entry) error {
	return b.addRecord(e.record())
}

// addRecord takes an entry whose texts are copied.
func (b *setBuilder) addRecord(r record, values map[string]*string) error {
	if b.open.addOwn(r, values); b.open.full() {
		return b.flush()
	}
	return nil
}

// addRun takes the entries of a run.
func (b *setBuilder) addRun(r *run) error {
	if err := b.flush(); err != nil || r.n == 0 {
		return err
	}
	return b.push(r)
}

func (b *setBuilder) flush() error {
	if len(b.open.records) == 0 {
		return nil
	}
	r := b.open.pack()
	b.open.reset()
	return b.push(r)
}

func (b *setBuilder) push(r *run) error {
	if b.recent = append(b.recent, r); len(b.recent) < recentMax {
		return nil
	}
	b.older = append(b.older, mergeRuns(b.recent, never))
	b.recent = nil
	n := 0
	for _, r := range b.older {
		n += r.n
	}
	if n > tableFilesMax {
		return fmt.Errorf("%w: more than %d files", ErrUnsupported, tableFilesMax)
	}
	return nil
}

// finish returns the set. Tombstones deleted before the cutoff (milliseconds since the epoch) may be forgotten.
func (b *setBuilder) finish(cutoff int64) (fileSet, error) {
	if err := b.flush(); err != nil {
		return fileSet{}, err
	}
	runs := append(b.older, b.recent...)
	*b = setBuilder{}
	if len(runs) == 0 {
		return fileSet{}, nil
	}
	one := mergeRuns(runs, cutoff)
	return fileSet{runs: []*run{one}, live: one.live}, nil
}
