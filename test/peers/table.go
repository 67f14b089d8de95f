package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"text/tabwriter"
	"time"
)

// result of a measure on a peer.
type result struct {
	Peer             string  `json:"peer"`
	Measure          string  `json:"measure"`
	RecordsPerSecond float64 `json:"records_per_s,omitempty"`
	P50ms            float64 `json:"p50_ms,omitempty"`
	P99ms            float64 `json:"p99_ms,omitempty"`
	PeakMiB          float64 `json:"peak_rss_mib,omitempty"`
	Ratio            float64 `json:"weir_ratio,omitempty"` // weir's rate, or memory, divided by this peer's
	Time             string  `json:"time"`
	CPUs             int     `json:"cpus"`
}

// table has the results of all peers in one run.
type table struct {
	peers   []string
	results map[string]map[string]result // by measure and peer
	order   []string                     // of the measures
}

func (t *table) add(name string, results []result) {
	if t.results == nil {
		t.results = map[string]map[string]result{}
	}
	t.peers = append(t.peers, name)
	for _, r := range results {
		if t.results[r.Measure] == nil {
			t.results[r.Measure] = map[string]result{}
			t.order = append(t.order, r.Measure)
		}
		r.Peer, r.CPUs, r.Time = name, runtime.NumCPU(), time.Now().UTC().Format(time.RFC3339)
		t.results[r.Measure][name] = r
	}
}

// value is the rate, or the memory.
func (r result) value() float64 { return max(r.RecordsPerSecond, r.PeakMiB) }

// ratio is weir's value to that of a peer; 0 if weir took no part.
func (t *table) ratio(measure, peer string) float64 {
	other := t.results[measure][peer].value()
	if other == 0 {
		return 0
	}
	return t.results[measure]["weir"].value() / other
}

// print writes a table in Markdown: the rates with median and 99th percentile of a call in milliseconds, and the ratios.
func (t *table) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "| records/s (p50, p99 ms)\t")
	for _, p := range t.peers {
		fmt.Fprintf(w, "| %s\t", p)
	}
	for _, p := range t.peers {
		if p != "weir" {
			fmt.Fprintf(w, "| weir / %s\t", p)
		}
	}
	fmt.Fprint(w, "|\n|---\t")
	for range 2*len(t.peers) - 1 {
		fmt.Fprint(w, "|---\t")
	}
	fmt.Fprint(w, "|\n")
	for _, m := range t.order {
		fmt.Fprintf(w, "| %s\t", m)
		for _, p := range t.peers {
			r := t.results[m][p]
			if r.PeakMiB > 0 {
				fmt.Fprintf(w, "| %.0f\t", r.PeakMiB)
				continue
			}
			fmt.Fprintf(w, "| %.0f (%.2f, %.2f)\t", r.RecordsPerSecond, r.P50ms, r.P99ms)
		}
		for _, p := range t.peers {
			if p != "weir" {
				fmt.Fprintf(w, "| %.2f\t", t.ratio(m, p))
			}
		}
		fmt.Fprint(w, "|\n")
	}
	w.Flush()
}

func (t *table) writeJSON(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	out := json.NewEncoder(f)
	for _, m := range t.order {
		for _, p := range t.peers {
			r := t.results[m][p]
			r.Ratio = t.ratio(m, p)
			if err := out.Encode(r); err != nil {
				return err
			}
		}
	}
	return nil
}
