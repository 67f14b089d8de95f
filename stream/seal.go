package stream

import (
	"fmt"
	"maps"
	"slices"
)

// maxUnsealed bounds the segments whose runs are in memory, and that a start after a crash has to read.
const maxUnsealed = 4

// sealAll writes the index of each full segment that has none, the oldest first, since each says how far the shards had
// come. Then readers find it through its index, and its runs leave the memory.
func (s *Store) sealAll() error {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	for {
		seg := s.segs.oldestUnsealed()
		if seg == nil {
			return nil
		}
		if err := s.seal(seg); err != nil {
			return fmt.Errorf("write the index of segment %d: %w", seg.number, err)
		}
	}
}

func (g *segments) oldestUnsealed() *segment {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.unsealed) == 0 {
		return nil
	}
	return g.unsealed[0]
}

// unsealedCount is the number of full segments without an index.
func (g *segments) unsealedCount() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.unsealed)
}

func (s *Store) seal(seg *segment) error {
	shards := s.shardsByKey()
	s.segs.mu.Lock()
	runs := slices.DeleteFunc(seg.runs, func(r *run) bool { return shards[r.shardKey] == nil })
	seg.runs = runs
	s.segs.mu.Unlock()
	before := map[shardKey]standing{}
	for key, sh := range shards {
		sh.mu.Lock()
		before[key] = sh.sealed
		sh.mu.Unlock()
	}
	standings := advance(before, runs)
	content := encodeIndex(seg.number, seg.end.Load(), seg.size, standings, runs)
	if err := s.segs.putIndex(seg.number, content); err != nil {
		return err
	}
	if err := s.segs.setSealed(seg, content); err != nil {
		return err
	}
	for _, r := range runs {
		shards[r.shardKey].leaveMemory(r)
	}
	return nil
}

// shardsByKey are the shards of all streams.
func (s *Store) shardsByKey() map[shardKey]*shard {
	all := map[shardKey]*shard{}
	for _, st := range s.allStreams() {
		for _, sh := range st.layout.Load().all {
			all[sh.shardKey] = sh
		}
	}
	return all
}

// advance returns how far the shards had come when the records of runs were added to what was before, sorted like runs
// are by it. Shards that never had a record are left out.
func advance(before map[shardKey]standing, runs []*run) []standing {
	slices.SortFunc(runs, func(a, b *run) int { return compareKeys(a.shardKey, b.shardKey) })
	for _, r := range runs {
		before[r.shardKey] = r.standing(before[r.shardKey])
	}
	maps.DeleteFunc(before, func(_ shardKey, st standing) bool { return st.last == 0 })
	return slices.SortedFunc(maps.Values(before), func(a, b standing) int { return compareKeys(a.shardKey, b.shardKey) })
}

// putIndex makes an index file durable.
func (g *segments) putIndex(number uint64, content []byte) error {
	if err := writeFile(g.fs, g.path(indexName(number)), content); err != nil {
		return err
	}
	return g.syncDir()
}

// setSealed makes readers find the oldest unsealed segment through its index.
func (g *segments) setSealed(seg *segment, index []byte) error {
	head, err := decodeIndexHead(index)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	seg.head = head
	g.sealed = append(slices.Clip(g.sealed), seg)
	g.unsealed = g.unsealed[1:]
	seg.runs = nil
	return nil
}

// leaveMemory drops the oldest run, which from now on is found through the index of its segment.
func (sh *shard) leaveMemory(r *run) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.sealed = r.standing(sh.sealed)
	if len(sh.runs) > 0 && sh.runs[0] == r {
		sh.runs[0] = nil
		sh.runs = sh.runs[1:]
	}
}

// mendIndexes makes the indexes again that readers could not read, and writes those that could not be written.
func (s *Store) mendIndexes() error {
	for i, seg := range s.segs.sealedSegments() {
		s.segs.mu.Lock()
		image, damaged := seg.image, seg.damaged
		s.segs.mu.Unlock()
		var err error
		switch {
		case damaged:
			err = s.remakeIndex(s.segs.sealedSegments()[:i], seg)
		case image != nil:
			err = s.segs.replaceIndex(seg, image)
		}
		if err != nil {
			return fmt.Errorf("index of segment %d: %w", seg.number, err)
		}
	}
	return nil
}

// remakeIndex makes the index of a sealed segment from its frames and the index before it. One that cannot be written is
// kept in memory until it can.
func (s *Store) remakeIndex(earlier []*segment, seg *segment) error {
	x, err := s.segs.scan(seg.number, seg.end.Load(), s.opts.tuning.indexStride)
	if err != nil {
		return err
	}
	shards := s.shardsByKey()
	runs := slices.DeleteFunc(x.runs, func(r *run) bool { return shards[r.shardKey] == nil })
	before := map[shardKey]standing{}
	if n := len(earlier); n > 0 {
		err := s.segs.directory(earlier[n-1], func(e *dirEntry) {
			if shards[e.shardKey] != nil {
				before[e.shardKey] = e.standing
			}
		})
		if err != nil {
			return err
		}
	}
	s.logger.Info("stream log: made an index again from its segment", "segment", seg.number)
	return s.segs.replaceIndex(seg, encodeIndex(seg.number, seg.end.Load(), seg.size, advance(before, runs), runs))
}

// replaceIndex gives a sealed segment another index; one that cannot be written serves from memory all the same.
func (g *segments) replaceIndex(seg *segment, content []byte) error {
	head, err := decodeIndexHead(content)
	if err != nil {
		return err
	}
	g.mu.Lock()
	seg.head, seg.image, seg.damaged = head, content, false
	g.mu.Unlock()
	g.blocks.forget(seg.number)
	if err := g.putIndex(seg.number, content); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	seg.image = nil
	return nil
}
