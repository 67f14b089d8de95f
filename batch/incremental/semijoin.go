package incremental

import (
	"errors"
	"fmt"

	"github.com/weir-data/weir/sql"
)

// semiJoins makes joins of the conditions x IN (SELECT … a stream) and EXISTS (SELECT … a stream) of a WHERE.
func (c *compiler) semiJoins(all *side, where []sql.Expr, need map[string]bool, last bool) (*side, []sql.Expr, error) {
	var rest []sql.Expr
	for _, e := range where {
		inner, negated := e, false
		if not, ok := e.(*sql.Not); ok {
			inner, negated = not.X, true
		}
		q := sql.QueryIn(inner)
		if q == nil || !c.streaming(q) {
			rest = append(rest, e)
			continue
		}
		if in, ok := inner.(*sql.In); ok {
			negated = negated || in.Negated
		}
		switch {
		case negated:
			return nil, nil, unsupported("LeftAnti joins with a streaming DataFrame/Dataset on the right are not supported")
		case !all.stream:
			return nil, nil, unsupported("LeftSemi join with a streaming DataFrame/Dataset on the right and a static DataFrame/Dataset on the " +
				"left is not supported")
		case last && c.in.Mode != Append:
			return nil, nil, c.joinRefused()
		}
		c.stateful = true
		right, on, err := c.semiSide(inner, all)
		if err != nil {
			return nil, nil, err
		}
		if all, err = c.streamJoin(&sql.Join{Pos: e.Position(), Kind: semi, On: on}, all, right, need); err != nil {
			return nil, nil, err
		}
		all.tables = all.tables[:len(all.tables)-len(right.tables)]
	}
	return all, rest, nil
}

// semiSide is the right side of a semi join, and its conditions.
func (c *compiler) semiSide(e sql.Expr, left *side) (*side, sql.Expr, error) {
	if in, ok := e.(*sql.In); ok {
		if s, on, err := c.correlated(in, left); s != nil || err != nil {
			return s, on, err
		}
		name := c.unique("semi")
		r, err := c.query(in.Query, false)
		if err != nil {
			return nil, nil, correlatedHint(err)
		}
		if len(r.cols) != 1 {
			return nil, nil, &sql.Error{Code: "NOT_SUPPORTED", Pos: in.Pos, Msg: fmt.Sprintf("Subquery returns %d columns, expected 1", len(r.cols))}
		}
		s := &side{relation: alias(internalRef(r), name), tables: []scopeTable{{names: []string{name}, cols: r.cols}}, stream: true, base: r}
		on := &sql.Compare{Op: "=", L: (&scope{tables: left.tables, merged: left.merged}).qualified(in.X), R: &sql.Deref{Base: &sql.Ident{Name: name}, Field: sql.Ident{Name: r.cols[0].name}}}
		return s, on, nil
	}
	exists, ok := e.(*sql.Exists)
	if !ok {
		return nil, nil, unsupported("a stream in an expression other than IN and EXISTS")
	}
	sel, ok := plainSelect(exists.Query)
	if !ok {
		return nil, nil, unsupported("EXISTS over a stream with more than SELECT … FROM one relation WHERE …")
	}
	s, err := c.side(sel.From[0], nil, false)
	if err != nil {
		return nil, nil, err
	}
	sc := &scope{tables: s.tables, merged: s.merged}
	return s, sc.qualified(sel.Where), nil
}

// correlated is the right side of x IN (SELECT y FROM a stream WHERE …) whose WHERE is about columns of the left side too, and its conditions; nil
// if in is not like that.
func (c *compiler) correlated(in *sql.In, left *side) (*side, sql.Expr, error) {
	sel, ok := plainSelect(in.Query)
	if !ok || sel.Where == nil || len(sel.Items) != 1 || sel.Items[0].X == nil {
		return nil, nil, nil
	}
	r := sel.From[0]
	if a, ok := r.(*sql.Aliased); ok {
		r = a.Relation
	}
	if _, ok := r.(*sql.TableRef); !ok {
		return nil, nil, nil
	}
	s, err := c.side(sel.From[0], nil, false)
	if err != nil {
		return nil, nil, err
	}
	sc := &scope{tables: s.tables, merged: s.merged}
	if sc.covers(sel.Where) {
		return nil, nil, nil
	}
	x := (&scope{tables: left.tables, merged: left.merged}).qualified(in.X)
	return s, and([]sql.Expr{sc.qualified(sel.Where), &sql.Compare{Op: "=", L: x, R: sc.qualified(sel.Items[0].X)}}), nil
}

// plainSelect is a query that is no more than SELECT … FROM one relation WHERE ….
func plainSelect(q *sql.Query) (*sql.Select, bool) {
	sel, ok := q.Body.(*sql.Select)
	return sel, ok && !grouping(sel) && !sel.Distinct && len(sel.From) == 1 && len(q.With) == 0 && q.Limit == nil && q.Offset == nil
}

// correlatedHint says what to write where a column that a subquery lacks may be one of the query around it.
func correlatedHint(err error) error {
	var sound *sql.Error
	if !errors.As(err, &sound) || sound.Code != "COLUMN_NOT_FOUND" {
		return err
	}
	return fmt.Errorf("%w; where a subquery over a stream mentions columns of the query around it, write it as SELECT … FROM one stream WHERE …", err)
}

// qualified puts the alias of its table before each column of the scope, so that no other table's is taken for it.
func (s *scope) qualified(e sql.Expr) sql.Expr {
	if e == nil {
		return nil
	}
	if id, ok := e.(*sql.Ident); ok {
		if hits := s.find(id.Name); len(hits) == 1 && len(s.tables[hits[0]].names) > 0 {
			names := s.tables[hits[0]].names
			return &sql.Deref{Base: &sql.Ident{Name: names[len(names)-1]}, Field: *id}
		}
		return e
	}
	if d, ok := e.(*sql.Deref); ok && namePath(d) != nil {
		return e
	}
	return sql.MapChildren(e, s.qualified)
}
