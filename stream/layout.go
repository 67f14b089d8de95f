package stream

import (
	"cmp"
	"slices"
)

// layout is which shards a stream has at one time. It is never changed: a reshard puts another one in its place.
type layout struct {
	all  []*shard  // by index
	open []*shard  // by hash range; together they cover everything
	ends []HashKey // where each of the open ones ends, apart because every record is searched for in it
}

// newLayout is a layout of the shards in docs, which takes over those that old has.
func (st *streamState) newLayout(old *layout, docs []shardDoc) *layout {
	l := &layout{all: make([]*shard, len(docs))}
	for i, d := range docs {
		sh := old.shard(d.Index)
		if sh == nil {
			sh = &shard{
				shardKey: shardKey{stream: st.number, created: d.CreatedSecond, index: d.Index},
				stream:   st, doc: d, id: ShardID(d.Index), next: 1,
			}
		}
		l.all[i] = sh
		if !d.Closed {
			l.open = append(l.open, sh)
		}
	}
	slices.SortFunc(l.open, func(a, b *shard) int { return a.doc.Range.Start.compare(b.doc.Range.Start) })
	for _, sh := range l.open {
		l.ends = append(l.ends, sh.doc.Range.End)
	}
	return l
}

// close tells the shards that docs call closed, and whoever waits for them.
func (l *layout) close(docs []shardDoc) {
	children := map[uint32][]*shard{}
	for i, d := range docs {
		for _, p := range d.Parents {
			children[p] = append(children[p], l.all[i])
		}
	}
	for i, d := range docs {
		if d.Closed && !l.all[i].isClosed() {
			l.all[i].close(d.ClosedAt, children[d.Index])
		}
	}
}

// find is the place of the open shard whose range holds h.
func (l *layout) find(h HashKey) int {
	from, to := 0, len(l.ends)-1
	for from < to {
		mid := (from + to) / 2
		if l.ends[mid].Less(h) {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return from
}

// shard is the one with the given index, nil if there is none or no more.
func (l *layout) shard(index uint32) *shard {
	if int(index) < len(l.all) && l.all[index].index == index { // none has gone yet
		return l.all[index]
	}
	i, ok := slices.BinarySearchFunc(l.all, index, func(sh *shard, index uint32) int { return cmp.Compare(sh.index, index) })
	if !ok {
		return nil
	}
	return l.all[i]
}
