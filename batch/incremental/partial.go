package incremental

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-data/weir/sql"
)

// aggregate is a call of an aggregate function in a query.
type aggregate struct {
	call   *sql.Call
	text   string   // of the call, in the one form
	args   []string // columns of the rows
	filter string   // column of the rows; empty: none
	name   string   // its column in the operator's result
	typ    sql.Type
	// final gives the result from the merged partials.
	final string
}

// partial is a column of partial aggregates.
type partial struct {
	name  string // says what it computes: sum(price)
	first string // over rows
	merge string // over partials of the same keys; of one it means the same as that
}

// aggregate notes a call and returns its column in the operator's result.
func (g *group) aggregate(call *sql.Call) string {
	t := sql.PrintExpr(call)
	for _, a := range g.aggs {
		if a.text == t {
			return a.name
		}
	}
	a := &aggregate{call: call, text: t, name: fmt.Sprintf("%sagg%d", mark, len(g.aggs)+1)}
	g.aggs = append(g.aggs, a)
	return a.name
}

// columns are what an aggregate reads of the rows, constants apart.
func (g *group) columns(a *aggregate) error {
	for i, arg := range a.call.Args {
		if nested := hasAggregate(arg); nested {
			return &sql.Error{Code: "NESTED_AGGREGATION", Pos: a.call.Pos, Msg: "Cannot nest aggregations inside aggregation: " + a.call.Name}
		}
		if i > 0 && constantArgument(a.call, i) {
			continue
		}
		a.args = append(a.args, g.rows.add(arg))
	}
	if a.call.Filter != nil {
		a.filter = g.rows.add(a.call.Filter)
	}
	return nil
}

func hasAggregate(e sql.Expr) (found bool) {
	visit(e, func(x sql.Expr) { found = found || isAggregate(x) })
	return found
}

// constantArgument says whether argument i is one that DuckDB wants to be constant: a count or a percentile.
func constantArgument(call *sql.Call, i int) bool {
	switch call.Name {
	case "max_by", "min_by":
		return i == 2
	case "approx_percentile", "approx_distinct", "max", "min", "listagg":
		return i == 1
	}
	return false
}

// partials collects the columns of a state, each once.
type partials struct {
	all   []partial
	index map[string]int
}

// add returns the column that keeps a partial aggregate.
func (p *partials) add(name, first, merge string) string {
	if p.index == nil {
		p.index = map[string]int{}
	}
	if _, ok := p.index[name]; !ok {
		p.index[name] = len(p.all)
		p.all = append(p.all, partial{name, first, strings.ReplaceAll(merge, "$", quote(name))})
	}
	return quote(name)
}

// decompose makes partials of an aggregate and says how its result comes of them.
func (g *group) decompose(a *aggregate) error {
	p := &g.parts
	filter, suffix := "", ""
	if a.filter != "" {
		filter, suffix = " FILTER (WHERE "+quote(a.filter)+")", " where "+a.filter
	}
	var x, y string
	var t sql.Type
	if len(a.args) > 0 {
		x, t = quote(a.args[0]), g.cols[a.args[0]]
	}
	if len(a.args) > 1 {
		y = quote(a.args[1])
	}
	// of adds the partial fn(arg), whose text over the rows is first; the filter goes where that says.
	of := func(fn, first, merge string) string {
		return p.add(fn+"("+strings.Join(a.args, ", ")+")"+suffix, strings.Replace(first, filterHere, filter, 1), merge)
	}
	duck := a.typ.DuckDB()
	if a.call.Distinct && !idempotent[a.call.Name] {
		return g.distinct(a)
	}
	switch a.call.Name {
	case "count":
		if a.call.Star || len(a.args) == 0 {
			a.final = p.add("count(*)"+suffix, "count(*)"+filter, countMerge)
			return nil
		}
		a.final = of("count", "count("+x+")"+filterHere, countMerge)
	case "count_if":
		a.final = of("count_if", "CAST(coalesce(count_if("+x+")"+filterHere+", 0) AS BIGINT)", countMerge)
	case "sum":
		a.final = "CAST(" + g.sum(of, x, t) + " AS " + duck + ")"
	case "avg":
		sum, n := g.sum(of, x, t), of("count", "count("+x+")"+filterHere, countMerge)
		a.final = average(sum, n, a.typ)
	case "min", "max", "bool_and", "bool_or":
		if a.call.Name[0] == 'm' && len(a.call.Args) == 2 {
			return g.extremes(a, of, x, "")
		}
		a.final = of(a.call.Name, extreme(a.call.Name, x, t)+filterHere, extreme(a.call.Name, "$", t))
	case "every":
		a.final = of("bool_and", "bool_and("+x+")"+filterHere, "bool_and($)")
	case "bitwise_and_agg", "bitwise_or_agg":
		fn := map[string]string{"bitwise_and_agg": "bit_and", "bitwise_or_agg": "bit_or"}[a.call.Name]
		a.final = of(fn, fn+"("+x+")"+filterHere, fn+"($)")
	case "arbitrary", "any_value":
		// The least value rather than any: a batch that runs again gives the same.
		fn := "min"
		if t.Name == "map" || t.Name == "json" || !t.Known() {
			fn = "any_value"
		}
		a.final = of(fn, extreme(fn, x, t)+filterHere, extreme(fn, "$", t))
	case "max_by", "min_by":
		if len(a.call.Args) == 3 {
			return g.extremes(a, of, x, y)
		}
		fn := a.call.Name[:3]
		pair := fmt.Sprintf("%s({'y': %s, 'x': %s})", fn, ranked(y, g.cols[a.args[1]], 0), x)
		null := quote(a.args[1]) + " IS NOT NULL"
		if filter != "" {
			null += " AND " + quote(a.filter)
		}
		a.final = "struct_extract(" + p.add(a.call.Name+"("+strings.Join(a.args, ", ")+")"+suffix, pair+" FILTER (WHERE "+null+")", fn+"($)") + ", 'x')"
	case "geometric_mean":
		sum := of("sum_ln", "sum(ln(CAST("+x+" AS DOUBLE)))"+filterHere, "sum($)")
		n := of("count", "count("+x+")"+filterHere, countMerge)
		a.final = "exp(" + sum + " / nullif(" + n + ", 0))"
	case "stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop":
		name := "moments(" + a.args[0] + ")" + suffix
		a.final = variance(a.call.Name, p.add(name, moments(a.where(x)), momentsMerge))
	case "corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept":
		name := "comoments(" + strings.Join(a.args, ", ") + ")" + suffix
		a.final = covariance(a.call.Name, p.add(name, comoments(a.where(x), y), comomentsMerge))
	case "array_agg":
		return g.arrayAgg(a, of, x, y)
	case "set_agg":
		return g.distinct(a)
	case "histogram":
		g.histogram(a)
	case "approx_distinct":
		return g.cardinality(a)
	case "approx_percentile":
		return g.percentile(a)
	default:
		return unsupported("the aggregate %s", a.call.Name)
	}
	return nil
}

// idempotent are the aggregates to which DISTINCT makes no difference.
var idempotent = map[string]bool{"min": true, "max": true, "bool_and": true, "bool_or": true, "every": true, "arbitrary": true,
	"any_value": true, "approx_distinct": true, "bitwise_and_agg": true, "bitwise_or_agg": true}

// where is a column that is null where the filter does not hold.
func (a *aggregate) where(x string) string {
	if a.filter == "" {
		return x
	}
	return "CASE WHEN " + quote(a.filter) + " THEN " + x + " END"
}

// filterHere is where FILTER stands in the text of a partial aggregate.
const filterHere = "\x01"

const countMerge = "CAST(coalesce(sum($), 0) AS BIGINT)"

// sum adds the partial sum of x, of type t, in the type in which sums are kept.
func (g *group) sum(of func(fn, first, merge string) string, x string, t sql.Type) string {
	switch t.Name {
	case "tinyint", "smallint", "integer", "bigint":
		return of("sum", "CAST(sum("+x+")"+filterHere+" AS BIGINT)", "CAST(sum($) AS BIGINT)")
	case "decimal":
		to := fmt.Sprintf("DECIMAL(38,%d)", t.Scale)
		return of("sum", "CAST(sum("+x+")"+filterHere+" AS "+to+")", "CAST(sum($) AS "+to+")")
	case "", "unknown":
		return of("sum", "sum("+x+")"+filterHere, "sum($)")
	}
	return of("sum", "sum(CAST("+x+" AS DOUBLE))"+filterHere, "sum($)")
}

// average is sum by n in the type that Athena gives avg: of decimals rounded to their scale.
func average(sum, n string, t sql.Type) string {
	q := "CAST(" + sum + " AS DOUBLE) / nullif(" + n + ", 0)"
	if t.Name == "decimal" {
		return fmt.Sprintf("CAST(round(%s, %d) AS %s)", q, t.Scale, t.DuckDB())
	}
	if t.Name == "real" {
		return "CAST(" + q + " AS FLOAT)"
	}
	return q
}

// extremes is max(x, n), min(x, n), max_by(x, y, n) and min_by(x, y, n): lists of at most n. Of the latter, pairs of y and x are kept.
func (g *group) extremes(a *aggregate, of func(fn, first, merge string) string, x, y string) error {
	n, err := constantCount(a.call)
	if err != nil {
		return err
	}
	fn, direction := a.call.Name[:3], "DESC"
	if fn == "min" {
		direction = "ASC"
	}
	merge := fmt.Sprintf("list_slice(list_sort(flatten(list($) FILTER (WHERE $ IS NOT NULL)), '%s', 'NULLS LAST'), 1, %d)", direction, n)
	name := fmt.Sprintf("%s%d", a.call.Name, n)
	if y == "" {
		a.final = of(name, fmt.Sprintf("%s(%s, %d)", fn, x, n)+filterHere, merge)
		return nil
	}
	pairs := fmt.Sprintf("%s(CASE WHEN %s THEN {'y': %s, 'x': %s} END, %d)", fn, a.where(y+" IS NOT NULL"), y, x, n)
	a.final = "list_transform(" + of(name, pairs, merge) + ", lambda weir_p: struct_extract(weir_p, 'x'))"
	return nil
}

const extremesMax = 10_000

// constantCount is the last argument of a call that gives the n greatest or least.
func constantCount(call *sql.Call) (int, error) {
	last := call.Args[len(call.Args)-1]
	n := 0
	num, ok := last.(*sql.Number)
	if ok {
		var err error
		n, err = strconv.Atoi(num.Text)
		ok = err == nil && n > 0 && n <= extremesMax
	}
	if !ok {
		return 0, &sql.Error{Code: "INVALID_FUNCTION_ARGUMENT", Pos: last.Position(),
			Msg: fmt.Sprintf("argument %d of %s must be a number from 1 to %d", len(call.Args), call.Name, extremesMax)}
	}
	return n, nil
}

// arrayAgg keeps the values of a batch as a list. They are sorted, so that a batch that runs again gives the same.
func (g *group) arrayAgg(a *aggregate, of func(fn, first, merge string) string, x, y string) error {
	if len(a.call.OrderBy) > 0 {
		return unsupported("array_agg with ORDER BY")
	}
	null := ""
	if a.filter != "" {
		null = " FILTER (WHERE " + quote(a.filter) + ")"
	}
	col := g.parts.add("array_agg("+a.args[0]+")"+strings.Replace(null, " FILTER (WHERE ", " where (", 1), "list("+x+")"+null,
		"flatten(list($) FILTER (WHERE $ IS NOT NULL))")
	a.final = "nullif(list_sort(" + col + ", 'ASC', 'NULLS LAST'), [])"
	return nil
}
