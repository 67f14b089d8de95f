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
	Names       []string      `arg:"" optional:"" help:"What to measure: put, put-signed, get, start, pipeline. Default: all."`
	Duration    time.Duration `help:"Time for each load." default:"5s"`
	Connections int           `help:"Connections of the load generator." default:"8"`
	Dir         string        `help:"Folder for the data (removed afterwards); its disk is what is measured." type:"path"`
}

// Help is shown by weir bench --help.
func (BenchCmd) Help() string {
	return `Examples:
  weir bench                      everything, about a minute
  weir bench put get              writing and reading records through HTTP
  weir bench --dir /mnt/nvme put  on another disk`
}

// measurement is one JSON line. Rates are per second; Ratio is the rate divided by that of Peer.
type measurement struct {
	Name       string  `json:"name"`
	Records    float64 `json:"records_per_s,omitempty"`
	MB         float64 `json:"mb_per_s,omitempty"`
	Calls      float64 `json:"calls_per_s,omitempty"`
	P50ms      float64 `json:"p50_ms,omitempty"`
	P99ms      float64 `json:"p99_ms,omitempty"`
	Ready      float64 `json:"ready_ms,omitempty"`
	PeakMiB    float64 `json:"peak_rss_mib,omitempty"`
	Peer       string  `json:"peer,omitempty"`
	PeerRate   float64 `json:"peer_per_s,omitempty"`
	Ratio      float64 `json:"ratio,omitempty"`
	Note       string  `json:"note,omitempty"`
	Time       string  `json:"time"`
	Commit     string  `json:"commit"`
	Go         string  `json:"go"`
	CPUs       int     `json:"cpus"`
	CPUModel   string  `json:"cpu"`
	Connection int     `json:"connections,omitempty"`
}

// benchmark is one thing to measure, in a folder of its own.
type benchmark struct {
	name string
	run  func(ctx context.Context, c *BenchCmd, dir string) (measurement, error)
}

// benchmarks in the order in which they run.
var benchmarks = []benchmark{
	{"start", benchStart},
	{"put", benchPut},
	{"put-signed", benchPutSigned},
	{"get", benchGet},
	{"pipeline", benchPipeline},
}

// Run measures what was asked for, each in a fresh data directory.
func (c *BenchCmd) Run(ctx context.Context) error {
	for _, name := range c.Names {
		if !slices.ContainsFunc(benchmarks, func(b benchmark) bool { return b.name == name }) {
			return fmt.Errorf("no benchmark is called %q; there are: start, put, put-signed, get, pipeline", name)
		}
	}
	out := json.NewEncoder(os.Stdout)
	for _, b := range benchmarks {
		if len(c.Names) > 0 && !slices.Contains(c.Names, b.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s …\n", b.name)
		dir, err := os.MkdirTemp(c.Dir, "weir-bench-")
		if err != nil {
			return err
		}
		m, err := b.run(ctx, c, dir)
		os.RemoveAll(dir)
		if err != nil {
			return fmt.Errorf("bench %s: %w", b.name, err)
		}
		m.Name = b.name
		m.stamp()
		if err := out.Encode(m); err != nil {
			return err
		}
	}
	return nil
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
