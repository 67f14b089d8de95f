package kinesis

// GetShardIterator gives a place to read from. All five types are fixed at the time of the call, so LATEST loses nothing
// that comes between it and the first GetRecords. A sequence number need not belong to a record, only to the shard.
// Where AWS's limits hold, five calls a second and shard are answered.

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// iteratorTypes in the order in which AWS lists them.
var iteratorTypes = []types.ShardIteratorType{
	types.ShardIteratorTypeAfterSequenceNumber, types.ShardIteratorTypeLatest, types.ShardIteratorTypeAtTimestamp,
	types.ShardIteratorTypeAtSequenceNumber, types.ShardIteratorTypeTrimHorizon,
}

func (s *service) getShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput) (*kinesis.GetShardIteratorOutput, error) {
	if err := checkGetShardIterator(in); err != nil {
		return nil, err
	}
	name, err := s.streamName(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	sh, err := s.shard(name, *in.ShardId)
	if err != nil {
		return nil, err
	}
	if err := s.admitIterator(sh); err != nil {
		return nil, err
	}
	counter, err := s.start(ctx, sh, startAt{"GetShardIterator", in.ShardIteratorType, in.StartingSequenceNumber, in.Timestamp})
	if err != nil {
		return nil, s.gone(err, sh)
	}
	if value(in.DryRun) {
		return nil, errDryRun
	}
	return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String(s.tokens.iterator(position{
		incarnation: sh.Incarnation(), shard: sh.Index(), counter: counter,
	}))}, nil
}

// shard finds the shard that a request names.
func (s *service) shard(name, id string) (stream.Shard, error) {
	index, ok := stream.ParseShardID(id)
	if !ok {
		return stream.Shard{}, s.cannotFindShard(id, name)
	}
	sh, err := s.streams.Shard(name, stream.ShardID(index))
	if err != nil {
		return sh, s.noShard(err, name, stream.ShardID(index))
	}
	return sh, nil
}

func checkGetShardIterator(in *kinesis.GetShardIteratorInput) error {
	var v wire.Violations
	v.Required(in.ShardId != nil, "shardId")
	checkName(&v, in.ShardId, "shardId")
	v.Required(in.ShardIteratorType != "", "shardIteratorType")
	wire.Enum(&v, in.ShardIteratorType, "shardIteratorType", iteratorTypes)
	v.Pattern(in.StartingSequenceNumber, "startingSequenceNumber", sequencePattern)
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	return v.Err()
}

// startAt says where reading begins, in GetShardIterator and SubscribeToShard alike.
type startAt struct {
	operation string
	kind      types.ShardIteratorType
	number    *string
	time      *time.Time
}

// start is the counter of the record after which reading begins.
func (s *service) start(ctx context.Context, sh stream.Shard, at startAt) (uint64, error) {
	if at.kind == types.ShardIteratorTypeAtTimestamp {
		return s.startByTime(ctx, sh, at)
	}
	numbered := at.kind == types.ShardIteratorTypeAtSequenceNumber || at.kind == types.ShardIteratorTypeAfterSequenceNumber
	if numbered != (at.number != nil) {
		has := "and no StartingSequenceNumber"
		if !numbered {
			has = "and also a StartingSequenceNumber"
		}
		return 0, invalidArgument("Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or "+
			"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s %s.", at.kind, has)
	}
	if numbered {
		return s.startByNumber(ctx, sh, at)
	}
	if at.kind == types.ShardIteratorTypeTrimHorizon {
		return 0, nil
	}
	tip, err := sh.Tip()
	return counterOf(tip), err
}

// counterOf is the counter in a number that a shard gave.
func counterOf(n stream.SeqNum) uint64 {
	if n.IsZero() {
		return 0
	}
	p, _ := n.Parts()
	return p.Counter
}

func (s *service) startByTime(ctx context.Context, sh stream.Shard, at startAt) (uint64, error) {
	if at.time == nil {
		return 0, invalidArgument("Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.")
	}
	if at.number != nil {
		return 0, invalidArgument("Must not specify a StartingSequenceNumber for iterator of type AT_TIMESTAMP.")
	}
	if now := s.now(); at.time.After(now) {
		return 0, invalidArgument("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "+
			"timestampInMillis: %d, currentTimestampInMillis: %d", at.time.UnixMilli(), now.UnixMilli())
	}
	before, err := sh.Before(ctx, *at.time)
	return counterOf(before), err
}

func (s *service) startByNumber(ctx context.Context, sh stream.Shard, at startAt) (uint64, error) {
	malformed := func(why string) error {
		return invalidArgument("StartingSequenceNumber %s used in %s on shard %s in stream %s under account %s is invalid%s.",
			*at.number, at.operation, sh.ID(), sh.Stream(), s.streams.Account(), why)
	}
	n, err := stream.ParseSeqNum(*at.number)
	if err != nil {
		return 0, malformed("")
	}
	p, ok := n.Parts()
	if !ok {
		return 0, malformed("")
	}
	if p.Shard != sh.Index() {
		return 0, invalidArgument("Invalid StartingSequenceNumber. It encodes %s, while it was used in a call to a shard with %s",
			stream.ShardID(p.Shard), sh.ID())
	}
	first, _ := sh.First().Parts()
	if p.Created != first.Created {
		return 0, malformed(" because it did not come from this stream")
	}
	if at.kind == types.ShardIteratorTypeAtSequenceNumber && p.Counter > 0 {
		return s.startAtRecord(ctx, sh, n, p.Counter)
	}
	return p.Counter, nil
}

// startAtRecord is start for AT_SEQUENCE_NUMBER. A number that went on from a record, as a ContinuationSequenceNumber of
// SubscribeToShard does, stands behind that record.
func (s *service) startAtRecord(ctx context.Context, sh stream.Shard, n stream.SeqNum, counter uint64) (uint64, error) {
	start := counter - 1
	_, err := sh.Scan(ctx, sh.At(start), 1, 1, func(recs []stream.Record) error {
		if r := recs[0].SeqNum; counterOf(r) == counter && string(n[:]) > string(r[:]) {
			start = counter
		}
		return nil
	})
	return start, err
}

// utcText is a time as AWS prints it in messages: Thu Jan 22 01:22:02 UTC 2015.
func utcText(t time.Time) string { return t.UTC().Format("Mon Jan 02 15:04:05 UTC 2006") }
