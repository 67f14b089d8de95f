package incremental

import (
	"fmt"
	"strings"

	"github.com/weir-data/weir/sql"
)

// ranked is a value that DuckDB orders as x, of type t, is to be ordered: in structs and arrays null comes before all values, as in Spark, where
// DuckDB has it behind them. depth tells the parameters of lambdas in one another apart.
func ranked(x string, t sql.Type, depth int) string {
	switch {
	case t.Name == "row" && len(t.Args) > 0 && len(t.Fields) == len(t.Args):
		var parts []string
		for i, kind := range t.Args {
			f := fmt.Sprintf("struct_extract(%s, %s)", x, "'"+strings.ReplaceAll(t.Fields[i], "'", "''")+"'")
			if t.Fields[i] == "" {
				f = fmt.Sprintf("struct_extract(%s, %d)", x, i+1)
			}
			parts = append(parts, fmt.Sprintf("'has%d': %s IS NOT NULL, 'value%d': %s", i+1, f, i+1, ranked(f, kind, depth)))
		}
		return "CASE WHEN " + x + " IS NOT NULL THEN {" + strings.Join(parts, ", ") + "} END"
	case t.Name == "array" && len(t.Args) == 1:
		e := fmt.Sprintf("weir_e%d", depth)
		return fmt.Sprintf("list_transform(%s, lambda %s: {'has': %s IS NOT NULL, 'value': %s})", x, e, e, ranked(e, t.Args[0], depth+1))
	}
	return x
}

// extreme is the aggregate min or max of x, or another that orders nothing.
func extreme(fn, x string, t sql.Type) string {
	key := ranked(x, t, 0)
	if key == x || fn != "min" && fn != "max" {
		return fn + "(" + x + ")"
	}
	return fmt.Sprintf("arg_%s(%s, %s)", fn, x, key)
}
