package awskinesis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/batch"
)

// getRecordsMax is the most records that one GetRecords may ask for.
const getRecordsMax = 10_000

// reader reads one shard forward from an offset.
type reader struct {
	source   *Source
	shard    string
	after    string
	iterator *string // nil: to be fetched for after
	records  []types.Record

	gotRecords int // by the newest fetch
	gotBytes   int64
	atTip      bool // nothing newer is there now
	used       bool // the shard is closed and all of it is read
}

// fetch appends records until it has about share of them or the shard has no more now.
func (r *reader) fetch(ctx context.Context, share batch.Limit) error {
	r.gotRecords, r.gotBytes = 0, 0
	for r.gotRecords < share.Records && r.gotBytes < share.Bytes {
		out, err := r.page(ctx, min(share.Records-r.gotRecords, getRecordsMax))
		if err != nil {
			return fmt.Errorf("read shard %s of stream %s: %w", r.shard, r.source.stream, err)
		}
		r.records = append(r.records, out.Records...)
		r.gotRecords += len(out.Records)
		for i := range out.Records {
			r.gotBytes += int64(len(out.Records[i].Data))
		}
		if n := len(out.Records); n > 0 {
			r.after = *out.Records[n-1].SequenceNumber
		}
		if r.iterator = out.NextShardIterator; r.iterator == nil {
			r.used = true
			return nil
		}
		if out.MillisBehindLatest != nil && *out.MillisBehindLatest == 0 || out.MillisBehindLatest == nil && len(out.Records) == 0 {
			r.atTip = true
			return nil
		}
	}
	return nil
}

// triesMax bounds how often one page is asked for. The SDK tries again too, but gives up early when it is throttled,
// and the caller would have to begin the whole range anew.
const triesMax = 8

// page is one GetRecords. An iterator that is too old is replaced by one for the same place.
func (r *reader) page(ctx context.Context, limit int) (out *kinesis.GetRecordsOutput, err error) {
	for try := range triesMax {
		if try > 0 {
			if err := sleep(ctx, 50*time.Millisecond<<try); err != nil {
				return nil, err
			}
		}
		if out, err = r.get(ctx, limit); !batch.IsTemporary(err) {
			return out, err
		}
	}
	return nil, err
}

func (r *reader) get(ctx context.Context, limit int) (*kinesis.GetRecordsOutput, error) {
	if r.iterator == nil {
		if err := r.seek(ctx); err != nil {
			return nil, err
		}
	}
	out, err := r.source.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: r.iterator, Limit: aws.Int32(int32(limit))}, useOwnBody)
	if err != nil {
		r.iterator = nil // it may have expired, and a new one does no harm
		return nil, classify(err)
	}
	return out, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// seek fetches the iterator that begins behind r.after.
func (r *reader) seek(ctx context.Context) error {
	in := &kinesis.GetShardIteratorInput{
		StreamName: &r.source.stream, ShardId: &r.shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	}
	if ms, ok := strings.CutPrefix(r.after, "@"); ok {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			return fmt.Errorf("offset %q is no time: %w", r.after, err)
		}
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, aws.Time(time.UnixMilli(n))
	} else if r.after != "" {
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &r.after
	}
	out, err := r.source.client.GetShardIterator(ctx, in)
	if err != nil {
		return classify(err)
	}
	r.iterator = out.ShardIterator
	return nil
}

var (
	retryable  = retry.IsErrorRetryables(retry.DefaultRetryables)
	throttling = retry.IsErrorThrottles(retry.DefaultThrottles)
)

// classify marks errors that the SDK would try again after as temporary.
func classify(err error) error {
	var expired *types.ExpiredIteratorException
	if retryable.IsErrorRetryable(err) == aws.TrueTernary || throttling.IsErrorThrottle(err) == aws.TrueTernary || errors.As(err, &expired) {
		return batch.Temporary(err)
	}
	return err
}
