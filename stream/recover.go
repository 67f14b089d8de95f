package stream

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/weir-data/weir/internal/vfs"
)

// found is a segment file that holds a part of the log.
type found struct {
	number  uint64
	indexed bool      // it was sealed; then head is known, else
	head    indexHead // of its index
	header  segmentHeader
	size    int64
	bound   int64 // where its frames end, from the header of a later segment or an old index; 0 if neither says
}

// recover finds out what the log holds and leaves it with all of that durable. Of sealed segments it reads the heads of
// their indexes, and of the newest index all, which says how far each shard had come; only what is not sealed is read
// itself, which is the last few segments at most. Nothing is written, except the sync of the last segment: what a killed
// process had written to it may be seen by readers only when it cannot be lost any more.
func (s *Store) recover() error {
	names, err := s.opts.FS.List(s.opts.Dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	segs, err := s.segs.classify(names)
	if err != nil {
		return err
	}
	if segs, err = s.segs.dropVoid(segs); err != nil {
		return err
	}
	if err := s.adoptSealed(segs); err != nil {
		return err
	}
	for i := range segs {
		f, last := &segs[i], i == len(segs)-1
		s.segs.last, s.segs.lastEnd = f.number, f.head.end
		if f.indexed {
			continue
		}
		if err := s.recoverSegment(f, last); err != nil {
			return fmt.Errorf("segment %d: %w", f.number, err)
		}
	}
	s.dropOrphans(names)
	return nil
}

// classify sorts the files of the folder: parts of the log, which it returns by number, a spare, and what is void.
func (g *segments) classify(names []string) ([]found, error) {
	var segs []found
	var spares []found
	for _, name := range names {
		number, ok := parseName(name, segmentSuffix)
		if !ok {
			continue
		}
		g.number.Store(max(g.number.Load(), number))
		f := found{number: number}
		var err error
		if _, has := slices.BinarySearch(names, indexName(number)); has {
			if f, err = g.readHead(number); err != nil {
				return nil, fmt.Errorf("%s: %w", indexName(number), err)
			}
		}
		if f.indexed {
			segs = append(segs, f)
			continue
		}
		if err := g.readHeader(&f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		switch {
		case f.header.number != number: // being made, or being recycled
			g.void = append(g.void, name)
		case f.header.state == stateInUse:
			segs = append(segs, f)
		default:
			spares = append(spares, f)
		}
	}
	return segs, g.keepSpare(spares, segs)
}

// keepSpare takes over the newest of the spares, if it is newer than the log.
func (g *segments) keepSpare(spares, segs []found) error {
	for i, f := range spares {
		name := segmentName(f.number)
		if i < len(spares)-1 || len(segs) > 0 && f.number < segs[len(segs)-1].number {
			g.void = append(g.void, name)
			continue
		}
		file, err := g.fs.OpenReadWrite(g.path(name), vfs.Category)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		g.spare = &spare{number: f.number, file: file, size: max(f.size, g.opts.tuning.firstSegmentBytes), zeroed: f.size}
	}
	return nil
}

// readHead looks at the index of a segment. One that cannot be used is made again from the segment, except for where that
// ends.
func (g *segments) readHead(number uint64) (found, error) {
	f := found{number: number}
	file, err := g.fs.Open(g.path(indexName(number)))
	if err != nil {
		return f, err
	}
	defer file.Close()
	b := make([]byte, indexHeadBytes)
	n, err := file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return f, err
	}
	info, err := file.Stat()
	if err != nil {
		return f, err
	}
	if head, err := decodeIndexHead(b[:n]); err == nil && head.number == number {
		f.head, f.size, f.bound = head, head.size, head.end
		f.indexed = head.fileBytes() == info.Size()
		return f, nil
	}
	whole, err := readFile(g.fs, g.path(indexName(number)), maxIndexV1Bytes)
	if err != nil {
		return f, err
	}
	if end, ok := indexEndV1(whole, number); ok {
		f.bound = end
	}
	return f, nil
}

func (g *segments) readHeader(f *found) error {
	file, err := g.fs.Open(g.path(segmentName(f.number)))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	block := make([]byte, headerUsed)
	n, err := file.ReadAt(block, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	f.header, err = decodeSegmentHeader(block[:n])
	f.size = info.Size()
	return err
}

// dropVoid takes out segments that never held a durable frame, and tells each of the others where it ends if a later
// header knows. A sealed one did hold frames.
func (g *segments) dropVoid(segs []found) ([]found, error) {
	var kept []found
	for i := len(segs) - 1; i >= 0; i-- {
		f := segs[i]
		if n := len(kept); n > 0 && !f.indexed {
			next := &kept[n-1]
			if next.header.number == 0 {
				if err := g.readHeader(next); err != nil {
					return nil, fmt.Errorf("%s: %w", segmentName(next.number), err)
				}
			}
			if f.number > next.header.prev {
				g.void = append(g.void, segmentName(f.number))
				continue
			}
			if f.number == next.header.prev {
				f.bound = next.header.prevEnd
			}
		}
		kept = append(kept, f)
	}
	slices.Reverse(kept)
	return kept, nil
}

// adoptSealed makes sealed segments readable through their indexes, and tells the shards what the newest index says.
func (s *Store) adoptSealed(segs []found) error {
	g := s.segs
	for i := range segs {
		if f := &segs[i]; f.indexed {
			seg := &segment{number: f.number, size: f.size, head: f.head}
			seg.end.Store(f.head.end)
			g.sealed = append(g.sealed, seg)
		}
	}
	for len(g.sealed) > 0 {
		at := len(g.sealed) - 1
		newest := g.sealed[at]
		err := g.directory(newest, s.adoptStanding)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrCorrupt) {
			return fmt.Errorf("index of segment %d: %w", newest.number, err)
		}
		// Read the segment itself; the index before it tells the rest.
		g.sealed = g.sealed[:at]
		for i := range segs {
			if segs[i].number == newest.number {
				segs[i].indexed = false
			}
		}
	}
	return nil
}

// adoptStanding tells a shard what an index says of it.
func (s *Store) adoptStanding(e *dirEntry) {
	sh := s.shardOf(e.shardKey)
	if sh == nil {
		return
	}
	sh.sealed = e.standing
	sh.advance(e.last, e.lastArrival)
}

// shardOf is the shard with a key; nil if nobody wants it any more.
func (s *Store) shardOf(key shardKey) *shard {
	st := s.numbers[key.stream]
	if st == nil {
		return nil
	}
	if sh := st.layout.Load().shard(key.index); sh != nil && sh.created == key.created {
		return sh
	}
	return nil
}

// advance notes a record that is known to exist or to have existed.
func (sh *shard) advance(last uint64, arrival int64) {
	if last > sh.tip {
		sh.tip, sh.lastArrival, sh.next = last, arrival, last+1
	}
}

// recoverSegment makes the records of a segment that was not sealed readable.
func (s *Store) recoverSegment(f *found, last bool) error {
	g := s.segs
	if !last && f.bound == 0 {
		return fmt.Errorf("%w: it has no index and no later segment says where it ends", ErrCorrupt)
	}
	if n := len(g.sealed); n > 0 && f.number < g.sealed[n-1].number {
		s.resealAmong(f)
		return nil
	}
	x, err := s.scanFound(f, last)
	if err != nil {
		return err
	}
	if last && len(x.runs) == 0 {
		// Begun and never used, or its first group was torn: its frames must not be taken for new ones, so it is not
		// continued either.
		g.last, g.lastEnd = f.header.prev, f.header.prevEnd
		g.void = append(g.void, segmentName(f.number))
		return nil
	}
	g.last, g.lastEnd = f.number, x.end
	seg := &segment{number: f.number, size: f.size}
	seg.end.Store(x.end)
	for _, r := range x.runs {
		if sh := s.shardOf(r.shardKey); sh != nil {
			r.segment = seg
			seg.runs = append(seg.runs, r)
			sh.runs = append(sh.runs, r)
			sh.advance(r.last, r.lastArrival)
		}
	}
	g.unsealed = append(g.unsealed, seg)
	if len(g.unsealed) <= maxUnsealed {
		return nil
	}
	// Indexes of the first version, or many that cannot be read. On a full disk they are written later.
	if err := s.sealAll(); err != nil {
		s.logger.Warn("stream log: an index could not be written, will be tried again", "error", err)
	}
	return nil
}

// resealAmong makes the index of a segment again that is older than others which have theirs. Where that fails, those who
// read this segment get an error.
func (s *Store) resealAmong(f *found) {
	g := s.segs
	seg := &segment{number: f.number, size: f.size, damaged: true}
	seg.end.Store(f.bound)
	at, _ := slices.BinarySearchFunc(g.sealed, f.number, func(a *segment, n uint64) int { return cmp.Compare(a.number, n) })
	g.sealed = slices.Insert(slices.Clone(g.sealed), at, seg)
	if err := s.remakeIndex(g.sealed[:at], seg); err != nil {
		s.logger.Error("stream log: an index could not be made again, will be tried later", "segment", f.number, "error", err)
	}
}

// scanFound builds the index of a segment from its frames. In the last one they end where no whole frame begins; in any
// other one that would be damage.
func (s *Store) scanFound(f *found, last bool) (*segmentIndex, error) {
	end := f.size
	if f.bound > 0 {
		end = f.bound
	}
	x, err := s.segs.scan(f.number, end, s.opts.tuning.indexStride)
	if !last || err != nil && (f.bound > 0 || !errors.Is(err, ErrCorrupt)) {
		return x, err
	}
	if err != nil {
		s.logger.Info("stream log: cut at the last whole frame", "segment", f.number, "pos", x.end, "found", err)
	}
	return x, s.segs.syncSegment(f.number)
}

// syncSegment makes durable what a killed process has written to a segment.
func (g *segments) syncSegment(number uint64) error {
	file, err := g.fs.OpenReadWrite(g.path(segmentName(number)), vfs.Category)
	if err != nil {
		return err
	}
	return errors.Join(file.SyncData(), file.Close())
}

// segmentIndex is what the frames of a segment say.
type segmentIndex struct {
	end  int64 // of the last whole frame
	runs []*run
}

// scan reads the frames of a segment; see indexFrames. Without the file the index is nil.
func (g *segments) scan(number uint64, end, stride int64) (*segmentIndex, error) {
	file, err := g.fs.Open(g.path(segmentName(number)))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return indexFrames(file, number, end, stride)
}

// indexFrames reads all frames of a segment up to end. With an error it returns what comes before the damage.
func indexFrames(file vfs.File, number uint64, end, stride int64) (*segmentIndex, error) {
	x := &segmentIndex{end: segmentHeaderBytes}
	runs := map[shardKey]*run{}
	fr := newFrameReader(file, number, 1<<20)
	defer fr.close()
	fr.seek(segmentHeaderBytes, end)
	for {
		h, payload, pos, err := fr.next()
		if err == io.EOF {
			return x, nil
		}
		if err == nil {
			err = h.checkPayload(payload)
		}
		r := runs[h.shardKey]
		if err == nil && r != nil && h.first <= r.last {
			err = fmt.Errorf("%w: record %d of stream %d shard %d after record %d", ErrCorrupt, h.first, h.stream, h.index, r.last)
		}
		if err != nil {
			return x, fmt.Errorf("at %d: %w", pos, err)
		}
		if r == nil {
			r = &run{shardKey: h.shardKey}
			runs[h.shardKey] = r
			x.runs = append(x.runs, r)
		}
		r.add(&h, pos, stride)
		x.end = pos + int64(h.size())
	}
}

// maxIndexV1Bytes bounds what is read of an index of the first version.
const maxIndexV1Bytes = 256 << 20

// readFile returns the content of a file, nil if it does not exist.
func readFile(fs vfs.FS, path string, limit int64) ([]byte, error) {
	if _, err := fs.Stat(path); err != nil {
		if isNotExist(err) {
			return nil, nil
		}
		return nil, err
	}
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// dropOrphans notes files that belong to no segment: pieces of indexes, and a segment on its way to be used again.
func (s *Store) dropOrphans(names []string) {
	known := map[uint64]bool{}
	for _, segs := range [][]*segment{s.segs.sealed, s.segs.unsealed} {
		for _, seg := range segs {
			known[seg.number] = true
		}
	}
	for _, name := range names {
		number, isIndex := parseName(name, indexSuffix)
		_, isTemp := parseName(name, indexSuffix+tempSuffix)
		if name == recycledName || isTemp || isIndex && !known[number] {
			s.segs.void = append(s.segs.void, name)
		}
	}
}
