package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/weir-data/weir/internal/awshttp"
)

// follower reads all shards of a stream and goes on with those that splits and merges leave. It asks with GetRecords, which
// leaves nothing behind, as a registered consumer would where the process is killed.
type follower struct {
	client *kinesis.Client
	where  string
	stream string
	from   tailStart
	until  time.Time // zero: without end
	only   []string  // ids of shards; none: all
	pace   pace
	note   func(text string) // hears of what is tried again

	opened int                    // shards that were begun
	shards map[string]*shardState // by id, also those that are read to the end
	due    chan *shardState
	pages  chan tailPage
}

// shardState is a shard that is being read, waits for its parents, or is read to its end.
type shardState struct {
	id       string
	parents  []string
	from     tailStart
	begun    bool
	ended    bool
	iterator *string // nil: to be fetched
	last     string  // sequence number of the last record that was read
	idle     time.Duration
	failing  bool
}

// tailPage is what one GetRecords gave.
type tailPage struct {
	shard *shardState
	out   *kinesis.GetRecordsOutput
	asked time.Time
	err   error
}

// pace is how long to wait at the tip of a shard: least after records, most after a while without any.
type pace struct{ least, most time.Duration }

// paceFor heeds that AWS allows five calls a second and shard for all readers together; a weir on this machine has no such
// limit unless it was told to.
func paceFor(endpoint string) pace {
	if isLocal(endpoint) {
		return pace{10 * time.Millisecond, 100 * time.Millisecond}
	}
	return pace{250 * time.Millisecond, time.Second}
}

// after is the pause before the next call at the tip, with so many shards read at once.
func (p pace) after(idle time.Duration, records, shards int) time.Duration {
	if records > 0 {
		return p.least
	}
	return min(max(2*idle, p.least), max(p.most, time.Duration(shards)*time.Millisecond))
}

// tailReaders is how many calls are under way at once.
const tailReaders = 8

// follow gives the records of each shard in order, until show wants no more, the time is over or ctx is done.
func (f *follower) follow(ctx context.Context, show func(shard string, recs []types.Record) (more bool, err error)) error {
	ctx, stop := context.WithCancel(ctx)
	f.shards, f.due, f.pages = map[string]*shardState{}, make(chan *shardState), make(chan tailPage)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stop()
	for range tailReaders {
		readers.Go(func() { f.read(ctx) })
	}
	if err := f.list(ctx); err != nil {
		return err
	}
	active := f.begin(ctx)
	for active > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p := <-f.pages:
			again, pause, err := f.take(p)
			if err != nil {
				return err
			}
			if p.err == nil {
				recs, passed := cutAt(p.out.Records, f.until)
				if len(recs) > 0 {
					if more, err := show(p.shard.id, recs); err != nil || !more {
						return err
					}
				}
				again = again && !passed
			}
			if again {
				f.schedule(ctx, p.shard, pause)
				continue
			}
			active--
			p.shard.ended = true
			if p.out.NextShardIterator == nil && len(f.only) == 0 {
				f.adopt(p.out.ChildShards)
				active += f.begin(ctx)
			}
		}
	}
	return nil
}

// take notes where a shard has come to and says whether, and when, to read on.
func (f *follower) take(p tailPage) (again bool, pause time.Duration, err error) {
	sh := p.shard
	if p.err != nil {
		if !worthAnotherTry(p.err) {
			return false, 0, p.err
		}
		if !sh.failing {
			f.note(fmt.Sprintf("%s of %s: %v; trying again", sh.id, f.stream, p.err))
		}
		sh.iterator, sh.failing, sh.idle = nil, true, max(min(2*sh.idle, 2*time.Second), 100*time.Millisecond)
		return true, sh.idle, nil
	}
	sh.iterator, sh.failing = p.out.NextShardIterator, false
	n := len(p.out.Records)
	if n > 0 {
		sh.last = aws.ToString(p.out.Records[n-1].SequenceNumber)
	}
	if sh.iterator == nil {
		return false, 0, nil
	}
	if aws.ToInt64(p.out.MillisBehindLatest) > 0 {
		sh.idle = 0
		return true, 0, nil
	}
	if !f.until.IsZero() && !p.asked.Before(f.until) {
		return false, 0, nil
	}
	sh.idle = f.pace.after(sh.idle, n, f.opened)
	return true, sh.idle, nil
}

// cutAt drops the records that arrived at or after until; passed says that there were such.
func cutAt(recs []types.Record, until time.Time) (kept []types.Record, passed bool) {
	if until.IsZero() {
		return recs, false
	}
	for i := range recs {
		if at := recs[i].ApproximateArrivalTimestamp; at != nil && !at.Before(until) {
			return recs[:i], true
		}
	}
	return recs, false
}

// list finds the shards to begin with.
func (f *follower) list(ctx context.Context) error {
	in := &kinesis.ListShardsInput{StreamName: &f.stream, ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}}
	switch f.from.kind {
	case types.ShardIteratorTypeLatest:
		in.ShardFilter.Type = types.ShardFilterTypeAtLatest
	case types.ShardIteratorTypeAtTimestamp:
		in.ShardFilter.Type, in.ShardFilter.Timestamp = types.ShardFilterTypeFromTimestamp, &f.from.at
	}
	if len(f.only) > 0 { // also one that is closed
		in.ShardFilter = nil
	}
	for {
		out, err := f.client.ListShards(ctx, in)
		if err != nil {
			return fmt.Errorf("list the shards of %s: %w", f.stream, err)
		}
		for _, sh := range out.Shards {
			if len(f.only) == 0 || slices.Contains(f.only, *sh.ShardId) {
				f.shards[*sh.ShardId] = &shardState{id: *sh.ShardId, parents: parentsOf(sh.ParentShardId, sh.AdjacentParentShardId), from: f.from}
			}
		}
		if out.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
	for _, id := range f.only {
		if f.shards[id] == nil {
			return fmt.Errorf("stream %s has no shard %s", f.stream, id)
		}
	}
	return nil
}

func parentsOf(ids ...*string) (parents []string) {
	for _, id := range ids {
		if id != nil {
			parents = append(parents, *id)
		}
	}
	return parents
}

// adopt adds the children of a shard that was read to its end: all of their records are new.
func (f *follower) adopt(children []types.ChildShard) {
	for _, c := range children {
		if f.shards[*c.ShardId] == nil {
			f.shards[*c.ShardId] = &shardState{id: *c.ShardId, parents: c.ParentShards, from: tailStart{kind: types.ShardIteratorTypeTrimHorizon}}
		}
	}
}

// begin starts the shards of which no parent is still being read, and returns how many.
func (f *follower) begin(ctx context.Context) (begun int) {
	for _, sh := range f.shards {
		waits := slices.ContainsFunc(sh.parents, func(id string) bool { p := f.shards[id]; return p != nil && !p.ended })
		if sh.begun || waits {
			continue
		}
		sh.begun = true
		begun++
		f.opened++
		f.schedule(ctx, sh, 0)
	}
	return begun
}

// schedule has a shard read after a pause.
func (f *follower) schedule(ctx context.Context, sh *shardState, pause time.Duration) {
	time.AfterFunc(pause, func() {
		select {
		case f.due <- sh:
		case <-ctx.Done():
		}
	})
}

// read asks for a page of each shard that is due.
func (f *follower) read(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case sh := <-f.due:
			p := tailPage{shard: sh, asked: time.Now()}
			p.out, p.err = f.page(ctx, sh)
			select {
			case f.pages <- p:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (f *follower) page(ctx context.Context, sh *shardState) (*kinesis.GetRecordsOutput, error) {
	if sh.iterator == nil {
		out, err := f.client.GetShardIterator(ctx, f.position(sh))
		if err != nil {
			return nil, err
		}
		sh.iterator = out.ShardIterator
	}
	return f.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: sh.iterator},
		func(o *kinesis.Options) { o.HTTPClient = awshttp.OwnBody(o.HTTPClient) })
}

// position is where a shard is to be read: behind the last record that was, else where it begins.
func (f *follower) position(sh *shardState) *kinesis.GetShardIteratorInput {
	in := &kinesis.GetShardIteratorInput{StreamName: &f.stream, ShardId: &sh.id, ShardIteratorType: sh.from.kind}
	switch {
	case sh.last != "":
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &sh.last
	case !sh.from.at.IsZero():
		in.Timestamp = &sh.from.at
	}
	return in
}

// worthAnotherTry says whether an error may go away: a server that restarts, throttling, an iterator that has expired.
func worthAnotherTry(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return !errors.Is(err, context.Canceled)
	}
	switch api.ErrorCode() {
	case "ExpiredIteratorException", "ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException", "ThrottlingException":
		return true
	}
	return api.ErrorFault() == smithy.FaultServer
}
