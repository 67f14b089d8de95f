package sql

// predicate rewrites comparisons and their kin; all of them are boolean.
func (a *analyzer) predicate(e Expr, sc *scope) (Expr, Type) {
	switch e := e.(type) {
	case *Compare:
		return a.compare(e, sc), boolType
	case *Quantified:
		l, lt := a.expr(e.L, sc)
		q := a.oneColumn(e.Query, e.Pos, lt, sc)
		return &Quantified{Op: e.Op, Quantifier: quantifier(e.Quantifier), L: l, Query: q}, boolType
	case *Between:
		xs, ts := a.exprs([]Expr{e.X, e.Low, e.High}, sc)
		if !comparable(ts[0], ts[1]) || !comparable(ts[0], ts[2]) {
			a.failf("TYPE_MISMATCH", e.Pos, "Cannot check if %s is BETWEEN %s and %s", ts[0], ts[1], ts[2])
		}
		blankless(xs, ts)
		return &Between{X: xs[0], Low: xs[1], High: xs[2], Negated: e.Negated}, boolType
	case *In:
		return a.in(e, sc), boolType
	case *Like:
		return a.like(e, sc), boolType
	case *IsNull:
		x, _ := a.expr(e.X, sc)
		return &IsNull{X: x, Negated: e.Negated}, boolType
	}
	a.failf("NOT_SUPPORTED", e.Position(), "expression %T is not supported", e)
	return e, Type{}
}

func quantifier(q string) string {
	if q == "SOME" {
		return "ANY"
	}
	return q
}

func (a *analyzer) compare(e *Compare, sc *scope) Expr {
	l, lt := a.expr(e.L, sc)
	r, rt := a.expr(e.R, sc)
	if !comparable(lt, rt) {
		a.failf("TYPE_MISMATCH", e.Pos, "Cannot apply operator: %s %s %s", lt, e.Op, rt)
	}
	sides := []Expr{l, r}
	blankless(sides, []Type{lt, rt})
	return &Compare{Op: e.Op, L: sides[0], R: sides[1]}
}

// oneColumn rewrites a query that must yield one column to compare with t.
func (a *analyzer) oneColumn(q *Query, at Pos, t Type, sc *scope) *Query {
	out, cols, open := a.query(q, sc)
	if open || a.err != nil {
		return out
	}
	if len(cols) != 1 {
		if t.Name == "row" && len(t.Args) == len(cols) {
			return out
		}
		a.failf("NOT_SUPPORTED", at, "Subquery returns %d columns, expected 1", len(cols))
		return out
	}
	if !comparable(t, cols[0].Type) {
		a.failf("TYPE_MISMATCH", at, "Value expression and result of subquery must be of the same type: %s vs %s", t, cols[0].Type)
	}
	return out
}

func (a *analyzer) in(e *In, sc *scope) Expr {
	x, t := a.expr(e.X, sc)
	if e.Query != nil {
		return &In{X: x, Query: a.oneColumn(e.Query, e.Pos, t, sc), Negated: e.Negated}
	}
	xs, ts := a.exprs(e.List, sc)
	for i, it := range ts {
		if !comparable(t, it) {
			a.failf("TYPE_MISMATCH", e.List[i].Position(), "IN value and list items must be the same type or coercible to a common type. "+
				"Cannot find common type between %s and %s", t, it)
		}
	}
	all := append([]Expr{x}, xs...)
	blankless(all, append([]Type{t}, ts...))
	return &In{X: all[0], List: all[1:], Negated: e.Negated}
}

func (a *analyzer) like(e *Like, sc *scope) Expr {
	out := &Like{Negated: e.Negated}
	var t, pt Type
	out.X, t = a.expr(e.X, sc)
	out.Pattern, pt = a.expr(e.Pattern, sc)
	if !accepts('t', t) {
		a.failf("TYPE_MISMATCH", e.X.Position(), "Left side of LIKE expression must evaluate to a varchar (actual: %s)", t)
	}
	if !accepts('t', pt) {
		a.failf("TYPE_MISMATCH", e.Pattern.Position(), "Pattern for LIKE expression must evaluate to a varchar (actual: %s)", pt)
	}
	if e.Escape != nil {
		out.Escape, _ = a.expr(e.Escape, sc)
	}
	return out
}

// predicates notes, with the tables concerned, the simple conditions that every row kept by WHERE e fulfils. All of
// them reject NULL, so they hold on either side of an outer join too.
func (a *analyzer) predicates(e Expr, sc *scope) {
	switch e := e.(type) {
	case *Logical:
		if e.Op == "AND" {
			for _, t := range e.Terms {
				a.predicates(t, sc)
			}
		}
	case *Compare:
		a.comparePredicate(e, sc)
	case *Between:
		if low, ok := a.constant(e.Low); ok && !e.Negated {
			sc.note(e.X, ">=", low)
		}
		if high, ok := a.constant(e.High); ok && !e.Negated {
			sc.note(e.X, "<=", high)
		}
	case *In:
		if e.Negated || e.Query != nil {
			return
		}
		var values []Literal
		for _, item := range e.List {
			v, ok := a.constant(item)
			if !ok {
				return
			}
			values = append(values, v)
		}
		sc.note(e.X, "IN", values...)
	}
}

func (a *analyzer) comparePredicate(e *Compare, sc *scope) {
	mirrored := map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
	if mirrored[e.Op] == "" {
		return
	}
	if v, ok := a.constant(e.R); ok {
		sc.note(e.L, e.Op, v)
	} else if v, ok := a.constant(e.L); ok {
		sc.note(e.R, mirrored[e.Op], v)
	}
}

// note adds a predicate to the source of the column that x is, if it is one of a table's.
func (s *scope) note(x Expr, op string, values ...Literal) {
	path := namePath(x)
	if path == nil {
		return
	}
	column := path[len(path)-1]
	var found *rel
	for _, r := range s.rels {
		if len(path) > 1 && !hasSuffix(r.names, path[:len(path)-1]) {
			continue
		}
		for _, c := range r.cols {
			if c.Name == column {
				if found != nil {
					return
				}
				found = r
			}
		}
	}
	if found != nil && found.src != nil {
		found.src.Predicates = append(found.src.Predicates, Predicate{column, op, values})
	}
}

// constant evaluates a literal, also a signed or cast one.
func (a *analyzer) constant(e Expr) (Literal, bool) {
	switch e := e.(type) {
	case *Number:
		return Literal{e.Text, a.numberType(e)}, true
	case *String:
		return Literal{e.Value, Type{Name: "varchar"}}, true
	case *Bool:
		if e.Value {
			return Literal{"true", boolType}, true
		}
		return Literal{"false", boolType}, true
	case *Typed:
		return Literal{e.Text, e.Type}, true
	case *Unary:
		v, ok := a.constant(e.X)
		if ok && e.Op == "-" && v.Type.family() == "number" && v.Text[0] != '-' {
			v.Text = "-" + v.Text
			return v, true
		}
		return v, ok && e.Op == "+"
	case *Cast:
		v, ok := a.constant(e.X)
		if ok && v.Type.family() == "text" && (e.Type.Name == "date" || e.Type.Name == "timestamp") {
			v.Type = e.Type
			return v, true
		}
		return v, ok && e.Type.Name == v.Type.Name
	case *Call:
		if e.Name == "date" && len(e.Args) == 1 {
			v, ok := a.constant(e.Args[0])
			v.Type = Type{Name: "date"}
			return v, ok && len(v.Text) == 10
		}
	case *Param:
		if e.Index < len(a.opts.Params) {
			return a.constant(a.opts.Params[e.Index])
		}
	}
	return Literal{}, false
}
