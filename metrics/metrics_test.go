package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func show(points []Point) string {
	var b strings.Builder
	for _, p := range points {
		fmt.Fprintf(&b, "%s n=%v sum=%v min=%v max=%v %s\n", p.Time.Format("15:04"), p.Stat.Count, p.Stat.Sum, p.Stat.Min, p.Stat.Max, p.Unit)
	}
	return b.String()
}

func read(t *testing.T, r *Registry, m Metric, period time.Duration) string {
	t.Helper()
	points, err := r.Read(m, "", noon, noon.Add(3*time.Hour), period)
	if err != nil {
		t.Fatal(err)
	}
	return show(points)
}

var (
	rides        = Dimension{"StreamName", "rides"}
	bytesOfRides = Metric{"AWS/Kinesis", "IncomingBytes", []Dimension{rides}}
)

// The same story with and without a store, read before, between and after flushes and a restart.
func TestObserveAndRead(t *testing.T) {
	const want = "12:00 n=2 sum=4 min=1 max=3 Bytes\n12:01 n=1 sum=-5 min=-5 max=-5 Bytes\n13:01 n=1 sum=7 min=7 max=7 Bytes\n"
	const wantHours = "12:00 n=3 sum=-1 min=-5 max=3 Bytes\n13:00 n=1 sum=7 min=7 max=7 Bytes\n"
	for _, kept := range []bool{false, true} {
		t.Run(fmt.Sprintf("kept=%v", kept), func(t *testing.T) {
			c := &clock{t: noon}
			r := New(Options{Now: c.now})
			m := meta.NewMem()
			defer m.Close()
			reopen := func() {
				var err error
				if err = r.Close(); err != nil {
					t.Fatal(err)
				}
				if r, err = Open(Options{Now: c.now, Meta: m}); err != nil {
					t.Fatal(err)
				}
			}
			if kept {
				reopen()
			}
			observe := func(v float64) { r.Series("AWS/Kinesis", "IncomingBytes", "Bytes", rides).Observe(v) }
			observe(1)
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			observe(3)
			c.add(90 * time.Second)
			observe(-5)
			c.add(time.Hour)
			if kept {
				reopen()
			}
			observe(7)
			if got := read(t, r, bytesOfRides, time.Minute); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if got := read(t, r, bytesOfRides, time.Hour); got != wantHours {
				t.Errorf("by hours got\n%swant\n%s", got, wantHours)
			}
			if kept {
				reopen()
				if got := read(t, r, bytesOfRides, time.Minute); got != want {
					t.Errorf("after a restart got\n%swant\n%s", got, want)
				}
				defer r.Close()
			}
			if points, _ := r.Read(bytesOfRides, "Count", noon, noon.Add(time.Hour), time.Minute); len(points) > 0 {
				t.Errorf("in another unit: %v", points)
			}
			if points, _ := r.Read(bytesOfRides, "", noon.Add(time.Minute), noon.Add(2*time.Minute), time.Minute); show(points) != strings.SplitAfter(want, "\n")[1] {
				t.Errorf("one minute of it:\n%s", show(points))
			}
		})
	}
}

func TestNil(t *testing.T) {
	var r *Registry
	r.Series("n", "m", "Count").Observe(1)
	if err := errors.Join(r.Flush(), r.Prune(), r.Close()); err != nil {
		t.Error(err)
	}
	if list, err := r.List(Filter{}); list != nil || err != nil {
		t.Error(list, err)
	}
	if points, err := r.Read(Metric{}, "", noon, noon.Add(time.Hour), time.Minute); points != nil || err != nil {
		t.Error(points, err)
	}
}

// What Put was given survives a crash that loses all that was not synced.
func TestPutSurvivesCrash(t *testing.T) {
	disk := vfs.NewCrashable()
	m, err := meta.Open(disk, "meta")
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{t: noon}
	r, err := Open(Options{Now: c.now, Meta: m})
	if err != nil {
		t.Fatal(err)
	}
	own := Metric{Namespace: "App", Name: "Latency"}
	for range 2 {
		if err := r.Put([]Datum{{own, "Seconds", noon, Stat{2, 3, 1, 2}}, {own, "Seconds", noon.Add(time.Minute), Stat{1, 9, 9, 9}}}); err != nil {
			t.Fatal(err)
		}
	}
	after := disk.CrashClone(vfs.CrashConfig{})
	if err := errors.Join(r.Close(), m.Close()); err != nil {
		t.Fatal(err)
	}
	if m, err = meta.Open(after, "meta"); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if r, err = Open(Options{Now: c.now, Meta: m}); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, want := read(t, r, own, time.Minute), "12:00 n=4 sum=6 min=1 max=2 Seconds\n12:01 n=2 sum=18 min=9 max=9 Seconds\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestListAndPrune(t *testing.T) {
	c := &clock{t: noon}
	m := meta.NewMem()
	defer m.Close()
	r, err := Open(Options{Now: c.now, Meta: m})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	list := func(f Filter) string {
		t.Helper()
		all, err := r.List(f)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range all {
			names = append(names, fmt.Sprintf("%s/%s%v", m.Namespace, m.Name, m.Dimensions))
		}
		return strings.Join(names, " ")
	}
	r.Series("AWS/Kinesis", "Silent", "Count", rides)
	r.Series("AWS/Kinesis", "IncomingBytes", "Bytes", rides).Observe(1)
	own := func(unit string) Datum {
		return Datum{Metric{"App", "Latency", []Dimension{{"b", "2"}, {"a", "1"}}}, unit, noon, Stat{1, 1, 1, 1}}
	}
	if err := r.Put([]Datum{own("Seconds"), own("None")}); err != nil {
		t.Fatal(err)
	}
	const app, kinesis = "App/Latency[{a 1} {b 2}]", "AWS/Kinesis/IncomingBytes[{StreamName rides}]"
	for _, s := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, kinesis + " " + app},
		{Filter{Namespace: "App"}, app},
		{Filter{Name: "IncomingBytes"}, kinesis},
		{Filter{Dimensions: []Dimension{{"a", ""}}}, app},
		{Filter{Dimensions: []Dimension{{"a", "2"}}}, ""},
		{Filter{Since: noon.Add(time.Hour)}, ""},
	} {
		if got := list(s.f); got != s.want {
			t.Errorf("%+v: got %s, want %s", s.f, got, s.want)
		}
	}
	c.add(Retention - time.Hour)
	r.Series("AWS/Kinesis", "IncomingBytes", "Bytes", rides).Observe(1)
	c.add(3 * time.Hour)
	if err := errors.Join(r.Flush(), r.Prune()); err != nil {
		t.Fatal(err)
	}
	if got := list(Filter{}); got != kinesis {
		t.Errorf("after the retention: %s", got)
	}
	left := 0
	for range m.Space("metrics").Scan("", "") {
		left++
	}
	if left != 2 {
		t.Errorf("%d keys are left, want an identity and an hour", left)
	}
}

func TestBound(t *testing.T) {
	r := New(Options{SeriesMax: 2, Logger: slog.New(slog.DiscardHandler)})
	r.Series("n", "a", "Count").Observe(1)
	r.Series("n", "b", "Count").Observe(1)
	if s := r.Series("n", "c", "Count"); s != nil {
		t.Error("a third series")
	}
	if err := r.Put([]Datum{{Metric{"n", "d", nil}, "Count", noon, Stat{1, 1, 1, 1}}}); !errors.Is(err, ErrTooManySeries) {
		t.Error(err)
	}
}

// Observed data reaches the store once a minute by itself.
func TestFlushesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meta.NewMem()
		r, err := Open(Options{Meta: m})
		if err != nil {
			t.Fatal(err)
		}
		r.Series("n", "a", "Count").Observe(1)
		time.Sleep(flushInterval + time.Second)
		synctest.Wait()
		keys := 0
		for range m.Space("metrics").Scan("", "") {
			keys++
		}
		if keys != 2 {
			t.Errorf("%d keys after a minute", keys)
		}
		if err := errors.Join(r.Close(), m.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestCorrupt(t *testing.T) {
	for name, c := range map[string]struct{ key, value string }{
		"identity": {"series/00", "{}"},
		"json":     {"series/00", "x"},
	} {
		m := meta.NewMem()
		defer m.Close()
		if err := m.Space("metrics").Put(c.key, []byte(c.value)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Meta: m}); !errors.Is(err, errCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConcurrent(t *testing.T) {
	m := meta.NewMem()
	defer m.Close()
	r, err := Open(Options{Meta: m, Now: (&clock{t: noon}).now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var flusher, observers sync.WaitGroup
	flusher.Go(func() {
		for ctx.Err() == nil {
			if err := r.Flush(); err != nil {
				t.Error(err)
			}
		}
	})
	for range 4 {
		observers.Go(func() {
			for range 2000 {
				r.Series("AWS/Kinesis", "IncomingBytes", "Bytes", rides).Observe(1)
			}
		})
	}
	observers.Wait()
	stop()
	flusher.Wait()
	if got := read(t, r, bytesOfRides, time.Hour); got != "12:00 n=8000 sum=8000 min=1 max=1 Bytes\n" {
		t.Error(got)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestPrometheus(t *testing.T) {
	r := New(Options{})
	r.Series("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "Milliseconds", rides).Observe(5)
	r.Series("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "Milliseconds").Observe(7)
	r.Series("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "Seconds").Observe(7)
	if err := r.Put([]Datum{{Metric{"App", "x", nil}, "Count", time.Now(), Stat{1, 1, 1, 1}}}); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != 1 || families[0].GetName() != "weir_kinesis_get_records_iterator_age_milliseconds" || len(families[0].Metric) != 2 {
		t.Errorf("got %v", families)
	}
}

func FuzzDecodeHour(f *testing.F) {
	f.Add(encodeHour(map[int64]Stat{60: {1, 2, 3, 4}, 119: {1, 1, 1, 1}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		minutes := map[int64]Stat{}
		if decodeHour(data, 1, minutes) != nil {
			return
		}
		again := encodeHour(minutes)
		second := map[int64]Stat{}
		if err := decodeHour(again, 1, second); err != nil || !bytes.Equal(encodeHour(second), again) {
			t.Fatalf("%x became %x", data, again)
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	m := meta.NewMem()
	defer m.Close()
	r, err := Open(Options{Meta: m})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	s := r.Series("AWS/Kinesis", "IncomingBytes", "Bytes", rides)
	for b.Loop() {
		s.Observe(1)
	}
}
