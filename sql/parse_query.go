package sql

// query reads [WITH …] body [ORDER BY …] [OFFSET …] [LIMIT … | FETCH …].
func (p *parser) query() (*Query, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	q := &Query{Pos: p.cur().Pos}
	var err error
	if p.word("WITH") {
		q.Recursive = p.word("RECURSIVE")
		if q.With, err = list(p, p.cte); err != nil {
			return nil, err
		}
	}
	if q.Body, err = p.setExpr(); err != nil {
		return nil, err
	}
	if p.word("ORDER", "BY") {
		if q.OrderBy, err = list(p, p.sortItem); err != nil {
			return nil, err
		}
	}
	return q, p.limits(q)
}

func (p *parser) cte() (CTE, error) {
	var c CTE
	var err error
	if c.Name, err = p.ident(); err != nil {
		return c, err
	}
	if p.cur().isOp("(") {
		if c.Columns, err = p.identList(); err != nil {
			return c, err
		}
	}
	if err = p.expectWord("AS"); err != nil {
		return c, err
	}
	c.Query, err = p.parenQuery()
	return c, err
}

func (p *parser) parenQuery() (*Query, error) {
	if err := p.expectOp("("); err != nil {
		return nil, err
	}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	return q, p.expectOp(")")
}

func (p *parser) limits(q *Query) error {
	var err error
	if p.word("OFFSET") {
		if q.Offset, err = p.rowCount(); err != nil {
			return err
		}
		p.oneOf("ROW", "ROWS")
	}
	if p.word("LIMIT") {
		if p.word("ALL") {
			return nil
		}
		if q.Limit, err = p.rowCount(); err != nil {
			return err
		}
		if p.word("OFFSET") { // Athena's older order of the two
			if q.Offset != nil {
				return p.mismatch("<EOF>")
			}
			q.Offset, err = p.rowCount()
		}
		return err
	}
	if !p.word("FETCH") {
		return nil
	}
	if p.oneOf("FIRST", "NEXT") == "" {
		return p.mismatch("'FIRST'", "'NEXT'")
	}
	q.Limit = &Number{node{p.cur().Pos}, "1"}
	if p.cur().Kind == tokInteger || p.cur().isOp("?") {
		if q.Limit, err = p.rowCount(); err != nil {
			return err
		}
	}
	if p.oneOf("ROW", "ROWS") == "" {
		return p.mismatch("'ROW'", "'ROWS'")
	}
	if p.word("WITH", "TIES") {
		q.WithTies = true
		return nil
	}
	return p.expectWord("ONLY")
}

func (p *parser) rowCount() (Expr, error) {
	t := p.cur()
	switch {
	case t.Kind == tokInteger:
		p.at++
		return &Number{node{t.Pos}, t.Text}, nil
	case p.op("?"):
		return p.param(t.Pos), nil
	}
	return nil, p.mismatch("<integer>", "'?'")
}

func (p *parser) sortItem() (SortItem, error) {
	x, err := p.expr()
	if err != nil {
		return SortItem{}, err
	}
	s := SortItem{X: x}
	s.Desc = p.oneOf("ASC", "DESC") == "DESC"
	if p.word("NULLS") {
		if s.Nulls = p.oneOf("FIRST", "LAST"); s.Nulls == "" {
			return s, p.mismatch("'FIRST'", "'LAST'")
		}
	}
	return s, nil
}

// setExpr reads UNION and EXCEPT, which bind less than INTERSECT.
func (p *parser) setExpr() (SetExpr, error) {
	return p.setChain([]string{"UNION", "EXCEPT"}, func() (SetExpr, error) {
		return p.setChain([]string{"INTERSECT"}, p.queryPrimary)
	})
}

func (p *parser) setChain(ops []string, operand func() (SetExpr, error)) (SetExpr, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for links := 0; ; {
		at := p.cur().Pos
		op := p.oneOf(ops...)
		if op == "" {
			return left, nil
		}
		if err := p.chain(&links); err != nil {
			return nil, err
		}
		all := p.oneOf("ALL", "DISTINCT") == "ALL"
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = &SetOp{at, op, all, left, right}
	}
}

func (p *parser) queryPrimary() (SetExpr, error) {
	t := p.cur()
	switch {
	case t.isWord("SELECT"):
		return p.selectBody()
	case p.word("VALUES"):
		rows, err := list(p, p.expr)
		return &Values{t.Pos, rows}, err
	case p.word("TABLE"):
		n, err := p.name()
		return &TableBody{n}, err
	case t.isOp("("):
		return p.parenQuery()
	}
	return nil, p.mismatch("'SELECT'", "'VALUES'", "'TABLE'", "'('", "<query>")
}

func (p *parser) selectBody() (*Select, error) {
	s := &Select{Pos: p.advance().Pos}
	s.Distinct = p.oneOf("ALL", "DISTINCT") == "DISTINCT"
	var err error
	if s.Items, err = list(p, p.selectItem); err != nil {
		return nil, err
	}
	if p.word("FROM") {
		if s.From, err = list(p, p.relation); err != nil {
			return nil, err
		}
	}
	if p.word("WHERE") {
		if s.Where, err = p.expr(); err != nil {
			return nil, err
		}
	}
	if p.word("GROUP", "BY") {
		s.GroupByDistinct = p.oneOf("ALL", "DISTINCT") == "DISTINCT"
		if s.GroupBy, err = list(p, p.grouping); err != nil {
			return nil, err
		}
	}
	if p.word("HAVING") {
		if s.Having, err = p.expr(); err != nil {
			return nil, err
		}
	}
	if p.word("WINDOW") {
		s.Windows, err = list(p, p.namedWindow)
	}
	return s, err
}

func (p *parser) selectItem() (SelectItem, error) {
	item := SelectItem{Pos: p.cur().Pos}
	if p.op("*") {
		return item, nil
	}
	x, err := p.expr()
	if err != nil {
		if len(p.tokens) > 0 && item.Pos == p.cur().Pos {
			return item, p.mismatch("'*'", "<expression>")
		}
		return item, err
	}
	if p.cur().isOp(".") && p.look(1).isOp("*") {
		p.at += 2
		item.Qualifier = x
		return item, nil
	}
	item.X = x
	if p.word("AS") || p.isName(p.cur()) {
		id, err := p.ident()
		if err != nil {
			return item, err
		}
		item.Alias = &id
	}
	return item, nil
}

func (p *parser) grouping() (Grouping, error) {
	set := func() ([]Expr, error) {
		if p.cur().isOp("(") {
			p.at++
			if p.op(")") {
				return nil, nil
			}
			xs, err := list(p, p.expr)
			if err != nil {
				return nil, err
			}
			return xs, p.expectOp(")")
		}
		x, err := p.expr()
		return []Expr{x}, err
	}
	for _, kind := range []string{"ROLLUP", "CUBE"} {
		if p.word(kind) {
			sets, err := parenList(p, set)
			return Grouping{Kind: kind, Sets: sets}, err
		}
	}
	if p.word("GROUPING", "SETS") {
		sets, err := parenList(p, set)
		return Grouping{Kind: "GROUPING SETS", Sets: sets}, err
	}
	x, err := p.expr()
	return Grouping{X: x}, err
}

func (p *parser) namedWindow() (NamedWindow, error) {
	id, err := p.ident()
	if err != nil {
		return NamedWindow{}, err
	}
	if err := p.expectWord("AS"); err != nil {
		return NamedWindow{}, err
	}
	w, err := p.windowSpec()
	return NamedWindow{id, w}, err
}

// windowSpec reads ([base] [PARTITION BY …] [ORDER BY …] [frame]).
func (p *parser) windowSpec() (w Window, err error) {
	if err = p.expectOp("("); err != nil {
		return w, err
	}
	next := p.cur().Upper
	if p.isName(p.cur()) && next != "PARTITION" && next != "ROWS" && next != "RANGE" && next != "GROUPS" {
		id, err := p.ident()
		if err != nil {
			return w, err
		}
		w.Base = &id
	}
	if p.word("PARTITION", "BY") {
		if w.PartitionBy, err = list(p, p.expr); err != nil {
			return w, err
		}
	}
	if p.word("ORDER", "BY") {
		if w.OrderBy, err = list(p, p.sortItem); err != nil {
			return w, err
		}
	}
	if unit := p.oneOf("ROWS", "RANGE", "GROUPS"); unit != "" {
		if w.Frame, err = p.frame(unit); err != nil {
			return w, err
		}
	}
	return w, p.expectOp(")")
}

func (p *parser) frame(unit string) (*Frame, error) {
	f := &Frame{Unit: unit}
	between := p.word("BETWEEN")
	var err error
	if f.Start, err = p.bound(); err != nil || !between {
		return f, err
	}
	if err := p.expectWord("AND"); err != nil {
		return nil, err
	}
	end, err := p.bound()
	f.End = &end
	return f, err
}

func (p *parser) bound() (Bound, error) {
	for _, kind := range []string{"PRECEDING", "FOLLOWING"} {
		if p.word("UNBOUNDED", kind) {
			return Bound{Kind: "UNBOUNDED " + kind}, nil
		}
	}
	if p.word("CURRENT", "ROW") {
		return Bound{Kind: "CURRENT ROW"}, nil
	}
	x, err := p.expr()
	if err != nil {
		return Bound{}, err
	}
	kind := p.oneOf("PRECEDING", "FOLLOWING")
	if kind == "" {
		return Bound{}, p.mismatch("'PRECEDING'", "'FOLLOWING'")
	}
	return Bound{kind, x}, nil
}
