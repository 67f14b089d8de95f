package incremental

import (
	"strings"

	"github.com/weir-data/weir/sql"
)

// query compiles a query over streams. The last operators of a program give what the output mode says, those below them final rows.
func (c *compiler) query(q *sql.Query, last bool) (*relation, error) {
	saved := c.views
	defer func() { c.views = saved }()
	if q.Recursive {
		return nil, unsupported("WITH RECURSIVE")
	}
	for _, cte := range q.With {
		c.views = &views{outer: c.views, name: cte.Name.Name, cte: cte, made: map[bool]*relation{}}
	}
	if !c.streaming(q) {
		return c.still(q)
	}
	return c.body(q.Body, order{q}, last)
}

// still is a query that reads no stream. Its WITH queries are in sight already.
func (c *compiler) still(q *sql.Query) (*relation, error) {
	plain := *q
	plain.With = nil
	r, err := c.step("static", &plain)
	if err == nil {
		r.stream = false
	}
	return r, err
}

// order is what follows a query's body: ORDER BY, LIMIT and OFFSET.
type order struct{ q *sql.Query }

func (o order) none() bool {
	return o.q == nil || len(o.q.OrderBy) == 0 && o.q.Limit == nil && o.q.Offset == nil
}

// check refuses an order of rows that are not all there.
func (o order) check(c *compiler, complete bool) error {
	switch {
	case o.none() || complete:
		return nil
	case len(o.q.OrderBy) > 0:
		return unsupported("Sorting is not supported on streaming DataFrames/Datasets, unless it is on aggregated DataFrame/Dataset " +
			"in Complete output mode")
	case o.q.Offset != nil:
		return unsupported("Offset is not supported on streaming DataFrames/Datasets")
	case c.in.Mode == Update:
		return unsupported("Limits are not supported on streaming DataFrames/Datasets in Update output mode")
	}
	return unsupported("LIMIT needs the Complete output mode")
}

func (c *compiler) body(s sql.SetExpr, o order, last bool) (*relation, error) {
	switch s := s.(type) {
	case *sql.Select:
		return c.selection(s, o, last)
	case *sql.TableBody:
		return c.selection(&sql.Select{Pos: s.Name.Pos, Items: []sql.SelectItem{{Pos: s.Name.Pos}},
			From: []sql.Relation{&sql.TableRef{Name: s.Name}}}, o, last)
	case *sql.Query:
		if o.none() {
			return c.query(s, last)
		}
		r, err := c.query(s, last)
		if err != nil {
			return nil, err
		}
		return c.over(r, o)
	case *sql.SetOp:
		r, err := c.setOp(s, last)
		if err != nil || o.none() {
			return r, err
		}
		return c.over(r, o)
	}
	return nil, unsupported("VALUES beside streams")
}

// over puts an order on a relation.
func (c *compiler) over(r *relation, o order) (*relation, error) {
	all := &sql.Select{Items: []sql.SelectItem{{}}, From: []sql.Relation{alias(internalRef(r), "t")}}
	sc := &scope{tables: []scopeTable{{cols: r.cols}}}
	return c.project(all, sc, r, o)
}

func alias(r sql.Relation, name string) sql.Relation {
	return &sql.Aliased{Relation: r, Alias: sql.Ident{Name: name}}
}

// setOp compiles UNION of streams.
func (c *compiler) setOp(s *sql.SetOp, last bool) (*relation, error) {
	switch {
	case s.Op == "EXCEPT" && c.streamingBody(s.R):
		return nil, unsupported("Except on a streaming DataFrame/Dataset on the right is not supported")
	case s.Op == "EXCEPT":
		return nil, unsupported("Except on a streaming DataFrame/Dataset is not supported; write NOT IN or NOT EXISTS")
	case s.Op == "INTERSECT":
		return nil, unsupported("Intersect of streaming DataFrames/Datasets is not supported")
	case !c.streamingBody(s.L) || !c.streamingBody(s.R):
		return nil, unsupported("Union between streaming and batch DataFrames/Datasets is not supported")
	}
	l, err := c.body(s.L, order{}, last && s.All)
	if err != nil {
		return nil, err
	}
	r, err := c.body(s.R, order{}, last && s.All)
	if err != nil {
		return nil, err
	}
	if s.All && (l.replaces || r.replaces) {
		return nil, unsupported("UNION ALL of aggregates in Update output mode: two rows could have the same keys")
	}
	out, err := c.unionAll(s, l, r)
	if err != nil || s.All {
		return out, err
	}
	var items []sql.SelectItem
	for _, col := range out.cols {
		items = append(items, sql.SelectItem{X: &sql.Ident{Name: col.name}})
	}
	distinct := &sql.Select{Pos: s.Pos, Distinct: true, Items: items, From: []sql.Relation{alias(internalRef(out), "t")}}
	return c.selection(distinct, order{}, last)
}

func (c *compiler) unionAll(s *sql.SetOp, l, r *relation) (*relation, error) {
	all := func(r *relation) *sql.Select {
		return &sql.Select{Items: []sql.SelectItem{{}}, From: []sql.Relation{alias(internalRef(r), "t")}}
	}
	out, err := c.step("union", &sql.Query{Body: &sql.SetOp{Pos: s.Pos, Op: "UNION", All: true, L: all(l), R: all(r)}})
	if err != nil {
		return nil, err
	}
	for i := range out.cols {
		if l.cols[i].time == r.cols[i].time {
			out.cols[i].time, out.cols[i].lag = l.cols[i].time, max(l.cols[i].lag, r.cols[i].lag)
		}
	}
	out.complete = l.complete || r.complete
	return out, nil
}

// selection compiles a SELECT over streams.
func (c *compiler) selection(s *sql.Select, o order, last bool) (*relation, error) {
	if len(s.Windows) > 0 {
		return nil, noOver
	}
	grouped := s.Distinct || grouping(s)
	c.stateful = c.stateful || grouped || c.streamsIn(s.From) > 1
	f, err := c.from(s, o, last && !grouped)
	if err != nil {
		return nil, err
	}
	norm, err := f.normalSelect(s)
	if err != nil {
		return nil, err
	}
	if grouping(norm) {
		return c.grouped(norm, f, o, last)
	}
	if s.Distinct && !(f.complete && last) {
		if norm, err = distinctGroups(norm); err != nil {
			return nil, err
		}
		return c.grouped(norm, f, o, last)
	}
	return c.project(norm, f.scope, f.base, o)
}

var noOver = unsupported("Non-time-based windows are not supported on streaming DataFrames/Datasets")

// project compiles a SELECT that works row by row, over what base says of its rows.
func (c *compiler) project(s *sql.Select, sc *scope, base *relation, o order) (*relation, error) {
	if err := o.check(c, base.complete); err != nil {
		return nil, err
	}
	for _, it := range s.Items {
		if hasOver(it.X) {
			return nil, noOver
		}
	}
	q := &sql.Query{Body: s}
	if o.q != nil {
		q.OrderBy, q.Limit, q.Offset, q.WithTies = o.q.OrderBy, o.q.Limit, o.q.Offset, o.q.WithTies
	}
	out, err := c.step("rows", q)
	if err != nil {
		return nil, err
	}
	out.complete = base.complete
	lineage(out, s, sc, base)
	return out, nil
}

// lineage says which columns of out carry event time, and which name its rows.
func lineage(out *relation, s *sql.Select, sc *scope, base *relation) {
	from := map[string]string{} // column of base -> column of out
	note := func(i int, e sql.Expr) {
		if t := sc.eventTime(e); t.time != noTime {
			out.cols[i].time, out.cols[i].lag = t.time, t.lag
		}
		if d, ok := e.(*sql.Deref); ok && (d.Field.Name == "start" || d.Field.Name == "end") && identName(d.Base) != "" {
			if _, ok := from[identName(d.Base)]; !ok { // it tells windows of one length apart
				from[identName(d.Base)] = out.cols[i].name
			}
		}
		if id, ok := e.(*sql.Ident); ok {
			from[id.Name] = out.cols[i].name
		}
		if c, ok := sc.column(e); ok && strings.ToLower(c.label) == out.cols[i].name {
			out.cols[i].label = c.label
		}
	}
	if len(s.Items) == len(out.cols) {
		for i, it := range s.Items {
			if it.X != nil {
				note(i, it.X)
			}
		}
	}
	for i, c := range out.cols { // a star that was left as it is
		if len(s.Items) != len(out.cols) || s.Items[i].X == nil {
			note(i, sc.normal(&sql.Ident{Name: c.name}))
		}
	}
	out.replaces, out.lost = base.replaces, base.lost
	for _, k := range base.keys {
		if from[k] == "" {
			out.keys, out.lost = nil, "the result must have all that GROUP BY names"
			return
		}
		out.keys = append(out.keys, from[k])
	}
}

// normalSelect brings the expressions of a SELECT over f into one form, and puts f's tables in place of its FROM.
func (f *source) normalSelect(s *sql.Select) (*sql.Select, error) {
	out := *s
	out.From, out.Items, out.GroupBy = f.relations, nil, nil
	for _, it := range s.Items {
		if it.X == nil {
			items, ok := f.scope.star(it.Qualifier)
			if !ok {
				items = []sql.SelectItem{it}
			}
			out.Items = append(out.Items, items...)
			continue
		}
		if it.Alias == nil {
			if name := outputName(it.X); name != "" {
				it.Alias = &sql.Ident{Name: name}
			}
		}
		it.X = f.scope.normal(it.X)
		out.Items = append(out.Items, it)
	}
	out.Where, out.Having = f.where, f.scope.normal(s.Having)
	for _, g := range s.GroupBy {
		n := sql.Grouping{Kind: g.Kind, X: f.scope.normal(g.X)}
		for _, set := range g.Sets {
			var xs []sql.Expr
			for _, e := range set {
				xs = append(xs, f.scope.normal(e))
			}
			n.Sets = append(n.Sets, xs)
		}
		out.GroupBy = append(out.GroupBy, n)
	}
	if f.joined {
		return &out, f.noQueries(&out)
	}
	return &out, nil
}

// noQueries refuses queries in expressions over joined streams: what they call the streams' columns is not known to them.
func (f *source) noQueries(s *sql.Select) error {
	found := false
	look := func(e sql.Expr) { visit(e, func(x sql.Expr) { found = found || sql.QueryIn(x) != nil }) }
	for _, it := range s.Items {
		look(it.X)
	}
	look(s.Where)
	look(s.Having)
	if found {
		return unsupported("a query in an expression beside a join of streams; put the join into a query of its own in FROM")
	}
	return nil
}

// outputName is the name of the column or field that an item without alias is.
func outputName(e sql.Expr) string {
	switch x := e.(type) {
	case *sql.Ident:
		return x.Name
	case *sql.Deref:
		return x.Field.Name
	case *sql.Call: // as Spark names them
		if x.Name == "window" || x.Name == "session_window" {
			return x.Name
		}
	}
	return ""
}

// visit calls f with e and all its parts, but for those of queries inside.
func visit(e sql.Expr, f func(sql.Expr)) {
	if e == nil {
		return
	}
	f(e)
	sql.MapChildren(e, func(k sql.Expr) sql.Expr {
		visit(k, f)
		return k
	})
}

func hasOver(e sql.Expr) (found bool) {
	visit(e, func(x sql.Expr) {
		if call, ok := x.(*sql.Call); ok && call.Over != nil {
			found = true
		}
	})
	return found
}

// isAggregate says whether e is a call that draws rows together.
func isAggregate(e sql.Expr) bool {
	call, ok := e.(*sql.Call)
	return ok && call.Over == nil && !call.NoParens && sql.IsAggregate(call.Name)
}

// grouping says whether a SELECT aggregates.
func grouping(s *sql.Select) bool {
	found := len(s.GroupBy) > 0 || s.Having != nil
	for _, it := range s.Items {
		visit(it.X, func(x sql.Expr) { found = found || isAggregate(x) })
	}
	return found
}

// distinctGroups is SELECT DISTINCT as GROUP BY all of its columns.
func distinctGroups(s *sql.Select) (*sql.Select, error) {
	out := *s
	out.Distinct = false
	for _, it := range s.Items {
		if it.X == nil {
			return nil, unsupported("SELECT DISTINCT with a star over columns of USING or UNNEST; name the columns")
		}
		out.GroupBy = append(out.GroupBy, sql.Grouping{X: it.X})
	}
	return &out, nil
}
