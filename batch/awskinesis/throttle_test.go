package awskinesis

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/batch"
)

// shared is a stream whose shards give a read every fifth of a second, to whoever asks first.
type shared struct {
	*service
	mu    sync.Mutex
	next  map[string]time.Time // when a shard gives again
	taken int                  // reads that the competitor has had
}

// take asks for a read of a shard.
func (s *shared) take(shard string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.next[shard]) {
		return &types.ProvisionedThroughputExceededException{Message: aws.String("Rate exceeded for shard " + shard)}
	}
	s.next[shard] = time.Now().Add(200 * time.Millisecond)
	return nil
}

func (s *shared) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	if err := s.take(s.shards[(*in.ShardIterator)[0]-'0'].id); err != nil {
		return nil, err
	}
	return s.service.GetRecords(ctx, in, opts...)
}

// compete reads the shards all the time, at once again after each refusal: it gets all but a few of the reads.
func (s *shared) compete(ctx context.Context, over *sync.WaitGroup) {
	for _, shard := range s.shards {
		over.Go(func() {
			for ctx.Err() == nil {
				if s.take(shard.id) == nil {
					s.mu.Lock()
					s.taken++
					s.mu.Unlock()
				}
				time.Sleep(5*time.Millisecond + rand.N(10*time.Millisecond))
			}
		})
	}
}

// What a reader that never waits leaves is little, and a pipeline gets on with it: nothing that was read is thrown away, neither of a plan
// nor of a range that is read again after a restart.
func TestProgressBesideAGreedyReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &shared{service: newService(7, 2), next: map[string]time.Time{}}
		fake.put(0, 60)
		fake.put(1, 60)
		ctx, stop := context.WithCancel(t.Context())
		var over sync.WaitGroup
		defer over.Wait()
		defer stop()
		fake.compete(ctx, &over)
		source, at, got := New(fake, "s", Options{}), batch.Offset{}, []string(nil)
		began, throttled, restarted := time.Now(), 0, 0
		for len(got) < 120 {
			if time.Since(began) > 2*time.Hour {
				t.Fatalf("%d of 120 records after two hours", len(got))
			}
			end, err := source.Plan(t.Context(), at, batch.Limit{})
			if errors.Is(err, batch.ErrThrottled) {
				throttled++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got)%3 == 0 && !end.Equal(at) {
				source, restarted = New(fake, "s", Options{}), restarted+1
			}
			records := source.all(t, at, end)
			got, at = append(got, records...), end
		}
		if slices.Sort(got); len(slices.Compact(got)) != 120 {
			t.Errorf("%d records, some of them twice", len(got))
		}
		took := time.Since(began)
		t.Logf("took %v, %d plans with nothing, %d restarts, competitor had %d reads; %v", took, throttled, restarted, fake.taken, source.Metrics())
		if fake.taken < 5*120 || restarted == 0 {
			t.Errorf("the competitor had %d reads, with %d restarts: no competition", fake.taken, restarted)
		}
	})
}

// A plan takes what the shards give that are not throttled.
func TestThrottledShardDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &shared{service: newService(7, 2), next: map[string]time.Time{}}
		fake.put(0, 5)
		fake.put(1, 5)
		fake.next[fake.shards[0].id] = time.Now().Add(time.Hour)
		source := New(fake, "s", Options{})
		end, err := source.Plan(t.Context(), batch.Offset{}, batch.Limit{})
		if err != nil {
			t.Fatal(err)
		}
		if got := source.all(t, batch.Offset{}, end); len(got) != 5 || end[fake.shards[0].id] != "" {
			t.Fatalf("%v up to %v", got, end)
		}
		if _, err := source.Plan(t.Context(), end, batch.Limit{}); !errors.Is(err, batch.ErrThrottled) {
			t.Fatalf("with nothing but a throttled shard: %v", err)
		}
		if m := source.Metrics(); m["throttledReads"] == "0" || m["maxMsBehindLatest"] != "0" {
			t.Errorf("metrics %v", m)
		}
		time.Sleep(time.Hour)
		last := source.planned(t, end, batch.Limit{})
		if got := source.all(t, end, last); len(got) != 5 {
			t.Errorf("an hour later: %v", got)
		}
	})
}
