package awskinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/weir-data/weir/batch"
)

// silenceMax is how long a subscription may be silent before it is taken for dead: a service sends an event every five seconds.
const silenceMax = 30 * time.Second

var errSilent = errors.New("the subscription was silent for too long")

// subscription is that of one shard: SubscribeToShard again and again, each time where the one before has ended.
type subscription struct {
	fan    *FanOut
	arn    string // of the consumer
	shard  string
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
	room   chan struct{} // has one when there may be room

	at types.StartingPosition // of its goroutine: where to go on

	// Guarded by fan.mu:
	base    string         // the offset before the first of records
	records []types.Record // that no batch that is done has taken
	planned int            // how many of them the newest plan has
	bytes   int64          // of their data
	atTip   bool           // there was nothing newer when the newest event was made, and the subscription holds
	ended   bool           // the shard is closed, and records are the last
	over    bool           // it has given up, for err
	err     error          // why there is no subscription now
}

// subscribe begins a subscription behind an offset.
func (f *FanOut) subscribe(shard, base string, at types.StartingPosition) *subscription {
	ctx, cancel := context.WithCancel(f.life)
	s := &subscription{
		fan: f, arn: f.arn, shard: shard, base: base, at: at, cancel: cancel, done: make(chan struct{}), room: make(chan struct{}, 1),
	}
	go func() {
		defer close(s.done)
		s.run(ctx)
	}()
	return s
}

// begin forgets the records up to offset. It fails where offset is neither before the first nor the end of the newest plan.
func (s *subscription) begin(offset string) bool {
	s.fan.mu.Lock()
	defer s.fan.mu.Unlock()
	if s.base == offset {
		return true
	}
	if s.planned == 0 || *s.records[s.planned-1].SequenceNumber != offset {
		return false
	}
	for _, r := range s.records[:s.planned] {
		s.bytes -= int64(len(r.Data))
		s.fan.buffered -= int64(len(r.Data))
	}
	s.base, s.records, s.planned = offset, append([]types.Record(nil), s.records[s.planned:]...), 0
	s.fan.drained()
	return true
}

// plan takes about share more of the records into the plan.
func (s *subscription) plan(share batch.Limit) (records int, bytes int64) {
	for s.planned < len(s.records) && records < share.Records && bytes < share.Bytes {
		bytes += int64(len(s.records[s.planned].Data))
		records++
		s.planned++
	}
	return records, bytes
}

// run subscribes until the shard or ctx ends, or something fails that will not get better by itself.
func (s *subscription) run(ctx context.Context) {
	for tries := 1; ; tries++ {
		came, err := s.follow(ctx)
		if ctx.Err() != nil || s.finished(err) {
			return
		}
		if came {
			tries = 0
			if err == nil {
				continue // its five minutes are over
			}
		}
		if batch.Sleep(ctx, backoff(max(tries, 1))) != nil {
			return
		}
	}
}

// finished notes how a subscription came to its end, and says whether it was the last.
func (s *subscription) finished(err error) bool {
	s.fan.mu.Lock()
	defer s.fan.mu.Unlock()
	defer signal(s.fan.changed)
	if s.ended {
		return true
	}
	s.atTip = false
	if err == nil {
		return false
	}
	s.err = fmt.Errorf("subscribe consumer %s to shard %s of stream %s: %w", s.fan.consumer, s.shard, s.fan.stream, classify(err))
	if s.over = lasting(err); !s.over {
		s.err = batch.Temporary(s.err)
	}
	return s.over
}

// lasting says whether the service refused for a reason that stays.
func lasting(err error) bool {
	var taken *types.ResourceInUseException // by a subscriber that has gone, or by one that came
	var api smithy.APIError
	if errors.As(err, &taken) || batch.IsTemporary(classify(err)) || !errors.As(err, &api) {
		return false
	}
	return api.ErrorFault() != smithy.FaultServer && api.ErrorCode() != "InternalFailureException"
}

// follow is one SubscribeToShard, to its end. came says that it had an event.
func (s *subscription) follow(ctx context.Context) (came bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Event streams of one client share a buffer.
	client := kinesis.New(s.fan.client.Options())
	out, err := client.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{
		ConsumerARN: &s.arn, ShardId: &s.shard, StartingPosition: &s.at,
	}, useOwnBody)
	if err != nil {
		return false, err
	}
	events := out.GetStream()
	defer events.Close()
	silence := time.NewTimer(silenceMax)
	defer silence.Stop()
	for {
		select {
		case event, ok := <-events.Events():
			if !ok {
				return came, events.Err()
			}
			e, ok := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
			if !ok {
				continue // of a kind that is newer than this client
			}
			came = true
			if over, err := s.take(ctx, &e.Value); over || err != nil {
				return came, err
			}
			silence.Reset(silenceMax)
		case <-silence.C:
			return came, batch.Temporary(errSilent)
		case <-ctx.Done():
			return came, ctx.Err()
		}
	}
}

// take keeps the records of an event when there is room for them. over says that it was the last of the shard.
func (s *subscription) take(ctx context.Context, e *types.SubscribeToShardEvent) (over bool, err error) {
	size := int64(0)
	for i := range e.Records {
		size += int64(len(e.Records[i].Data))
	}
	for !s.keep(e, size) {
		select {
		case <-s.room:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	if e.ContinuationSequenceNumber == nil || len(e.ChildShards) > 0 {
		return true, nil
	}
	s.at = types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: e.ContinuationSequenceNumber}
	return false, nil
}

// keep adds the records of an event, unless there is no room.
func (s *subscription) keep(e *types.SubscribeToShardEvent, size int64) bool {
	s.fan.mu.Lock()
	defer s.fan.mu.Unlock()
	if len(s.records) > 0 && size > 0 && s.fan.buffered+size > bufferedMax {
		return false
	}
	s.records = append(s.records, e.Records...)
	s.bytes += size
	s.fan.buffered += size
	s.atTip = e.MillisBehindLatest != nil && *e.MillisBehindLatest == 0
	s.ended = e.ContinuationSequenceNumber == nil || len(e.ChildShards) > 0
	s.err = nil
	if e.MillisBehindLatest != nil {
		s.fan.figures.lag(s.shard, *e.MillisBehindLatest, s.ended)
	}
	signal(s.fan.changed)
	return true
}
