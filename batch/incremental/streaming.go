package incremental

import "github.com/weir-data/weir/sql"

// reading says what a WITH query reads.
type reading int

const (
	unknown reading = iota
	tables
	streams
)

// streaming says whether a query reads a stream, anywhere.
func (c *compiler) streaming(q *sql.Query) bool { return c.look(q, nil) }

func (c *compiler) streamingBody(s sql.SetExpr) bool { return c.lookBody(s, nil) }

// hiding is a chain of names that WITH queries inside the looked-at query give another meaning.
type hiding struct {
	outer  *hiding
	name   string
	stream bool
}

func (c *compiler) look(q *sql.Query, h *hiding) bool {
	for _, cte := range q.With {
		h = &hiding{h, cte.Name.Name, c.look(cte.Query, h)}
	}
	if c.lookBody(q.Body, h) {
		return true
	}
	for _, s := range q.OrderBy {
		if c.lookExpr(s.X, h) {
			return true
		}
	}
	return false
}

func (c *compiler) lookBody(s sql.SetExpr, h *hiding) bool {
	switch s := s.(type) {
	case *sql.Query:
		return c.look(s, h)
	case *sql.SetOp:
		return c.lookBody(s.L, h) || c.lookBody(s.R, h)
	case *sql.TableBody:
		return c.lookName(s.Name, h)
	case *sql.Select:
		for _, r := range s.From {
			if c.lookRelation(r, h) {
				return true
			}
		}
		found := c.lookExpr(s.Where, h) || c.lookExpr(s.Having, h)
		for _, it := range s.Items {
			found = found || c.lookExpr(it.X, h)
		}
		return found
	}
	return false
}

func (c *compiler) lookExpr(e sql.Expr, h *hiding) (found bool) {
	visit(e, func(x sql.Expr) {
		if q := sql.QueryIn(x); q != nil && c.look(q, h) {
			found = true
		}
	})
	return found
}

func (c *compiler) lookRelation(r sql.Relation, h *hiding) bool {
	switch r := r.(type) {
	case *sql.TableRef:
		return c.lookName(r.Name, h)
	case *sql.QueryRef:
		return c.look(r.Query, h)
	case *sql.Aliased:
		return c.lookRelation(r.Relation, h)
	case *sql.Sampled:
		return c.lookRelation(r.Relation, h)
	case *sql.Parens:
		return c.lookRelation(r.Relation, h)
	case *sql.Join:
		return c.lookRelation(r.L, h) || c.lookRelation(r.R, h) || c.lookExpr(r.On, h)
	}
	return false
}

func (c *compiler) lookName(n sql.Name, h *hiding) bool {
	if len(n.Parts[0]) > 1 && n.Parts[0][:1] == internal {
		return c.relations[n.Parts[0][1:]].stream
	}
	if len(n.Parts) != 1 {
		return false
	}
	for ; h != nil; h = h.outer {
		if h.name == n.Parts[0] {
			return h.stream
		}
	}
	if v := c.views.find(n.Parts[0]); v != nil {
		if v.reads == unknown {
			saved := c.views
			c.views, v.reads = v.outer, tables
			if c.streaming(v.cte.Query) {
				v.reads = streams
			}
			c.views = saved
		}
		return v.reads == streams
	}
	_, ok := c.in.Streams[n.Parts[0]]
	return ok
}
