package incremental

import (
	"fmt"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/sql"
)

// rows adds the steps of a side's rows, and its state.
func (g *joining) rows(s *joinSide) error {
	sel := &sql.Select{From: []sql.Relation{s.from}, Items: s.items}
	var ends []string
	for i, b := range s.bounds { // expressions of what the joined step calls the columns: they need a step of their own
		name := fmt.Sprintf("weir_bound%d", i+1)
		ends = append(ends, plus("CAST("+quote(name)+" AS TIMESTAMP)", b.shift))
	}
	all, err := g.c.step(g.name+"_"+s.name+"_rows", &sql.Query{Body: sel})
	if err != nil {
		return err
	}
	for i := range all.cols {
		s.cols[i].typ = all.cols[i].typ
	}
	outer := &sql.Select{From: []sql.Relation{alias(internalRef(all), "t")}, Where: and(s.where)}
	for _, c := range s.cols {
		outer.Items = append(outer.Items, sql.SelectItem{X: &sql.Ident{Name: c.name}})
	}
	for i, b := range s.bounds {
		outer.Items = append(outer.Items, sql.SelectItem{X: b.expr, Alias: &sql.Ident{Name: fmt.Sprintf("weir_bound%d", i+1)}})
	}
	if len(s.own) > 0 {
		outer.Items = append(outer.Items, sql.SelectItem{X: and(s.own), Alias: &sql.Ident{Name: "weir_own"}})
	}
	bounded, err := g.c.step(g.name+"_"+s.name+"_all", &sql.Query{Body: outer})
	if err != nil {
		return err
	}
	cols := strings.Join(s.names(), ", ")
	if len(ends) > 0 {
		end := ends[0]
		if len(ends) > 1 {
			end = "least(" + strings.Join(ends, ", ") + ")"
		}
		if len(s.own) > 0 { // a row that never has a partner is final when it comes, whatever its event time
			end = "CASE WHEN weir_own THEN " + end + " ELSE TIMESTAMP '-infinity' END"
		}
		cols += ", " + end + " AS " + quote(s.until)
	}
	where, late := g.lateness(s)
	spec := batch.StateSpec{Name: g.c.unique(g.name + "_" + s.name), Operator: "symmetricHashJoin", Keys: g.keys(s), Definition: g.definition(s)}
	if late != "" {
		spec.Late = g.c.add(g.name+"_"+s.name+"_late", "SELECT count(*) AS late FROM "+quote(bounded.name)+" WHERE "+late)
	}
	fresh := g.c.add(g.name+"_"+s.name+"_new", "SELECT "+cols+" FROM "+quote(bounded.name)+where)
	spec.Like, spec.Update = fresh, fresh
	if s.until != "" {
		spec.Until = s.until
		spec.Update = g.c.add(g.name+"_"+s.name+"_kept", "SELECT * FROM "+quote(fresh)+" WHERE "+quote(s.until)+" > weir_watermark()")
	}
	s.state = spec.Name
	s.bare = &relation{name: fresh, cols: s.withUntil(), stream: true}
	g.c.relations[fresh] = s.bare
	g.c.program.States = append(g.c.program.States, spec)
	return nil
}

func (s *joinSide) names() []string {
	var names []string
	for _, c := range s.cols {
		names = append(names, quote(c.name))
	}
	if len(names) == 0 {
		names = []string{"1 AS one"}
	}
	return names
}

func (s *joinSide) withUntil() []column {
	cols := append([]column{}, s.cols...)
	if s.until != "" {
		cols = append(cols, column{name: s.until, typ: sql.Type{Name: "timestamp"}})
	}
	return cols
}

// lateness is the WHERE that keeps the rows of a side that are not too late, and the condition of those that are; both are empty if
// the side has no event time.
func (g *joining) lateness(s *joinSide) (where, late string) {
	for _, c := range s.cols {
		x := quote(c.name)
		switch c.time {
		case noTime:
			continue
		case span:
			x = "struct_extract(" + x + ", 'end')"
		}
		late = plus(x, c.lag) + " <= weir_late()"
		return " WHERE (" + late + ") IS NOT TRUE", late
	}
	return "", ""
}

// keys are the columns of a side that must equal the other side's.
func (g *joining) keys(s *joinSide) []string {
	var keys []string
	for _, e := range g.on {
		c, ok := e.(*sql.Compare)
		if !ok || c.Op != "=" {
			continue
		}
		for _, x := range []sql.Expr{c.L, c.R} {
			if id := identName(x); id != "" && s.has(id) {
				keys = append(keys, id)
			}
		}
	}
	return keys
}

func (g *joining) definition(s *joinSide) map[string]string {
	var on []string
	for _, e := range g.on {
		on = append(on, strings.ReplaceAll(sql.PrintExpr(e), `"`, ""))
	}
	return map[string]string{"join": g.kind, "side": s.name, "on": strings.Join(on, " AND ")}
}

// old adds a step of the rows of a side's state that can still matter.
func (g *joining) old(s *joinSide) *relation {
	text := "SELECT * FROM " + quote(s.state)
	if s.until != "" {
		text += " WHERE " + quote(s.until) + " > weir_late()"
	}
	r := &relation{name: g.c.add(g.name+"_"+s.name+"_old", text), cols: s.withUntil(), stream: true}
	g.c.relations[r.name] = r
	return r
}

// pairs adds the steps that find partners, each pair once: new left with all right, old left with new right.
func (g *joining) pairs() (string, error) {
	l, r := g.sides[0], g.sides[1]
	oldLeft, oldRight := g.old(l), g.old(r)
	all := &relation{cols: r.withUntil(), stream: true}
	all.name = g.c.add(g.name+"_right_both", "SELECT * FROM "+quote(oldRight.name)+" UNION ALL SELECT * FROM "+quote(r.bare.name))
	g.c.relations[all.name] = all
	var parts []string
	for i, p := range [][2]*relation{{l.bare, all}, {oldLeft, r.bare}} {
		s := &sql.Select{}
		for k, rel := range p {
			for _, c := range rel.cols {
				s.Items = append(s.Items, sql.SelectItem{X: &sql.Deref{Base: &sql.Ident{Name: [2]string{"l", "r"}[k]}, Field: sql.Ident{Name: c.name}},
					Alias: &sql.Ident{Name: c.name}})
			}
		}
		j := &sql.Join{Kind: "INNER", L: alias(internalRef(p[0]), "l"), R: alias(internalRef(p[1]), "r"), On: and(g.on)}
		if j.On == nil {
			j.Kind = "CROSS"
		}
		s.From = []sql.Relation{j}
		step, err := g.c.step(fmt.Sprintf("%s_pairs%d", g.name, i+1), &sql.Query{Body: s})
		if err != nil {
			return "", err
		}
		parts = append(parts, "SELECT * FROM "+quote(step.name))
	}
	return g.c.add(g.name+"_pairs", strings.Join(parts, " UNION ALL ")), nil
}
