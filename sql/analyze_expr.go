package sql

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

var boolType = Type{Name: "boolean"}

// expr rewrites e for DuckDB and works out its type in Trino's terms; the zero Type is "not known".
func (a *analyzer) expr(e Expr, sc *scope) (Expr, Type) {
	if a.err != nil {
		return e, Type{}
	}
	switch e := e.(type) {
	case *Ident:
		return a.column(e, sc)
	case *Deref:
		return a.deref(e, sc)
	case *Null, *Bool, *Number, *String, *Binary, *Typed, *Interval:
		return a.literal(e)
	case *Param:
		return a.expr(a.param(e), sc)
	case *Unary:
		return a.unary(e, sc)
	case *Arith:
		return a.arith(e, sc)
	case *Logical:
		return a.logical(e, sc)
	case *Not:
		x, t := a.expr(e.X, sc)
		if t.Known() && t.Name != "boolean" && t.Name != "unknown" {
			a.failf("TYPE_MISMATCH", e.X.Position(), "Value of logical NOT expression must evaluate to a boolean (actual: %s)", t)
		}
		return &Not{X: x}, boolType
	case *Subscript:
		return a.subscript(e, sc)
	case *Case:
		return a.caseExpr(e, sc)
	case *Cast:
		return a.cast(e, sc)
	case *Call:
		return a.call(e, sc)
	case *Extract:
		return a.extract(e, sc)
	case *AtTimeZone:
		x, _ := a.expr(e.X, sc)
		zone, _ := a.expr(e.Zone, sc)
		return &template{text: "timezone($2, CAST($1 AS TIMESTAMPTZ))", args: []Expr{x, zone}}, Type{Name: "timestamp"}
	case *Array:
		return a.array(e, sc)
	case *Row:
		return a.row(e, sc)
	case *Subquery:
		q, cols, open := a.query(e.Query, sc)
		var t Type
		if !open && len(cols) == 1 {
			t = cols[0].Type
		} else if !open && a.err == nil {
			a.failf("NOT_SUPPORTED", e.Pos, "Subquery returns %d columns, expected 1", len(cols))
		}
		return &Subquery{Query: q}, t
	case *Exists:
		q, _, _ := a.query(e.Query, sc)
		return &Exists{Query: q}, boolType
	case *Lambda:
		a.failf("TYPE_MISMATCH", e.Pos, "Lambda expression is not allowed here")
		return e, Type{}
	}
	return a.predicate(e, sc)
}

func (a *analyzer) exprs(es []Expr, sc *scope) ([]Expr, []Type) {
	xs, ts := make([]Expr, len(es)), make([]Type, len(es))
	for i, e := range es {
		xs[i], ts[i] = a.expr(e, sc)
	}
	return xs, ts
}

func (a *analyzer) param(p *Param) Expr {
	if p.Index < len(a.opts.Params) {
		return a.opts.Params[p.Index]
	}
	a.failf("INVALID_PARAMETER_USAGE", p.Pos, "Incorrect number of parameters: expected more than %d but found %d", p.Index, len(a.opts.Params))
	return &Null{}
}

func (a *analyzer) deref(e *Deref, sc *scope) (Expr, Type) {
	if x, t, ok := a.qualified(e, sc); ok {
		return x, t
	}
	if c, ok := e.Base.(*Call); ok && c.Name == "window" && e.Field.Name == "start" {
		return a.windowStartOf(c, sc)
	}
	base, t := a.expr(e.Base, sc)
	x := &template{text: "struct_extract($1, " + quoteString(e.Field.Name) + ")", args: []Expr{base}}
	if !t.Known() {
		return x, Type{}
	}
	for i, f := range t.Fields {
		if f == e.Field.Name {
			return x, t.Args[i]
		}
	}
	if t.Name == "row" {
		a.failf("COLUMN_NOT_FOUND", e.Field.Pos, "Column '%s' cannot be resolved", PrintExpr(e))
	} else {
		a.failf("TYPE_MISMATCH", e.Pos, "Expression %s is not of type ROW", PrintExpr(e.Base))
	}
	return x, Type{}
}

func (a *analyzer) literal(e Expr) (Expr, Type) {
	switch e := e.(type) {
	case *Null:
		return e, Type{Name: "unknown"}
	case *Bool:
		return e, boolType
	case *Number:
		return e, a.numberType(e)
	case *String:
		return e, Type{Name: "varchar", Len: len([]rune(e.Value))}
	case *Binary:
		return e, Type{Name: "varbinary"}
	case *Typed:
		return e, e.Type
	}
	iv := e.(*Interval)
	text, typ, err := duckInterval(iv)
	if err != nil {
		a.failf("INVALID_LITERAL", iv.Pos, "'%s' is not a valid interval literal", iv.Text)
	}
	return &template{text: text}, typ
}

func (a *analyzer) numberType(n *Number) Type {
	switch {
	case strings.ContainsAny(n.Text, "eE"):
		return Type{Name: "double"}
	case strings.Contains(n.Text, "."):
		whole, frac, _ := strings.Cut(n.Text, ".")
		whole = strings.TrimLeft(whole, "0")
		if len(whole)+len(frac) > 38 {
			a.failf("INVALID_LITERAL", n.Pos, "Invalid decimal literal: %s", n.Text)
		}
		return Type{Name: "decimal", Len: max(len(whole)+len(frac), 1), Scale: len(frac)}
	}
	v, err := strconv.ParseInt(n.Text, 10, 64)
	switch {
	case err != nil:
		a.fail(&Error{Pos: n.Pos, Msg: "Invalid numeric literal: " + n.Text})
	case v > 1<<31-1:
		return Type{Name: "bigint"}
	}
	return Type{Name: "integer"}
}

// duckInterval writes an interval literal for DuckDB.
func duckInterval(iv *Interval) (string, Type, error) {
	sign := ""
	if iv.Negative {
		sign = "-"
	}
	typ := Type{Name: "interval day to second"}
	if iv.From == "YEAR" || iv.From == "MONTH" {
		typ = Type{Name: "interval year to month"}
	}
	text := strings.TrimSpace(iv.Text)
	if iv.To == "" {
		if _, ok := new(big.Float).SetString(text); !ok {
			return "", typ, fmt.Errorf("not a number")
		}
		return fmt.Sprintf("INTERVAL '%s%s' %s", sign, text, iv.From), typ, nil
	}
	if iv.From == "YEAR" && iv.To == "MONTH" {
		y, m, ok := strings.Cut(text, "-")
		if !ok || !digitsOnly(y) || !digitsOnly(m) {
			return "", typ, fmt.Errorf("not year-month")
		}
		return fmt.Sprintf("(INTERVAL '%s%s' YEAR + INTERVAL '%s%s' MONTH)", sign, y, sign, m), typ, nil
	}
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ':' })
	units := []string{"DAY", "HOUR", "MINUTE", "SECOND"}
	var out []string
	started := false
	for _, u := range units {
		if started = started || u == iv.From; !started {
			continue
		}
		if len(parts) == 0 || !digitsOnly(strings.Replace(parts[0], ".", "", 1)) {
			return "", typ, fmt.Errorf("too short")
		}
		out = append(out, fmt.Sprintf("INTERVAL '%s%s' %s", sign, parts[0], u))
		if parts = parts[1:]; u == iv.To {
			break
		}
	}
	if len(parts) > 0 || len(out) == 0 {
		return "", typ, fmt.Errorf("too long")
	}
	return "(" + strings.Join(out, " + ") + ")", typ, nil
}

func digitsOnly(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func (a *analyzer) unary(e *Unary, sc *scope) (Expr, Type) {
	x, t := a.expr(e.X, sc)
	switch {
	case !t.Known(), t.Name == "unknown", t.family() == "number", strings.HasPrefix(t.Name, "interval"):
	default:
		a.failf("TYPE_MISMATCH", e.Pos, "Cannot negate %s", t)
	}
	return &Unary{Op: e.Op, X: x}, t
}

func (a *analyzer) arith(e *Arith, sc *scope) (Expr, Type) {
	l, lt := a.expr(e.L, sc)
	r, rt := a.expr(e.R, sc)
	if a.err != nil {
		return e, Type{}
	}
	if e.Op == "||" {
		return a.concat(e, l, r, lt, rt)
	}
	known := lt.Known() && rt.Known()
	numbers := lt.family() == "number" && rt.family() == "number"
	switch {
	case !known || lt.Name == "unknown" || rt.Name == "unknown":
		return a.untypedArith(e.Op, l, r), commonType(lt, rt)
	case numbers:
		return a.numberArith(e.Op, l, r, lt, rt)
	}
	if x, t, ok := timeArith(e.Op, l, r, lt, rt); ok {
		return x, t
	}
	a.failf("TYPE_MISMATCH", e.Pos, "Cannot apply operator: %s %s %s", lt, e.Op, rt)
	return e, Type{}
}

func (a *analyzer) concat(e *Arith, l, r Expr, lt, rt Type) (Expr, Type) {
	x := &Arith{Op: "||", L: l, R: r}
	switch {
	case !lt.Known() || !rt.Known():
		return x, Type{}
	case lt.Name == "unknown" || rt.Name == "unknown":
		return &Null{}, commonType(lt, rt)
	case lt.Name == "array" && rt.Name == "array":
		return &template{text: "CASE WHEN $1 IS NOT NULL AND $2 IS NOT NULL THEN list_concat($1, $2) END", args: []Expr{l, r}}, lt
	case lt.Name == "array":
		return &template{text: "list_append($1, $2)", args: []Expr{l, r}}, lt
	case rt.Name == "array":
		return &template{text: "list_prepend($1, $2)", args: []Expr{l, r}}, rt
	case lt.family() == "text" && rt.family() == "text", lt.Name == "varbinary" && rt.Name == "varbinary":
		t := lt
		t.Name, t.Len = lt.Name, 0
		if lt.Len > 0 && rt.Len > 0 {
			t.Len = lt.Len + rt.Len
		}
		return x, t
	}
	a.failf("TYPE_MISMATCH", e.Pos, "Cannot apply operator: %s || %s", lt, rt)
	return e, Type{}
}

// raise is an expression that fails the query with a message (a SQL text) where it is reached; inside try() it is NULL.
func (a *analyzer) raise(message string) string {
	if a.trying > 0 {
		return "NULL"
	}
	return "error(" + message + ")"
}

const divisionByZero = "'DIVISION_BY_ZERO: Division by zero'"

// numberArith keeps integers integers: 7/2 is 3, and a division by zero fails unless it is a double's.
func (a *analyzer) numberArith(op string, l, r Expr, lt, rt Type) (Expr, Type) {
	t := commonType(lt, rt)
	if lt.Name == "decimal" || rt.Name == "decimal" {
		if t.Name == "decimal" {
			t = decimalResult(op, asDecimal(lt), asDecimal(rt))
		}
	}
	if op != "/" && op != "%" {
		return &Arith{Op: op, L: l, R: r}, t
	}
	args := []Expr{l, r}
	switch {
	case t.Name == "double" || t.Name == "real":
		if op == "%" {
			return &template{text: "fmod(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE))", args: args}, t
		}
		return &template{text: "CAST($1 AS " + t.DuckDB() + ") / CAST($2 AS " + t.DuckDB() + ")", args: args}, t
	case op == "%":
		return &template{text: a.guardZero(r, "$1 % $2"), args: args}, t
	case t.integral():
		return &template{text: a.guardZero(r, "$1 // $2"), args: args}, t
	}
	text := fmt.Sprintf("CAST(round(CAST($1 AS DOUBLE) / CAST($2 AS DOUBLE), %d) AS %s)", t.Scale, t.DuckDB())
	return &template{text: a.guardZero(r, text), args: args}, t
}

// guardZero lets the division fail when the divisor is zero, unless it is a constant that is not.
func (a *analyzer) guardZero(divisor Expr, division string) string {
	if n, ok := divisor.(*Number); ok && strings.Trim(n.Text, "0.") != "" {
		return division
	}
	return "CASE WHEN $2 = 0 THEN " + a.raise(divisionByZero) + " ELSE " + division + " END"
}

// untypedArith is used where a type is not known: the division looks at the types when it runs.
func (a *analyzer) untypedArith(op string, l, r Expr) Expr {
	if op != "/" {
		return &Arith{Op: op, L: l, R: r}
	}
	return &template{text: "CASE WHEN contains(typeof($1), 'INT') AND contains(typeof($2), 'INT') THEN CASE WHEN $2 = 0 THEN " +
		a.raise(divisionByZero) + " ELSE trunc($1 / $2) END ELSE $1 / $2 END", args: []Expr{l, r}}
}

func asDecimal(t Type) Type {
	digits := map[string]int{"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}[t.Name]
	if digits > 0 {
		return Type{Name: "decimal", Len: digits}
	}
	return t
}

// decimalResult follows Trino's rules for the precision and scale of a result.
func decimalResult(op string, l, r Type) Type {
	t := Type{Name: "decimal"}
	switch op {
	case "+", "-":
		t.Scale = max(l.Scale, r.Scale)
		t.Len = max(l.Len-l.Scale, r.Len-r.Scale) + t.Scale + 1
	case "*":
		t.Len, t.Scale = l.Len+r.Len, l.Scale+r.Scale
	case "/":
		t.Scale = max(l.Scale, r.Scale)
		t.Len = l.Len + r.Scale + max(0, r.Scale-l.Scale)
	case "%":
		t.Scale = max(l.Scale, r.Scale)
		t.Len = min(l.Len-l.Scale, r.Len-r.Scale) + t.Scale
	}
	t.Len = min(max(t.Len, 1), 38)
	t.Scale = min(t.Scale, t.Len)
	return t
}

// timeArith is dates and times plus and minus intervals and each other.
func timeArith(op string, l, r Expr, lt, rt Type) (Expr, Type, bool) {
	x := &Arith{Op: op, L: l, R: r}
	interval := func(t Type) bool { return strings.HasPrefix(t.Name, "interval") }
	keep := func(t Type) (Expr, Type, bool) {
		if t.Name == "date" {
			return &template{text: "CAST($1 AS DATE)", args: []Expr{x}}, t, true
		}
		return x, t, true
	}
	isTime := func(t Type) bool { return t.family() == "datetime" || t.Name == "time" }
	switch {
	case (op == "+" || op == "-") && isTime(lt) && interval(rt):
		return keep(lt)
	case op == "+" && interval(lt) && isTime(rt):
		return keep(rt)
	case op == "-" && lt.Name == "date" && rt.Name == "date":
		return &template{text: "to_days(CAST($1 - $2 AS INTEGER))", args: []Expr{l, r}}, Type{Name: "interval day to second"}, true
	case op == "-" && lt.family() == "datetime" && rt.family() == "datetime":
		return &template{text: "CAST($1 AS TIMESTAMP) - CAST($2 AS TIMESTAMP)", args: []Expr{l, r}}, Type{Name: "interval day to second"}, true
	case (op == "+" || op == "-") && interval(lt) && lt.Name == rt.Name:
		return x, lt, true
	case op == "*" && interval(lt) && rt.integral():
		return x, lt, true
	case op == "*" && lt.integral() && interval(rt):
		return x, rt, true
	}
	return nil, Type{}, false
}

func (a *analyzer) logical(e *Logical, sc *scope) (Expr, Type) {
	out := &Logical{Op: e.Op}
	for _, term := range e.Terms {
		x, t := a.expr(term, sc)
		if t.Known() && t.Name != "boolean" && t.Name != "unknown" {
			a.failf("TYPE_MISMATCH", term.Position(), "Logical expression term must evaluate to a boolean (actual: %s)", t)
		}
		out.Terms = append(out.Terms, x)
	}
	return out, boolType
}

func (a *analyzer) subscript(e *Subscript, sc *scope) (Expr, Type) {
	x, t := a.expr(e.X, sc)
	i, it := a.expr(e.Index, sc)
	args := []Expr{x, i}
	switch t.Name {
	case "array":
		if it.Known() && !it.integral() {
			a.failf("TYPE_MISMATCH", e.Pos, "Cannot use %s for subscript of %s", it, t)
		}
		if n, ok := e.Index.(*Number); ok && n.Text == "0" {
			a.failf("INVALID_FUNCTION_ARGUMENT", e.Pos, "SQL array indices start at 1")
		}
		outside := a.raiseRow("'INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length'")
		return &template{text: "CASE WHEN $2 < 1 OR $2 > len($1) THEN " + outside + " ELSE $1[$2] END", args: args}, t.Args[0]
	case "map":
		if !comparable(it, t.Args[0]) {
			a.failf("TYPE_MISMATCH", e.Pos, "Cannot use %s for subscript of %s", it, t)
		}
		missing := a.raiseRow("'INVALID_FUNCTION_ARGUMENT: Key not present in map'")
		return &template{text: "CASE WHEN NOT map_contains($1, $2) THEN " + missing + " ELSE $1[$2] END", args: args}, t.Args[1]
	case "row":
		if n, ok := e.Index.(*Number); ok {
			if k, err := strconv.Atoi(n.Text); err == nil && k >= 1 && k <= len(t.Args) {
				return &template{text: fmt.Sprintf("struct_extract($1, %s)", fieldKey(t.Fields[k-1], k-1)), args: args}, t.Args[k-1]
			}
		}
	case "":
		return &template{text: "$1[$2]", args: args}, Type{}
	}
	a.failf("TYPE_MISMATCH", e.Pos, "Cannot use %s for subscript of %s", it, t)
	return e, Type{}
}

// raiseRow is raise, but in pipelines NULL.
func (a *analyzer) raiseRow(message string) string {
	if a.opts.Windows {
		return "NULL"
	}
	return a.raise(message)
}

func (a *analyzer) caseExpr(e *Case, sc *scope) (Expr, Type) {
	out := &Case{}
	var operand Type
	if e.Operand != nil {
		out.Operand, operand = a.expr(e.Operand, sc)
	}
	result := Type{Name: "unknown"}
	known := true
	merge := func(at Expr, t Type) {
		if !comparable(result, t) {
			a.failf("TYPE_MISMATCH", at.Position(), "All CASE results must be the same type or coercible to a common type. "+
				"Cannot find common type between %s and %s", result, t)
		}
		if known = known && t.Known(); known {
			result = commonType(result, t)
		}
	}
	for _, w := range e.Whens {
		cond, ct := a.expr(w.Cond, sc)
		switch {
		case e.Operand != nil && !comparable(operand, ct):
			a.failf("TYPE_MISMATCH", w.Cond.Position(), "CASE operand type does not match WHEN clause operand type: %s vs %s", operand, ct)
		case e.Operand == nil && !comparable(ct, boolType):
			a.failf("TYPE_MISMATCH", w.Cond.Position(), "CASE WHEN clause must evaluate to a boolean (actual: %s)", ct)
		}
		then, tt := a.expr(w.Then, sc)
		merge(w.Then, tt)
		out.Whens = append(out.Whens, When{cond, then})
	}
	if e.Else != nil {
		x, t := a.expr(e.Else, sc)
		out.Else = x
		merge(e.Else, t)
	}
	if !known {
		result = Type{}
	}
	return out, result
}

func (a *analyzer) array(e *Array, sc *scope) (Expr, Type) {
	xs, ts := a.exprs(e.Elems, sc)
	elem, known := Type{Name: "unknown"}, true
	for i, t := range ts {
		if !comparable(elem, t) {
			a.failf("TYPE_MISMATCH", e.Elems[i].Position(), "All ARRAY elements must be the same type or coercible to a common type. "+
				"Cannot find common type between %s and %s", elem, t)
		}
		if known = known && t.Known(); known {
			elem = commonType(elem, t)
		}
	}
	if !known {
		return &Array{Elems: xs}, Type{}
	}
	return &Array{Elems: xs}, Type{Name: "array", Args: []Type{elem}}
}

func (a *analyzer) row(e *Row, sc *scope) (Expr, Type) {
	xs, ts := a.exprs(e.Elems, sc)
	t := Type{Name: "row", Args: ts, Fields: make([]string, len(ts))}
	for _, arg := range ts {
		if !arg.Known() {
			t = Type{}
			break
		}
	}
	return &Row{Elems: xs}, t
}
