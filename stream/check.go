package stream

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// Report is what Check found.
type Report struct {
	Segments int
	Frames   int
	Records  int64
	Bytes    int64 // of whole frames
	Torn     int64 // position in the last segment behind which there are no whole frames; 0 if nothing follows the last one
	Problems []Problem
}

// Problem is one thing that is wrong in the files of a stream log.
type Problem struct {
	File   string // its name in the folder
	Pos    int64
	Err    error  // what was found; wraps ErrCorrupt, or is the disk's
	Lost   []Lost // records that cannot be read because of it
	Advice string
}

// Lost is a range of records of a shard.
type Lost struct {
	Stream  uint64 // its number, see Description.Incarnation
	Shard   string
	Records uint64
	After   SeqNum // the last record before them, or where the shard begins
	Before  SeqNum // the first record behind them; zero if that is in a later segment
}

// What can be done about a Problem.
const (
	adviceFrames = "Nothing was changed. Put the file back from a copy if there is one. Without, weir serve answers reads of these records " +
		"with an error and all others as before; a consumer goes on behind them by an iterator AT_SEQUENCE_NUMBER."
	adviceIndex = "Nothing was changed. No record is lost: an index is made from its segment. Stop weir serve, remove this file, start again."
	adviceOrder = "Nothing was changed. Files of different copies of a data directory may have been mixed: put all of them back from one copy."
	adviceRead  = "Nothing was changed. The disk could not read the file: look at the system's log, copy the data directory to another disk."
)

// Check reads every segment and index in dir and verifies all checksums, the order of the records of each shard, the chain
// of the segments, and that the indexes say what the segments hold. Each thing that is wrong becomes a Problem; if there
// are any, the error wraps that of the first. A torn tail of the last segment is none. Nothing is changed. It may run
// beside an open Store, whose newest records it then may or may not see.
func Check(fs vfs.FS, dir string) (Report, error) {
	names, err := fs.List(dir)
	if err != nil {
		return Report{}, fmt.Errorf("check %s: %w", dir, err)
	}
	slices.Sort(names)
	c := &checker{g: &segments{fs: fs, dir: dir, blocks: newBlockCache(1 << 20)}, shards: map[shardKey]*checkedShard{}}
	segs, err := c.g.dropVoid(c.list(names))
	if err != nil {
		c.problem(Problem{File: "", Err: err, Advice: adviceRead})
	}
	for i := range segs {
		c.segment(&segs[i], i == len(segs)-1)
	}
	if n := len(c.rep.Problems); n > 0 {
		first := &c.rep.Problems[0]
		return c.rep, fmt.Errorf("check %s: %d problems, the first in %s at %d: %w", dir, n, first.File, first.Pos, first.Err)
	}
	return c.rep, nil
}

// Names are the names of the streams in a metadata store by their numbers.
func Names(m *meta.Store) (map[uint64]string, error) {
	names := map[uint64]string{}
	for e, err := range newSpaces(m).streams.Scan("", "") {
		var doc streamDoc
		if err == nil {
			err = json.Unmarshal(e.Value, &doc)
		}
		if err != nil {
			return nil, fmt.Errorf("names of streams: %w", err)
		}
		names[doc.Number] = doc.Name
	}
	return names, nil
}

// checker walks over the log.
type checker struct {
	g      *segments
	rep    Report
	shards map[shardKey]*checkedShard
}

// checkedShard is what was seen of a shard so far.
type checkedShard struct {
	last    uint64 // counter of the last whole record
	arrival int64  // of it
	run     *run   // in the segment under way
	gaps    []gap  // in it
}

// gap is a jump of the counters of a shard within a segment, which a writer never makes.
type gap struct {
	from, to      uint64 // lost are those between
	after, before SeqNum
}

func (c *checker) problem(p Problem) {
	if !errors.Is(p.Err, ErrCorrupt) {
		p.Advice = adviceRead
	}
	c.rep.Problems = append(c.rep.Problems, p)
}

// list finds the segments in use.
func (c *checker) list(names []string) []found {
	var segs []found
	for _, name := range names {
		number, ok := parseName(name, segmentSuffix)
		if !ok {
			continue
		}
		f := found{number: number}
		index := indexName(number)
		if _, has := slices.BinarySearch(names, index); has {
			var err error
			if f, err = c.g.readHead(number); err != nil || f.bound == 0 {
				c.problem(Problem{File: index, Err: cmp.Or(err, fmt.Errorf("%w: no index", ErrCorrupt)), Advice: adviceIndex})
			}
		}
		if err := c.g.readHeader(&f); err != nil {
			c.problem(Problem{File: name, Err: err, Advice: adviceFrames})
			if !f.indexed {
				continue
			}
		} else if f.header.number != number || f.header.state != stateInUse {
			continue
		}
		segs = append(segs, f)
	}
	return segs
}

// segment checks a segment and its index.
func (c *checker) segment(f *found, last bool) {
	c.rep.Segments++
	name := segmentName(f.number)
	end, exact := f.size, f.bound > 0
	switch {
	case f.indexed:
		end = f.head.end
		if f.bound > 0 && f.bound != end {
			c.problem(Problem{File: indexName(f.number), Pos: 16, Advice: adviceIndex,
				Err: fmt.Errorf("%w: it ends at %d, the next segment says %d", ErrCorrupt, end, f.bound)})
		}
	case exact:
		end = f.bound
	case !last:
		c.problem(Problem{File: name, Advice: adviceFrames,
			Err: fmt.Errorf("%w: it has no index and no later segment says where it ends", ErrCorrupt)})
	}
	for _, sh := range c.shards {
		sh.run, sh.gaps = nil, nil
	}
	damage := c.frames(f.number, end, exact || !last)
	entries := c.index(f, len(damage) > 0)
	if len(damage) > 0 {
		damage[0].Lost = c.lost(entries)
		for _, p := range damage {
			c.problem(p)
		}
	}
}

// frames reads the frames of a segment up to end and returns what is damaged. Where no end is known, the first damage is.
func (c *checker) frames(number uint64, end int64, exact bool) (damage []Problem) {
	name := segmentName(number)
	file, err := c.g.fs.Open(c.g.path(name))
	if err != nil {
		return []Problem{{File: name, Err: err, Advice: adviceRead}}
	}
	defer file.Close()
	fr := newFrameReader(file, number, 1<<20)
	defer fr.close()
	fr.seek(segmentHeaderBytes, end)
	for {
		h, payload, pos, err := fr.next()
		if err == io.EOF {
			return damage
		}
		if err == nil {
			err = c.frame(&h, payload, pos)
		}
		if err == nil {
			c.rep.Frames++
			c.rep.Records += int64(h.records)
			c.rep.Bytes += int64(h.size())
			continue
		}
		if errors.Is(err, ErrCorrupt) && !exact {
			c.rep.Torn = pos
			return damage
		}
		damage = append(damage, Problem{File: name, Pos: pos, Err: err, Advice: adviceFrames})
		if fr.pos > pos { // the header is whole
			continue
		}
		next, err := nextFrame(file, number, pos+1, end)
		if err != nil || next == end {
			return damage
		}
		fr.seek(next, end)
	}
}

// frame verifies a payload record by record, and that the counters of the shard go on.
func (c *checker) frame(h *frameHeader, payload []byte, pos int64) error {
	if err := h.checkPayload(payload); err != nil {
		return err
	}
	if h.key == 0 { // of an encrypted one only the checksum can be looked at
		if _, err := h.appendRecords(nil, payload); err != nil {
			return err
		}
	}
	sh := c.shards[h.shardKey]
	if sh == nil {
		sh = &checkedShard{}
		c.shards[h.shardKey] = sh
	}
	if h.first <= sh.last {
		return fmt.Errorf("%w: record %d of stream %d shard %d after record %d", ErrCorrupt, h.first, h.stream, h.index, sh.last)
	}
	if sh.run == nil {
		sh.run = &run{shardKey: h.shardKey}
	} else if h.first > sh.last+1 {
		sh.gaps = append(sh.gaps, gap{sh.last, h.first, h.seqNum(sh.last, sh.arrival), h.seqNum(h.first, h.arrival)})
	}
	sh.run.add(h, pos, 1)
	sh.last, sh.arrival = h.last(), h.arrival
	return nil
}

// index checks the index of a segment against its frames, unless those are damaged, and returns what it says.
func (c *checker) index(f *found, damaged bool) map[shardKey]dirEntry {
	entries := map[shardKey]dirEntry{}
	if !f.indexed {
		return entries
	}
	bad := func(pos int64, err error) {
		c.problem(Problem{File: indexName(f.number), Pos: pos, Err: err, Advice: adviceIndex})
	}
	seg := &segment{number: f.number, head: f.head}
	err := c.g.directory(seg, func(e *dirEntry) { entries[e.shardKey] = *e })
	if err == nil {
		_, err = c.g.streamsOf(seg)
	}
	if err != nil {
		bad(0, err)
		return entries
	}
	if damaged {
		return entries
	}
	for key, e := range entries {
		sh := c.shards[key]
		var r *run
		if sh != nil {
			r = sh.run
		}
		if err := c.entry(seg, &e, r); err != nil {
			bad(e.extentsPos, err)
		}
	}
	return entries
}

// entry compares what an index says of a shard with the run that its segment holds, nil if there is none.
func (c *checker) entry(seg *segment, e *dirEntry, r *run) error {
	if r == nil {
		if e.first != 0 {
			return fmt.Errorf("%w: it has records of stream %d shard %d, the segment has none", ErrCorrupt, e.stream, e.index)
		}
		return nil
	}
	if e.first != r.first || e.last != r.last || e.records != r.records || e.lastArrival != r.lastArrival || e.segmentArrival != r.maxArrival ||
		e.maxArrival < r.maxArrival {
		return fmt.Errorf("%w: records %d to %d of stream %d shard %d, the segment has %d to %d", ErrCorrupt,
			e.first, e.last, e.stream, e.index, r.first, r.last)
	}
	stored, err := c.g.loadRun(seg, e)
	if err != nil {
		return err
	}
	// The run was noted frame by frame, the index is coarser: each frame must be in an extent, each extent begin with one.
	in, frames := stored.extents.cursor(seg.head.end), r.extents.cursor(seg.head.end)
	x, ok, err := in.next()
	begun := false
	for f, more, _ := frames.next(); more && err == nil; f, more, _ = frames.next() {
		if ok && f.pos >= x.end && begun {
			x, ok, err = in.next()
			begun = false
		}
		if !ok || err != nil || f.pos < x.pos || f.end > x.end || !begun && (f.pos != x.pos || f.first != x.first || f.before != x.before) {
			return fmt.Errorf("%w: stream %d shard %d has a frame at %d that is not in its extents", ErrCorrupt, e.stream, e.index, f.pos)
		}
		begun = true
	}
	return err
}

// lost are the records that are missing in the segment under way: between others, and at its ends by what its index says.
func (c *checker) lost(entries map[shardKey]dirEntry) []Lost {
	var lost []Lost
	add := func(key shardKey, from, to uint64, after, before SeqNum) {
		if to > from+1 {
			lost = append(lost, Lost{Stream: key.stream, Shard: ShardID(key.index), Records: to - from - 1, After: after, Before: before})
		}
	}
	for key, sh := range c.shards {
		for _, g := range sh.gaps {
			add(key, g.from, g.to, g.after, g.before)
		}
	}
	for key, e := range entries {
		if e.first == 0 {
			continue
		}
		sh := c.shards[key]
		if sh == nil {
			sh = &checkedShard{}
			c.shards[key] = sh
		}
		if sh.run == nil {
			add(key, e.first-1, e.last+1, key.seqNum(e.first-1, sh.arrival), SeqNum{})
		} else {
			add(key, e.first-1, sh.run.first, key.seqNum(e.first-1, 0), key.seqNum(sh.run.first, 0))
			add(key, sh.run.last, e.last+1, key.seqNum(sh.run.last, sh.arrival), SeqNum{})
		}
		sh.last, sh.arrival = e.last, e.lastArrival
	}
	slices.SortFunc(lost, func(a, b Lost) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Shard, b.Shard), slices.Compare(a.After[:], b.After[:]))
	})
	return lost
}

// nextFrame is the position of the next whole frame header at or after pos; end if there is none.
func nextFrame(file io.ReaderAt, number uint64, pos, end int64) (int64, error) {
	buf := make([]byte, 1<<20)
	for pos+frameHeaderBytes <= end {
		n, err := file.ReadAt(buf[:min(int64(len(buf)), end-pos)], pos)
		if n < frameHeaderBytes {
			return end, err
		}
		for i := 0; i+frameHeaderBytes <= n; i++ {
			if binary.LittleEndian.Uint64(buf[i+16:]) != number {
				continue
			}
			if _, err := decodeFrameHeader(buf[i:n], number); err == nil {
				return pos + int64(i), nil
			}
		}
		pos += int64(n - frameHeaderBytes + 1)
	}
	return end, nil
}
