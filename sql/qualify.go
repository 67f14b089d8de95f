package sql

// Qualify puts a database in front of the table names in q that have none and are no WITH queries: what a view needs
// that is used from another database.
func Qualify(q *Query, database string) {
	w := &qualifier{database: database}
	w.query(q, nil)
}

type qualifier struct{ database string }

// names is a chain of WITH names that are visible.
type names struct {
	outer *names
	name  string
}

func (n *names) has(s string) bool {
	for ; n != nil; n = n.outer {
		if n.name == s {
			return true
		}
	}
	return false
}

func (w *qualifier) query(q *Query, with *names) {
	for _, c := range q.With {
		if q.Recursive {
			with = &names{with, c.Name.Name}
			w.query(c.Query, with)
			continue
		}
		w.query(c.Query, with)
		with = &names{with, c.Name.Name}
	}
	w.setExpr(q.Body, with)
	w.sortItems(q.OrderBy, with)
}

func (w *qualifier) setExpr(s SetExpr, with *names) {
	switch s := s.(type) {
	case *Query:
		w.query(s, with)
	case *SetOp:
		w.setExpr(s.L, with)
		w.setExpr(s.R, with)
	case *Values:
		w.exprs(s.Rows, with)
	case *TableBody:
		w.name(&s.Name, with)
	case *Select:
		w.selectBody(s, with)
	}
}

func (w *qualifier) name(n *Name, with *names) {
	if len(n.Parts) == 1 && !with.has(n.Parts[0]) {
		n.Parts = []string{w.database, n.Parts[0]}
	}
}

func (w *qualifier) selectBody(s *Select, with *names) {
	for _, r := range s.From {
		w.relation(r, with)
	}
	for _, it := range s.Items {
		w.expr(it.X, with)
	}
	w.expr(s.Where, with)
	w.expr(s.Having, with)
	for _, g := range s.GroupBy {
		w.expr(g.X, with)
		for _, set := range g.Sets {
			w.exprs(set, with)
		}
	}
}

func (w *qualifier) relation(r Relation, with *names) {
	switch r := r.(type) {
	case *TableRef:
		w.name(&r.Name, with)
	case *QueryRef:
		w.query(r.Query, with)
	case *Unnest:
		w.exprs(r.Exprs, with)
	case *Aliased:
		w.relation(r.Relation, with)
	case *Sampled:
		w.relation(r.Relation, with)
	case *Parens:
		w.relation(r.Relation, with)
	case *Join:
		w.relation(r.L, with)
		w.relation(r.R, with)
		w.expr(r.On, with)
	}
}

func (w *qualifier) sortItems(items []SortItem, with *names) {
	for _, s := range items {
		w.expr(s.X, with)
	}
}

func (w *qualifier) exprs(es []Expr, with *names) {
	for _, e := range es {
		w.expr(e, with)
	}
}

// expr finds the queries inside an expression.
func (w *qualifier) expr(e Expr, with *names) {
	switch e := e.(type) {
	case *Deref:
		w.expr(e.Base, with)
	case *Unary:
		w.expr(e.X, with)
	case *Arith:
		w.expr(e.L, with)
		w.expr(e.R, with)
	case *Compare:
		w.expr(e.L, with)
		w.expr(e.R, with)
	case *Quantified:
		w.expr(e.L, with)
		w.query(e.Query, with)
	case *Logical:
		w.exprs(e.Terms, with)
	case *Not:
		w.expr(e.X, with)
	case *Between:
		w.exprs([]Expr{e.X, e.Low, e.High}, with)
	case *In:
		w.expr(e.X, with)
		w.exprs(e.List, with)
		if e.Query != nil {
			w.query(e.Query, with)
		}
	case *Like:
		w.exprs([]Expr{e.X, e.Pattern}, with)
	case *IsNull:
		w.expr(e.X, with)
	case *Exists:
		w.query(e.Query, with)
	case *Subquery:
		w.query(e.Query, with)
	case *Case:
		w.exprs([]Expr{e.Operand, e.Else}, with)
		for _, b := range e.Whens {
			w.exprs([]Expr{b.Cond, b.Then}, with)
		}
	case *Cast:
		w.expr(e.X, with)
	case *Extract:
		w.expr(e.X, with)
	case *AtTimeZone:
		w.expr(e.X, with)
	case *Call:
		w.exprs(e.Args, with)
		w.expr(e.Filter, with)
		w.sortItems(e.OrderBy, with)
	case *Array:
		w.exprs(e.Elems, with)
	case *Row:
		w.exprs(e.Elems, with)
	case *Lambda:
		w.expr(e.Body, with)
	case *Subscript:
		w.exprs([]Expr{e.X, e.Index}, with)
	}
}
