package kinesis_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// A stream is split and merged twenty times while a writer puts and readers go through it as the KCL does: a shard is
// read to its end, then its children, a child of two when both are through. Nothing is lost, nothing comes twice, and the
// records of each key come in their order.
func TestWalkWhileResharding(t *testing.T) {
	const seed = 11
	readers := map[string]func(*walk, string) ([]types.ChildShard, error){"GetRecords": (*walk).poll, "SubscribeToShard": (*walk).follow}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.create("s", 2)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			v := &walk{world: w, ctx: ctx, read: read, consumer: w.consumer("c"), total: -1, done: make(chan struct{}),
				last: map[string]int{}, waiting: map[string]int{}, started: map[string]bool{}}
			v.begin(w.shards(&types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}))
			total := w.putWhileResharding(rand.New(rand.NewPCG(seed, 1)), 20)
			v.finish(total)
			v.readers.Wait()
			if v.failed != nil || v.count != total {
				t.Fatalf("seed %d: %d of %d records, %v", seed, v.count, total, v.failed)
			}
			if n := len(v.started); n < 30 {
				t.Fatalf("seed %d: only %d shards were read", seed, n)
			}
		})
	}
}

// putWhileResharding changes the shards n times while records are put, whose data are key and number, and returns how many.
func (w *world) putWhileResharding(rng *rand.Rand, n int) (total int) {
	w.Helper()
	next := make([]int, 13)
	for range n {
		var puts sync.WaitGroup
		puts.Go(func() {
			for range 5 {
				in := &sdk.PutRecordsInput{StreamName: aws.String("s")}
				for range 20 {
					k := total % len(next)
					next[k]++
					total++
					in.Records = append(in.Records, types.PutRecordsRequestEntry{
						PartitionKey: aws.String(fmt.Sprint("key", k)), Data: fmt.Appendf(nil, "%d", next[k]),
					})
				}
				out, err := w.PutRecords(w.Context(), in)
				if err != nil || *out.FailedRecordCount != 0 {
					w.Errorf("put: %v", err)
				}
			}
		})
		w.reshardSomewhere(rng)
		puts.Wait()
	}
	return total
}

// reshardSomewhere splits a shard or merges two.
func (w *world) reshardSomewhere(rng *rand.Rand) {
	w.Helper()
	open := w.shards(&types.ShardFilter{Type: types.ShardFilterTypeAtLatest})
	start := func(s types.Shard) *big.Int { return number(*s.HashKeyRange.StartingHashKey) }
	slices.SortFunc(open, func(a, b types.Shard) int { return start(a).Cmp(start(b)) })
	at := rng.IntN(len(open))
	if len(open) > 1 && rng.IntN(5) < len(open)-1 {
		at = min(at, len(open)-2)
		w.merge(*open[at].ShardId, *open[at+1].ShardId)
		return
	}
	middle := new(big.Int).Add(start(open[at]), number(*open[at].HashKeyRange.EndingHashKey))
	w.split(*open[at].ShardId, middle.Rsh(middle, 1).String())
}

func number(text string) *big.Int {
	n, _ := new(big.Int).SetString(text, 10)
	return n
}

// walk is a reader of all shards.
type walk struct {
	*world
	ctx      context.Context
	read     func(v *walk, shard string) ([]types.ChildShard, error) // to the end, calling see
	consumer *string
	readers  sync.WaitGroup
	done     chan struct{} // closed when all has been seen or something failed

	mu      sync.Mutex // guards the fields below
	last    map[string]int
	count   int
	total   int            // -1: not known yet
	waiting map[string]int // parents of a shard that have been read
	started map[string]bool
	failed  error
}

func (v *walk) begin(shards []types.Shard) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, sh := range shards {
		v.visitLocked(*sh.ShardId)
	}
}

func (v *walk) visitLocked(shard string) {
	v.started[shard] = true
	v.readers.Go(func() {
		children, err := v.read(v, shard)
		v.mu.Lock()
		defer v.mu.Unlock()
		if err != nil {
			v.endLocked(fmt.Errorf("%s: %w", shard, err))
		}
		for _, c := range children {
			v.waiting[*c.ShardId]++
			if v.waiting[*c.ShardId] == len(c.ParentShards) {
				v.visitLocked(*c.ShardId)
			}
		}
	})
}

func (v *walk) see(records []types.Record) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range records {
		n, err := strconv.Atoi(string(r.Data))
		if key := *r.PartitionKey; err != nil || n != v.last[key]+1 {
			v.endLocked(fmt.Errorf("%s: %q after %d", key, r.Data, v.last[key]))
		}
		v.last[*r.PartitionKey] = n
		v.count++
	}
	if v.count == v.total {
		v.endLocked(nil)
	}
}

// finish says how many records there are.
func (v *walk) finish(total int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.total = total
	if v.count >= total {
		v.endLocked(nil)
	}
}

func (v *walk) endLocked(err error) {
	v.failed = cmp.Or(v.failed, err)
	select {
	case <-v.done:
	default:
		close(v.done)
	}
}

func (v *walk) over() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// valid is the KCL's condition for an answer.
func valid(position *string, children []types.ChildShard) bool {
	return (position == nil) == (len(children) > 0) &&
		!slices.ContainsFunc(children, func(c types.ChildShard) bool { return len(c.ParentShards) == 0 })
}

// poll reads a shard by GetRecords.
func (v *walk) poll(shard string) ([]types.ChildShard, error) {
	out, err := v.GetShardIterator(v.ctx, horizon("s", shard))
	if err != nil {
		return nil, err
	}
	for it := out.ShardIterator; !v.over(); {
		out, err := v.GetRecords(v.ctx, &sdk.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(7)})
		if err != nil {
			return nil, err
		}
		if !valid(out.NextShardIterator, out.ChildShards) {
			return nil, fmt.Errorf("next iterator %v with %d children", out.NextShardIterator != nil, len(out.ChildShards))
		}
		v.see(out.Records)
		if it = out.NextShardIterator; it == nil {
			return out.ChildShards, nil
		}
	}
	return nil, nil
}

// follow reads a shard by SubscribeToShard.
func (v *walk) follow(shard string) ([]types.ChildShard, error) {
	out, err := v.another().SubscribeToShard(v.ctx, &sdk.SubscribeToShardInput{ConsumerARN: v.consumer, ShardId: &shard, StartingPosition: &fromHorizon})
	if err != nil {
		return nil, err
	}
	events := out.GetStream()
	defer events.Close()
	for {
		select {
		case <-v.done:
			return nil, nil
		case event, ok := <-events.Events():
			if !ok {
				return nil, cmp.Or(events.Err(), errors.New("subscription ended"))
			}
			e := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
			if !valid(e.ContinuationSequenceNumber, e.ChildShards) {
				return nil, fmt.Errorf("continuation %v with %d children", aws.ToString(e.ContinuationSequenceNumber), len(e.ChildShards))
			}
			v.see(e.Records)
			if e.ContinuationSequenceNumber == nil {
				return e.ChildShards, nil
			}
		}
	}
}
