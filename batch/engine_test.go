package batch_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-data/weir/batch"
)

// one is the sources of a pipeline that has one.
func one(s batch.Source) map[string]batch.Source { return map[string]batch.Source{"source": s} }

// world is what a pipeline of numbers runs in.
type world struct {
	source   *memSource
	sink     *memSink
	letters  memLetters
	progress batch.ProgressStore
}

func newWorld(records [][]byte) *world {
	w := &world{newMemSource(2, records), newMemSink(), memLetters{}, newMemProgress()}
	w.source.chunk = 17
	return w
}

func (w *world) options(t testing.TB, file string) batch.Options {
	return batch.Options{
		Pipeline: parse(t, file), Sources: one(w.source), Runner: copyRunner{}, Sinks: []batch.Sink{w.sink}, Letters: w.letters, Progress: w.progress,
	}
}

// check sees to it that records 0..n are each in the table, or in the dead letters, or with a bad field in both, once.
func (w *world) check(t testing.TB, n int) {
	t.Helper()
	var rows []int64
	dead := map[string]batch.Letter{}
	for _, l := range w.letters.all(t) {
		data, err := base64.StdEncoding.DecodeString(l.RawData)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := dead[string(data)]; twice {
			t.Errorf("%s has two letters", data)
		}
		dead[string(data)] = l
	}
	for i, record := range numbers(0, n) {
		l, isDead := dead[string(record)]
		switch {
		case i%7 == 3 || i%11 == 5:
			if !isDead || l.Kept || l.Reason == "" || (i%7 == 3) != (l.Field == "") {
				t.Errorf("%s: letter %+v", record, l)
			}
			continue
		case i%13 == 9:
			if !isDead || !l.Kept || l.Field != "x" {
				t.Errorf("%s: letter %+v", record, l)
			}
		case isDead:
			t.Errorf("%s: letter %+v", record, l)
		}
		rows = append(rows, int64(i))
	}
	got := slices.Sorted(slices.Values(w.sink.rows))
	if !slices.Equal(got, rows) {
		t.Errorf("table has %d rows, want %d:\n%v\n%v", len(got), len(rows), got, rows)
	}
}

// TestExactlyOnceThroughCrashes lets the pipeline die at each of its steps in turn, then at a random one, then run.
func TestExactlyOnceThroughCrashes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for point := 1; ; point++ {
		w := newWorld(numbers(0, 150))
		n := 150
		for i, left := range []int{point, 1 + r.IntN(40), 0} {
			e, err := batch.New(faulty(w.options(t, numbersFile), &faults{left: left}))
			if err != nil {
				t.Fatal(err)
			}
			err = e.Run(t.Context())
			if err != nil && (!errors.Is(err, errCrash) || left == 0) {
				t.Fatalf("point %d, run %d: %v", point, i, err)
			}
			if err == nil && i == 0 {
				t.Logf("%d points", point)
				return
			}
			if i == 0 { // what comes while it is down must not move the batch that is planned
				w.source.put(numbers(150, 180))
				n = 180
			}
		}
		w.check(t, n)
		if t.Failed() {
			t.Fatalf("after a crash at point %d", point)
		}
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode          string
		rows, letters int
		err           string
	}{
		{"permissive", 4, 3, ""},
		{"drop", 3, 3, ""},
		{"fail", 0, 0, "batch 0: source source: record does not fit the schema: shard shardId-00000000000"},
	} {
		w := newWorld([][]byte{[]byte(`{"n":1}`), []byte(`{"n":2, "x":1}`), []byte(`{"n":3, "x":"?"}`), []byte(`{"n":4}`), []byte(`[`), []byte(`{}`)})
		e, err := batch.New(w.options(t, strings.Replace(numbersFile, "permissive", c.mode, 1)))
		if err != nil {
			t.Fatal(err)
		}
		err = e.Run(t.Context())
		if c.err == "" && err != nil || c.err != "" && (!errors.Is(err, batch.ErrBadRecord) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: error %v", c.mode, err)
		}
		if len(w.sink.rows) != c.rows || len(w.letters.all(t)) != c.letters {
			t.Errorf("%s: %d rows, %d letters", c.mode, len(w.sink.rows), len(w.letters.all(t)))
		}
	}
}

func TestProgressThatWouldLoseOrRepeatIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*world, *string)
		want   string // part of the error; empty: it runs
	}{
		{"progress deleted", func(w *world, _ *string) { w.progress = newMemProgress() },
			"memory holds batches up to 3 of pipeline numbers, the progress ends at -1"},
		{"another stream", func(_ *world, file *string) { *file = strings.Replace(*file, "stream: numbers", "stream: others", 1) },
			"it belongs to stream numbers, not others"},
		{"table dropped", func(w *world, _ *string) { w.sink = newMemSink() }, ""},
		{"nothing", func(*world, *string) {}, ""},
	} {
		w, file := newWorld(numbers(0, 150)), numbersFile
		run(t, w.options(t, file))
		c.change(w, &file)
		e, err := batch.New(w.options(t, file))
		if err != nil {
			t.Fatal(err)
		}
		switch err = e.Run(t.Context()); {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (!errors.Is(err, batch.ErrProgress) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v", c.name, err)
		}
	}
}

// failing is a source whose Read fails with err for the first times.
type failing struct {
	*memSource
	times int
	err   error
}

func (s *failing) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	if s.times--; s.times >= 0 {
		if err := s.memSource.Read(ctx, start, end, f); err != nil { // fail after all was read: it must not count
			return err
		}
		return s.err
	}
	return s.memSource.Read(ctx, start, end, f)
}

func TestRetries(t *testing.T) {
	for _, c := range []struct {
		times int
		err   error
		ok    bool
	}{
		{4, fmt.Errorf("get: %w", syscall.ECONNREFUSED), true},
		{4, batch.Temporary(errors.New("throttled")), true},
		{1, errors.New("access denied"), false},
		{1000, syscall.ECONNREFUSED, false},                    // for longer than RetryFor
		{1000, batch.Throttled(errors.New("slow down")), true}, // as long as it takes
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(numbers(0, 60))
			opts := w.options(t, numbersFile)
			opts.Sources = one(&failing{w.source, c.times, c.err})
			e, err := batch.New(opts)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			err = e.Run(t.Context())
			if c.ok && err != nil || !c.ok && !errors.Is(err, c.err) {
				t.Errorf("%v %d times: error %v", c.err, c.times, err)
			}
			if c.ok {
				w.check(t, 60)
			}
			if took := time.Since(began); took > 6*time.Minute && !errors.Is(c.err, batch.ErrThrottled) {
				t.Errorf("%v %d times: took %v", c.err, c.times, took)
			}
		})
	}
}

// answered is how a service answered over HTTP, as errors of SDKs tell it.
type answered int

func (a answered) Error() string       { return fmt.Sprintf("StatusCode: %d", int(a)) }
func (a answered) HTTPStatusCode() int { return int(a) }

func (answered) ErrorCode() string    { return "ServiceUnavailable" }
func (answered) ErrorMessage() string { return "The disk is full." }

// What a service says is told, and not what an SDK says around it.
func TestWaitingForAService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := newWorld(numbers(0, 60)).options(t, numbersFile)
		opts.Sources = one(&failing{opts.Sources["source"].(*memSource), 1, fmt.Errorf("attempt 3, request 77: %w", answered(503))})
		var told []string
		opts.OnWait = func(w *batch.Waiting) {
			if w != nil {
				told = append(told, w.Error)
			}
		}
		run(t, opts)
		if len(told) != 1 || told[0] != "ServiceUnavailable: The disk is full." {
			t.Errorf("told %q", told)
		}
	})
}

func TestAnswersThatMayPass(t *testing.T) {
	for code, want := range map[int]bool{400: false, 403: false, 404: false, 412: false, 429: true, 500: true, 501: false, 503: true} {
		if got := batch.IsTemporary(fmt.Errorf("write object: %w", answered(code))); got != want {
			t.Errorf("%d: temporary is %v", code, got)
		}
	}
}

// Who waits says so at every try, and the log has it once.
func TestWaitingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(numbers(0, 60))
		opts := w.options(t, numbersFile)
		opts.Sources = one(&failing{w.source, 4, fmt.Errorf("put part-%d: %w", time.Now().UnixNano(), syscall.ENOSPC)})
		var log bytes.Buffer
		opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		var told []string
		began := time.Now()
		opts.OnWait = func(w *batch.Waiting) {
			if w == nil {
				told = append(told, "over")
				return
			}
			if w.Error == "" || !strings.HasSuffix(w.Error, "no space left on device") || !w.Since.Equal(began) {
				t.Errorf("%+v", w)
			}
			told = append(told, fmt.Sprintf("%s %v", w.Doing, time.Until(w.Next)))
		}
		e, err := batch.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(told, ", "); got != "read records 100ms, read records 200ms, read records 400ms, read records 800ms, over" {
			t.Errorf("told %s", got)
		}
		if n := strings.Count(log.String(), "no space left"); n != 1 {
			t.Errorf("the log has %d lines:\n%s", n, &log)
		}
	})
}

func TestWaitingText(t *testing.T) {
	now := time.Date(2026, 1, 31, 8, 0, 10, 0, time.UTC)
	w := batch.Waiting{Doing: "write", Error: "put /tmp/a1f3: no space left on device", Since: now.Add(-9 * time.Second), Next: now.Add(4 * time.Second)}
	if got := w.Text(now); got != "write: put /tmp/a1f3: no space left on device (since 08:00:01, next try in 4s)" {
		t.Errorf("%q", got)
	}
	again := w
	again.Error = "put /tmp/b0992: no space left on device"
	other := w
	other.Error = "put /tmp/a1f3: disk quota exceeded"
	if w.Reason() != again.Reason() || w.Reason() == other.Reason() {
		t.Errorf("reasons %q, %q, %q", w.Reason(), again.Reason(), other.Reason())
	}
}

// metered is a source that knows its end, and has a figure of its own.
type metered struct{ latest }

func (metered) Metrics() map[string]string { return map[string]string{"own": "1"} }

// Partitions of a topic that are behind are told as by Spark.
func TestOffsetsBehind(t *testing.T) {
	w := newWorld(numbers(0, 60))
	opts := w.options(t, strings.Replace(numbersFile, "stream: numbers", "stream: kafka://h:9092/numbers", 1))
	opts.Sources = one(metered{latest{w.source}})
	var got []map[string]string
	opts.OnProgress = func(r batch.Report) { got = append(got, r.Sources[0].Metrics) }
	e, err := batch.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Fatalf("%d batches", len(got))
	}
	var sum, least, most, average float64
	for i, want := range []float64{20, 0} {
		for name, to := range map[string]*float64{"recordsBehindLatest": &sum, "minOffsetsBehindLatest": &least, "maxOffsetsBehindLatest": &most, "avgOffsetsBehindLatest": &average} {
			if _, err := fmt.Sscan(got[i][name], to); err != nil {
				t.Errorf("%s of %v: %v", name, got[i], err)
			}
		}
		shards := float64(len(w.source.shards))
		if sum != want || math.Abs(average-want/shards) > 1e-9 || least > average || most < average || got[i]["own"] != "1" {
			t.Errorf("batch %d: %v", i, got[i])
		}
	}
}

func TestStopEndsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(numbers(0, 60))
		opts := w.options(t, numbersFile)
		opts.Sources = one(&failing{w.source, 1000, syscall.ECONNREFUSED})
		e, err := batch.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		began := time.Now()
		go func() { done <- e.Run(t.Context()) }()
		time.Sleep(20 * time.Second)
		e.Stop()
		if err := <-done; !errors.Is(err, syscall.ECONNREFUSED) || time.Since(began) > 21*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestTriggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(numbers(0, 10))
		opts := w.options(t, strings.Replace(numbersFile, "available-now", "5 seconds", 1))
		began := time.Now()
		var log []string
		opts.OnProgress = func(r batch.Report) {
			log = append(log, fmt.Sprintf("%v: batch %d, %d records", time.Since(began), r.BatchID, r.NumInputRows))
		}
		e, err := batch.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- e.Run(t.Context()) }()
		time.Sleep(6 * time.Second) // batch 0 at once; nothing at 5 s
		w.source.put(numbers(10, 20))
		time.Sleep(5 * time.Second)    // batch 1 at 10 s
		w.source.put(numbers(20, 120)) // three batches, the first two of them full: no wait between them
		time.Sleep(5 * time.Second)
		e.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := []string{"0s: batch 0, 10 records", "10s: batch 1, 10 records", "15s: batch 2, 40 records", "15s: batch 3, 40 records",
			"15s: batch 4, 20 records"}
		if !slices.Equal(log, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
		}
		w.check(t, 120)
	})
}

func TestAsFastAsDataComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(nil)
		e, err := batch.New(w.options(t, strings.Replace(numbersFile, "trigger: available-now\n", "", 1)))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- e.Run(t.Context()) }()
		for i := range 3 {
			time.Sleep(time.Second)
			w.source.put(numbers(10*i, 10*i+10))
			synctest.Wait()
			w.check(t, 10*i+10)
		}
		e.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestStartLatest(t *testing.T) {
	w := newWorld(numbers(0, 30))
	file := strings.Replace(numbersFile, "stream: numbers", "stream: numbers\n  start: latest", 1)
	opts := w.options(t, file)
	opts.Sources = one(latest{w.source})
	run(t, opts) // nothing, but the position is kept
	w.source.put(numbers(30, 40))
	run(t, opts)
	for _, n := range w.sink.rows {
		if n < 30 {
			t.Errorf("row %d came before the start", n)
		}
	}
	if len(w.sink.rows) == 0 {
		t.Error("no rows")
	}
}

type latest struct{ *memSource }

func (s latest) Latest(ctx context.Context) (batch.Offset, error) {
	return s.Plan(ctx, batch.Offset{}, batch.Limit{Records: 1 << 30, Bytes: 1 << 40})
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(nil)
	for want, change := range map[string]func(*batch.Options){
		"engine needs":             func(o *batch.Options) { o.Runner = nil },
		"nothing reads source":     func(o *batch.Options) { o.Sources = nil },
		"has no sink":              func(o *batch.Options) { o.Sinks = nil },
		"no place for dead letter": func(o *batch.Options) { o.Letters = nil },
	} {
		opts := w.options(t, numbersFile)
		change(&opts)
		if _, err := batch.New(opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
