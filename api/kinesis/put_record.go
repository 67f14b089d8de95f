package kinesis

// PutRecord appends one record. ExplicitHashKey overrides the hash of the partition key. Sequence numbers of a shard
// always rise, so SequenceNumberForOrdering is only checked. ProvisionedThroughputExceededException means that the shard has
// had its 1,000 records or its 1 MiB of this second, where AWS's limits hold, or that the write queue is full.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// putOne is a request, and the buffers of its data and of its answer.
type putOne struct {
	in     kinesis.PutRecordInput
	arena  []byte
	answer []byte
}

var putOnes = sync.Pool{New: func() any { return new(putOne) }}

// putRecordCall reads and writes JSON by hand, see scanOne; the rest goes by way of the SDK's structs.
func (s *service) putRecordCall(ctx context.Context, r *wire.Request, w http.ResponseWriter) error {
	call := putOnes.Get().(*putOne)
	defer call.free()
	json := isJSON(r)
	if !json || !call.scan(r.Body) {
		call.in = kinesis.PutRecordInput{}
		if err := r.DecodeInto(&call.in); err != nil {
			return err
		}
	}
	out, err := s.putRecord(ctx, &call.in)
	if err != nil {
		return err
	}
	if !json {
		return r.Encode(w, out)
	}
	call.answer = appendPutRecord(call.answer[:0], out)
	writeJSON(w, r.ContentType, call.answer)
	return nil
}

// free gives the buffers back, without what the request was.
func (c *putOne) free() {
	*c = putOne{arena: c.arena[:0], answer: c.answer[:0]}
	putOnes.Put(c)
}

// appendPutRecord appends an answer, of which no member needs an escape.
func appendPutRecord(b []byte, out *kinesis.PutRecordOutput) []byte {
	b = append(b, `{"SequenceNumber":"`...)
	b = append(b, *out.SequenceNumber...)
	b = append(b, `","ShardId":"`...)
	b = append(b, *out.ShardId...)
	b = append(b, `","EncryptionType":"`...)
	b = append(b, out.EncryptionType...)
	return append(b, `"}`...)
}

func (s *service) putRecord(ctx context.Context, in *kinesis.PutRecordInput) (*kinesis.PutRecordOutput, error) {
	start := s.now()
	keyless := in.PartitionKey == nil && s.spreads(in.StreamName, in.StreamARN)
	if err := checkPutRecord(in, keyless); err != nil {
		return nil, err
	}
	if err := s.admitCall(ctx, "PutRecord", address{name: in.StreamName, arn: in.StreamARN}); err != nil {
		return nil, err
	}
	name, err := s.streamName(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	e := stream.Entry{PartitionKey: []byte(value(in.PartitionKey)), ExplicitHashKey: value(in.ExplicitHashKey), Data: in.Data}
	rules, err := s.checkEntry(name, e)
	if err != nil {
		return nil, err
	}
	if n := in.SequenceNumberForOrdering; n != nil && !s.possible(*n) {
		return nil, invalidArgument("ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid.",
			*n, name, s.streams.Account())
	}
	if value(in.DryRun) {
		return nil, errDryRun
	}
	placed, err := s.streams.Put(ctx, name, []stream.Entry{e})
	s.streams.ObserveCall(name, stream.Call{
		Operation: "PutRecord", Latency: s.now().Sub(start), OK: err == nil && !placed[0].Throttled, Records: 1, Bytes: int64(len(e.PartitionKey) + len(e.Data)),
	})
	if errors.Is(err, stream.ErrThrottled) {
		return nil, wire.Errorf("ProvisionedThroughputExceededException", 400, "Rate exceeded for stream %s under account %s.",
			name, s.streams.Account())
	}
	if err != nil {
		return nil, s.noStream(err, name)
	}
	if placed[0].Throttled {
		return nil, s.rateExceeded(name, placed[0].Shard)
	}
	return &kinesis.PutRecordOutput{
		ShardId:        aws.String(placed[0].Shard),
		SequenceNumber: aws.String(placed[0].SeqNum.String()),
		EncryptionType: encryptionType(rules.Encrypted),
	}, nil
}

// checkPutRecord checks what the model demands of a request; keyless is one that needs no partition key.
func checkPutRecord(in *kinesis.PutRecordInput, keyless bool) error {
	var v wire.Violations
	v.Pattern(in.SequenceNumberForOrdering, "sequenceNumberForOrdering", sequencePattern)
	v.Required(in.PartitionKey != nil || keyless, "partitionKey")
	v.Length(in.PartitionKey, "partitionKey", 1, partitionKeyMax)
	v.Pattern(in.ExplicitHashKey, "explicitHashKey", hashKeyPattern)
	v.Required(in.Data != nil, "data")
	if len(in.Data) > maxRecordKiBMax<<10 {
		v.Check(false, "data", blobText(len(in.Data)), lengthAtMost(maxRecordKiBMax<<10))
	}
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	return v.Err()
}

func lengthAtMost(n int) string {
	return fmt.Sprintf("Member must have length less than or equal to %d", n)
}

// checkEntry checks what depends on the stream: the size of the record, and the range of a hash key that decides.
func (s *service) checkEntry(name string, e stream.Entry) (stream.PutRules, error) {
	rules, err := s.streams.PutRules(name)
	if err != nil {
		return rules, s.noStream(err, name)
	}
	var v wire.Violations
	if len(e.Data)+len(e.PartitionKey) > rules.MaxRecordBytes {
		v.Check(false, "data", blobText(len(e.Data)), lengthAtMost(rules.MaxRecordBytes))
		return rules, v.Err()
	}
	if e.ExplicitHashKey == "" || rules.SpreadEvenly {
		return rules, nil
	}
	if _, err := stream.ParseHashKey(e.ExplicitHashKey); err != nil {
		return rules, hashKeyRangeError(e.ExplicitHashKey)
	}
	return rules, nil
}

// possible reports whether a sequence number may have been given out: it has a form that ever was in use, and is not
// from the future.
func (s *service) possible(text string) bool {
	n, err := stream.ParseSeqNum(text)
	if err != nil {
		return false
	}
	switch n.Version() {
	case 0:
		return n.EarlyTime().Before(earlyEnd)
	case 1:
		return true
	case 2:
		p, ok := n.Parts()
		return ok && int64(p.Second) <= s.now().Unix()
	}
	return false
}

// earlyEnd bounds the time in numbers of the oldest form, as AWS does.
var earlyEnd = time.Unix(16025175000, 0)
