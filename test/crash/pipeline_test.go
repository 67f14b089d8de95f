package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kt "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weir-data/weir/batch"
)

var pipelineRounds = flag.Int("pipeline-rounds", 1, "how many times each pipeline dies at each of its fault points")

// crashPipelines are the queries, each with what its table must hold in the end.
var crashPipelines = []struct {
	name, sources, query, mode, columns string
	want                                func(all []event) []string
}{
	{"rows", "source: EVENTS", "SELECT id, k, x FROM source", "append", "*", wantRows},
	{"pushed", "source: PUSHED", "SELECT id, k, x FROM source", "append", "*", wantRows},
	{"final", "source: EVENTS", countQuery, "append", "w.start, k, n, s", wantCounts},
	{"changing", "source: EVENTS", countQuery, "update", "w.start, k, n, s", wantCounts},
	{"pairs", "sources: {l: EVENTS, r: EVENTS}", `SELECT l.id, r.id AS other, l.x FROM l JOIN r
    ON l.k = r.k AND r.x = l.x + 5 AND r.at >= l.at - INTERVAL '30' MINUTE AND r.at <= l.at + INTERVAL '30' MINUTE`, "append", "*", wantPairs},
}

const (
	eventStream = "crash-events"
	countQuery  = "SELECT window(at, '10 minutes') AS w, k, count(*) AS n, sum(x) AS s FROM source GROUP BY 1, k"
	// eventSource is slow to forget: no event comes too late, whatever the order in which shards are read.
	eventSource = `{stream: ` + eventStream + `, schema: {id: string, k: string, x: bigint, at: timestamp}, max_records_per_trigger: 150,
  watermark: {column: at, delay: 2 hours}}`
)

// event is a record of the stream. Its time is given by x, so that everything about it follows from that.
type event struct {
	ID string    `json:"id"`
	K  string    `json:"k"`
	X  int64     `json:"x"`
	At time.Time `json:"at"`
}

func newEvent(x int64) event {
	at := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC).Add(time.Duration(x*7%3600) * time.Second)
	return event{fmt.Sprintf("id-%d", x), string(rune('a' + x%5)), x, at}
}

// lastEvent lets the watermark pass all others.
var lastEvent = event{"last", "last", -1, time.Date(2026, 2, 1, 8, 0, 0, 0, time.UTC)}

// TestPipelines lets the process of each pipeline die at each of its fault points, while records come, shards are split and merged, and
// the stream throttles. What its table holds in the end must follow from what is in the stream.
func TestPipelines(t *testing.T) {
	t.Parallel()
	from := seedOfRun()
	t.Logf("repeat with: go test ./test/crash -run TestPipelines -v -pipeline-rounds %d -seed %d", *pipelineRounds, from)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*pipelineRounds)*5*time.Minute)
	defer cancel()
	w := newWorld(t)
	server := w.start("serve", "serve", "--listen", w.addr, "--data", filepath.Join(w.dir, "data"), "--limits", "aws")
	p := &pipelineCrash{world: w, rng: rand.New(rand.NewPCG(from, 0)), client: kinesis.NewFromConfig(w.cfg), tally: tally{died: map[string]int{}}}
	p.provision(ctx)
	contention, stop := context.WithCancel(ctx)
	defer stop()
	var contender sync.WaitGroup
	contender.Go(func() { p.contend(contention) })
	for round := range *pipelineRounds {
		began := time.Now()
		p.round(ctx)
		t.Logf("round %d: %s", round+1, p.takeTally(time.Since(began)))
	}
	for _, c := range crashPipelines {
		p.run(ctx, c.name, "")
	}
	p.put(ctx, lastEvent)
	for _, c := range crashPipelines {
		p.run(ctx, c.name, "")
	}
	stop()
	contender.Wait()
	t.Logf("to the end: %d events; throttled were %d reads of pipelines, %d of the contender", len(p.all), p.tally.throttled, p.contended.Load())
	p.compare(ctx)
	server.kill()
	w.checkData()
}

// pipelineCrash is a stream and the pipelines over it.
type pipelineCrash struct {
	*world
	rng       *rand.Rand
	client    *kinesis.Client
	all       []event
	usedUp    bool // the day's changes of the shard count
	tally     tally
	contended atomic.Int64 // reads of the contender that were throttled, in this round
}

// tally is what happened in a round.
type tally struct {
	died      map[string]int // by fault point
	reshards  int
	throttled int64 // reads of pipelines that were
}

// takeTally says what happened since it was called last.
func (p *pipelineCrash) takeTally(took time.Duration) string {
	t := p.tally
	p.tally = tally{died: map[string]int{}}
	var died []string
	for _, point := range batch.FaultPoints {
		if died = append(died, fmt.Sprintf("%s %d", point, t.died[point])); t.died[point] == 0 && *pipelineRounds > 1 {
			p.t.Errorf("no process died at %q in this round", point)
		}
	}
	if t.reshards == 0 {
		p.t.Error("no shards were split or merged in this round")
	}
	return fmt.Sprintf("deaths %s; %d reshardings; throttled were %d reads of pipelines, %d of the contender; %.0f s",
		strings.Join(died, ", "), t.reshards, t.throttled, p.contended.Swap(0), took.Seconds())
}

// round lets the pipelines die at each fault point.
func (p *pipelineCrash) round(ctx context.Context) {
	short, most := *pipelineRounds == 1, 240
	if short {
		most = 80 // the stream gives few reads a second, and more batches need more of them
	}
	for i, point := range batch.FaultPoints {
		p.produce(ctx, 40+p.rng.IntN(most-40))
		p.reshard(ctx)
		for k, c := range crashPipelines {
			if short && (i+k)%len(crashPipelines) != 0 { // one pipeline at each point
				continue
			}
			p.run(ctx, c.name, fmt.Sprintf("%s:%d", point, 1+p.rng.IntN(2)))
		}
	}
}

func (p *pipelineCrash) provision(ctx context.Context) {
	_, err := p.client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(eventStream), ShardCount: aws.Int32(2)})
	p.must("create stream", err)
	p.active(ctx)
	_, err = p.s3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucketName)})
	p.must("create bucket", err)
	pushed := fmt.Sprintf("'kinesis://%s?endpoint=%s&consumer=crash'", eventStream, p.url)
	sources := strings.NewReplacer("EVENTS", eventSource, "PUSHED", strings.Replace(eventSource, eventStream, pushed, 1))
	for _, c := range crashPipelines {
		text := fmt.Sprintf("name: %[1]s\n%[2]s\nquery: >\n  %[3]s\nsink: {delta: 's3://%[5]s/%[1]s', table: crash.%[1]s, mode: %[4]s}\ndead_letters: s3://%[5]s/_dead/%[1]s\n",
			c.name, sources.Replace(c.sources), c.query, c.mode, bucketName)
		p.must("write pipeline", os.WriteFile(p.file(c.name), []byte(text), 0o644))
	}
}

func (p *pipelineCrash) file(name string) string { return filepath.Join(p.dir, name+".yaml") }

func (p *pipelineCrash) active(ctx context.Context) {
	err := kinesis.NewStreamExistsWaiter(p.client, quickly).
		Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String(eventStream)}, time.Minute)
	p.must("wait for stream", err)
}

// produce puts n more events.
func (p *pipelineCrash) produce(ctx context.Context, n int) {
	for range n {
		p.all = append(p.all, newEvent(int64(len(p.all))))
	}
	p.put(ctx, p.all[len(p.all)-n:]...)
}

// put sends events until all are acknowledged.
func (p *pipelineCrash) put(ctx context.Context, events ...event) {
	var entries []kt.PutRecordsRequestEntry
	for _, e := range events {
		data, err := json.Marshal(e)
		p.must("marshal", err)
		entries = append(entries, kt.PutRecordsRequestEntry{Data: data, PartitionKey: aws.String(e.ID)})
	}
	for len(entries) > 0 {
		out, err := p.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(eventStream), Records: entries})
		p.must("put records", err)
		var again []kt.PutRecordsRequestEntry
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				again = append(again, entries[i])
			}
		}
		entries = again
	}
}

// run runs a pipeline until it has done what is there, or dies at fault.
func (p *pipelineCrash) run(ctx context.Context, name, fault string) {
	p.t.Helper()
	cmd := exec.CommandContext(ctx, p.binary, "run", p.file(name), "--once", "--progress", "--endpoint", p.url)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=crash", "AWS_SECRET_ACCESS_KEY=crash", "AWS_REGION=us-east-1", "WEIR_FAULT="+fault,
		"XDG_CACHE_HOME="+filepath.Join(p.dir, "cache"))
	var progress, out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &progress, &out
	err := cmd.Run()
	p.tally.throttled += throttledReads(progress.Bytes())
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.String() == "signal: killed" && fault != "" && ctx.Err() == nil:
		point, _, _ := strings.Cut(fault, ":")
		p.tally.died[point]++
	case err != nil:
		p.t.Fatalf("pipeline %s, fault %q: %v\n%s", name, fault, err, &out)
	}
}

// compare looks whether the tables hold what follows from the events.
func (p *pipelineCrash) compare(ctx context.Context) {
	for _, c := range crashPipelines {
		var got []string
		for _, row := range p.ask(ctx, "SELECT "+c.columns+" FROM crash."+c.name)[1:] {
			if line := strings.Join(row, " "); !strings.Contains(line, "last") {
				got = append(got, line)
			}
		}
		want := c.want(p.all)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			p.t.Errorf("%s: %d rows, want %d: %s", c.name, len(got), len(want), firstDifference(got, want))
		}
	}
}

func firstDifference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("row %d is %s, want %s", i, got[i], want[i])
		}
	}
	return "one is the begin of the other"
}

func wantRows(all []event) (want []string) {
	for _, e := range all {
		want = append(want, fmt.Sprintf("%s %s %d", e.ID, e.K, e.X))
	}
	return want
}

func wantCounts(all []event) (want []string) {
	type sum struct{ n, x int64 }
	sums := map[string]sum{}
	for _, e := range all {
		key := e.At.Truncate(10*time.Minute).Format("2006-01-02 15:04:05.000 ") + e.K
		sums[key] = sum{sums[key].n + 1, sums[key].x + e.X}
	}
	for key, s := range sums {
		want = append(want, fmt.Sprintf("%s %d %d", key, s.n, s.x))
	}
	return want
}

func wantPairs(all []event) (want []string) {
	for _, l := range all {
		x := l.X + 5
		if x >= int64(len(all)) {
			continue
		}
		if r := all[x]; r.K == l.K && r.At.Sub(l.At).Abs() <= 30*time.Minute {
			want = append(want, fmt.Sprintf("%s %s %d", l.ID, r.ID, l.X))
		}
	}
	return want
}
