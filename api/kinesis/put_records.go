package kinesis

// PutRecords appends up to 500 records, 10 MiB in all, and answers when all are durable. A malformed entry refuses the
// whole request; a full write queue or a failing disk refuses records one by one in an answer with status 200, all of
// them or none. Where AWS's limits hold, a shard that has had its 1,000 records or its 1 MiB of this second refuses those
// that are too many, and the others are stored.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const recordsMax = 500

// putCall is a decoded request, in whatever protocol it came, and the buffers that its answer needs.
type putCall struct {
	name, arn *string
	dryRun    bool
	keyless   bool // an entry has no partition key
	rules     stream.PutRules
	entries   []stream.Entry
	arena     []byte // decoded data
	placed    []stream.Placed
	answer    []byte
}

var putCalls = sync.Pool{New: func() any { return new(putCall) }}

func (s *service) putRecords(ctx context.Context, r *wire.Request, w http.ResponseWriter) error {
	start := s.now()
	call := putCalls.Get().(*putCall)
	defer call.free()
	json := isJSON(r)
	if !json || !call.scan(r.Body) || call.keyless && !s.spreads(call.name, call.arn) {
		if err := s.decodePutRecords(call, r); err != nil {
			return err
		}
	}
	if err := s.admitCall(ctx, "PutRecords", address{name: call.name, arn: call.arn}); err != nil {
		return err
	}
	name, size, err := s.checkPutRecords(call)
	if err != nil {
		return err
	}
	if call.dryRun {
		return errDryRun
	}
	call.placed, err = s.streams.Append(ctx, name, call.entries, call.placed[:0])
	failed, code := refusal(err)
	if err != nil && code == "" {
		return s.noStream(err, name)
	}
	throttled := throttledOf(call.placed)
	m := stream.Call{Operation: "PutRecords", Records: len(call.entries), Failed: throttled, Throttled: throttled, Bytes: int64(size)}
	if err != nil {
		m.Failed = len(call.entries)
		if errors.Is(err, stream.ErrThrottled) {
			m.Throttled = m.Failed
		}
	}
	m.OK = m.Failed < m.Records
	m.Latency = s.now().Sub(start)
	s.streams.ObserveCall(name, m)
	if !json {
		return r.Encode(w, s.output(call, name, code, failed))
	}
	if err != nil {
		call.answer = appendRefused(call.answer[:0], len(call.entries), code, failed)
	} else {
		call.answer = s.appendPlaced(call.answer[:0], name, call.placed, throttled)
	}
	call.answer = append(call.answer, `,"EncryptionType":"`+encryptionType(call.rules.Encrypted)+`"}`...)
	writeJSON(w, r.ContentType, call.answer)
	return nil
}

// free gives the buffers back, without what the request was.
func (c *putCall) free() {
	clear(c.entries)
	clear(c.placed)
	*c = putCall{entries: c.entries[:0], arena: c.arena[:0], placed: c.placed[:0], answer: c.answer[:0]}
	putCalls.Put(c)
}

// decodePutRecords reads the request by way of the SDK's struct.
func (s *service) decodePutRecords(c *putCall, r *wire.Request) error {
	in := new(kinesis.PutRecordsInput)
	if err := r.DecodeInto(in); err != nil {
		return err
	}
	c.keyless = slices.ContainsFunc(in.Records, func(e types.PutRecordsRequestEntry) bool { return e.PartitionKey == nil })
	if err := checkShape(in, c.keyless && s.spreads(in.StreamName, in.StreamARN)); err != nil {
		return err
	}
	c.name, c.arn, c.dryRun = in.StreamName, in.StreamARN, value(in.DryRun)
	c.entries = c.entries[:0]
	for _, e := range in.Records {
		c.entries = append(c.entries, stream.Entry{
			PartitionKey: []byte(value(e.PartitionKey)), ExplicitHashKey: value(e.ExplicitHashKey), Data: e.Data,
		})
	}
	return nil
}

// badEntriesMax is how many bad entries are looked at: more than that do not fit into a message.
const badEntriesMax = 10

// checkShape checks what the model demands of every entry; those of a keyless request need no partition key.
func checkShape(in *kinesis.PutRecordsInput, keyless bool) error {
	var v wire.Violations
	v.Required(in.Records != nil, "records")
	if n := len(in.Records); in.Records != nil && (n < 1 || n > recordsMax) {
		v.Size(n, "records", entriesText(n), 1, recordsMax)
	}
	for i, bad := 0, 0; i < len(in.Records) && bad < badEntriesMax; i++ {
		e := &in.Records[i]
		if (e.PartitionKey == nil && keyless || e.PartitionKey != nil && validPartitionKey([]byte(*e.PartitionKey))) && e.Data != nil &&
			(e.ExplicitHashKey == nil || validHashKey(*e.ExplicitHashKey)) && len(e.Data) <= maxRecordKiBMax<<10 {
			continue
		}
		bad++
		at := fmt.Sprintf("records.%d.member.", i+1)
		v.Required(e.PartitionKey != nil || keyless, at+"partitionKey")
		v.Length(e.PartitionKey, at+"partitionKey", 1, partitionKeyMax)
		v.Pattern(e.ExplicitHashKey, at+"explicitHashKey", hashKeyPattern)
		v.Required(e.Data != nil, at+"data")
		v.Check(len(e.Data) <= maxRecordKiBMax<<10, at+"data", blobText(len(e.Data)), lengthAtMost(maxRecordKiBMax<<10))
	}
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	return v.Err()
}

// entriesText is how AWS prints a list of n entries, but not more of them than anybody would read.
func entriesText(n int) string {
	const entry = "com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310"
	return "[" + strings.TrimSuffix(strings.Repeat(entry+", ", min(n, 2*recordsMax)), ", ") + "]"
}

// checkPutRecords checks what is left when the shape is right, and returns the stream and the bytes of the records.
func (s *service) checkPutRecords(c *putCall) (name string, size int, err error) {
	if name, err = s.streamName(c.name, c.arn); err != nil {
		return "", 0, err
	}
	rules, err := s.streams.PutRules(name)
	if err != nil {
		return "", 0, s.noStream(err, name)
	}
	c.rules = rules
	var v wire.Violations
	for i := range c.entries {
		e := &c.entries[i]
		n := len(e.Data) + len(e.PartitionKey)
		size += n
		if n > rules.MaxRecordBytes {
			v.Check(false, fmt.Sprintf("records.%d.member.data", i+1), blobText(len(e.Data)), lengthAtMost(rules.MaxRecordBytes))
		}
	}
	if err := v.Err(); err != nil {
		return "", 0, err
	}
	if size > requestMax {
		return "", 0, invalidArgument("Records size exceeds 10 MB limit")
	}
	for i := range c.entries {
		if key := c.entries[i].ExplicitHashKey; key != "" && !rules.SpreadEvenly {
			if _, err := stream.ParseHashKey(key); err != nil {
				return "", 0, hashKeyRangeError(key)
			}
		}
	}
	return name, size, nil
}

// refusal says how records that were not stored are reported one by one; code is empty if err refuses the request.
func refusal(err error) (message, code string) {
	for _, whole := range []error{stream.ErrNotFound, stream.ErrClosed, stream.ErrTooLarge, stream.ErrKey, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, whole) {
			return "", ""
		}
	}
	switch {
	case err == nil:
		return "", ""
	case errors.Is(err, stream.ErrThrottled):
		return "Rate exceeded for the shards of the stream.", throttledCode
	}
	return "Internal service failure.", "InternalFailure"
}

// throttledCode is what a record gets that its shard did not take.
const throttledCode = "ProvisionedThroughputExceededException"

func throttledOf(placed []stream.Placed) (n int) {
	for i := range placed {
		if placed[i].Throttled {
			n++
		}
	}
	return n
}

// output is the answer as the SDK's struct.
func (s *service) output(c *putCall, name, code, message string) *kinesis.PutRecordsOutput {
	failed := throttledOf(c.placed)
	if code != "" {
		failed = len(c.entries)
	}
	out := &kinesis.PutRecordsOutput{
		FailedRecordCount: aws.Int32(int32(failed)),
		EncryptionType:    encryptionType(c.rules.Encrypted),
		Records:           make([]types.PutRecordsResultEntry, len(c.entries)),
	}
	for i := range out.Records {
		e := &out.Records[i]
		switch {
		case code != "":
			e.ErrorCode, e.ErrorMessage = aws.String(code), aws.String(message)
		case c.placed[i].Throttled:
			e.ErrorCode, e.ErrorMessage = aws.String(throttledCode), aws.String(s.rateText(name, c.placed[i].Shard))
		default:
			e.ShardId, e.SequenceNumber = aws.String(c.placed[i].Shard), aws.String(c.placed[i].SeqNum.String())
		}
	}
	return out
}

// appendPlaced appends the answer up to EncryptionType.
func (s *service) appendPlaced(b []byte, name string, placed []stream.Placed, throttled int) []byte {
	b = append(b, `{"FailedRecordCount":`...)
	b = strconv.AppendInt(b, int64(throttled), 10)
	b = append(b, `,"Records":[`...)
	for i := range placed {
		if i > 0 {
			b = append(b, ',')
		}
		if placed[i].Throttled {
			b = appendError(b, throttledCode, s.rateText(name, placed[i].Shard))
			continue
		}
		b = append(b, `{"SequenceNumber":"`...)
		b = placed[i].SeqNum.AppendText(b)
		b = append(b, `","ShardId":"`...)
		b = append(b, placed[i].Shard...)
		b = append(b, `"}`...)
	}
	return append(b, ']')
}

// appendError appends the answer to a record that was not stored; neither text needs an escape.
func appendError(b []byte, code, message string) []byte {
	b = append(b, `{"ErrorCode":"`...)
	b = append(b, code...)
	b = append(b, `","ErrorMessage":"`...)
	b = append(b, message...)
	return append(b, `"}`...)
}

// appendRefused appends the answer up to EncryptionType.
func appendRefused(b []byte, n int, code, message string) []byte {
	b = append(b, `{"FailedRecordCount":`...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, `,"Records":[`...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendError(b, code, message)
	}
	return append(b, ']')
}
