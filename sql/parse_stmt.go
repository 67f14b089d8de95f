package sql

// statement reads one statement and chooses the grammar by its first words.
func (p *parser) statement() (Statement, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	t := p.cur()
	switch t.Upper {
	case "SELECT", "WITH", "VALUES", "TABLE":
		return p.selectStmt()
	case "CREATE":
		return p.create()
	case "INSERT":
		return p.insert()
	case "UNLOAD":
		return p.unload()
	case "PREPARE":
		return p.prepare()
	case "EXECUTE":
		return p.execute()
	case "DEALLOCATE":
		p.at++
		if err := p.expectWord("PREPARE"); err != nil {
			return nil, err
		}
		id, err := p.ident()
		return &Deallocate{id}, err
	case "EXPLAIN":
		return p.explain()
	case "DROP", "ALTER", "MSCK", "SHOW", "DESCRIBE", "DESC":
		p.hive = true
		return p.hiveStatement(t)
	case "UPDATE", "DELETE", "MERGE", "OPTIMIZE", "VACUUM":
		return p.change()
	case "TRUNCATE":
		return nil, &Error{Code: "NOT_SUPPORTED", Pos: t.Pos, Msg: "Modifying Hive table rows is only supported for transactional tables"}
	}
	if t.isOp("(") {
		return p.selectStmt()
	}
	return nil, p.mismatch("'ALTER'", "'CREATE'", "'DEALLOCATE'", "'DESC'", "'DESCRIBE'", "'DROP'", "'EXECUTE'", "'EXPLAIN'",
		"'INSERT'", "'MSCK'", "'PREPARE'", "'SHOW'", "'UNLOAD'", "<query>")
}

func (p *parser) selectStmt() (Statement, error) {
	q, err := p.query()
	return &SelectStmt{q}, err
}

// create reads CREATE …; Hive's and Trino's grammars part after the name.
func (p *parser) create() (Statement, error) {
	start := p.at
	p.at++
	p.hive = true
	switch {
	case p.word("DATABASE"), p.word("SCHEMA"):
		return p.createDatabase()
	case p.word("OR", "REPLACE", "VIEW"):
		return p.createView(true)
	case p.word("VIEW"):
		return p.createView(false)
	case p.word("EXTERNAL", "TABLE"):
		return p.createTable(true)
	case p.word("TABLE"):
		if s, ok, err := p.createTableAs(); ok || err != nil {
			return s, err
		}
		p.at = start + 2
		p.hive = true
		return p.createTable(false)
	}
	return nil, p.mismatch("'DATABASE'", "'EXTERNAL'", "'OR'", "'SCHEMA'", "'TABLE'", "'VIEW'")
}

// createTableAs reads a CTAS; ok is false if the statement turns out to be Hive's CREATE TABLE.
func (p *parser) createTableAs() (s Statement, ok bool, err error) {
	c := &CreateTableAs{IfNotExists: p.word("IF", "NOT", "EXISTS")}
	if c.Name, err = p.name(); err != nil {
		return nil, false, err
	}
	if !p.cur().isWord("AS") && !p.cur().isWord("WITH") {
		return nil, false, nil
	}
	p.hive = false
	if p.word("WITH") {
		if c.Properties, err = p.properties(); err != nil {
			return nil, false, err
		}
	}
	if err := p.expectWord("AS"); err != nil {
		return nil, false, err
	}
	if p.cur().isOp("(") && p.queryNext(1) && p.wholeParens() {
		c.Query, err = p.parenQuery()
	} else {
		c.Query, err = p.query()
	}
	if err != nil {
		return nil, false, err
	}
	if p.word("WITH", "NO", "DATA") {
		c.NoData = true
	} else {
		p.word("WITH", "DATA")
	}
	return c, true, nil
}

// wholeParens says whether the parenthesis that opens here closes at the end of the statement (or before WITH DATA).
func (p *parser) wholeParens() bool {
	depth := 0
	for i := 0; ; i++ {
		switch t := p.look(i); {
		case t.Kind == tokEOF:
			return false
		case t.isOp("("):
			depth++
		case t.isOp(")"):
			if depth--; depth == 0 {
				next := p.look(i + 1)
				return next.Kind == tokEOF || next.isOp(";") || next.isWord("WITH")
			}
		}
	}
}

func (p *parser) properties() ([]Property, error) {
	return parenList(p, func() (Property, error) {
		id, err := p.ident()
		if err != nil {
			return Property{}, err
		}
		if err := p.expectOp("="); err != nil {
			return Property{}, err
		}
		x, err := p.expr()
		return Property{id, x}, err
	})
}

func (p *parser) createView(replace bool) (Statement, error) {
	v := &CreateView{OrReplace: replace}
	var err error
	if v.Name, err = p.name(); err != nil {
		return nil, err
	}
	if err := p.expectWord("AS"); err != nil {
		return nil, err
	}
	p.hive = false
	start := p.cur().Start
	if v.Query, err = p.query(); err != nil {
		return nil, err
	}
	v.Text = p.text[start:p.tokens[p.at-1].End]
	return v, nil
}

func (p *parser) insert() (Statement, error) {
	p.at++
	if err := p.expectWord("INTO"); err != nil {
		return nil, err
	}
	s := &Insert{}
	var err error
	if s.Table, err = p.name(); err != nil {
		return nil, err
	}
	if p.cur().isOp("(") && !p.queryNext(1) {
		if s.Columns, err = p.identList(); err != nil {
			return nil, err
		}
	}
	s.Query, err = p.query()
	return s, err
}

func (p *parser) unload() (Statement, error) {
	p.at++
	s := &Unload{}
	var err error
	if s.Query, err = p.parenQuery(); err != nil {
		return nil, err
	}
	if err := p.expectWord("TO"); err != nil {
		return nil, err
	}
	if s.To, err = p.stringLit(); err != nil {
		return nil, err
	}
	if p.word("WITH") {
		s.Properties, err = p.properties()
	}
	return s, err
}

func (p *parser) prepare() (Statement, error) {
	p.at++
	id, err := p.ident()
	if err != nil {
		return nil, err
	}
	if err := p.expectWord("FROM"); err != nil {
		return nil, err
	}
	start := p.cur()
	inner, err := p.statement()
	if err != nil {
		return nil, err
	}
	switch inner.(type) {
	case *Prepare, *Execute, *Deallocate:
		return nil, syntaxError(start.Pos, "Invalid statement type for prepared statement: %s", start.Upper)
	}
	return &Prepare{id, p.text[start.Start:p.tokens[p.at-1].End]}, nil
}

func (p *parser) execute() (Statement, error) {
	p.at++
	id, err := p.ident()
	if err != nil {
		return nil, err
	}
	s := &Execute{Name: id}
	if p.word("USING") {
		s.Using, err = list(p, p.expr)
	}
	return s, err
}

func (p *parser) explain() (Statement, error) {
	p.at++
	s := &Explain{Analyze: p.word("ANALYZE")}
	if s.Analyze {
		p.word("VERBOSE")
	}
	var err error
	if p.cur().isOp("(") && !p.queryNext(1) {
		s.Options, err = parenList(p, func() (string, error) {
			key, value := p.advance(), p.advance()
			if key.Kind != tokIdent || value.Kind != tokIdent {
				return "", syntaxError(key.Pos, "mismatched input '%s'. Expecting: 'FORMAT', 'TYPE'", key.shown())
			}
			return key.Upper + " " + value.Upper, nil
		})
		if err != nil {
			return nil, err
		}
	}
	s.Stmt, err = p.statement()
	return s, err
}
