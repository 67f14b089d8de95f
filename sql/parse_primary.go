package sql

import (
	"encoding/hex"
	"strings"
)

// primary reads literals, names, calls, CASE, CAST and what stands in parentheses.
func (p *parser) primary() (Expr, error) {
	t := p.cur()
	switch t.Kind {
	case tokInteger, tokDecimal, tokDouble:
		p.at++
		return &Number{node{t.Pos}, t.Text}, nil
	case tokString:
		p.at++
		return &String{node{t.Pos}, t.Text}, nil
	case tokBinary:
		p.at++
		h := strings.Join(strings.Fields(t.Text), "")
		if _, err := hex.DecodeString(h); err != nil {
			return nil, syntaxError(t.Pos, "Binary literal must contain an even number of hexadecimal digits")
		}
		return &Binary{node{t.Pos}, h}, nil
	case tokOp:
		return p.primaryOp(t)
	case tokIdent:
		if x, ok, err := p.special(t); ok || err != nil {
			return x, err
		}
	}
	return p.nameOrCall(t)
}

func (p *parser) primaryOp(t token) (Expr, error) {
	switch {
	case p.op("?"):
		return p.param(t.Pos), nil
	case t.isOp("(") && p.lambdaNext():
		return p.lambda(t.Pos)
	case t.isOp("(") && p.queryNext(1):
		q, err := p.parenQuery()
		return &Subquery{node{t.Pos}, q}, err
	case p.op("("):
		items, err := list(p, p.expr)
		if err != nil {
			return nil, err
		}
		if err := p.expectOp(")"); err != nil {
			return nil, err
		}
		if len(items) == 1 {
			return items[0], nil
		}
		return &Row{node{t.Pos}, items}, nil
	}
	return nil, p.mismatch("<expression>")
}

// lambdaNext says whether "(a, b) ->" or "() ->" follows.
func (p *parser) lambdaNext() bool {
	i := 1
	for !p.look(i).isOp(")") {
		if !p.isName(p.look(i)) {
			return false
		}
		if i++; p.look(i).isOp(",") {
			i++
		}
	}
	return p.look(i + 1).isOp("->")
}

func (p *parser) lambda(at Pos) (Expr, error) {
	l := &Lambda{node: node{at}}
	var err error
	if p.op("(") {
		if !p.cur().isOp(")") {
			if l.Params, err = list(p, p.ident); err != nil {
				return nil, err
			}
		}
		if err := p.expectOp(")"); err != nil {
			return nil, err
		}
	} else {
		id, err := p.ident()
		if err != nil {
			return nil, err
		}
		l.Params = []Ident{id}
	}
	if err := p.expectOp("->"); err != nil {
		return nil, err
	}
	l.Body, err = p.expr()
	return l, err
}

// special reads what starts with a word of its own syntax; ok is false if t starts none.
func (p *parser) special(t token) (x Expr, ok bool, err error) {
	next := p.look(1)
	switch t.Upper {
	case "NULL":
		p.at++
		return &Null{node{t.Pos}}, true, nil
	case "TRUE", "FALSE":
		p.at++
		return &Bool{node{t.Pos}, t.Upper == "TRUE"}, true, nil
	case "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "CURRENT_USER",
		"CURRENT_CATALOG", "CURRENT_SCHEMA":
		p.at++
		c := &Call{node: node{t.Pos}, Name: strings.ToLower(t.Text), NoParens: true}
		if p.cur().isOp("(") && p.look(1).Kind == tokInteger && p.look(2).isOp(")") {
			p.at += 3 // a precision: milliseconds are what there is
		}
		return c, true, nil
	case "CASE":
		x, err = p.caseExpr()
		return x, true, err
	case "EXISTS":
		p.at++
		q, err := p.parenQuery()
		return &Exists{node{t.Pos}, q}, true, err
	}
	switch {
	case t.Upper == "INTERVAL" && (next.Kind == tokString || next.isOp("-") || next.isOp("+")):
		x, err = p.interval()
	case next.Kind == tokString && isLiteralType(t.Upper):
		x, err = p.typedLiteral(t)
	case t.Upper == "ARRAY" && next.isOp("["):
		x, err = p.array(t)
	case !next.isOp("("):
		return nil, false, nil
	case t.Upper == "CAST" || t.Upper == "TRY_CAST":
		x, err = p.cast(t)
	case t.Upper == "EXTRACT":
		x, err = p.extract(t)
	case t.Upper == "ROW":
		p.at++
		var items []Expr
		items, err = parenList(p, p.expr)
		x = &Row{node{t.Pos}, items}
	case t.Upper == "TRIM", t.Upper == "SUBSTRING", t.Upper == "POSITION":
		x, err = p.keywordCall(t)
	default:
		return nil, false, nil
	}
	return x, true, err
}

func isLiteralType(w string) bool {
	switch w {
	case "DATE", "TIME", "TIMESTAMP", "DECIMAL", "JSON", "DOUBLE", "REAL", "BIGINT", "INTEGER", "SMALLINT", "TINYINT",
		"VARCHAR", "CHAR", "BOOLEAN", "UUID":
		return true
	}
	return false
}

func (p *parser) typedLiteral(t token) (Expr, error) {
	text := p.look(1).Text
	p.at += 2
	typ := Type{Name: typeNames[strings.ToLower(t.Text)]}
	switch typ.Name {
	case "decimal":
		digits := strings.Trim(text, "+-")
		whole, frac, _ := strings.Cut(digits, ".")
		typ.Len, typ.Scale = max(len(whole)+len(frac), 1), len(frac)
		if typ.Len > 38 || strings.Trim(whole+frac, "0123456789") != "" || digits == "" {
			return nil, syntaxError(t.Pos, "Invalid decimal literal: '%s'", clip(text, 60))
		}
	case "timestamp":
		if hasZone(text) {
			typ.Name = "timestamp with time zone"
		}
	}
	return &Typed{node{t.Pos}, typ, text}, nil
}

// hasZone says whether a timestamp literal ends in a zone: "… +02:00", "… UTC", "… America/New_York".
func hasZone(s string) bool {
	_, clock, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok {
		return false
	}
	return strings.ContainsAny(clock, "+-/ ") || strings.ContainsAny(clock, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

func (p *parser) interval() (Expr, error) {
	t := p.advance()
	iv := &Interval{node: node{t.Pos}}
	if p.op("-") {
		iv.Negative = true
	} else {
		p.op("+")
	}
	var err error
	if iv.Text, err = p.stringLit(); err != nil {
		return nil, err
	}
	units := []string{"YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"}
	if iv.From = p.oneOf(units...); iv.From == "" {
		return nil, p.mismatch("'DAY'", "'HOUR'", "'MINUTE'", "'MONTH'", "'SECOND'", "'WEEK'", "'YEAR'")
	}
	if p.word("TO") {
		if iv.To = p.oneOf(units...); iv.To == "" {
			return nil, p.mismatch("'SECOND'", "'MINUTE'", "'HOUR'", "'MONTH'")
		}
	}
	return iv, nil
}

func (p *parser) array(t token) (Expr, error) {
	p.at += 2
	a := &Array{node: node{t.Pos}}
	if p.op("]") {
		return a, nil
	}
	var err error
	if a.Elems, err = list(p, p.expr); err != nil {
		return nil, err
	}
	return a, p.expectOp("]")
}

func (p *parser) cast(t token) (Expr, error) {
	p.at += 2
	x, err := p.expr()
	if err != nil {
		return nil, err
	}
	if err := p.expectWord("AS"); err != nil {
		return nil, err
	}
	typ, err := p.typeName()
	if err != nil {
		return nil, err
	}
	return &Cast{node{t.Pos}, x, typ, t.Upper == "TRY_CAST"}, p.expectOp(")")
}

func (p *parser) extract(t token) (Expr, error) {
	p.at += 2
	field := p.advance()
	if field.Kind != tokIdent {
		return nil, syntaxError(field.Pos, "mismatched input '%s'. Expecting: <identifier>", field.shown())
	}
	if err := p.expectWord("FROM"); err != nil {
		return nil, err
	}
	x, err := p.valueExpr()
	if err != nil {
		return nil, err
	}
	return &Extract{node{t.Pos}, field.Upper, x}, p.expectOp(")")
}

// keywordCall reads TRIM([BOTH|LEADING|TRAILING] [x FROM] y), SUBSTRING(x FROM a FOR b), POSITION(x IN y), and their
// plain forms.
func (p *parser) keywordCall(t token) (Expr, error) {
	p.at += 2
	c := &Call{node: node{t.Pos}, Name: strings.ToLower(t.Text)}
	side := ""
	if t.Upper == "TRIM" {
		side = p.oneOf("BOTH", "LEADING", "TRAILING")
	}
	if side != "" && p.word("FROM") {
		x, err := p.valueExpr()
		c.Name, c.Args = trimName(side), []Expr{x}
		return c, firstErr(err, func() error { return p.expectOp(")") })
	}
	x, err := p.valueExpr()
	if err != nil {
		return nil, err
	}
	c.Args = []Expr{x}
	switch {
	case t.Upper == "TRIM" && p.word("FROM"):
		y, err := p.valueExpr()
		if err != nil {
			return nil, err
		}
		c.Name, c.Args = trimName(side), []Expr{y, x}
	case t.Upper == "TRIM" && side != "":
		return nil, p.mismatch("'FROM'")
	case t.Upper == "POSITION" && p.word("IN"):
		y, err := p.valueExpr()
		if err != nil {
			return nil, err
		}
		c.Name, c.Args = "strpos", []Expr{y, x}
	case t.Upper == "SUBSTRING" && p.word("FROM"):
		if err := p.substringRest(c); err != nil {
			return nil, err
		}
	default:
		for p.op(",") {
			y, err := p.expr()
			if err != nil {
				return nil, err
			}
			c.Args = append(c.Args, y)
		}
	}
	return c, p.expectOp(")")
}

func (p *parser) substringRest(c *Call) error {
	from, err := p.valueExpr()
	if err != nil {
		return err
	}
	c.Args = append(c.Args, from)
	if !p.word("FOR") {
		return nil
	}
	n, err := p.valueExpr()
	c.Args = append(c.Args, n)
	return err
}

func firstErr(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}

func trimName(side string) string {
	switch side {
	case "LEADING":
		return "ltrim"
	case "TRAILING":
		return "rtrim"
	}
	return "trim"
}

func (p *parser) caseExpr() (Expr, error) {
	c := &Case{node: node{p.advance().Pos}}
	var err error
	if !p.cur().isWord("WHEN") {
		if c.Operand, err = p.expr(); err != nil {
			return nil, err
		}
	}
	for p.word("WHEN") {
		var w When
		if w.Cond, err = p.expr(); err != nil {
			return nil, err
		}
		if err := p.expectWord("THEN"); err != nil {
			return nil, err
		}
		if w.Then, err = p.expr(); err != nil {
			return nil, err
		}
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		return nil, p.mismatch("'WHEN'")
	}
	if p.word("ELSE") {
		if c.Else, err = p.expr(); err != nil {
			return nil, err
		}
	}
	return c, p.expectWord("END")
}

// nameOrCall reads a column, a lambda of one parameter, or a call.
func (p *parser) nameOrCall(t token) (Expr, error) {
	callable := t.Kind == tokIdent && p.look(1).isOp("(") &&
		(!reserved[t.Upper] || t.Upper == "GROUPING" || t.Upper == "LISTAGG" || t.Upper == "NORMALIZE" ||
			strings.HasPrefix(t.Upper, "JSON_"))
	if !callable {
		if !p.isName(t) {
			return nil, p.mismatch("<expression>")
		}
		if p.look(1).isOp("->") {
			return p.lambda(t.Pos)
		}
		id, err := p.ident()
		return &id, err
	}
	p.at += 2
	c := &Call{node: node{t.Pos}, Name: strings.ToLower(t.Text)}
	if err := p.callArgs(c); err != nil {
		return nil, err
	}
	return c, p.callTail(c)
}

func (p *parser) callArgs(c *Call) (err error) {
	switch {
	case p.op(")"):
		return nil
	case p.op("*"):
		c.Star = true
		return p.expectOp(")")
	}
	c.Distinct = p.oneOf("ALL", "DISTINCT") == "DISTINCT"
	if c.Args, err = list(p, p.expr); err != nil {
		return err
	}
	if p.word("ORDER", "BY") {
		if c.OrderBy, err = list(p, p.sortItem); err != nil {
			return err
		}
	}
	return p.expectOp(")")
}

// callTail reads WITHIN GROUP, FILTER, IGNORE NULLS and OVER.
func (p *parser) callTail(c *Call) (err error) {
	if p.word("WITHIN", "GROUP") {
		if err := p.expectOp("("); err != nil {
			return err
		}
		if err := p.expectWord("ORDER", "BY"); err != nil {
			return err
		}
		if c.OrderBy, err = list(p, p.sortItem); err != nil {
			return err
		}
		if err := p.expectOp(")"); err != nil {
			return err
		}
	}
	if p.cur().isWord("FILTER") && p.look(1).isOp("(") {
		p.at += 2
		if err := p.expectWord("WHERE"); err != nil {
			return err
		}
		if c.Filter, err = p.expr(); err != nil {
			return err
		}
		if err := p.expectOp(")"); err != nil {
			return err
		}
	}
	if p.word("IGNORE", "NULLS") {
		c.IgnoreNulls = true
	} else {
		p.word("RESPECT", "NULLS")
	}
	if !p.cur().isWord("OVER") || !p.look(1).isOp("(") && !p.isName(p.look(1)) {
		return nil
	}
	p.at++
	if !p.cur().isOp("(") {
		id, err := p.ident()
		c.Over = &Window{Base: &id}
		return err
	}
	w, err := p.windowSpec()
	c.Over = &w
	return err
}
