package stream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"time"
)

// Page says what a Scan gave.
type Page struct {
	Records int
	Bytes   int64     // of data and keys
	Last    SeqNum    // of the last record given; the after of the call if there was none
	Arrival time.Time // of the last record given
	AtTip   bool      // nothing durable stood behind it
	Ended   bool      // the shard is closed, and nothing will ever stand behind it
}

// Scan calls f with the durable records of the shard that have a sequence number greater than after and have not
// expired, oldest first: at most limit records and about maxBytes of keys and data (always at least one if there is
// one). The slice, keys and data are valid only during the call of f.
func (sh Shard) Scan(ctx context.Context, after SeqNum, limit int, maxBytes int64, f func([]Record) error) (Page, error) {
	counter, ok := sh.counterOf(after)
	sc := scan{
		shard: sh.shard, store: sh.store, counter: counter, limit: limit, maxBytes: maxBytes, give: f,
		horizon: sh.horizon(sh.store.opts.Now()), page: Page{Last: after},
	}
	if !ok {
		sc.page.AtTip, sc.page.Ended = true, sh.isClosed()
		return sc.page, nil
	}
	for sc.more() {
		if err := ctx.Err(); err != nil {
			return sc.page, err
		}
		err := sc.step()
		if errors.Is(err, ErrKey) && sc.page.Records > 0 {
			return sc.page, nil // what stands before is readable; the next call begins with the error
		}
		if err != nil {
			return sc.page, fmt.Errorf("read stream %q %s: %w", sh.Stream(), sh.id, err)
		}
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.page.AtTip = sc.counter >= sc.tip
	sc.page.Ended = sc.page.AtTip && sc.closed
	return sc.page, nil
}

// scan is the state of one Scan.
type scan struct {
	*shard
	store    *Store
	counter  uint64 // of the last record that was given or passed over
	limit    int
	maxBytes int64
	horizon  int64 // Unix milliseconds
	give     func([]Record) error
	full     bool // the next record would exceed maxBytes
	page     Page
	recs     []Record
	cipher   *frameCipher // of the last encrypted frame
	plain    []byte       // its records
}

func (sc *scan) more() bool { return !sc.page.AtTip && !sc.full && sc.page.Records < sc.limit }

// framesAtOnce bounds the frames that one step pins in memory.
const framesAtOnce = 64

// step gives what stands next, from memory if it is there, else from disk.
func (sc *scan) step() error {
	var pinned [framesAtOnce]recentFrame
	sc.mu.Lock()
	if sc.dead {
		sc.mu.Unlock()
		return ErrNotFound
	}
	if sc.counter >= sc.tip {
		sc.page.AtTip = true
		sc.mu.Unlock()
		return nil
	}
	if frames := sc.recentLocked(); len(frames) > 0 {
		frames = pinned[:copy(pinned[:], frames)]
		for i := range frames {
			frames[i].chunk.retain()
		}
		sc.mu.Unlock()
		return sc.fromMemory(frames)
	}
	r, tip, sealed := sc.runLocked(), sc.tip, sc.sealed.last
	sc.mu.Unlock()
	if sc.counter < sealed {
		found, ok, err := sc.store.segs.runAfter(sc.shardKey, sc.counter)
		switch {
		case err != nil:
			return err
		case !ok: // freed
			sc.counter = sealed
			return nil
		}
		r = found
	}
	switch {
	case r.segment == nil: // all that was there has been freed
		sc.counter, sc.page.AtTip = tip, true
		return nil
	case r.maxArrival < sc.horizon:
		return sc.skipExpired(&r, sealed)
	}
	return sc.fromDisk(&r)
}

// skipExpired passes over a run whose records have all expired, and at once over those that follow it in sealed segments.
func (sc *scan) skipExpired(r *run, sealed uint64) error {
	sc.counter = r.last
	if sc.counter >= sealed {
		return nil
	}
	next, ok, err := sc.store.segs.runSince(sc.shardKey, sc.horizon)
	if err != nil {
		return err
	}
	before := sealed
	if ok {
		before = next.first - 1
	}
	sc.counter = max(sc.counter, before)
	return nil
}

// recentLocked are the frames in memory from the record after counter on; none if that record is only on disk.
func (sc *scan) recentLocked() []recentFrame {
	if len(sc.recent) == 0 || sc.recent[0].first > sc.counter+1 {
		return nil
	}
	i := sort.Search(len(sc.recent), func(i int) bool { return sc.recent[i].last > sc.counter })
	return sc.recent[i:]
}

// runLocked is the run in a segment that is not sealed which holds the record after counter, or the one that follows; the
// zero run if there is none. The copy stays valid while the writer adds to the run.
func (sc *scan) runLocked() run {
	for _, r := range sc.runs { // as many as there are unsealed segments
		if r.last > sc.counter {
			return *r
		}
	}
	return run{}
}

func (sc *scan) fromMemory(frames []recentFrame) (err error) {
	for _, f := range frames {
		if err == nil && sc.more() {
			var h frameHeader
			b := f.chunk.buf[f.off:]
			h, err = decodeFrameHeader(b, frameSegment(b))
			if err == nil {
				err = sc.emit(&h, b[frameHeaderBytes:h.size()])
			}
		}
		f.chunk.release()
	}
	return err
}

// fromDisk gives records of a run, extent after extent.
func (sc *scan) fromDisk(r *run) error {
	file, err := sc.store.segs.acquire(r.segment)
	if errors.Is(err, errFreed) {
		return nil // look again
	}
	if err != nil {
		return err
	}
	defer sc.store.segs.release(r.segment)
	fr := newFrameReader(file, r.segment.number, sc.store.opts.tuning.readBytes)
	defer fr.close()
	x, rest, err := r.extents.seek(r.segment.end.Load(), func(x extent) bool { return x.first <= sc.counter+1 })
	for ok := true; ok && err == nil; x, ok, err = rest.next() {
		fr.seek(x.pos, x.end)
		if err := sc.fromExtent(fr, r.last); err != nil {
			return err
		}
		if !sc.more() || sc.counter >= r.last {
			return nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%w: no record %d", ErrCorrupt, sc.counter+1)
	}
	return fmt.Errorf("segment %d: %w", r.segment.number, err)
}

// fromExtent gives the records of the shard between the place that fr stands at and its end. Damage that is none of theirs
// is passed over: within a segment their counters go on without a gap.
func (sc *scan) fromExtent(fr *frameReader, last uint64) error {
	var damage error
	for sc.more() && sc.counter < last {
		h, payload, at, err := fr.next()
		if err == io.EOF {
			return damage
		}
		if errors.Is(err, ErrCorrupt) {
			damage = cmp.Or(damage, fmt.Errorf("segment %d at %d: %w", fr.number, at, err))
			next, err := nextFrame(fr.file, fr.number, at+1, fr.end)
			if err != nil || next == fr.end {
				return damage
			}
			fr.seek(next, fr.end)
			continue
		}
		if err == nil && h.shardKey == sc.shardKey && h.last() > sc.counter {
			if damage != nil && h.first > sc.counter+1 {
				return damage
			}
			damage = nil
			if err = h.checkPayload(payload); err == nil {
				err = sc.emit(&h, payload)
			}
		}
		if err != nil {
			return fmt.Errorf("segment %d at %d: %w", fr.number, at, err)
		}
	}
	return nil
}

// emit gives the records of a frame that are wanted.
func (sc *scan) emit(h *frameHeader, payload []byte) error {
	if h.arrival < sc.horizon {
		sc.counter = h.last()
		return nil
	}
	if h.key != 0 {
		if sc.store == nil { // see ReadPlaces
			return errEncrypted
		}
		var err error
		if payload, err = sc.decrypt(h, payload); err != nil {
			return err
		}
	}
	recs, err := h.appendRecords(sc.recs[:0], payload)
	if err != nil {
		return err
	}
	sc.recs = recs[:0]
	if h.first <= sc.counter {
		recs = recs[sc.counter+1-h.first:]
	}
	recs = recs[:min(len(recs), sc.limit-sc.page.Records)]
	n := 0
	for ; n < len(recs); n++ {
		size := int64(len(recs[n].Data) + len(recs[n].PartitionKey))
		if sc.page.Bytes+size > sc.maxBytes && sc.page.Records+n > 0 {
			sc.full = true
			break
		}
		sc.page.Bytes += size
	}
	if n == 0 {
		return nil
	}
	sc.page.Records += n
	sc.page.Last = recs[n-1].SeqNum
	sc.page.Arrival = recs[n-1].Arrival
	if p, ok := sc.page.Last.Parts(); ok {
		sc.counter = p.Counter
	}
	return sc.give(recs[:n])
}

// Before is the position from which a Scan gives first the first record that arrived at t or later; the tip if there is
// none.
func (sh Shard) Before(ctx context.Context, t time.Time) (SeqNum, error) {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	for {
		r, tip, err := sh.runSince(ms)
		if err == nil && r.segment == nil {
			return sh.At(tip), nil
		}
		var first uint64
		if err == nil {
			first, err = sh.store.firstSince(ctx, &r, ms)
		}
		if errors.Is(err, errFreed) {
			continue
		}
		if err != nil {
			return SeqNum{}, fmt.Errorf("search stream %q %s by time: %w", sh.Stream(), sh.id, err)
		}
		return sh.At(first - 1), nil
	}
}

// runSince is the first run with a record that arrived at ms or later; the zero run if there is none.
func (sh Shard) runSince(ms int64) (r run, tip uint64, err error) {
	sh.mu.Lock()
	dead, sealed := sh.dead, sh.sealed.maxArrival >= ms
	tip = sh.tip
	for i := len(sh.runs) - 1; i >= 0; i-- {
		if sh.runs[i].maxArrival >= ms {
			r = *sh.runs[i]
		}
	}
	sh.mu.Unlock()
	if dead {
		return run{}, 0, ErrNotFound
	}
	if sealed {
		found, ok, err := sh.store.segs.runSince(sh.shardKey, ms)
		if ok || err != nil {
			return found, tip, err
		}
	}
	return r, tip, nil
}

// firstSince is the counter of the first record of a run that arrived at ms or later.
func (s *Store) firstSince(ctx context.Context, r *run, ms int64) (uint64, error) {
	file, err := s.segs.acquire(r.segment)
	if err != nil {
		return 0, err
	}
	defer s.segs.release(r.segment)
	fr := newFrameReader(file, r.segment.number, s.opts.tuning.readBytes)
	defer fr.close()
	x, rest, err := r.extents.seek(r.segment.end.Load(), func(x extent) bool { return x.before < ms })
	for ok := true; ok && err == nil; x, ok, err = rest.next() {
		fr.seek(x.pos, x.end)
		for ctx.Err() == nil {
			h, _, at, err := fr.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return 0, fmt.Errorf("segment %d at %d: %w", r.segment.number, at, err)
			}
			if h.shardKey == r.shardKey && h.arrival >= ms {
				return h.first, nil
			}
		}
	}
	if err == nil {
		err = fmt.Errorf("%w: no record since %s", ErrCorrupt, stamp(ms))
	}
	return 0, errors.Join(ctx.Err(), err)
}

// Read returns durable records of a shard with a sequence number greater than after, oldest first: at most limit
// records and about maxBytes of data (always at least one if there is one). No error and no records means that
// the reader is at the tip.
func (s *Store) Read(ctx context.Context, stream, shard string, after SeqNum, limit, maxBytes int) ([]Record, error) {
	sh, err := s.Shard(stream, shard)
	if err != nil {
		return nil, err
	}
	var recs []Record
	_, err = sh.Scan(ctx, after, limit, int64(maxBytes), func(part []Record) error {
		recs = append(recs, cloneRecords(part)...)
		return nil
	})
	return recs, err
}

// cloneRecords copies records with one allocation for all keys and data.
func cloneRecords(recs []Record) []Record {
	size := 0
	for i := range recs {
		size += len(recs[i].PartitionKey) + len(recs[i].Data)
	}
	arena := bytes.NewBuffer(make([]byte, 0, size))
	hold := func(b []byte) []byte {
		at := arena.Len()
		arena.Write(b)
		return arena.Bytes()[at:arena.Len():arena.Len()]
	}
	out := make([]Record, len(recs))
	for i, r := range recs {
		r.PartitionKey, r.Data = hold(r.PartitionKey), hold(r.Data)
		out[i] = r
	}
	return out
}

// Tip is the greatest durable sequence number of the shard; the zero SeqNum if it never had a record.
func (s *Store) Tip(ctx context.Context, stream, shard string) (SeqNum, error) {
	sh, err := s.Shard(stream, shard)
	if err != nil {
		return SeqNum{}, err
	}
	return sh.Tip()
}

// Wait returns when the shard has a durable record greater than after, or is closed so that it never will, or ctx is
// done.
func (s *Store) Wait(ctx context.Context, stream, shard string, after SeqNum) error {
	sh, err := s.Shard(stream, shard)
	if err != nil {
		return err
	}
	return sh.Wait(ctx, after)
}
