package incremental

import (
	"fmt"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/sql"
)

// until is the column of a state that says when a row is final, by the watermark of the whole query.
const until = "weir_until"

// compile makes the steps of an aggregation:
//
//	NAME_rows    keys and arguments of the batch's rows
//	NAME_sets    the same for each grouping set, where there are some
//	NAME_groups  a row for each group of the batch: partial aggregates
//	NAME_new     those that are not too late, which the state takes
//	NAME_merged  groups to emit: partials of state and batch, added up (see mergeTouched)
//	NAME_result  keys and aggregates
func (g *group) compile(where sql.Expr) (*relation, error) {
	if err := g.readRows(where); err != nil {
		return nil, err
	}
	if g.session() != nil {
		return g.sessions()
	}
	g.bound()
	g.fresh = g.groups()
	g.keep(g.fresh)
	return g.result(g.merge(g.fresh))
}

// readRows adds the step of keys and arguments, and finds the types of all.
func (g *group) readRows(where sql.Expr) error {
	if s := g.session(); s != nil {
		g.sessionColumns(s)
	}
	for _, k := range g.keys {
		if k.kind == setKey || k.kind == sessionKey {
			continue
		}
		e := k.expr
		name := k.name
		if name == "" {
			name = readable(k.text)
		}
		if k.paned() {
			e = k.pane()
		}
		if k.kind != plainKey {
			e = &sql.Deref{Base: e, Field: sql.Ident{Name: "start"}}
		}
		k.name = g.rows.addAs(k.text, e, name)
	}
	for _, a := range g.aggs {
		if err := g.columns(a); err != nil {
			return err
		}
	}
	s := &sql.Select{Items: g.rows.items, From: g.from.relations, Where: where}
	if len(s.Items) == 0 { // count(*) of all
		s.Items = []sql.SelectItem{{X: &sql.Number{Text: "1"}, Alias: &sql.Ident{Name: "one"}}}
	}
	for _, it := range s.Items {
		if hasOver(it.X) {
			return noOver
		}
	}
	rows, err := g.c.step(g.name+"_rows", &sql.Query{Body: s})
	if err != nil {
		return err
	}
	g.input = rows.name
	g.cols = map[string]sql.Type{}
	for _, col := range rows.cols {
		g.cols[col.name] = col.typ
	}
	for _, k := range g.keys {
		k.typ = g.cols[k.name]
		if k.kind == windowKey || k.kind == sessionKey {
			k.typ = windowType
		}
	}
	if len(g.masks) > 0 {
		g.expand()
	}
	return g.readTypes(rows)
}

var windowType = sql.Type{Name: "row", Args: []sql.Type{{Name: "timestamp"}, {Name: "timestamp"}}, Fields: []string{"start", "end"}}

// readTypes lets package sql check the aggregates over the rows, and say their types.
func (g *group) readTypes(rows *relation) error {
	if len(g.aggs) == 0 {
		return nil
	}
	s := &sql.Select{From: []sql.Relation{alias(internalRef(rows), "t")}}
	for _, a := range g.aggs {
		call := *a.call
		next := 0
		call.Args = nil
		for i, arg := range a.call.Args {
			if i > 0 && constantArgument(a.call, i) {
				call.Args = append(call.Args, arg)
				continue
			}
			call.Args = append(call.Args, &sql.Ident{Name: a.args[next]})
			next++
		}
		if a.filter != "" {
			call.Filter = &sql.Ident{Name: a.filter}
		}
		call.OrderBy = nil
		s.Items = append(s.Items, sql.SelectItem{X: &call})
	}
	t, err := sql.Translate(&sql.Query{Body: s}, g.c.options())
	if err != nil {
		return err
	}
	for i, a := range g.aggs {
		a.typ = t.Columns[i].Type
		if err := g.decompose(a); err != nil {
			return err
		}
	}
	return nil
}

// bound finds out when groups are final. In complete mode they never are.
func (g *group) bound() {
	if k := g.eventTime(); k != nil && g.mode != Complete {
		g.until = k.end()
	}
}

// keyNames are the columns of the keys, quoted.
func (g *group) keyNames() []string {
	var names []string
	for _, k := range g.keys {
		names = append(names, quote(k.name))
	}
	return names
}

// groupBy is the GROUP BY of the keys and until; empty if all rows are one group.
func (g *group) groupBy() string {
	by := g.keyNames()
	if g.until != "" {
		by = append(by, quote(until))
	}
	if len(by) == 0 {
		return ""
	}
	return " GROUP BY " + strings.Join(by, ", ")
}

// partialColumns lists what f makes of the partials.
func (g *group) partialColumns(f func(partial) string) []string {
	var cols []string
	for _, p := range g.parts.all {
		cols = append(cols, f(p))
	}
	return cols
}

// stateColumns lists the columns of the state: keys, what f makes of the partials, until.
func (g *group) stateColumns(f func(partial) string) string {
	cols := append(g.keyNames(), g.partialColumns(f)...)
	if g.until != "" {
		cols = append(cols, quote(until))
	}
	if len(cols) == 0 { // all rows are one group, of which only values are kept
		return "any_value(1) AS one"
	}
	return strings.Join(cols, ", ")
}

func firstOf(p partial) string { return p.first + " AS " + quote(p.name) }
func mergeOf(p partial) string { return p.merge + " AS " + quote(p.name) }
func nameOf(p partial) string  { return quote(p.name) }

// rowsOf is the number of rows that made a group of the batch.
const rowsOf = "weir_rows"

// groups adds the steps that draw the rows of the batch together, and returns the one without what is too late.
func (g *group) groups() string {
	from, make, count := quote(g.input)+g.timed(), firstOf, "count(*)"
	if k := g.paned(); k != nil {
		cols := append(append(g.keyNames(), g.partialColumns(firstOf)...), "count(*) AS "+rowsOf)
		panes := g.c.add(g.name+"_panes", "SELECT "+strings.Join(cols, ", ")+" FROM "+from+" GROUP BY "+strings.Join(g.keyNames(), ", "))
		from, make, count = k.windows(quote(panes)), mergeOf, "sum("+rowsOf+")"
	}
	if g.until == "" {
		return g.c.add(g.name+"_new", "SELECT "+g.stateColumns(make)+" FROM "+from+g.groupBy())
	}
	cols := append(g.keyNames(), g.partialColumns(make)...)
	cols = append(cols, g.until+" AS "+quote(until), count+" AS "+rowsOf)
	groups := g.c.add(g.name+"_groups", "SELECT "+strings.Join(cols, ", ")+" FROM "+from+" GROUP BY "+strings.Join(g.keyNames(), ", "))
	g.late = g.c.add(g.name+"_late", "SELECT CAST(coalesce(sum("+rowsOf+"), 0) AS BIGINT) AS late FROM "+quote(groups)+" WHERE "+
		quote(until)+" <= weir_late()")
	return g.c.choose(g.name+"_new", "SELECT "+g.stateColumns(nameOf)+" FROM "+quote(groups)+" WHERE "+g.after("weir_late()"))
}

// timed is the WHERE that leaves out rows without a time, which are in no window.
func (g *group) timed() string {
	for _, k := range g.keys {
		if k.kind == windowKey {
			return " WHERE " + quote(k.name) + " IS NOT NULL"
		}
	}
	return ""
}

// paned is the key of windows that are made of panes; nil if there is none.
func (g *group) paned() *key {
	for _, k := range g.keys {
		if k.paned() {
			return k
		}
	}
	return nil
}

// paned says whether windows overlap and are made of panes, the windows of one slide, so that rows are drawn together by panes
// first.
func (k *key) paned() bool {
	return k.kind == windowKey && k.spec.Slide < k.spec.Size && k.spec.Size%k.spec.Slide == 0
}

// pane is the window of one slide.
func (k *key) pane() sql.Expr {
	c := *k.expr.(*sql.Call)
	c.Args = append([]sql.Expr{c.Args[0], c.Args[2]}, c.Args[2:]...)
	return &c
}

// windows is a relation with the windows of each row's pane in place of the pane.
func (k *key) windows(from string) string {
	return fmt.Sprintf("(SELECT * REPLACE (unnest(list_transform(range(%d), lambda weir_i: %s - to_microseconds(weir_i * %d))) AS %s) FROM %s)",
		k.spec.Size/k.spec.Slide, quote(k.name), k.spec.Slide.Microseconds(), quote(k.name), from)
}

// after is the condition that a group is not final at a time. Only in update mode does a group without a time matter.
func (g *group) after(t string) string {
	cond := quote(until) + " > " + t
	if g.mode == Update {
		return "(" + cond + " OR " + quote(until) + " IS NULL)"
	}
	return cond
}

// keep adds the state, to which each batch adds its groups.
func (g *group) keep(fresh string) {
	g.state = g.name
	spec := batch.StateSpec{Name: g.state, Operator: "stateStoreSave", Like: fresh, Update: fresh, Late: g.late, Keys: g.names(),
		Definition: g.definition()}
	spec.Compact = "SELECT " + g.stateColumns(mergeOf) + " FROM runs" + g.groupBy()
	spec.Touched = g.touched(fresh)
	if g.until != "" {
		spec.Until = until
		spec.Update = g.c.add(g.name+"_kept", "SELECT * FROM "+quote(fresh)+" WHERE "+g.after("weir_watermark()"))
	}
	g.c.program.States = append(g.c.program.States, spec)
}

// touched is the step of a batch's groups, of whose keys alone it needs the state: where those are all that it emits.
func (g *group) touched(fresh string) string {
	if g.mode != Update || len(g.keys) == 0 {
		return ""
	}
	return fresh
}

func (g *group) names() []string {
	var names []string
	for _, k := range g.keys {
		names = append(names, k.name)
	}
	return names
}

// definition says what the rows of the state mean.
func (g *group) definition() map[string]string {
	var keys []string
	for _, k := range g.keys {
		if k.kind == setKey {
			continue
		}
		text := strings.ReplaceAll(k.text, `"`, "")
		if k.name != readable(k.text) && k.kind == plainKey && !k.varies {
			text = k.text // another key's looks the same without quotes
		}
		keys = append(keys, text+" "+k.typ.String())
	}
	d := map[string]string{"group by": strings.Join(keys, ", ")}
	if len(g.masks) > 0 {
		d["grouping sets"] = g.setsText()
	}
	if g.until != "" {
		d["event time"] = strings.ReplaceAll(g.eventTime().text, `"`, "")
	}
	return d
}

// emitted are the rows of a state, and of what the batch adds to it, of the groups to emit. Those of the batch are in fresh.
func (g *group) emitted(state, added, fresh string) (old, now string) {
	old, now = "SELECT * FROM "+quote(state), "SELECT * FROM "+quote(added)
	switch {
	case g.mode == Append:
		final := " WHERE " + quote(until) + " <= weir_watermark()"
		old += final + " AND " + quote(until) + " > weir_late()"
		now += final
	case g.mode == Update && len(g.keys) > 0:
		if g.until != "" {
			old += " WHERE " + g.after("weir_late()")
		}
		old = "SELECT s.* FROM (" + old + ") AS s SEMI JOIN " + quote(fresh) + " AS n ON " + same(g.names(), "s", "n")
	}
	return old, now
}

// merge adds the step that adds up the partials of the groups to emit.
func (g *group) merge(fresh string) string {
	if g.touched(fresh) != "" {
		return g.mergeTouched(fresh)
	}
	old, now := g.emitted(g.state, fresh, fresh)
	return g.c.add(g.name+"_merged", "SELECT "+g.stateColumns(mergeOf)+" FROM ("+old+" UNION ALL "+now+")"+g.groupBy())
}

// mergeTouched is merge where only the batch's groups are emitted. Those that the state does not know, which are most where windows end soon,
// stay as they are:
//
//	NAME_known  rows of the state of the batch's groups
func (g *group) mergeTouched(fresh string) string {
	old, _ := g.emitted(g.state, fresh, fresh)
	known := g.c.add(g.name+"_known", old)
	join := func(kind string) string {
		return quote(fresh) + " AS f " + kind + " JOIN " + quote(known) + " AS k ON " + same(g.names(), "f", "k")
	}
	return g.c.add(g.name+"_merged", "SELECT "+g.stateColumns(mergeOf)+" FROM (SELECT * FROM "+quote(known)+" UNION ALL SELECT f.* FROM "+join("SEMI")+")"+
		g.groupBy()+" UNION ALL SELECT "+g.stateColumns(nameOf)+" FROM "+join("ANTI"))
}

// sideResults adds the steps of the side tables, and returns the joins that bring their aggregates to the merged groups.
func (g *group) sideResults() string {
	joins := ""
	for i, t := range g.sides {
		step, keys := t.steps(g, i, g.fresh)
		on := []string{"true"}
		for n, k := range g.keys {
			on = append(on, "g."+quote(k.name)+" IS NOT DISTINCT FROM "+quote(keys[n]))
		}
		joins += " LEFT JOIN " + quote(step) + " ON " + strings.Join(on[min(1, len(on)-1):], " AND ")
	}
	return joins
}

// result adds the step of keys and aggregates.
func (g *group) result(merged string) (*relation, error) {
	joins := g.sideResults()
	r := &relation{stream: true, complete: g.mode == Complete, replaces: g.mode == Update}
	var cols []string
	add := func(expr, name string, t sql.Type, time timeKind) *column {
		cols = append(cols, expr+" AS "+quote(name))
		r.cols = append(r.cols, column{name: name, typ: t, time: time})
		return &r.cols[len(r.cols)-1]
	}
	for i, k := range g.keys {
		time := k.time.time
		if g.mode == Complete {
			time = noTime
		}
		col := add(k.printed(), keyColumn(i).Name, k.typ, time)
		col.lag = k.time.lag
		if c, ok := g.from.scope.column(k.expr); ok && k.expr != nil {
			col.label = c.label
		}
		if g.mode == Update {
			r.keys = append(r.keys, col.name)
		}
	}
	for _, a := range g.aggs {
		add(a.final, a.name, a.typ, noTime)
	}
	if len(cols) == 0 {
		cols = []string{"1 AS one"}
	}
	r.name = g.c.add(g.name+"_result", fmt.Sprintf("SELECT %s FROM %s AS g%s", strings.Join(cols, ", "), quote(merged), joins))
	g.c.relations[r.name] = r
	return r, nil
}
