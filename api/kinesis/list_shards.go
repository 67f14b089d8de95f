package kinesis

// ListShards gives at most 1000 shards a page, chosen by a filter that is kept across pages. A NextToken lives 300
// seconds and excludes everything else that says where to look.

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const listShardsMax = 1000

// shardQuery is what a page of ListShards and the token for the next one stand for.
type shardQuery struct {
	Stream      string
	Incarnation uint64
	After       string // shard id
	Filter      types.ShardFilterType
	At          time.Time // of the filters by time
}

func (s *service) listShards(ctx context.Context, in *kinesis.ListShardsInput) (*kinesis.ListShardsOutput, error) {
	if err := checkListShards(in); err != nil {
		return nil, err
	}
	q, err := s.shardQuery(ctx, in)
	if err != nil {
		return nil, err
	}
	d, err := s.streams.Describe(ctx, q.Stream)
	if err != nil {
		return nil, s.noStream(err, q.Stream)
	}
	if d.Incarnation != q.Incarnation {
		return nil, resourceNotFound("Stream %s under account %s not found.", q.Stream, s.streams.Account())
	}
	limit := listShardsMax
	if in.MaxResults != nil {
		limit = min(limit, int(*in.MaxResults))
	}
	horizon := s.now().Add(-d.Retention)
	shards, more, err := s.page(ctx, q.Stream, q.After, limit, func(info *stream.ShardInfo) bool { return q.wants(info, horizon) })
	if err != nil {
		return nil, err
	}
	out := &kinesis.ListShardsOutput{Shards: shards}
	if more {
		q.After = *shards[len(shards)-1].ShardId
		out.NextToken = aws.String(s.sealQuery(q))
	}
	return out, nil
}

// page is up to limit wanted shards that come after the one with the id after, or all with no id; more says that others
// follow.
func (s *service) page(ctx context.Context, name, after string, limit int, wanted func(*stream.ShardInfo) bool) (shards []types.Shard, more bool, err error) {
	shards = []types.Shard{}
	err = s.streams.ShardsAfter(ctx, name, indexOf(after), func(info stream.ShardInfo) bool {
		if !wanted(&info) {
			return true
		}
		if more = len(shards) == limit; !more {
			shards = append(shards, shardOf(info))
		}
		return !more
	})
	return shards, more, s.noStream(err, name)
}

// indexOf is the number in a shard's id; a text that is none stands before or after all shards, as it does in the order
// of texts.
func indexOf(id string) int64 {
	if index, ok := stream.ParseShardID(id); ok {
		return int64(index)
	}
	if id < stream.ShardID(0) {
		return -1
	}
	return math.MaxInt64
}

func checkListShards(in *kinesis.ListShardsInput) error {
	var v wire.Violations
	wire.Range(&v, in.MaxResults, "maxResults", 1, 10000)
	checkName(&v, in.ExclusiveStartShardId, "exclusiveStartShardId")
	if f := in.ShardFilter; f != nil {
		v.Required(f.Type != "", "shardFilter.type")
		wire.Enum(&v, f.Type, "shardFilter.type", f.Type.Values())
		checkName(&v, f.ShardId, "shardFilter.shardId")
	}
	checkStream(&v, in.StreamName, in.StreamARN, in.StreamId)
	v.Length(in.NextToken, "nextToken", 1, 1048576)
	return v.Err()
}

// shardQuery finds out what a request means: a new list, or the next page of one.
func (s *service) shardQuery(ctx context.Context, in *kinesis.ListShardsInput) (shardQuery, error) {
	named := in.StreamName != nil || in.StreamARN != nil
	switch {
	case in.NextToken == nil && !named:
		return shardQuery{}, invalidArgument("Either NextToken or StreamName should be provided.")
	case in.NextToken == nil:
		return s.newShardQuery(ctx, in)
	case named:
		return shardQuery{}, invalidArgument("NextToken and StreamName cannot be provided together.")
	case in.ExclusiveStartShardId != nil:
		return shardQuery{}, invalidArgument("NextToken and ExclusiveStartShardId cannot be provided together.")
	case in.StreamCreationTimestamp != nil:
		return shardQuery{}, invalidArgument("NextToken and StreamCreationTimestamp cannot be provided together.")
	case in.ShardFilter != nil:
		return shardQuery{}, invalidArgument("NextToken and ShardFilter cannot be provided together.")
	}
	return s.openQuery(*in.NextToken)
}

// openQuery is the query of a NextToken.
func (s *service) openQuery(token string) (q shardQuery, err error) {
	payload, err := s.openPage(tokenShards, token)
	if err != nil {
		return q, err
	}
	if json.Unmarshal(payload, &q) != nil {
		return q, invalidArgument("NextToken is invalid.")
	}
	return q, nil
}

// openPage reads a token for a next page, which has a life.
func (s *service) openPage(kind tokenKind, token string) (payload []byte, err error) {
	payload, issued, err := s.tokens.open(kind, token)
	if err != nil {
		return nil, invalidArgument("NextToken is invalid.")
	}
	if now := s.now(); now.Sub(issued) > tokenLife {
		return nil, wire.Errorf("ExpiredNextTokenException", http.StatusBadRequest,
			"NextToken expired. The token was created at time %s while right now it is %s which is further in the future than the tolerated delay of %d milliseconds.",
			utcText(issued), utcText(now), tokenLife.Milliseconds())
	}
	return payload, nil
}

func (s *service) newShardQuery(ctx context.Context, in *kinesis.ListShardsInput) (shardQuery, error) {
	d, err := s.described(ctx, in.StreamName, in.StreamARN)
	if err != nil {
		return shardQuery{}, err
	}
	if t := in.StreamCreationTimestamp; t != nil && !t.Truncate(time.Second).Equal(d.Created.Truncate(time.Second)) {
		return shardQuery{}, resourceNotFound("Stream %s under account %s not found.", d.Name, s.streams.Account())
	}
	q := shardQuery{Stream: d.Name, Incarnation: d.Incarnation, Filter: types.ShardFilterTypeFromTrimHorizon}
	if id := in.ExclusiveStartShardId; id != nil {
		q.After = *id
	}
	if in.ShardFilter == nil {
		return q, nil
	}
	return q, q.use(in.ShardFilter, in.ExclusiveStartShardId != nil)
}

// use makes a filter part of the query.
func (q *shardQuery) use(f *types.ShardFilter, started bool) error {
	q.Filter = f.Type
	byTime := f.Type == types.ShardFilterTypeAtTimestamp || f.Type == types.ShardFilterTypeFromTimestamp
	byShard := f.Type == types.ShardFilterTypeAfterShardId
	switch {
	case byTime != (f.Timestamp != nil):
		return invalidArgument("A Timestamp must be provided with the filter types AT_TIMESTAMP and FROM_TIMESTAMP, and with no other.")
	case byShard != (f.ShardId != nil):
		return invalidArgument("A ShardId must be provided with the filter type AFTER_SHARD_ID, and with no other.")
	case byShard && started:
		return invalidArgument("ExclusiveStartShardId and a ShardFilter of type AFTER_SHARD_ID cannot be provided together.")
	case byShard:
		q.After = *f.ShardId
	case byTime:
		q.At = *f.Timestamp
	}
	return nil
}

func (s *service) sealQuery(q shardQuery) string {
	payload, err := json.Marshal(q)
	if err != nil {
		panic(err) // plain fields only
	}
	return s.tokens.seal(tokenShards, payload)
}

// wants reports whether the filter lets a shard through.
func (q *shardQuery) wants(info *stream.ShardInfo, horizon time.Time) bool {
	openAt := func(t time.Time) bool {
		return !info.Created.After(t) && (!info.Closed || !info.ClosedAt.Before(t))
	}
	openSince := func(t time.Time) bool { return !info.Closed || !info.ClosedAt.Before(t) }
	later := func(a, b time.Time) time.Time {
		if a.After(b) {
			return a
		}
		return b
	}
	switch q.Filter {
	case types.ShardFilterTypeAtLatest:
		return !info.Closed
	case types.ShardFilterTypeAtTrimHorizon:
		// A stream younger than the horizon is seen as it was made.
		return openAt(horizon) || len(info.Parents) == 0 && info.Created.After(horizon)
	case types.ShardFilterTypeAtTimestamp:
		return openAt(later(q.At, horizon))
	case types.ShardFilterTypeFromTimestamp:
		return openSince(later(q.At, horizon))
	}
	return openSince(horizon)
}
