package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What sealed segments hold of a shard is found through their index files. The functions here read from disk, with no
// lock held, and may run while segments are sealed and freed.

// sealedSegments are the sealed segments now, by number. The slice is never changed in place.
func (g *segments) sealedSegments() []*segment {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sealed
}

// lookup is a question to the indexes, which binary search answers.
type lookup struct {
	key     shardKey
	reached func(*dirEntry) bool // by the end of a segment; then also by the end of all later ones
	wanted  func(*dirEntry) bool // of those reached, the first that is wanted is the answer
	next    uint64               // counter of the record that is looked for, 0 if not known
}

// runAfter is what the first sealed segment with a record after counter holds of a shard; ok is false if there is none.
func (g *segments) runAfter(key shardKey, counter uint64) (r run, ok bool, err error) {
	return g.find(afterCounter(key, counter))
}

func afterCounter(key shardKey, counter uint64) lookup {
	return lookup{
		key:     key,
		reached: func(e *dirEntry) bool { return e.last > counter },
		wanted:  func(e *dirEntry) bool { return e.first > 0 },
		next:    counter + 1,
	}
}

// runSince is what the first sealed segment with a record that arrived at ms or later holds of a shard.
func (g *segments) runSince(key shardKey, ms int64) (r run, ok bool, err error) {
	return g.find(lookup{
		key:     key,
		reached: func(e *dirEntry) bool { return e.maxArrival >= ms },
		wanted:  func(e *dirEntry) bool { return e.first > 0 && e.segmentArrival >= ms },
	})
}

func (g *segments) find(q lookup) (run, bool, error) {
	for {
		r, ok, err := g.findIn(g.sealedSegments(), q)
		if !errors.Is(err, errFreed) {
			return r, ok, err
		}
	}
}

// findIn answers q. Where the first segment that reached is not wanted, those that were have been freed, and the next one
// with anything of the shard is looked at.
func (g *segments) findIn(segs []*segment, q lookup) (run, bool, error) {
	for {
		i, e, err := g.search(segs, &q)
		if err != nil || i == len(segs) {
			return run{}, false, err
		}
		if q.wanted(&e) {
			r, err := g.loadRun(segs[i], &e)
			return r, err == nil, err
		}
		wanted := q.wanted
		segs, q = segs[i+1:], afterCounter(q.key, e.last)
		q.wanted = wanted
	}
}

// search is the first of segs that reached, and the shard there; len(segs) if none did. An index that cannot be read
// counts as one that adds nothing, and is an error only if the answer may be there.
func (g *segments) search(segs []*segment, q *lookup) (int, dirEntry, error) {
	var found dirEntry
	lo, hi := 0, len(segs)
	for lo < hi {
		mid := lo + (hi-lo)/2
		at, e, err := g.readable(segs, lo, mid, q.key)
		switch {
		case errors.Is(err, errFreed):
			return 0, found, err
		case err == nil && q.reached(&e):
			hi, found = at, e
		default:
			lo = mid + 1
		}
	}
	if lo > 0 && (found.first == 0 || found.first > q.next) {
		if _, err := g.entry(segs[lo-1], q.key); err != nil {
			return 0, found, err
		}
	}
	return lo, found, nil
}

// readable looks a shard up in segment mid or, if its index cannot be read, in the last one before, down to lo.
func (g *segments) readable(segs []*segment, lo, mid int, key shardKey) (at int, e dirEntry, err error) {
	for at = mid; at >= lo; at-- {
		if e, err = g.entry(segs[at], key); err == nil || errors.Is(err, errFreed) {
			break
		}
	}
	return at, e, err
}

// entry is what the index of a sealed segment says of a shard; nothing but the key if it does not know it.
func (g *segments) entry(seg *segment, key shardKey) (dirEntry, error) {
	none := dirEntry{standing: standing{shardKey: key}}
	head := g.head(seg)
	fences, _, err := g.summary(seg, &head)
	if err != nil {
		return none, err
	}
	i := searchFences(fences, key)
	if i < 0 {
		return none, nil
	}
	block, err := g.dirBlock(seg, &head, i)
	if err != nil {
		return none, err
	}
	if e, ok := searchBlock(block, key); ok {
		return e, nil
	}
	return none, nil
}

func (g *segments) head(seg *segment) indexHead {
	g.mu.Lock()
	defer g.mu.Unlock()
	return seg.head
}

// summary returns the fences of the index of a sealed segment, and the streams in it, both encoded.
func (g *segments) summary(seg *segment, head *indexHead) (fences, spans []byte, err error) {
	pos, size := head.summary()
	b, err := g.piece(seg, pos, size, "summary")
	if err != nil {
		return nil, nil, err
	}
	cut := head.blocks() * fenceBytes
	return b[:cut], b[cut : len(b)-4], nil
}

func (g *segments) dirBlock(seg *segment, head *indexHead, i int) ([]byte, error) {
	pos, size := head.block(i)
	return g.piece(seg, pos, size, "directory")
}

// directory calls f with all shards in the index of a sealed segment.
func (g *segments) directory(seg *segment, f func(*dirEntry)) error {
	head := g.head(seg)
	for i := range head.blocks() {
		block, err := g.dirBlock(seg, &head, i)
		if err != nil {
			return err
		}
		for at := 0; at+dirEntryBytes <= len(block); at += dirEntryBytes {
			e := decodeDirEntry(block[at:])
			f(&e)
		}
	}
	return nil
}

// streamsOf are the streams with records in a sealed segment.
func (g *segments) streamsOf(seg *segment) ([]streamSpan, error) {
	head := g.head(seg)
	_, b, err := g.summary(seg, &head)
	var spans []streamSpan
	for ; len(b) > 0; b = b[streamSpanBytes:] {
		le := binary.LittleEndian
		spans = append(spans, streamSpan{stream: le.Uint64(b), maxArrival: int64(le.Uint64(b[8:]))})
	}
	return spans, err
}

// loadRun reads the extents of a shard in a sealed segment.
func (g *segments) loadRun(seg *segment, e *dirEntry) (run, error) {
	b, err := g.piece(seg, e.extentsPos, int(e.extentsBytes)+4, "extents")
	if err != nil {
		return run{}, err
	}
	return run{
		shardKey: e.shardKey, segment: seg, first: e.first, last: e.last, records: e.records, lastArrival: e.lastArrival,
		maxArrival: e.segmentArrival, extents: extents{encoded: b[:len(b)-4]},
	}, nil
}

// piece reads a piece of an index that ends with its checksum. One that cannot be read is made again by the housekeeper,
// from the segment.
func (g *segments) piece(seg *segment, pos int64, size int, what string) ([]byte, error) {
	key := blockKey{seg.number, pos}
	if b := g.blocks.get(key); b != nil {
		return b, nil
	}
	b, err := g.readPiece(seg, pos, size, what)
	if err == nil {
		g.blocks.put(key, b)
		return b, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if seg.freed {
		return nil, errFreed
	}
	seg.damaged = true
	select {
	case g.kick <- struct{}{}:
	default: // it is due already
	}
	return nil, fmt.Errorf("index of segment %d: %w", seg.number, err)
}

func (g *segments) readPiece(seg *segment, pos int64, size int, what string) ([]byte, error) {
	g.mu.Lock()
	image := seg.image
	g.mu.Unlock()
	b := make([]byte, size)
	if image != nil {
		if pos < 0 || pos+int64(size) > int64(len(image)) {
			return nil, fmt.Errorf("%w: %s out of bounds", ErrCorrupt, what)
		}
		copy(b, image[pos:])
		return b, nil
	}
	file, err := g.fs.Open(g.path(indexName(seg.number)))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.ReadAt(b, pos); err != nil {
		return nil, err
	}
	return b, checkSum(b, what)
}
