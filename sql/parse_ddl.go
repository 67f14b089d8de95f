package sql

import "strings"

// hiveStatement reads the statements of Hive's grammar that do not start with CREATE.
func (p *parser) hiveStatement(t token) (Statement, error) {
	p.at++
	switch t.Upper {
	case "DROP":
		return p.drop()
	case "ALTER":
		return p.alter()
	case "SHOW":
		return p.show()
	case "MSCK":
		if err := p.expectWord("REPAIR", "TABLE"); err != nil {
			return nil, err
		}
		n, err := p.name()
		return &RepairTable{n}, err
	}
	return p.describe()
}

func (p *parser) createDatabase() (Statement, error) {
	d := &CreateDatabase{IfNotExists: p.word("IF", "NOT", "EXISTS")}
	var err error
	if d.Name, err = p.name(); err != nil {
		return nil, err
	}
	for err == nil {
		switch {
		case p.word("COMMENT"):
			d.Comment, err = p.stringLit()
		case p.word("LOCATION"):
			d.Location, err = p.stringLit()
		case p.word("WITH"):
			if err = p.expectWord("DBPROPERTIES"); err == nil {
				d.Properties, err = p.keyValues()
			}
		default:
			return d, nil
		}
	}
	return nil, err
}

func (p *parser) createTable(external bool) (Statement, error) {
	c := &CreateTable{External: external, IfNotExists: p.word("IF", "NOT", "EXISTS")}
	var err error
	if c.Name, err = p.name(); err != nil {
		return nil, err
	}
	if p.cur().isOp("(") {
		if c.Columns, err = parenList(p, p.columnDef); err != nil {
			return nil, err
		}
	}
	for err == nil {
		var more bool
		if more, err = p.tableClause(c); !more && err == nil {
			return c, nil
		}
	}
	return nil, err
}

// tableClause reads one clause behind the columns; false if none follows.
func (p *parser) tableClause(c *CreateTable) (more bool, err error) {
	switch {
	case p.word("COMMENT"):
		c.Comment, err = p.stringLit()
	case p.word("PARTITIONED", "BY"):
		c.PartitionedBy, err = parenList(p, p.columnDef)
	case p.word("CLUSTERED", "BY"):
		err = p.clustered(c)
	case p.word("ROW", "FORMAT"):
		c.RowFormat, err = p.rowFormat()
	case p.word("WITH", "SERDEPROPERTIES"):
		c.SerDeProperties, err = p.keyValues()
	case p.word("STORED", "AS", "INPUTFORMAT"):
		if c.InputFormat, err = p.stringLit(); err != nil {
			return false, err
		}
		if err = p.expectWord("OUTPUTFORMAT"); err == nil {
			c.OutputFormat, err = p.stringLit()
		}
	case p.word("STORED", "AS"):
		t := p.cur()
		if t.Kind != tokIdent {
			return false, p.mismatch("<identifier>")
		}
		p.at++
		c.StoredAs = t.Upper
	case p.word("LOCATION"):
		c.Location, err = p.stringLit()
	case p.word("TBLPROPERTIES"):
		c.Properties, err = p.keyValues()
	default:
		return false, nil
	}
	return true, err
}

func (p *parser) clustered(c *CreateTable) error {
	cols, err := p.identList()
	if err != nil {
		return err
	}
	for _, id := range cols {
		c.ClusteredBy = append(c.ClusteredBy, id.Name)
	}
	if err := p.expectWord("INTO"); err != nil {
		return err
	}
	n := p.cur()
	if n.Kind != tokInteger {
		return p.mismatch("<integer>")
	}
	p.at++
	c.Buckets = n.Text
	return p.expectWord("BUCKETS")
}

// columnDef reads name type [COMMENT '…'].
func (p *parser) columnDef() (ColumnDef, error) {
	id, err := p.ident()
	if err != nil {
		return ColumnDef{}, err
	}
	start := p.cur().Start
	if _, err := p.hiveType(0); err != nil {
		return ColumnDef{}, err
	}
	c := ColumnDef{Name: id.Name, Type: compactType(p.text[start:p.tokens[p.at-1].End])}
	if p.word("COMMENT") {
		c.Comment, err = p.stringLit()
	}
	return c, err
}

// compactType is a Hive type without blanks, in lower case, as Glue stores it.
func compactType(s string) string {
	return strings.ToLower(strings.Join(strings.Fields(s), ""))
}

func (p *parser) rowFormat() (*RowFormat, error) {
	r := &RowFormat{}
	var err error
	if p.word("SERDE") {
		if r.SerDe, err = p.stringLit(); err != nil {
			return nil, err
		}
		if p.word("WITH", "SERDEPROPERTIES") {
			r.Properties, err = p.keyValues()
		}
		return r, err
	}
	if err := p.expectWord("DELIMITED"); err != nil {
		return nil, p.mismatch("'DELIMITED'", "'SERDE'")
	}
	r.Delimited = true
	for err == nil {
		switch {
		case p.word("FIELDS", "TERMINATED", "BY"):
			r.Fields, err = p.delimiter()
		case p.word("ESCAPED", "BY"):
			r.Escape, err = p.delimiter()
		case p.word("COLLECTION", "ITEMS", "TERMINATED", "BY"):
			r.Collection, err = p.delimiter()
		case p.word("MAP", "KEYS", "TERMINATED", "BY"):
			r.MapKeys, err = p.delimiter()
		case p.word("LINES", "TERMINATED", "BY"):
			r.Lines, err = p.delimiter()
		case p.word("NULL", "DEFINED", "AS"):
			r.NullDefined = true
			r.Null, err = p.stringLit()
		default:
			return r, nil
		}
	}
	return nil, err
}

// delimiter reads a string in which Hive's escapes \t \n \001 stand for characters.
func (p *parser) delimiter() (string, error) {
	s, err := p.stringLit()
	if err != nil {
		return "", err
	}
	return unescapeDelimiter(s), nil
}

func unescapeDelimiter(s string) string {
	if len(s) < 2 || s[0] != '\\' {
		return s
	}
	switch rest := s[1:]; {
	case rest == "t":
		return "\t"
	case rest == "n":
		return "\n"
	case rest == "r":
		return "\r"
	case rest == `\`:
		return `\`
	case len(rest) == 3 && strings.Trim(rest, "01234567") == "":
		return string(rune((rest[0]-'0')&3*64 + (rest[1]-'0')*8 + rest[2] - '0'))
	case strings.HasPrefix(rest, "u00") && len(rest) == 5:
		return string(rune(hexDigit(rest[3])*16 + hexDigit(rest[4])))
	}
	return s
}

func hexDigit(c byte) byte {
	switch {
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return c & 15
}

func (p *parser) keyValues() ([]KeyValue, error) {
	return parenList(p, func() (KeyValue, error) {
		k, err := p.stringLit()
		if err != nil {
			return KeyValue{}, err
		}
		if err := p.expectOp("="); err != nil {
			return KeyValue{}, err
		}
		v, err := p.stringLit()
		return KeyValue{k, v}, err
	})
}

func (p *parser) drop() (Statement, error) {
	what := p.oneOf("DATABASE", "SCHEMA", "TABLE", "VIEW")
	if what == "" {
		return nil, p.mismatch("'DATABASE'", "'SCHEMA'", "'TABLE'", "'VIEW'")
	}
	ifExists := p.word("IF", "EXISTS")
	n, err := p.name()
	if err != nil {
		return nil, err
	}
	if what == "TABLE" || what == "VIEW" {
		return &DropTable{n, ifExists, what == "VIEW"}, nil
	}
	return &DropDatabase{n, ifExists, p.oneOf("RESTRICT", "CASCADE") == "CASCADE"}, nil
}

func (p *parser) alter() (Statement, error) {
	if err := p.expectWord("TABLE"); err != nil {
		return nil, err
	}
	n, err := p.name()
	if err != nil {
		return nil, err
	}
	switch {
	case p.word("ADD", "COLUMNS"):
		cols, err := parenList(p, p.columnDef)
		return &AlterColumns{n, false, cols}, err
	case p.word("REPLACE", "COLUMNS"):
		cols, err := parenList(p, p.columnDef)
		return &AlterColumns{n, true, cols}, err
	case p.word("ADD"):
		s := &AddPartitions{Table: n, IfNotExists: p.word("IF", "NOT", "EXISTS")}
		s.Partitions, err = p.partitionSpecs(false)
		return s, err
	case p.word("DROP"):
		s := &DropPartitions{Table: n, IfExists: p.word("IF", "EXISTS")}
		s.Partitions, err = p.partitionSpecs(true)
		return s, err
	case p.word("SET", "TBLPROPERTIES"):
		props, err := p.keyValues()
		return &SetProperties{n, props}, err
	case p.word("SET", "LOCATION"):
		loc, err := p.stringLit()
		return &SetLocation{n, nil, loc}, err
	case p.cur().isWord("PARTITION"):
		return p.alterPartition(n)
	}
	return nil, p.mismatch("'ADD'", "'DROP'", "'PARTITION'", "'REPLACE'", "'SET'")
}

func (p *parser) alterPartition(n Name) (Statement, error) {
	spec, err := p.partitionSpec()
	if err != nil {
		return nil, err
	}
	if p.word("RENAME", "TO") {
		to, err := p.partitionSpec()
		return &RenamePartition{n, spec, to}, err
	}
	if err := p.expectWord("SET", "LOCATION"); err != nil {
		return nil, err
	}
	loc, err := p.stringLit()
	return &SetLocation{n, &spec, loc}, err
}

// partitionSpecs reads PARTITION (…) … one after the other; DROP wants commas between them.
func (p *parser) partitionSpecs(commas bool) ([]PartitionSpec, error) {
	var out []PartitionSpec
	for {
		s, err := p.partitionSpec()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
		if commas && p.op(",") || p.cur().isWord("PARTITION") {
			continue
		}
		return out, nil
	}
}

func (p *parser) partitionSpec() (PartitionSpec, error) {
	if err := p.expectWord("PARTITION"); err != nil {
		return PartitionSpec{}, err
	}
	values, err := parenList(p, p.partitionValue)
	if err != nil {
		return PartitionSpec{}, err
	}
	s := PartitionSpec{Values: values}
	if p.word("LOCATION") {
		s.Location, err = p.stringLit()
	}
	return s, err
}

func (p *parser) partitionValue() (PartitionValue, error) {
	id, err := p.ident()
	if err != nil {
		return PartitionValue{}, err
	}
	if err := p.expectOp("="); err != nil {
		return PartitionValue{}, err
	}
	if p.cur().isWord("DATE") && p.look(1).Kind == tokString {
		p.at++
	}
	sign := ""
	if p.op("-") {
		sign = "-"
	}
	switch t := p.cur(); t.Kind {
	case tokString, tokQuoted, tokInteger, tokDecimal:
		p.at++
		return PartitionValue{id.Name, sign + t.Text}, nil
	}
	return PartitionValue{}, p.mismatch("<string>", "<integer>")
}

func (p *parser) show() (Statement, error) {
	s := &Show{}
	var err error
	switch {
	case p.word("DATABASES"), p.word("SCHEMAS"):
		s.What = "DATABASES"
		s.Like, err = p.likePattern()
		return s, err
	case p.word("TABLES"), p.word("VIEWS"):
		s.What = p.tokens[p.at-1].Upper
		if p.oneOf("IN", "FROM") != "" {
			if s.Name, err = p.name(); err != nil {
				return nil, err
			}
		}
		s.Like, err = p.likePattern()
		return s, err
	case p.word("COLUMNS"):
		return p.showColumns()
	case p.word("PARTITIONS"):
		s.What = "PARTITIONS"
		s.Name, err = p.name()
		return s, err
	case p.word("CREATE", "TABLE"), p.word("CREATE", "VIEW"):
		s.What = "CREATE " + p.tokens[p.at-1].Upper
		s.Name, err = p.name()
		return s, err
	case p.word("TBLPROPERTIES"):
		s.What = "TBLPROPERTIES"
		if s.Name, err = p.name(); err != nil || !p.op("(") {
			return s, err
		}
		if s.Like, err = p.stringLit(); err != nil {
			return nil, err
		}
		return s, p.expectOp(")")
	}
	return nil, p.mismatch("'COLUMNS'", "'CREATE'", "'DATABASES'", "'PARTITIONS'", "'SCHEMAS'", "'TABLES'", "'TBLPROPERTIES'", "'VIEWS'")
}

// showColumns reads SHOW COLUMNS IN table [IN database].
func (p *parser) showColumns() (Statement, error) {
	if p.oneOf("IN", "FROM") == "" {
		return nil, p.mismatch("'FROM'", "'IN'")
	}
	n, err := p.name()
	if err != nil {
		return nil, err
	}
	if p.oneOf("IN", "FROM") != "" {
		db, err := p.ident()
		if err != nil {
			return nil, err
		}
		n.Parts = []string{db.Name, n.Parts[len(n.Parts)-1]}
	}
	return &Show{What: "COLUMNS", Name: n}, nil
}

// likePattern reads [LIKE] '…'.
func (p *parser) likePattern() (string, error) {
	if p.word("LIKE") {
		return p.stringLit()
	}
	if k := p.cur().Kind; k == tokString || k == tokQuoted {
		return p.stringLit()
	}
	return "", nil
}

func (p *parser) describe() (Statement, error) {
	d := &Describe{}
	var err error
	if p.cur().isWord("VIEW") && p.isName(p.look(1)) {
		p.at++
		d.View = true
		d.Table, err = p.name()
		return d, err
	}
	if p.isName(p.look(1)) && p.look(1).Kind != tokEOF {
		d.Mode = p.oneOf("EXTENDED", "FORMATTED")
	}
	if d.Table, err = p.name(); err != nil {
		return nil, err
	}
	if p.cur().isWord("PARTITION") {
		spec, err := p.partitionSpec()
		if err != nil {
			return nil, err
		}
		d.Partition = &spec
	}
	if p.isName(p.cur()) {
		id, err := p.ident()
		if err != nil {
			return nil, err
		}
		d.Column = id.Name
	}
	return d, nil
}
