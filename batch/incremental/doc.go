// Package incremental compiles a query over streams into a batch.Program: steps that each micro-batch runs, and tables of state
// between them.
//
// Compile takes the query and its Inputs. What works row by row stays one step, as it is. Else the query is cut at its stateful
// operators. What lies between them is translated by package sql, which checks names, functions and types; the operators are steps
// of this package's own text:
//
//   - An aggregation draws the rows of a batch together into partial aggregates, one row a group, and adds them to its state. Groups
//     to emit are found by one scan, with their partials added up then.
//
// The output mode governs the last aggregation. In append mode a group leaves when the watermark has passed its end, which needs
// event time among the keys; in update mode the groups of a batch leave with their new values; in complete mode all groups do,
// each time. Aggregations below another operator give final rows, as in append mode, whatever the mode of the query is. This is
// more than Spark takes, which wants append mode for all queries with more than one stateful operator.
//
// Late rows. A group is too late if its end is not after weir_late(), the watermark of the batch before. It is final when its end is
// not after weir_watermark(). Columns carry event time through projections, windows and operators; an operator whose rows come out
// later than the watermark says so by the lag of its columns, and later operators wait that much longer.
//
// State is named by what it holds ("sum(price)"), so that a query may change its filters, its projections and the order of its
// aggregates. StateSpec.Definition holds what may not change.
//
// The package does no I/O.
package incremental
