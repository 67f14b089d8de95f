package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// floor is how far a shard had come when the segment with its newest record was freed.
type floor struct {
	Counter uint64
	Arrival int64 // Unix milliseconds, of the record with that counter
}

// trim frees the sealed segments that nobody wants any more: their records have expired, or the streams are deleted. How
// far the counters of shards had come that have nothing newer is made durable first, so that no number is ever given
// out twice.
func (s *Store) trim() error {
	now := s.opts.Now()
	var old []*segment
	var errs []error
	durable := true // the index of the one before
	for _, seg := range s.segs.sealedSegments() {
		wanted, err := s.wanted(seg, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("look for expired records: %w", err))
		}
		// The header of a segment may be the only place that says where the one before it ends.
		if !wanted && durable {
			old = append(old, seg)
		}
		durable = s.segs.hasIndexFile(seg)
	}
	if len(old) > 0 {
		err := s.saveFloors(old)
		if err == nil {
			err = s.segs.free(old)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (g *segments) hasIndexFile(seg *segment) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return seg.image == nil && !seg.damaged
}

// wanted reports whether a sealed segment has a record that has not expired. As a rule one stream is asked, the witness.
func (s *Store) wanted(seg *segment, now time.Time) (bool, error) {
	if s.keeps(seg.witness, now) {
		return true, nil
	}
	spans, err := s.segs.streamsOf(seg)
	if err != nil {
		return true, err
	}
	for _, span := range spans {
		if s.keeps(span, now) {
			seg.witness = span
			return true, nil
		}
	}
	return false, nil
}

// keeps reports whether a stream's records up to a time have not all expired.
func (s *Store) keeps(span streamSpan, now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.numbers[span.stream]
	return st != nil && span.maxArrival >= st.horizon(now)
}

// saveFloors notes where the shards stand whose newest record is in one of segs.
func (s *Store) saveFloors(segs []*segment) error {
	batch := new(meta.Batch)
	shards := s.shardsByKey()
	for _, seg := range segs {
		err := s.segs.directory(seg, func(e *dirEntry) {
			sh := shards[e.shardKey]
			if sh == nil || e.first == 0 {
				return
			}
			sh.mu.Lock()
			newest := sh.tip == e.last && !sh.dead
			sh.mu.Unlock()
			if newest {
				raw, _ := json.Marshal(floor{e.last, e.lastArrival}) // two numbers
				batch.Put(s.spaces.floors, floorKey(e.shardKey), raw)
			}
		})
		if err != nil {
			return err
		}
	}
	if batch.Len() == 0 {
		return nil
	}
	return s.spaces.store.Commit(batch)
}

// free recycles or removes sealed segments that nobody reads.
func (g *segments) free(segs []*segment) error {
	g.mu.Lock()
	var freed []*segment
	for _, seg := range segs {
		if seg.readers == 0 {
			seg.freed = true
			g.forgetLocked(seg.number)
			freed = append(freed, seg)
		}
	}
	g.sealed = slices.DeleteFunc(slices.Clone(g.sealed), func(seg *segment) bool { return seg.freed })
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
