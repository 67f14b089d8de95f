package stream

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/weir-data/weir/internal/vfs"
)

// found is a segment file that holds a part of the log.
type found struct {
	header segmentHeader
	size   int64
	bound  int64 // where its frames end, from the header of a later segment; 0 if none says
}

// recover finds out what the log holds and leaves it with all of that durable. Nothing is written, except the sync of
// the last segment: what a killed process had written to it may be seen by readers only when it cannot be lost any more.
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
	segs = s.segs.dropVoid(segs)
	for i := range segs {
		last := i == len(segs)-1
		if err := s.recoverSegment(&segs[i], last); err != nil {
			return fmt.Errorf("segment %d: %w", segs[i].header.number, err)
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
		f, err := g.readHeader(name)
		if err != nil {
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
	for i, f := range spares {
		name := segmentName(f.header.number)
		if i < len(spares)-1 || len(segs) > 0 && f.header.number < segs[len(segs)-1].header.number {
			g.void = append(g.void, name)
			continue
		}
		file, err := g.fs.OpenReadWrite(g.path(name), vfs.Category)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		g.spare = &spare{number: f.header.number, file: file, size: max(f.size, g.opts.tuning.firstSegmentBytes), zeroed: f.size}
	}
	return segs, nil
}

func (g *segments) readHeader(name string) (found, error) {
	file, err := g.fs.Open(g.path(name))
	if err != nil {
		return found{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return found{}, err
	}
	block := make([]byte, headerUsed)
	n, err := file.ReadAt(block, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return found{}, err
	}
	h, err := decodeSegmentHeader(block[:n])
	return found{header: h, size: info.Size()}, err
}

// dropVoid takes out segments that never held a durable frame, and tells each of the others where it ends if a later
// header knows.
func (g *segments) dropVoid(segs []found) []found {
	var kept []found
	for i := len(segs) - 1; i >= 0; i-- {
		f := segs[i]
		if n := len(kept); n > 0 {
			next := kept[n-1].header
			if f.header.number > next.prev {
				g.void = append(g.void, segmentName(f.header.number))
				continue
			}
			if f.header.number == next.prev {
				f.bound = next.prevEnd
			}
		}
		kept = append(kept, f)
	}
	slices.Reverse(kept)
	return kept
}

// recoverSegment makes the records of a segment readable.
func (s *Store) recoverSegment(f *found, last bool) error {
	g := s.segs
	x, err := g.readIndex(f.header.number)
	if err != nil {
		return err
	}
	indexed := x != nil
	if !indexed {
		if !last && f.bound == 0 {
			return fmt.Errorf("%w: it has no index and no later segment says where it ends", ErrCorrupt)
		}
		if x, err = s.scanSegment(f, last); err != nil {
			return err
		}
	}
	if last && len(x.runs) == 0 {
		// Begun and never used, or its first group was torn: its frames must not be taken for new ones, so it is not
		// continued either.
		g.last, g.lastEnd = f.header.prev, f.header.prevEnd
		g.void = append(g.void, segmentName(f.header.number))
		return nil
	}
	g.last, g.lastEnd = f.header.number, x.end
	seg := &segment{number: f.header.number, size: f.size, indexed: indexed}
	seg.end.Store(x.end)
	for _, r := range x.runs {
		r.segment = seg
		if s.adopt(r) {
			seg.runs = append(seg.runs, r)
		}
	}
	g.sealed = append(g.sealed, seg)
	return nil
}

// scanSegment builds the index of a segment from its frames. In the last one they end where no whole frame begins; in
// any other one that would be damage.
func (s *Store) scanSegment(f *found, last bool) (*segmentIndex, error) {
	file, err := s.opts.FS.Open(s.segs.path(segmentName(f.header.number)))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	end := f.size
	if f.bound > 0 {
		end = f.bound
	}
	x, err := indexFrames(file, f.header.number, end, s.opts.tuning.indexStride)
	if err == nil || !last || !errors.Is(err, ErrCorrupt) {
		return x, err
	}
	s.logger.Info("stream log: cut at the last whole frame", "segment", f.header.number, "pos", x.end, "found", err)
	return x, file.SyncData()
}

// indexFrames reads all frames of a segment up to end. With an error it returns what comes before the damage.
func indexFrames(file vfs.File, number uint64, end, stride int64) (*segmentIndex, error) {
	x := &segmentIndex{number: number, end: segmentHeaderBytes}
	runs := map[shardKey]*run{}
	fr := newFrameReader(file, number, segmentHeaderBytes, end, 1<<20)
	defer fr.close()
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

// adopt gives a recovered run to its shard; false if nobody wants it any more.
func (s *Store) adopt(r *run) bool {
	st := s.numbers[r.stream]
	if st == nil {
		return false
	}
	sh := st.layout.Load().shard(r.index)
	if sh == nil || r.created != sh.created || r.last <= sh.tip {
		return false // trimmed: the floor is above it
	}
	sh.runs = append(sh.runs, r)
	sh.tip, sh.lastArrival = r.last, r.lastArrival
	sh.next = r.last + 1
	return true
}

// readIndex returns the index of a segment, nil if there is none that can be used.
func (g *segments) readIndex(number uint64) (*segmentIndex, error) {
	b, err := readFile(g.fs, g.path(indexName(number)), maxIndexBytes)
	if err != nil || b == nil {
		return nil, err
	}
	x, err := decodeIndex(b)
	if err != nil || x.number != number {
		return nil, nil // it is derived: the segment is read instead
	}
	return x, nil
}

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
	sealed := map[uint64]bool{}
	for _, seg := range s.segs.sealed {
		sealed[seg.number] = true
	}
	for _, name := range names {
		number, isIndex := parseName(name, indexSuffix)
		_, isTemp := parseName(name, indexSuffix+tempSuffix)
		if name == recycledName || isTemp || isIndex && !sealed[number] {
			s.segs.void = append(s.segs.void, name)
		}
	}
}
