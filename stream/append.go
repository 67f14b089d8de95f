package stream

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
)

// A group is what one write and one sync make durable: the frames of all Puts that came while the disk was busy with
// the group before.
type group struct {
	chunk  *chunk
	from   int // in the chunk
	to     int
	frames []groupFrame
	copies sync.WaitGroup // Puts that still copy into it
	done   chan struct{}  // closed when the group is durable or has failed
	err    error          // set before done is closed
}

type groupFrame struct {
	shard *shard
	off   int // in the chunk
	head  frameHeader
}

// maxPut bounds the bytes of one Put with all overhead; AWS allows 10 MiB.
const maxPut = 24 << 20

// placing is the scratch space of one Append.
type placing struct {
	layout  *layout
	shardOf []int32 // per entry, place among the layout's open shards
	parts   []part  // at least one for each of those; zero where it is not used
	used    []int32 // places that have a part
	keyed           // what the parts are encrypted with
	turns
}

// part is the frame that an Append gives to one shard.
type part struct {
	records   uint32
	throttled uint32 // records beyond the shard's limit; the fields around do not count them
	bytes     int    // of the records
	off       int    // of the frame in the chunk
	rest      []byte
	next      uint64 // counter
}

var placings = sync.Pool{New: func() any { return new(placing) }}

// Put appends records, in the order given within each shard, and returns when all are durable. If ctx ends first, the
// records may or may not be stored. A full queue gives ErrThrottled; a disk that fails gives its error, and whether
// records of that Put appear is not known either.
func (s *Store) Put(ctx context.Context, stream string, entries []Entry) ([]Placed, error) {
	return s.Append(ctx, stream, entries, make([]Placed, 0, len(entries)))
}

// Append is Put that appends its answer to placed. Records beyond the limits of their shards are not stored and marked as
// throttled there.
func (s *Store) Append(ctx context.Context, stream string, entries []Entry, placed []Placed) ([]Placed, error) {
	st, err := s.lookup(stream)
	if err != nil {
		return placed, err
	}
	if len(entries) == 0 {
		return placed, nil
	}
	p := placings.Get().(*placing)
	defer placings.Put(p)
	if p.keyed, err = st.sealingKey(s); err != nil {
		return placed, fmt.Errorf("append to stream %q: %w", stream, err)
	}
	p.turns = st.takeTurns(len(entries))
	g, arrival, err := s.place(ctx, st, p, entries)
	if err != nil {
		if errors.Is(err, ErrThrottled) {
			st.measureThrottled(p)
		}
		return placed, fmt.Errorf("append to stream %q: %w", stream, err)
	}
	if g == nil { // all of them are beyond the limits
		st.measureAppend(p)
		return p.fill(nil, entries, arrival, placed), nil
	}
	placed = p.fill(g.chunk.buf, entries, arrival, placed)
	g.copies.Done()
	s.wakeWriter()

	select {
	case <-g.done:
	case <-ctx.Done():
		return placed[:0], fmt.Errorf("append to stream %q: not yet durable: %w", stream, ctx.Err())
	}
	if g.err != nil {
		return placed[:0], fmt.Errorf("append to stream %q: %w", stream, g.err)
	}
	st.measureAppend(p)
	return placed, nil
}

// place gives the entries their places in a group, which is nil if none is admitted. It waits for a reshard that is under
// way.
func (s *Store) place(ctx context.Context, st *streamState, p *placing, entries []Entry) (*group, int64, error) {
	for {
		if err := p.divide(st.layout.Load(), entries); err != nil {
			return nil, 0, err
		}
		g, arrival, err := s.reserve(st, p, entries)
		if !errors.Is(err, errResharded) {
			return g, arrival, err
		}
		if err := s.awaitReshard(ctx, st); err != nil {
			return nil, 0, err
		}
	}
}

// divide finds the shard of each entry and sums up what each shard gets.
func (p *placing) divide(layout *layout, entries []Entry) error {
	p.layout = layout
	p.shardOf = p.shardOf[:0]
	for _, at := range p.used { // few of many
		p.parts[at] = part{}
	}
	p.used = p.used[:0]
	if len(p.parts) < len(layout.open) {
		p.parts = make([]part, len(layout.open))
	}
	total := 0
	for i := range entries {
		e := &entries[i]
		if len(e.PartitionKey) >= 1<<16 || len(e.Data) > maxPut {
			return fmt.Errorf("record %d: %w", i, ErrTooLarge)
		}
		at, err := p.choose(layout, i, e)
		if err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		part := &p.parts[at]
		if part.records == 0 {
			p.used = append(p.used, int32(at))
		}
		part.records++
		part.bytes += recordBytes(e)
		total += recordBytes(e)
		p.shardOf = append(p.shardOf, int32(at))
	}
	if total > maxPut {
		return fmt.Errorf("%d bytes: %w", total, ErrTooLarge)
	}
	return nil
}

func (e *Entry) hash() (HashKey, error) {
	if e.ExplicitHashKey == "" {
		return HashOf(e.PartitionKey), nil
	}
	return ParseHashKey(e.ExplicitHashKey)
}

// reserve takes room in the open group and sequence numbers for the parts of p. The caller copies its frames and then
// calls copies.Done of the group. If the stream is being resharded, or was after p was divided, it gives errResharded.
func (s *Store) reserve(st *streamState, p *placing, entries []Entry) (*group, int64, error) {
	now := s.opts.Now()
	total := p.size()

	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	switch {
	case s.stopped:
		return nil, 0, ErrClosed
	case st.frozen != nil || st.layout.Load() != p.layout:
		return nil, 0, errResharded
	case s.queued > 0 && s.queued+int64(total) > s.opts.QueueBytes:
		return nil, 0, ErrThrottled
	}
	if s.opts.Limits != (Limits{}) {
		p.admit(s.opts.Limits, entries, now.UnixNano())
		if total = p.size(); total == 0 {
			return nil, 0, nil
		}
	}
	arrival := now.UnixMilli()
	g := s.openGroupLocked(total)
	for _, at := range p.used {
		part, sh := &p.parts[at], p.layout.open[at]
		if part.records == 0 {
			continue
		}
		part.off, part.next = g.to, sh.next
		g.frames = append(g.frames, groupFrame{shard: sh, off: part.off, head: frameHeader{
			payloadBytes: uint32(part.bytes + p.overhead()), records: part.records, shardKey: sh.shardKey, first: sh.next,
			arrival: arrival, key: p.number,
		}})
		g.to += g.frames[len(g.frames)-1].head.size()
		sh.next += uint64(part.records)
	}
	g.chunk.used = g.to
	g.copies.Add(1)
	s.queued += int64(total)
	return g, arrival, nil
}

// size is the bytes of all frames.
func (p *placing) size() int {
	total := 0
	for _, at := range p.used {
		if p.parts[at].records > 0 {
			total += frameHeaderBytes + p.overhead() + p.parts[at].bytes
		}
	}
	return total
}

// openGroupLocked returns the group that the next total bytes go to.
func (s *Store) openGroupLocked(total int) *group {
	c := s.filling
	roll := c == nil || s.segmentUsed > segmentHeaderBytes && s.segmentUsed+int64(total) > s.segmentSize
	if roll || c.used+total > len(c.buf) {
		c = s.pool.get(total)
		c.roll = roll
		s.dropFillingLocked()
		s.filling = c
		if roll {
			s.segmentUsed, s.segmentSize = segmentHeaderBytes, s.segs.nextSize()
		}
	}
	s.segmentUsed += int64(total)
	if s.open == nil || s.open.to-s.open.from >= s.opts.tuning.groupBytes {
		s.open = &group{chunk: c, from: c.used, to: c.used, done: make(chan struct{})}
		c.retain()
		s.queue = append(s.queue, s.open)
		s.newest = s.open
	}
	return s.open
}

// dropFillingLocked makes the next Put begin a chunk.
func (s *Store) dropFillingLocked() {
	if s.filling != nil {
		s.filling.release()
	}
	s.filling, s.open = nil, nil
}

// fill copies the entries into their frames and says where they are.
func (p *placing) fill(buf []byte, entries []Entry, arrival int64, placed []Placed) []Placed {
	for _, at := range p.used {
		part := &p.parts[at]
		if part.records == 0 {
			continue
		}
		part.rest = buf[part.off+frameHeaderBytes:]
		if p.number != 0 {
			part.rest = part.rest[nonceBytes:]
		}
		part.rest = part.rest[:part.bytes]
	}
	for i := range entries {
		at := p.shardOf[i]
		if at < 0 {
			placed = append(placed, Placed{Shard: p.layout.open[refused(at)].id, Throttled: true})
			continue
		}
		part, sh := &p.parts[at], p.layout.open[at]
		part.rest = putRecord(part.rest, &entries[i])
		placed = append(placed, Placed{Shard: sh.id, SeqNum: sh.seqNum(part.next, arrival)})
		part.next++
	}
	for _, at := range p.used {
		part, sh := &p.parts[at], p.layout.open[at]
		if part.records == 0 {
			continue
		}
		head := frameHeader{
			payloadBytes: uint32(part.bytes + p.overhead()), records: part.records, shardKey: sh.shardKey,
			first: part.next - uint64(part.records), arrival: arrival, key: p.number,
		}
		payload := buf[part.off+frameHeaderBytes:][:head.payloadBytes]
		if p.number != 0 {
			sh.sealer(p.key, p.number, head.first).seal(&head, payload)
		}
		head.payloadSum = crc32.Checksum(payload, castagnoli)
		head.encode(buf[part.off:])
		part.rest = nil
	}
	return placed
}
