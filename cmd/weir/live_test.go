package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/pipelines"
)

// liveHouse is a pipelineHouse and a session on it.
func liveHouse(t testing.TB) (*house, *clients, *session) {
	t.Helper()
	h, cl := pipelineHouse(t)
	return h, cl, lakeSession(t, cl)
}

func lakeSession(t testing.TB, cl *clients) *session {
	t.Helper()
	s := &session{api: cl.Athena, database: "lake", workgroup: "primary"}
	var err error
	if s.place, err = defaultPlace(t.Context(), cl, "primary"); err != nil {
		t.Fatal(err)
	}
	return s
}

// livePipelineFile is numbersPipeline with a table in the catalog, and other changes: pairs of old and new.
func livePipelineFile(changes ...string) string {
	changes = append(changes, "sink:\n", "sink:\n  table: lake.numbers\n")
	return strings.NewReplacer(changes...).Replace(numbersPipeline)
}

func create(t testing.TB, h *house, file string) {
	t.Helper()
	if _, err := h.pipelines.Create(t.Context(), file, false); err != nil {
		t.Fatal(err)
	}
}

func pause(t testing.TB, h *house) {
	t.Helper()
	if _, err := h.pipelines.Pause(t.Context(), "numbers"); err != nil {
		t.Fatal(err)
	}
}

// awaitRecords waits until the pipeline has done batches of n records in all, since the server started.
func awaitRecords(t testing.TB, h *house, n int64) {
	t.Helper()
	awaitPipeline(t, h, "numbers", func(now pipelines.Status) bool { return now.Totals.Records >= n })
}

func putNumber(t testing.TB, cl *clients, data string) {
	t.Helper()
	in := &kinesis.PutRecordInput{StreamName: aws.String("numbers"), Data: []byte(data), PartitionKey: aws.String("k")}
	if _, err := cl.Kinesis.PutRecord(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// A table FOR LIVE has what is committed and what the pipeline has yet to write, and says so.
func TestLive(t *testing.T) {
	t.Parallel()
	h, cl, s := liveHouse(t)
	putNumbers(t, cl, 0, 250)
	create(t, h, livePipelineFile("dead_letters:", "query: SELECT n, n % 3 AS part FROM source WHERE n % 10 <> 9\ndead_letters:", "sink:\n", "sink:\n  table: lake.numbers\n  partition_by: [part]\n"))
	awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.Totals.Records >= 250 })
	pause(t, h)
	for _, c := range []struct{ sql, want string }{
		{"SELECT count(*), sum(n) FROM numbers FOR LIVE", "225,27900\n"},
		{`SELECT count(*), sum(records), sum(rows) FROM "numbers$live"`, "2,0,0\n"},
	} {
		if got := s.ask(t, c.sql); got != c.want {
			t.Errorf("nothing is waiting: %s gives %s, want %s", c.sql, got, c.want)
		}
	}
	putNumbers(t, cl, 250, 300)
	putNumber(t, cl, "no JSON")
	for _, c := range []struct{ sql, want string }{
		{"SELECT count(*), sum(n) FROM numbers", "225,27900\n"},
		{"SELECT count(*), sum(n), count(DISTINCT n) FROM lake.numbers FOR LIVE", "270,40230,270\n"},
		{"SELECT part, count(*) FROM numbers FOR LIVE AS x WHERE x.n >= 240 GROUP BY 1 ORDER BY 1", "0,18\n1,18\n2,18\n"},
		{"SELECT count(*) FROM numbers FOR LIVE WHERE part = 1 AND n > 260", "12\n"},
		{`SELECT "$path", count(*) FROM numbers FOR LIVE WHERE n >= 250 GROUP BY 1`, "live://numbers,45\n"},
		{"SELECT count(*) FROM numbers FOR LIVE a JOIN numbers b ON a.n = b.n", "225\n"},
		{`SELECT count(*), max(records), max(dead_letters), max(rows), count(DISTINCT shard), count(after_sequence_number), max(pipeline), max(stream)
			FROM "numbers$live" WHERE to_sequence_number > after_sequence_number`, "2,51,1,45,2,2,numbers,numbers\n"},
		{`SELECT max(rows), (SELECT count(*) FROM numbers FOR LIVE) - (SELECT count(*) FROM numbers) FROM "numbers$live"`, "45,45\n"},
		{"SELECT count(*) FROM (WITH x AS (SELECT * FROM numbers FOR LIVE) SELECT * FROM x)", "270\n"},
		{"CREATE TABLE lake.copy WITH (format = 'PARQUET', external_location = 's3://lake/copy/') AS SELECT n FROM numbers FOR LIVE WHERE n >= 200", ""},
		{"INSERT INTO lake.copy SELECT n FROM numbers FOR LIVE WHERE n >= 290", ""},
		{"SELECT count(*), count(DISTINCT n) FROM lake.copy", "99,90\n"},
		{"CREATE VIEW lake.now AS SELECT n FROM lake.numbers FOR LIVE", ""},
		{"SELECT count(*) FROM lake.now", "270\n"},
	} {
		if got := s.ask(t, c.sql); got != c.want {
			t.Errorf("%s gives %s, want %s", c.sql, got, c.want)
		}
	}
	a, err := s.run(t.Context(), "SELECT count(*) FROM numbers FOR LIVE")
	if err != nil || !strings.Contains(a.Note, "lake.numbers FOR LIVE AS OF 'shardId-000000000000:4") || !strings.Contains(a.Note, "45 rows of 51 records") {
		t.Errorf("note %q, %v", a.Note, err)
	}
	if _, err := h.pipelines.Resume(t.Context(), "numbers"); err != nil {
		t.Fatal(err)
	}
	awaitRecords(t, h, 301)
	if got := s.ask(t, "SELECT count(*), sum(n) FROM numbers FOR LIVE"); got != "270,40230\n" {
		t.Errorf("after the pipeline has gone on: %s", got)
	}
}

// Tails of several pipelines that append to a table are added up. They need not have run before, nor run now, nor does a server.
func TestLiveOfSeveralPipelines(t *testing.T) {
	t.Parallel()
	h, cl, shut := signedHouse(t, t.TempDir(), true)
	provision(t, cl)
	s := lakeSession(t, cl)
	putNumbers(t, cl, 0, 10)
	create(t, h, livePipelineFile())
	awaitRecords(t, h, 10)
	more := &kinesis.CreateStreamInput{StreamName: aws.String("more"), ShardCount: aws.Int32(1)}
	if _, err := cl.Kinesis.CreateStream(t.Context(), more); err != nil {
		t.Fatal(err)
	}
	if _, err := h.pipelines.Create(t.Context(), livePipelineFile("name: numbers", "name: more", "stream: numbers", "stream: more", "schema:", "evolve: true\n  schema:"), true); err != nil {
		t.Fatal(err)
	}
	in := &kinesis.PutRecordInput{StreamName: aws.String("more"), Data: []byte(`{"n": 100, "new": "column"}`), PartitionKey: aws.String("k")}
	if _, err := cl.Kinesis.PutRecord(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	const query, want = `SELECT count(*), sum(n), (SELECT count(DISTINCT pipeline) FROM "numbers$live") FROM numbers FOR LIVE`, "12,165,2\n"
	pause(t, h)
	putNumbers(t, cl, 20, 21)
	if got := s.ask(t, query); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	shut()
	_, cl, _ = signedHouse(t, h.cfg.Dir, false)
	s.api = cl.Athena
	if got := s.ask(t, query); got != want {
		t.Errorf("without a server: %s, want %s", got, want)
	}
}

// While records come, the pipeline commits, is killed, and shards are split, each answer FOR LIVE has all that was acknowledged before, none
// twice, and never goes back, in every output mode. What it had at a cut it has there again.
func TestLiveWhileThePipelineRuns(t *testing.T) {
	const numbers = "SELECT count(*), count(DISTINCT n), max(n) FROM numbers FOR LIVE"
	for _, c := range []struct {
		name, query, ask string
		last             int
	}{
		{"append", "SELECT n FROM source", numbers, 2000},
		{"update", "SELECT n % 7 AS k, count(*) AS c, count(DISTINCT n) AS d, max(n) AS m FROM source GROUP BY 1\noutput_mode: update",
			"SELECT sum(c), sum(d), max(m) FROM numbers FOR LIVE", 600},
		{"complete", "SELECT count(*) AS c, count(DISTINCT n) AS d, max(n) AS m FROM source\noutput_mode: complete",
			"SELECT max(c), max(d), max(m) FROM numbers FOR LIVE", 600},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, cl, s := liveHouse(t)
			putNumbers(t, cl, 0, 10)
			create(t, h, livePipelineFile("max_records_per_trigger: 100", "max_records_per_trigger: 30", "dead_letters:", "query: "+c.query+"\ndead_letters:"))
			awaitRecords(t, h, 10)
			testWhileItRuns(t, h, cl, s, c.ask, c.last)
		})
	}
}

// testWhileItRuns puts numbers up to last, and asks meanwhile how many there are, how many distinct ones, and which is the greatest.
func testWhileItRuns(t *testing.T, h *house, cl *clients, s *session, ask string, last int) {
	var began, acknowledged atomic.Int64
	acknowledged.Store(10)
	var writing sync.WaitGroup
	writing.Go(func() {
		for from := 10; from < last && !t.Failed(); from++ {
			began.Store(int64(from + 1))
			putNumbers(t, cl, from, from+1)
			acknowledged.Store(int64(from + 1))
			if from == last/2 {
				split := &kinesis.UpdateShardCountInput{StreamName: aws.String("numbers"), TargetShardCount: aws.Int32(4), ScalingType: "UNIFORM_SCALING"}
				if _, err := cl.Kinesis.UpdateShardCount(t.Context(), split); err != nil {
					t.Error(err)
				}
			}
		}
	})
	defer writing.Wait()
	before := int64(0)
	for round := 0; ; round++ {
		low := acknowledged.Load()
		a, err := s.run(t.Context(), ask)
		high := began.Load()
		if err != nil {
			t.Fatal(err)
		}
		rows, distinct, top := int64(0), int64(0), int64(0)
		if _, err := fmt.Sscanf(a.lines(), "%d,%d,%d\n", &rows, &distinct, &top); err != nil {
			t.Fatal(a.lines(), err)
		}
		if rows != distinct || rows < low || rows < before || rows > high || top+1 < rows {
			t.Fatalf("round %d: %d rows, %d of them distinct, the greatest %d; %d were acknowledged, %d seen before, %d put", round, rows, distinct, top, low, before, high)
		}
		if before = rows; rows == int64(last) {
			break
		}
		switch round % 5 {
		case 3:
			for _, pid := range workersOf(t, h) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		case 1:
			cut := strings.Split(a.Note, "'")[1]
			again, err := s.run(t.Context(), ask+" AS OF '"+cut+"'")
			if err != nil && (strings.Contains(err.Error(), "no older version before it") || strings.Contains(err.Error(), "not kept any more")) {
				continue // this machine is so slow that the pipeline has done many batches since
			}
			if err != nil {
				t.Fatal(err)
			}
			if again.lines() != a.lines() {
				t.Fatalf("round %d: %s at %s, and then %s", round, a.lines(), cut, again.lines())
			}
		}
	}
	writing.Wait()
	pause(t, h)
	if got, want := s.ask(t, ask), fmt.Sprintf("%d,%d,%d\n", last, last, last-1); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A batch that is committed and not marked done, since the pipeline is killed between the two each time, counts once.
func TestLiveAfterACommitWithoutMark(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"rows":         {"name:", "name:", "160,140,9920\n"},
		"aggregate":    {"dead_letters:", "query: SELECT n % 10 AS n, count(*) AS times FROM source GROUP BY 1\noutput_mode: update\ndead_letters:", "10,10,45\n"},
		"deduplicated": {"schema:", "deduplicate: {columns: [n]}\n  schema:", "140,140,9730\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(faultEnv, "sink 0:1")
			h, cl, s := liveHouse(t)
			putNumbers(t, cl, 0, 60)
			create(t, h, livePipelineFile(c.old, c.new))
			awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.Restarts > 0 })
			pause(t, h)
			putNumbers(t, cl, 60, 140)
			putNumbers(t, cl, 0, 20)
			if got := s.ask(t, "SELECT count(*), count(DISTINCT n), sum(n) FROM numbers FOR LIVE"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if name == "aggregate" {
				if got := s.ask(t, "SELECT sum(times), min(times), max(times) FROM numbers FOR LIVE"); got != "160,16,16\n" {
					t.Errorf("counts %s", got)
				}
			}
		})
	}
}

// Queries with state go on from the state that the table's version has, in every output mode.
func TestLiveWithState(t *testing.T) {
	const events = `{"n": %d, "ts": "2026-01-01T00:%02d:00Z"}`
	for _, c := range []struct{ name, query, ask, committed, live string }{
		{"update of windows", "SELECT window(ts, '10 minutes') AS w, count(*) AS c FROM source GROUP BY 1\noutput_mode: update",
			"SELECT CAST(w.start AS varchar), c FROM numbers %s ORDER BY 1", "2026-01-01 00:00:00.000,4\n", "2026-01-01 00:00:00.000,7\n2026-01-01 00:10:00.000,3\n"},
		{"complete", "SELECT max(n) AS n, count(*) AS c FROM source\noutput_mode: complete", "SELECT n, c FROM numbers %s", "3,4\n", "9,10\n"},
		{"append", "SELECT window(ts, '2 minutes') AS w, count(*) AS c FROM source GROUP BY 1\nwatermark: {column: ts, delay: 1 minute}",
			"SELECT CAST(w.start AS varchar), c FROM numbers %s ORDER BY 1",
			"2026-01-01 00:00:00.000,2\n", "2026-01-01 00:00:00.000,2\n2026-01-01 00:02:00.000,2\n2026-01-01 00:04:00.000,2\n2026-01-01 00:06:00.000,1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, cl, s := liveHouse(t)
			for i := range 4 {
				putNumber(t, cl, fmt.Sprintf(events, i, i))
			}
			create(t, h, livePipelineFile("{n: bigint}", "{n: bigint, ts: timestamp}", "dead_letters:", "query: "+c.query+"\ndead_letters:", "10 ms", "available-now"))
			if s := awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.State == pipelines.Done || s.State == pipelines.Failed }); s.State != pipelines.Done {
				t.Fatal(s.Error)
			}
			for i := 4; i < 10; i++ {
				minute := i
				if i > 6 {
					minute = i + 3
				}
				putNumber(t, cl, fmt.Sprintf(events, i, minute))
			}
			for range 2 { // the first changes nothing
				if got := s.ask(t, fmt.Sprintf(c.ask, "FOR LIVE")); got != c.live {
					t.Errorf("FOR LIVE %s, want %s", got, c.live)
				}
				if got := s.ask(t, fmt.Sprintf(c.ask, "")); got != c.committed {
					t.Errorf("committed %s, want %s", got, c.committed)
				}
			}
			if _, err := h.pipelines.Resume(t.Context(), "numbers"); err != nil {
				t.Fatal(err)
			}
			awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.State == pipelines.Done && s.Totals.Records == 10 })
			if got := s.ask(t, fmt.Sprintf(c.ask, "")); got != c.live {
				t.Errorf("when the pipeline has run: %s, FOR LIVE said %s", got, c.live)
			}
		})
	}
}

// What cannot be read FOR LIVE is refused by name.
func TestLiveRefused(t *testing.T) {
	t.Parallel()
	h, cl, s := liveHouse(t)
	putNumbers(t, cl, 0, 10)
	create(t, h, livePipelineFile("schema:", "mode: fail\n  schema:"))
	awaitRecords(t, h, 10)
	pause(t, h)
	s.ask(t, "CREATE VIEW lake.v AS SELECT * FROM lake.numbers")
	s.ask(t, "CREATE TABLE lake.plain WITH (format = 'PARQUET', external_location = 's3://lake/plain/') AS SELECT 1 AS n")
	refused := func(sql, want string) {
		t.Helper()
		if _, err := s.run(t.Context(), sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", sql, err, want)
		}
	}
	refused("SELECT * FROM lake.v FOR LIVE", "a view has it in its query")
	refused("SELECT * FROM lake.plain FOR LIVE", "FOR LIVE is for Delta tables")
	refused(`SELECT * FROM "numbers$history" FOR LIVE`, "FOR LIVE is for tables")
	refused("WITH x AS (SELECT 1 AS n) SELECT * FROM x FOR LIVE", "FOR LIVE is for tables")
	refused("SELECT * FROM lake.nothing FOR LIVE", "TABLE_NOT_FOUND")
	putNumber(t, cl, "no JSON")
	refused("SELECT * FROM numbers FOR LIVE", "does not fit the schema")
	if _, err := h.pipelines.Create(t.Context(), livePipelineFile("stream: numbers", "stream: kafka://127.0.0.1:1/t", "name: numbers", "name: a-topic"), true); err != nil {
		t.Fatal(err)
	}
	refused("SELECT * FROM numbers FOR LIVE", "pipeline a-topic: source source: ask for offsets of topic t: unable to dial")
	if err := h.pipelines.Remove(t.Context(), "a-topic"); err != nil {
		t.Fatal(err)
	}
	if err := h.pipelines.Remove(t.Context(), "numbers"); err != nil {
		t.Fatal(err)
	}
	refused("SELECT * FROM numbers FOR LIVE", "no pipeline of this server writes lake.numbers")
}

// A process that died while it was idle is replaced; none stays for a statement that was stopped.
func TestLiveWorkers(t *testing.T) {
	w := &liveWorkers{socket: func() string { return filepath.Join(t.TempDir(), "none") }, scratch: t.TempDir()}
	defer w.Close()
	for range 2 {
		a, err := w.run(t.Context(), &liveTask{Name: "p", File: "name: p"})
		if err != nil || !strings.Contains(a.Error, "source: is missing") || len(w.idle) != 1 {
			t.Fatalf("%+v, %v; %d idle", a, err, len(w.idle))
		}
		w.idle[0].Stop()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.run(ctx, &liveTask{Name: "p", File: "name: p"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a statement that was stopped: %v", err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // a broker that never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel = context.WithCancel(t.Context())
	go func() {
		if conn, err := silent.Accept(); err == nil {
			defer conn.Close()
			io.Copy(io.Discard, conn) // until its process has gone
		}
	}()
	time.AfterFunc(10*time.Millisecond, cancel)
	file := strings.Replace(numbersPipeline, "stream: numbers", "stream: kafka://"+silent.Addr().String()+"/numbers", 1)
	if _, err := w.run(ctx, &liveTask{Name: "p", File: file, From: batch.Progress{Mark: batch.Mark{Batch: -1}}, Held: -1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a statement that was stopped at work: %v", err)
	}
	if left, err := os.ReadDir(w.scratch); err != nil || len(left) > len(w.idle) {
		t.Errorf("%d folders are left, %v", len(left), err)
	}
}

// BenchmarkLive measures the time from the answer to PutRecords until an answer FOR LIVE has the record, while others come at a modest rate and
// the pipeline commits every second.
func BenchmarkLive(b *testing.B) {
	h, cl, s := liveHouse(b)
	putNumbers(b, cl, 1, 100)
	create(b, h, livePipelineFile("10 ms", "1 second", "max_records_per_trigger: 100", "max_records_per_trigger: 100000"))
	awaitRecords(b, h, 99)
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() { // 1,000 records a second
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				putNumbers(b, cl, 1, 101)
			case <-stop:
				return
			}
		}
	})
	s.ask(b, "SELECT count(*) FROM numbers FOR LIVE") // starts the process
	var took []time.Duration
	for i := range b.N {
		putNumber(b, cl, fmt.Sprintf(`{"n": %d}`, -1-i))
		began := time.Now()
		if got := s.ask(b, fmt.Sprintf("SELECT count(*) FROM numbers FOR LIVE WHERE n = %d", -1-i)); got != "1\n" {
			b.Fatalf("record %d: %s", i, got)
		}
		took = append(took, time.Since(began))
	}
	close(stop)
	writing.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
