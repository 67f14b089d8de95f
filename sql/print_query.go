package sql

import "strings"

// String is the query in Trino's SQL.
func (q *Query) String() string {
	var p printer
	p.query(q)
	return p.Builder.String()
}

// PrintExpr is an expression in Trino's SQL.
func PrintExpr(e Expr) string {
	var p printer
	p.any(e)
	return p.Builder.String()
}

func (p *printer) query(q *Query) {
	if len(q.With) > 0 {
		p.put("WITH ")
		if q.Recursive {
			p.put("RECURSIVE ")
		}
		each(p, q.With, ", ", func(c CTE) {
			p.ident(c.Name)
			p.columnAliases(c.Columns)
			p.put(" AS (")
			p.query(c.Query)
			p.put(")")
		})
		p.put(" ")
	}
	p.setExpr(q.Body)
	if len(q.OrderBy) > 0 {
		p.put(" ")
		p.orderBy(q.OrderBy)
	}
	if p.duck {
		p.limit(" LIMIT ", q.Limit, "")
		p.limit(" OFFSET ", q.Offset, "")
		return
	}
	p.limit(" OFFSET ", q.Offset, "")
	if q.WithTies {
		p.limit(" FETCH FIRST ", q.Limit, " ROWS WITH TIES")
	} else {
		p.limit(" LIMIT ", q.Limit, "")
	}
}

func (p *printer) limit(before string, n Expr, after string) {
	if n != nil {
		p.put(before)
		p.any(n)
		p.put(after)
	}
}

func (p *printer) columnAliases(ids []Ident) {
	if len(ids) > 0 {
		p.put("(")
		each(p, ids, ", ", p.ident)
		p.put(")")
	}
}

func (p *printer) setExpr(s SetExpr) {
	switch s := s.(type) {
	case *Select:
		p.selectBody(s)
	case *Values:
		p.put("VALUES ")
		each(p, s.Rows, ", ", p.valuesRow)
	case *TableBody:
		if p.duck {
			p.put("FROM ")
		} else {
			p.put("TABLE ")
		}
		p.name(s.Name)
	case *Query:
		p.put("(")
		p.query(s)
		p.put(")")
	case *SetOp:
		p.setOperand(s.L, s.Op, true)
		p.put(" ", s.Op)
		if s.All {
			p.put(" ALL")
		}
		p.put(" ")
		p.setOperand(s.R, s.Op, false)
	}
}

// setOperand prints one side of a set operation; a nested one of another kind, or on the right, needs parentheses.
func (p *printer) setOperand(s SetExpr, op string, left bool) {
	inner, ok := s.(*SetOp)
	if !ok || left && (inner.Op == "INTERSECT") == (op == "INTERSECT") || left && inner.Op == "INTERSECT" ||
		!left && inner.Op == "INTERSECT" && op != "INTERSECT" {
		p.setExpr(s)
		return
	}
	p.put("(")
	p.setExpr(s)
	p.put(")")
}

func (p *printer) valuesRow(e Expr) {
	row, ok := e.(*Row)
	if !ok {
		p.put("(")
		p.any(e)
		p.put(")")
		return
	}
	p.put("(")
	each(p, row.Elems, ", ", p.any)
	p.put(")")
}

func (p *printer) selectBody(s *Select) {
	p.put("SELECT ")
	if s.Distinct {
		p.put("DISTINCT ")
	}
	each(p, s.Items, ", ", p.selectItem)
	if len(s.From) > 0 {
		p.put(" FROM ")
		each(p, s.From, ", ", p.relation)
	}
	if s.Where != nil {
		p.put(" WHERE ")
		p.any(s.Where)
	}
	if len(s.GroupBy) > 0 {
		p.put(" GROUP BY ")
		if s.GroupByDistinct && !p.duck {
			p.put("DISTINCT ")
		}
		each(p, s.GroupBy, ", ", p.grouping)
	}
	if s.Having != nil {
		p.put(" HAVING ")
		p.any(s.Having)
	}
	if len(s.Windows) > 0 {
		p.put(" WINDOW ")
		each(p, s.Windows, ", ", func(w NamedWindow) {
			p.ident(w.Name)
			p.put(" AS ")
			p.window(w.Def)
		})
	}
}

func (p *printer) selectItem(it SelectItem) {
	if it.X == nil {
		if it.Qualifier != nil {
			p.expr(it.Qualifier, precPrimary)
			p.put(".")
		}
		p.put("*")
		return
	}
	p.any(it.X)
	if it.Alias != nil {
		p.put(" AS ")
		p.ident(*it.Alias)
	}
}

func (p *printer) grouping(g Grouping) {
	if g.Kind == "" {
		p.any(g.X)
		return
	}
	p.put(g.Kind, " (")
	each(p, g.Sets, ", ", func(set []Expr) {
		p.put("(")
		each(p, set, ", ", p.any)
		p.put(")")
	})
	p.put(")")
}

func (p *printer) relation(r Relation) {
	switch r := r.(type) {
	case *TableRef:
		p.name(r.Name)
		switch {
		case r.Live && r.AsOf != nil:
			p.put(" FOR LIVE AS OF ")
		case r.Live:
			p.put(" FOR LIVE")
		case r.AsOf != nil:
			p.put(" FOR ", r.AsOfKind, " AS OF ")
		}
		if r.AsOf != nil {
			p.expr(r.AsOf, precConcat)
		}
	case *QueryRef:
		if r.Lateral {
			p.put("LATERAL ")
		}
		p.put("(")
		p.query(r.Query)
		p.put(")")
	case *Unnest:
		p.put("UNNEST(")
		each(p, r.Exprs, ", ", p.any)
		p.put(")")
		if r.Ordinality {
			p.put(" WITH ORDINALITY")
		}
	case *Aliased:
		p.relation(r.Relation)
		p.put(" AS ")
		p.ident(r.Alias)
		p.columnAliases(r.Columns)
	case *Sampled:
		p.relation(r.Relation)
		p.put(" TABLESAMPLE ", r.Method, " (")
		p.any(r.Percent)
		if p.duck {
			p.put(" PERCENT")
		}
		p.put(")")
	case *Parens:
		p.put("(")
		p.relation(r.Relation)
		p.put(")")
	case *Join:
		p.join(r)
	}
}

func (p *printer) join(j *Join) {
	p.relation(j.L)
	p.put(" ")
	if j.Natural {
		p.put("NATURAL ")
	}
	p.put(j.Kind, " JOIN ")
	if nested, ok := j.R.(*Join); ok {
		p.put("(")
		p.join(nested)
		p.put(")")
	} else {
		p.relation(j.R)
	}
	if j.On != nil {
		p.put(" ON ")
		p.any(j.On)
	}
	if len(j.Using) > 0 {
		p.put(" USING ")
		p.columnAliases(j.Using)
	}
}

// joinNames is a name as messages show it.
func (n Name) String() string { return strings.Join(n.Parts, ".") }
