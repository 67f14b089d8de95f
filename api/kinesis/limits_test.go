package kinesis

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A bucket gives what it holds at once and then what comes back, also when a clock steps back for a while.
func TestBucketTake(t *testing.T) {
	var b bucket
	now := noon
	for i, step := range []struct {
		pass time.Duration
		want string // of calls one after the other
	}{
		{0, "yyyyyn"},
		{200 * time.Millisecond, "yn"},
		{100 * time.Millisecond, "n"},
		{100 * time.Millisecond, "yn"},
		{time.Hour, "yyyyyn"},
		{-time.Minute, "n"},
		{time.Minute + time.Second, "yyyyyn"},
	} {
		now = now.Add(step.pass)
		var got strings.Builder
		for range step.want {
			if b.take(now, time.Second/5, time.Second) {
				got.WriteByte('y')
			} else {
				got.WriteByte('n')
			}
		}
		if got.String() != step.want {
			t.Fatalf("step %d: %s, want %s", i, got.String(), step.want)
		}
	}
}

// What is owed is paid in full before anything else: 10 MiB at 2 MiB a second in five seconds.
func TestBucketOwe(t *testing.T) {
	var b bucket
	open := func(now time.Time) bool { return !now.Before(b.shut) }
	b.owe(noon, transferTime(1<<20), time.Second)
	if !open(noon) {
		t.Error("within the burst it is shut")
	}
	b.owe(noon, transferTime(10<<20), time.Second)
	if open(noon.Add(5499*time.Millisecond)) || !open(noon.Add(5500*time.Millisecond)) {
		t.Errorf("shut for %v", b.shut.Sub(noon))
	}
	later := noon.Add(time.Minute)
	b.owe(later, transferTime(10<<20), time.Second)
	if open(later.Add(4999*time.Millisecond)) || !open(later.Add(5*time.Second)) {
		t.Errorf("shut for %v", b.shut.Sub(later))
	}
}

// Buckets of what was idle for long go away; those in use stay.
func TestBucketsAreForgotten(t *testing.T) {
	now := noon
	l := newLimits(func() time.Time { return now })
	for range 1000 {
		for i := range 100 {
			l.take(limited{operation: "GetRecords", shard: uint32(i), stream: uint64(now.Unix())}, 5)
		}
		now = now.Add(time.Second)
	}
	if n := len(l.buckets); n > 1000 {
		t.Errorf("%d buckets", n)
	}
	busy := limited{operation: "busy"}
	for l.take(busy, 5) {
	}
	for i := range 1000 {
		l.take(limited{operation: "other", shard: uint32(i)}, 5)
	}
	if l.take(busy, 5) {
		t.Error("a bucket in use was forgotten")
	}
	var off *limits
	if !off.take(busy, 5) {
		t.Error("no limits refuse a call")
	}
}

// Every operation of the service has a limit of calls, or one of its own on the records of a shard.
func TestEveryOperationIsLimited(t *testing.T) {
	onShards := map[string]bool{"PutRecord": true, "PutRecords": true, "GetRecords": true, "GetShardIterator": true, "SubscribeToShard": true}
	for _, op := range new(service).operations() {
		if _, ok := callRates[op.Name]; ok == onShards[op.Name] {
			t.Errorf("%s: limit of calls %v", op.Name, ok)
		}
	}
}

func TestAddressOf(t *testing.T) {
	a, b := "a", "b"
	for i, c := range []struct {
		in   any
		want address
	}{
		{&kinesis.DescribeStreamInput{StreamName: &a, StreamARN: &b}, address{name: &a, arn: &b}},
		{&kinesis.DescribeStreamConsumerInput{ConsumerARN: &a, ConsumerName: &b}, address{consumerARN: &a, consumerName: &b}},
		{&kinesis.TagResourceInput{ResourceARN: &a}, address{resourceARN: &a}},
		{&kinesis.ListStreamsInput{}, address{}},
	} {
		for range 2 { // the second time it knows the type
			if got := addressOf(c.in); got != c.want {
				t.Errorf("%d: %+v", i, got)
			}
		}
	}
}

// What every call pays: nothing that one could measure over HTTP, unless its stream has a policy.
func BenchmarkAdmit(b *testing.B) {
	m := meta.NewMem()
	defer m.Close()
	streams, err := stream.Open(stream.Options{FS: vfs.NewCrashable(), Dir: "log", Meta: m})
	if err != nil {
		b.Fatal(err)
	}
	defer streams.Close()
	for _, name := range []string{"plain", "shared"} {
		if err := streams.Create(b.Context(), stream.Config{Name: name, Shards: 1}); err != nil {
			b.Fatal(err)
		}
	}
	text := `{"Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kinesis:*","Resource":"*"}}`
	if err := streams.SetPolicy(b.Context(), "shared", "", text); err != nil {
		b.Fatal(err)
	}
	s := &service{streams: streams, now: time.Now, arnPrefix: streams.StreamARN("")}
	ctx := wire.With(b.Context(), wire.Identity{Account: streams.Account(), ARN: "arn:aws:iam::000000000000:user/ann"}, "us-east-1")
	b.Run("direct", func(b *testing.B) {
		name := "plain"
		for b.Loop() {
			if err := s.admitCall(ctx, "PutRecord", address{name: &name}); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, name := range []string{"plain", "shared"} {
		in := &kinesis.DescribeStreamInput{StreamName: &name}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := s.admit(ctx, "DescribeStream", in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
