package kinesis_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/metrics"
)

// Of a PutRecords the shard takes what it may, in order, and refuses the rest one by one; the other shard does not care.
func TestWriteLimits(t *testing.T) {
	w := newLimitedWorld(t)
	w.create("s", 2)
	low, high := aws.String("0"), aws.String("340282366920938463463374607431768211455")
	put := func(n int, size int, hash *string) (failed int32) {
		t.Helper()
		in := &sdk.PutRecordsInput{StreamName: aws.String("s")}
		for range n {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), ExplicitHashKey: hash, Data: make([]byte, size-1)})
		}
		out, err := w.PutRecords(t.Context(), in)
		w.check(err)
		refused := int32(0)
		for _, r := range out.Records {
			if r.ErrorCode == nil {
				if r.SequenceNumber == nil || r.ShardId == nil {
					t.Fatalf("%+v", r)
				}
				continue
			}
			refused++
			want := "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000."
			if *r.ErrorCode != "ProvisionedThroughputExceededException" || *r.ErrorMessage != want || r.SequenceNumber != nil || r.ShardId != nil {
				t.Fatalf("%s %s", *r.ErrorCode, *r.ErrorMessage)
			}
		}
		if refused != *out.FailedRecordCount {
			t.Fatalf("%d refused, FailedRecordCount %d", refused, *out.FailedRecordCount)
		}
		return refused
	}
	for i, want := range []int32{0, 0, 500} { // 1,000 records
		if got := put(500, 1, low); got != want {
			t.Fatalf("request %d: %d failed", i, got)
		}
	}
	if n := put(500, 1, high); n != 0 {
		t.Fatalf("the other shard refused %d", n)
	}
	one := func() error {
		_, err := w.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), ExplicitHashKey: low, Data: []byte("a")})
		return err
	}
	w.wantError(one(), "ProvisionedThroughputExceededException", "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000.")
	w.clock.advance(time.Second)
	w.check(one())
	w.clock.advance(time.Second)
	if n := put(20, 100<<10, low); n != 10 { // 1 MiB
		t.Fatalf("%d of 20 records of 100 KiB failed", n)
	}
	w.wantMetrics(map[string]float64{"PutRecords.ThrottledRecords": 510, "PutRecords.FailedRecords": 510, "WriteProvisionedThroughputExceeded": 511})
}

// wantMetrics compares sums over all the time of the stream s.
func (w *world) wantMetrics(want map[string]float64) {
	w.Helper()
	stream := metrics.Dimension{Name: "StreamName", Value: "s"}
	for name, sum := range want {
		m := metrics.Metric{Namespace: "AWS/Kinesis", Name: name, Dimensions: []metrics.Dimension{stream}}
		points, err := w.metrics.Read(m, "", w.clock.Now().Add(-24*time.Hour).Truncate(time.Minute), w.clock.Now().Add(time.Minute), 48*time.Hour)
		w.check(err)
		if len(points) != 1 || points[0].Stat.Sum != sum {
			w.Errorf("%s: %+v, want a sum of %v", name, points, sum)
		}
	}
}

// A shard answers five calls and 2 MiB a second; after 10 MiB nothing for five seconds.
func TestReadLimits(t *testing.T) {
	w := newLimitedWorld(t)
	w.create("s", 2)
	key := func(i int) *string { return aws.String(fmt.Sprint(i)) }
	for i := range 12 {
		_, err := w.PutRecord(t.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: key(i), ExplicitHashKey: aws.String("0"), Data: make([]byte, 1<<20-100)})
		w.check(err)
		w.clock.advance(time.Second)
	}
	full, empty := w.iterator(horizon("s", shard0)), w.iterator(horizon("s", "shardId-1"))
	get := func(it *string) error {
		_, err := w.GetRecords(t.Context(), &sdk.GetRecordsInput{ShardIterator: it})
		return err
	}
	const text = "Rate exceeded for shard shardId-00000000000%d in stream s under account 000000000000."
	for range 5 {
		w.check(get(empty))
	}
	w.wantError(get(empty), "ProvisionedThroughputExceededException", fmt.Sprintf(text, 1))
	w.clock.advance(200 * time.Millisecond)
	w.check(get(empty))
	w.check(get(full))
	for range 49 {
		w.wantError(get(full), "ProvisionedThroughputExceededException", fmt.Sprintf(text, 0))
		w.clock.advance(100 * time.Millisecond)
	}
	w.clock.advance(100 * time.Millisecond)
	w.check(get(full))
	iterate := func() error {
		_, err := w.GetShardIterator(t.Context(), horizon("s", shard0))
		return err
	}
	for range 5 {
		w.check(iterate())
	}
	w.wantError(iterate(), "ProvisionedThroughputExceededException", fmt.Sprintf(text, 0))
	w.wantMetrics(map[string]float64{"ReadProvisionedThroughputExceeded": 51, "GetRecords.Success": 8})
}

// Control calls are limited per account or per stream, with a text that Terraform looks for.
func TestCallLimits(t *testing.T) {
	w := newLimitedWorld(t)
	w.create("s", 1)
	w.create("t", 1)
	ctx := t.Context()
	calls := map[string]struct {
		most int
		call func(stream string) error
		text string
	}{
		"DescribeLimits": {1, func(string) error {
			_, err := w.DescribeLimits(ctx, &sdk.DescribeLimitsInput{})
			return err
		}, "Rate exceeded for account 000000000000."},
		"DescribeStream": {10, func(s string) error {
			_, err := w.DescribeStream(ctx, &sdk.DescribeStreamInput{StreamName: &s})
			return err
		}, "Rate exceeded for stream s under account 000000000000."},
		"DescribeStreamSummary": {20, func(s string) error {
			_, err := w.DescribeStreamSummary(ctx, &sdk.DescribeStreamSummaryInput{StreamName: &s})
			return err
		}, "Rate exceeded for stream s under account 000000000000."},
	}
	for name, c := range calls {
		for i := range c.most {
			w.check(c.call([]string{"s", "t"}[i%2])) // of the account, whatever the stream
		}
		w.wantError(c.call("s"), "LimitExceededException", c.text)
		w.clock.advance(time.Second)
		if err := c.call("s"); err != nil {
			t.Errorf("%s a second later: %v", name, err)
		}
	}
	consumers := func(s string) error {
		_, err := w.ListStreamConsumers(ctx, &sdk.ListStreamConsumersInput{StreamARN: aws.String(w.store.StreamARN(s))})
		return err
	}
	for range 5 {
		w.check(consumers("s"))
	}
	w.wantError(consumers("s"), "LimitExceededException", "Rate exceeded for stream s under account 000000000000.")
	w.check(consumers("t"))
}

// A stream changes its mode twice a day.
func TestModesPerDay(t *testing.T) {
	w := newLimitedWorld(t)
	w.create("s", 1)
	change := func(mode types.StreamMode) error {
		_, err := w.UpdateStreamMode(t.Context(), &sdk.UpdateStreamModeInput{
			StreamARN: aws.String(arnS), StreamModeDetails: &types.StreamModeDetails{StreamMode: mode}})
		return err
	}
	w.check(change(types.StreamModeOnDemand))
	w.clock.advance(time.Hour)
	w.check(change(types.StreamModeProvisioned))
	w.clock.advance(time.Hour)
	w.wantError(change(types.StreamModeOnDemand), "LimitExceededException", "2 times within 24 hours")
	w.clock.advance(22 * time.Hour)
	w.check(change(types.StreamModeOnDemand))
}

// One call of SubscribeToShard a second; of what lies there 2 MiB a second are pushed.
func TestSubscribeLimits(t *testing.T) {
	inBubbleOf(t, world{limits: true}, func(w *bubble) {
		w.create("s", 1)
		arn := w.consumer("c")
		const records = 20
		for range records {
			w.put("s", "k", strings.Repeat("a", 1<<20-100))
			time.Sleep(time.Second)
		}
		start := time.Now()
		r := w.subscribe(arn, shard0, fromHorizon)
		_, err := w.trySubscribe(arn, shard0, fromHorizon)
		w.wantError(err, "LimitExceededException", "Rate exceeded for consumer c and shard "+shard0+" in stream s under account 000000000000.")
		for got := 0; got < records; {
			got += len(r.next().Records)
		}
		if took := time.Since(start); took < 8*time.Second || took > 10*time.Second {
			w.Errorf("20 MiB took %v", took)
		}
	})
}

// The SDK's own retries get through: what is refused by a limit is an error that it knows to be one of throttling. Its
// pauses move the clock, so that nobody waits.
func TestRetriesSucceed(t *testing.T) {
	w := newLimitedWorld(t)
	refused := 0
	w.Client = sdk.New(w.Options(), func(o *sdk.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider("AKID", "secret", "")
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.RateLimiter = rateLimitOff{}
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) {
				refused++
				w.clock.advance(500 * time.Millisecond)
				return 0, nil
			})
		})
	})
	for i := range 20 { // as Terraform does
		w.create(fmt.Sprintf("s%d", i), 1)
	}
	for range 10 {
		w.put("s0", "k", strings.Repeat("a", 1e6))
		_, err := w.DescribeLimits(t.Context(), &sdk.DescribeLimitsInput{})
		w.check(err)
	}
	it, got := w.iterator(horizon("s0", shard0)), 0
	for got < 10 {
		out := w.get(it)
		got += len(out.Records)
		it = out.NextShardIterator
	}
	if refused < 10 {
		t.Errorf("refused %d times only", refused)
	}
}

// rateLimitOff lets the client retry as often as its attempts allow.
type rateLimitOff struct{}

func (rateLimitOff) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}

func (rateLimitOff) AddTokens(uint) error { return nil }
