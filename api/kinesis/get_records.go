package kinesis

// GetRecords gives up to 10,000 records and 10 MiB from where an iterator stands, and another iterator, which differs
// also when nothing came. An iterator can be used again until it is five minutes old. Skipped: the limits of five calls
// and 2 MiB a second and shard.

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	fast "github.com/segmentio/asm/base64"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const (
	getRecordsMax = 10000
	getBytesMax   = 10 << 20
)

// answers are buffers of finished answers.
var answers = sync.Pool{New: func() any { return new([]byte) }}

func (s *service) getRecords(ctx context.Context, r *wire.Request, w http.ResponseWriter) error {
	start := s.now()
	in := new(kinesis.GetRecordsInput)
	if err := r.DecodeInto(in); err != nil {
		return err
	}
	sh, at, err := s.openRead(in)
	if err != nil {
		return err
	}
	limit := getRecordsMax
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	if !isJSON(r) {
		return s.getRecordsAs(ctx, r, w, sh, at, limit, start)
	}
	buf := answers.Get().(*[]byte)
	defer answers.Put(buf)
	b := append((*buf)[:0], `{"Records":[`...)
	page, err := sh.Scan(ctx, sh.At(at.counter), limit, getBytesMax, func(recs []stream.Record) error {
		for i := range recs {
			b = appendRecord(b, &recs[i])
		}
		return nil
	})
	if err != nil {
		*buf = b
		return s.gone(err, sh)
	}
	if page.Records > 0 {
		b = b[:len(b)-1] // the last comma
	}
	behind := s.behind(page)
	b = append(b, `],"NextShardIterator":"`...)
	b = append(b, s.next(at, page)...)
	b = append(b, `","MillisBehindLatest":`...)
	b = strconv.AppendInt(b, behind, 10)
	b = append(b, '}')
	*buf = b
	writeJSON(w, r.ContentType, b)
	s.observeRead(sh, page, behind, start)
	return nil
}

// openRead checks a request and finds out where it reads.
func (s *service) openRead(in *kinesis.GetRecordsInput) (stream.Shard, position, error) {
	var v wire.Violations
	wire.Range(&v, in.Limit, "limit", 1, getRecordsMax)
	v.Required(in.ShardIterator != nil, "shardIterator")
	v.Length(in.ShardIterator, "shardIterator", 1, 512)
	checkARN(&v, in.StreamARN, "streamARN", streamARN)
	if err := v.Err(); err != nil {
		return stream.Shard{}, position{}, err
	}
	at, issued, err := s.tokens.openIterator(*in.ShardIterator)
	now := s.now()
	if err != nil || issued.After(now.Add(tokenLife)) {
		return stream.Shard{}, position{}, invalidArgument("Invalid ShardIterator.")
	}
	if now.Sub(issued) > tokenLife {
		return stream.Shard{}, position{}, wire.Errorf("ExpiredIteratorException", http.StatusBadRequest,
			"Iterator expired. The iterator was created at time %s while right now it is %s which is further in the future than the tolerated delay of %d milliseconds.",
			utcText(issued), utcText(now), tokenLife.Milliseconds())
	}
	sh, err := s.streams.ShardOf(at.incarnation, at.shard)
	if err != nil {
		return sh, at, resourceNotFound("Shard %s of the stream that the iterator was made for, under account %s, does not exist",
			stream.ShardID(at.shard), s.streams.Account())
	}
	if in.StreamARN != nil && *in.StreamARN != s.streams.StreamARN(sh.Stream()) {
		return sh, at, invalidArgument("StreamARN %s does not refer to the stream of the ShardIterator.", *in.StreamARN)
	}
	if value(in.DryRun) {
		return sh, at, errDryRun
	}
	return sh, at, nil
}

// getRecordsAs answers in another protocol than JSON.
func (s *service) getRecordsAs(ctx context.Context, r *wire.Request, w http.ResponseWriter, sh stream.Shard, at position, limit int, start time.Time) error {
	out := &kinesis.GetRecordsOutput{Records: []types.Record{}}
	page, err := sh.Scan(ctx, sh.At(at.counter), limit, getBytesMax, func(recs []stream.Record) error {
		for i := range recs {
			out.Records = append(out.Records, types.Record{
				SequenceNumber:              aws.String(recs[i].SeqNum.String()),
				ApproximateArrivalTimestamp: aws.Time(recs[i].Arrival),
				Data:                        append([]byte{}, recs[i].Data...),
				PartitionKey:                aws.String(string(recs[i].PartitionKey)),
			})
		}
		return nil
	})
	if err != nil {
		return s.gone(err, sh)
	}
	behind := s.behind(page)
	out.NextShardIterator, out.MillisBehindLatest = aws.String(s.next(at, page)), aws.Int64(behind)
	s.observeRead(sh, page, behind, start)
	return r.Encode(w, out)
}

// gone says that a stream was deleted under a reader.
func (s *service) gone(err error, sh stream.Shard) error {
	if errors.Is(err, stream.ErrNotFound) {
		return s.noShard(err, sh.Stream(), sh.ID())
	}
	return err
}

// next is the iterator that goes on behind a page.
func (s *service) next(at position, page stream.Page) string {
	if page.Records > 0 {
		at.counter = counterOf(page.Last)
	}
	return s.tokens.iterator(at)
}

// behind is MillisBehindLatest: how far the last record lies back, 0 at the tip.
func (s *service) behind(page stream.Page) int64 {
	if page.AtTip {
		return 0
	}
	return max(0, s.now().Sub(page.Arrival).Milliseconds())
}

func (s *service) observeRead(sh stream.Shard, page stream.Page, behind int64, start time.Time) {
	age := time.Duration(behind) * time.Millisecond
	s.streams.ObserveCall(sh.Stream(), stream.Call{
		Operation: "GetRecords", Latency: s.now().Sub(start), OK: true, Records: page.Records, Bytes: page.Bytes, Age: age,
	})
	sh.ObserveRead(page.Records, page.Bytes, age)
}

// appendRecord appends a record in JSON and a comma.
func appendRecord(b []byte, r *stream.Record) []byte {
	b = append(b, `{"SequenceNumber":"`...)
	b = r.SeqNum.AppendText(b)
	b = append(b, `","ApproximateArrivalTimestamp":`...)
	b = appendSeconds(b, r.Arrival.UnixMilli())
	b = append(b, `,"Data":"`...)
	b = appendBase64(b, r.Data)
	b = append(b, `","PartitionKey":`...)
	b = appendText(b, r.PartitionKey)
	return append(b, '}', ',')
}

// appendSeconds appends a time as AWS JSON has it: seconds with up to three decimals, never an exponent.
func appendSeconds(b []byte, ms int64) []byte {
	b = strconv.AppendInt(b, ms/1000, 10)
	if f := ms % 1000; f > 0 {
		b = append(b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
	}
	return b
}

func appendBase64(b, data []byte) []byte {
	n := base64.StdEncoding.EncodedLen(len(data))
	at := len(b)
	if cap(b)-at < n {
		b = append(make([]byte, 0, 2*cap(b)+n), b...)
	}
	b = b[:at+n]
	fast.StdEncoding.Encode(b[at:], data)
	return b
}

func appendText(b, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(string(text))
			if err != nil {
				panic(err) // a string always has a JSON form
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

func isJSON(r *wire.Request) bool { return r.ContentType == "application/x-amz-json-1.1" }

// writeJSON sends an answer that is encoded already, with the headers that AWS sends.
func writeJSON(w http.ResponseWriter, contentType string, b []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Amz-Id-2", extendedID())
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.Write(b) // a client that has gone is no concern of ours
}

// extendedID means something to AWS's support only.
func extendedID() string {
	var raw [72]byte
	rand.Read(raw[:]) // never fails
	return base64.StdEncoding.EncodeToString(raw[:])
}
