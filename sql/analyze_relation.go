package sql

import "fmt"

// relation rewrites r, brings its columns into sc, and gives it an alias of its own.
func (a *analyzer) relation(r Relation, sc *scope, top bool) Relation {
	if a.err != nil {
		return r
	}
	switch r := r.(type) {
	case *Join:
		return a.join(r, sc)
	case *Parens:
		return &Parens{a.relation(r.Relation, sc, false)}
	case *Sampled:
		x, _ := a.expr(r.Percent, &scope{})
		if _, ok := x.(*Number); !ok {
			a.failf("NOT_SUPPORTED", r.Percent.Position(), "TABLESAMPLE needs a number")
		}
		return &Sampled{a.relation(r.Relation, sc, top), r.Method, x}
	case *Aliased:
		if inner, ok := r.Relation.(*Parens); ok {
			a.failf("NOT_SUPPORTED", r.Alias.Pos, "an alias on a join in parentheses is not supported")
			return inner
		}
		return a.named(r.Relation, &r.Alias, r.Columns, sc)
	}
	return a.named(r, nil, nil, sc)
}

// named rewrites a table, query or unnest that has, or gets, an alias.
func (a *analyzer) named(r Relation, alias *Ident, columns []Ident, sc *scope) Relation {
	if s, ok := r.(*Sampled); ok {
		inner := a.named(s.Relation, alias, columns, sc)
		return &Sampled{inner, s.Method, s.Percent}
	}
	out := &rel{alias: a.newAlias()}
	var printed Relation
	switch r := r.(type) {
	case *TableRef:
		printed = a.table(r, out)
	case *QueryRef:
		outer := sc.parent
		if r.Lateral {
			outer = sc
		}
		q, cols, open := a.query(r.Query, outer)
		out.cols, out.open = cols, open
		printed = &QueryRef{q, r.Lateral}
	case *Unnest:
		printed = a.unnest(r, out, sc)
	default:
		a.fail(&Error{Code: "NOT_SUPPORTED", Msg: fmt.Sprintf("relation %T is not supported", r)})
		return r
	}
	if alias != nil {
		out.names = []string{alias.Name}
	}
	result := &Aliased{Relation: printed, Alias: out.alias}
	if len(columns) > 0 {
		if out.src != nil { // by new names it cannot be told what is used
			for _, c := range out.cols {
				out.ref(c)
			}
		}
		out.cols = a.rename(out.cols, columns, out.open, *alias)
		out.open, out.src = false, nil
		result.Columns = aliasList(columns, out.cols)
	} else if _, ok := valuesOf(r); ok && len(out.cols) > 0 {
		result.Columns = aliasList(make([]Ident, 1), out.cols)
	}
	sc.rels = append(sc.rels, out)
	return result
}

// valuesOf says whether a relation is a bare VALUES, whose columns DuckDB would name in its own way.
func valuesOf(r Relation) (*Values, bool) {
	q, ok := r.(*QueryRef)
	if !ok {
		return nil, false
	}
	v, ok := q.Query.Body.(*Values)
	return v, ok
}

// table resolves a name: a WITH query, a view, or a table.
func (a *analyzer) table(r *TableRef, out *rel) Relation {
	out.names = r.Name.Parts
	if len(r.Name.Parts) == 1 {
		for i := len(a.ctes) - 1; i >= 0; i-- {
			if c := a.ctes[i][r.Name.Parts[0]]; c != nil {
				if r.Live {
					a.failf("NOT_SUPPORTED", r.Name.Pos, "FOR LIVE is for tables: write it behind those of WITH %s", r.Name)
				}
				out.cols, out.open = c.cols, c.open
				return &TableRef{Name: Name{Parts: []string{c.name}}}
			}
		}
	}
	if a.opts.Table == nil {
		out.open = true
		return &TableRef{Name: r.Name}
	}
	src, err := a.opts.Table(r)
	if err != nil {
		a.fail(err)
		return r
	}
	if src.View != nil {
		return a.view(src.View, r, out)
	}
	out.cols, out.hidden, out.open, out.src = src.Columns, src.Hidden, src.Columns == nil || src.Open, src
	return &TableRef{Name: Name{Parts: []string{src.Binding}}}
}

// view puts the query of a view in its place; it sees no WITH query of the statement that uses it.
func (a *analyzer) view(q *Query, r *TableRef, out *rel) Relation {
	if a.views++; a.views > maxViewDepth {
		a.failf("VIEW_IS_RECURSIVE", r.Name.Pos, "View '%s' is recursive, or nests more than %d views", r.Name, maxViewDepth)
		return r
	}
	defer func() { a.views-- }()
	saved := a.ctes
	a.ctes = nil
	printed, cols, open := a.query(q, nil)
	a.ctes = saved
	out.cols, out.open = cols, open
	return &QueryRef{Query: printed}
}

func (a *analyzer) join(j *Join, sc *scope) Relation {
	if j.Natural {
		a.failf("NOT_SUPPORTED", j.Pos, "Natural join not supported")
	}
	before := len(sc.rels)
	l := a.relation(j.L, sc, false)
	middle := len(sc.rels)
	r := a.relation(j.R, sc, false)
	out := &Join{Kind: j.Kind, L: l, R: r}
	if a.err != nil {
		return out
	}
	if len(j.Using) == 0 {
		out.On = a.condition(j.On, sc, "JOIN ON clause")
		return out
	}
	left, right := sc.rels[before:middle], sc.rels[middle:]
	for _, id := range j.Using {
		out.Using = append(out.Using, a.mergeUsing(id, left, right, sc))
	}
	return out
}

// mergeUsing makes one column of the two that USING names.
func (a *analyzer) mergeUsing(id Ident, left, right []*rel, sc *scope) Ident {
	var typ Type
	for i, side := range [][]*rel{left, right} {
		found := false
		for _, r := range side {
			for _, c := range r.cols {
				if c.Name != id.Name {
					continue
				}
				if r.merged == nil {
					r.merged = map[string]bool{}
				}
				found, typ = true, c.Type
				r.merged[id.Name] = true
				r.ref(c)
			}
			found = found || r.open
		}
		if !found {
			a.failf("COLUMN_NOT_FOUND", id.Pos, "Column '%s' is missing from %s side of join", id.Name, [2]string{"left", "right"}[i])
		}
	}
	for _, c := range sc.using {
		if c.Name == id.Name {
			return Ident{Name: id.Name}
		}
	}
	sc.using = append(sc.using, Column{Name: id.Name, Type: typ})
	return Ident{Name: id.Name}
}

// unnest becomes a lateral query that unnests side by side: DuckDB's own UNNEST in FROM takes one list only.
func (a *analyzer) unnest(u *Unnest, out *rel, sc *scope) Relation {
	sel := &Select{}
	add := func(name string, x Expr, t Type) {
		sel.Items = append(sel.Items, SelectItem{X: x, Alias: &Ident{Name: name}})
		out.cols = append(out.cols, Column{Name: name, Type: t})
	}
	name := func() string { return fmt.Sprintf("_unnest%d", len(out.cols)) }
	var lengths []Expr
	for _, e := range u.Exprs {
		x, t := a.expr(e, sc)
		switch t.Name {
		case "map":
			add(name(), &template{text: "unnest(map_keys($1))", args: []Expr{x}}, t.Args[0])
			add(name(), &template{text: "unnest(map_values($1))", args: []Expr{x}}, t.Args[1])
			lengths = append(lengths, &template{text: "CAST(cardinality($1) AS BIGINT)", args: []Expr{x}})
			continue
		case "array", "", "unknown":
		default:
			a.failf("INVALID_FUNCTION_ARGUMENT", e.Position(), "Cannot unnest type: %s", t)
		}
		lengths = append(lengths, &template{text: "len($1)", args: []Expr{x}})
		if t.Name == "array" && t.Args[0].Name == "row" {
			for i, field := range t.Args[0].Fields {
				part := &template{text: fmt.Sprintf("struct_extract(unnest($1), %s)", fieldKey(field, i)), args: []Expr{x}}
				if field == "" {
					field = name()
				}
				add(field, part, t.Args[0].Args[i])
			}
			continue
		}
		var elem Type
		if t.Name == "array" {
			elem = t.Args[0]
		}
		add(name(), &template{text: "unnest($1)", args: []Expr{x}}, elem)
	}
	if u.Ordinality {
		count := lengths[0]
		if len(lengths) > 1 {
			count = &template{text: "greatest($*)", args: lengths}
		}
		add("ordinality", &template{text: "unnest(generate_series(1, $1))", args: []Expr{count}}, Type{Name: "bigint"})
	}
	return &QueryRef{Query: &Query{Body: sel}, Lateral: len(sc.rels) > 0 || sc.parent != nil}
}

// fieldKey is how struct_extract is told a field: by name, or by position from 1.
func fieldKey(name string, i int) string {
	if name == "" {
		return fmt.Sprint(i + 1)
	}
	return quoteString(name)
}
