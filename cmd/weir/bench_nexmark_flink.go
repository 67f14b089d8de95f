package main

import (
	"fmt"
	"strings"
)

// flinkFigures are what nexmark/nexmark publishes of Flink for a query, in thousands of events a second and core: GUIDE_V1.md's
// throughput per core, and GUIDE_V2.md's throughput divided by its cores. Zero: none is published.
type flinkFigures struct{ v1, v2 float64 }

var flinkPublished = map[string]flinkFigures{
	"q0": {155.02, 2650 / 7.0}, "q1": {157.94, 2860 / 7.24}, "q2": {175.21, 2950 / 7.13}, "q3": {152.12, 1900 / 8.69},
	"q4": {34.33, 347.84 / 12.33}, "q5": {22.14, 920.4 / 12.35}, "q7": {12.33, 262.46 / 11.45}, "q8": {146.14, 2080 / 12.83},
	"q9": {14.24, 149.52 / 10.86}, "q10": {57.81, 904.32 / 6.81}, "q11": {39.7, 427.88 / 9.29}, "q12": {75.67, 1950 / 10.03},
	"q13": {130.73, 1500 / 7.97}, "q14": {161.23, 2030 / 7.83}, "q15": {72.42, 1370 / 8.16}, "q16": {18.65, 487.29 / 10.77},
	"q17": {116.8, 1630 / 10.15}, "q18": {53.7, 769.77 / 11.77}, "q19": {44.04, 558.84 / 13.09}, "q20": {18.98, 194.96 / 10.98},
	"q21": {98.49, 1150 / 7.81}, "q22": {129.96, 1630 / 7.7},
}

// nexmarkTable is the table of docs/nexmark.md.
func nexmarkTable(all []measurement) string {
	var b strings.Builder
	b.WriteString("| query | events/s | cores | events/s and core | peak memory | state on disk | rows out | Flink V1, a core | ratio | Flink V2, a core | ratio |\n" +
		"|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, m := range all {
		core := m.PerCore / 1000
		flink := flinkPublished[m.Query]
		fmt.Fprintf(&b, "| %s | %.0f k | %.2f | %.0f k | %.0f MiB | %.1f MiB | %s | %s | %s |\n", m.Query, m.Records/1000, m.Cores, core, m.PeakMiB, m.StateMiB,
			count(m.Rows), against(core, flink.v1), against(core, flink.v2))
	}
	return b.String()
}

// against are a published figure and the ratio to it, as two cells.
func against(ours, published float64) string {
	if published == 0 {
		return "– | –"
	}
	return fmt.Sprintf("%.0f k | %.1f", published, ours/published)
}
