package incremental

import "github.com/weir-data/weir/sql"

// needed are the names of the columns that a SELECT mentions; nil if it may need any.
func needed(s *sql.Select, o order) map[string]bool {
	need, all := map[string]bool{}, false
	look := func(e sql.Expr) {
		visit(e, func(x sql.Expr) {
			switch x := x.(type) {
			case *sql.Ident:
				need[x.Name] = true
			case *sql.Deref:
				need[x.Field.Name] = true
			}
			all = all || sql.QueryIn(x) != nil
		})
	}
	for _, it := range s.Items {
		all = all || it.X == nil
		look(it.X)
	}
	look(s.Where)
	look(s.Having)
	for _, g := range s.GroupBy {
		look(g.X)
		for _, set := range g.Sets {
			for _, e := range set {
				look(e)
			}
		}
	}
	if o.q != nil {
		for _, it := range o.q.OrderBy {
			look(it.X)
		}
	}
	for _, r := range s.From {
		all = neededOn(r, look, need) || all
	}
	if all {
		return nil
	}
	return need
}

// neededOn looks at the conditions of the joins in r. It says whether there is more to see, as in a lateral query.
func neededOn(r sql.Relation, look func(sql.Expr), need map[string]bool) bool {
	switch r := r.(type) {
	case *sql.Join:
		look(r.On)
		for _, id := range r.Using {
			need[id.Name] = true
		}
		l := neededOn(r.L, look, need)
		return neededOn(r.R, look, need) || l
	case *sql.Parens:
		return neededOn(r.Relation, look, need)
	case *sql.Aliased:
		return len(r.Columns) > 0 || neededOn(r.Relation, look, need)
	case *sql.QueryRef:
		return r.Lateral
	case *sql.Unnest:
		for _, e := range r.Exprs {
			look(e)
		}
	}
	return false
}

// covers says whether all columns in e are those of the scope, so that a condition can be looked at before other tables join.
func (s *scope) covers(e sql.Expr) bool {
	ok := true
	var look func(e sql.Expr) sql.Expr
	look = func(e sql.Expr) sql.Expr {
		if path := namePath(e); path != nil {
			_, found := s.column(s.normal(e))
			if d, isField := e.(*sql.Deref); isField && !found {
				return look(d.Base)
			}
			ok = ok && found
			return e
		}
		ok = ok && sql.QueryIn(e) == nil
		return sql.MapChildren(e, look)
	}
	look(e)
	return ok
}

// conjuncts splits a condition at its ANDs.
func conjuncts(e sql.Expr) []sql.Expr {
	if e == nil {
		return nil
	}
	if l, ok := e.(*sql.Logical); ok && l.Op == "AND" {
		var all []sql.Expr
		for _, t := range l.Terms {
			all = append(all, conjuncts(t)...)
		}
		return all
	}
	return []sql.Expr{e}
}

// and is the condition that all of es are true, nil of none.
func and(es []sql.Expr) sql.Expr {
	switch len(es) {
	case 0:
		return nil
	case 1:
		return es[0]
	}
	return &sql.Logical{Op: "AND", Terms: es}
}
