package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// A reshard closes shards and opens others in their place, while records come and are read. In this order: Puts to the
// stream are held back; the groups under way become durable; the stream's document, with the new shards in it, is made
// durable; then everybody sees the new shards, and the Puts go on to them. So all records of a shard stand before its
// end, and no child has a record that a crash could leave without its shard. After a crash the reshard has happened,
// with empty children, or it has not.

// SplitShard closes an open shard and opens two in its place; the second begins at the hash key at. A key that is not
// more than one past the shard's first and less than its last gives ErrSplitPoint; a closed shard ErrShardClosed, one
// that does not exist ErrNoShard.
func (s *Store) SplitShard(ctx context.Context, stream, shard string, at HashKey) error {
	return s.reshard(ctx, stream, func(r *reshaping) error {
		place, err := r.openPlace(shard)
		if err != nil {
			return err
		}
		if !r.shards[place].Range.divides(at) {
			return fmt.Errorf("%s at %s: %w", shard, at, ErrSplitPoint)
		}
		r.split(place, at)
		return nil
	})
}

// MergeShards closes two open shards with adjacent hash ranges, given in either order, and opens one in their place.
// Others give ErrNotAdjacent or ErrShardClosed.
func (s *Store) MergeShards(ctx context.Context, stream, shard, adjacentShard string) error {
	return s.reshard(ctx, stream, func(r *reshaping) error {
		a, err := r.openPlace(shard)
		if err != nil {
			return err
		}
		b, err := r.openPlace(adjacentShard)
		if err != nil {
			return err
		}
		if !adjacent(r.shards[a].Range, r.shards[b].Range) {
			return fmt.Errorf("%s and %s: %w", shard, adjacentShard, ErrNotAdjacent)
		}
		r.merge(a, b)
		return nil
	})
}

// UpdateShardCount splits and merges pair by pair until target open shards cover equal parts of the hash space. It
// returns how many there were.
func (s *Store) UpdateShardCount(ctx context.Context, stream string, target int) (before int, err error) {
	err = s.reshard(ctx, stream, func(r *reshaping) error {
		before, r.counted = len(r.open()), true
		return r.scaleTo(target)
	})
	return before, err
}

// widen splits the shards of a stream if it has fewer than n open ones.
func (s *Store) widen(ctx context.Context, stream string, n int) error {
	return s.reshard(ctx, stream, func(r *reshaping) error {
		if len(r.open()) >= n {
			return nil
		}
		return r.scaleTo(n)
	})
}

// reshard changes the shards of a stream as plan does. An error of plan means that nothing changes.
func (s *Store) reshard(ctx context.Context, name string, plan func(*reshaping) error) error {
	s.change.Lock()
	defer s.change.Unlock()
	st, err := s.lookup(name)
	if err != nil {
		return err
	}
	doc := st.doc // only holders of s.change write it
	r := newReshaping(&doc)
	if err := plan(r); err != nil {
		return fmt.Errorf("reshard stream %q: %w", name, err)
	}
	if !r.changed() && !r.counted {
		return nil
	}
	if err := s.freeze(ctx, st); err != nil {
		return fmt.Errorf("reshard stream %q: %w", name, err)
	}
	defer s.thaw(st)
	now := s.opts.Now()
	r.date(now, func(index uint32) int64 { return st.lastArrival(index) })
	doc.Shards, doc.NextShard = r.shards, r.next
	if r.counted {
		doc.Changes.ShardCount = noteChange(doc.Changes.ShardCount, now)
	}
	if err := meta.Save(s.spaces.streams, name, doc); err != nil {
		return fmt.Errorf("reshard stream %q: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.use(doc)
	l := st.newLayout(st.layout.Load(), doc.Shards)
	st.layout.Store(l)
	l.close(doc.Shards) // last: who sees a shard end can find its children
	return nil
}

// errResharded says that the shards of a stream are not, or will soon not be, what a Put thought.
var errResharded = errors.New("stream is being resharded")

// freeze holds back Puts to a stream and returns when all that came before are answered.
func (s *Store) freeze(ctx context.Context, st *streamState) error {
	s.appendMu.Lock()
	if s.stopped {
		s.appendMu.Unlock()
		return ErrClosed
	}
	st.frozen = make(chan struct{})
	newest := s.newest
	s.appendMu.Unlock()
	if newest == nil {
		return nil
	}
	select {
	case <-newest.done: // whether it failed or not: what counts is how far readers can see
		return nil
	case <-ctx.Done():
		s.thaw(st)
		return ctx.Err()
	}
}

// thaw lets the Puts go on.
func (s *Store) thaw(st *streamState) {
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	close(st.frozen)
	st.frozen = nil
}

// awaitReshard returns when no reshard is under way.
func (s *Store) awaitReshard(ctx context.Context, st *streamState) error {
	s.appendMu.Lock()
	frozen := st.frozen
	s.appendMu.Unlock()
	if frozen == nil {
		return nil
	}
	select {
	case <-frozen:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return ErrClosed
	}
}

// lastArrival is when the last record of a shard arrived, in Unix milliseconds; 0 if it never had one.
func (st *streamState) lastArrival(index uint32) int64 {
	sh := st.layout.Load().shard(index)
	if sh == nil { // just being made
		return 0
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.lastArrival
}

// tendShards is what the housekeeper does that waits for the writer, or for others who change streams.
func (s *Store) tendShards() {
	if err := s.forgetShards(); err != nil {
		s.logger.Warn("stream log: expired shards are still listed, will be tried again", "error", err)
	}
	s.autoscale()
}

// forgetShards takes the closed shards whose records have all expired out of their streams.
func (s *Store) forgetShards() error {
	for _, st := range s.allStreams() {
		if err := s.forgetShardsOf(st.name); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

func (s *Store) forgetShardsOf(name string) error {
	s.change.Lock()
	defer s.change.Unlock()
	st, err := s.lookup(name)
	if err != nil {
		return err
	}
	expired := st.expiredShards(s.opts.Now())
	if len(expired) == 0 {
		return nil
	}
	doc := st.doc
	doc.Shards = slices.DeleteFunc(slices.Clone(doc.Shards), func(d shardDoc) bool { return expired[d.Index] != nil })
	raw, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("stream %q: %w", name, err)
	}
	batch := new(meta.Batch)
	batch.Put(s.spaces.streams, name, raw)
	for _, sh := range expired {
		batch.Delete(s.spaces.floors, floorKey(sh.shardKey))
	}
	if err := s.spaces.store.Commit(batch); err != nil {
		return fmt.Errorf("stream %q: forget expired shards: %w", name, err)
	}
	s.mu.Lock()
	st.use(doc)
	st.layout.Store(st.newLayout(st.layout.Load(), doc.Shards))
	s.mu.Unlock()
	for _, sh := range expired {
		sh.retire()
	}
	return nil
}

// expiredShards are the closed shards whose records have all expired, by index. No parent is missing whose child is
// there, for it was closed no later.
func (st *streamState) expiredShards(now time.Time) map[uint32]*shard {
	l := st.layout.Load()
	if len(l.all) == len(l.open) {
		return nil
	}
	expired := map[uint32]*shard{}
	for _, sh := range l.all {
		sh.mu.Lock()
		if sh.expiredLocked(sh.horizon(now)) {
			expired[sh.index] = sh
		}
		sh.mu.Unlock()
	}
	return expired
}

// allStreams are the streams now.
func (s *Store) allStreams() []*streamState {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.numbers))
}
