package stream

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/weir-data/weir/internal/vfs"
)

// Place says where the file of a segment holds records of a shard, for ReadPlaces in another process of this machine. Nothing keeps the file
// as it is: a reader that comes too late finds frames of another segment, or a checksum that is wrong, and no other records than those.
type Place struct {
	File    string `json:"file"`
	Segment uint64 `json:"segment"`
	Stream  uint64 `json:"stream"` // number of the incarnation
	Created uint64 `json:"created"`
	Shard   uint32 `json:"shard"`
	// After and Last are counters: the records behind After, up to Last.
	After   uint64     `json:"after"`
	Last    uint64     `json:"last"`
	Horizon int64      `json:"horizon"` // Unix milliseconds; what arrived before has expired
	Extents [][2]int64 `json:"extents"` // positions: of the first byte, and of the first behind
}

// Places returns where the first durable records after a sequence number lie, oldest first: about limit records or maxBytes of the log. It
// reads no records. There are none where Scan has something to do besides, as with streams that are or were encrypted, records that
// have expired, and logs that are not on a disk.
func (sh Shard) Places(after SeqNum, limit int, maxBytes int64) (places []Place, bytes int64, err error) {
	counter, ok := sh.counterOf(after)
	if !ok || sh.store.opts.FS != vfs.Default || len(*sh.stream.keys.Load()) > 0 {
		return nil, 0, nil
	}
	sc := scan{shard: sh.shard, store: sh.store, counter: counter, horizon: sh.horizon(sh.store.opts.Now())}
	for given := counter; sc.counter-given < uint64(limit) && bytes < maxBytes; {
		r, err := sc.nextRun()
		if err != nil || r.segment == nil || r.maxArrival < sc.horizon {
			return places, bytes, err
		}
		p, size, err := sc.place(&r, uint64(limit)-(sc.counter-given), maxBytes-bytes, len(places) == 0)
		if err != nil {
			return nil, 0, fmt.Errorf("segment %d: %w", r.segment.number, err)
		}
		places, bytes = append(places, p), bytes+size
		sc.counter = p.Last
	}
	return places, bytes, nil
}

// nextRun is the run that holds the record after counter; one without a segment if there is none.
func (sc *scan) nextRun() (run, error) {
	sc.mu.Lock()
	dead, tip, r, sealed := sc.dead, sc.tip, sc.runLocked(), sc.sealed.last
	sc.mu.Unlock()
	if dead {
		return run{}, ErrNotFound
	}
	if sc.counter >= tip {
		return run{}, nil
	}
	if sc.counter < sealed {
		found, ok, err := sc.store.segs.runAfter(sc.shardKey, sc.counter)
		if err != nil || !ok {
			return run{}, err
		}
		r = found
	}
	return r, nil
}

// place is where a run has the records after counter, as far as they are wanted. The bytes of the first extent of all do not count: the record that
// is wanted may be the last one there.
func (sc *scan) place(r *run, records uint64, maxBytes int64, first bool) (p Place, bytes int64, err error) {
	segs := sc.store.segs
	p = Place{
		File: segs.path(segmentName(r.segment.number)), Segment: r.segment.number, Stream: sc.shardKey.stream, Created: sc.created,
		Shard: sc.index, After: sc.counter, Last: r.last, Horizon: sc.horizon,
	}
	x, rest, err := r.extents.seek(r.segment.end.Load(), func(x extent) bool { return x.first <= sc.counter+1 })
	for ok := true; ok && err == nil; x, ok, err = rest.next() {
		if x.first > sc.counter+records || bytes >= maxBytes {
			p.Last = x.first - 1
			break
		}
		p.Extents = append(p.Extents, [2]int64{x.pos, x.end})
		if !first {
			bytes += x.end - x.pos
		}
		first = false
	}
	return p, bytes, err
}

// placeBytes is read at once.
const placeBytes = 256 << 10

// ReadPlaces is Scan of the records that lie at places, which Places gave: at most limit of them and about maxBytes of keys and data. open
// gives the files. Wherever there is something else than was said, the error wraps ErrCorrupt.
func ReadPlaces(ctx context.Context, open func(name string) (io.ReaderAt, error), places []Place, limit int, maxBytes int64, f func([]Record) error) (Page, error) {
	sc := scan{limit: limit, maxBytes: maxBytes, give: f}
	for i := range places {
		p := &places[i]
		if err := ctx.Err(); err != nil {
			return sc.page, err
		}
		sc.shard = &shard{shardKey: shardKey{stream: p.Stream, created: p.Created, index: p.Shard}}
		sc.counter, sc.horizon = p.After, p.Horizon
		file, err := open(p.File)
		if err == nil {
			err = sc.fromPlace(file, p)
		}
		if err != nil {
			return sc.page, fmt.Errorf("segment %d: %w", p.Segment, err)
		}
		if !sc.more() {
			break
		}
	}
	return sc.page, nil
}

// errEncrypted says that a frame needs a key.
var errEncrypted = errors.New("records are encrypted")

func (sc *scan) fromPlace(file io.ReaderAt, p *Place) error {
	fr := newFrameReader(file, p.Segment, placeBytes)
	defer fr.close()
	for _, x := range p.Extents {
		if x[0] < segmentHeaderBytes || x[1] <= x[0] {
			return fmt.Errorf("%w: extent of %d to %d", ErrCorrupt, x[0], x[1])
		}
		fr.seek(x[0], x[1])
		if err := sc.fromExtent(fr, p.Last); err != nil {
			return err
		}
		if !sc.more() {
			return nil
		}
	}
	if sc.counter < p.Last {
		return fmt.Errorf("%w: no record %d", ErrCorrupt, sc.counter+1)
	}
	return nil
}
