// Package crash kills real weir processes at random and counts what is left.
//
// The full run is:
//
//	go test ./test/crash -run TestKill -v -kills 20 -seed 1
package crash

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var (
	kills = flag.Int("kills", 3, "how many times weir serve is killed")
	seed  = flag.Uint64("seed", 0, "seed of the moments; 0 takes one from the clock")
)

// seedOfRun is the seed that was asked for, or one from the clock.
func seedOfRun() uint64 {
	if *seed == 0 {
		return uint64(time.Now().UnixNano())
	}
	return *seed
}

// TestKill kills weir serve with SIGKILL at random moments while a producer that retries, a pipeline into a Delta
// table and a delivery stream into Parquet files are at work, and the pipeline's process every third time too. Then
// every record that is in the stream must be in the table once and in the Parquet files once, and every record that
// was acknowledged must be in the stream. With an odd seed the stream is encrypted at rest.
func TestKill(t *testing.T) {
	t.Parallel()
	from := seedOfRun()
	t.Logf("repeat with: go test ./test/crash -run TestKill -v -kills %d -seed %d", *kills, from)
	rng := rand.New(rand.NewPCG(from, 0))
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*kills)*10*time.Second+3*time.Minute)
	defer cancel()

	w := newWorld(t)
	server := w.start("serve", "serve", "--listen", w.addr, "--data", filepath.Join(w.dir, "data"))
	w.provision(ctx, from%2 == 1)
	producer := w.start("produce", "produce", "users", "--stream", streamName, "--endpoint", w.url,
		"--amount", fmt.Sprint(*kills*20_000+10_000), "--rate", "10000", "--ack-log", w.ackLog(), "--seed", fmt.Sprint(from))
	pipeline := w.start("run", "run", w.pipelineFile(), "--endpoint", w.url)

	for i := range *kills {
		wait := 300*time.Millisecond + time.Duration(rng.Int64N(int64(1700*time.Millisecond)))
		time.Sleep(wait) // the moment is what is random here; nothing is waited for
		t.Logf("kill %d after %v", i+1, wait.Round(time.Millisecond))
		server.kill()
		if i%3 == 2 {
			pipeline.kill()
			pipeline = w.start("run", "run", w.pipelineFile(), "--endpoint", w.url)
		}
		server = w.start("serve", "serve", "--listen", w.addr, "--data", filepath.Join(w.dir, "data"))
	}
	if err := producer.wait(ctx); err != nil {
		t.Fatalf("producer: %v\n%s", err, producer.output())
	}
	inStream := w.streamed(ctx)
	w.settle(ctx, len(inStream.seqs), pipeline)
	w.compare(ctx, inStream)
	server.kill()
	w.checkData()
}

// compare fails the test for each way in which a record can be lost, doubled or invented.
func (w *world) compare(ctx context.Context, in stream) {
	acked := w.acked()
	missing := 0
	for _, seq := range acked {
		if !in.seqs[seq] {
			missing++
		}
	}
	if missing > 0 {
		w.t.Errorf("%d of %d acknowledged records are not in the stream", missing, len(acked))
	}
	for _, table := range []string{"crash.pipeline", "crash.delivery"} {
		got := w.idsOf(ctx, table)
		lost, doubled, invented := diff(in.ids, got)
		if lost+doubled+invented > 0 {
			w.t.Errorf("%s: of %d records %d lost, %d doubled, %d invented", table, len(in.seqs), lost, doubled, invented)
		}
	}
	w.t.Logf("%d records in the stream, %d acknowledged, %d ids; each is in the Delta table and in the Parquet files as often as in the stream",
		len(in.seqs), len(acked), len(in.ids))
	if len(acked) == 0 || len(in.seqs) < len(acked) {
		w.t.Errorf("the run tested nothing: %d acknowledged, %d in the stream", len(acked), len(in.seqs))
	}
}

// diff compares how often each id occurs: in the stream (want) and in a table (got).
func diff(want, got map[string]int) (lost, doubled, invented int) {
	for id, n := range want {
		switch g := got[id]; {
		case g < n:
			lost += n - g
		case g > n:
			doubled += g - n
		}
	}
	for id, g := range got {
		if want[id] == 0 {
			invented += g
		}
	}
	return lost, doubled, invented
}

func TestDiff(t *testing.T) {
	lost, doubled, invented := diff(map[string]int{"a": 1, "b": 2, "c": 1}, map[string]int{"a": 2, "b": 1, "x": 3})
	if lost != 2 || doubled != 1 || invented != 3 {
		t.Fatalf("lost %d, doubled %d, invented %d", lost, doubled, invented)
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if built.file != "" {
		os.RemoveAll(filepath.Dir(built.file))
	}
	os.Exit(code)
}
