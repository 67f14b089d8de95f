package kinesis

// GetShardIterator gives a place to read from. All five types are fixed at the time of the call, so LATEST loses nothing
// that comes between it and the first GetRecords. A sequence number need not belong to a record, only to the shard.
// Skipped: the limit of five calls a second and shard.

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
	index, ok := stream.ParseShardID(*in.ShardId)
	if !ok {
		return nil, resourceNotFound("Could not find shard %s in stream %s under account %s.", *in.ShardId, name, s.streams.Account())
	}
	id := stream.ShardID(index)
	sh, err := s.streams.Shard(name, id)
	if err != nil {
		return nil, s.noShard(err, name, id)
	}
	counter, err := s.start(ctx, in, sh)
	if err != nil {
		return nil, s.noShard(err, name, id)
	}
	if value(in.DryRun) {
		return nil, errDryRun
	}
	return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String(s.tokens.iterator(position{
		incarnation: sh.Incarnation(), shard: index, counter: counter,
	}))}, nil
}

func checkGetShardIterator(in *kinesis.GetShardIteratorInput) error {
	var v wire.Violations
	v.Required(in.ShardId != nil, "shardId")
	checkName(&v, in.ShardId, "shardId")
	v.Required(in.ShardIteratorType != "", "shardIteratorType")
	wire.Enum(&v, in.ShardIteratorType, "shardIteratorType", iteratorTypes)
	v.Pattern(in.StartingSequenceNumber, "startingSequenceNumber", sequencePattern)
	checkStream(&v, in.StreamName, in.StreamARN)
	return v.Err()
}

// start is the counter of the record after which reading begins.
func (s *service) start(ctx context.Context, in *kinesis.GetShardIteratorInput, sh stream.Shard) (uint64, error) {
	kind := in.ShardIteratorType
	numbered := kind == types.ShardIteratorTypeAtSequenceNumber || kind == types.ShardIteratorTypeAfterSequenceNumber
	if kind == types.ShardIteratorTypeAtTimestamp {
		return s.startAt(ctx, in, sh)
	}
	if numbered != (in.StartingSequenceNumber != nil) {
		has := "and no StartingSequenceNumber"
		if !numbered {
			has = "and also a StartingSequenceNumber"
		}
		return 0, invalidArgument("Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or "+
			"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s %s.", kind, has)
	}
	if numbered {
		return s.startBy(*in.StartingSequenceNumber, kind, sh)
	}
	if kind == types.ShardIteratorTypeTrimHorizon {
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

// startAt is start for AT_TIMESTAMP.
func (s *service) startAt(ctx context.Context, in *kinesis.GetShardIteratorInput, sh stream.Shard) (uint64, error) {
	if in.Timestamp == nil {
		return 0, invalidArgument("Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.")
	}
	if in.StartingSequenceNumber != nil {
		return 0, invalidArgument("Must not specify a StartingSequenceNumber for iterator of type AT_TIMESTAMP.")
	}
	if now := s.now(); in.Timestamp.After(now) {
		return 0, invalidArgument("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "+
			"timestampInMillis: %d, currentTimestampInMillis: %d", in.Timestamp.UnixMilli(), now.UnixMilli())
	}
	before, err := sh.Before(ctx, *in.Timestamp)
	return counterOf(before), err
}

// startBy is start for a sequence number.
func (s *service) startBy(text string, kind types.ShardIteratorType, sh stream.Shard) (uint64, error) {
	malformed := func(why string) error {
		return invalidArgument("StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s under account %s is invalid%s.",
			text, sh.ID(), sh.Stream(), s.streams.Account(), why)
	}
	n, err := stream.ParseSeqNum(text)
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
	if kind == types.ShardIteratorTypeAtSequenceNumber && p.Counter > 0 {
		p.Counter--
	}
	return p.Counter, nil
}

// utcText is a time as AWS prints it in messages: Thu Jan 22 01:22:02 UTC 2015.
func utcText(t time.Time) string { return t.UTC().Format("Mon Jan 02 15:04:05 UTC 2006") }
