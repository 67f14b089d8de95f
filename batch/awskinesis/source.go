// Package awskinesis reads a Kinesis data stream, of AWS or of anything that speaks its API, as a batch.Source: a Source asks for records, a
// FanOut has them pushed.
//
// What a service will hold is not known before it is read, so Plan reads ahead: it fetches records up to the limit of a
// batch, takes the last ones as the end, and keeps what it fetched for the Read that follows. After a restart there is
// nothing kept, and Read fetches the same range again: from the sequence number at its start to the one at its end. What
// was fetched before the service throttled is kept for the next try. A range that the stream's retention has taken in between is an
// error, not a gap.
//
// Children of a shard that was split or merged are read when all of their parents are used up, so that records with one
// key stay in order. Records that the Kinesis Producer Library aggregated are unpacked.
//
// An offset is a sequence number, or "@" and milliseconds since 1970 for a start by time.
package awskinesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/kpl"
)

// API is what a Source needs of a client; *kinesis.Client is one. Its own retries come first.
type API interface {
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

// Options of a Source. Zero fields are defaults.
type Options struct {
	// PollInterval is the time between two looks at a stream that had nothing; default 250 ms. AWS allows five reads a
	// second and shard.
	PollInterval time.Duration
	// Aggregates is what to do with records that the KPL aggregated.
	Aggregates batch.Aggregates
	Now        func() time.Time
}

// Source is a batch.Source over all shards of one stream. One goroutine uses it.
type Source struct {
	client API
	stream string
	opts   Options

	used    map[string]string          // shards of which nothing is left after this offset, by id
	ahead   map[string]span            // what was fetched of the batch at hand and may be read again, by shard
	ranges  map[string]batch.HashRange // of the shards, by id
	figures figures

	tips         batch.Offset // of the newest Plan; see Tips
	ended, short []string
}

var (
	_ batch.Source  = (*Source)(nil)
	_ batch.Starter = (*Source)(nil)
	_ batch.Metered = (*Source)(nil)
)

// span is the records of a shard after one offset up to another.
type span struct {
	after, end string
	records    []types.Record
}

// endAt leaves out what lies behind an offset.
func (s *span) endAt(last string) {
	if len(s.records) == 0 || compare(s.end, last) <= 0 {
		return
	}
	n, _ := slices.BinarySearchFunc(s.records, last, func(r types.Record, last string) int {
		if compare(*r.SequenceNumber, last) > 0 {
			return 1
		}
		return -1
	})
	s.records, s.end = s.records[:n], last
}

// fetchersMax bounds the shards that are read at the same time.
const fetchersMax = 8

// New returns a source over the named stream.
func New(client API, stream string, opts Options) *Source {
	if opts.PollInterval == 0 {
		opts.PollInterval = 250 * time.Millisecond
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Source{client: client, stream: stream, opts: opts, used: map[string]string{}, ahead: map[string]span{}, ranges: map[string]batch.HashRange{}}
}

// Wait returns after the poll interval.
func (s *Source) Wait(ctx context.Context, _ batch.Offset) error {
	return batch.Sleep(ctx, s.opts.PollInterval)
}

// Position implements batch.Starter. The latest record is the last by the clock of this machine.
func (s *Source) Position(ctx context.Context, start batch.Start) (batch.Offset, error) {
	at := batch.Offset{}
	if start.Kind == batch.TrimHorizon {
		return at, nil
	}
	when := start.Time
	if start.Kind == batch.Latest {
		when = s.opts.Now()
	}
	shards, err := s.shards(ctx)
	if err != nil {
		return nil, err
	}
	for _, shard := range shards {
		at[*shard.ShardId] = "@" + strconv.FormatInt(when.UnixMilli(), 10)
	}
	return at, nil
}

// Plan implements batch.Source.
func (s *Source) Plan(ctx context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	s.ahead = map[string]span{}
	shards, err := s.shards(ctx)
	if err != nil {
		return nil, err
	}
	left := budget(limit)
	var all []*reader
	for open := s.ready(shards, start); len(open) > 0 && left.Records > 0 && left.Bytes > 0; {
		share := batch.Limit{Records: max(left.Records/len(open), 1), Bytes: max(left.Bytes/int64(len(open)), 1)}
		if all == nil {
			all = open
		}
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(fetchersMax)
		for _, r := range open {
			g.Go(func() error { return r.fetch(gctx, share) })
		}
		if err := g.Wait(); err != nil {
			if s.shardWent(ctx, err, open) {
				return s.Plan(ctx, start, limit)
			}
			return nil, err
		}
		for _, r := range open {
			left.Records -= r.gotRecords
			left.Bytes -= r.gotBytes
		}
		open = slices.DeleteFunc(slices.Clone(open), func(r *reader) bool { return r.atTip || r.used || r.throttled != nil })
	}
	end := start.Clone()
	var throttled error
	s.tips, s.ended, s.short = batch.Offset{}, nil, nil
	for _, r := range all {
		throttled = cmp.Or(throttled, r.throttled)
		if n := len(r.records); n > 0 {
			end[r.shard] = *r.records[n-1].SequenceNumber
			s.ahead[r.shard] = span{start[r.shard], end[r.shard], r.records}
		}
		if r.used {
			s.used[r.shard] = end[r.shard]
			s.ended = append(s.ended, r.shard)
		}
		if r.atTip || r.used {
			s.tips[r.shard] = end[r.shard]
		} else {
			s.short = append(s.short, r.shard)
		}
	}
	if !end.Equal(start) {
		return end, nil
	}
	if !slices.ContainsFunc(all, func(r *reader) bool { return r.used }) {
		return end, throttled // with nothing, since it is not known whether there is something
	}
	// Shards without records were used up just now: their children may have some.
	return s.Plan(ctx, start, limit)
}

// Tips are the shards that the newest Plan read to their newest record, each with that record, empty if it has had none. Those that have ended
// are used up, and others may follow them; short are those that were not read so far.
func (s *Source) Tips() (tips batch.Offset, ended, short []string) { return s.tips, s.ended, s.short }

// shardWent reports whether err came because one of the shards that were read has expired and is no longer listed. Then
// there is nothing left of it, and its children are next.
func (s *Source) shardWent(ctx context.Context, err error, open []*reader) bool {
	if !isNotFound(err) {
		return false
	}
	shards, err := s.shards(ctx)
	if err != nil {
		return false // the stream itself went, say
	}
	listed := map[string]bool{}
	for _, shard := range shards {
		listed[*shard.ShardId] = true
	}
	return slices.ContainsFunc(open, func(r *reader) bool { return !listed[r.shard] })
}

func isNotFound(err error) bool {
	var missing *types.ResourceNotFoundException
	return errors.As(err, &missing)
}

func budget(l batch.Limit) batch.Limit {
	if l.Records <= 0 {
		l.Records = math.MaxInt
	}
	if l.Bytes <= 0 {
		l.Bytes = math.MaxInt64
	}
	return l
}

// ready returns readers of the shards that have something left and whose parents have not.
func (s *Source) ready(shards []types.Shard, start batch.Offset) []*reader {
	known := map[string]bool{}
	for _, shard := range shards {
		known[*shard.ShardId] = true
	}
	finished := func(id *string) bool {
		if id == nil || !known[*id] { // a parent that retention took
			return true
		}
		at, ok := s.used[*id]
		return ok && at == start[*id]
	}
	var all []*reader
	for _, shard := range shards {
		if !finished(shard.ShardId) && finished(shard.ParentShardId) && finished(shard.AdjacentParentShardId) {
			all = append(all, &reader{source: s, shard: *shard.ShardId, after: start[*shard.ShardId]})
		}
	}
	return all
}

// shards lists the stream's shards, closed ones included.
func (s *Source) shards(ctx context.Context) ([]types.Shard, error) {
	var all []types.Shard
	in := &kinesis.ListShardsInput{StreamName: &s.stream}
	for {
		var out *kinesis.ListShardsOutput
		err := s.patiently(ctx, func() (err error) {
			out, err = s.client.ListShards(ctx, in, askOnce)
			return classify(err)
		})
		if err != nil {
			return nil, fmt.Errorf("list shards of stream %s: %w", s.stream, err)
		}
		all = append(all, out.Shards...)
		if out.NextToken == nil {
			return all, s.noteRanges(all)
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

// noteRanges keeps the hash keys of shards, for records of the KPL.
func (s *Source) noteRanges(shards []types.Shard) error {
	for _, shard := range shards {
		r := shard.HashKeyRange
		if r == nil {
			continue
		}
		low, okLow := kpl.ParseHash([]byte(text(r.StartingHashKey)))
		high, okHigh := kpl.ParseHash([]byte(text(r.EndingHashKey)))
		if !okLow || !okHigh {
			return fmt.Errorf("shard %s has hash keys from %q to %q", *shard.ShardId, text(r.StartingHashKey), text(r.EndingHashKey))
		}
		s.ranges[*shard.ShardId] = batch.HashRange{Low: low, High: high}
	}
	return nil
}

// hashRange is that of a shard; all hash keys where nothing is known.
func (s *Source) hashRange(shard string) batch.HashRange {
	if r, ok := s.ranges[shard]; ok {
		return r
	}
	return batch.HashRange{High: kpl.MaxHash}
}

// chunkRecords is the number of records that Read hands on at a time.
const chunkRecords = 5000

// errGone says that a planned range cannot be read again.
var errGone = errors.New("the stream no longer holds the records that were planned: its retention is over, or it was made anew")

// Read implements batch.Source.
func (s *Source) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	if len(s.ranges) == 0 { // after a restart, when this batch was planned before
		if _, err := s.shards(ctx); err != nil {
			return err
		}
	}
	var mu sync.Mutex // f is called by one at a time
	var g errgroup.Group
	g.SetLimit(fetchersMax)
	fetched := make(chan fetchedSpan, len(end))
	for shard, last := range end {
		if last == start[shard] {
			continue
		}
		kept := s.ahead[shard]
		if kept.after != start[shard] {
			kept = span{after: start[shard], end: start[shard]}
		}
		kept.endAt(last)
		g.Go(func() error {
			err := s.hand(ctx, &mu, shard, kept.records, f)
			if err == nil && kept.end != last {
				err = s.reread(ctx, &mu, shard, &kept, last, f)
			}
			fetched <- fetchedSpan{shard, kept}
			return err
		})
	}
	err := g.Wait()
	close(fetched)
	s.ahead = map[string]span{}
	if err != nil { // what was fetched need not be fetched again
		for one := range fetched {
			s.ahead[one.shard] = one.span
		}
	}
	return err
}

type fetchedSpan struct {
	shard string
	span
}

// reread goes on with the records of a shard where kept ends, up to and including last, and adds them to kept.
func (s *Source) reread(ctx context.Context, mu *sync.Mutex, shard string, kept *span, last string, f func([]batch.Record) error) error {
	r := &reader{source: s, shard: shard, after: kept.end}
	for {
		r.records = nil
		err := r.fetch(ctx, batch.Limit{Records: chunkRecords, Bytes: math.MaxInt64})
		if isNotFound(err) {
			return fmt.Errorf("%w: %w", errGone, err)
		}
		if err != nil {
			return err
		}
		done := false
		for i, record := range r.records {
			if c := compare(*record.SequenceNumber, last); c >= 0 {
				if c > 0 {
					return fmt.Errorf("shard %s, up to sequence number %s: %w", shard, last, errGone)
				}
				r.records, done = r.records[:i+1], true
				break
			}
		}
		if n := len(r.records); n > 0 {
			kept.records = append(kept.records, r.records...)
			kept.end = *r.records[n-1].SequenceNumber
		}
		if err := s.hand(ctx, mu, shard, r.records, f); err != nil || done {
			return err
		}
		if r.throttled != nil {
			return r.throttled
		}
		if r.used || r.atTip {
			return fmt.Errorf("shard %s, up to sequence number %s: %w", shard, last, errGone)
		}
	}
}

// hand gives records to f.
func (s *Source) hand(ctx context.Context, mu *sync.Mutex, shard string, records []types.Record, f func([]batch.Record) error) error {
	mu.Lock()
	defer mu.Unlock()
	hashes := s.hashRange(shard)
	chunk := make([]batch.Record, 0, min(len(records), chunkRecords))
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		if err := f(chunk); err != nil {
			return err
		}
		chunk = chunk[:0]
		return ctx.Err()
	}
	for _, r := range records {
		record := batch.Record{
			Shard: shard, SeqNum: *r.SequenceNumber, Key: []byte(text(r.PartitionKey)), Data: r.Data, Arrival: moment(r.ApproximateArrivalTimestamp),
		}
		err := s.opts.Aggregates.Unpack(record, hashes, func(user batch.Record) error {
			if chunk = append(chunk, user); len(chunk) < chunkRecords {
				return nil
			}
			return flush()
		})
		if err != nil {
			return err
		}
	}
	return flush()
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// compare orders sequence numbers, which are decimal and may differ in length.
func compare(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
