// Package incremental compiles a query over streams into a batch.Program: steps that each micro-batch runs, and tables of state
// between them.
//
// Compile takes the query and its Inputs. What works row by row stays one step, as it is. Else the query is cut at its stateful
// operators. What lies between them is translated by package sql, which checks names, functions and types; the operators are steps
// of this package's own text:
//
//   - Aggregations (GROUP BY, DISTINCT, UNION) draw the rows of a batch together into partial aggregates, one row a group, and add them
//     to their state. Groups to emit are found by one scan, with their partials added up then. Windows that overlap are made of
//     panes, which are drawn together first. Aggregates over distinct values, approx_distinct (HyperLogLog) and approx_percentile
//     (logarithmic buckets, relative error 0.5 %) have states of their own beside it.
//   - Sessions (session_window) are merged with those of the state, which is replaced as a whole.
//   - Joins of two streams keep the rows of both sides. The conditions say until when a row can find partners: an equality of windows or
//     event times, or a comparison of one side's event time with the other side's columns. Conditions on one side filter before
//     rows are kept. IN and EXISTS over a stream are semi joins.
//   - The Query of an input makes rows of its records first, row by row. Where they have event time, a step of its own tells it to the engine
//     (batch.Program.EventTimes).
//   - Deduplicate, of an input, keeps the keys that were seen.
//
// The output mode governs the last aggregation. In append mode a group leaves when the watermark has passed its end, which needs
// event time among the keys; in update mode the groups of a batch leave with their new values; in complete mode all groups do,
// each time. Operators below the last aggregation give final rows, as in append mode, whatever the mode of the query is.
//
// Late rows. A row or group is too late if its end is not after weir_late(), the watermark of the batch before. It is final when its
// end is not after weir_watermark(). Columns carry event time through projections, windows and operators; a join, whose rows may
// have waited for a partner, says by the lag of its columns how long, and later operators wait that much longer.
//
// What Spark refuses is refused in its words, but for three things that are sound here: DISTINCT inside aggregates, update and
// complete mode of an aggregation above joins or other aggregations (their rows are final), and bounds of a join by any
// timestamp of the other side. Not supported: OVER, LIMIT other than in complete mode, LEFT ANTI joins of streams,
// skewness and kurtosis, map_agg, listagg, array_agg with ORDER BY.
//
// State is named by what it holds ("sum(price)"), so that a query may change its filters, its projections and the order of its
// aggregates. StateSpec.Definition holds what may not change: keys, windows, and the conditions of joins.
//
// The package does no I/O. A Program is the same each time it is compiled of the same text.
package incremental
