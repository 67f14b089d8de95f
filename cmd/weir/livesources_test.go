package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weir-data/weir/pipelines"
)

// liveInput is a source of pipelines of which a test puts numbers.
type liveInput struct {
	stream string
	put    func(t *testing.T, from, to int)
	byTime bool // it can be cut at a time
	// reshard is not nil of sources whose shards can be split.
	reshard func(t *testing.T)
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "{\"n\": %d}\n", i)
	}
	return b.String()
}

func kafkaInput(t *testing.T) liveInput {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "numbers"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	producer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	return liveInput{stream: "kafka://" + cluster.ListenAddrs()[0] + "/numbers", byTime: true, put: func(t *testing.T, from, to int) {
		for line := range strings.Lines(lines(from, to)) {
			if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "numbers", Value: []byte(line)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}}
}

func folderInput(t *testing.T) liveInput {
	dir := t.TempDir()
	return liveInput{stream: "file://" + dir, byTime: true, put: func(t *testing.T, from, to int) {
		file := filepath.Join(dir, fmt.Sprintf("%d.json", from))
		if err := os.WriteFile(file, []byte(lines(from, to)), 0o644); err != nil {
			t.Fatal(err)
		}
		rested := time.Now().Add(-time.Hour + time.Duration(from)*time.Minute) // files of a folder are taken when they have rested
		if err := os.Chtimes(file, rested, rested); err != nil {
			t.Fatal(err)
		}
	}}
}

func bucketInput(t *testing.T, cl *clients) liveInput {
	return liveInput{stream: "s3://lake/incoming", byTime: true, put: func(t *testing.T, from, to int) {
		in := &s3.PutObjectInput{Bucket: aws.String("lake"), Key: aws.String(fmt.Sprintf("incoming/%d.json", from)), Body: strings.NewReader(lines(from, to))}
		if _, err := cl.S3.PutObject(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}}
}

// Whatever a pipeline reads, its table can be read FOR LIVE, cut at the newest record or where an answer before was cut.
func TestLiveOfOtherSources(t *testing.T) {
	for _, name := range []string{"Kafka", "folder", "bucket", "Kinesis endpoint", "fan-out"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, cl, s := liveHouse(t)
			var in liveInput
			switch name {
			case "Kafka":
				in = kafkaInput(t)
			case "folder":
				in = folderInput(t)
			case "bucket":
				in = bucketInput(t, cl)
			default:
				in = liveInput{stream: "kinesis://numbers?region=us-east-1&endpoint=" + h.URL, put: func(t *testing.T, from, to int) { putNumbers(t, cl, from, to) }}
				if name == "fan-out" {
					in.stream += "&consumer=weir"
					break
				}
				in.reshard = func(t *testing.T) {
					split := &kinesis.UpdateShardCountInput{StreamName: aws.String("numbers"), TargetShardCount: aws.Int32(4), ScalingType: "UNIFORM_SCALING"}
					if _, err := cl.Kinesis.UpdateShardCount(t.Context(), split); err != nil {
						t.Fatal(err)
					}
				}
			}
			testLiveInput(t, h, s, in)
		})
	}
}

func testLiveInput(t *testing.T, h *house, s *session, in liveInput) {
	const count = "SELECT count(*), count(DISTINCT n), sum(n) FROM numbers FOR LIVE"
	expect := func(sql, want string) {
		t.Helper()
		if got := s.ask(t, sql); got != want {
			t.Errorf("%s gives %s, want %s", sql, got, want)
		}
	}
	in.put(t, 0, 10)
	create(t, h, livePipelineFile("stream: numbers", "stream: "+in.stream))
	p := awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.Totals.Records >= 10 || s.State == pipelines.Failed })
	if p.State == pipelines.Failed {
		t.Fatal(p.Error)
	}
	pause(t, h)
	expect(count, "10,10,45\n")
	in.put(t, 10, 15)
	if in.reshard != nil {
		in.reshard(t)
	}
	in.put(t, 15, 20)
	expect(count, "20,20,190\n")
	cut := strings.TrimSpace(s.ask(t, `SELECT max(cut) FROM "numbers$live"`))
	middle := time.Now().UTC()
	for !time.Now().After(middle.Add(time.Millisecond)) { // what is measured in milliseconds comes behind it
	}
	in.put(t, 30, 40)
	expect(count, "30,30,535\n")
	chosen := count + " AS OF '" + cut + "'"
	expect(chosen, "20,20,190\n")
	if at := count + " AS OF TIMESTAMP '" + middle.Format("2006-01-02 15:04:05.000") + "'"; in.byTime && !strings.HasPrefix(in.stream, "file:") {
		expect(at, "20,20,190\n")
	} else if !in.byTime {
		if _, err := s.run(t.Context(), at); err == nil || !strings.Contains(err.Error(), "give sequence numbers") {
			t.Errorf("%s: %v", at, err)
		}
	}
	if strings.Contains(in.stream, "consumer") {
		return // it would take five seconds to have its place again
	}
	if _, err := h.pipelines.Resume(t.Context(), "numbers"); err != nil {
		t.Fatal(err)
	}
	awaitRecords(t, h, 30)
	pause(t, h)
	expect("SELECT count(*) FROM numbers", "30\n")
	expect(chosen, "20,20,190\n") // on the version of the table that lies before the cut
}

// A pipeline with several sources is cut in each of them, whether its rows are those of one or of the other or follow from both.
func TestLiveOfSeveralSourcesOfAPipeline(t *testing.T) {
	for _, c := range []struct {
		name, second, query    string
		first, more, later     string // the answers: what the table holds, what waits, what came behind the cut
		second0, second1, last [2]int
	}{
		{"union", "Kafka", "SELECT n FROM a UNION ALL SELECT n FROM b", "20,20,190\n", "33,33,528\n", "34,34,628\n",
			[2]int{10, 20}, [2]int{30, 33}, [2]int{100, 101}},
		{"join", "bucket", "SELECT a.n FROM a JOIN b ON a.n = b.n", "5,5,35\n", "15,15,280\n", "17,17,281\n",
			[2]int{5, 10}, [2]int{20, 30}, [2]int{0, 2}},
		{"union with an endpoint", "endpoint", "SELECT n FROM a UNION ALL SELECT n FROM b", "20,20,190\n", "33,33,528\n", "34,34,628\n",
			[2]int{10, 20}, [2]int{30, 33}, [2]int{100, 101}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, cl, s := liveHouse(t)
			var in liveInput
			switch c.second {
			case "Kafka":
				in = kafkaInput(t)
			case "bucket":
				in = bucketInput(t, cl)
			default:
				in = endpointInput(t, h, cl, "others")
			}
			testLiveOfTwo(t, h, cl, s, in, c.query, []string{c.first, c.more, c.later}, [][2]int{c.second0, c.second1, c.last})
		})
	}
}

// endpointInput is a stream of its own at a Kinesis endpoint.
func endpointInput(t *testing.T, h *house, cl *clients, stream string) liveInput {
	if _, err := cl.Kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &stream, ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	return liveInput{stream: "kinesis://" + stream + "?region=us-east-1&endpoint=" + h.URL, put: func(t *testing.T, from, to int) {
		for i := from; i < to; i++ {
			in := &kinesis.PutRecordInput{StreamName: &stream, Data: fmt.Appendf(nil, `{"n": %d}`, i), PartitionKey: aws.String(fmt.Sprint(i))}
			if _, err := cl.Kinesis.PutRecord(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
	}}
}

func testLiveOfTwo(t *testing.T, h *house, cl *clients, s *session, in liveInput, query string, answers []string, second [][2]int) {
	const count = "SELECT count(*), count(DISTINCT n), sum(n) FROM numbers FOR LIVE"
	expect := func(sql, want string) {
		t.Helper()
		if got := s.ask(t, sql); got != want {
			t.Errorf("%s gives %s, want %s", sql, got, want)
		}
	}
	putNumbers(t, cl, 0, 10)
	in.put(t, second[0][0], second[0][1])
	create(t, h, fmt.Sprintf(`
name: numbers
sources:
  a: {stream: numbers, schema: {n: bigint}}
  b: {stream: "%s", schema: {n: bigint}}
query: %s
sink: {delta: s3://lake/numbers, table: lake.numbers}
trigger: 10 ms
dead_letters: s3://lake/_dead
`, in.stream, query))
	records := 20 // that are put before the pipeline goes on
	for _, r := range second {
		records += r[1] - r[0]
	}
	p := awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool {
		return s.Totals.Records >= int64(10+second[0][1]-second[0][0]) || s.State == pipelines.Failed
	})
	if p.State == pipelines.Failed {
		t.Fatal(p.Error)
	}
	pause(t, h)
	expect(count, answers[0])
	putNumbers(t, cl, 20, 30)
	in.put(t, second[1][0], second[1][1])
	expect(count, answers[1])
	cut := strings.TrimSpace(s.ask(t, `SELECT max(cut) FROM "numbers$live"`))
	if !strings.Contains(cut, "a/shardId-") || !strings.Contains(cut, "b/") {
		t.Errorf("the cut %s does not name its sources", cut)
	}
	middle := time.Now().UTC()
	for !time.Now().After(middle.Add(time.Millisecond)) { // what is measured in milliseconds comes behind it
	}
	in.put(t, second[2][0], second[2][1])
	expect(count, answers[2])
	expect(count+" AS OF '"+cut+"'", answers[1])
	at := count + " AS OF TIMESTAMP '" + middle.Format("2006-01-02 15:04:05.000") + "'"
	if in.byTime {
		expect(at, answers[1])
	} else if _, err := s.run(t.Context(), at); err == nil || !strings.Contains(err.Error(), "source b: cannot be cut there") || !strings.Contains(err.Error(), "give sequence numbers") {
		t.Errorf("%s: %v", at, err)
	}
	if _, err := s.run(t.Context(), count+" AS OF 'shardId-000000000000:1'"); err == nil || !strings.Contains(err.Error(), "it has 2 sources: write SOURCE/") {
		t.Errorf("a position without its source: %v", err)
	}
	if _, err := h.pipelines.Resume(t.Context(), "numbers"); err != nil {
		t.Fatal(err)
	}
	awaitRecords(t, h, int64(records))
	pause(t, h)
	expect(count, answers[2])
	expect(count+" AS OF '"+cut+"'", answers[1]) // on the version of the table that lies before the cut
}
