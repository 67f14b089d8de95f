package kinesis

// SubscribeToShard pushes the records of a shard to a consumer for five minutes, as soon as they are durable, over HTTP/1.1
// and HTTP/2. An event comes at least every five seconds, with a ContinuationSequenceNumber that moves on also without
// records; the last event of a closed shard has none and names the children. A consumer has one subscription of a shard: a
// second one is refused for five seconds, then takes over, and the first ends with ResourceInUseException: a reader that
// was told nothing would subscribe again at once and take over in turn. What goes wrong later is an exception in the stream.

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const (
	subscriptionLife = 5 * time.Minute
	heartbeat        = 4500 * time.Millisecond // between events, when there is nothing to say

	eventRecordsMax   = 10000
	eventBytesMax     = 1 << 20
	eventBytesCrowded = 64 << 10 // while slow readers hold up many events
	eventBufferKept   = 4 << 20
)

// eventBuffers are buffers of sent events.
var eventBuffers = sync.Pool{New: func() any { return new([]byte) }}

func (s *service) subscribeToShard(_ context.Context, r *wire.Request, w http.ResponseWriter) error {
	in := new(kinesis.SubscribeToShardInput)
	if err := r.DecodeInto(in); err != nil {
		return err
	}
	if err := checkSubscribeToShard(in); err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(r.UntilStop())
	defer end(nil)
	p, err := s.subscribe(ctx, in, end)
	if err != nil {
		return err
	}
	defer s.subscribers.leave(p.subscriber)
	if p.events, err = r.OpenEventStream(w, &kinesis.SubscribeToShardOutput{}); err != nil {
		return err
	}
	p.format = formatOf(r)
	ctx, cancel := context.WithTimeout(ctx, subscriptionLife)
	defer cancel()
	return p.outcome(ctx, p.run(ctx))
}

func checkSubscribeToShard(in *kinesis.SubscribeToShardInput) error {
	var v wire.Violations
	v.Required(in.ConsumerARN != nil, "consumerARN")
	checkARN(&v, in.ConsumerARN, "consumerARN", consumerARN)
	v.Required(in.ShardId != nil, "shardId")
	checkName(&v, in.ShardId, "shardId")
	v.Required(in.StartingPosition != nil, "startingPosition")
	if at := in.StartingPosition; at != nil {
		v.Required(at.Type != "", "startingPosition.type")
		wire.Enum(&v, at.Type, "startingPosition.type", iteratorTypes)
		v.Pattern(at.SequenceNumber, "startingPosition.sequenceNumber", sequencePattern)
	}
	checkID(&v, in.StreamId)
	return v.Err()
}

// subscribe finds out what a request means and makes its caller the subscriber, whom end will end.
func (s *service) subscribe(ctx context.Context, in *kinesis.SubscribeToShardInput, end context.CancelCauseFunc) (*push, error) {
	name, consumer, err := s.consumerByARN(ctx, *in.ConsumerARN)
	if err != nil {
		return nil, err
	}
	sh, err := s.shard(name, *in.ShardId)
	if err != nil {
		return nil, err
	}
	series := s.streams.ConsumerSeries(name, consumer.Name)
	if err := s.admitSubscribe(consumer, sh); err != nil {
		series.ObserveSubscribe(false, true)
		return nil, err
	}
	at := in.StartingPosition
	counter, err := s.start(ctx, sh, startAt{"SubscribeToShard", at.Type, at.SequenceNumber, at.Timestamp})
	if err != nil {
		return nil, s.gone(err, sh)
	}
	p := &push{service: s, shard: sh, counter: counter, series: series}
	taken := resourceInUse("Another active subscription exists for this consumer: %s:%s:%s:%s",
		s.streams.Account(), name, sh.ID(), consumer.Name)
	p.subscriber, err = s.subscribers.enter(place{consumer.ARN, sh.Index()}, s.now(), value(in.DryRun), end, taken)
	if err != nil {
		p.series.ObserveSubscribe(false, false)
		return nil, err
	}
	if value(in.DryRun) {
		return nil, errDryRun
	}
	if _, _, err := s.consumerByARN(ctx, consumer.ARN); err != nil { // it went away before we were known to be there
		s.subscribers.leave(p.subscriber)
		return nil, err
	}
	p.series.ObserveSubscribe(true, false)
	return p, nil
}

// push is one subscription.
type push struct {
	*service
	*subscriber
	shard   stream.Shard
	series  stream.ConsumerSeries
	events  *wire.EventStream
	format  recordFormat
	counter uint64 // of the last record that was sent
	second  uint64 // in the last ContinuationSequenceNumber
	paid    bucket // of the bytes that were sent
}

// run sends events until the shard ends, or something else does.
func (p *push) run(ctx context.Context) error {
	for {
		page, err := p.sendEvent(ctx)
		if err != nil || page.Ended {
			return err
		}
		if err := pause(ctx, p.pace(&p.paid, page.Bytes)); err != nil {
			return err
		}
		if !page.AtTip {
			continue
		}
		wait, cancel := context.WithTimeout(ctx, heartbeat)
		err = p.shard.Wait(wait, p.shard.At(p.counter))
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errUnsent says that the reader cannot be reached.
var errUnsent = errors.New("event was not sent")

// sendEvent sends what stands next, which may be nothing. Idle subscriptions hold no buffer.
func (p *push) sendEvent(ctx context.Context) (stream.Page, error) {
	buf := eventBuffers.Get().(*[]byte)
	b, page, err := appendPage(ctx, (*buf)[:0], p.format, p.shard, p.shard.At(p.counter), eventRecordsMax, p.subscribers.eventBytes())
	if err != nil {
		return page, err
	}
	if page.Records > 0 {
		p.counter = counterOf(page.Last)
	}
	if !page.Ended {
		b = p.format.text(b, "ContinuationSequenceNumber", p.continuation(page).String())
	}
	behind := p.behind(page)
	b = p.format.integer(b, "MillisBehindLatest", behind)
	b = p.format.end(b)
	p.subscribers.sending(len(b))
	err = p.events.Send("SubscribeToShardEvent", b)
	p.subscribers.sending(-len(b))
	p.series.ObserveEvent(page.Records, page.Bytes, time.Duration(behind)*time.Millisecond, err == nil)
	if err != nil {
		return page, errUnsent
	}
	p.shard.ObservePush(page.Records, page.Bytes)
	if cap(b) <= eventBufferKept {
		*buf = b
		eventBuffers.Put(buf)
	}
	return page, nil
}

// continuation is where a later subscription goes on: behind the last record, before the next one, and greater than
// the one before in each second.
func (p *push) continuation(page stream.Page) stream.SeqNum {
	parts, _ := p.shard.At(p.counter).Parts()
	last, _ := page.Last.Parts()
	p.second = max(p.second, last.Second, uint64(max(p.now().Unix(), 0)))
	parts.Second = p.second
	return stream.NewSeqNum(parts)
}

// outcome is what the reader is told about the end, if anything.
func (p *push) outcome(ctx context.Context, err error) error {
	var cause *wire.Error
	switch {
	case errors.As(context.Cause(ctx), &cause):
		return cause
	case ctx.Err() != nil, errors.Is(err, errUnsent), errors.Is(err, stream.ErrClosed):
		return nil // the time is over, the reader has gone, or we stop
	}
	return p.gone(err, p.shard)
}
