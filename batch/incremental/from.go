package incremental

import (
	"strings"

	"github.com/weir-data/weir/sql"
)

// source is a compiled FROM: relations that read steps, what they bring into scope, and the WHERE that is left.
type source struct {
	relations []sql.Relation
	scope     *scope
	where     sql.Expr // in the one form
	joined    bool     // streams were joined: relations is the one step of it
	complete  bool
	base      *relation // keys and completeness of the rows
}

// side is a part of a FROM.
type side struct {
	relation sql.Relation
	tables   []scopeTable
	merged   map[string]sql.Expr
	stream   bool
	joined   bool
	base     *relation // of a stream: what its rows are
}

// from compiles the FROM and WHERE of s.
func (c *compiler) from(s *sql.Select, o order, last bool) (*source, error) {
	if len(s.From) == 0 {
		return nil, unsupported("a SELECT without FROM that reads a stream in an expression")
	}
	if streams := c.streamsIn(s.From); streams > 1 && last && c.in.Mode != Append {
		return nil, c.joinRefused()
	}
	last = last && len(s.From) == 1
	need := needed(s, o)
	all, where, err := c.inner(s.From[0], conjuncts(s.Where), need, last)
	if err != nil {
		return nil, err
	}
	for _, r := range s.From[1:] {
		var right *side
		if right, where, err = c.inner(r, where, need, false); err != nil {
			return nil, err
		}
		if all, where, err = c.comma(s.Pos, all, right, where, need); err != nil {
			return nil, err
		}
	}
	if all, where, err = c.semiJoins(all, where, need, last); err != nil {
		return nil, err
	}
	f := &source{relations: []sql.Relation{all.relation}, scope: &scope{all.tables, all.merged}, joined: all.joined, base: all.base}
	f.where, f.complete = f.scope.normal(and(where)), all.base.complete
	return f, nil
}

// inner compiles a relation whose rows must pass the conditions where: those that inner joins of streams use are taken out of them,
// and theirs that they do not use are added.
func (c *compiler) inner(r sql.Relation, where []sql.Expr, need map[string]bool, last bool) (*side, []sql.Expr, error) {
	j, ok := r.(*sql.Join)
	if !ok || j.Natural || len(j.Using) > 0 || j.Kind != "INNER" && j.Kind != "CROSS" || !c.lookRelation(j.L, nil) || !c.lookRelation(j.R, nil) {
		s, err := c.side(r, need, last)
		return s, where, err
	}
	if last && c.in.Mode != Append {
		return nil, nil, c.joinRefused()
	}
	where = append(conjuncts(j.On), where...)
	l, where, err := c.inner(j.L, where, need, false)
	if err != nil {
		return nil, nil, err
	}
	right, where, err := c.inner(j.R, where, need, false)
	if err != nil {
		return nil, nil, err
	}
	return c.comma(j.Pos, l, right, where, need)
}

func (c *compiler) streamsIn(from []sql.Relation) (n int) {
	for _, r := range from {
		if c.lookRelation(r, nil) {
			n++
		}
	}
	return n
}

func (c *compiler) joinRefused() error {
	return unsupported("Join between two streaming DataFrames/Datasets is not supported in %s%s output mode, only in Append output mode",
		strings.ToUpper(c.in.Mode[:1]), c.in.Mode[1:])
}

// side compiles one relation of a FROM.
func (c *compiler) side(r sql.Relation, need map[string]bool, last bool) (*side, error) {
	switch r := r.(type) {
	case *sql.Join:
		return c.join(r, need, last)
	case *sql.Parens:
		s, err := c.side(r.Relation, need, last)
		if err == nil && !s.joined {
			s.relation = &sql.Parens{Relation: s.relation}
		}
		return s, err
	case *sql.Sampled:
		if c.lookRelation(r, nil) {
			return nil, unsupported("Sampling is not supported on streaming DataFrames/Datasets")
		}
	}
	if !c.lookRelation(r, nil) {
		return c.stillSide(r)
	}
	names, columns := namesOf(r)
	if a, ok := r.(*sql.Aliased); ok {
		r = a.Relation
	}
	var rel *relation
	var err error
	switch r := r.(type) {
	case *sql.TableRef:
		if r.Name.Parts[0][:1] == internal {
			rel = c.relations[r.Name.Parts[0][1:]]
		} else {
			rel, err = c.named(r, last)
		}
	case *sql.QueryRef:
		rel, err = c.query(r.Query, last)
	default:
		return nil, unsupported("%T of a stream in FROM", r)
	}
	if err != nil {
		return nil, err
	}
	if len(columns) > 0 {
		if rel, err = c.renamed(rel, columns, names[len(names)-1]); err != nil {
			return nil, err
		}
	}
	s := &side{relation: internalRef(rel), tables: []scopeTable{{names: names, cols: rel.cols}}, stream: rel.stream, base: rel}
	s.relation = alias(s.relation, "t")
	if len(names) > 0 {
		s.relation = alias(internalRef(rel), names[len(names)-1])
	}
	return s, nil
}

// namesOf is what the query calls a relation and its columns.
func namesOf(r sql.Relation) ([]string, []sql.Ident) {
	switch r := r.(type) {
	case *sql.Aliased:
		return []string{r.Alias.Name}, r.Columns
	case *sql.TableRef:
		return r.Name.Parts, nil
	}
	return nil, nil
}

// stillSide is a relation that no stream feeds; it stays as it is written.
func (c *compiler) stillSide(r sql.Relation) (*side, error) {
	names, columns := namesOf(r)
	s := &side{relation: r, base: &relation{}}
	t := scopeTable{names: names}
	inner := r
	if a, ok := r.(*sql.Aliased); ok {
		inner = a.Relation
	}
	switch inner := inner.(type) {
	case *sql.TableRef:
		rel, err := c.named(inner, false)
		if err != nil {
			return nil, err
		}
		t.cols = rel.cols
	case *sql.QueryRef:
		if inner.Lateral {
			t.open = true
			break
		}
		tr, err := sql.Translate(inner.Query, c.options())
		if err != nil {
			return nil, err
		}
		for _, col := range tr.Columns {
			t.cols = append(t.cols, column{name: col.Name, typ: col.Type})
		}
	default:
		t.open = true
	}
	if len(columns) > 0 {
		renamed := make([]column, len(columns))
		for i, id := range columns {
			if i < len(t.cols) {
				renamed[i] = t.cols[i]
			}
			renamed[i].name = id.Name
		}
		t.cols, t.open = renamed, false
	}
	s.tables = []scopeTable{t}
	return s, nil
}

// join compiles JOIN.
func (c *compiler) join(j *sql.Join, need map[string]bool, last bool) (*side, error) {
	if j.Natural {
		return nil, unsupported("NATURAL JOIN")
	}
	both := c.lookRelation(j.L, nil) && c.lookRelation(j.R, nil)
	l, err := c.side(j.L, need, last && !both)
	if err != nil {
		return nil, err
	}
	r, err := c.side(j.R, need, last && !both)
	if err != nil {
		return nil, err
	}
	if l.stream && r.stream {
		if last && c.in.Mode != Append {
			return nil, c.joinRefused()
		}
		return c.streamJoin(j, l, r, need)
	}
	if err := staticJoin(j.Kind, l, r); err != nil {
		return nil, err
	}
	return beside(j, l, r)
}

// staticJoin refuses joins of a stream with a table whose rows would have to wait for those of the stream.
func staticJoin(kind string, l, r *side) error {
	switch {
	case kind == "FULL" && l.stream:
		return unsupported("FullOuter joins with streaming DataFrames/Datasets on the left and a static DataFrame/Dataset on the " +
			"right is not supported")
	case kind == "FULL" && r.stream:
		return unsupported("FullOuter joins with streaming DataFrames/Datasets on the right and a static DataFrame/Dataset on the " +
			"left is not supported")
	case kind == "LEFT" && r.stream:
		return unsupported("LeftOuter join with a streaming DataFrame/Dataset on the right and a static DataFrame/Dataset on the " +
			"left is not supported")
	case kind == "RIGHT" && l.stream:
		return unsupported("RightOuter join with a streaming DataFrame/Dataset on the left and a static DataFrame/DataSet on the " +
			"right not supported")
	}
	return nil
}

// beside is a join that stays as it is: of a stream with what no stream feeds.
func beside(j *sql.Join, l, r *side) (*side, error) {
	out := &side{tables: append(append([]scopeTable{}, l.tables...), r.tables...), stream: l.stream || r.stream, base: l.base}
	if r.stream {
		out.base = r.base
	}
	sc := &scope{tables: out.tables}
	n := *j
	n.L, n.R = l.relation, r.relation
	if l.joined || r.joined {
		if len(j.Using) > 0 {
			return nil, unsupported("JOIN … USING beside a join of streams; write ON")
		}
	}
	n.On = sc.normal(j.On)
	if len(j.Using) > 0 {
		out.merged = map[string]sql.Expr{}
		for _, id := range j.Using {
			out.merged[id.Name] = &sql.Ident{Name: id.Name}
		}
	}
	for k, v := range l.merged {
		if out.merged == nil {
			out.merged = map[string]sql.Expr{}
		}
		out.merged[k] = v
	}
	out.relation = &n
	out.joined = l.joined || r.joined
	// A row of the stream may be joined to several: what named it names it no more.
	out.base = &relation{stream: out.stream, complete: out.base.complete, replaces: out.base.replaces, lost: out.base.lost}
	if out.base.replaces {
		out.base.lost = "what an aggregation gives cannot be joined with a table then"
	}
	return out, nil
}

// comma compiles a join by the conditions of WHERE. Those that it uses are taken out of them.
func (c *compiler) comma(at sql.Pos, l, r *side, where []sql.Expr, need map[string]bool) (*side, []sql.Expr, error) {
	if !l.stream || !r.stream {
		out, err := beside(&sql.Join{Pos: at, Kind: "CROSS"}, l, r)
		return out, where, err
	}
	sc := &scope{tables: append(append([]scopeTable{}, l.tables...), r.tables...)}
	var on, rest []sql.Expr
	for _, e := range where {
		if sql.QueryIn(e) == nil && sc.covers(e) {
			on = append(on, e)
		} else {
			rest = append(rest, e)
		}
	}
	out, err := c.streamJoin(&sql.Join{Pos: at, Kind: "INNER", On: and(on)}, l, r, need)
	return out, rest, err
}
