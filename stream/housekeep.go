package stream

import (
	"errors"
	"io/fs"
	"slices"
	"time"

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

// housekeep prepares the next segment, seals full ones, and frees what has expired. Each part that fails is tried again in
// the next round; the log works on without it.
func (s *Store) housekeep() {
	s.segs.removeVoid()
	for _, part := range []func() error{
		func() error { return s.segs.prepareSpare(s.opts.SegmentBytes) },
		s.sealAll,
		s.mendIndexes,
		s.trim,
		s.segs.zeroSpare,
	} {
		if err := part(); err != nil {
			s.logger.Warn("stream log: housekeeping failed, will be tried again", "error", err)
		}
	}
}

// writeFile puts a whole file in place, durable except for its name.
func writeFile(fs vfs.FS, name string, content []byte) error {
	temp := name + tempSuffix
	f, err := fs.Create(temp, vfs.Category)
	if err != nil {
		return err
	}
	if _, err := f.Write(slices.Clone(content)); err != nil { // a Write may change what it is given
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return fs.Rename(temp, name)
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
