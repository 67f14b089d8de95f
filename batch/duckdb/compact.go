package duckdb

import (
	"math"

	"github.com/weir-data/weir/batch"
)

// Runs are drawn together by levels: as soon as there are as many of about the same size. Where that makes them smaller it pays to
// do it sooner, as each batch reads them.
const (
	levelRuns        = 8
	levelRunsCompact = 4
	levelRowsMin     = 1024
)

// toMerge picks the runs of a state that are drawn together in a batch: the smallest level that is full, nil if none is.
func toMerge(runs []batch.StateRun, compacts bool) []batch.StateRun {
	fan := levelRuns
	if compacts {
		fan = levelRunsCompact
	}
	levels := map[int][]batch.StateRun{}
	top := 0
	for _, run := range runs {
		l := level(run.Rows, fan)
		levels[l], top = append(levels[l], run), max(top, l)
	}
	var picked []batch.StateRun
	for l := range top + 1 {
		picked = append(picked, levels[l]...)
		if len(picked) >= fan {
			return picked
		}
	}
	return nil
}

// level is how often rows, in units of the smallest level, can be divided by fan.
func level(rows int64, fan int) int {
	return int(math.Log(float64(max(rows, levelRowsMin))/levelRowsMin) / math.Log(float64(fan)))
}
