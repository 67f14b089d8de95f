package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// BenchCmd measures this machine and prints one JSON line per measurement. What it says is a ratio to a named
// peer or limit that was measured in the same run, because machines differ and are noisy.
type BenchCmd struct {
	Names       []string      `arg:"" optional:"" help:"What to measure, see below. Default: all but recovery."`
	Duration    time.Duration `help:"Time for each load." default:"5s"`
	Connections []int         `help:"Connections of the load generator, one measurement for each." default:"1,8,64"`
	Shards      []int         `help:"Numbers of shards, one measurement of put-shards for each." default:"1,100,5000"`
	Retained    int           `help:"GiB that recovery finds." default:"20"`
	Dir         string        `help:"Folder for the data (removed afterwards); its disk is what is measured." type:"path"`
	CPUProfile  string        `help:"Folder that gets a CPU profile of the server for each measurement." type:"path" placeholder:"DIR"`
	Events      int64         `help:"Events of nexmark." default:"2000000"`
	EventRate   float64       `help:"Events of nexmark in a second of their own time." default:"100000"`
	Queries     []string      `help:"Queries of nexmark; all is all that there are." default:"q0,q1,q2,q3,q4,q5,q6,q7,q8" placeholder:"QUERY"`
	Sink        string        `help:"Where the rows of nexmark go: delta, or discard to measure the query alone." enum:"delta,discard" default:"delta"`
	Verify      bool          `help:"Compare the tables of nexmark with the answers of DuckDB over all events at once."`
}

// Help is shown by weir bench --help.
func (BenchCmd) Help() string {
	var b strings.Builder
	b.WriteString("What can be measured:\n")
	for _, m := range benchmarks {
		fmt.Fprintf(&b, "  %-14s %s\n", m.name, m.what)
	}
	b.WriteString(`
A line of JSON for each: the rate, its ratio to a limit that was measured in the same run, and what binds: the disk, the
CPU, or the round trip, when both have time to spare because each connection waits for its answer.

Examples:
  weir bench                              all, in some minutes
  weir bench put get                      writing and reading records through HTTP
  weir bench put --connections 8 --cpu-profile /tmp/prof
  weir bench --dir /mnt/nvme put          on another disk
  weir bench recovery --retained 20       kill -9 with 20 GiB retained, and the time to be ready again
  weir bench nexmark --queries q0,q5 --events 10000000 --verify
  weir bench nexmark --queries all --sink discard`)
	return b.String()
}

// measurement is one JSON line. Rates are per second; Ratio is the rate divided by that of Peer.
type measurement struct {
	Name        string  `json:"name"`
	Connections int     `json:"connections,omitempty"`
	Shards      int     `json:"shards,omitempty"`
	RecordBytes int     `json:"record_bytes,omitempty"`
	Records     float64 `json:"records_per_s,omitempty"`
	MB          float64 `json:"mb_per_s,omitempty"`
	Calls       float64 `json:"calls_per_s,omitempty"`
	P50ms       float64 `json:"p50_ms,omitempty"`
	P99ms       float64 `json:"p99_ms,omitempty"`
	Ready       float64 `json:"ready_ms,omitempty"`
	PeakMiB     float64 `json:"peak_rss_mib,omitempty"`
	Peer        string  `json:"peer,omitempty"`
	PeerRate    float64 `json:"peer_per_s,omitempty"`
	Ratio       float64 `json:"ratio,omitempty"`
	Disk        float64 `json:"disk_records_per_s,omitempty"` // the raw disk with the same bytes
	DiskRatio   float64 `json:"disk_ratio,omitempty"`
	ServerCPUs  float64 `json:"server_cpus,omitempty"` // that the server kept busy
	CPUBusy     float64 `json:"cpu_busy,omitempty"`    // of the whole machine, client included; 1 is all of it
	Binds       string  `json:"binds,omitempty"`
	*nexmarkFigures
	Note     string `json:"note,omitempty"`
	Time     string `json:"time"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	CPUs     int    `json:"cpus"`
	CPUModel string `json:"cpu"`
}

// benchmark is one thing to measure, in a folder of its own. It emits a measurement for each variant.
type benchmark struct {
	name  string
	what  string
	run   func(b *bench) error
	asked bool // only when it is named
}

// bench is a benchmark at work.
type bench struct {
	*BenchCmd
	ctx  context.Context
	dir  string
	name string
	emit func(measurement) error
}

// benchmarks in the order in which they run.
var benchmarks []benchmark

func init() {
	benchmarks = []benchmark{
		{name: "start", what: "from exec to ready, with an empty data directory", run: benchStart},
		{name: "put", what: "PutRecords of 500 x 450 B", run: benchPut},
		{name: "put-one", what: "PutRecord of 450 B", run: benchPutOne},
		{name: "put-signed", what: "put with signatures verified", run: benchPutSigned},
		{name: "put-encrypted", what: "put into a stream that is encrypted at rest", run: benchPutEncrypted},
		{name: "put-sizes", what: "PutRecords of 500 x 1 KiB and of 9 x 1 MiB", run: benchPutSizes},
		{name: "put-shards", what: "put into streams with more and more shards", run: benchPutShards},
		{name: "get", what: "GetRecords, a reader for each of four shards", run: benchGet},
		{name: "push", what: "SubscribeToShard: from the start of a put to the record at the consumer", run: benchPush},
		{name: "pipeline", what: "weir run --once: from a full stream to a committed Delta table", run: benchPipeline},
		{name: "nexmark", what: "queries of the Nexmark benchmark as pipelines, from a full stream and a cold start; only when named", run: benchNexmark, asked: true},
		{name: "recovery", what: "kill -9 with much data retained, time to be ready again; only when named", run: benchRecovery, asked: true},
	}
}

// Run measures what was asked for, each in a fresh data directory.
func (c *BenchCmd) Run(ctx context.Context) error {
	for _, name := range c.Names {
		if !slices.ContainsFunc(benchmarks, func(b benchmark) bool { return b.name == name }) {
			return fmt.Errorf("no benchmark is called %q; weir bench --help lists them", name)
		}
	}
	if c.CPUProfile != "" {
		if err := os.MkdirAll(c.CPUProfile, 0o755); err != nil {
			return err
		}
	}
	out, scr := json.NewEncoder(os.Stdout), newScreen(os.Stderr)
	for _, b := range benchmarks {
		if len(c.Names) > 0 && !slices.Contains(c.Names, b.name) || len(c.Names) == 0 && b.asked {
			continue
		}
		scr.printf("%s %s\n", scr.bold(b.name), scr.dim(b.what))
		dir, err := os.MkdirTemp(c.Dir, "weir-bench-")
		if err != nil {
			return err
		}
		run := &bench{BenchCmd: c, ctx: ctx, dir: dir, name: b.name, emit: func(m measurement) error {
			m.Name = b.name
			m.stamp()
			scr.printf("  %s\n", m.line())
			return out.Encode(m)
		}}
		err = b.run(run)
		os.RemoveAll(dir)
		if err != nil {
			return fmt.Errorf("bench %s: %w", b.name, err)
		}
	}
	return nil
}

// line is a measurement for a person.
func (m *measurement) line() string {
	var b strings.Builder
	part := func(on bool, format string, args ...any) {
		if on {
			fmt.Fprintf(&b, format, args...)
		}
	}
	part(m.Connections > 0, "%3d connections  ", m.Connections)
	part(m.Shards > 0, "%d %s  ", m.Shards, plural(m.Shards, "shard"))
	part(m.RecordBytes > 0, "%d B  ", m.RecordBytes)
	part(m.Records > 0, "%s records/s  %.0f MB/s  ", count(int64(m.Records)), m.MB)
	part(m.Ready > 0, "ready in %.0f ms  ", m.Ready)
	part(m.P50ms > 0, "p50 %.2f ms, p99 %.2f ms  ", m.P50ms, m.P99ms)
	part(m.Ratio > 0, "%.2f of %s  ", m.Ratio, m.Peer)
	part(m.DiskRatio > 0, "%.2f of the raw disk  ", m.DiskRatio)
	part(m.Binds != "", "binds: %s  ", m.Binds)
	part(m.PeakMiB > 0, "%.0f MiB", m.PeakMiB)
	if m.nexmarkFigures != nil {
		part(true, "  %s", m.nexmarkFigures.line())
	}
	return strings.TrimSpace(b.String())
}

// stamp adds when, with what and where.
func (m *measurement) stamp() {
	m.Time = time.Now().UTC().Format(time.RFC3339)
	m.Go, m.CPUs, m.CPUModel = runtime.Version(), runtime.NumCPU(), cpuModel()
	m.Commit = "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				m.Commit = s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				m.Note = strings.TrimSpace(m.Note + " (tree modified)")
			}
		}
	}
}

func cpuModel() string {
	raw, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// percentile of sorted durations, in milliseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := min(int(p*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[i].Microseconds()) / 1000
}
