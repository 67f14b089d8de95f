package soak

import (
	"context"
	"encoding/csv"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	segmentBytes = 16 << 20
	mib          = 1 << 20
)

// meter counts what happens between two samples, and in all.
type meter struct {
	records  atomic.Int64 // acknowledged since the last sample
	calls    [buckets]atomic.Int64
	shards   atomic.Int64
	reshards atomic.Int64
	replaced atomic.Int64
	vacant   atomic.Int64 // longest time that a reader was refused because of the one before, in nanoseconds
	guests   atomic.Int64
	switches atomic.Int64

	throttled atomic.Int64
	samples   []sample // by the sampler, until the run is over
	written   int64    // bytes of data acknowledged so far, by the sampler
}

// buckets of latencies: each is 5 % longer than the one before, from a microsecond on.
const buckets = 400

func (m *meter) latency(d time.Duration) {
	i := int(math.Log(max(1, float64(d.Microseconds()))) / math.Log(1.05))
	m.calls[min(i, buckets-1)].Add(1)
}

// percentiles of the latencies since the last call, in milliseconds.
func (m *meter) percentiles(ps ...float64) []float64 {
	var counts [buckets]int64
	total := int64(0)
	for i := range counts {
		counts[i] = m.calls[i].Swap(0)
		total += counts[i]
	}
	out := make([]float64, len(ps))
	for j, p := range ps {
		left := int64(p * float64(total))
		for i, n := range counts {
			if left -= n; left < 0 {
				out[j] = math.Pow(1.05, float64(i)) / 1000
				break
			}
		}
	}
	return out
}

// sample is the state of a run at a time; its fields are the columns of the table.
type sample struct {
	seconds  float64
	values   [len(columns)]float64
	liveMost float64 // MiB that can be on disk by retention, segments in use and spares included
}

// columns of a sample. A bound is how many times the median of the first third that of the last may be, slack how much
// more in any case; without a bound a column only tells.
var columns = [...]struct {
	name  string
	bound float64
	slack float64
}{
	{"records_per_s", 0, 0},
	{"put_p50_ms", 1.5, 2},
	{"put_p99_ms", 2, 10},
	{"heap_mib", 1.3, 48},
	{"rss_mib", 1.3, 96},
	{"disk_mib", 1.5, 256},
	{"goroutines", 1.5, 50},
	{"shards", 0, 0},
	{"lag_records", 0, 0},
}

const (
	columnHeap = 3
	columnDisk = 5
)

// sample looks at the run again and again until ctx is done.
func (w *world) sample(ctx context.Context) {
	interval := min(10*time.Second, max(250*time.Millisecond, *duration/120))
	began, last := time.Now(), time.Now()
	for {
		pause(ctx, interval)
		if ctx.Err() != nil {
			return
		}
		took := time.Since(last).Seconds()
		last = time.Now()
		records := w.meter.records.Swap(0)
		w.meter.written += records * recordBytes
		p := w.meter.percentiles(0.5, 0.99)
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		w.meter.samples = append(w.meter.samples, sample{seconds: time.Since(began).Seconds(), values: [len(columns)]float64{
			float64(records) / took, p[0], p[1], float64(mem.HeapInuse) / mib, residentMiB(), diskMiB(w.server.dir),
			float64(runtime.NumGoroutine()), float64(w.meter.shards.Load()), float64(max(0, w.ledger.total()-w.slowest())), // a reader may have a record before its producer has the answer
		}, liveMost: float64(w.meter.written) / mib})
	}
}

// residentMiB is the memory of this process; 0 where /proc does not tell.
func residentMiB() float64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseFloat(strings.Fields(string(raw))[1], 64)
	return pages * float64(os.Getpagesize()) / mib
}

// diskMiB is what the files below dir take; files that go away meanwhile take nothing.
func diskMiB(dir string) float64 {
	var blocks int64
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				blocks += st.Blocks
			}
		}
		return nil
	})
	return float64(blocks) * 512 / mib
}

// judge writes the samples down and fails the test where something grew.
func (w *world) judge(retention time.Duration) {
	samples := w.meter.samples
	if len(samples) < 3 {
		w.t.Errorf("%d samples are too few", len(samples))
		return
	}
	if err := writeSamples(*csvFile, samples); err != nil {
		w.t.Error(err)
	}
	w.judgeDisk(samples, retention)
	steady := samples[len(samples)/8:] // the first retention, and caches that fill
	var out strings.Builder
	for i, c := range columns {
		first, last := thirds(columnOf(steady, i))
		bound := "-"
		if c.bound > 0 {
			bound = fmt.Sprintf("<= %.1f x + %g", c.bound, c.slack)
		}
		fmt.Fprintf(&out, "%-14s %10.1f %10.1f  %-18s %s\n", c.name, first, last, bound, plot(columnOf(samples, i), 60))
		if *duration >= long && c.bound > 0 && last > c.bound*first+c.slack {
			w.t.Errorf("%s grew from %.1f to %.1f (medians of the first and the last third), bound %s", c.name, first, last, bound)
		}
	}
	w.t.Logf("medians of the first and the last third, bound, course over %v:\n%s", *duration, out.String())
	if most := slices.MaxFunc(samples, func(a, b sample) int { return int(a.values[columnHeap] - b.values[columnHeap]) }); most.values[columnHeap] > 1024 {
		w.t.Errorf("the heap had %.0f MiB", most.values[columnHeap])
	}
}

// judgeDisk holds the use of the disk against what was written within a retention: records live on in their segment until
// the last of it has expired, and freed segments are removed a round of housekeeping later.
func (w *world) judgeDisk(samples []sample, retention time.Duration) {
	const overhead = 1.25                      // keys, frames, indexes
	slack := float64(8*segmentBytes)/mib + 192 // spares, the active segment, the metadata store
	grace := max(2*time.Second, retention/2).Seconds()
	for i, s := range samples {
		from := 0.0
		for j := i; j >= 0; j-- {
			if s.seconds-samples[j].seconds > retention.Seconds()+grace {
				from = samples[j].liveMost
				break
			}
		}
		if most := (s.liveMost-from)*overhead + slack; s.values[columnDisk] > most {
			w.t.Errorf("after %.0f s there were %.0f MiB on disk; retention leaves at most %.0f", s.seconds, s.values[columnDisk], most)
			return
		}
	}
	last := samples[len(samples)-1]
	w.t.Logf("%.0f MiB of data were written, %.0f MiB are on disk at the end", last.liveMost, last.values[columnDisk])
}

// columnOf is a column of samples.
func columnOf(samples []sample, column int) []float64 {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = s.values[column]
	}
	return v
}

func medianOf(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	return v[len(v)/2]
}

// thirds are the medians of the first and the last third.
func thirds(values []float64) (first, last float64) {
	third := len(values) / 3
	return medianOf(values[:third]), medianOf(values[len(values)-third:])
}

// plot draws the course of values as a line of blocks, from zero to the greatest.
func plot(values []float64, width int) string {
	width = min(width, len(values))
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	for i := range width {
		v := medianOf(values[i*len(values)/width : (i+1)*len(values)/width])
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(7, int(v/max(top, 1e-9)*8))])
	}
	return b.String()
}

func writeSamples(name string, samples []sample) error {
	rows := [][]string{{"seconds"}}
	for _, c := range columns {
		rows[0] = append(rows[0], c.name)
	}
	for _, s := range samples {
		rows = append(rows, csvRow(s.seconds, s.values[:]))
	}
	return writeCSV(name, rows)
}

func csvRow(seconds float64, values []float64) []string {
	row := []string{fmt.Sprintf("%.1f", seconds)}
	for _, v := range values {
		row = append(row, fmt.Sprintf("%.2f", v))
	}
	return row
}

func writeCSV(name string, rows [][]string) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return csv.NewWriter(f).WriteAll(rows)
}
