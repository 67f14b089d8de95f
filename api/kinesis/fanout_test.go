package kinesis_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/awskinesis"
)

// fan is a pipeline's source that is pushed to, and where its batches are.
type fan struct {
	*bubble
	source *awskinesis.FanOut
	at     batch.Offset
	got    []string // data of the records of all batches that are done
}

func (w *bubble) fan() *fan {
	f := &fan{bubble: w, at: batch.Offset{}}
	f.restart()
	w.Cleanup(func() { f.source.Close() })
	return f
}

// restart is what a kill leaves: where the batches are.
func (f *fan) restart() {
	if f.source != nil {
		f.check(f.source.Close())
	}
	f.source = awskinesis.NewFanOut(f.another(), "s", "pipeline", awskinesis.Options{})
}

// again does what may fail for now, as the engine would.
func (f *fan) again(do func() error) {
	f.Helper()
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := do()
		if err == nil {
			return
		}
		if !batch.IsTemporary(err) || time.Since(began) > 5*time.Minute {
			f.Fatal(err)
		}
	}
}

// plan is a plan of what was put until now: what was, has been pushed.
func (f *fan) plan(limit batch.Limit) (end batch.Offset) {
	f.Helper()
	synctest.Wait()
	f.again(func() (err error) {
		end, err = f.source.Plan(f.Context(), f.at, limit)
		return err
	})
	return end
}

func (f *fan) read(end batch.Offset) (got []string) {
	f.Helper()
	f.again(func() error {
		got = nil
		return f.source.Read(f.Context(), f.at, end, func(chunk []batch.Record) error {
			for _, r := range chunk {
				got = append(got, string(r.Data))
			}
			return nil
		})
	})
	return got
}

// batch is one batch. It says whether there was anything.
func (f *fan) batch(limit batch.Limit) bool {
	f.Helper()
	end := f.plan(limit)
	if end.Equal(f.at) {
		return false
	}
	f.got = append(f.got, f.read(end)...)
	f.at = end
	return true
}

// Records are in a batch as soon as they are put: nothing waits, in bubble time.
func TestFanOutIsPushed(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 2)
		f := w.fan()
		if f.batch(batch.Limit{}) {
			w.Fatalf("records from nowhere: %v", f.got)
		}
		for i := range 20 {
			began := time.Now()
			w.put("s", fmt.Sprint(i), fmt.Sprint(i))
			w.check(f.source.Wait(w.Context(), f.at))
			if !f.batch(batch.Limit{}) || f.got[i] != fmt.Sprint(i) {
				w.Fatalf("after record %d: %v", i, f.got)
			}
			if d := time.Since(began); d > 0 {
				w.Fatalf("record %d waited %v", i, d)
			}
		}
		if m := f.source.Metrics(); m["maxMsBehindLatest"] != "0" {
			w.Errorf("metrics %v", m)
		}
	})
}

// Every record comes once, those of a shard in order and children after their parents, whatever the limit, while shards are split and
// merged, the process dies before and after its plans are used, connections break, and five minutes end again and again.
func TestFanOutExactlyOnce(t *testing.T) {
	inBubble(t, func(w *bubble) {
		seed := uint64(time.Now().UnixNano()) ^ rand.Uint64()
		w.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 0))
		w.create("s", 2)
		f := w.fan()
		n := 0
		for round := range 60 {
			for range rng.IntN(30) {
				w.put("s", fmt.Sprint(rng.IntN(8)), fmt.Sprint(n))
				n++
			}
			switch rng.IntN(6) {
			case 0:
				f.restart()
			case 1: // a plan was made, and the process died
				end := f.plan(batch.Limit{Records: 10})
				first := f.read(end)
				f.restart()
				second := f.read(end)
				if slices.Sort(first); !slices.Equal(first, slices.Sorted(slices.Values(second))) {
					w.Fatalf("round %d: read again gave\n%v, not\n%v", round, second, first)
				}
				f.got, f.at = append(f.got, second...), end
			case 2:
				w.transport.CloseIdleConnections()
				w.cut()
			case 3:
				w.resplit(rng)
			case 4:
				time.Sleep(time.Duration(rng.IntN(400)) * time.Second)
			}
			f.batch(batch.Limit{Records: 1 + rng.IntN(40)})
		}
		for f.batch(batch.Limit{}) {
		}
		want := make([]string, n)
		for i := range want {
			want[i] = fmt.Sprint(i)
		}
		slices.Sort(want)
		if got := slices.Sorted(slices.Values(f.got)); !slices.Equal(got, want) {
			w.Fatalf("%d records of %d, the first that differ: %v", len(got), n, firstDifference(got, want))
		}
	})
}

func firstDifference(a, b []string) []string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return []string{a[i], b[i]}
		}
	}
	return nil
}

// cut breaks all connections to the server.
func (w *bubble) cut() {
	for _, c := range w.network.taken() {
		c.Close()
	}
	synctest.Wait()
}

// resplit splits an open shard, or merges two.
func (w *bubble) resplit(rng *rand.Rand) {
	out, err := w.ListShards(w.Context(), &sdk.ListShardsInput{StreamName: aws.String("s")})
	w.check(err)
	open := slices.DeleteFunc(out.Shards, func(s types.Shard) bool { return s.SequenceNumberRange.EndingSequenceNumber != nil })
	if len(open) > 3 {
		_, err = w.UpdateShardCount(w.Context(), &sdk.UpdateShardCountInput{
			StreamName: aws.String("s"), TargetShardCount: aws.Int32(int32(len(open)+1) / 2), ScalingType: types.ScalingTypeUniformScaling})
	} else {
		_, err = w.UpdateShardCount(w.Context(), &sdk.UpdateShardCountInput{
			StreamName: aws.String("s"), TargetShardCount: aws.Int32(int32(len(open) + rng.IntN(len(open)) + 1)), ScalingType: types.ScalingTypeUniformScaling})
	}
	w.check(err)
}

// A consumer that somebody deregisters is registered anew; a stream that goes is an error at once; the limit of consumers is one that
// says what to do.
func TestFanOutConsumer(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 1)
		f := w.fan()
		w.put("s", "k", "a")
		f.batch(batch.Limit{})
		_, err := w.DeregisterStreamConsumer(w.Context(), &sdk.DeregisterStreamConsumerInput{
			StreamARN: aws.String(w.store.StreamARN("s")), ConsumerName: aws.String("pipeline")})
		w.check(err)
		w.put("s", "k", "b")
		for len(f.got) < 2 {
			w.check(f.source.Wait(w.Context(), f.at))
			f.batch(batch.Limit{})
		}
		if !slices.Equal(f.got, []string{"a", "b"}) {
			w.Errorf("got %v", f.got)
		}
		_, err = w.DeleteStream(w.Context(), &sdk.DeleteStreamInput{StreamName: aws.String("s"), EnforceConsumerDeletion: aws.Bool(true)})
		w.check(err)
		w.check(f.source.Wait(w.Context(), f.at))
		if _, err := f.source.Plan(w.Context(), f.at, batch.Limit{}); err == nil || batch.IsTemporary(err) {
			w.Errorf("without a stream: %v", err)
		}
	})
}

func TestFanOutConsumersMax(t *testing.T) {
	inBubbleOf(t, world{limits: true}, func(w *bubble) {
		w.create("s", 1)
		time.Sleep(time.Minute)
		for i := range 20 {
			w.consumer(fmt.Sprint("c", i))
			time.Sleep(time.Second)
		}
		_, err := w.fan().source.Position(w.Context(), batch.Start{})
		if err == nil || batch.IsTemporary(err) || !strings.Contains(err.Error(), "deregister one, or leave consumer= out") {
			w.Errorf("a consumer too many: %v", err)
		}
	})
}

// Two pipelines that use one consumer take it from each other; each has all records all the same.
func TestFanOutTakeover(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 1)
		a, b := w.fan(), w.fan()
		for i := range 5 {
			w.put("s", "k", fmt.Sprint(i))
			for len(a.got) <= i {
				a.batch(batch.Limit{})
			}
			for len(b.got) <= i {
				b.batch(batch.Limit{})
			}
		}
		if want := []string{"0", "1", "2", "3", "4"}; !slices.Equal(a.got, want) || !slices.Equal(b.got, want) {
			w.Errorf("got %v and %v", a.got, b.got)
		}
	})
}
