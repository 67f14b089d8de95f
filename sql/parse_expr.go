package sql

// expr reads a whole expression: OR binds least.
func (p *parser) expr() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	return p.logical("OR", func() (Expr, error) { return p.logical("AND", p.not) })
}

func (p *parser) logical(op string, operand func() (Expr, error)) (Expr, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	if !p.cur().isWord(op) {
		return first, nil
	}
	l := &Logical{node{p.cur().Pos}, op, []Expr{first}}
	for p.word(op) {
		x, err := operand()
		if err != nil {
			return nil, err
		}
		l.Terms = append(l.Terms, x)
	}
	return l, nil
}

func (p *parser) not() (Expr, error) {
	at := p.cur().Pos
	if !p.word("NOT") {
		return p.predicate()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	x, err := p.not()
	return &Not{node{at}, x}, err
}

var compareOps = map[string]string{"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

// predicate reads comparisons, BETWEEN, IN, LIKE, IS.
func (p *parser) predicate() (Expr, error) {
	x, err := p.valueExpr()
	if err != nil {
		return nil, err
	}
	for links := 0; ; {
		if err := p.chain(&links); err != nil {
			return nil, err
		}
		next, err := p.predicateTail(x)
		if err != nil {
			return nil, err
		}
		if next == nil {
			return x, nil
		}
		x = next
	}
}

// predicateTail reads what may follow x, or returns nil if nothing does.
func (p *parser) predicateTail(x Expr) (Expr, error) {
	t := p.cur()
	if op, ok := compareOps[t.Text]; ok && t.Kind == tokOp {
		p.at++
		return p.comparison(x, op, t.Pos)
	}
	if p.word("IS") {
		negated := p.word("NOT")
		switch {
		case p.word("NULL"):
			return &IsNull{node{t.Pos}, x, negated}, nil
		case p.word("DISTINCT", "FROM"):
			y, err := p.valueExpr()
			op := "IS DISTINCT FROM"
			if negated {
				op = "IS NOT DISTINCT FROM"
			}
			return &Compare{node{t.Pos}, op, x, y}, err
		}
		return nil, p.mismatch("'DISTINCT'", "'NULL'")
	}
	negated := t.isWord("NOT")
	verb := t
	if negated {
		verb = p.look(1)
	}
	if !verb.isWord("BETWEEN") && !verb.isWord("IN") && !verb.isWord("LIKE") {
		return nil, nil
	}
	if p.at++; negated {
		p.at++
	}
	switch verb.Upper {
	case "BETWEEN":
		return p.between(x, negated, verb.Pos)
	case "IN":
		return p.in(x, negated, verb.Pos)
	}
	return p.like(x, negated, verb.Pos)
}

func (p *parser) comparison(x Expr, op string, at Pos) (Expr, error) {
	if q := p.cur(); (q.isWord("ALL") || q.isWord("ANY") || q.isWord("SOME")) && p.look(1).isOp("(") {
		p.at++
		query, err := p.parenQuery()
		return &Quantified{node{at}, op, q.Upper, x, query}, err
	}
	y, err := p.valueExpr()
	return &Compare{node{at}, op, x, y}, err
}

func (p *parser) between(x Expr, negated bool, at Pos) (Expr, error) {
	low, err := p.valueExpr()
	if err != nil {
		return nil, err
	}
	if err := p.expectWord("AND"); err != nil {
		return nil, err
	}
	high, err := p.valueExpr()
	return &Between{node{at}, x, low, high, negated}, err
}

func (p *parser) in(x Expr, negated bool, at Pos) (Expr, error) {
	if !p.cur().isOp("(") {
		return nil, p.mismatch("'('")
	}
	if p.queryNext(1) {
		q, err := p.parenQuery()
		return &In{node{at}, x, nil, q, negated}, err
	}
	items, err := parenList(p, p.expr)
	return &In{node{at}, x, items, nil, negated}, err
}

func (p *parser) like(x Expr, negated bool, at Pos) (Expr, error) {
	l := &Like{node: node{at}, X: x, Negated: negated}
	var err error
	if l.Pattern, err = p.valueExpr(); err != nil {
		return nil, err
	}
	if p.word("ESCAPE") {
		l.Escape, err = p.valueExpr()
	}
	return l, err
}

// queryNext says whether a query starts n tokens on.
func (p *parser) queryNext(n int) bool {
	t := p.look(n)
	return t.isWord("SELECT") || t.isWord("WITH") || t.isWord("VALUES") || t.isWord("TABLE")
}

// valueExpr reads arithmetic; || binds least, then + -, then * / %.
func (p *parser) valueExpr() (Expr, error) {
	return p.arith([]string{"||"}, func() (Expr, error) {
		return p.arith([]string{"+", "-"}, func() (Expr, error) {
			return p.arith([]string{"*", "/", "%"}, p.unary)
		})
	})
}

func (p *parser) arith(ops []string, operand func() (Expr, error)) (Expr, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for links := 0; ; {
		t := p.cur()
		op := ""
		for _, o := range ops {
			if p.op(o) {
				op = o
				break
			}
		}
		if op == "" {
			return left, nil
		}
		if err := p.chain(&links); err != nil {
			return nil, err
		}
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = &Arith{node{t.Pos}, op, left, right}
	}
}

func (p *parser) unary() (Expr, error) {
	t := p.cur()
	if !p.op("-") && !p.op("+") {
		return p.atTimeZone()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	x, err := p.unary()
	return &Unary{node{t.Pos}, t.Text, x}, err
}

func (p *parser) atTimeZone() (Expr, error) {
	x, err := p.postfix()
	if err != nil {
		return nil, err
	}
	for links := 0; p.cur().isWord("AT") && p.look(1).isWord("TIME"); {
		at := p.cur().Pos
		if err := p.chain(&links); err != nil {
			return nil, err
		}
		p.at += 2
		if err := p.expectWord("ZONE"); err != nil {
			return nil, err
		}
		zone, err := p.postfix()
		if err != nil {
			return nil, err
		}
		x = &AtTimeZone{node{at}, x, zone}
	}
	return x, nil
}

// postfix reads a primary with .field and [index] behind it.
func (p *parser) postfix() (Expr, error) {
	x, err := p.primary()
	if err != nil {
		return nil, err
	}
	for links := 0; ; {
		t := p.cur()
		switch {
		case t.isOp(".") && p.isName(p.look(1)):
			p.at++
			field, err := p.ident()
			if err != nil {
				return nil, err
			}
			x = &Deref{node{x.Position()}, x, field}
		case t.isOp(".") && p.look(1).isWord("END"): // window.end, as Spark takes it
			p.at += 2
			x = &Deref{node{x.Position()}, x, Ident{node{t.Pos}, "end", false}}
		case p.op("["):
			index, err := p.expr()
			if err != nil {
				return nil, err
			}
			if err := p.expectOp("]"); err != nil {
				return nil, err
			}
			x = &Subscript{node{x.Position()}, x, index}
		default:
			return x, nil
		}
		if err := p.chain(&links); err != nil {
			return nil, err
		}
	}
}

func (p *parser) param(at Pos) Expr {
	p.params++
	return &Param{node{at}, p.params - 1}
}
