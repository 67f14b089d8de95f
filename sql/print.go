package sql

import (
	"fmt"
	"strings"
)

// maxPrinted bounds the printed text: a rewriting that repeats its argument could otherwise grow without end.
const maxPrinted = 8 << 20

// printer writes an AST as text: as Trino's own SQL, or, after analysis, as DuckDB's.
type printer struct {
	strings.Builder
	duck bool
}

// template is an expression that analysis put in place of another: DuckDB text in which $1, $2 … stand for args.
type template struct {
	node
	text string
	args []Expr
}

func (p *printer) put(parts ...string) {
	if p.Len() > maxPrinted {
		return
	}
	for _, s := range parts {
		p.WriteString(s)
	}
}

// each prints items with sep between them.
func each[T any](p *printer, items []T, sep string, print func(T)) {
	for i, it := range items {
		if i > 0 {
			p.put(sep)
		}
		print(it)
	}
}

// quoteIdent quotes a name for Trino, quoteIfNeeded only if it must, duckIdent for DuckDB.
func quoteIdent(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func duckIdent(s string) string  { return quoteIdent(s) }

func quoteIfNeeded(s string) string {
	if s == "" || reserved[strings.ToUpper(s)] || isDigit(s[0]) {
		return quoteIdent(s)
	}
	for _, r := range s {
		if !(r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9') {
			return quoteIdent(s)
		}
	}
	return s
}

func quoteString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (p *printer) ident(id Ident) {
	if p.duck {
		p.put(duckIdent(id.Name))
		return
	}
	p.put(quoteIdent(id.Name))
}

func (p *printer) name(n Name) {
	each(p, n.Parts, ".", func(s string) { p.ident(Ident{Name: s}) })
}

// Precedence levels, from loosest to tightest.
const (
	precOr = iota + 1
	precAnd
	precNot
	precPredicate
	precConcat
	precAdd
	precMul
	precUnary
	precZone
	precPrimary
)

func precedence(e Expr) int {
	switch e := e.(type) {
	case *Logical:
		if e.Op == "OR" {
			return precOr
		}
		return precAnd
	case *Not:
		return precNot
	case *Compare, *Quantified, *Between, *In, *Like, *IsNull:
		return precPredicate
	case *Arith:
		switch e.Op {
		case "||":
			return precConcat
		case "+", "-":
			return precAdd
		}
		return precMul
	case *Unary:
		return precUnary
	case *AtTimeZone:
		return precZone
	case *Lambda:
		return 0
	}
	return precPrimary
}

// expr prints e, in parentheses if it binds looser than min.
func (p *printer) expr(e Expr, min int) {
	if p.Len() > maxPrinted {
		return
	}
	if precedence(e) < min {
		p.put("(")
		p.bare(e)
		p.put(")")
		return
	}
	p.bare(e)
}

func (p *printer) any(e Expr) { p.expr(e, 0) }

func (p *printer) bare(e Expr) {
	switch e := e.(type) {
	case *Ident:
		p.ident(*e)
	case *Deref:
		if _, ok := e.Base.(*Number); ok { // 0.a would be read as a number
			p.put("(")
			p.bare(e.Base)
			p.put(")")
		} else {
			p.expr(e.Base, precPrimary)
		}
		p.put(".")
		p.ident(e.Field)
	case *Logical:
		each(p, e.Terms, " "+e.Op+" ", func(x Expr) { p.expr(x, precedence(e)+1) })
	case *Not:
		p.put("NOT ")
		p.expr(e.X, precNot)
	case *Unary:
		p.put(e.Op)
		p.expr(e.X, precUnary+1)
	case *Arith:
		p.arith(e)
	case *AtTimeZone:
		p.expr(e.X, precZone)
		p.put(" AT TIME ZONE ")
		p.expr(e.Zone, precPrimary)
	case *Subscript:
		p.expr(e.X, precPrimary)
		p.put("[")
		p.any(e.Index)
		p.put("]")
	case *Lambda:
		p.lambda(e)
	case *Case:
		p.caseExpr(e)
	case *Call:
		p.call(e)
	case *template:
		p.template(e)
	case *Exists:
		p.put("EXISTS (")
		p.query(e.Query)
		p.put(")")
	case *Subquery:
		p.put("(")
		p.query(e.Query)
		p.put(")")
	default:
		if !p.predicate(e) {
			p.literal(e)
		}
	}
}

func (p *printer) arith(e *Arith) {
	level := precedence(e)
	left, right := level, level+1
	if p.duck { // DuckDB ranks || otherwise: parentheses around every other level
		if l, ok := e.L.(*Arith); ok && precedence(l) != level {
			left = precPrimary
		}
		if _, ok := e.R.(*Arith); ok {
			right = precPrimary
		}
	}
	p.expr(e.L, left)
	p.put(" ", e.Op, " ")
	p.expr(e.R, right)
}

// predicate prints comparisons and their kin; false if e is none.
func (p *printer) predicate(e Expr) bool {
	not := func(negated bool) string {
		if negated {
			return " NOT"
		}
		return ""
	}
	switch e := e.(type) {
	case *Compare:
		p.expr(e.L, precConcat)
		p.put(" ", e.Op, " ")
		p.expr(e.R, precConcat)
	case *Quantified:
		p.expr(e.L, precConcat)
		p.put(" ", e.Op, " ", e.Quantifier, " (")
		p.query(e.Query)
		p.put(")")
	case *Between:
		p.expr(e.X, precConcat)
		p.put(not(e.Negated), " BETWEEN ")
		p.expr(e.Low, precConcat)
		p.put(" AND ")
		p.expr(e.High, precConcat)
	case *In:
		p.expr(e.X, precConcat)
		p.put(not(e.Negated), " IN (")
		if e.Query != nil {
			p.query(e.Query)
		} else {
			each(p, e.List, ", ", p.any)
		}
		p.put(")")
	case *Like:
		p.expr(e.X, precConcat)
		p.put(not(e.Negated), " LIKE ")
		p.expr(e.Pattern, precConcat)
		if e.Escape != nil {
			p.put(" ESCAPE ")
			p.expr(e.Escape, precConcat)
		}
	case *IsNull:
		p.expr(e.X, precConcat)
		p.put(" IS", not(e.Negated), " NULL")
	default:
		return false
	}
	return true
}

func (p *printer) literal(e Expr) {
	switch e := e.(type) {
	case *Null:
		p.put("NULL")
	case *Bool:
		p.put(strings.ToUpper(fmt.Sprint(e.Value)))
	case *Number:
		p.put(e.Text)
	case *String:
		p.put(quoteString(e.Value))
	case *Binary:
		if p.duck {
			p.put("unhex('", e.Hex, "')")
			return
		}
		p.put("X'", e.Hex, "'")
	case *Typed:
		p.typed(e)
	case *Interval:
		p.interval(e)
	case *Param:
		p.put("?")
	case *Array:
		if p.duck {
			p.put("[")
		} else {
			p.put("ARRAY[")
		}
		each(p, e.Elems, ", ", p.any)
		p.put("]")
	case *Row:
		p.put("ROW(")
		each(p, e.Elems, ", ", p.any)
		p.put(")")
	case *Cast:
		if e.Try {
			p.put("TRY_")
		}
		p.put("CAST(")
		p.any(e.X)
		p.put(" AS ", p.typeName(e.Type), ")")
	case *Extract:
		p.put("EXTRACT(", e.Field, " FROM ")
		p.expr(e.X, precConcat)
		p.put(")")
	}
}

func (p *printer) typeName(t Type) string {
	if p.duck {
		return t.DuckDB()
	}
	return t.String()
}

func (p *printer) typed(e *Typed) {
	switch {
	case p.duck:
		p.put("CAST(", quoteString(e.Text), " AS ", e.Type.DuckDB(), ")")
	case e.Type.Name == "timestamp with time zone":
		p.put("TIMESTAMP ", quoteString(e.Text))
	case e.Type.Name == "timestamp", e.Type.Name == "time", e.Type.Name == "decimal":
		p.put(strings.ToUpper(e.Type.Name), " ", quoteString(e.Text))
	default:
		p.put(strings.ToUpper(e.Type.Name), " ", quoteString(e.Text))
	}
}

func (p *printer) interval(e *Interval) {
	p.put("INTERVAL ")
	if e.Negative {
		p.put("-")
	}
	p.put(quoteString(e.Text), " ", e.From)
	if e.To != "" {
		p.put(" TO ", e.To)
	}
}

func (p *printer) lambda(e *Lambda) {
	if p.duck {
		p.put("lambda ")
		each(p, e.Params, ", ", p.ident)
		p.put(": ")
		p.any(e.Body)
		return
	}
	p.put("(")
	each(p, e.Params, ", ", p.ident)
	p.put(") -> ")
	p.any(e.Body)
}

func (p *printer) caseExpr(e *Case) {
	p.put("CASE ")
	if e.Operand != nil {
		p.any(e.Operand)
		p.put(" ")
	}
	for _, w := range e.Whens {
		p.put("WHEN ")
		p.any(w.Cond)
		p.put(" THEN ")
		p.any(w.Then)
		p.put(" ")
	}
	if e.Else != nil {
		p.put("ELSE ")
		p.any(e.Else)
		p.put(" ")
	}
	p.put("END")
}

// template prints DuckDB text with its arguments; {…} marks the aggregate inside, which callTail has filled already.
func (p *printer) template(e *template) {
	p.put("(")
	rest := e.text
	for {
		i := strings.IndexByte(rest, '$')
		if i < 0 || i+1 >= len(rest) {
			break
		}
		p.put(rest[:i])
		if n := int(rest[i+1] - '0'); n >= 1 && n <= len(e.args) {
			p.templateArg(e.args[n-1])
			rest = rest[i+2:]
			continue
		}
		if rest[i+1] == '*' {
			each(p, e.args, ", ", p.any)
			rest = rest[i+2:]
			continue
		}
		p.put("$")
		rest = rest[i+1:]
	}
	p.put(rest, ")")
}

// templateArg keeps an argument together; a lambda may not stand in parentheses.
func (p *printer) templateArg(e Expr) {
	if l, ok := e.(*Lambda); ok {
		p.lambda(l)
		return
	}
	p.expr(e, precPrimary)
}

// call prints a function with its modifiers.
func (p *printer) call(c *Call) {
	if c.NoParens {
		p.put(strings.ToUpper(c.Name))
		return
	}
	name := c.Name
	if !p.duck && c.Name == "substring" {
		name = "substr"
	}
	p.put(name, "(")
	if c.Star {
		p.put("*")
	}
	if c.Distinct {
		p.put("DISTINCT ")
	}
	each(p, c.Args, ", ", p.any)
	if len(c.OrderBy) > 0 {
		if len(c.Args) > 0 {
			p.put(" ")
		}
		p.orderBy(c.OrderBy)
	}
	if c.IgnoreNulls && p.duck {
		p.put(" IGNORE NULLS")
	}
	p.put(")")
	p.callTail(c)
}

func (p *printer) callTail(c *Call) {
	if c.Filter != nil {
		p.put(" FILTER (WHERE ")
		p.any(c.Filter)
		p.put(")")
	}
	if c.IgnoreNulls && !p.duck {
		p.put(" IGNORE NULLS")
	}
	if c.Over == nil {
		return
	}
	p.put(" OVER ")
	if w := c.Over; w.Base != nil && w.PartitionBy == nil && w.OrderBy == nil && w.Frame == nil {
		p.ident(*w.Base)
		return
	}
	p.window(*c.Over)
}

func (p *printer) window(w Window) {
	p.put("(")
	var parts []func()
	if w.Base != nil {
		parts = append(parts, func() { p.ident(*w.Base) })
	}
	if len(w.PartitionBy) > 0 {
		parts = append(parts, func() { p.put("PARTITION BY "); each(p, w.PartitionBy, ", ", p.any) })
	}
	if len(w.OrderBy) > 0 {
		parts = append(parts, func() { p.orderBy(w.OrderBy) })
	}
	if w.Frame != nil {
		parts = append(parts, func() { p.frame(w.Frame) })
	}
	each(p, parts, " ", func(f func()) { f() })
	p.put(")")
}

func (p *printer) frame(f *Frame) {
	bound := func(b Bound) {
		if b.X != nil {
			p.expr(b.X, precConcat)
			p.put(" ")
		}
		p.put(b.Kind)
	}
	p.put(f.Unit, " ")
	if f.End == nil {
		bound(f.Start)
		return
	}
	p.put("BETWEEN ")
	bound(f.Start)
	p.put(" AND ")
	bound(*f.End)
}

// orderBy prints ORDER BY; nulls come last unless said otherwise, in either direction.
func (p *printer) orderBy(items []SortItem) {
	p.put("ORDER BY ")
	each(p, items, ", ", func(s SortItem) {
		p.any(s.X)
		if s.Desc {
			p.put(" DESC")
		}
		switch {
		case s.Nulls != "":
			p.put(" NULLS ", s.Nulls)
		case p.duck:
			p.put(" NULLS LAST")
		}
	})
}
