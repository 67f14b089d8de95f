package main

import (
	"time"

	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/query"
)

// observeQuery publishes every finished statement as Athena does, if its workgroup says so: namespace AWS/Athena, by
// workgroup, state and type.
func observeQuery(r *metrics.Registry, publishes func(workgroup string) bool) func(*query.Execution) {
	return func(x *query.Execution) {
		if !publishes(x.WorkGroup) {
			return
		}
		dims := []metrics.Dimension{{Name: "QueryState", Value: string(x.State)}, {Name: "QueryType", Value: string(x.Kind)}, {Name: "WorkGroup", Value: x.WorkGroup}}
		observe := func(name, unit string, v float64) { r.Series("AWS/Athena", name, unit, dims...).Observe(v) }
		ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
		observe("TotalExecutionTime", "Milliseconds", ms(x.Stats.Total))
		observe("QueryQueueTime", "Milliseconds", ms(x.Stats.Queue))
		observe("QueryPlanningTime", "Milliseconds", ms(x.Stats.Planning))
		observe("EngineExecutionTime", "Milliseconds", ms(x.Stats.Engine))
		observe("ProcessedBytes", "Bytes", float64(x.Stats.ScannedBytes))
	}
}
