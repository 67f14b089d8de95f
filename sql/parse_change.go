package sql

// change reads a statement that changes rows or files of a table: DELETE, UPDATE, MERGE, OPTIMIZE, VACUUM.
func (p *parser) change() (Statement, error) {
	switch {
	case p.word("DELETE"):
		return p.delete()
	case p.word("UPDATE"):
		return p.update()
	case p.word("MERGE"):
		return p.merge()
	case p.word("OPTIMIZE"):
		return p.optimize()
	}
	p.at++ // VACUUM
	table, err := p.name()
	return &Vacuum{table}, err
}

func (p *parser) delete() (Statement, error) {
	if err := p.expectWord("FROM"); err != nil {
		return nil, err
	}
	s := &Delete{}
	var err error
	if s.Table, err = p.name(); err != nil {
		return nil, err
	}
	s.Where, err = p.where()
	return s, err
}

func (p *parser) where() (Expr, error) {
	if !p.word("WHERE") {
		return nil, nil
	}
	return p.expr()
}

func (p *parser) update() (Statement, error) {
	s := &Update{}
	var err error
	if s.Table, err = p.name(); err != nil {
		return nil, err
	}
	if s.Set, err = p.assignments(); err != nil {
		return nil, err
	}
	s.Where, err = p.where()
	return s, err
}

// assignments reads SET a = x, b = y.
func (p *parser) assignments() ([]Assignment, error) {
	if err := p.expectWord("SET"); err != nil {
		return nil, err
	}
	return list(p, func() (Assignment, error) {
		id, err := p.ident()
		if err != nil {
			return Assignment{}, err
		}
		if err := p.expectOp("="); err != nil {
			return Assignment{}, err
		}
		x, err := p.expr()
		return Assignment{id, x}, err
	})
}

func (p *parser) merge() (Statement, error) {
	if err := p.expectWord("INTO"); err != nil {
		return nil, err
	}
	s := &Merge{}
	var err error
	if s.Table, err = p.name(); err != nil {
		return nil, err
	}
	if p.word("AS") || !p.cur().isWord("USING") {
		id, err := p.ident()
		if err != nil {
			return nil, err
		}
		s.Alias = &id
	}
	if err := p.expectWord("USING"); err != nil {
		return nil, err
	}
	if s.Source, err = p.aliasedRelation(); err != nil {
		return nil, err
	}
	if err := p.expectWord("ON"); err != nil {
		return nil, err
	}
	if s.On, err = p.expr(); err != nil {
		return nil, err
	}
	for p.word("WHEN") {
		w, err := p.mergeWhen()
		if err != nil {
			return nil, err
		}
		s.Whens = append(s.Whens, w)
	}
	if len(s.Whens) == 0 {
		return nil, p.mismatch("'WHEN'")
	}
	return s, nil
}

// mergeWhen reads what follows WHEN.
func (p *parser) mergeWhen() (w MergeWhen, err error) {
	w.Matched = !p.word("NOT")
	if err := p.expectWord("MATCHED"); err != nil {
		return w, err
	}
	if p.word("AND") {
		if w.And, err = p.expr(); err != nil {
			return w, err
		}
	}
	if err := p.expectWord("THEN"); err != nil {
		return w, err
	}
	switch {
	case w.Matched && p.word("DELETE"):
		w.Delete = true
	case w.Matched && p.word("UPDATE"):
		w.Set, err = p.assignments()
	case !w.Matched && p.word("INSERT"):
		err = p.mergeInsert(&w)
	case w.Matched:
		err = p.mismatch("'DELETE'", "'UPDATE'")
	default:
		err = p.mismatch("'INSERT'")
	}
	return w, err
}

func (p *parser) mergeInsert(w *MergeWhen) (err error) {
	if p.cur().isOp("(") {
		if w.Columns, err = p.identList(); err != nil {
			return err
		}
	}
	if err := p.expectWord("VALUES"); err != nil {
		return err
	}
	at := p.cur().Pos
	if w.Values, err = parenList(p, p.expr); err != nil {
		return err
	}
	if len(w.Columns) > 0 && len(w.Columns) != len(w.Values) {
		return syntaxError(at, "%d values for %d columns", len(w.Values), len(w.Columns))
	}
	return nil
}

// optimize reads OPTIMIZE name REWRITE DATA USING BIN_PACK [WHERE …], Athena's form.
func (p *parser) optimize() (Statement, error) {
	s := &Optimize{}
	var err error
	if s.Table, err = p.name(); err != nil {
		return nil, err
	}
	if err := p.expectWord("REWRITE", "DATA", "USING", "BIN_PACK"); err != nil {
		return nil, err
	}
	s.Where, err = p.where()
	return s, err
}
