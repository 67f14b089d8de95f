package sql

import (
	"fmt"
	"strconv"
)

// maxViewDepth bounds views that use views.
const maxViewDepth = 16

// query rewrites q and says what columns it yields; open means that there are more that are not known.
func (a *analyzer) query(q *Query, outer *scope) (out *Query, cols []Column, open bool) {
	if a.err != nil {
		return q, nil, true
	}
	a.ctes = append(a.ctes, map[string]*cte{})
	defer func() { a.ctes = a.ctes[:len(a.ctes)-1] }()
	out = &Query{Pos: q.Pos, Recursive: q.Recursive, Limit: a.rowCount(q.Limit), Offset: a.rowCount(q.Offset)}
	if q.WithTies {
		a.failf("NOT_SUPPORTED", q.Pos, "FETCH FIRST WITH TIES is not supported")
	}
	for _, c := range q.With {
		out.With = append(out.With, a.cte(c, q.Recursive, outer))
	}
	var sc *scope
	out.Body, cols, open, sc = a.setExpr(q.Body, outer)
	out.OrderBy = a.orderBy(q.OrderBy, sc, cols)
	return out, cols, open
}

func (a *analyzer) rowCount(e Expr) Expr {
	if e == nil {
		return nil
	}
	if p, ok := e.(*Param); ok {
		v := a.param(p)
		if _, ok := v.(*Number); !ok {
			a.failf("TYPE_MISMATCH", p.Pos, "LIMIT and OFFSET need an integer parameter")
		}
		return v
	}
	if n, ok := e.(*Number); ok {
		if _, err := strconv.ParseInt(n.Text, 10, 64); err != nil {
			a.failf("INVALID_LIMIT_CLAUSE", n.Pos, "Invalid LIMIT row count: %s", n.Text)
		}
	}
	return e
}

func (a *analyzer) cte(c CTE, recursive bool, outer *scope) CTE {
	top := a.ctes[len(a.ctes)-1]
	if top[c.Name.Name] != nil {
		a.failf("DUPLICATE_NAMED_QUERY", c.Name.Pos, "WITH query name '%s' specified more than once", c.Name.Name)
	}
	if recursive && len(c.Columns) > 0 {
		self := &cte{name: c.Name.Name}
		for _, id := range c.Columns {
			self.cols = append(self.cols, Column{Name: id.Name})
		}
		top[c.Name.Name] = self
	}
	q, cols, open := a.query(c.Query, outer)
	cols = a.rename(cols, c.Columns, open, c.Name)
	top[c.Name.Name] = &cte{c.Name.Name, cols, open}
	return CTE{Name: Ident{Name: c.Name.Name}, Columns: aliasList(c.Columns, cols), Query: q}
}

// rename gives columns the names of a column alias list.
func (a *analyzer) rename(cols []Column, ids []Ident, open bool, at Ident) []Column {
	if len(ids) == 0 {
		return cols
	}
	if !open && len(ids) != len(cols) {
		a.failf("MISMATCHED_COLUMN_ALIASES", at.Pos, "Column alias list has %d entries but '%s' has %d columns available",
			len(ids), at.Name, len(cols))
		return cols
	}
	out := make([]Column, len(ids))
	for i, id := range ids {
		out[i].Name = id.Name
		if i < len(cols) && !open {
			out[i].Type = cols[i].Type
		}
	}
	return out
}

func aliasList(ids []Ident, cols []Column) []Ident {
	if len(ids) == 0 {
		return nil
	}
	out := make([]Ident, len(cols))
	for i, c := range cols {
		out[i] = Ident{Name: c.printed()}
	}
	return out
}

// setExpr rewrites a query's body. The scope it returns is that of ORDER BY.
func (a *analyzer) setExpr(s SetExpr, outer *scope) (SetExpr, []Column, bool, *scope) {
	switch s := s.(type) {
	case *Select:
		return a.selectBody(s, outer)
	case *Query:
		q, cols, open := a.query(s, outer)
		return q, cols, open, &scope{parent: outer, out: cols}
	case *Values:
		v, cols := a.values(s, outer)
		return v, cols, false, &scope{parent: outer, out: cols}
	case *TableBody:
		star := &Select{Pos: s.Name.Pos, Items: []SelectItem{{Pos: s.Name.Pos}}, From: []Relation{&TableRef{Name: s.Name}}}
		return a.selectBody(star, outer)
	}
	op := s.(*SetOp)
	l, cols, lopen, _ := a.setExpr(op.L, outer)
	r, rcols, ropen, _ := a.setExpr(op.R, outer)
	if !lopen && !ropen {
		cols = a.unify(op, cols, rcols)
	} else {
		cols = untyped(cols)
	}
	return &SetOp{op.Pos, op.Op, op.All, l, r}, cols, lopen || ropen, &scope{parent: outer, out: cols}
}

// untyped are columns of which only the names are known.
func untyped(cols []Column) []Column {
	out := make([]Column, len(cols))
	for i, c := range cols {
		out[i] = Column{Name: c.Name, ref: c.ref}
	}
	return out
}

func (a *analyzer) unify(op *SetOp, l, r []Column) []Column {
	if len(l) != len(r) {
		a.failf("TYPE_MISMATCH", op.Pos, "%s query has different number of fields: %d, %d", op.Op, len(l), len(r))
		return l
	}
	out := make([]Column, len(l))
	for i := range l {
		out[i] = l[i]
		if !comparable(l[i].Type, r[i].Type) {
			a.failf("TYPE_MISMATCH", op.Pos, "column %d in %s query has incompatible types: %s, %s", i+1, op.Op, l[i].Type, r[i].Type)
		}
		out[i].Type = commonType(l[i].Type, r[i].Type)
	}
	return out
}

func (a *analyzer) values(v *Values, outer *scope) (*Values, []Column) {
	sc := &scope{parent: outer}
	out := &Values{Pos: v.Pos}
	var cols []Column
	for n, row := range v.Rows {
		elems := []Expr{row}
		if r, ok := row.(*Row); ok {
			elems = r.Elems
		}
		if n > 0 && len(elems) != len(cols) {
			a.failf("TYPE_MISMATCH", v.Pos, "Values rows have mismatched sizes: %d vs %d", len(cols), len(elems))
			return v, cols
		}
		printed := &Row{Elems: make([]Expr, len(elems))}
		for i, e := range elems {
			x, t := a.expr(e, sc)
			printed.Elems[i] = x
			if n == 0 {
				cols = append(cols, Column{Name: fmt.Sprintf("_col%d", i), Type: t, ref: fmt.Sprintf("col%d", i)})
				continue
			}
			if !comparable(cols[i].Type, t) {
				a.failf("TYPE_MISMATCH", e.Position(), "Values rows have mismatched types: %s vs %s", cols[i].Type, t)
			}
			cols[i].Type = commonType(cols[i].Type, t)
		}
		out.Rows = append(out.Rows, printed)
	}
	return out, cols
}

func (a *analyzer) selectBody(s *Select, outer *scope) (SetExpr, []Column, bool, *scope) {
	sc := &scope{parent: outer}
	out := &Select{Pos: s.Pos, Distinct: s.Distinct}
	for _, r := range s.From {
		out.From = append(out.From, a.relation(r, sc, true))
	}
	if a.err != nil {
		return out, nil, true, sc
	}
	out.Where = a.condition(s.Where, sc, "WHERE clause")
	if s.Where != nil {
		a.predicates(s.Where, sc)
	}
	for _, g := range s.GroupBy {
		out.GroupBy = append(out.GroupBy, a.grouping(g, sc))
	}
	out.Having = a.condition(s.Having, sc, "HAVING clause")
	for _, w := range s.Windows {
		out.Windows = append(out.Windows, NamedWindow{w.Name, a.window(w.Def, sc)})
	}
	var cols []Column
	open := false
	used := map[string]bool{}
	for _, it := range s.Items {
		items, itemCols, itemOpen := a.selectItem(it, sc)
		open = open || itemOpen
		for i := range items {
			if !open {
				a.nameColumn(&items[i], &itemCols[i], len(cols)+i, used)
			}
		}
		out.Items = append(out.Items, items...)
		cols = append(cols, itemCols...)
	}
	return out, cols, open, &scope{parent: sc, out: cols}
}

// nameColumn gives an item the name under which it is printed: its own, or one that no column before it has.
func (a *analyzer) nameColumn(it *SelectItem, c *Column, index int, used map[string]bool) {
	if c.Name == "" {
		c.Name = fmt.Sprintf("_col%d", index)
	}
	ref := c.Name
	for n := 1; used[ref]; n++ {
		ref = fmt.Sprintf("%s_%d", c.Name, n)
	}
	used[ref] = true
	c.ref = ref
	it.Alias = &Ident{Name: ref}
}

func (a *analyzer) condition(e Expr, sc *scope, what string) Expr {
	if e == nil {
		return nil
	}
	x, t := a.expr(e, sc)
	if t.Known() && t.Name != "boolean" && t.Name != "unknown" {
		a.failf("TYPE_MISMATCH", e.Position(), "%s must evaluate to a boolean: actual type %s", what, t)
	}
	return x
}

// selectItem expands a star into columns if they are known.
func (a *analyzer) selectItem(it SelectItem, sc *scope) ([]SelectItem, []Column, bool) {
	if it.X != nil {
		x, t := a.expr(it.X, sc)
		c := Column{Name: outputName(it), Type: t}
		item := SelectItem{X: x}
		if c.Name != "" {
			item.Alias = &Ident{Name: c.Name}
		}
		return []SelectItem{item}, []Column{c}, false
	}
	rels := sc.rels
	if it.Qualifier != nil {
		path := namePath(it.Qualifier)
		r := sc.relation(path)
		if path == nil || r == nil {
			a.failf("TABLE_NOT_FOUND", it.Pos, "Unable to resolve reference %s", PrintExpr(it.Qualifier))
			return nil, nil, true
		}
		rels = []*rel{r}
	}
	if len(rels) == 0 {
		a.failf("COLUMN_NOT_FOUND", it.Pos, "SELECT * not allowed in queries without FROM clause")
		return nil, nil, true
	}
	return a.expandStar(rels, sc, it.Qualifier != nil)
}

func (a *analyzer) expandStar(rels []*rel, sc *scope, qualified bool) ([]SelectItem, []Column, bool) {
	for _, r := range rels {
		if r.open {
			if qualified {
				return []SelectItem{{Qualifier: &r.alias}}, openColumns(rels), true
			}
			return []SelectItem{{}}, openColumns(rels), true
		}
	}
	var items []SelectItem
	var cols []Column
	if !qualified {
		for _, c := range sc.using {
			items = append(items, SelectItem{X: &Ident{Name: c.printed()}})
			cols = append(cols, Column{Name: c.Name, Type: c.Type})
		}
	}
	for _, r := range rels {
		for _, c := range r.cols {
			if !qualified && r.merged[c.Name] {
				continue
			}
			items = append(items, SelectItem{X: r.ref(c)})
			cols = append(cols, Column{Name: c.Name, Type: c.Type})
		}
	}
	return items, cols, false
}

// openColumns are those that a star over relations with columns that are not known is known to have.
func openColumns(rels []*rel) []Column {
	cols := []Column{{}}
	for _, r := range rels {
		for _, c := range r.cols {
			if c.Name != "" && !r.merged[c.Name] {
				cols = append(cols, Column{Name: c.Name, Type: c.Type})
			}
		}
	}
	return cols
}

// outputName is the alias, or the name of the column or field that the item is; "" for other expressions.
func outputName(it SelectItem) string {
	if it.Alias != nil {
		return it.Alias.Name
	}
	switch x := it.X.(type) {
	case *Ident:
		return x.Name
	case *Deref:
		return x.Field.Name
	}
	return ""
}

func (a *analyzer) grouping(g Grouping, sc *scope) Grouping {
	item := func(e Expr) Expr {
		if n, ok := e.(*Number); ok {
			return n // an ordinal
		}
		x, _ := a.expr(e, sc)
		return x
	}
	if g.Kind == "" {
		return Grouping{X: item(g.X)}
	}
	out := Grouping{Kind: g.Kind}
	for _, set := range g.Sets {
		var xs []Expr
		for _, e := range set {
			xs = append(xs, item(e))
		}
		out.Sets = append(out.Sets, xs)
	}
	return out
}

// orderBy rewrites sort items; the name of an output column becomes its position.
func (a *analyzer) orderBy(items []SortItem, sc *scope, cols []Column) []SortItem {
	var out []SortItem
	for _, it := range items {
		s := SortItem{Desc: it.Desc, Nulls: it.Nulls}
		if id, ok := it.X.(*Ident); ok {
			if i := position(cols, id.Name); i > 0 {
				s.X = &Number{Text: strconv.Itoa(i)}
			}
		}
		if n, ok := it.X.(*Number); ok {
			i, err := strconv.Atoi(n.Text)
			if err != nil || i < 1 || len(cols) > 0 && cols[0].Name != "" && i > len(cols) {
				a.failf("INVALID_COLUMN_REFERENCE", n.Pos, "ORDER BY position %s is not in select list", n.Text)
			}
			s.X = n
		}
		if s.X == nil {
			s.X, _ = a.expr(it.X, sc)
		}
		out = append(out, s)
	}
	return out
}

// position is the number, from 1, of the only column called name; 0 if there is none, or columns are not known.
func position(cols []Column, name string) int {
	found := 0
	for i, c := range cols {
		if c.ref == "" {
			return 0
		}
		if c.Name == name {
			if found > 0 {
				return 0
			}
			found = i + 1
		}
	}
	return found
}
