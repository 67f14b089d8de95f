package sql

import (
	"fmt"
	"strings"
)

// call rewrites a function call. A function that Athena does not have, or that is not supported yet, is an error: the
// engine's own functions are never reached by name.
func (a *analyzer) call(c *Call, sc *scope) (Expr, Type) {
	if c.NoParens {
		return a.now(c)
	}
	if rewrite := special(c.Name); rewrite != nil {
		if c.Over != nil || c.Distinct || c.Filter != nil || c.Star || len(c.OrderBy) > 0 {
			a.failf("FUNCTION_NOT_AGGREGATE", c.Pos, "'%s' is not an aggregate function", c.Name)
			return c, Type{}
		}
		return rewrite(a, c, sc)
	}
	f, found, fits := lookup(c.Name, len(c.Args))
	if !found {
		a.notRegistered(c)
		return c, Type{}
	}
	args, types := a.args(c, f, sc)
	if a.err != nil {
		return c, Type{}
	}
	if !fits || !acceptsAll(f, types) || c.Star && c.Name != "count" {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s) for function %s", typeList(types), c.Name)
		return c, Type{}
	}
	result := resultType(f.result, types)
	if !f.agg {
		if c.Over != nil || c.Distinct || c.Filter != nil || len(c.OrderBy) > 0 {
			a.failf("FUNCTION_NOT_AGGREGATE", c.Pos, "'%s' is not an aggregate function", c.Name)
		}
		return plainCall(c.Name, f, args), result
	}
	if f.window && c.Over == nil {
		a.failf("MISSING_OVER", c.Pos, "Window function %s requires an OVER clause", c.Name)
	}
	return a.aggregate(c, f, args, sc), result
}

func typeList(ts []Type) string {
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

func acceptsAll(f function, types []Type) bool {
	for i, t := range types {
		if i >= len(f.params) && !f.variadic || len(f.params) == 0 {
			return false
		}
		if !accepts(f.params[min(i, len(f.params)-1)], t) {
			return false
		}
	}
	return true
}

// args rewrites the arguments; a lambda gets the element type of the array before it.
func (a *analyzer) args(c *Call, f function, sc *scope) ([]Expr, []Type) {
	xs, ts := make([]Expr, len(c.Args)), make([]Type, len(c.Args))
	for i, e := range c.Args {
		l, ok := e.(*Lambda)
		if !ok || i >= len(f.params) || f.params[i] != 'f' {
			xs[i], ts[i] = a.expr(e, sc)
			continue
		}
		var elem Type
		if i > 0 && ts[i-1].Name == "array" {
			elem = ts[i-1].Args[0]
		}
		if len(l.Params) != 1 {
			a.failf("INVALID_PARAMETER_USAGE", l.Pos, "Expected a lambda that takes 1 argument(s) but got %d", len(l.Params))
			return xs, ts
		}
		xs[i], _ = a.lambda(l, []Type{elem}, sc)
		ts[i] = Type{Name: "function"}
	}
	return xs, ts
}

// lambda rewrites a lambda; its parameters get names of their own, which no column has.
func (a *analyzer) lambda(l *Lambda, types []Type, sc *scope) (*Lambda, Type) {
	inner := &scope{parent: sc, vars: map[string]Expr{}, types: map[string]Type{}}
	out := &Lambda{}
	for i, p := range l.Params {
		a.lambdas++
		id := Ident{Name: fmt.Sprintf("weir_v%d", a.lambdas)}
		out.Params = append(out.Params, id)
		inner.vars[p.Name] = &id
		if i < len(types) {
			inner.types[p.Name] = types[i]
		}
	}
	var t Type
	out.Body, t = a.expr(l.Body, inner)
	return out, t
}

// substitute rewrites the body of a lambda with its parameters replaced by expressions.
func (a *analyzer) substitute(l *Lambda, values []Expr, types []Type, sc *scope) (Expr, Type) {
	inner := &scope{parent: sc, vars: map[string]Expr{}, types: map[string]Type{}}
	if len(l.Params) != len(values) {
		a.failf("INVALID_PARAMETER_USAGE", l.Pos, "Expected a lambda that takes %d argument(s) but got %d", len(values), len(l.Params))
		return l, Type{}
	}
	for i, p := range l.Params {
		inner.vars[p.Name], inner.types[p.Name] = values[i], types[i]
	}
	return a.expr(l.Body, inner)
}

func plainCall(name string, f function, args []Expr) Expr {
	if f.duck == "" {
		return &Call{Name: name, Args: args}
	}
	return &template{text: f.duck, args: args}
}

// aggregate rewrites an aggregate or window function with its DISTINCT, ORDER BY, FILTER and OVER.
func (a *analyzer) aggregate(c *Call, f function, args []Expr, sc *scope) Expr {
	out := &Call{Name: c.Name, Args: args, Star: c.Star, Distinct: c.Distinct, IgnoreNulls: c.IgnoreNulls}
	out.OrderBy = a.orderBy(c.OrderBy, sc, nil)
	if c.Filter != nil {
		out.Filter = a.condition(c.Filter, sc, "FILTER clause")
	}
	if c.Over != nil {
		w := a.window(*c.Over, sc)
		out.Over = &w
	}
	before, call, after := cutBraces(f.duck)
	if call == "" {
		return out
	}
	name, rest, _ := strings.Cut(call, "(")
	out.Name, out.Args = name, splitArgs(strings.TrimSuffix(rest, ")"), args)
	if before == "" && after == "" {
		return out
	}
	return &template{text: before + "$1" + after, args: []Expr{out}}
}

// cutBraces splits "CAST({count($1)} AS BIGINT)" into what stands before, in and after the braces.
func cutBraces(s string) (before, call, after string) {
	before, rest, ok := strings.Cut(s, "{")
	if !ok {
		return "", "", ""
	}
	// An inner literal such as {list({'k': $1})} has braces of its own; the last one closes.
	i := strings.LastIndexByte(rest, '}')
	return before, rest[:i], rest[i+1:]
}

// splitArgs makes the arguments of an aggregate from its template: "$1, $2", or one that is an expression of them.
func splitArgs(text string, args []Expr) []Expr {
	switch text {
	case "$1":
		return args[:1]
	case "$1, $2", "$1, $2, $3":
		return args
	}
	if x, ok := strings.CutPrefix(text, "$1, "); ok {
		return []Expr{args[0], &template{text: x}}
	}
	return []Expr{&template{text: text, args: args}}
}

func (a *analyzer) window(w Window, sc *scope) Window {
	out := Window{Base: w.Base}
	for _, e := range w.PartitionBy {
		x, _ := a.expr(e, sc)
		out.PartitionBy = append(out.PartitionBy, x)
	}
	for _, s := range w.OrderBy {
		x, _ := a.expr(s.X, sc)
		out.OrderBy = append(out.OrderBy, SortItem{x, s.Desc, s.Nulls})
	}
	if w.Frame != nil {
		f := *w.Frame
		f.Start.X = a.boundExpr(f.Start.X, sc)
		if f.End != nil {
			end := Bound{f.End.Kind, a.boundExpr(f.End.X, sc)}
			f.End = &end
		}
		out.Frame = &f
	}
	return out
}

func (a *analyzer) boundExpr(e Expr, sc *scope) Expr {
	if e == nil {
		return nil
	}
	x, _ := a.expr(e, sc)
	return x
}

// now is CURRENT_DATE and its like, and now(): the time at which the query started.
func (a *analyzer) now(c *Call) (Expr, Type) {
	at := func(layout string) string { return quoteString(a.opts.Now.UTC().Format(layout)) }
	pick := func(fixed, clock string, t string) (Expr, Type) {
		if a.opts.Now.IsZero() {
			fixed = clock
		}
		if a.opts.Now.IsZero() && a.opts.Clock != "" {
			fixed = "CAST(" + a.opts.Clock + " AS " + Type{Name: t}.DuckDB() + ")"
		}
		return &template{text: fixed}, Type{Name: t}
	}
	switch c.Name {
	case "current_date":
		return pick("DATE "+at("2006-01-02"), "current_date", "date")
	case "current_timestamp", "now":
		return pick("TIMESTAMPTZ "+at("2006-01-02 15:04:05.000+00"), "now()", "timestamp with time zone")
	case "localtimestamp":
		return pick("TIMESTAMP "+at("2006-01-02 15:04:05.000"), "CAST(now() AS TIMESTAMP)", "timestamp")
	case "current_time", "localtime":
		return pick("TIME "+at("15:04:05.000"), "CAST(now() AS TIME)", "time")
	}
	a.failf("NOT_SUPPORTED", c.Pos, "%s is not supported", strings.ToUpper(c.Name))
	return c, Type{}
}

// special returns what rewrites a function that a template cannot express, or nil.
func special(name string) func(*analyzer, *Call, *scope) (Expr, Type) {
	switch name {
	case "now":
		return func(a *analyzer, c *Call, _ *scope) (Expr, Type) { return a.now(c) }
	case "typeof":
		return (*analyzer).typeofCall
	case "window":
		return (*analyzer).windowCall
	case "session_window":
		return (*analyzer).sessionWindowCall
	case "window_time":
		return (*analyzer).windowTimeCall
	case "if", "coalesce", "try", "greatest", "least", "mod":
		return (*analyzer).conditionalCall
	case "concat":
		return (*analyzer).concatCall
	case "reverse":
		return (*analyzer).reverseCall
	case "substr", "substring":
		return (*analyzer).substrCall
	case "regexp_replace":
		return (*analyzer).regexpReplaceCall
	case "json_extract", "json_extract_scalar", "json_size":
		return (*analyzer).jsonCall
	case "date_parse", "parse_datetime":
		return (*analyzer).parseTimeCall
	case "date_format", "format_datetime":
		return (*analyzer).formatTimeCall
	case "date_trunc":
		return (*analyzer).dateTruncCall
	case "date_add", "date_diff":
		return (*analyzer).dateUnitCall
	case "to_iso8601":
		return (*analyzer).isoCall
	case "cardinality":
		return (*analyzer).cardinalityCall
	case "element_at":
		return (*analyzer).elementAtCall
	case "transform":
		return (*analyzer).transformCall
	case "reduce":
		return (*analyzer).reduceCall
	case "map_filter", "transform_values", "transform_keys":
		return (*analyzer).mapLambdaCall
	case "sequence":
		return (*analyzer).sequenceCall
	}
	return nil
}

func (a *analyzer) typeofCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 1, 1) {
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	if t.Known() {
		return &String{Value: t.String()}, Type{Name: "varchar"}
	}
	return &template{text: "lower(typeof($1))", args: []Expr{x}}, Type{Name: "varchar"}
}

// arity checks the number of arguments of a special function.
func (a *analyzer) arity(c *Call, low, high int) bool {
	if n := len(c.Args); n >= low && n <= high {
		return true
	}
	a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected number of parameters (%d) for function %s", len(c.Args), c.Name)
	return false
}

// constText is the value of a string literal argument; what needs one at that place cannot be computed per row.
func (a *analyzer) constText(c *Call, i int) (string, bool) {
	e := c.Args[i]
	if p, ok := e.(*Param); ok {
		e = a.param(p)
	}
	if s, ok := e.(*String); ok {
		return s.Value, true
	}
	a.failf("NOT_SUPPORTED", c.Args[i].Position(), "argument %d of %s must be a string literal", i+1, c.Name)
	return "", false
}
