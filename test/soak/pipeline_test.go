package soak

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-data/weir/test/traffic"
)

var (
	pipelineFor = flag.Duration("pipeline", 0, "how long TestPipeline runs; without it, it does not")
	weirFile    = flag.String("weir", "", "the weir to run TestPipeline with; default: built")
	rate        = flag.Float64("rate", 0, "records a second of TestPipeline; 0: as many as the pipeline keeps up with")
	rest        = flag.Duration("rest", 3*time.Minute, "how long an hour of events is over before its files are judged, and deleted")
	speed       = flag.Float64("speed", 30, "how fast the time of events goes: 30 has an hour's partition be over after two minutes")
)

const (
	pipelineName = "rides"
	tablePath    = "objects/lake/rides" // below the data directory
	holdLag      = 500_000              // records that the pipeline may be behind before the producer waits
	logLife      = 30 * time.Second     // of records in the stream: the disk is small
)

// pipelineSoak is a server at work, with a pipeline, a producer and one who keeps the table small.
type pipelineSoak struct {
	t      *testing.T
	dir    string
	server *weirProcess
	putter *traffic.Putter
	began  time.Time

	done  atomic.Int64 // records that the pipeline has committed
	holds atomic.Int64 // times that the producer had to wait
	calls meter        // of latencies
	fail  context.CancelCauseFunc

	course  *course     // by the sampler, until the run is over
	dropped digest      // of partitions that are gone, by the keeper
	closed  []partition // those that are over, as the keeper found them
}

// TestPipeline leaves a server alone with a pipeline of the tutorial's rides into a table partitioned by hour, at full rate: as many records as
// server, producer and pipeline together get through. In the end every record is in the table once, files of hours that are over are
// large, and memory is flat. Hours pass in minutes. One hour after another is counted, deleted and vacuumed a while after it is over, as the
// disk is small; that goes on beside the pipeline as users would do it.
//
// It needs minutes, so go test leaves it out: make pipeline-soak DURATION=30m.
func TestPipeline(t *testing.T) {
	if *pipelineFor == 0 {
		t.Skip("a long run: make pipeline-soak")
	}
	dir, err := os.MkdirTemp(*dir, "soak-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ctx, fail := context.WithCancelCause(t.Context())
	defer fail(nil)
	p := &pipelineSoak{t: t, dir: dir, fail: fail, began: time.Now(), course: openCourse(t, pipelineColumns)}
	if p.server, err = startWeir(t, weirBinary(t, dir), filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	if err := p.server.createPipeline(); err != nil {
		t.Fatal(err)
	}
	p.run(ctx)
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
	p.judge()
}

// eventTime is the clock of events.
func (p *pipelineSoak) eventTime() time.Time {
	return p.began.Add(time.Duration(float64(time.Since(p.began)) * *speed)).UTC()
}

// run lets everybody work for the time of the test, then lets the pipeline come to the end.
func (p *pipelineSoak) run(ctx context.Context) {
	p.putter = &traffic.Putter{
		Addr: p.server.addr, Stream: streamName, Records: traffic.Options{Times: "now"}, Rate: *rate, Clock: p.eventTime,
		Answered: func(_, _ int, took time.Duration) { p.calls.latency(took) },
		Hold: func() bool {
			if p.putter.Sent()-p.done.Load() < holdLag {
				return false
			}
			p.holds.Add(1)
			return true
		},
	}
	producing, stop := context.WithTimeout(ctx, *pipelineFor)
	defer stop()
	others, stopOthers := context.WithCancel(ctx)
	defer stopOthers()
	var wg sync.WaitGroup
	for _, life := range []func(context.Context) error{p.follow, p.sample, p.keep} {
		wg.Go(func() { p.must(life(others)) })
	}
	p.must(p.putter.Run(producing))
	for end := time.Now().Add(5 * time.Minute); p.done.Load() < p.putter.Sent() && ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		if time.Now().After(end) {
			p.fail(errors.New("the pipeline has not come to the end"))
		}
	}
	stopOthers()
	wg.Wait()
}

// must ends the run with the first error; what ended because the run did is none.
func (p *pipelineSoak) must(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		p.fail(err)
	}
}

// follow asks how far the pipeline is.
func (p *pipelineSoak) follow(ctx context.Context) error {
	for ; ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
		s, err := p.server.pipeline(ctx)
		if err != nil {
			return err
		}
		p.done.Store(s.Totals.Records)
	}
	return nil
}
