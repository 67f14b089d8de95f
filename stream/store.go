package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sort"
	"sync"
	"time"

	"github.com/weir-data/weir/internal/vfs"
)

// Store is all streams of one data directory. Safe for concurrent use.
type Store struct {
	opts   Options
	logger *slog.Logger
	spaces spaces
	lock   io.Closer
	segs   *segments
	pool   *chunkPool

	change sync.Mutex // held across changes of streams, metadata writes included

	mu      sync.RWMutex // guards the maps and the docs of the streams; held across no disk operation
	streams map[string]*streamState
	numbers map[uint64]*streamState

	appendMu    sync.Mutex // guards the fields below and every shard's next; held across no disk operation
	work        *sync.Cond // the queue has grown, or stopped is set
	stopped     bool
	queue       []*group
	queued      int64  // bytes of groups that are not yet answered
	open        *group // the last of the queue, while Puts may still be added to it
	newest      *group // the last one made; when it is answered all are that came before
	filling     *chunk // where the next group goes
	segmentUsed int64  // of the segment that filling belongs to
	segmentSize int64

	sealing sync.Mutex // held while segments are sealed

	tail       tail            // used by the writer only
	activeRuns map[*shard]*run // used by the writer only
	written    chan struct{}   // closed when the writer has ended

	metered time.Time // when autoscale last looked; used by the housekeeper only

	closing chan struct{} // closed by Close
	kick    chan struct{} // something for the housekeeper
	kept    chan struct{} // closed when the housekeeper has ended
}

// Open recovers the log in opts.Dir: a torn tail is cut at the last whole frame, nothing else is changed. On a full disk
// it opens all the same, for reading and until there is room. A second Open of the same folder gives an error while the
// first Store is open.
func Open(opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if opts.SegmentBytes > 1<<30 || opts.SegmentBytes < 4*segmentHeaderBytes {
		return nil, fmt.Errorf("open stream log: segments of %d bytes are not possible", opts.SegmentBytes)
	}
	s := newStore(opts)
	if err := s.prepare(); err != nil {
		if s.lock != nil {
			s.segs.close()
			s.lock.Close()
		}
		return nil, fmt.Errorf("open stream log %s: %w", opts.Dir, err)
	}
	go s.write()
	go s.keepHouse()
	return s, nil
}

func newStore(opts Options) *Store {
	s := &Store{
		opts:       opts,
		logger:     opts.Logger,
		spaces:     newSpaces(opts.Meta),
		pool:       &chunkPool{size: opts.tuning.chunkBytes},
		streams:    map[string]*streamState{},
		numbers:    map[uint64]*streamState{},
		tail:       tail{limit: opts.CacheBytes},
		activeRuns: map[*shard]*run{},
		written:    make(chan struct{}),
		closing:    make(chan struct{}),
		kick:       make(chan struct{}, 1),
		kept:       make(chan struct{}),
	}
	s.work = sync.NewCond(&s.appendMu)
	s.segs = &segments{fs: opts.FS, dir: opts.Dir, opts: &s.opts, files: map[uint64]*readHandle{}, blocks: newBlockCache(opts.tuning.indexBytes)}
	if !opts.tuning.inline { // else it belongs to the writer
		s.segs.kick = s.kick
	}
	return s
}

// prepare takes the folder, loads the streams, recovers their records and makes the first segment.
func (s *Store) prepare() error {
	fs := s.opts.FS
	if err := vfs.MakeDir(fs, s.opts.Dir); err != nil {
		return err
	}
	lock, err := fs.Lock(fs.PathJoin(s.opts.Dir, "LOCK"))
	if err != nil {
		return fmt.Errorf("the folder is in use: %w", err)
	}
	s.lock = lock
	if err := s.loadStreams(); err != nil {
		return err
	}
	if err := s.recover(); err != nil {
		return err
	}
	if err := s.segs.prepareSpare(s.opts.tuning.firstSegmentBytes); err != nil {
		// A full disk must not keep anyone from reading; the next Put tries again.
		s.logger.Warn("stream log: no segment could be prepared", "error", err)
	}
	s.kickHousekeeper()
	return nil
}

// Close stops accepting records, finishes those under way and releases the directory.
func (s *Store) Close() error {
	s.appendMu.Lock()
	if s.stopped {
		s.appendMu.Unlock()
		return ErrClosed
	}
	s.stopped = true
	s.work.Broadcast()
	s.appendMu.Unlock()
	close(s.closing)
	<-s.written
	<-s.kept

	s.segs.retire()
	errs := []error{s.sealAll(), s.segs.close(), s.lock.Close()}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close stream log %s: %w", s.opts.Dir, err)
	}
	return nil
}

// Shard returns a handle on a shard of a stream.
func (s *Store) Shard(stream, id string) (Shard, error) {
	st, err := s.lookup(stream)
	if err != nil {
		return Shard{}, err
	}
	index, ok := ParseShardID(id)
	if !ok {
		return Shard{}, fmt.Errorf("stream %q shard %q: %w", stream, id, ErrNoShard)
	}
	return st.shard(s, index)
}

// ShardOf returns a handle on a shard of the incarnation of a stream that has the given number; a deleted one gives
// ErrNotFound also when there is a new stream of the same name.
func (s *Store) ShardOf(incarnation uint64, index uint32) (Shard, error) {
	s.mu.RLock()
	st := s.numbers[incarnation]
	s.mu.RUnlock()
	if st == nil {
		return Shard{}, fmt.Errorf("stream number %d: %w", incarnation, ErrNotFound)
	}
	return st.shard(s, index)
}

func (s *Store) lookup(name string) (*streamState, error) {
	s.mu.RLock()
	st := s.streams[name]
	s.mu.RUnlock()
	if st == nil {
		return nil, fmt.Errorf("stream %q: %w", name, ErrNotFound)
	}
	return st, nil
}

// ShardInfo describes a shard; Closed shards have a last sequence number.
type ShardInfo struct {
	ID        string
	Parents   []string
	Children  []string
	Closed    bool
	First     SeqNum // StartingSequenceNumber
	Last      SeqNum // EndingSequenceNumber of a closed shard
	HashStart HashKey
	HashEnd   HashKey   // included
	Created   time.Time // to the second
	ClosedAt  time.Time // of a closed shard
}

// Shards lists the shards of a stream by id, closed ones included while they may hold records.
func (s *Store) Shards(ctx context.Context, stream string) (infos []ShardInfo, err error) {
	err = s.ShardsAfter(ctx, stream, -1, func(info ShardInfo) bool {
		infos = append(infos, info)
		return true
	})
	return infos, err
}

// ShardsAfter calls f with the shards that Shards lists and whose index is greater than after, by id, until f returns
// false. They are those of one moment, during which f must not use the Store.
func (s *Store) ShardsAfter(ctx context.Context, stream string, after int64, f func(ShardInfo) bool) error {
	s.mu.RLock() // a reshard is seen whole
	defer s.mu.RUnlock()
	st := s.streams[stream]
	if st == nil {
		return fmt.Errorf("stream %q: %w", stream, ErrNotFound)
	}
	all := st.layout.Load().all
	from := sort.Search(len(all), func(i int) bool { return int64(all[i].index) > after })
	now := s.opts.Now()
	for _, sh := range all[from:] {
		sh.mu.Lock()
		expired, info := sh.expiredLocked(sh.horizon(now)), sh.infoLocked()
		sh.mu.Unlock()
		if !expired && !f(info) {
			break
		}
	}
	return nil
}
