package stream

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-data/weir/metrics"
)

// Shard is a handle on one shard of one incarnation of a stream. It stays valid, and answers ErrNotFound, when the
// stream is deleted. Safe for concurrent use.
type Shard struct {
	store *Store
	*shard
}

// shard is the state of a Shard.
type shard struct {
	shardKey
	stream *streamState
	doc    shardDoc // as it was made: whether it is closed stands below
	id     string
	series [shardMetricCount]atomic.Pointer[metrics.Series] // made when they are first published

	next   uint64 // counter of the next record; guarded by Store.appendMu
	bucket bucket // guarded by Store.appendMu
	newest *chunk // that has a frame of the shard; used by the writer only

	cipher atomic.Pointer[frameCipher] // that new frames are encrypted with

	mu          sync.Mutex // guards the fields below; held across no disk operation
	dead        bool       // the stream is deleted
	closed      bool       // no record will come after the tip
	closedAt    int64      // Unix milliseconds
	children    []*shard   // opened in its place
	tip         uint64     // counter of the last durable record, 0 if there never was one
	lastArrival int64      // of that record
	meter       meter
	recent      []recentFrame
	sealed      standing // by the end of the last sealed segment; what those hold is found through their indexes
	runs        []*run   // in segments that are not sealed, oldest first
	moved       chan struct{}
}

// ShardID is the name of the shard with the given index.
func ShardID(index uint32) string {
	id := []byte("shardId-000000000000")
	for i := len(id) - 1; index > 0; i-- {
		id[i] += byte(index % 10)
		index /= 10
	}
	return string(id)
}

// ParseShardID returns the index in a shard's name. As in AWS, whatever stands before the first dash is not looked at.
func ParseShardID(id string) (uint32, bool) {
	if _, digits, ok := strings.Cut(id, "-"); ok && digits != "" {
		id = digits
	}
	for _, c := range []byte(id) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(id, 10, 31)
	return uint32(n), err == nil
}

// ID is the shard's name: shardId-000000000000.
func (sh Shard) ID() string { return sh.id }

// Stream is the name of the shard's stream.
func (sh Shard) Stream() string { return sh.shard.stream.name }

// Incarnation is the number of the shard's stream, which no other stream, of whatever name, ever has.
func (sh Shard) Incarnation() uint64 { return sh.shardKey.stream }

// Index is the number in the shard's name.
func (sh Shard) Index() uint32 { return sh.shardKey.index }

// First is the starting sequence number: before all records of the shard.
func (sh Shard) First() SeqNum { return sh.startingSeqNum() }

func (sh *shard) startingSeqNum() SeqNum { return sh.seqNum(0, int64(sh.created)*1000) }

// At is a sequence number of this shard with the given counter, to continue a read from: the record itself may have
// another arrival second in its number.
func (sh Shard) At(counter uint64) SeqNum { return sh.seqNum(counter, int64(sh.created)*1000) }

// Tip is the greatest durable sequence number of the shard; the zero SeqNum if it never had a record.
func (sh Shard) Tip() (SeqNum, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.dead {
		return SeqNum{}, sh.gone()
	}
	if sh.tip == 0 {
		return SeqNum{}, nil
	}
	return sh.seqNum(sh.tip, sh.lastArrival), nil
}

// Wait returns when the shard has a durable record greater than after, or is closed so that it never will, or ctx is
// done.
func (sh Shard) Wait(ctx context.Context, after SeqNum) error {
	for {
		sh.mu.Lock()
		moved, err := sh.movedLocked(after)
		if moved || err != nil {
			sh.mu.Unlock()
			return err
		}
		if sh.moved == nil {
			sh.moved = make(chan struct{})
		}
		wake := sh.moved
		sh.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-sh.store.closing:
			return ErrClosed
		}
	}
}

// Moved reports whether Wait would return at once.
func (sh Shard) Moved(after SeqNum) (bool, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.movedLocked(after)
}

func (sh *shard) movedLocked(after SeqNum) (bool, error) {
	if sh.dead {
		return false, sh.gone()
	}
	counter, ok := sh.counterOf(after)
	return sh.closed || ok && sh.tip > counter, nil
}

// Ended reports whether the shard is closed and has no record after the given one that has not expired.
func (sh Shard) Ended(ctx context.Context, after SeqNum) (bool, error) {
	counter, ok := sh.counterOf(after)
	sh.mu.Lock()
	dead, closed := sh.dead, sh.closed
	atEnd := !ok || counter >= sh.tip
	fresh := sh.lastArrival >= sh.horizon(sh.store.opts.Now())
	sh.mu.Unlock()
	switch {
	case dead:
		return false, sh.gone()
	case !closed || !atEnd && fresh:
		return false, nil
	case atEnd:
		return true, nil
	}
	page, err := sh.Scan(ctx, after, 1, 1, func([]Record) error { return nil })
	return page.Ended && page.Records == 0, err
}

// Info describes the shard as Shards does.
func (sh Shard) Info() (ShardInfo, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.dead {
		return ShardInfo{}, sh.gone()
	}
	return sh.infoLocked(), nil
}

// Children describes the shards that were opened in the place of this one; none while it is open.
func (sh Shard) Children() ([]ShardInfo, error) {
	sh.mu.Lock()
	dead, children := sh.dead, sh.children
	sh.mu.Unlock()
	if dead {
		return nil, sh.gone()
	}
	var infos []ShardInfo
	for _, c := range children {
		info, err := Shard{store: sh.store, shard: c}.Info()
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (sh *shard) infoLocked() ShardInfo {
	info := ShardInfo{
		ID:        sh.id,
		Closed:    sh.closed,
		First:     sh.startingSeqNum(),
		HashStart: sh.doc.Range.Start,
		HashEnd:   sh.doc.Range.End,
		Created:   time.Unix(int64(sh.created), 0),
	}
	for _, p := range sh.doc.Parents {
		info.Parents = append(info.Parents, ShardID(p))
	}
	for _, c := range sh.children {
		info.Children = append(info.Children, c.id)
	}
	if sh.closed {
		info.Last = sh.seqNum(maxCounter, sh.closedAt)
		info.ClosedAt = time.UnixMilli(sh.closedAt)
	}
	return info
}

// expiredLocked reports whether the shard is closed and all its records are older than the horizon.
func (sh *shard) expiredLocked(horizon int64) bool { return sh.closed && sh.closedAt < horizon }

func (sh *shard) isClosed() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.closed
}

// close says that no record will come any more, but in the children.
func (sh *shard) close(at int64, children []*shard) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.closed, sh.closedAt, sh.children = true, at, children
	sh.wakeLocked()
}

// counterOf is the counter to read after. A number from before the shard was made (of an older stream of the same
// name, say) is before all its records; ok is false if it is after all that it can have.
func (sh *shard) counterOf(after SeqNum) (counter uint64, ok bool) {
	if after.IsZero() {
		return 0, true
	}
	first := sh.startingSeqNum()
	p, valid := after.Parts()
	if valid && p.Created == sh.created && p.Shard == sh.index {
		return p.Counter, true
	}
	return 0, string(after[:]) < string(first[:])
}

func (sh *shard) gone() error { return fmt.Errorf("stream %q: %w", sh.stream.name, ErrNotFound) }

// wakeLocked wakes whoever waits for the shard, or its stream, to change.
func (sh *shard) wakeLocked() {
	sh.stream.bell.ring()
	if sh.moved != nil {
		close(sh.moved)
		sh.moved = nil
	}
}

// publish makes the durable frame h visible: it is in memory at off in c, and on disk at pos in the segment of r. It
// reports false if the stream is deleted.
func (sh *shard) publish(c *chunk, off int, h *frameHeader, r *run, pos, stride int64) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.dead {
		return false
	}
	r.add(h, pos, stride)
	if n := len(sh.runs); n == 0 || sh.runs[n-1] != r {
		sh.runs = append(sh.runs, r)
	}
	sh.recent = append(sh.recent, recentFrame{chunk: c, off: off, first: h.first, last: h.last()})
	sh.tip, sh.lastArrival = h.last(), h.arrival
	sh.meter.records += int64(h.records)
	sh.meter.bytes += int64(h.payloadBytes) - recordHeaderBytes*int64(h.records)
	sh.wakeLocked()
	return true
}

// kill makes every use of the shard answer ErrNotFound.
func (sh *shard) kill() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.dead = true
	sh.runs, sh.recent = nil, nil
	sh.wakeLocked()
}

// retire drops what the shard, which is closed and whose records have all expired, still has.
func (sh *shard) retire() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.runs, sh.recent = nil, nil
}

// forget drops the frames in c, the oldest chunk.
func (sh *shard) forget(c *chunk) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	n := 0 // the stream may be deleted and recent empty
	for n < len(sh.recent) && sh.recent[n].chunk == c {
		n++
	}
	clear(sh.recent[:n])
	sh.recent = sh.recent[n:]
}

// horizon is the arrival, in Unix milliseconds, before which records have expired.
func (sh *shard) horizon(now time.Time) int64 { return sh.stream.horizon(now) }
