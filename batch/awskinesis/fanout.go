package awskinesis

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/batch"
)

const (
	// lingerMax is how long Plan waits for more where there is something and more is on its way.
	lingerMax = 100 * time.Millisecond
	// settleMax is how long Plan waits to learn whether there is anything: a place that another subscriber had is free after five seconds.
	settleMax = 15 * time.Second
	// bufferedMax is about how many bytes are kept ahead of all shards together. Each may keep one event in any case.
	bufferedMax = 64 << 20
)

// FanOut is a batch.Source that has records pushed to it, with a throughput of its own (enhanced fan-out): a registered consumer
// with a subscription of each shard. What was pushed is kept until a plan takes it; a range that was planned before a restart is read with
// GetRecords, since a subscription cannot be told where to end. One goroutine uses it, and closes it in the end.
type FanOut struct {
	*Source
	client   *kinesis.Client
	consumer string

	arn    string                   // of the consumer; empty until it is known to be active
	listed []types.Shard            // empty: to be listed
	subs   map[string]*subscription // by shard

	life context.Context // of the subscriptions
	end  context.CancelFunc

	mu       sync.Mutex // guards the field below, and those of the subscriptions
	buffered int64
	changed  chan struct{} // has one when a subscription has something new
}

var (
	_ batch.Source  = (*FanOut)(nil)
	_ batch.Starter = (*FanOut)(nil)
	_ io.Closer     = (*FanOut)(nil)
)

// NewFanOut returns a source over the named stream, by the named consumer, which is registered when it is first used if it is not there.
func NewFanOut(client *kinesis.Client, stream, consumer string, opts Options) *FanOut {
	f := &FanOut{
		Source: New(client, stream, opts), client: client, consumer: consumer,
		subs: map[string]*subscription{}, changed: make(chan struct{}, 1),
	}
	f.life, f.end = context.WithCancel(context.Background())
	return f
}

// Close ends the subscriptions. The consumer stays, and where it was is for the plans to know.
func (f *FanOut) Close() error {
	f.end()
	for _, s := range f.subs {
		<-s.done
	}
	return nil
}

// Position implements batch.Starter.
func (f *FanOut) Position(ctx context.Context, start batch.Start) (batch.Offset, error) {
	if err := f.register(ctx); err != nil {
		return nil, err
	}
	return f.Source.Position(ctx, start)
}

// Wait returns when something was pushed after start, or it is time to look whether all is well.
func (f *FanOut) Wait(ctx context.Context, _ batch.Offset) error {
	look := time.NewTimer(settleMax)
	defer look.Stop()
	for {
		f.mu.Lock()
		there := len(f.subs) == 0
		for _, s := range f.subs {
			there = there || len(s.records) > s.planned || s.ended || s.over
		}
		f.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-f.changed:
		case <-look.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Plan implements batch.Source.
func (f *FanOut) Plan(ctx context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	f.ahead = map[string]span{}
	for again := false; ; again = true {
		if err := f.follow(ctx, start); err != nil {
			return nil, err
		}
		if err := f.gather(ctx, limit); err != nil {
			went, err := f.mend(ctx, start, err, again)
			if err != nil {
				return nil, err
			}
			if went {
				continue
			}
		}
		end, over := f.take(start, limit)
		if !end.Equal(start) || !over {
			return end, nil
		}
		// Shards without records are used up: their children may have some.
	}
}

// follow has a subscription of each shard that has something left after start and whose parents have not.
func (f *FanOut) follow(ctx context.Context, start batch.Offset) (err error) {
	if err := f.register(ctx); err != nil {
		return err
	}
	if len(f.listed) == 0 {
		if f.listed, err = f.shards(ctx); err != nil {
			return err
		}
	}
	open := map[string]bool{}
	for _, r := range f.ready(f.listed, start) {
		open[r.shard] = true
		if s := f.subs[r.shard]; s != nil && s.begin(start[r.shard]) {
			continue
		}
		f.leave(r.shard)
		at, err := positionOf(start[r.shard])
		if err != nil {
			return err
		}
		f.subs[r.shard] = f.subscribe(r.shard, start[r.shard], at)
	}
	for shard := range f.subs {
		if !open[shard] {
			f.leave(shard)
		}
	}
	return nil
}

// leave ends the subscription of a shard, if there is one, and forgets what it holds.
func (f *FanOut) leave(shard string) {
	s := f.subs[shard]
	if s == nil {
		return
	}
	s.cancel()
	<-s.done
	f.mu.Lock()
	f.buffered -= s.bytes
	f.mu.Unlock()
	f.figures.lag(shard, 0, true)
	delete(f.subs, shard)
	f.drained()
}

// drained lets subscriptions that wait for room go on.
func (f *FanOut) drained() {
	for _, s := range f.subs {
		signal(s.room)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// gather waits until there is as much as a batch may have, or all that there is; or for a moment where there is something. The error is
// why it is not known whether there is anything.
func (f *FanOut) gather(ctx context.Context, limit batch.Limit) error {
	linger, settle := time.NewTimer(lingerMax), time.NewTimer(settleMax)
	defer linger.Stop()
	defer settle.Stop()
	lingered := false
	for {
		some, enough, err := f.look(limit)
		switch {
		case enough, some && lingered:
			return nil
		case err != nil && !batch.IsTemporary(err):
			return err
		}
		select {
		case <-f.changed:
		case <-linger.C:
			lingered = true
		case <-settle.C:
			if err == nil {
				err = batch.Temporary(fmt.Errorf("consumer %s of stream %s: nothing came within %v of subscribing", f.consumer, f.stream, settleMax))
			}
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look says whether the subscriptions hold something, and whether that is enough for a batch. The error is that of one which has nothing.
func (f *FanOut) look(limit batch.Limit) (some, enough bool, err error) {
	left := budget(limit)
	f.mu.Lock()
	defer f.mu.Unlock()
	settled := true
	for _, s := range f.subs {
		left.Records -= len(s.records)
		left.Bytes -= s.bytes
		some = some || len(s.records) > 0
		settled = settled && (s.ended || s.atTip)
		if len(s.records) == 0 && s.err != nil && (err == nil || !batch.IsTemporary(s.err)) {
			err = s.err
		}
	}
	if some && err != nil && batch.IsTemporary(err) {
		err = nil // it has time
	}
	return some, settled || left.Records <= 0 || left.Bytes <= 0, err
}

// mend makes good what gather came upon, where it can: a shard that retention took is no matter, and a consumer that somebody
// deregistered is registered anew, once.
func (f *FanOut) mend(ctx context.Context, start batch.Offset, err error, again bool) (mended bool, _ error) {
	if !isNotFound(err) {
		return false, err
	}
	listed, lerr := f.shards(ctx)
	if lerr != nil {
		return false, lerr
	}
	known := map[string]bool{}
	for _, shard := range listed {
		known[*shard.ShardId] = true
	}
	f.listed = listed
	for shard := range f.subs {
		if !known[shard] {
			f.used[shard] = start[shard]
			mended = true
			f.leave(shard)
		}
	}
	if mended || again {
		return mended, errUnless(mended, err)
	}
	f.arn = ""
	for shard := range f.subs {
		f.leave(shard)
	}
	return true, nil
}

func errUnless(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}

// take plans what the subscriptions hold, up to about limit. Shards share the limit; those that have less leave it to the others. over says
// that there is nothing and that a shard has ended.
func (f *FanOut) take(start batch.Offset, limit batch.Limit) (end batch.Offset, over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var open []*subscription
	for _, s := range f.subs {
		if s.planned = 0; len(s.records) > 0 {
			open = append(open, s)
		}
	}
	for left := budget(limit); len(open) > 0 && left.Records > 0 && left.Bytes > 0; {
		share := batch.Limit{Records: max(left.Records/len(open), 1), Bytes: max(left.Bytes/int64(len(open)), 1)}
		for _, s := range open {
			records, bytes := s.plan(share)
			left.Records -= records
			left.Bytes -= bytes
		}
		open = slices.DeleteFunc(open, func(s *subscription) bool { return s.planned == len(s.records) })
	}
	end = start.Clone()
	for _, s := range f.subs {
		if s.planned > 0 {
			taken := s.records[:s.planned:s.planned]
			end[s.shard] = *taken[s.planned-1].SequenceNumber
			f.ahead[s.shard] = span{start[s.shard], end[s.shard], taken}
		}
		if s.ended && s.planned == len(s.records) {
			f.used[s.shard] = end[s.shard]
			f.listed, over = nil, true
		}
	}
	return end, over
}
