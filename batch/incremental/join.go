package incremental

import (
	"fmt"
	"strings"
	"time"

	"github.com/weir-data/weir/sql"
)

// semi is the kind of the join that IN and EXISTS are, beside INNER, LEFT, RIGHT and FULL.
const semi = "SEMI"

// joining is a join of two streams that is being compiled.
type joining struct {
	c     *compiler
	name  string
	kind  string
	scope *scope // of both sides, by what the joined step calls their columns
	on    []sql.Expr
	sides [2]*joinSide
}

// joinSide is one side of it.
type joinSide struct {
	name   string // left or right
	cols   []column
	items  []sql.SelectItem // that make cols
	from   sql.Relation
	where  []sql.Expr
	own    []sql.Expr // of an outer side: conditions without which a row has no partner, of its columns alone
	bounds []bound
	bare   *relation // the rows of the batch without those that are too late
	state  string
	until  string // its column that says when a row is final; empty: never
	seen   []string
}

// streamJoin compiles a join of two streams:
//
//	NAME_left, NAME_right          rows of the batch that are not too late
//	NAME_both                      pairs: new left with all right, old left with new right
//	NAME_left_matched …            what of left has found a partner, for outer joins
//	NAME_result                    pairs, and rows without partner that are final
//
// The states are the rows of each side until they are final and, for outer and semi joins, those columns of them that decide about
// partners, where one was found.
func (c *compiler) streamJoin(j *sql.Join, l, r *side, need map[string]bool) (*side, error) {
	g := &joining{c: c, kind: j.Kind}
	if g.kind == "CROSS" {
		g.kind = "INNER"
	}
	for _, s := range []*side{l, r} {
		if s.base.complete || s.base.replaces {
			return nil, unsupported("Join between two streaming DataFrames/Datasets is not supported in %s%s output mode, only in Append output mode",
				strings.ToUpper(c.in.Mode[:1]), c.in.Mode[1:])
		}
	}
	g.name = c.operator("join")
	out := g.collect(l, r, need)
	on := j.On
	if len(j.Using) > 0 {
		on = g.using(j, out)
	}
	g.conditions(on)
	g.findBounds()
	if err := g.check(); err != nil {
		return nil, err
	}
	for _, s := range g.sides {
		if err := g.rows(s); err != nil {
			return nil, err
		}
	}
	pairs, err := g.pairs()
	if err != nil {
		return nil, err
	}
	result := g.result(pairs)
	g.times(out, result)
	out.relation, out.base = alias(internalRef(result), g.name), result
	return out, nil
}

// collect names the columns of both sides, without those that the query does not need.
func (g *joining) collect(l, r *side, need map[string]bool) *side {
	out := &side{stream: true, joined: true}
	taken, count := map[string]bool{}, map[string]int{}
	for _, s := range []*side{l, r} {
		for i := range s.tables {
			for _, c := range s.tables[i].cols {
				count[c.name]++
			}
		}
	}
	for i, s := range []*side{l, r} {
		js := &joinSide{name: []string{"left", "right"}[i], from: s.relation}
		sc := &scope{tables: s.tables, merged: s.merged}
		for k := range s.tables {
			t := s.tables[k]
			as := map[string]string{}
			n := scopeTable{names: t.names, step: g.name, as: as}
			for _, c := range t.cols {
				if need != nil && !need[c.name] {
					continue
				}
				name := c.name
				if count[name] > 1 && len(t.names) > 0 {
					name = t.names[len(t.names)-1] + "_" + name
				}
				for base, n := name, 2; taken[name]; n++ {
					name = fmt.Sprintf("%s_%d", base, n)
				}
				taken[name] = true
				as[c.name] = name
				n.cols = append(n.cols, c)
				js.items = append(js.items, sql.SelectItem{X: sc.ref(k, c.name), Alias: &sql.Ident{Name: name}})
				named := c
				named.name = name
				js.cols = append(js.cols, named)
			}
			out.tables = append(out.tables, n)
		}
		g.sides[i] = js
		for name, e := range s.merged {
			if out.merged == nil {
				out.merged = map[string]sql.Expr{}
			}
			out.merged[name] = e
		}
	}
	g.scope = &scope{tables: out.tables, merged: out.merged}
	return out
}

// using is the condition of USING. The columns that it names are one from then on.
func (g *joining) using(j *sql.Join, out *side) sql.Expr {
	var on []sql.Expr
	merged := map[string]sql.Expr{}
	for _, id := range j.Using {
		var refs [2]sql.Expr
		for i, s := range g.sides {
			for _, t := range out.tables {
				if as, ok := t.as[id.Name]; ok && s.has(as) {
					refs[i] = &sql.Ident{Name: as}
				}
			}
			if refs[i] == nil {
				refs[i] = &sql.Ident{Name: id.Name} // package sql says that it is not there
			}
		}
		on = append(on, &sql.Compare{Op: "=", L: refs[0], R: refs[1]})
		switch g.kind {
		case "RIGHT":
			merged[id.Name] = refs[1]
		case "FULL":
			merged[id.Name] = &sql.Call{Name: "coalesce", Args: []sql.Expr{refs[0], refs[1]}}
		default:
			merged[id.Name] = refs[0]
		}
	}
	out.merged = merged
	g.on = on
	return nil
}

func (s *joinSide) has(name string) bool {
	for _, c := range s.cols {
		if c.name == name {
			return true
		}
	}
	return false
}

// sideOf is the side whose columns alone an expression has: 0, 1, or -1 if it has those of both or of none.
func (g *joining) sideOf(e sql.Expr) int {
	var seen [2]bool
	visit(e, func(x sql.Expr) {
		if id, ok := x.(*sql.Ident); ok {
			for i, s := range g.sides {
				seen[i] = seen[i] || s.has(id.Name)
			}
		}
	})
	switch seen {
	case [2]bool{true, false}:
		return 0
	case [2]bool{false, true}:
		return 1
	}
	return -1
}

// conditions takes ON apart. What is about one side only filters its rows before they are kept, where that is the same.
func (g *joining) conditions(on sql.Expr) {
	for _, e := range conjuncts(on) {
		e = g.scope.normal(e)
		side := g.sideOf(e)
		preserved := side == 0 && (g.kind == "LEFT" || g.kind == semi) || side == 1 && g.kind == "RIGHT" || g.kind == "FULL"
		if side >= 0 && (!preserved || g.kind == semi) && sql.QueryIn(e) == nil {
			g.sides[side].where = append(g.sides[side].where, e)
			continue
		}
		if side >= 0 && g.outer(side) && sql.QueryIn(e) == nil {
			g.sides[side].own = append(g.sides[side].own, e)
		}
		g.on = append(g.on, e)
	}
}

func (g *joining) findBounds() {
	both := g.scope.bounds(g.on, g.sideOf)
	for i, s := range g.sides {
		s.bounds = both[i]
		if len(s.bounds) > 0 {
			s.until = "weir_" + s.name + "_until"
		}
	}
}

// check refuses outer joins whose rows without partner would never be final.
func (g *joining) check() error {
	names := map[string]string{"LEFT": "LeftOuter", "RIGHT": "RightOuter", "FULL": "FullOuter", semi: "LeftSemi"}
	ok := true
	switch g.kind {
	case "LEFT", semi:
		ok = g.sides[0].until != ""
	case "RIGHT":
		ok = g.sides[1].until != ""
	case "FULL":
		ok = g.sides[0].until != "" && g.sides[1].until != ""
	}
	if !ok {
		return unsupported("Stream-stream %s join between two streaming DataFrame/Datasets is not supported without a watermark in the join "+
			"keys, or a watermark on the nullable side and an appropriate range condition", names[g.kind])
	}
	if len(g.on) == 0 && g.kind != "INNER" {
		return unsupported("Stream-stream %s join without a condition", names[g.kind])
	}
	return nil
}

// outer says whether rows of a side leave without a partner.
func (g *joining) outer(i int) bool {
	return g.kind == "FULL" || g.kind == "LEFT" && i == 0 || g.kind == "RIGHT" && i == 1
}

// times says how late the columns that carry event time come out: as late as a row may have waited for its partner.
func (g *joining) times(out *side, result *relation) {
	lags := map[string]time.Duration{}
	for _, s := range g.sides {
		for _, c := range s.cols {
			if c.time == noTime {
				continue
			}
			for _, b := range s.bounds {
				if b.base != c.name {
					continue
				}
				if old, ok := lags[c.name]; !ok || b.shift < old {
					lags[c.name] = b.shift
				}
			}
			if lag, ok := lags[c.name]; ok {
				lags[c.name] = max(lag, c.lag)
			}
		}
	}
	kinds := map[string]timeKind{}
	for _, s := range g.sides {
		for _, c := range s.cols {
			if c.time != noTime && len(s.bounds) == 0 { // rows that waited longer are late for later operators, as with Spark
				lags[c.name] = c.lag
			}
			if _, ok := lags[c.name]; ok {
				kinds[c.name] = c.time
			}
		}
	}
	if g.kind == "INNER" { // what is never before an event time of the other side is one itself
		for _, s := range g.sides {
			for _, b := range s.bounds {
				lag, ok := lags[b.other]
				if _, has := lags[b.base]; b.base != "" && ok && !has && kinds[b.other] == instant {
					lags[b.base], kinds[b.base] = lag-(b.off-b.k), instant
				}
			}
		}
	}
	set := func(c *column, name string) {
		c.time, c.lag = kinds[name], lags[name]
	}
	for i := range result.cols {
		set(&result.cols[i], result.cols[i].name)
	}
	for i := range out.tables {
		t := &out.tables[i]
		for k := range t.cols {
			set(&t.cols[k], t.as[t.cols[k].name])
		}
	}
}
