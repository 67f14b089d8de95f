// Package stream makes a stream of package stream a batch.Source, so that pipelines read the log without a wire between.
//
// Source plans by what is durable, be it read at once (Take) or later (Read), so a planned range is there for good and reads the same again after any restart,
// until retention takes it. Children of a shard that was split or merged are read when all of their parents are used
// up, so that records with one key stay in order; a shard is used up that is closed and has nothing left, be it read or
// expired. The offset of a shard that is gone is left out of the next plan. Records that the Kinesis Producer Library aggregated are unpacked.
//
// Another process of this machine that is behind reads the segments' files itself: Places says where the records of its next batch lie, ReadPlaces
// reads them there.
package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/kpl"
	"github.com/weir-data/weir/stream"
)

// Store is what a Source needs of a stream store; *stream.Store is one.
type Store interface {
	Shards(ctx context.Context, stream string) ([]stream.ShardInfo, error)
	Shard(stream, id string) (stream.Shard, error)
	Await(ctx context.Context, stream string, ready func() (bool, error)) error
}

// Source is a batch.Source over all shards of one stream.
type Source struct {
	store      Store
	name       string
	aggregates batch.Aggregates
	now        func() time.Time
	lag        lag
}

var (
	_ batch.Source  = (*Source)(nil)
	_ batch.Taker   = (*Source)(nil)
	_ batch.Metered = (*Source)(nil)
)

// New returns a Source over the named stream, which need not exist before the first call.
func New(store Store, name string) *Source { return &Source{store: store, name: name, now: time.Now} }

// NewWith is New with another treatment of records that the KPL aggregated.
func NewWith(store Store, name string, a batch.Aggregates) *Source {
	return &Source{store: store, name: name, aggregates: a, now: time.Now}
}

// Latest is the offset behind all that is durable now, to start a pipeline that does not want what came before.
func (s *Source) Latest(ctx context.Context) (batch.Offset, error) {
	return s.each(ctx, stream.Shard.Tip)
}

// Position implements batch.Starter: the offset after which reading begins for start.
func (s *Source) Position(ctx context.Context, start batch.Start) (batch.Offset, error) {
	switch start.Kind {
	case batch.TrimHorizon:
		return batch.Offset{}, nil
	case batch.Latest:
		return s.Latest(ctx)
	}
	return s.each(ctx, func(sh stream.Shard) (stream.SeqNum, error) { return before(ctx, sh, start.Time) })
}

// before is the sequence number of the last record that arrived before t. A Shard's own Before tells a position for reading only, whose number says nothing of
// when: it may be less than that of records before it.
func before(ctx context.Context, sh stream.Shard, t time.Time) (stream.SeqNum, error) {
	at, err := sh.Before(ctx, t)
	p, begun := at.Parts()
	if err != nil || !begun || p.Counter == 0 {
		return at, err
	}
	page, err := sh.Scan(ctx, sh.At(p.Counter-1), 1, 1, func([]stream.Record) error { return nil })
	if err != nil {
		return at, err
	}
	if last, ok := page.Last.Parts(); ok && last.Counter == p.Counter {
		return page.Last, nil
	}
	return at, nil // retention has taken it
}

// shards are those of the stream. A stream that is not there is a batch.MissingError.
func (s *Source) shards(ctx context.Context) ([]stream.ShardInfo, error) {
	infos, err := s.store.Shards(ctx, s.name)
	return infos, missing(s.name, err)
}

// missing makes err, of the named stream, a batch.MissingError if that is what it says.
func missing(name string, err error) error {
	if errors.Is(err, stream.ErrNotFound) {
		return &batch.MissingError{Kind: "stream", Name: name, Err: err}
	}
	return err
}

// each asks every shard for a position; one before the first record is left out.
func (s *Source) each(ctx context.Context, position func(stream.Shard) (stream.SeqNum, error)) (batch.Offset, error) {
	infos, err := s.shards(ctx)
	if err != nil {
		return nil, err
	}
	at := batch.Offset{}
	for _, info := range infos {
		sh, err := s.store.Shard(s.name, info.ID)
		if errors.Is(err, stream.ErrNoShard) { // it went just now
			continue
		}
		if err != nil {
			return nil, err
		}
		seq, err := position(sh)
		if err != nil {
			return nil, err
		}
		if !seq.IsZero() {
			at[info.ID] = seq.String()
		}
	}
	return at, nil
}

// Plan returns the end of the next batch after start: about limit further on, but at least one record if there is one.
// The shards share the limit, so that none is left behind.
func (s *Source) Plan(ctx context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	end, err := s.scan(ctx, start, limit, func(*stream.ShardInfo, []stream.Record) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("plan a batch of stream %q: %w", s.name, err)
	}
	return end, nil
}

// Take implements batch.Taker: it is Plan, with the records.
func (s *Source) Take(ctx context.Context, start batch.Offset, limit batch.Limit, f func([]batch.Record) error) (batch.Offset, error) {
	chunks := sync.Pool{New: func() any { return &chunk{aggregates: s.aggregates} }} // one for each call of f at a time
	end, err := s.scan(ctx, start, limit, func(shard *stream.ShardInfo, recs []stream.Record) error {
		c := chunks.Get().(*chunk)
		defer chunks.Put(c)
		return c.hand(shard, recs, f)
	})
	if err != nil {
		return nil, fmt.Errorf("read stream %q: %w", s.name, err)
	}
	return end, nil
}

// scan calls f with the records of the next batch after start, in order within each shard, shards side by side, and returns its end.
func (s *Source) scan(ctx context.Context, start batch.Offset, limit batch.Limit, f func(*stream.ShardInfo, []stream.Record) error) (batch.Offset, error) {
	cursors, err := s.cursors(ctx, start)
	if err != nil {
		return nil, err
	}
	sortByProgress(cursors)
	end := start.Clone()
	left := newBudget(limit)
	for len(cursors) > 0 && !left.spent() {
		turn := min(len(cursors), left.records)
		if err := scanEach(ctx, cursors[:turn], left, f); err != nil {
			return nil, err
		}
		open := slices.Clone(cursors[turn:])
		for _, c := range cursors[:turn] {
			if !c.atTip {
				open = append(open, c)
			}
			if c.moved {
				end[c.shard.ID()] = c.at.String()
			}
		}
		cursors = open
	}
	if !end.Equal(start) {
		s.forget(end)
	}
	return end, s.measure(ctx, end)
}

// scanEach moves the cursors on, each by an equal share of what is left, until that is spent: as many at a time as there are cores.
func scanEach(ctx context.Context, cursors []*cursor, left *budget, f func(*stream.ShardInfo, []stream.Record) error) error {
	share := left.share(len(cursors))
	var mu sync.Mutex // guards left
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, c := range cursors {
		mu.Lock()
		spent := left.spent()
		mu.Unlock()
		if spent {
			break
		}
		g.Go(func() error {
			page, err := c.shard.Scan(ctx, c.at, share.records, share.bytes, func(recs []stream.Record) error { return f(c.info, recs) })
			if page.Records > 0 {
				c.at, c.moved = page.Last, true
			}
			c.atTip = page.AtTip
			mu.Lock()
			left.take(page.Records, page.Bytes)
			mu.Unlock()
			return err
		})
	}
	return g.Wait()
}

// forget takes the shards out of an offset that the stream has no more. It never has them again.
func (s *Source) forget(at batch.Offset) {
	for id := range at {
		if _, err := s.store.Shard(s.name, id); errors.Is(err, stream.ErrNoShard) {
			delete(at, id)
		}
	}
}

// budget is what is left of a limit.
type budget struct {
	records int
	bytes   int64
}

func newBudget(l batch.Limit) *budget {
	b := &budget{l.Records, l.Bytes}
	if b.records <= 0 {
		b.records = math.MaxInt
	}
	if b.bytes <= 0 {
		b.bytes = math.MaxInt64
	}
	return b
}

func (b *budget) spent() bool { return b.records <= 0 || b.bytes <= 0 }

func (b *budget) take(records int, bytes int64) {
	b.records -= records
	b.bytes -= bytes
}

// share is an equal part of the budget for each of n.
func (b *budget) share(n int) budget {
	return budget{max(b.records/n, 1), max(b.bytes/int64(n), 1)}
}

// cursor is a shard that may be read now, and where it stands.
type cursor struct {
	info  *stream.ShardInfo
	shard stream.Shard
	at    stream.SeqNum
	moved bool // it has had records
	atTip bool // nothing was left behind it
}

// sortByProgress puts the cursor that lags most first, so that a limit smaller than the number of shards starves none.
func sortByProgress(cursors []*cursor) {
	slices.SortStableFunc(cursors, func(a, b *cursor) int { return a.reached().compare(b.reached()) })
}

// progress is how far a cursor has come: when its last record arrived, and how many came before that.
type progress struct{ second, counter uint64 }

func (c *cursor) reached() progress {
	p, ok := c.at.Parts()
	if !ok {
		return progress{} // before the first record
	}
	return progress{p.Second, p.Counter}
}

func (p progress) compare(q progress) int {
	return cmp.Or(cmp.Compare(p.second, q.second), cmp.Compare(p.counter, q.counter))
}

// cursors are the shards that may be read after start: those whose parents are used up.
func (s *Source) cursors(ctx context.Context, start batch.Offset) ([]*cursor, error) {
	infos, err := s.shards(ctx)
	if err != nil {
		return nil, err
	}
	left := map[string]bool{} // shards that have something left, or may have in future, or their parents do
	var ready []*cursor
	for i := range infos { // ids rise, and so parents come before their children
		info := &infos[i]
		c, err := s.cursor(info, start[info.ID])
		if errors.Is(err, stream.ErrNoShard) { // it went just now
			continue
		}
		if err != nil {
			return nil, err
		}
		ended, err := c.shard.Ended(ctx, c.at)
		if err != nil {
			return nil, err
		}
		// A parent that is gone has nothing left.
		blocked := slices.ContainsFunc(info.Parents, func(parent string) bool { return left[parent] })
		left[info.ID] = blocked || !ended
		if !blocked && !ended {
			ready = append(ready, c)
		}
	}
	return ready, nil
}

func (s *Source) cursor(info *stream.ShardInfo, at string) (*cursor, error) {
	sh, err := s.store.Shard(s.name, info.ID)
	if err != nil {
		return nil, err
	}
	c := &cursor{info: info, shard: sh}
	if at != "" {
		if c.at, err = stream.ParseSeqNum(at); err != nil {
			return nil, fmt.Errorf("offset of %s: %w", info.ID, err)
		}
	}
	return c, nil
}

// errEnd ends a scan at the end of the range.
var errEnd = errors.New("end of range")

// Read calls f with the records after start up to and including end, in order within each shard, parents before their
// children, in chunks that are valid only during the call. Keys and data are not copied.
func (s *Source) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	infos, err := s.shards(ctx)
	if err != nil {
		return fmt.Errorf("read stream %q: %w", s.name, err)
	}
	chunk := chunk{aggregates: s.aggregates}
	for i := range infos { // ids rise, and so a child comes after its parents
		info := &infos[i]
		last := end[info.ID]
		if last == "" || last == start[info.ID] {
			continue
		}
		to, err := stream.ParseSeqNum(last)
		if err != nil {
			return fmt.Errorf("offset of %s: %w", info.ID, err)
		}
		c, err := s.cursor(info, start[info.ID])
		if errors.Is(err, stream.ErrNoShard) { // retention took it just now
			continue
		}
		if err != nil {
			return fmt.Errorf("read stream %q: %w", s.name, err)
		}
		if string(to[:]) <= string(c.at[:]) {
			continue
		}
		_, err = c.shard.Scan(ctx, c.at, math.MaxInt, math.MaxInt64, func(recs []stream.Record) error {
			within := upTo(recs, to)
			if len(within) > 0 {
				if err := chunk.hand(info, within, f); err != nil {
					return err
				}
			}
			if len(within) < len(recs) || recs[len(recs)-1].SeqNum == to {
				return errEnd
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnd) {
			return err
		}
	}
	return nil
}

// upTo is the part of recs that does not lie behind to.
func upTo(recs []stream.Record, to stream.SeqNum) []stream.Record {
	for i := range recs {
		if string(recs[i].SeqNum[:]) > string(to[:]) {
			return recs[:i]
		}
	}
	return recs
}

// chunk turns records of the log into records of a batch, reusing its memory.
type chunk struct {
	aggregates batch.Aggregates
	recs       []batch.Record
}

// chunkMax bounds a chunk: one aggregated record can hold a million.
const chunkMax = 10_000

// hand calls f with the records.
func (c *chunk) hand(shard *stream.ShardInfo, recs []stream.Record, f func([]batch.Record) error) error {
	c.recs = c.recs[:0]
	for i := range recs {
		c.recs = append(c.recs, batch.Record{
			Shard:   shard.ID,
			Number:  (*batch.Number)(&recs[i].SeqNum),
			Key:     recs[i].PartitionKey,
			Data:    recs[i].Data,
			Arrival: recs[i].Arrival,
		})
		if c.aggregates != batch.KeepPacked && kpl.Marked(recs[i].Data) {
			if err := c.unpackLast(shard, f); err != nil {
				return err
			}
		}
	}
	if len(c.recs) == 0 {
		return nil
	}
	return f(c.recs)
}

// unpackLast puts the user records of the newest record in its place. A chunk that is full goes to f.
func (c *chunk) unpackLast(shard *stream.ShardInfo, f func([]batch.Record) error) error {
	last := len(c.recs) - 1
	r := c.recs[last]
	c.recs = c.recs[:last]
	return c.aggregates.Unpack(r, hashRange(shard), func(user batch.Record) error {
		c.recs = append(c.recs, user)
		if len(c.recs) < chunkMax {
			return nil
		}
		if err := f(c.recs); err != nil {
			return err
		}
		c.recs = c.recs[:0]
		return nil
	})
}

func hashRange(shard *stream.ShardInfo) batch.HashRange {
	return batch.HashRange{Low: shard.HashStart.Bytes(), High: shard.HashEnd.Bytes()}
}

// Wait returns when there may be something after start, or ctx is done.
func (s *Source) Wait(ctx context.Context, start batch.Offset) error {
	cursors, err := s.cursors(ctx, start)
	if err != nil {
		return fmt.Errorf("wait for stream %q: %w", s.name, err)
	}
	return s.store.Await(ctx, s.name, func() (bool, error) {
		for _, c := range cursors {
			if moved, err := c.shard.Moved(c.at); moved || err != nil {
				return moved, err
			}
		}
		return false, nil
	})
}
