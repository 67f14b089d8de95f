package awskinesis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	atTip      bool  // nothing newer is there now
	used       bool  // the shard is closed and all of it is read
	throttled  error // others read all that the shard gives; there may be more
}

// fetch appends records until it has about share of them or the shard has no more now, or gives no more to this reader.
func (r *reader) fetch(ctx context.Context, share batch.Limit) error {
	r.gotRecords, r.gotBytes = 0, 0
	for r.gotRecords < share.Records && r.gotBytes < share.Bytes {
		out, err := r.page(ctx, min(share.Records-r.gotRecords, getRecordsMax))
		if err != nil {
			err = fmt.Errorf("read shard %s of stream %s: %w", r.shard, r.source.stream, err)
		}
		if errors.Is(err, batch.ErrThrottled) {
			r.throttled = err
			return nil
		}
		if err != nil {
			return err
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

// page is one GetRecords. An iterator that is too old is replaced by one for the same place.
func (r *reader) page(ctx context.Context, limit int) (out *kinesis.GetRecordsOutput, err error) {
	err = r.source.patiently(ctx, func() (err error) {
		out, err = r.get(ctx, limit)
		return err
	})
	if err == nil && out.MillisBehindLatest != nil {
		r.source.figures.lag(r.shard, *out.MillisBehindLatest, out.NextShardIterator == nil)
	}
	return out, err
}

func (r *reader) get(ctx context.Context, limit int) (*kinesis.GetRecordsOutput, error) {
	if r.iterator == nil {
		if err := r.seek(ctx); err != nil {
			return nil, err
		}
	}
	out, err := r.source.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: r.iterator, Limit: aws.Int32(int32(limit))}, useOwnBody, askOnce)
	if err != nil {
		r.iterator = nil // it may have expired, and a new one does no harm
		return nil, classify(err)
	}
	return out, nil
}

// seek fetches the iterator that begins behind r.after.
func (r *reader) seek(ctx context.Context) error {
	at, err := positionOf(r.after)
	if err != nil {
		return err
	}
	out, err := r.source.client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: &r.source.stream, ShardId: &r.shard, ShardIteratorType: at.Type,
		StartingSequenceNumber: at.SequenceNumber, Timestamp: at.Timestamp,
	}, askOnce)
	if err != nil {
		return classify(err)
	}
	r.iterator = out.ShardIterator
	return nil
}

// positionOf is where reading after an offset begins.
func positionOf(offset string) (types.StartingPosition, error) {
	if ms, ok := strings.CutPrefix(offset, "@"); ok {
		n, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			return types.StartingPosition{}, fmt.Errorf("offset %q is no time: %w", offset, err)
		}
		return types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(time.UnixMilli(n))}, nil
	}
	if offset == "" {
		return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}, nil
	}
	return types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: &offset}, nil
}
