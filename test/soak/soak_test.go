// Package soak runs a Kinesis server at full speed for a long time, with all that goes on in a stream's life at once, and
// counts what is left.
//
// The server is package api/kinesis over a real stream log on a real disk, behind real HTTP, in the process of the test.
// Only its clock is fast: a day of retention passes in a minute or less, so that the disk is freed again and again.
// Producers put records at full speed, and keep a count and a digest for each shard from the answers. Two groups of readers,
// one polling and one with enhanced fan-out, follow all shards through resharding, and keep the same. Meanwhile shards are
// split and merged, readers leave and are replaced, guests come and go, and encryption is switched on and off. In the end
// the three accounts must agree: no record lost, none twice, none invented, each shard in order. Memory, latency and disk
// are sampled: they must not grow.
//
// go test runs a short form. The real one is make soak DURATION=20m SEED=1; it appends each sample to soak.csv.
//
// TestPipeline is the same for a pipeline of a whole server, in processes of its own: make pipeline-soak.
package soak

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"
)

var (
	duration = flag.Duration("duration", 5*time.Second, "how long to run; at full length make it 20m")
	seed     = flag.Uint64("seed", 0, "seed of what happens; 0 takes one from the clock")
	dir      = flag.String("dir", "", "folder for the data; default: the test's own temporary folder")
	csvFile  = flag.String("csv", "", "file that gets the samples")
)

// long is from where on a run has enough samples to be judged flat.
const long = time.Minute

// world is a running soak.
type world struct {
	t      *testing.T
	server *server
	ledger *ledger
	groups []*group
	meter  *meter
	secret uint64 // that only our producers' records are marked with
	fail   context.CancelCauseFunc
}

func TestSoak(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with: go test ./test/soak -v -timeout 0 -duration %v -seed %d", *duration, *seed)
	place := *dir
	if place == "" {
		place = t.TempDir()
	} else {
		var err error
		if place, err = os.MkdirTemp(place, "soak-"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(place) }) // after those of the server
	}
	ctx, fail := context.WithCancelCause(t.Context())
	defer fail(nil)
	retention := max(1500*time.Millisecond, *duration/20)
	w := &world{t: t, server: startServer(t, place, retention), ledger: newLedger(), meter: &meter{course: openCourse(t, columns)}, secret: *seed, fail: fail}
	w.run(ctx)
	if err := context.Cause(ctx); err != nil {
		t.Error(err)
	}
	w.compare()
	w.judge(retention)
}

// run lets everybody work for the time of the test, then lets the readers come to the end.
func (w *world) run(ctx context.Context) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	var producers, others, readers sync.WaitGroup
	for _, fanOut := range []bool{false, true} {
		g := newGroup(w, fanOut)
		w.groups = append(w.groups, g)
		readers.Go(func() { w.must(g.run(reading)) })
	}
	for i := range producerCount {
		producers.Go(func() { w.must(w.produce(working, i)) })
	}
	for i, life := range []func(context.Context, *rand.Rand) error{w.reshard, w.encrypt, w.disturb, w.visit, w.visit} {
		rng := rand.New(rand.NewPCG(*seed, uint64(i)))
		others.Go(func() { w.must(life(working, rng)) })
	}
	others.Go(func() { w.must(w.sample(working)) })
	readers.Go(func() { w.guard(reading) })

	select {
	case <-time.After(*duration): // the length of the run, not a wait for something
	case <-ctx.Done():
	}
	stop()
	producers.Wait()
	others.Wait()
	w.drain(reading)
	stopReading()
	readers.Wait()
}

// guard lets the clock go on as long as the readers keep up: once all groups have read what was acknowledged at a time, the
// clock may go unreadMost beyond that time. So what is lost is lost by the server, and never for want of a faster reader.
func (w *world) guard(ctx context.Context) {
	for ctx.Err() == nil {
		acknowledged, now := w.ledger.accounts(), w.server.clock.Now()
		for !w.haveRead(acknowledged) && ctx.Err() == nil {
			pause(ctx, 10*time.Millisecond)
		}
		w.server.clock.allow(now.Add(unreadMost))
		pause(ctx, 10*time.Millisecond)
	}
}

func (w *world) haveRead(acknowledged map[string]account) bool {
	for _, g := range w.groups {
		for id, a := range acknowledged {
			if g.account(id).records < a.records {
				return false
			}
		}
	}
	return true
}

// must ends the run with the first error; what ended because the run did is none.
func (w *world) must(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		w.fail(err)
	}
}

// drain returns when the readers have as many records as were acknowledged, or have come no further for a while.
func (w *world) drain(ctx context.Context) {
	last, since := int64(-1), time.Now()
	for ctx.Err() == nil {
		n := w.slowest()
		if n >= w.ledger.total() {
			return
		}
		if n != last {
			last, since = n, time.Now()
		} else if time.Since(since) > time.Minute {
			return // compare says what is missing
		}
		pause(ctx, 5*time.Millisecond)
	}
}

// slowest is how many records the slowest group has read.
func (w *world) slowest() int64 {
	n := w.groups[0].read.Load()
	for _, g := range w.groups[1:] {
		n = min(n, g.read.Load())
	}
	return n
}

// compare holds the readers' accounts against the producers'.
func (w *world) compare() {
	total := w.ledger.total()
	for _, g := range w.groups {
		for id, want := range w.ledger.accounts() {
			if got := g.account(id); got != want {
				w.t.Errorf("%s, %s: read %d records with digest %x, acknowledged were %d with %x", g.name, id, got.records, got.sum, want.records, want.sum)
			}
		}
		if n := g.read.Load(); n != total {
			w.t.Errorf("%s: read %d records, acknowledged were %d", g.name, n, total)
		}
	}
	if total == 0 || w.meter.reshards.Load() == 0 {
		w.t.Errorf("the run tested nothing: %d records, %d changes of shards", total, w.meter.reshards.Load())
	}
	w.t.Logf("%d records in %d shards acknowledged, and read once and in order by %d groups; %d throttled; %d splits, merges and changes of count, "+
		"%d readers replaced (at most %v until the next one read), %d guests, %d switches of encryption", total, len(w.ledger.accounts()), len(w.groups), w.meter.throttled.Load(),
		w.meter.reshards.Load(), w.meter.replaced.Load(), time.Duration(w.meter.vacant.Load()).Round(time.Millisecond), w.meter.guests.Load(), w.meter.switches.Load())
}

// pause waits for d, or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// between is a random time from d/2 to 3d/2.
func between(rng *rand.Rand, d time.Duration) time.Duration {
	return d/2 + time.Duration(rng.Int64N(int64(d)))
}

// every is the mean time between events of which a run shall see many.
func every(shortest, longest time.Duration) time.Duration {
	return min(max(shortest, *duration/60), longest)
}
