package stream

import (
	"fmt"
	"math/bits"
	"slices"
	"time"
)

// reshaping is a change of a stream's shards while it is thought out: a copy of their documents, and the new ones behind
// them. Shards are meant by their place in the list.
type reshaping struct {
	shards  []shardDoc
	old     int    // how many there were
	next    uint32 // index of the next shard
	counted bool   // it is a change of the number of shards, of which AWS allows ten a day
}

func newReshaping(doc *streamDoc) *reshaping {
	return &reshaping{shards: slices.Clone(doc.Shards), old: len(doc.Shards), next: doc.NextShard}
}

func (r *reshaping) changed() bool { return len(r.shards) > r.old }

// place finds the shard with the given id.
func (r *reshaping) place(id string) (int, error) {
	index, ok := ParseShardID(id)
	at := slices.IndexFunc(r.shards, func(d shardDoc) bool { return d.Index == index })
	if !ok || at < 0 {
		return 0, fmt.Errorf("%s: %w", id, ErrNoShard)
	}
	return at, nil
}

// openPlace finds an open shard.
func (r *reshaping) openPlace(id string) (int, error) {
	at, err := r.place(id)
	if err == nil && r.shards[at].Closed {
		return 0, fmt.Errorf("%s: %w", id, ErrShardClosed)
	}
	return at, err
}

// open are the places of the open shards, by hash range.
func (r *reshaping) open() []int {
	var open []int
	for i, d := range r.shards {
		if !d.Closed {
			open = append(open, i)
		}
	}
	slices.SortFunc(open, func(a, b int) int { return r.shards[a].Range.Start.compare(r.shards[b].Range.Start) })
	return open
}

// add opens a shard in the place of its parents.
func (r *reshaping) add(over hashRange, parents ...int) int {
	d := shardDoc{Index: r.next, Range: over}
	r.next++
	for _, p := range parents {
		r.shards[p].Closed = true
		d.Parents = append(d.Parents, r.shards[p].Index)
	}
	r.shards = append(r.shards, d)
	return len(r.shards) - 1
}

// divides reports whether a shard may be split so that its second half begins at the key: AWS wants more than one key
// before it and one after it.
func (r hashRange) divides(at HashKey) bool {
	return r.Start.Less(at) && r.Start.plus(HashKey{Lo: 1}).Less(at) && at.Less(r.End)
}

// middle is where a shard is split in halves.
func (r hashRange) middle() HashKey {
	return r.Start.plus(r.End.minus(r.Start).shift(1)).plus(HashKey{Lo: 1})
}

// split opens two shards in the place of one.
func (r *reshaping) split(place int, at HashKey) (left, right int) {
	over := r.shards[place].Range
	left = r.add(hashRange{over.Start, at.minus(HashKey{Lo: 1})}, place)
	return left, r.add(hashRange{at, over.End}, place)
}

// splitAll splits a shard at each of the cuts, which rise, and returns the pieces. The middle comes first: so the pieces
// have few generations between them and the shard.
func (r *reshaping) splitAll(place int, cuts []HashKey) []int {
	if len(cuts) == 0 {
		return []int{place}
	}
	mid := len(cuts) / 2
	left, right := r.split(place, cuts[mid])
	return append(r.splitAll(left, cuts[:mid]), r.splitAll(right, cuts[mid+1:])...)
}

// merge opens one shard in the place of two, of which one ends where the other begins.
func (r *reshaping) merge(a, b int) int {
	over := r.shards[a].Range
	other := r.shards[b].Range
	if other.Start.Less(over.Start) {
		over.Start = other.Start
	} else {
		over.End = other.End
	}
	return r.add(over, a, b)
}

// mergeAll merges neighbours, pair by pair, until one is left.
func (r *reshaping) mergeAll(pieces []int) {
	for len(pieces) > 1 {
		var wider []int
		for pair := range slices.Chunk(pieces, 2) {
			if len(pair) == 2 {
				wider = append(wider, r.merge(pair[0], pair[1]))
			} else {
				wider = append(wider, pair[0])
			}
		}
		pieces = wider
	}
}

func adjacent(a, b hashRange) bool {
	after := func(a, b hashRange) bool { return a.End.Less(b.Start) && a.End.plus(HashKey{Lo: 1}) == b.Start }
	return after(a, b) || after(b, a)
}

// maxShards bounds the open shards of a stream; what AWS lets an account have is less.
const maxShards = 100_000

func (r *reshaping) scaleTo(n int) error {
	if n < 1 || n > maxShards {
		return fmt.Errorf("%d shards: %w", n, ErrLimit)
	}
	r.scale(n)
	return nil
}

// scale makes the open shards n equal ones as AWS does (UNIFORM_SCALING): every shard is split where a new one is to
// begin inside it, and what then lies in one new shard is merged. So 2 -> 4 are two splits, 4 -> 2 two merges, and
// 2 -> 3 is two splits and a merge, which leaves four closed shards.
//
// Where a shard begins already within rounding of the place, it stays: thirds cut in halves are sixths, though each
// division by itself rounds down.
func (r *reshaping) scale(n int) {
	ranges := evenRanges(n)
	near := ranges[0].End.shift(32) // by how much two places may differ and count as one
	var cuts []HashKey
	for _, over := range ranges[1:] {
		cuts = append(cuts, over.Start)
	}
	var pieces []int
	left := cuts
	for _, place := range r.open() {
		over := r.shards[place].Range
		for len(left) > 0 && !over.Start.before(left[0], near) {
			left = left[1:]
		}
		inside := 0
		for inside < len(left) && left[inside].before(over.End, near) {
			inside++
		}
		pieces = append(pieces, r.splitAll(place, left[:inside])...)
		left = left[inside:]
	}
	for _, end := range append(cuts, MaxHashKey) {
		n := 0
		for n < len(pieces) && (end == MaxHashKey || r.shards[pieces[n]].Range.Start.before(end, near)) {
			n++
		}
		r.mergeAll(pieces[:n])
		pieces = pieces[n:]
	}
}

// date says when the shards that are closed were closed and the new ones made. A shard is made in a later second than its
// parents, whatever the clock says, so that its sequence numbers are greater than all of theirs; and not later than
// they are closed, so that there is no moment without a shard. A shard is not closed before its last record or before
// its parents were, so that none outlives its children.
func (r *reshaping) date(now time.Time, lastArrival func(index uint32) int64) {
	byIndex := make(map[uint32]*shardDoc, len(r.shards))
	for i := range r.shards {
		byIndex[r.shards[i].Index] = &r.shards[i]
	}
	for i := r.old; i < len(r.shards); i++ { // parents come before their children
		child := &r.shards[i]
		at := now.UnixMilli()
		for _, p := range child.Parents {
			parent := byIndex[p]
			at = max(at, lastArrival(p), int64(parent.CreatedSecond+1)*1000, parent.ClosedAt)
			for _, grand := range parent.Parents {
				if g := byIndex[grand]; g != nil {
					at = max(at, g.ClosedAt)
				}
			}
		}
		for _, p := range child.Parents {
			byIndex[p].ClosedAt = at
		}
		child.CreatedSecond = uint64(at) / 1000
	}
}

// compare is -1, 0 or 1.
func (h HashKey) compare(o HashKey) int {
	switch {
	case h.Less(o):
		return -1
	case h == o:
		return 0
	}
	return 1
}

// before reports whether h is before o by more than d.
func (h HashKey) before(o, d HashKey) bool { return h.Less(o) && d.Less(o.minus(h)) }

func (h HashKey) plus(o HashKey) HashKey {
	lo, carry := bits.Add64(h.Lo, o.Lo, 0)
	hi, _ := bits.Add64(h.Hi, o.Hi, carry)
	return HashKey{hi, lo}
}

func (h HashKey) minus(o HashKey) HashKey {
	lo, borrow := bits.Sub64(h.Lo, o.Lo, 0)
	hi, _ := bits.Sub64(h.Hi, o.Hi, borrow)
	return HashKey{hi, lo}
}

// shift divides by a power of two with an exponent from 1 to 63.
func (h HashKey) shift(n uint) HashKey { return HashKey{h.Hi >> n, h.Lo>>n | h.Hi<<(64-n)} }
