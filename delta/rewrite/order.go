package rewrite

import (
	"fmt"
	"strings"
)

// order is a curve through the values of several columns: rows that lie near each other on it have values near each other in all of
// the columns. A value counts by its place among those of its column.
type order struct {
	values   []string // expressions over the table's columns
	hilbert  bool     // else in Z-order
	provider string   // what the log calls files in this order, if they are those of a clustered table
}

const (
	orderColumnsMax = 6
	orderBits       = 10 // of a column's part of a place on the curve

	clusteringProvider = "weir"
)

// zOrder is the Z-order of columns, nil of none.
func zOrder(columns []string) *order {
	if len(columns) == 0 {
		return nil
	}
	o := &order{}
	for _, name := range columns {
		o.values = append(o.values, quoteName(name))
	}
	return o
}

// hilbertOrder is the order of clustered tables, along a Hilbert curve: unlike a Z-order it makes no leaps.
func hilbertOrder(columns [][]string) *order {
	o := &order{hilbert: true, provider: clusteringProvider}
	for _, path := range columns {
		x := quoteName(path[0])
		for _, name := range path[1:] {
			x = "struct_extract(" + x + ", " + quoteText(name) + ")"
		}
		o.values = append(o.values, x)
	}
	return o
}

// dotted are columns as users write them.
func dotted(paths [][]string) []string {
	var out []string
	for _, p := range paths {
		out = append(out, strings.Join(p, "."))
	}
	return out
}

// sorted is a query in this order.
func (o *order) sorted(query string) string {
	var ranks []string
	for i, x := range o.values {
		ranks = append(ranks, fmt.Sprintf("CAST(floor(percent_rank() OVER (ORDER BY %s) * %d) AS BIGINT) AS weir_z%d", x, 1<<orderBits-1, i))
	}
	query = "SELECT *, " + strings.Join(ranks, ", ") + " FROM (" + query + ")"
	if o.hilbert {
		query = hilbert(query, len(o.values), orderBits)
	}
	return "SELECT * FROM (" + query + ") ORDER BY " + interleaved(len(o.values), orderBits)
}

// interleaved are the bits of columns weir_z0, weir_z1, …, one of each after the other, as a number.
func interleaved(columns, bits int) string {
	var all []string
	for i := range columns {
		for b := range bits {
			all = append(all, fmt.Sprintf("(((weir_z%d >> %d) & 1) << %d)", i, b, b*columns+columns-1-i))
		}
	}
	return strings.Join(all, " | ")
}

// hilbert is a query in which the columns weir_z0, weir_z1, … are turned so that their interleaved bits are places on a Hilbert curve
// (J. Skilling, Programming the Hilbert curve, 2004).
func hilbert(query string, columns, bits int) string {
	set := func(items ...string) {
		query = "SELECT * REPLACE (" + strings.Join(items, ", ") + ") FROM (" + query + ")"
	}
	for bit := bits - 1; bit > 0; bit-- {
		q, below := 1<<bit, 1<<bit-1
		set(fmt.Sprintf("CASE WHEN weir_z0 & %d <> 0 THEN xor(weir_z0, %d) ELSE weir_z0 END AS weir_z0", q, below))
		for i := 1; i < columns; i++ {
			swap := fmt.Sprintf("(xor(weir_z0, weir_z%d) & %d)", i, below)
			set(fmt.Sprintf("CASE WHEN weir_z%d & %d <> 0 THEN xor(weir_z0, %d) ELSE xor(weir_z0, %s) END AS weir_z0", i, q, below, swap),
				fmt.Sprintf("CASE WHEN weir_z%d & %d <> 0 THEN weir_z%d ELSE xor(weir_z%d, %s) END AS weir_z%d", i, q, i, i, swap, i))
		}
	}
	for i := 1; i < columns; i++ { // Gray code
		set(fmt.Sprintf("xor(weir_z%d, weir_z%d) AS weir_z%d", i, i-1, i))
	}
	turn := "0"
	for bit := 1; bit < bits; bit++ {
		turn = fmt.Sprintf("xor(%s, CASE WHEN weir_z%d & %d <> 0 THEN %d ELSE 0 END)", turn, columns-1, 1<<bit, 1<<bit-1)
	}
	var last []string
	for i := range columns {
		last = append(last, fmt.Sprintf("xor(weir_z%d, %s) AS weir_z%d", i, turn, i))
	}
	set(last...)
	return query
}
