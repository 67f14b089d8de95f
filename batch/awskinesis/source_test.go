package awskinesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/kpl"
)

// service is a stream in memory with a service's habits: short pages, iterators that expire, errors now and then.
type service struct {
	mu     sync.Mutex
	shards []*fakeShard
	r      *rand.Rand
	mean   bool // expire iterators and throttle
	calls  int
	expire string // shard that retention takes when it is about to be read
}

type fakeShard struct {
	id      string
	parents []string
	closed  bool
	trimmed int
	gone    bool // not listed any more, and not there
	hashes  *types.HashKeyRange
	records []types.Record
}

func newService(seed uint64, shards int) *service {
	s := &service{r: rand.New(rand.NewPCG(seed, 0))}
	for i := range shards {
		s.shards = append(s.shards, &fakeShard{id: fmt.Sprintf("shardId-%012d", i)})
	}
	return s
}

// put appends n records to a shard. Sequence numbers have gaps and grow in length.
func (s *service) put(shard, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shards[shard]
	for range n {
		at := len(sh.records)
		seq := strconv.Itoa(1 + at*7)
		sh.records = append(sh.records, types.Record{
			SequenceNumber: &seq, PartitionKey: aws.String("k"), Data: []byte(sh.id + "/" + strconv.Itoa(at)),
			ApproximateArrivalTimestamp: aws.Time(time.Unix(int64(at), 0)),
		})
	}
}

func (s *service) split(shard int) {
	s.shards[shard].closed = true
	for range 2 {
		s.shards = append(s.shards, &fakeShard{id: fmt.Sprintf("shardId-%012d", len(s.shards)), parents: []string{s.shards[shard].id}})
	}
}

func (s *service) trouble() error {
	s.calls++
	if s.mean && s.r.IntN(5) == 0 {
		return &types.ProvisionedThroughputExceededException{Message: aws.String("slow down")}
	}
	return nil
}

func (s *service) ListShards(_ context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := 0
	if in.NextToken != nil {
		if in.StreamName != nil {
			return nil, errors.New("both name and token")
		}
		from, _ = strconv.Atoi(*in.NextToken)
	}
	out := &kinesis.ListShardsOutput{}
	for i := from; i < len(s.shards) && i < from+2; i++ {
		if s.shards[i].gone {
			continue
		}
		shard := types.Shard{ShardId: &s.shards[i].id, HashKeyRange: s.shards[i].hashes}
		if p := s.shards[i].parents; len(p) > 0 {
			shard.ParentShardId = &p[0]
		}
		out.Shards = append(out.Shards, shard)
	}
	if from+2 < len(s.shards) {
		out.NextToken = aws.String(strconv.Itoa(from + 2))
	}
	return out, s.trouble()
}

func (s *service) GetShardIterator(_ context.Context, in *kinesis.GetShardIteratorInput, _ ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.shards, func(sh *fakeShard) bool { return sh.id == *in.ShardId })
	if s.expire == *in.ShardId {
		s.shards[i].gone = true
	}
	if s.shards[i].gone {
		return nil, &types.ResourceNotFoundException{Message: aws.String("no shard " + *in.ShardId)}
	}
	at := 0
	switch in.ShardIteratorType {
	case types.ShardIteratorTypeAfterSequenceNumber:
		n, _ := strconv.Atoi(*in.StartingSequenceNumber)
		at = (n-1)/7 + 1
	case types.ShardIteratorTypeAtTimestamp:
		for at < len(s.shards[i].records) && s.shards[i].records[at].ApproximateArrivalTimestamp.Before(*in.Timestamp) {
			at++
		}
	}
	return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String(fmt.Sprintf("%d/%d", i, at))}, s.trouble()
}

func (s *service) GetRecords(_ context.Context, in *kinesis.GetRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.trouble(); err != nil {
		return nil, err
	}
	if s.mean && s.r.IntN(6) == 0 {
		return nil, &types.ExpiredIteratorException{Message: aws.String("old")}
	}
	var shard, at int
	if _, err := fmt.Sscanf(*in.ShardIterator, "%d/%d", &shard, &at); err != nil {
		return nil, err
	}
	sh := s.shards[shard]
	at = max(at, sh.trimmed)
	n := min(int(*in.Limit), len(sh.records)-at, s.r.IntN(6)) // sometimes none though there are some
	out := &kinesis.GetRecordsOutput{Records: sh.records[at : at+n], MillisBehindLatest: aws.Int64(int64(len(sh.records) - at - n))}
	if at+n < len(sh.records) || !sh.closed {
		out.NextShardIterator = aws.String(fmt.Sprintf("%d/%d", shard, at+n))
	}
	return out, nil
}

// again does f until it does not fail for now.
func again(t *testing.T, f func() error) {
	t.Helper()
	for range 1000 {
		err := f()
		if err == nil {
			return
		}
		if !batch.IsTemporary(err) {
			t.Fatal(err)
		}
	}
	t.Fatal("never succeeds")
}

func (s *Source) planned(t *testing.T, start batch.Offset, limit batch.Limit) (end batch.Offset) {
	t.Helper()
	again(t, func() (err error) { end, err = s.Plan(t.Context(), start, limit); return err })
	return end
}

func (s *Source) all(t *testing.T, start, end batch.Offset) (records []string) {
	t.Helper()
	again(t, func() error {
		records = nil
		return s.Read(t.Context(), start, end, func(chunk []batch.Record) error {
			for _, r := range chunk {
				records = append(records, string(r.Data))
			}
			return nil
		})
	})
	return records
}

func TestEveryRecordOnceAndTheSameAfterRestart(t *testing.T) {
	synctest.Test(t, testEveryRecordOnce) // backoff takes no time
}

func testEveryRecordOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	fake := newService(seed, 3)
	fake.mean = true
	source := New(fake, "s", Options{})
	at, got, total := batch.Offset{}, map[string]int{}, 0
	for round := range 40 {
		for shard := range fake.shards {
			if n := fake.r.IntN(40); !fake.shards[shard].closed {
				fake.put(shard, n)
				total += n
			}
		}
		if round == 10 || round == 20 {
			fake.split(fake.r.IntN(3) + round/10 - 1)
		}
		limit := batch.Limit{Records: 30}
		if round > 30 {
			limit = batch.Limit{}
		}
		end := source.planned(t, at, limit)
		first := source.all(t, at, end)
		if fake.r.IntN(2) == 0 {
			source = New(fake, "s", Options{})
		}
		second := source.all(t, at, end)
		if slices.Sort(first); !sameSorted(first, second) {
			t.Fatalf("round %d: read again gave other records:\n%v\n%v", round, first, second)
		}
		for _, r := range first {
			got[r]++
			if got[r] > 1 {
				t.Fatalf("round %d: %s came twice", round, r)
			}
		}
		at = end
	}
	for range 10 { // children of drained shards, and what is left
		end := source.planned(t, at, batch.Limit{})
		for _, r := range source.all(t, at, end) {
			got[r]++
		}
		at = end
	}
	if len(got) != total {
		t.Errorf("%d of %d records", len(got), total)
	}
}

func sameSorted(a, b []string) bool {
	b = slices.Clone(b)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func TestChildrenComeAfterTheirParents(t *testing.T) {
	fake := newService(1, 1)
	fake.put(0, 50)
	fake.split(0)
	fake.put(1, 5)
	fake.put(2, 5)
	source, at := New(fake, "s", Options{}), batch.Offset{}
	var order []string
	for {
		end := source.planned(t, at, batch.Limit{Records: 20})
		if end.Equal(at) {
			break
		}
		order = append(order, source.all(t, at, end)...)
		at = end
	}
	if len(order) != 60 {
		t.Fatalf("%d records", len(order))
	}
	for i, r := range order {
		if strings.HasPrefix(r, "shardId-000000000000") != (i < 50) {
			t.Fatalf("record %d is %s", i, r)
		}
	}
}

// A shard that expires between the list and the read has nothing left, and its children are next.
func TestShardExpiresWhileItIsPlanned(t *testing.T) {
	fake := newService(1, 2)
	fake.put(0, 5)
	fake.put(1, 1)
	fake.split(0)
	fake.put(2, 3)
	fake.expire = fake.shards[0].id
	source := New(fake, "s", Options{})
	end := source.planned(t, batch.Offset{}, batch.Limit{})
	got := source.all(t, batch.Offset{}, end)
	slices.Sort(got)
	want := []string{fake.shards[1].id + "/0", fake.shards[2].id + "/0", fake.shards[2].id + "/1", fake.shards[2].id + "/2"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := source.Plan(t.Context(), end, batch.Limit{}); err != nil {
		t.Error(err)
	}
	fake.shards[1].gone = true // and a planned range, after a restart
	err := New(fake, "s", Options{}).Read(t.Context(), batch.Offset{}, end, func([]batch.Record) error { return nil })
	if !errors.Is(err, errGone) {
		t.Errorf("error %v", err)
	}
}

func TestRangeThatIsGoneIsAnError(t *testing.T) {
	fake := newService(1, 1)
	fake.put(0, 50)
	end := New(fake, "s", Options{}).planned(t, batch.Offset{}, batch.Limit{Records: 10})
	fake.shards[0].trimmed = 40
	err := New(fake, "s", Options{}).Read(t.Context(), batch.Offset{}, end, func([]batch.Record) error { return nil })
	if !errors.Is(err, errGone) || batch.IsTemporary(err) {
		t.Errorf("error %v", err)
	}
}

func TestAggregatedRecords(t *testing.T) {
	fake := newService(1, 1)
	fake.put(0, 4)
	packed := func(hash string) []byte {
		return kpl.Append(nil, []kpl.Record{
			{PartitionKey: []byte("a"), ExplicitHashKey: []byte("5"), Data: []byte("one")},
			{PartitionKey: []byte("b"), ExplicitHashKey: []byte(hash), Data: []byte("two")},
		})
	}
	fake.shards[0].records[1].Data = packed("9")
	fake.shards[0].records[2].Data = packed("10")
	fake.shards[0].hashes = &types.HashKeyRange{StartingHashKey: aws.String("0"), EndingHashKey: aws.String("9")}
	source := New(fake, "s", Options{})
	end := source.planned(t, batch.Offset{}, batch.Limit{})
	for range 2 {
		var got []string
		again(t, func() error {
			got = nil
			return source.Read(t.Context(), batch.Offset{}, end, func(chunk []batch.Record) error {
				for _, r := range chunk {
					got = append(got, fmt.Sprintf("%s/%d %s %v", r.SeqNum, r.SubSeqNum, r.Key, r.Refused != ""))
				}
				return nil
			})
		})
		if want := "1/0 k false, 8/0 a false, 8/1 b false, 15/0 k true, 22/0 k false"; strings.Join(got, ", ") != want {
			t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
		}
		source = New(fake, "s", Options{}) // as after a restart
	}
}

func TestPosition(t *testing.T) {
	fake := newService(1, 2)
	fake.put(0, 10)
	fake.put(1, 10)
	source := New(fake, "s", Options{Now: func() time.Time { return time.Unix(8, 0) }})
	for start, want := range map[batch.Start]int{
		{}:                   20,
		{Kind: batch.Latest}: 4, // by the clock: 8 and 9 of each shard
		{Kind: batch.AtTime, Time: time.Unix(5, 0)}: 10,
	} {
		at, err := source.Position(t.Context(), start)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(source.all(t, at, source.planned(t, at, batch.Limit{}))); n != want {
			t.Errorf("start %v: %d records, want %d", start, n, want)
		}
	}
}
