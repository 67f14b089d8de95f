package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/pipelines"
)

const numbersPipeline = `
name: numbers
source:
  stream: numbers
  schema: {n: bigint}
  max_records_per_trigger: 100
sink:
  delta: s3://lake/numbers
trigger: 10 ms
dead_letters: s3://lake/_dead
`

// pipelineHouse is a server that runs pipelines, with a stream and a bucket, whose requests must be signed.
func pipelineHouse(t testing.TB) (*house, *clients) {
	t.Helper()
	h, cl, _ := signedHouse(t, t.TempDir(), true)
	provision(t, cl)
	return h, cl
}

// provision makes the stream numbers and the bucket lake.
func provision(t testing.TB, cl *clients) {
	t.Helper()
	if _, err := cl.Kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("numbers"), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.S3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("lake")}); err != nil {
		t.Fatal(err)
	}
}

// signedHouse opens a house whose requests must be signed. It is closed with the test, if not before.
func signedHouse(t testing.TB, dir string, runs bool) (h *house, cl *clients, shut func()) {
	t.Helper()
	h, err := openHouse(t.Context(), houseConfig{Dir: dir, Listen: "127.0.0.1:0", Environment: true, Pipelines: runs})
	if err != nil {
		t.Fatal(err)
	}
	shut = sync.OnceFunc(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(shut)
	if cl, err = newClients(t.Context(), h.URL); err != nil {
		t.Fatal(err)
	}
	return h, cl, shut
}

func putNumbers(t testing.TB, cl *clients, from, to int) {
	t.Helper()
	in := &kinesis.PutRecordsInput{StreamName: aws.String("numbers")}
	for i := from; i < to; i++ {
		in.Records = append(in.Records, kinesistypes.PutRecordsRequestEntry{
			Data: fmt.Appendf(nil, `{"n": %d}`, i), PartitionKey: aws.String(fmt.Sprint(i)),
		})
	}
	if _, err := cl.Kinesis.PutRecords(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// rowsOf counts the rows of the table that the pipeline writes.
func rowsOf(t *testing.T, h *house) (rows int64) {
	t.Helper()
	table, err := delta.Open(t.Context(), delta.InBucket(h.objects, "lake", "numbers/"))
	if err != nil {
		return 0 // not made yet
	}
	s, err := table.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for f := range s.Files(nil) {
		rows += f.Stats.NumRecords
	}
	return rows
}

// awaitPipeline waits until a pipeline is as ready says.
func awaitPipeline(t testing.TB, h *house, name string, ready func(pipelines.Status) bool) pipelines.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		changed, err := h.pipelines.Changes(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := h.pipelines.Status(name)
		if err != nil {
			t.Fatal(err)
		}
		if ready(s) {
			return s
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("pipeline %+v", s)
		}
	}
}

// A pipeline's process is killed in the middle; it is started again, and every record is in the table once.
func TestPipelineOfServer(t *testing.T) {
	t.Parallel()
	h, cl := pipelineHouse(t)
	putNumbers(t, cl, 0, 500)
	if _, err := h.pipelines.Create(t.Context(), numbersPipeline, false); err != nil {
		t.Fatal(err)
	}
	awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.Totals.Batches > 0 })
	killWorkers(t, h)
	putNumbers(t, cl, 500, 1000)
	s := awaitPipeline(t, h, "numbers", func(pipelines.Status) bool { return rowsOf(t, h) >= 1000 })
	if got := rowsOf(t, h); got != 1000 || s.Restarts == 0 {
		t.Errorf("%d rows after %d restarts", got, s.Restarts)
	}
	if s, err := h.pipelines.Pause(t.Context(), "numbers"); err != nil || s.State != pipelines.Paused {
		t.Fatalf("%+v, %v", s, err)
	}
	if workers := workersOf(t, h); len(workers) != 0 {
		t.Errorf("a paused pipeline has processes %v", workers)
	}
}

// A server's metrics say how far its pipelines are behind.
func TestLagOfPipelines(t *testing.T) {
	t.Parallel()
	h, cl := pipelineHouse(t)
	putNumbers(t, cl, 0, 300) // three batches
	if _, err := h.pipelines.Create(t.Context(), numbersPipeline, false); err != nil {
		t.Fatal(err)
	}
	s := awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.Totals.Records == 300 })
	if m := s.Last.Sources[0].Metrics; m["maxMsBehindLatest"] != "0" || m["recordsBehindLatest"] != "0" {
		t.Errorf("at the end: %v", m)
	}
	for name, least := range map[string]float64{"MillisBehindLatest": 0, "RecordsBehindLatest": 100} {
		points, err := h.metrics.Read(metrics.Metric{
			Namespace: "weir/Pipelines", Name: name, Dimensions: []metrics.Dimension{{Name: "Pipeline", Value: "numbers"}},
		}, "", time.Now().Add(-time.Hour), time.Now().Add(time.Hour), time.Minute)
		if err != nil || len(points) == 0 {
			t.Fatalf("%s: %v, %v", name, points, err)
		}
		if p := points[0].Stat; p.Max < least || p.Min != 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// A pipeline whose sink does not answer is running, and says what it waits for; paused, it waits no more.
func TestPipelineWaits(t *testing.T) {
	h, cl := pipelineHouse(t)
	putNumbers(t, cl, 0, 10)
	file := strings.Replace(numbersPipeline, "delta: s3://lake/numbers", "webhook: http://127.0.0.1:1/", 1)
	if _, err := h.pipelines.Create(t.Context(), file, false); err != nil {
		t.Fatal(err)
	}
	s := awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.Waiting != nil || s.State == pipelines.Failed })
	if text := trouble(&s, time.Now()); s.State != pipelines.Running || !strings.HasPrefix(text, "waiting: write: ") || !strings.Contains(text, "connection refused (since ") {
		t.Errorf("%s: %s %s", s.State, text, s.Error)
	}
	if s, err := h.pipelines.Pause(t.Context(), "numbers"); err != nil || s.Waiting != nil {
		t.Errorf("paused: %+v, %v", s.Waiting, err)
	}
}

// What is not there is named, with what to do.
func TestWhatIsMissing(t *testing.T) {
	h, _ := pipelineHouse(t)
	for _, c := range []struct{ name, source, sink, want string }{
		{"sink", "numbers", "stream: out", "aws kinesis create-stream --stream-name out "},
		{"source", "none", "delta: s3://lake/t", "aws kinesis create-stream --stream-name none "},
		{"files", "s3://nowhere/in", "delta: s3://lake/t", "aws s3 mb s3://"},
		{"table", "numbers", "delta: s3://nowhere/t", "aws s3 mb s3://"},
	} {
		file := fmt.Sprintf("name: %s\nsource:\n  stream: %s\n  schema: {n: bigint}\nsink:\n  %s\ndead_letters: s3://lake/_dead\n", c.name, c.source, c.sink)
		if _, err := h.pipelines.Create(t.Context(), file, false); err != nil {
			t.Fatal(err)
		}
		s := awaitPipeline(t, h, c.name, func(s pipelines.Status) bool { return s.State == pipelines.Failed || s.Restarts > 0 })
		if s.State != pipelines.Failed || !strings.Contains(s.Error, c.want) {
			t.Errorf("%s: %s, %s", c.name, s.State, s.Error)
		}
	}
}

// A pipeline of a server that writes into no bucket is told what to do instead.
func TestServerNeedsABucket(t *testing.T) {
	h, _ := pipelineHouse(t)
	file := fmt.Sprintf("name: copy\nsource:\n  stream: file://%s\n  schema: {n: bigint}\n  mode: fail\nsink:\n  parquet: file://%s\n", t.TempDir(), t.TempDir())
	if _, err := h.pipelines.Create(t.Context(), file, false); err != nil {
		t.Fatal(err)
	}
	s := awaitPipeline(t, h, "copy", func(s pipelines.Status) bool { return s.State == pipelines.Failed || s.Restarts > 0 })
	if s.State != pipelines.Failed || !strings.Contains(s.Error, "writes into no bucket") || !strings.Contains(s.Error, "weir run --keep") {
		t.Errorf("%s: %s", s.State, s.Error)
	}
}

// A pipeline that cannot go on says why, and is not started again.
func TestPipelineFails(t *testing.T) {
	h, cl := pipelineHouse(t)
	in := &kinesis.PutRecordInput{StreamName: aws.String("numbers"), Data: []byte("no JSON"), PartitionKey: aws.String("k")}
	if _, err := cl.Kinesis.PutRecord(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	file := strings.Replace(numbersPipeline, "schema:", "mode: fail\n  schema:", 1)
	if _, err := h.pipelines.Create(t.Context(), file, false); err != nil {
		t.Fatal(err)
	}
	s := awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.State == pipelines.Failed })
	if !strings.Contains(s.Error, "does not fit the schema") || s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPipelineAPI(t *testing.T) {
	h, _ := pipelineHouse(t)
	client := pipelineClient{Endpoint: h.URL}
	if s, err := client.status(t.Context(), http.MethodPost, "?paused=true", numbersPipeline); err != nil || s.State != pipelines.Paused {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, c := range []struct{ method, path, body, want string }{
		{http.MethodPost, "", numbersPipeline, "there is a pipeline of that name"},
		{http.MethodPost, "", "name: x", "not a pipeline"},
		{http.MethodPost, "?paused=perhaps", numbersPipeline, "neither true nor false"},
		{http.MethodGet, "/none", "", `pipeline "none": no such pipeline`},
		{http.MethodPut, "/other", numbersPipeline, "the file is that of pipeline numbers"},
		{http.MethodPost, "/numbers/stop", "", "404"},
	} {
		if _, err := client.call(t.Context(), c.method, c.path, c.body); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
	}
	resp, err := http.Get(h.URL + "/_weir/pipelines")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusForbidden {
		t.Errorf("an unsigned request: %s", resp.Status)
	}
}

// workersOf are the processes of pipelines that h has started and that live.
func workersOf(t *testing.T, h *house) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		env, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(env), "TMPDIR="+h.dir("tmp", "pipelines")) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(name, "/proc/%d/", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func killWorkers(t *testing.T, h *house) {
	t.Helper()
	workers := workersOf(t, h)
	if len(workers) == 0 {
		t.Skip("processes cannot be seen on this system")
	}
	for _, pid := range workers {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// Records that did not fit go through the corrected pipeline once, however often they are replayed.
func TestReplay(t *testing.T) {
	h, cl := pipelineHouse(t)
	for _, data := range []string{`{"n": 1}`, `{"n": 1.5}`, `{"n": "many"}`, `{"n": [2]}`, `no JSON`} {
		in := &kinesis.PutRecordInput{StreamName: aws.String("numbers"), Data: []byte(data), PartitionKey: aws.String("k")}
		if _, err := cl.Kinesis.PutRecord(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	write := func(text string) string {
		name := filepath.Join(t.TempDir(), "p.yaml")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	strict := strings.Replace(numbersPipeline, "schema:", "mode: drop\n  schema:", 1)
	target := pipelineTarget{File: write(strict), Endpoint: h.URL}
	if err := (&RunCmd{pipelineTarget: target, Once: true}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := rowsOf(t, h); got != 1 {
		t.Fatalf("%d rows at first", got)
	}
	target.File = write(strings.Replace(strict, "{n: bigint}", "{n: double}", 1) + "query: SELECT CAST(n AS bigint) AS n FROM source\n")
	for _, data := range []string{"", `{"n": {}}`} {
		if data != "" { // one more, which the second replay takes alone
			in := &kinesis.PutRecordInput{StreamName: aws.String("numbers"), Data: []byte(data), PartitionKey: aws.String("k")}
			if _, err := cl.Kinesis.PutRecord(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			if err := (&RunCmd{pipelineTarget: target, Once: true}).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := (&ReplayCmd{pipelineTarget: target}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := rowsOf(t, h); got != 2 {
			t.Errorf("%d rows after replay", got)
		}
	}
	page, err := h.objects.List(t.Context(), "lake", objstore.ListOptions{Prefix: "_dead/_replay/"})
	if err != nil || len(page.Objects) == 0 {
		t.Errorf("what does not fit even now: %d objects, %v", len(page.Objects), err)
	}
	if err := (&ReplayCmd{pipelineTarget: pipelineTarget{File: write(strings.NewReplacer("{n: bigint}", "{n: bigint, t: timestamp}",
		"trigger: 10 ms", "query: SELECT count(*) AS n FROM source\noutput_mode: complete").Replace(numbersPipeline)), Endpoint: h.URL}}).Run(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "remembers something between batches") {
		t.Errorf("a query with state: %v", err)
	}
}

// Files of a folder become Parquet files of another, each once.
func TestFolderToFolder(t *testing.T) {
	h, _ := pipelineHouse(t)
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	file := filepath.Join(t.TempDir(), "p.yaml")
	text := fmt.Sprintf("name: copy\nsource:\n  stream: file://%s\n  schema: {n: bigint}\n  mode: fail\n  max_files_per_trigger: 1\n"+
		"sinks:\n  - parquet: file://%s\n  - stream: numbers\ntrigger: available-now\ndead_letters: s3://lake/_dead\n", in, out)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for round := range 2 { // the second finds nothing new but one file
		for i := range 2 + round {
			name := filepath.Join(in, fmt.Sprint(i, ".json"))
			if err := os.WriteFile(name, fmt.Appendf(nil, "{\"n\": %d}\n{\"n\": %d}\n", i, i+10), 0o644); err != nil {
				t.Fatal(err)
			}
			at := time.Now().Add(-time.Hour + time.Duration(i)*time.Second)
			if err := os.Chtimes(name, at, at); err != nil {
				t.Fatal(err)
			}
		}
		if err := (&RunCmd{pipelineTarget: pipelineTarget{File: file, Endpoint: h.URL}}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(out, "part-*.parquet"))
		if err != nil || len(files) != 2+round {
			t.Errorf("%d files, %v", len(files), err)
		}
	}
}

// A pipeline with state that weir run began goes on in the server.
func TestStateMovesIntoTheServer(t *testing.T) {
	h, cl := pipelineHouse(t)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
	text := strings.Replace(numbersPipeline, "trigger: 10 ms", "query: SELECT n, count(*) AS times FROM source GROUP BY n\noutput_mode: update\ntrigger: available-now", 1)
	file := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	putNumbers(t, cl, 0, 10)
	if err := (&RunCmd{pipelineTarget: pipelineTarget{File: file, Endpoint: h.URL}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	putNumbers(t, cl, 5, 15)
	if _, err := h.pipelines.Create(t.Context(), text, false); err != nil {
		t.Fatal(err)
	}
	s := awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.State == pipelines.Done || s.State == pipelines.Failed })
	if got := rowsOf(t, h); s.State != pipelines.Done || got != 15 {
		t.Errorf("%s: %s; %d rows", s.State, s.Error, got)
	}
	if err := (&RunCmd{pipelineTarget: pipelineTarget{File: file, Endpoint: h.URL}}).Run(t.Context()); err != nil {
		t.Errorf("and back: %v", err)
	}
}
