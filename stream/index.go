package stream

import (
	"encoding/binary"
	"fmt"
)

// run is what one segment holds of one shard. Its extents say where.
type run struct {
	shardKey
	segment     *segment
	first, last uint64 // counters
	records     uint64
	lastArrival int64 // of the last record
	maxArrival  int64 // the clock may have stepped back within the run
	extents     extents
}

// add notes a frame at pos. A new extent is begun each stride bytes, and where much that belongs to others lies between.
func (r *run) add(h *frameHeader, pos, stride int64) {
	if !r.extents.extend(pos, int64(h.size()), stride) {
		r.extents.begin(extent{first: h.first, before: r.maxArrival, pos: pos, end: pos + int64(h.size())})
	}
	if r.records == 0 {
		r.first = h.first
	}
	r.last = h.last()
	r.records += uint64(h.records)
	r.lastArrival = h.arrival
	r.maxArrival = max(r.maxArrival, h.arrival)
}

// standing is how far a shard has come by the end of a segment.
func (r *run) standing(before standing) standing {
	return standing{shardKey: r.shardKey, last: r.last, lastArrival: r.lastArrival, maxArrival: max(before.maxArrival, r.maxArrival)}
}

// standing is how far a shard has come since it was made.
type standing struct {
	shardKey
	last        uint64 // counter of the last record, 0 if there never was one
	lastArrival int64  // of that record
	maxArrival  int64  // greatest arrival
}

// extent is a stretch of a segment from one frame of a shard to another one of it. Frames of others may lie between.
type extent struct {
	first  uint64 // counter of the first record
	before int64  // greatest arrival in the run before it
	pos    int64
	end    int64
}

// gapShare of the stride is what a reader rather reads and throws away than beginning a new read behind it.
const gapShare = 32

// extents is a list of extents in the form in which the index file has it, so that a shard costs a segment a few bytes
// also where thousands of shards are written in turn. All but the last, which still grows, are encoded: four uvarints
// each, the differences of first, before and pos to the one before (of pos, to its end), and the length.
type extents struct {
	encoded []byte
	prev    extent // the last encoded one
	last    extent // its end is 0 if there is none
}

// extend makes the last extent include the size bytes at pos; false if they had better begin a new one.
func (x *extents) extend(pos, size, stride int64) bool {
	if x.last.end == 0 || pos-x.last.pos >= stride || pos-x.last.end > stride/gapShare {
		return false
	}
	x.last.end = pos + size
	return true
}

func (x *extents) begin(e extent) {
	x.encoded = x.appendLast(x.encoded)
	x.prev, x.last = x.last, e
}

// appendLast appends the last extent, if there is one, to the encoded ones.
func (x *extents) appendLast(b []byte) []byte {
	if x.last.end == 0 {
		return b
	}
	b = binary.AppendUvarint(b, x.last.first-x.prev.first)
	b = binary.AppendUvarint(b, uint64(x.last.before-x.prev.before))
	b = binary.AppendUvarint(b, uint64(x.last.pos-x.prev.end))
	return binary.AppendUvarint(b, uint64(x.last.end-x.last.pos))
}

// extentCursor walks over extents.
type extentCursor struct {
	rest  []byte
	prev  extent
	last  extent // to come after rest; its end is 0 if none does
	limit int64  // no extent reaches further
}

// cursor is at the first extent; end is that of the segment.
func (x *extents) cursor(end int64) extentCursor {
	return extentCursor{rest: x.encoded, last: x.last, limit: end}
}

// next returns the next extent; ok is false behind the last one. What no writer writes gives ErrCorrupt.
func (c *extentCursor) next() (e extent, ok bool, err error) {
	if len(c.rest) == 0 {
		e, c.last = c.last, extent{}
		return e, e.end > 0, nil
	}
	var fields [4]uint64
	for i := range fields {
		v, n := binary.Uvarint(c.rest)
		if n <= 0 {
			return e, false, fmt.Errorf("%w: extent ends early", ErrCorrupt)
		}
		fields[i], c.rest = v, c.rest[n:]
	}
	const most = 1 << 62
	if fields[0] > most || fields[1] > most || fields[2] > uint64(c.limit) || fields[3] > uint64(c.limit) {
		return e, false, fmt.Errorf("%w: extent out of bounds", ErrCorrupt)
	}
	e = extent{first: c.prev.first + fields[0], before: c.prev.before + int64(fields[1]), pos: c.prev.end + int64(fields[2])}
	e.end = e.pos + int64(fields[3])
	if e.first == 0 || e.first > maxCounter || e.before < 0 || e.pos < segmentHeaderBytes || e.end <= e.pos || e.end > c.limit {
		return e, false, fmt.Errorf("%w: extent of %d to %d", ErrCorrupt, e.pos, e.end)
	}
	c.prev = e
	return e, true, nil
}

// seek returns the last extent for which begins is true, or the first if it is for none, and a cursor to those behind.
// Begins must be true of a first part of the extents, and false of the rest.
func (x *extents) seek(end int64, begins func(extent) bool) (extent, extentCursor, error) {
	c := x.cursor(end)
	at, ok, err := c.next()
	if err == nil && !ok {
		err = fmt.Errorf("%w: a run without extents", ErrCorrupt)
	}
	rest := c
	for ok && err == nil {
		var e extent
		if e, ok, err = c.next(); !ok || !begins(e) {
			break
		}
		at, rest = e, c
	}
	return at, rest, err
}
