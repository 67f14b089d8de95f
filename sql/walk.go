package sql

// MapChildren returns a copy of e whose direct parts are what f makes of them. Queries inside e stay as they are. A literal
// has no parts and is returned as it is.
func MapChildren(e Expr, f func(Expr) Expr) Expr {
	opt := func(x Expr) Expr {
		if x == nil {
			return nil
		}
		return f(x)
	}
	switch e := e.(type) {
	case *Deref:
		c := *e
		c.Base = f(e.Base)
		return &c
	case *Unary:
		c := *e
		c.X = f(e.X)
		return &c
	case *Arith:
		c := *e
		c.L, c.R = f(e.L), f(e.R)
		return &c
	case *Extract:
		c := *e
		c.X = f(e.X)
		return &c
	case *AtTimeZone:
		c := *e
		c.X, c.Zone = f(e.X), f(e.Zone)
		return &c
	case *Cast:
		c := *e
		c.X = f(e.X)
		return &c
	case *Array:
		c := *e
		c.Elems = mapAll(e.Elems, f)
		return &c
	case *Row:
		c := *e
		c.Elems = mapAll(e.Elems, f)
		return &c
	case *Lambda:
		c := *e
		c.Body = f(e.Body)
		return &c
	case *Subscript:
		c := *e
		c.X, c.Index = f(e.X), f(e.Index)
		return &c
	case *Case:
		c := *e
		c.Operand, c.Else, c.Whens = opt(e.Operand), opt(e.Else), make([]When, len(e.Whens))
		for i, w := range e.Whens {
			c.Whens[i] = When{f(w.Cond), f(w.Then)}
		}
		return &c
	case *Call:
		return mapCall(e, f)
	}
	return mapPredicate(e, f)
}

func mapPredicate(e Expr, f func(Expr) Expr) Expr {
	switch e := e.(type) {
	case *Compare:
		c := *e
		c.L, c.R = f(e.L), f(e.R)
		return &c
	case *Quantified:
		c := *e
		c.L = f(e.L)
		return &c
	case *Logical:
		c := *e
		c.Terms = mapAll(e.Terms, f)
		return &c
	case *Not:
		c := *e
		c.X = f(e.X)
		return &c
	case *Between:
		c := *e
		c.X, c.Low, c.High = f(e.X), f(e.Low), f(e.High)
		return &c
	case *In:
		c := *e
		c.X, c.List = f(e.X), mapAll(e.List, f)
		return &c
	case *Like:
		c := *e
		c.X, c.Pattern = f(e.X), f(e.Pattern)
		if e.Escape != nil {
			c.Escape = f(e.Escape)
		}
		return &c
	case *IsNull:
		c := *e
		c.X = f(e.X)
		return &c
	}
	return e
}

func mapCall(e *Call, f func(Expr) Expr) Expr {
	c := *e
	c.Args = mapAll(e.Args, f)
	c.OrderBy = mapSort(e.OrderBy, f)
	if e.Filter != nil {
		c.Filter = f(e.Filter)
	}
	if e.Over != nil {
		w := *e.Over
		w.PartitionBy, w.OrderBy = mapAll(w.PartitionBy, f), mapSort(w.OrderBy, f)
		c.Over = &w
	}
	return &c
}

func mapAll(es []Expr, f func(Expr) Expr) []Expr {
	if es == nil {
		return nil
	}
	out := make([]Expr, len(es))
	for i, e := range es {
		out[i] = f(e)
	}
	return out
}

func mapSort(items []SortItem, f func(Expr) Expr) []SortItem {
	var out []SortItem
	for _, it := range items {
		out = append(out, SortItem{f(it.X), it.Desc, it.Nulls})
	}
	return out
}

// QueryIn is the query that e is or holds directly, as in EXISTS (…) and x IN (SELECT …), or nil.
func QueryIn(e Expr) *Query {
	switch e := e.(type) {
	case *Subquery:
		return e.Query
	case *Exists:
		return e.Query
	case *Quantified:
		return e.Query
	case *In:
		return e.Query
	}
	return nil
}

// IsAggregate says whether a function draws rows together when it is called without OVER.
func IsAggregate(name string) bool {
	f, ok := functions()[name]
	return ok && f.agg && !f.window
}
