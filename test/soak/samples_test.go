package soak

import (
	"context"
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
	course    *course // by the sampler, until the run is over
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

// columns of a sample.
var columns = []column{
	{"records_per_s", 0, 0},
	{"put_p50_ms", 1.5, 2},
	{"put_p99_ms", 2, 10},
	{"heap_mib", 1.3, 48},
	{"rss_mib", 1.3, 96},
	{"disk_mib", 1.5, 256},
	{"goroutines", 1.5, 50},
	{"shards", 0, 0},
	{"lag_records", 0, 0},
	{"written_mib", 0, 0}, // data acknowledged so far
	{"clock_s", 0, 0},     // of the run, without what the clock stood still
}

// sample looks at the run again and again until ctx is done.
func (w *world) sample(ctx context.Context) error {
	interval := min(10*time.Second, max(250*time.Millisecond, *duration/120))
	began, last, written := time.Now(), time.Now(), int64(0)
	for pause(ctx, interval); ctx.Err() == nil; pause(ctx, interval) {
		took := time.Since(last).Seconds()
		last = time.Now()
		records := w.meter.records.Swap(0)
		written += records * recordBytes
		p := w.meter.percentiles(0.5, 0.99)
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		err := w.meter.course.add(time.Since(began), float64(records)/took, p[0], p[1], float64(mem.HeapInuse)/mib, rssMiB(os.Getpid()), diskMiB(w.server.dir),
			float64(runtime.NumGoroutine()), float64(w.meter.shards.Load()), float64(max(0, w.ledger.total()-w.slowest())), // a reader may have a record before its producer has the answer
			float64(written)/mib, w.server.clock.ran().Seconds())
		if err != nil {
			return err
		}
	}
	return nil
}

// rssMiB is the memory of a process; 0 if there is none, or where /proc does not tell.
func rssMiB(pid int) float64 {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
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

// judge fails the test where something grew.
func (w *world) judge(retention time.Duration) {
	c := w.meter.course
	if len(c.seconds) < 3 {
		w.t.Errorf("%d samples are too few", len(c.seconds))
		return
	}
	w.judgeDisk(c, retention)
	table, grown := c.table()
	if *duration >= long && grown != nil {
		w.t.Error(grown)
	}
	w.t.Logf("medians of the first and the last third, bound, course over %v:\n%s", *duration, table)
	if most := slices.Max(c.of("heap_mib")); most > 1024 {
		w.t.Errorf("the heap had %.0f MiB", most)
	}
}

// judgeDisk holds the use of the disk against what was written within a retention: records live on in their segment until
// the last of it has expired, and freed segments are removed a round of housekeeping later.
func (w *world) judgeDisk(c *course, retention time.Duration) {
	const overhead = 1.25                      // keys, frames, indexes
	slack := float64(8*segmentBytes)/mib + 192 // spares, the active segment, the metadata store
	grace := max(2*time.Second, retention/2).Seconds()
	written, disk, clock := c.of("written_mib"), c.of("disk_mib"), c.of("clock_s")
	for i, at := range c.seconds {
		expired := 0.0
		for j := i; j >= 0; j-- {
			if clock[i]-clock[j] > retention.Seconds()+grace {
				expired = written[j]
				break
			}
		}
		if most := (written[i]-expired)*overhead + slack; disk[i] > most {
			w.t.Errorf("after %.0f s there were %.0f MiB on disk; retention leaves at most %.0f", at, disk[i], most)
			return
		}
	}
	last := len(disk) - 1
	w.t.Logf("%.0f MiB of data were written, %.0f MiB are on disk at the end", written[last], disk[last])
}
