package kinesis

// GetRecords gives up to 10,000 records and 10 MiB from where an iterator stands, and another iterator, which differs
// also when nothing came. At the end of a closed shard there is none, and its children are named instead. An iterator can
// be used again until it is five minutes old. Where AWS's limits hold, a shard gives five answers and 2 MiB a second; after
// 10 MiB it gives nothing for five seconds.

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

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
	sh, at, err := s.openRead(ctx, in)
	if err != nil {
		return err
	}
	limit := getRecordsMax
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	format := formatOf(r)
	buf := answers.Get().(*[]byte)
	defer answers.Put(buf)
	b, page, err := appendPage(ctx, (*buf)[:0], format, sh, sh.At(at.counter), limit, getBytesMax)
	*buf = b
	if err != nil {
		return s.gone(err, sh)
	}
	behind := s.behind(page)
	if !page.Ended {
		b = format.text(b, "NextShardIterator", s.next(at, page))
	}
	b = format.integer(b, "MillisBehindLatest", behind)
	b = format.end(b)
	*buf = b
	s.chargeRead(sh, page.Bytes)
	r.Answer(w, b)
	s.observeRead(sh, page, behind, start)
	return nil
}

// openRead checks a request and finds out where it reads.
func (s *service) openRead(ctx context.Context, in *kinesis.GetRecordsInput) (stream.Shard, position, error) {
	var v wire.Violations
	wire.Range(&v, in.Limit, "limit", 1, getRecordsMax)
	v.Required(in.ShardIterator != nil, "shardIterator")
	v.Length(in.ShardIterator, "shardIterator", 1, 512)
	checkARN(&v, in.StreamARN, "streamARN", streamARN)
	checkID(&v, in.StreamId)
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
	if err := s.admitTo(ctx, "GetRecords", resource{stream: sh.Stream()}); err != nil {
		return sh, at, err
	}
	if in.StreamARN != nil && *in.StreamARN != s.streams.StreamARN(sh.Stream()) {
		return sh, at, invalidArgument("StreamARN %s does not refer to the stream of the ShardIterator.", *in.StreamARN)
	}
	if value(in.DryRun) {
		return sh, at, errDryRun
	}
	return sh, at, s.admitRead(sh)
}

// appendPage appends the next records of a shard, and its children if that is all that it will ever have.
func appendPage(ctx context.Context, b []byte, format recordFormat, sh stream.Shard, after stream.SeqNum, limit int, maxBytes int64) ([]byte, stream.Page, error) {
	b = format.begin(b)
	first := true
	page, err := sh.Scan(ctx, after, limit, maxBytes, func(recs []stream.Record) error {
		for i := range recs {
			b = format.record(b, &recs[i], first)
			first = false
		}
		return nil
	})
	if err != nil {
		return b, page, err
	}
	b = format.endRecords(b)
	if !page.Ended {
		return b, page, nil
	}
	children, err := sh.Children()
	return format.children(b, children), page, err
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
