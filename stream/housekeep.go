package stream

import (
	"errors"
	"io/fs"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// keepHouse is the goroutine that does what no Put should wait for.
func (s *Store) keepHouse() {
	defer close(s.kept)
	every := time.NewTicker(s.opts.tuning.trimEvery)
	defer every.Stop()
	for {
		select {
		case <-s.kick:
		case <-every.C:
		case <-s.closing:
			return
		}
		s.housekeep()
		s.tendShards()
	}
}

// kickHousekeeper asks for a round soon.
func (s *Store) kickHousekeeper() {
	if s.opts.tuning.inline {
		s.housekeep()
		return
	}
	select {
	case s.kick <- struct{}{}:
	default: // one is due already
	}
}

// housekeep prepares the next segment, indexes sealed ones, and frees what has expired. Each part that fails is tried
// again in the next round; the log works on without it.
func (s *Store) housekeep() {
	s.segs.removeVoid()
	for _, part := range []func() error{
		func() error { return s.segs.prepareSpare(s.opts.SegmentBytes) },
		s.segs.sealAll,
		s.trim,
		s.segs.free,
		s.segs.zeroSpare,
	} {
		if err := part(); err != nil {
			s.logger.Warn("stream log: housekeeping failed, will be tried again", "error", err)
		}
	}
}

// sealAll writes the index of each sealed segment that has none.
func (g *segments) sealAll() error {
	g.mu.Lock()
	var todo []*segment
	for _, seg := range g.sealed {
		if !seg.indexed && !seg.freed {
			todo = append(todo, seg)
		}
	}
	g.mu.Unlock()
	for _, seg := range todo {
		if err := g.seal(seg); err != nil {
			return err
		}
	}
	return nil
}

func (g *segments) seal(seg *segment) error {
	g.mu.Lock()
	x := segmentIndex{number: seg.number, end: seg.end.Load(), runs: seg.liveRunsLocked()}
	g.mu.Unlock()
	name := g.path(indexName(seg.number))
	if err := writeFile(g.fs, name, x.encode()); err != nil {
		return err
	}
	if err := g.syncDir(); err != nil {
		return err
	}
	g.mu.Lock()
	seg.indexed = true
	g.mu.Unlock()
	return nil
}

// liveRunsLocked takes the dropped runs out and returns the others.
func (seg *segment) liveRunsLocked() []*run {
	var live []*run
	for _, r := range seg.runs {
		if !r.dropped.Load() {
			live = append(live, r)
		}
	}
	seg.runs = live
	return live
}

// writeFile puts a whole file in place, durable except for its name.
func writeFile(fs vfs.FS, name string, content []byte) error {
	temp := name + tempSuffix
	f, err := fs.Create(temp, vfs.Category)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return fs.Rename(temp, name)
}

// floor is what remains known of a shard when its records have expired.
type floor struct {
	Counter uint64
	Arrival int64 // Unix milliseconds, of the record with that counter
}

// trim drops the runs whose records have all expired. How far the counters had come is made durable first, so that
// no number is ever given out twice.
func (s *Store) trim() error {
	now := s.opts.Now()
	for _, st := range s.allStreams() {
		for _, sh := range st.layout.Load().all {
			if err := s.trimShard(sh, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) trimShard(sh *shard, now time.Time) error {
	horizon := sh.horizon(now)
	sh.mu.Lock()
	expired := 0
	// The last run stays: the writer may be adding to it.
	for expired < len(sh.runs)-1 && sh.runs[expired].maxArrival < horizon {
		expired++
	}
	if n := len(sh.runs); n > 0 && expired == n-1 && sh.runs[n-1].maxArrival < horizon && s.segs.isSealed(sh.runs[n-1].segment) {
		expired++
	}
	drop := sh.runs[:expired]
	sh.mu.Unlock()
	if expired == 0 {
		return nil
	}
	last := drop[expired-1]
	if err := meta.Save(s.spaces.floors, floorKey(sh.shardKey), floor{last.last, last.lastArrival}); err != nil {
		return err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.dead {
		return nil
	}
	for _, r := range drop {
		r.dropped.Store(true)
	}
	sh.runs = append([]*run(nil), sh.runs[expired:]...)
	return nil
}

func (g *segments) isSealed(seg *segment) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.sealed {
		if s == seg {
			return true
		}
	}
	return false
}

// free recycles or removes sealed segments without live records. A segment is freed only when the one before it is
// indexed: until then its header is the only place that says where that one ends.
func (g *segments) free() error {
	g.mu.Lock()
	var kept, freed []*segment
	for i, seg := range g.sealed {
		before := i == 0 || g.sealed[i-1].freed || g.sealed[i-1].indexed
		if len(seg.liveRunsLocked()) > 0 || seg.readers > 0 || !before {
			kept = append(kept, seg)
			continue
		}
		seg.freed = true
		g.forgetLocked(seg.number)
		freed = append(freed, seg)
	}
	g.sealed = kept
	g.mu.Unlock()
	if len(freed) == 0 {
		return nil
	}
	g.drop(freed)
	// An index goes only when its segment is durably gone: without it the segment might look damaged.
	if err := g.syncDir(); err != nil {
		return err
	}
	g.mu.Lock()
	for _, seg := range freed {
		g.void = append(g.void, indexName(seg.number))
	}
	g.mu.Unlock()
	g.removeVoid()
	return nil
}

// recycledName is a segment file that waits to become a spare.
const recycledName = "recycled" + tempSuffix

// drop removes segment files, but keeps one for the next spare.
func (g *segments) drop(segs []*segment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, seg := range segs {
		name := segmentName(seg.number)
		if !g.recycled && seg.size >= g.opts.SegmentBytes && g.fs.Rename(g.path(name), g.path(recycledName)) == nil {
			g.recycled = true
			continue
		}
		g.void = append(g.void, name)
	}
	names := g.void
	g.void = nil
	for _, name := range names {
		g.removeLocked(name)
	}
}

// removeVoid removes files that are of no more use.
func (g *segments) removeVoid() {
	g.mu.Lock()
	defer g.mu.Unlock()
	names := g.void
	g.void = nil
	for _, name := range names {
		g.removeLocked(name)
	}
}

// removeLocked removes a file; what cannot be removed is tried again later.
func (g *segments) removeLocked(name string) {
	if err := g.fs.Remove(g.path(name)); err != nil && !isNotExist(err) {
		g.void = append(g.void, name)
	}
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
