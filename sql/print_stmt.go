package sql

import (
	"strings"
)

// Print is a statement in Athena's SQL: Print(Parse(x)) parses again, to the same statement.
func Print(s Statement) string {
	p := &printer{}
	p.statement(s)
	return p.Builder.String()
}

func (p *printer) statement(s Statement) {
	switch s := s.(type) {
	case *SelectStmt:
		p.query(s.Query)
	case *CreateTableAs:
		p.put("CREATE TABLE ", when(s.IfNotExists, "IF NOT EXISTS "))
		p.name(s.Name)
		p.with(s.Properties)
		p.put(" AS ")
		p.query(s.Query)
		p.put(when(s.NoData, " WITH NO DATA"))
	case *CreateView:
		p.put("CREATE ", when(s.OrReplace, "OR REPLACE "), "VIEW ")
		p.name(s.Name)
		p.put(" AS ", s.Text)
	case *Insert:
		p.put("INSERT INTO ")
		p.name(s.Table)
		p.put(" ")
		p.columnAliases(s.Columns)
		p.put(" ")
		p.query(s.Query)
	case *Unload:
		p.put("UNLOAD (")
		p.query(s.Query)
		p.put(") TO ", quoteString(s.To))
		p.with(s.Properties)
	case *Prepare:
		p.put("PREPARE ")
		p.ident(s.Name)
		p.put(" FROM ", s.Text)
	case *Execute:
		p.put("EXECUTE ")
		p.ident(s.Name)
		if len(s.Using) > 0 {
			p.put(" USING ")
			each(p, s.Using, ", ", p.any)
		}
	case *Deallocate:
		p.put("DEALLOCATE PREPARE ")
		p.ident(s.Name)
	case *Explain:
		p.put("EXPLAIN ", when(s.Analyze, "ANALYZE "))
		if len(s.Options) > 0 {
			p.put("(", strings.Join(s.Options, ", "), ") ")
		}
		p.statement(s.Stmt)
	case *Delete:
		p.put("DELETE FROM ")
		p.name(s.Table)
		p.where(s.Where)
	case *Update:
		p.put("UPDATE ")
		p.name(s.Table)
		p.set(s.Set)
		p.where(s.Where)
	case *Merge:
		p.merge(s)
	case *Optimize:
		p.put("OPTIMIZE ")
		p.name(s.Table)
		p.put(" REWRITE DATA USING BIN_PACK")
		p.where(s.Where)
	case *Vacuum:
		p.put("VACUUM ")
		p.name(s.Table)
	default:
		p.ddl(s)
	}
}

func (p *printer) where(x Expr) {
	if x != nil {
		p.put(" WHERE ")
		p.any(x)
	}
}

func (p *printer) set(all []Assignment) {
	p.put(" SET ")
	each(p, all, ", ", func(a Assignment) {
		p.ident(a.Column)
		p.put(" = ")
		p.any(a.X)
	})
}

func (p *printer) merge(s *Merge) {
	p.put("MERGE INTO ")
	p.name(s.Table)
	if s.Alias != nil {
		p.put(" AS ")
		p.ident(*s.Alias)
	}
	p.put(" USING ")
	p.relation(s.Source)
	p.put(" ON ")
	p.any(s.On)
	for _, w := range s.Whens {
		p.put(" WHEN ", when(!w.Matched, "NOT "), "MATCHED")
		if w.And != nil {
			p.put(" AND ")
			p.any(w.And)
		}
		switch {
		case w.Delete:
			p.put(" THEN DELETE")
		case w.Matched:
			p.put(" THEN UPDATE")
			p.set(w.Set)
		default:
			p.put(" THEN INSERT")
			if len(w.Columns) > 0 {
				p.put(" (")
				each(p, w.Columns, ", ", p.ident)
				p.put(")")
			}
			p.put(" VALUES (")
			each(p, w.Values, ", ", p.any)
			p.put(")")
		}
	}
}

func when(b bool, s string) string {
	if b {
		return s
	}
	return ""
}

func (p *printer) with(props []Property) {
	if len(props) == 0 {
		return
	}
	p.put(" WITH (")
	each(p, props, ", ", func(kv Property) {
		p.ident(kv.Name)
		p.put(" = ")
		p.any(kv.Value)
	})
	p.put(")")
}

// Hive's grammar quotes names with backquotes; its strings are Trino's.
func hiveIdent(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

func (p *printer) hiveName(n Name) {
	each(p, n.Parts, ".", func(s string) { p.put(hiveIdent(s)) })
}

func (p *printer) ddl(s Statement) {
	switch s := s.(type) {
	case *CreateDatabase:
		p.put("CREATE DATABASE ", when(s.IfNotExists, "IF NOT EXISTS "))
		p.hiveName(s.Name)
		p.clause(" COMMENT ", s.Comment)
		p.clause(" LOCATION ", s.Location)
		p.keyValues(" WITH DBPROPERTIES ", s.Properties)
	case *DropDatabase:
		p.put("DROP DATABASE ", when(s.IfExists, "IF EXISTS "))
		p.hiveName(s.Name)
		p.put(when(s.Cascade, " CASCADE"))
	case *CreateTable:
		p.createTable(s)
	case *DropTable:
		p.put("DROP ", when(s.View, "VIEW "), when(!s.View, "TABLE "), when(s.IfExists, "IF EXISTS "))
		p.hiveName(s.Name)
	case *RepairTable:
		p.put("MSCK REPAIR TABLE ")
		p.hiveName(s.Table)
	case *Show:
		p.show(s)
	case *Describe:
		p.put("DESCRIBE ", when(s.View, "VIEW "), when(s.Mode != "", s.Mode+" "))
		p.hiveName(s.Table)
		if s.Partition != nil {
			p.put(" ")
			p.partition(*s.Partition)
		}
		if s.Column != "" {
			p.put(" ", hiveIdent(s.Column))
		}
	default:
		p.alter(s)
	}
}

func (p *printer) alter(s Statement) {
	p.put("ALTER TABLE ")
	switch s := s.(type) {
	case *AddPartitions:
		p.hiveName(s.Table)
		p.put(" ADD ", when(s.IfNotExists, "IF NOT EXISTS "))
		each(p, s.Partitions, " ", p.partition)
	case *DropPartitions:
		p.hiveName(s.Table)
		p.put(" DROP ", when(s.IfExists, "IF EXISTS "))
		each(p, s.Partitions, ", ", p.partition)
	case *RenamePartition:
		p.hiveName(s.Table)
		p.put(" ")
		p.partition(s.From)
		p.put(" RENAME TO ")
		p.partition(s.To)
	case *AlterColumns:
		p.hiveName(s.Table)
		p.put(when(s.Replace, " REPLACE"), when(!s.Replace, " ADD"), " COLUMNS ")
		p.columnDefs(s.Columns)
	case *SetLocation:
		p.hiveName(s.Table)
		if s.Partition != nil {
			p.put(" ")
			p.partition(*s.Partition)
		}
		p.put(" SET LOCATION ", quoteString(s.Location))
	case *SetProperties:
		p.hiveName(s.Table)
		p.keyValues(" SET TBLPROPERTIES ", s.Properties)
	}
}

func (p *printer) createTable(s *CreateTable) {
	p.put("CREATE ", when(s.External, "EXTERNAL "), "TABLE ", when(s.IfNotExists, "IF NOT EXISTS "))
	p.hiveName(s.Name)
	if len(s.Columns) > 0 {
		p.put(" ")
		p.columnDefs(s.Columns)
	}
	p.clause(" COMMENT ", s.Comment)
	if len(s.PartitionedBy) > 0 {
		p.put(" PARTITIONED BY ")
		p.columnDefs(s.PartitionedBy)
	}
	if len(s.ClusteredBy) > 0 {
		p.put(" CLUSTERED BY (")
		each(p, s.ClusteredBy, ", ", func(c string) { p.put(hiveIdent(c)) })
		p.put(") INTO ", s.Buckets, " BUCKETS")
	}
	p.rowFormat(s.RowFormat)
	p.keyValues(" WITH SERDEPROPERTIES ", s.SerDeProperties)
	if s.StoredAs != "" {
		p.put(" STORED AS ", s.StoredAs)
	}
	if s.InputFormat != "" {
		p.put(" STORED AS INPUTFORMAT ", quoteString(s.InputFormat), " OUTPUTFORMAT ", quoteString(s.OutputFormat))
	}
	p.clause(" LOCATION ", s.Location)
	p.keyValues(" TBLPROPERTIES ", s.Properties)
}

func (p *printer) rowFormat(r *RowFormat) {
	switch {
	case r == nil:
	case r.SerDe != "" || !r.Delimited:
		p.put(" ROW FORMAT SERDE ", quoteString(r.SerDe))
		p.keyValues(" WITH SERDEPROPERTIES ", r.Properties)
	default:
		p.put(" ROW FORMAT DELIMITED")
		p.clause(" FIELDS TERMINATED BY ", escapeDelimiter(r.Fields))
		p.clause(" ESCAPED BY ", escapeDelimiter(r.Escape))
		p.clause(" COLLECTION ITEMS TERMINATED BY ", escapeDelimiter(r.Collection))
		p.clause(" MAP KEYS TERMINATED BY ", escapeDelimiter(r.MapKeys))
		p.clause(" LINES TERMINATED BY ", escapeDelimiter(r.Lines))
		if r.NullDefined {
			p.put(" NULL DEFINED AS ", quoteString(r.Null))
		}
	}
}

// escapeDelimiter writes control characters and the backslash as Hive's escapes.
func escapeDelimiter(s string) string {
	switch {
	case s == "\t":
		return `\t`
	case s == "\n":
		return `\n`
	case s == "\r":
		return `\r`
	case s == `\`:
		return `\\`
	case len(s) == 1 && s[0] < ' ':
		return `\0` + string('0'+rune(s[0]>>3)) + string('0'+rune(s[0]&7))
	}
	return s
}

func (p *printer) clause(word, value string) {
	if value != "" {
		p.put(word, quoteString(value))
	}
}

func (p *printer) keyValues(word string, kvs []KeyValue) {
	if len(kvs) == 0 {
		return
	}
	p.put(word, "(")
	each(p, kvs, ", ", func(kv KeyValue) { p.put(quoteString(kv.Key), "=", quoteString(kv.Value)) })
	p.put(")")
}

func (p *printer) columnDefs(cols []ColumnDef) {
	p.put("(")
	each(p, cols, ", ", func(c ColumnDef) {
		p.put(hiveIdent(c.Name), " ", c.Type)
		p.clause(" COMMENT ", c.Comment)
	})
	p.put(")")
}

func (p *printer) partition(s PartitionSpec) {
	p.put("PARTITION (")
	each(p, s.Values, ", ", func(v PartitionValue) { p.put(hiveIdent(v.Key), " = ", quoteString(v.Value)) })
	p.put(")")
	p.clause(" LOCATION ", s.Location)
}

func (p *printer) show(s *Show) {
	p.put("SHOW ", s.What)
	if len(s.Name.Parts) > 0 {
		switch s.What {
		case "TABLES", "VIEWS", "COLUMNS":
			p.put(" IN ")
		default:
			p.put(" ")
		}
		p.hiveName(s.Name)
	}
	switch {
	case s.Like == "":
	case s.What == "TBLPROPERTIES":
		p.put("(", quoteString(s.Like), ")")
	default:
		p.put(" LIKE ", quoteString(s.Like))
	}
}
