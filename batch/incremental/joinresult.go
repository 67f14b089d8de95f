package incremental

import (
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/sql"
)

// result adds the step of all that the join gives in a batch.
func (g *joining) result(pairs string) *relation {
	l, r := g.sides[0], g.sides[1]
	out := &relation{stream: true}
	out.cols = append(out.cols, l.cols...)
	var parts []string
	if g.kind == semi {
		parts = append(parts, g.semi(pairs))
	} else {
		out.cols = append(out.cols, r.cols...)
		parts = append(parts, "SELECT "+strings.Join(append(named(l.cols), named(r.cols)...), ", ")+" FROM "+quote(pairs))
		for i, s := range g.sides {
			if g.outer(i) {
				parts = append(parts, g.lonely(i, s, pairs))
			}
		}
	}
	out.name = g.c.add(g.name+"_result", strings.Join(parts, " UNION ALL "))
	g.c.relations[out.name] = out
	return out
}

func named(cols []column) []string {
	var names []string
	for _, c := range cols {
		names = append(names, quote(c.name))
	}
	return names
}

// matched adds the state of what of a side has found a partner: those columns that the conditions ask for, since rows that are the
// same there have the same partners. It returns the step of what this batch adds.
func (g *joining) matched(s *joinSide, pairs string) (now, state string) {
	asked := map[string]bool{}
	for _, e := range g.on {
		visit(e, func(x sql.Expr) { asked[identName(x)] = true })
	}
	for _, c := range s.cols {
		if asked[c.name] {
			s.seen = append(s.seen, c.name)
		}
	}
	cols := strings.Join(append(quoteAll(s.seen), quote(s.until)), ", ")
	now = g.c.add(g.name+"_"+s.name+"_matches", "SELECT DISTINCT "+cols+" FROM "+quote(pairs))
	state = g.c.unique(g.name + "_" + s.name + "_matched")
	update := g.c.add(state+"_kept", "SELECT n.* FROM "+quote(now)+" AS n ANTI JOIN "+quote(state)+" AS m ON "+same(s.seen, "n", "m")+
		" WHERE n."+quote(s.until)+" > weir_watermark()")
	g.c.program.States = append(g.c.program.States, batch.StateSpec{Name: state, Operator: "symmetricHashJoin", Like: now, Update: update,
		Until: s.until, Compact: "SELECT DISTINCT " + cols + " FROM runs", Keys: s.seen, Definition: g.definition(s)})
	return now, state
}

// same is the condition that rows are the same in some columns.
func same(cols []string, a, b string) string {
	var all []string
	for _, c := range cols {
		all = append(all, a+"."+quote(c)+" IS NOT DISTINCT FROM "+b+"."+quote(c))
	}
	return strings.Join(all, " AND ")
}

// lonely are the rows of an outer side that are final and have found no partner.
func (g *joining) lonely(i int, s *joinSide, pairs string) string {
	now, state := g.matched(s, pairs)
	var items []string
	for k, other := range g.sides {
		for _, c := range other.cols {
			if k == i {
				items = append(items, "f."+quote(c.name))
			} else {
				items = append(items, "CAST(NULL AS "+c.typ.DuckDB()+") AS "+quote(c.name))
			}
		}
	}
	cols := strings.Join(quoteAll(s.seen), ", ")
	final := " WHERE " + quote(s.until) + " <= weir_watermark()"
	rows := "SELECT * FROM " + quote(s.state) + final + " AND " + quote(s.until) + " > weir_late() UNION ALL SELECT * FROM " + quote(s.bare.name) + final
	seen := "SELECT " + cols + " FROM " + quote(state) + " UNION ALL SELECT " + cols + " FROM " + quote(now)
	return "SELECT " + strings.Join(items, ", ") + " FROM (" + rows + ") AS f ANTI JOIN (" + seen + ") AS m ON " + same(s.seen, "f", "m")
}

// semi are the rows of the left side that have found their first partner.
func (g *joining) semi(pairs string) string {
	s := g.sides[0]
	now, state := g.matched(s, pairs)
	cols := strings.Join(named(s.cols), ", ")
	fresh := "SELECT " + cols + " FROM " + quote(s.bare.name) + " AS l SEMI JOIN " + quote(now) + " AS n ON " + same(s.seen, "l", "n")
	old := "SELECT l.* EXCLUDE (" + quote(s.until) + ") FROM (SELECT * FROM " + quote(s.state) + " WHERE " + quote(s.until) + " > weir_late()) AS l SEMI JOIN " +
		"(SELECT n.* FROM " + quote(now) + " AS n ANTI JOIN " + quote(state) + " AS m ON " + same(s.seen, "n", "m") + ") AS n ON " + same(s.seen, "l", "n")
	return fresh + " UNION ALL " + old
}
