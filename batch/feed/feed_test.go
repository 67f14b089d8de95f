package feed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
)

// shelf is a source of records that lie ready; after fail records, reading fails.
type shelf struct {
	records []batch.Record
	fail    int
	err     error
}

func (s *shelf) Plan(_ context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	at, _ := strconv.Atoi(start["s"])
	return batch.Offset{"s": strconv.Itoa(min(at+limit.Records, len(s.records)))}, nil
}

func (s *shelf) Read(_ context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	from, _ := strconv.Atoi(start["s"])
	to, _ := strconv.Atoi(end["s"])
	for ; from < to; from += 100 {
		if s.err != nil && from >= s.fail {
			return s.err
		}
		if err := f(s.records[from:min(from+100, to)]); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Wait(ctx context.Context, _ batch.Offset) error { return s.err }

func (s *shelf) Latest(context.Context) (batch.Offset, error) {
	return batch.Offset{"s": strconv.Itoa(len(s.records))}, nil
}

func (s *shelf) Position(_ context.Context, at batch.Start) (batch.Offset, error) {
	return batch.Offset{"s": at.Time.Format(time.RFC3339Nano)}, nil
}

// Metrics are the number of records.
func (s *shelf) Metrics() map[string]string {
	return map[string]string{"records": strconv.Itoa(len(s.records))}
}

func TestMissingArrives(t *testing.T) {
	s := serve(t, &shelf{err: &batch.MissingError{Kind: "stream", Name: "rides", Err: errors.New("not found")}})
	var missing *batch.MissingError
	if err := s.Wait(t.Context(), nil); !errors.As(err, &missing) || missing.Name != "rides" || missing.Kind != "stream" {
		t.Errorf("%v", err)
	}
}

func TestMetricsArrive(t *testing.T) {
	shelf := &shelf{records: make([]batch.Record, 3)}
	s := serve(t, shelf)
	if m := s.Metrics(); len(m) != 0 {
		t.Errorf("before any call: %v", m)
	}
	if _, err := s.Plan(t.Context(), nil, batch.Limit{Records: 1}); err != nil || s.Metrics()["records"] != "3" {
		t.Errorf("after a plan: %v, %v", s.Metrics(), err)
	}
	shelf.records = make([]batch.Record, 4)
	_, err := s.Take(t.Context(), nil, batch.Limit{Records: 1}, func([]batch.Record) error { return nil })
	if err != nil || s.Metrics()["records"] != "4" {
		t.Errorf("after a batch: %v, %v", s.Metrics(), err)
	}
}

func randomRecords(rng *rand.Rand, n int) []batch.Record {
	recs := make([]batch.Record, n)
	for i := range recs {
		data := make([]byte, rng.IntN(2000))
		for k := range data {
			data[k] = byte(rng.Uint32())
		}
		recs[i] = batch.Record{
			Shard: fmt.Sprint("shard-", i/30), SeqNum: fmt.Sprint(1000000 + i), Key: []byte(fmt.Sprint("key", i)), Data: data,
			Arrival: time.Unix(0, rng.Int64()), Aggregated: i%3 == 0, SubSeqNum: i % 7,
		}
		if i%50 == 7 {
			recs[i].Refused = "no"
		}
		if i%60 >= 30 {
			recs[i].SeqNum, recs[i].Number = "", &batch.Number{1, 23: byte(i)}
		}
	}
	return recs
}

// arrivals checks records that come, those of a shard in order.
type arrivals struct {
	t    *testing.T
	want map[string]batch.Record // by key
	mu   sync.Mutex              // guards the fields below
	n    int
	last map[string]int // number of the newest, by shard
}

func newArrivals(t *testing.T, want []batch.Record) *arrivals {
	a := &arrivals{t: t, want: map[string]batch.Record{}, last: map[string]int{}}
	for _, r := range want {
		a.want[string(r.Key)] = r
	}
	return a
}

func (a *arrivals) add(recs []batch.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range recs {
		w, ok := a.want[string(r.Key)]
		n, _ := strconv.Atoi(string(r.Key[len("key"):]))
		if !ok || n <= a.last[r.Shard] {
			a.t.Errorf("record %s after %d", r.Key, a.last[r.Shard])
		}
		if a.last[r.Shard] = n; !r.Arrival.Equal(w.Arrival) {
			a.t.Errorf("record %d arrived %v, not %v", n, r.Arrival, w.Arrival)
		}
		r.Arrival, w.Arrival = time.Time{}, time.Time{}
		if string(r.Data) != string(w.Data) {
			a.t.Errorf("record %d has other data", n)
		}
		r.Data, w.Data, r.Key, w.Key = nil, nil, nil, nil
		if !reflect.DeepEqual(r, w) {
			a.t.Errorf("record %d is %+v, not %+v", n, r, w)
		}
		a.n++
	}
	return nil
}

func serve(t *testing.T, s batch.Source) *Source {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "feed.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string) (batch.Source, error) {
		if name != "rides" {
			return nil, fmt.Errorf("stream %q is not there", name)
		}
		return s, nil
	}
	server := &http.Server{Handler: http.StripPrefix("/feed", Handler(open))}
	go server.Serve(ln)
	t.Cleanup(func() { server.Close() })
	return Dial(socket, "/feed", "rides", nil)
}

func TestRecordsArriveAsTheyAre(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	want := randomRecords(rand.New(rand.NewPCG(seed, 1)), 5000)
	s := serve(t, &shelf{records: want})
	start := batch.Offset{"s": "10"}
	end, err := s.Plan(t.Context(), start, batch.Limit{Records: 4900})
	if err != nil || end["s"] != "4910" {
		t.Fatalf("plan %v, %v", end, err)
	}
	got := newArrivals(t, want)
	if err := s.Read(t.Context(), start, end, got.add); err != nil || got.n != 4900 {
		t.Fatalf("read %d, %v", got.n, err)
	}
	for _, limit := range []int{4900, 1, 0} { // again with the same lanes and buffers, and with nothing
		got = newArrivals(t, want)
		end, err = s.Take(t.Context(), start, batch.Limit{Records: limit}, got.add)
		if err != nil || end["s"] != strconv.Itoa(10+limit) || got.n != limit {
			t.Fatalf("take %v, %d records, %v", end, got.n, err)
		}
	}
	at := time.Date(2026, 1, 31, 8, 0, 0, 123000000, time.UTC)
	if got, err := s.Position(t.Context(), batch.Start{Kind: batch.AtTime, Time: at}); err != nil || got["s"] != at.Format(time.RFC3339Nano) {
		t.Errorf("position %v, %v", got, err)
	}
	if got, err := s.Latest(t.Context()); err != nil || got["s"] != "5000" {
		t.Errorf("latest %v, %v", got, err)
	}
}

func TestErrorsArrive(t *testing.T) {
	recs := randomRecords(rand.New(rand.NewPCG(1, 1)), 1000)
	for _, temporary := range []bool{false, true} {
		err := errors.New("shard went away")
		if temporary {
			err = batch.Temporary(err)
		}
		s := serve(t, &shelf{records: recs, fail: 500, err: err})
		n := 0
		got := s.Read(t.Context(), nil, batch.Offset{"s": "1000"}, func(recs []batch.Record) error { n += len(recs); return nil })
		if got == nil || batch.IsTemporary(got) != temporary || got.Error() != "read of stream rides: shard went away" {
			t.Errorf("temporary %v: error %v", temporary, got)
		}
		n = 0
		end, got := s.Take(t.Context(), nil, batch.Limit{Records: 1000}, func(recs []batch.Record) error { return nil })
		if got == nil || end != nil || batch.IsTemporary(got) != temporary || got.Error() != "take of stream rides: shard went away" {
			t.Errorf("temporary %v: end %v, error %v", temporary, end, got)
		}
		if got := s.Wait(t.Context(), nil); batch.IsTemporary(got) != temporary {
			t.Errorf("temporary %v: wait: %v", temporary, got)
		}
	}
	s := serve(t, &shelf{})
	s.stream = "other"
	if _, err := s.Latest(t.Context()); err == nil || batch.IsTemporary(err) {
		t.Errorf("a stream that is not there: %v", err)
	}
}

// TestWhoTakesGivesUp lets a lane fail while frames come.
func TestWhoTakesGivesUp(t *testing.T) {
	s := serve(t, &shelf{records: randomRecords(rand.New(rand.NewPCG(1, 1)), 20000)})
	enough := errors.New("enough")
	for range 3 {
		var n atomic.Int64
		_, err := s.Take(t.Context(), nil, batch.Limit{Records: 20000}, func(recs []batch.Record) error {
			if n.Add(1) == 2 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Take(ctx, nil, batch.Limit{Records: 20000}, func(recs []batch.Record) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestServerGoes cuts the answer off: what came is no whole range.
func TestServerGoes(t *testing.T) {
	recs := randomRecords(rand.New(rand.NewPCG(1, 1)), 10000)
	broken := errors.New("gone")
	socket := filepath.Join(t.TempDir(), "feed.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	source := &shelf{records: recs, fail: 5000, err: broken}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		source.Read(r.Context(), nil, batch.Offset{"s": "10000"}, func(recs []batch.Record) error {
			var frame []byte
			for i := range recs {
				frame = appendRecord(frame, &recs[i], "")
			}
			return writeFrame(w, frameRecords, frame)
		})
		panic(http.ErrAbortHandler)
	})}
	go server.Serve(ln)
	defer server.Close()
	s := Dial(socket, "", "rides", nil)
	n := 0
	err = s.Read(t.Context(), nil, batch.Offset{"s": "10000"}, func(recs []batch.Record) error { n += len(recs); return nil })
	if !batch.IsTemporary(err) {
		t.Errorf("after %d records: %v", n, err)
	}
	if end, err := s.Take(t.Context(), nil, batch.Limit{}, func([]batch.Record) error { return nil }); !batch.IsTemporary(err) {
		t.Errorf("took up to %v: %v", end, err)
	}
	server.Close()
	if _, err := s.Latest(t.Context()); !batch.IsTemporary(err) {
		t.Errorf("without a server: %v", err)
	}
}

func FuzzParseRecords(f *testing.F) {
	var frame []byte
	for _, r := range randomRecords(rand.New(rand.NewPCG(1, 1)), 3) {
		frame = appendRecord(frame, &r, "")
	}
	f.Add(frame)
	f.Add([]byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, frame []byte) {
		recs, err := parseRecords(frame, nil)
		if err != nil {
			return
		}
		var again []byte
		last := ""
		for i := range recs {
			again = appendRecord(again, &recs[i], last)
			last = recs[i].Shard
		}
		back, err := parseRecords(again, nil)
		if err != nil || !reflect.DeepEqual(recs, back) {
			t.Fatalf("%v: %d records became %d", err, len(recs), len(back))
		}
	})
}

func BenchmarkRead(b *testing.B) {
	recs := randomRecords(rand.New(rand.NewPCG(1, 1)), 10000)
	for i := range recs {
		recs[i].Data = make([]byte, 450)
	}
	socket := filepath.Join(b.TempDir(), "feed.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: Handler(func(string) (batch.Source, error) { return &shelf{records: recs}, nil })}
	go server.Serve(ln)
	defer server.Close()
	s := Dial(socket, "", "rides", nil)
	for b.Loop() {
		if err := s.Read(b.Context(), nil, batch.Offset{"s": "10000"}, func([]batch.Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*10000/b.Elapsed().Seconds(), "records/s")
}

// placed is a shelf whose first records lie in a file, as far as a reader of that is concerned.
type placed struct {
	*shelf
	inFile int
	looked batch.Offset
}

func (p *placed) Places(_ context.Context, start batch.Offset, limit batch.Limit) ([]byte, error) {
	at, _ := strconv.Atoi(start["s"])
	if at >= p.inFile {
		return nil, nil
	}
	return fmt.Appendf(nil, "%d %d", at, min(p.inFile, at+limit.Records)), nil
}

func (p *placed) Look(_ context.Context, end batch.Offset) error {
	p.looked = end
	return nil
}

// A batch is what lies in files, and of the rest as much as the limit leaves.
func TestTakeFromFiles(t *testing.T) {
	want := randomRecords(rand.New(rand.NewPCG(2, 1)), 2000)
	src := &placed{shelf: &shelf{records: want}, inFile: 1000}
	s := serve(t, src)
	var fail error
	read := 0
	s.files = func(_ context.Context, places []byte, f func([]batch.Record) error) (batch.Offset, batch.Limit, error) {
		var from, to int
		if _, err := fmt.Sscan(string(places), &from, &to); err != nil {
			return nil, batch.Limit{}, err
		}
		read += to - from
		return batch.Offset{"s": strconv.Itoa(to)}, batch.Limit{Records: to - from}, errors.Join(fail, f(want[from:to]))
	}
	for _, c := range []struct{ start, limit, inFiles int }{
		{1, 800, 800},   // all of it
		{500, 500, 500}, // to the end of what is there
		{500, 505, 500}, // and hardly more
		{500, 900, 500}, // and as much again
		{1000, 300, 0},
	} {
		read, src.looked = 0, nil
		got := newArrivals(t, want)
		end, err := s.Take(t.Context(), batch.Offset{"s": strconv.Itoa(c.start)}, batch.Limit{Records: c.limit}, got.add)
		if err != nil || read != c.inFiles || end["s"] != strconv.Itoa(c.start+got.n) || got.n > c.limit || got.n < c.limit-c.limit/spentShare {
			t.Errorf("%+v: %d records of %d in files, to %v, %v", c, got.n, read, end, err)
		}
		if done := got.n == read; done != (src.looked["s"] == end["s"]) {
			t.Errorf("%+v: the metrics are those at %v", c, src.looked)
		}
	}
	fail = errors.New("the file is another one")
	if _, err := s.Take(t.Context(), batch.Offset{}, batch.Limit{Records: 10}, func([]batch.Record) error { return nil }); !batch.IsTemporary(err) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}
