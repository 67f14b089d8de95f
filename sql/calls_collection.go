package sql

import (
	"fmt"
	"strings"
)

func (a *analyzer) cardinalityCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 1, 1) {
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	bigint := Type{Name: "bigint"}
	switch t.Name {
	case "map":
		return &template{text: "CAST(cardinality($1) AS BIGINT)", args: []Expr{x}}, bigint
	case "array", "", "unknown":
		return &template{text: "len($1)", args: []Expr{x}}, bigint
	}
	a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s) for function cardinality", t)
	return c, Type{}
}

// elementAtCall yields NULL for what is not there; index 0 of an array is an error.
func (a *analyzer) elementAtCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 2) {
		return c, Type{}
	}
	xs, ts := a.exprs(c.Args, sc)
	switch t := ts[0]; {
	case t.Name == "array" && accepts('i', ts[1]):
		zero := a.raise("'INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1'")
		return &template{text: "CASE WHEN $2 = 0 THEN " + zero + " ELSE $1[$2] END", args: xs}, t.Args[0]
	case t.Name == "map" && comparable(t.Args[0], ts[1]):
		return &template{text: "$1[$2]", args: xs}, t.Args[1]
	case !t.Known():
		return &template{text: "$1[$2]", args: xs}, Type{}
	}
	a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s) for function element_at", typeList(ts))
	return c, Type{}
}

func (a *analyzer) lambdaArg(c *Call, i int) (*Lambda, bool) {
	l, ok := c.Args[i].(*Lambda)
	if !ok {
		a.failf("TYPE_MISMATCH", c.Args[i].Position(), "Expected a lambda as argument %d of %s", i+1, c.Name)
	}
	return l, ok
}

func (a *analyzer) transformCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 2) {
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	l, ok := a.lambdaArg(c, 1)
	if !ok {
		return c, Type{}
	}
	if !accepts('a', t) || len(l.Params) != 1 {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s, function) for function transform", t)
		return c, Type{}
	}
	var elem Type
	if t.Name == "array" {
		elem = t.Args[0]
	}
	body, bt := a.lambda(l, []Type{elem}, sc)
	out := Type{}
	if bt.Known() {
		out = Type{Name: "array", Args: []Type{bt}}
	}
	return &Call{Name: "list_transform", Args: []Expr{x, body}}, out
}

// reduceCall is reduce(array, initial, (s, x) -> …, s -> …).
func (a *analyzer) reduceCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 4, 4) {
		return c, Type{}
	}
	xs, ts := a.exprs(c.Args[:2], sc)
	step, ok := a.lambdaArg(c, 2)
	if !ok {
		return c, Type{}
	}
	last, ok := a.lambdaArg(c, 3)
	if !ok {
		return c, Type{}
	}
	if !accepts('a', ts[0]) || len(step.Params) != 2 {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s, function, function) for function reduce", typeList(ts))
		return c, Type{}
	}
	var elem Type
	if ts[0].Name == "array" {
		elem = ts[0].Args[0]
	}
	body, bt := a.lambda(step, []Type{ts[1], elem}, sc)
	state := commonType(ts[1], bt)
	initial := xs[1]
	if state.Known() && state.Name != "unknown" {
		initial = &template{text: "CAST($1 AS " + state.DuckDB() + ")", args: []Expr{initial}}
	}
	folded := &template{text: "list_reduce($1, $2, $3)", args: []Expr{xs[0], body, initial}}
	return a.substitute(last, []Expr{folded}, []Type{state}, sc)
}

// mapLambdaCall rewrites map_filter, transform_values and transform_keys over the entries of the map.
func (a *analyzer) mapLambdaCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 2) {
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	l, ok := a.lambdaArg(c, 1)
	if !ok {
		return c, Type{}
	}
	if t.Known() && t.Name != "map" {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s, function) for function %s", t, c.Name)
		return c, Type{}
	}
	kt, vt := Type{}, Type{}
	if t.Name == "map" {
		kt, vt = t.Args[0], t.Args[1]
	}
	a.lambdas++
	entry := fmt.Sprintf("weir_m%d", a.lambdas)
	key, value := &template{text: entry + ".key"}, &template{text: entry + ".value"}
	body, bt := a.substitute(l, []Expr{key, value}, []Type{kt, vt}, sc)
	args := []Expr{x, body}
	list := map[string]string{
		"map_filter":       "list_filter(map_entries($1), lambda E: $2)",
		"transform_values": "list_transform(map_entries($1), lambda E: {'k': E.key, 'v': $2})",
		"transform_keys":   "list_transform(map_entries($1), lambda E: {'k': $2, 'v': E.value})",
	}[c.Name]
	out := Type{}
	switch {
	case c.Name == "map_filter":
		out = t
	case c.Name == "transform_values" && kt.Known() && bt.Known():
		out = Type{Name: "map", Args: []Type{kt, bt}}
	case c.Name == "transform_keys" && vt.Known() && bt.Known():
		out = Type{Name: "map", Args: []Type{bt, vt}}
	}
	list = strings.NewReplacer("lambda E", "lambda "+entry, "E.", entry+".").Replace(list)
	return &template{text: "map_from_entries(" + list + ")", args: args}, out
}

// sequenceCall is sequence(a, b[, step]) over integers, dates and timestamps, both ends included.
func (a *analyzer) sequenceCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 3) {
		return c, Type{}
	}
	xs, ts := a.exprs(c.Args, sc)
	t := ts[0]
	switch {
	case accepts('i', t) && accepts('i', ts[1]):
		if len(xs) == 2 {
			return &template{text: "CASE WHEN $1 <= $2 THEN generate_series($1, $2) ELSE generate_series($1, $2, -1) END", args: xs},
				Type{Name: "array", Args: []Type{{Name: "bigint"}}}
		}
		return &Call{Name: "generate_series", Args: xs}, Type{Name: "array", Args: []Type{{Name: "bigint"}}}
	case t.family() == "datetime" && ts[1].family() == "datetime":
		step := "INTERVAL 1 DAY"
		if len(xs) == 3 {
			step = "$3"
		}
		text := "CAST(generate_series(CAST($1 AS TIMESTAMP), CAST($2 AS TIMESTAMP), " + step + ") AS " + t.DuckDB() + "[])"
		return &template{text: text, args: xs}, Type{Name: "array", Args: []Type{t}}
	}
	a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s) for function sequence", typeList(ts))
	return c, Type{}
}
