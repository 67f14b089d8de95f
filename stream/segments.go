package stream

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/weir-data/weir/internal/vfs"
)

// segments is the set of segment files: the active one that the writer appends to, the sealed ones, and a spare.
type segments struct {
	fs     vfs.FS
	dir    string
	opts   *Options
	number atomic.Uint64 // last number given to a file

	active  *active // used by the writer only
	last    uint64  // the last segment before the active one that has durable frames, and where they end;
	lastEnd int64   // used by the writer only

	spares sync.Mutex // held while a spare is made

	blocks *blockCache   // of the indexes of sealed segments
	kick   chan struct{} // wakes the housekeeper; nil where nobody waits

	mu       sync.Mutex // guards the fields below; held across no write or sync
	spare    *spare
	sealed   []*segment // by number; found through their indexes; never changed in place
	unsealed []*segment // by number, all later than the sealed ones; their runs are in memory
	recycled bool       // there is a file recycledName
	void     []string   // names of files that are of no more use
	files    map[uint64]*readHandle
}

// segment is a file with frames, or the active one.
type segment struct {
	number uint64
	size   int64        // of the file
	end    atomic.Int64 // of the durable frames

	// Guarded by segments.mu.
	runs    []*run // until it is sealed
	head    indexHead
	image   []byte // the index, while its file could not be written
	damaged bool   // the index file could not be read
	readers int    // scans under way; the file is not recycled before they end
	freed   bool

	// A stream that has records in the segment and the greatest arrival of them: as long as it keeps those, nothing else
	// need be asked. Used by the housekeeper only.
	witness streamSpan
}

// active is the segment that the writer appends to.
type active struct {
	*segment
	file    vfs.File
	synced  bool  // the header and a group are durable
	touched int64 // the page behind those that are known to be in memory; past the file if all need no reading
}

const pageBytes = 4096

var zeroPage [pageBytes]byte

// touch overwrites the page of a file used again in which a group will end, as a whole, so that nobody has to read what
// was there. The pages before it are overwritten by the group.
func (a *active) touch(end int64) error {
	page := end / pageBytes * pageBytes
	if page < a.touched || page+pageBytes > a.size {
		return nil
	}
	a.touched = page + pageBytes
	_, err := a.file.WriteAt(zeroPage[:], page)
	return err
}

func (g *segments) path(name string) string { return g.fs.PathJoin(g.dir, name) }

// syncDir makes the names in the folder durable.
func (g *segments) syncDir() error {
	d, err := g.fs.OpenDir(g.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// roll begins a new segment. What the active one holds up to its end stays; whatever was written past it is void.
func (g *segments) roll(now int64) error {
	prev, prevEnd := g.chain()
	s, err := g.takeSpare()
	if err != nil {
		return fmt.Errorf("begin a segment: %w", err)
	}
	h := segmentHeader{number: s.number, state: stateInUse, prev: prev, prevEnd: prevEnd, created: now}
	// No sync here: the header becomes durable with the first group.
	if _, err := s.file.WriteAt(h.encode(), 0); err != nil {
		g.discard(s)
		return fmt.Errorf("begin segment %d: %w", s.number, err)
	}
	g.retire()
	seg := &segment{number: s.number, size: s.size}
	seg.end.Store(segmentHeaderBytes)
	g.active = &active{segment: seg, file: s.file, touched: math.MaxInt64}
	if s.recycled {
		g.active.touched = segmentHeaderBytes
	}
	return nil
}

// chain is where the log ends: the last segment with durable frames, and its end.
func (g *segments) chain() (number uint64, end int64) {
	if g.active != nil && g.active.synced {
		return g.active.number, g.active.end.Load()
	}
	return g.last, g.lastEnd
}

// retire ends the active segment, or drops it if nothing in it became durable.
func (g *segments) retire() {
	a := g.active
	if a == nil {
		return
	}
	g.last, g.lastEnd = g.chain()
	g.active = nil
	a.file.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.synced {
		g.unsealed = append(g.unsealed, a.segment)
	} else {
		g.void = append(g.void, segmentName(a.number))
	}
}

// nextSize is how much the segment after the active one will take.
func (g *segments) nextSize() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spare != nil {
		return g.spare.size
	}
	return g.opts.SegmentBytes
}

// addRun notes that the active segment holds records of one more shard.
func (g *segments) addRun(r *run) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r.segment.runs = append(r.segment.runs, r)
}

// readHandle is an open file of which readers share the descriptor.
type readHandle struct {
	file vfs.File
	refs int
}

// maxIdleFiles bounds the descriptors kept open for the next reader.
const maxIdleFiles = 32

// errFreed says that retention was faster than a reader.
var errFreed = errors.New("segment is freed")

// acquire opens a segment for reading; the file is not recycled before release.
func (g *segments) acquire(s *segment) (vfs.File, error) {
	g.mu.Lock()
	if s.freed {
		g.mu.Unlock()
		return nil, errFreed
	}
	if h := g.files[s.number]; h != nil {
		h.refs++
		s.readers++
		g.mu.Unlock()
		return h.file, nil
	}
	s.readers++
	g.mu.Unlock()
	f, err := g.fs.Open(g.path(segmentName(s.number)))
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		s.readers--
		return nil, fmt.Errorf("open segment %d: %w", s.number, err)
	}
	if h := g.files[s.number]; h != nil { // another reader was faster
		f.Close()
		h.refs++
		return h.file, nil
	}
	g.files[s.number] = &readHandle{file: f, refs: 1}
	return f, nil
}

func (g *segments) release(s *segment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.readers--
	g.files[s.number].refs--
	if len(g.files) <= maxIdleFiles {
		return
	}
	for n, h := range g.files {
		if h.refs == 0 {
			h.file.Close()
			delete(g.files, n)
			return
		}
	}
}

// forgetLocked closes the descriptor of a segment that nobody reads any more.
func (g *segments) forgetLocked(number uint64) {
	if h := g.files[number]; h != nil {
		h.file.Close()
		delete(g.files, number)
	}
}

func (g *segments) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	if g.active != nil {
		errs = append(errs, g.active.file.Close())
	}
	if g.spare != nil {
		errs = append(errs, g.spare.file.Close())
	}
	for _, h := range g.files {
		errs = append(errs, h.file.Close())
	}
	clear(g.files)
	return errors.Join(errs...)
}
