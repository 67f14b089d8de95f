package sql

// relation reads a table with the joins that follow it.
func (p *parser) relation() (Relation, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.sampledRelation()
	if err != nil {
		return nil, err
	}
	for links := 0; ; {
		j, ok, err := p.joinKind()
		if err != nil || !ok {
			return left, err
		}
		if err := p.chain(&links); err != nil {
			return nil, err
		}
		j.L = left
		if err := p.joinRest(j); err != nil {
			return nil, err
		}
		left = j
	}
}

// joinKind reads up to and including JOIN; ok is false if no join follows.
func (p *parser) joinKind() (j *Join, ok bool, err error) {
	j = &Join{Pos: p.cur().Pos, Kind: "INNER"}
	if p.word("CROSS") {
		j.Kind = "CROSS"
		return j, true, p.expectWord("JOIN")
	}
	j.Natural = p.word("NATURAL")
	switch kind := p.oneOf("INNER", "LEFT", "RIGHT", "FULL", "JOIN"); kind {
	case "":
		if j.Natural {
			return nil, false, p.mismatch("'JOIN'")
		}
		return nil, false, nil
	case "JOIN":
		return j, true, nil
	default:
		j.Kind = kind
		if kind != "INNER" {
			p.word("OUTER")
		}
		return j, true, p.expectWord("JOIN")
	}
}

func (p *parser) joinRest(j *Join) (err error) {
	if j.Kind == "CROSS" || j.Natural {
		j.R, err = p.sampledRelation()
		return err
	}
	if j.R, err = p.relation(); err != nil {
		return err
	}
	switch {
	case p.word("ON"):
		j.On, err = p.expr()
	case p.word("USING"):
		j.Using, err = p.identList()
	default:
		return p.mismatch("'ON'", "'USING'")
	}
	return err
}

func (p *parser) sampledRelation() (Relation, error) {
	r, err := p.aliasedRelation()
	if err != nil || !p.word("TABLESAMPLE") {
		return r, err
	}
	method := p.oneOf("BERNOULLI", "SYSTEM")
	if method == "" {
		return nil, p.mismatch("'BERNOULLI'", "'SYSTEM'")
	}
	if err := p.expectOp("("); err != nil {
		return nil, err
	}
	x, err := p.expr()
	if err != nil {
		return nil, err
	}
	return &Sampled{r, method, x}, p.expectOp(")")
}

func (p *parser) aliasedRelation() (Relation, error) {
	r, err := p.relationPrimary()
	if err != nil {
		return nil, err
	}
	if !p.word("AS") && (!p.isName(p.cur()) || p.cur().isWord("TABLESAMPLE") || p.cur().isWord("OFFSET") ||
		p.cur().isWord("LIMIT") || p.cur().isWord("FETCH") || p.cur().isWord("WINDOW")) {
		return r, nil
	}
	a := &Aliased{Relation: r}
	if a.Alias, err = p.ident(); err != nil {
		return nil, err
	}
	if p.cur().isOp("(") {
		a.Columns, err = p.identList()
	}
	return a, err
}

func (p *parser) relationPrimary() (Relation, error) {
	t := p.cur()
	switch {
	case t.isWord("UNNEST"):
		p.at++
		exprs, err := parenList(p, p.expr)
		return &Unnest{t.Pos, exprs, p.word("WITH", "ORDINALITY")}, err
	case t.isWord("LATERAL") && p.look(1).isOp("("):
		p.at++
		q, err := p.parenQuery()
		return &QueryRef{q, true}, err
	case t.isOp("("):
		return p.parenRelation()
	}
	n, err := p.name()
	if err != nil {
		return nil, err
	}
	ref := &TableRef{Name: n}
	if !p.word("FOR") {
		return ref, nil
	}
	if ref.Live = p.word("LIVE"); ref.Live {
		if p.word("AS", "OF") {
			ref.AsOf, err = p.valueExpr()
		}
		return ref, err
	}
	if ref.AsOfKind = p.oneOf("VERSION", "TIMESTAMP", "SYSTEM_TIME", "SYSTEM_VERSION"); ref.AsOfKind == "" {
		return nil, p.mismatch("'TIMESTAMP'", "'VERSION'")
	}
	if ref.AsOfKind == "SYSTEM_TIME" {
		ref.AsOfKind = "TIMESTAMP"
	} else if ref.AsOfKind == "SYSTEM_VERSION" {
		ref.AsOfKind = "VERSION"
	}
	if err := p.expectWord("AS", "OF"); err != nil {
		return nil, err
	}
	ref.AsOf, err = p.valueExpr()
	return ref, err
}

// parenRelation tells a query in parentheses from a join in parentheses: it tries the query first.
func (p *parser) parenRelation() (Relation, error) {
	i := 0
	for p.look(i).isOp("(") {
		i++
	}
	switch t := p.look(i); {
	case t.isWord("SELECT"), t.isWord("WITH"), t.isWord("VALUES"), t.isWord("TABLE"):
		if i == 1 {
			q, err := p.parenQuery()
			return &QueryRef{Query: q}, err
		}
		start, depth, params := p.at, p.depth, p.params
		if q, err := p.parenQuery(); err == nil {
			return &QueryRef{Query: q}, nil
		}
		p.at, p.depth, p.params = start, depth, params
	}
	if err := p.expectOp("("); err != nil {
		return nil, err
	}
	r, err := p.relation()
	if err != nil {
		return nil, err
	}
	return &Parens{r}, p.expectOp(")")
}
