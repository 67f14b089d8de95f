package stream

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sort"
	"sync/atomic"
)

// run is what one segment holds of one shard. Its sparse entries say where to start reading.
type run struct {
	shardKey
	segment     *segment
	first, last uint64 // counters
	records     uint64
	lastArrival int64 // of the last record
	maxArrival  int64 // the clock may have stepped back within the run
	entries     []entry
	dropped     atomic.Bool // retention is over, or the stream is deleted
}

// entry is a frame at which a reader can start.
type entry struct {
	first  uint64 // counter of the frame's first record
	before int64  // greatest arrival in the run before this frame
	pos    uint32 // in the segment
}

// add notes a frame at pos. A new entry is made each stride bytes of the segment.
func (r *run) add(h *frameHeader, pos int64, stride int64) {
	if n := len(r.entries); n == 0 || pos-int64(r.entries[n-1].pos) >= stride {
		r.entries = append(r.entries, entry{first: h.first, before: r.maxArrival, pos: uint32(pos)})
	}
	if r.records == 0 {
		r.first = h.first
	}
	r.last = h.last()
	r.records += uint64(h.records)
	r.lastArrival = h.arrival
	r.maxArrival = max(r.maxArrival, h.arrival)
}

// seek is a position from which a scan meets the record after counter.
func (r *run) seek(after uint64) int64 {
	i := sort.Search(len(r.entries), func(i int) bool { return r.entries[i].first > after+1 })
	return int64(r.entries[max(i-1, 0)].pos)
}

// seekTime is a position from which a scan meets the first record that arrived at or after ms.
func (r *run) seekTime(ms int64) int64 {
	i := sort.Search(len(r.entries), func(i int) bool { return r.entries[i].before >= ms })
	return int64(r.entries[max(i-1, 0)].pos)
}

// The index file of a segment holds its runs, so that opening the log does not read the segment. It is derived from
// the segment, except for the end.
const (
	indexMagic      = "weiridx\x01"
	indexHeadBytes  = 28
	indexRunBytes   = 64
	indexEntryBytes = 20
	maxIndexBytes   = 256 << 20
)

// segmentIndex is the content of an index file.
type segmentIndex struct {
	number uint64
	end    int64 // frames at or past it never were acknowledged
	runs   []*run
}

func (x *segmentIndex) encode() []byte {
	size := indexHeadBytes + 4
	for _, r := range x.runs {
		size += indexRunBytes + indexEntryBytes*len(r.entries)
	}
	b := make([]byte, 0, size)
	le := binary.LittleEndian
	b = append(b, indexMagic...)
	b = le.AppendUint64(b, x.number)
	b = le.AppendUint64(b, uint64(x.end))
	b = le.AppendUint32(b, uint32(len(x.runs)))
	for _, r := range x.runs {
		b = le.AppendUint64(b, r.stream)
		b = le.AppendUint64(b, r.created)
		b = le.AppendUint32(b, r.index)
		b = le.AppendUint32(b, uint32(len(r.entries)))
		b = le.AppendUint64(b, r.first)
		b = le.AppendUint64(b, r.last)
		b = le.AppendUint64(b, r.records)
		b = le.AppendUint64(b, uint64(r.lastArrival))
		b = le.AppendUint64(b, uint64(r.maxArrival))
		for _, e := range r.entries {
			b = le.AppendUint64(b, e.first)
			b = le.AppendUint64(b, uint64(e.before))
			b = le.AppendUint32(b, e.pos)
		}
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeIndex reads an index file; anything odd gives ErrCorrupt.
func decodeIndex(b []byte) (*segmentIndex, error) {
	le := binary.LittleEndian
	if len(b) < indexHeadBytes+4 || string(b[:8]) != indexMagic {
		return nil, fmt.Errorf("%w: no index", ErrCorrupt)
	}
	body := b[:len(b)-4]
	if le.Uint32(b[len(body):]) != crc32.Checksum(body, castagnoli) {
		return nil, fmt.Errorf("%w: index checksum", ErrCorrupt)
	}
	x := &segmentIndex{number: le.Uint64(b[8:]), end: int64(le.Uint64(b[16:]))}
	runs := le.Uint32(b[24:])
	body = body[indexHeadBytes:]
	if x.end < segmentHeaderBytes || uint64(runs)*indexRunBytes > uint64(len(body)) {
		return nil, fmt.Errorf("%w: index of %d runs", ErrCorrupt, runs)
	}
	for range runs {
		r, rest, err := decodeRun(body, x.end)
		if err != nil {
			return nil, err
		}
		x.runs, body = append(x.runs, r), rest
	}
	if len(body) != 0 {
		return nil, fmt.Errorf("%w: %d bytes after the index", ErrCorrupt, len(body))
	}
	return x, nil
}

func decodeRun(b []byte, end int64) (*run, []byte, error) {
	le := binary.LittleEndian
	if len(b) < indexRunBytes {
		return nil, nil, fmt.Errorf("%w: index ends within a run", ErrCorrupt)
	}
	r := &run{
		shardKey:    shardKey{stream: le.Uint64(b), created: le.Uint64(b[8:]), index: le.Uint32(b[16:])},
		first:       le.Uint64(b[24:]),
		last:        le.Uint64(b[32:]),
		records:     le.Uint64(b[40:]),
		lastArrival: int64(le.Uint64(b[48:])),
		maxArrival:  int64(le.Uint64(b[56:])),
	}
	n := uint64(le.Uint32(b[20:]))
	b = b[indexRunBytes:]
	if n == 0 || n*indexEntryBytes > uint64(len(b)) || r.first == 0 || r.last < r.first || r.last > maxCounter {
		return nil, nil, fmt.Errorf("%w: index run of %d entries", ErrCorrupt, n)
	}
	r.entries = make([]entry, n)
	for i := range r.entries {
		e := entry{first: le.Uint64(b), before: int64(le.Uint64(b[8:])), pos: le.Uint32(b[16:])}
		if int64(e.pos) < segmentHeaderBytes || int64(e.pos) >= end || i > 0 && e.pos <= r.entries[i-1].pos {
			return nil, nil, fmt.Errorf("%w: index entry at %d", ErrCorrupt, e.pos)
		}
		r.entries[i] = e
		b = b[indexEntryBytes:]
	}
	return r, b, nil
}
