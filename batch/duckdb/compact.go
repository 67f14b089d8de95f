package duckdb

import (
	"math"
	"slices"
	"time"

	"github.com/weir-data/weir/batch"
)

// When runs are drawn together. It takes several times as long to draw a row together with others as to read it once, so it waits
// until there are many of about the same size, and leaves out what will soon be gone.
const (
	levelRuns    = 8    // runs of a level that become one
	levelRowsMin = 1024 // of the second level
	// runsMax is the number of runs of which all are drawn together, whatever is expected of them.
	runsMax = 64
	// soonBatches: a run that the watermark will have passed in so many batches, at its present pace, is left alone.
	soonBatches = 40
	// Where a run has become this much smaller, its keys come again and again: all are drawn together when the others are growth
	// times as large as it.
	shrunk = 0.7
	growth = 2
)

// Where a batch looks for its keys in sorted runs: a run of sortRowsMin rows that lies there unsorted for sortBatches is sorted, by itself or with
// others, as by then it was read as often as it costs to sort it.
const (
	sortRowsMin = 1 << 15
	sortBatches = 16
)

// toMerge picks the runs that are drawn together in a batch, or only sorted.
func (s *stateTable) toMerge(runs []batch.StateRun, in *batch.RunInput) []batch.StateRun {
	picked := toMerge(runs, in.Late, in.Watermark)
	if picked != nil || s.order() == "" {
		return picked
	}
	for _, r := range runs {
		if !r.Sorted && r.Rows >= sortRowsMin && in.Batch-r.Batch >= sortBatches && !soonGone(r, in.Late, in.Watermark) {
			picked = append(picked, r)
		}
	}
	return picked
}

// soonGone says whether the watermark will have passed a run before it is worth while to write it anew.
func soonGone(r batch.StateRun, late, watermark time.Time) bool {
	return !late.IsZero() && !r.Until.IsZero() && r.Until.Sub(watermark) < soonBatches*watermark.Sub(late)
}

// toMerge picks the runs of a state that are drawn together in a batch; nil if none are.
func toMerge(runs []batch.StateRun, late, watermark time.Time) []batch.StateRun {
	if len(runs) >= runsMax {
		return runs
	}
	runs = slices.DeleteFunc(slices.Clone(runs), func(r batch.StateRun) bool { return soonGone(r, late, watermark) })
	if keysRepeat(runs) {
		return runs
	}
	levels := map[int][]batch.StateRun{}
	top := 0
	for _, run := range runs {
		l := level(run.Rows)
		levels[l], top = append(levels[l], run), max(top, l)
	}
	var picked []batch.StateRun
	for l := range top + 1 {
		picked = append(picked, levels[l]...)
		if len(picked) >= levelRuns {
			return picked
		}
	}
	return nil
}

// keysRepeat says whether the largest run has become small by being drawn together, and the others outgrow it.
func keysRepeat(runs []batch.StateRun) bool {
	if len(runs) < 2 {
		return false
	}
	largest := slices.MaxFunc(runs, func(a, b batch.StateRun) int { return int(a.Rows - b.Rows) })
	var rows int64
	for _, r := range runs {
		rows += r.Rows
	}
	return float64(largest.Rows) < shrunk*float64(largest.MergedRows) && rows-largest.Rows >= growth*largest.Rows
}

// level is how often rows, in units of the smallest level, can be divided by levelRuns.
func level(rows int64) int {
	return int(math.Log(float64(max(rows, levelRowsMin))/levelRowsMin) / math.Log(levelRuns))
}
