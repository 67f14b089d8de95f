package incremental

import (
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/sql"
)

// Columns of the state of sessions.
const (
	sessionStart = "session_start"
	sessionEnd   = "session_end"
)

// sessions makes the steps of an aggregation by session_window(). A row is a session of its own at first; sessions of a key that
// overlap or touch become one. As a session that grows may swallow others, the state is replaced as a whole.
func (g *group) sessions() (*relation, error) {
	if len(g.sides) > 0 {
		return nil, unsupported("DISTINCT and approximate aggregates over session windows")
	}
	s := g.session()
	var others []string
	for _, k := range g.keys {
		if k != s {
			others = append(others, quote(k.name))
		}
	}
	rowEnd := plus(quote(sessionStart), s.spec.Size)
	if s.spec.ByRow {
		rowEnd = quote(sessionEnd)
	}
	end := plus(quote(sessionEnd), s.time.lag)
	timed := g.mode != Complete && s.time.time != noTime
	cols := append(append([]string{}, others...), quote(sessionStart), rowEnd+" AS "+quote(sessionEnd))
	by := append(append([]string{}, others...), quote(sessionStart))
	if s.spec.ByRow {
		by = append(by, quote(sessionEnd))
	}
	groups := g.c.add(g.name+"_groups", "SELECT "+strings.Join(append(append(cols, g.partialColumns(firstOf)...), "count(*) AS "+rowsOf), ", ")+
		" FROM "+quote(g.input)+" WHERE "+quote(sessionStart)+" IS NOT NULL GROUP BY "+strings.Join(by, ", "))
	names := append(append(append([]string{}, others...), quote(sessionStart), quote(sessionEnd)), g.partialColumns(nameOf)...)
	list := strings.Join(names, ", ")
	fresh := "SELECT " + list + " FROM " + quote(groups)
	if timed {
		g.late = g.c.add(g.name+"_late", "SELECT CAST(coalesce(sum("+rowsOf+"), 0) AS BIGINT) AS late FROM "+quote(groups)+" WHERE "+end+" <= weir_late()")
		fresh += " WHERE " + end + " > weir_late()"
	}
	fresh = g.c.add(g.name+"_new", fresh)
	g.state = g.name
	merged := g.mergeSessions(fresh, others, list)
	spec := batch.StateSpec{Name: g.state, Operator: "sessionWindowStateStoreSave", Like: fresh, Update: merged, Replace: true, Late: g.late,
		Keys: g.names(), Definition: g.definition()}
	emitted := merged
	if timed {
		spec.Update = g.c.add(g.name+"_kept", "SELECT * FROM "+quote(merged)+" WHERE "+end+" > weir_watermark()")
		emitted = g.c.add(g.name+"_final", "SELECT * FROM "+quote(merged)+" WHERE "+end+" <= weir_watermark()")
	}
	g.c.program.States = append(g.c.program.States, spec)
	return g.result(emitted)
}

// sessionColumns adds the columns of a row's own session to those of the rows, before others can take their names: its start and, where the gap
// depends on the row, its end.
func (g *group) sessionColumns(s *key) {
	part := func(name string) sql.Expr { return &sql.Deref{Base: s.expr, Field: sql.Ident{Name: name}} }
	s.name = g.rows.addAs(s.text, part("start"), sessionStart)
	if s.spec.ByRow {
		g.rows.addAs(s.text+".end", part("end"), sessionEnd)
	}
	g.rows.taken[sessionEnd] = true
}

// mergeSessions adds the steps that number the sessions of a key, in the order of their starts, and draw those of a number together.
func (g *group) mergeSessions(fresh string, others []string, list string) string {
	by := "ORDER BY " + quote(sessionStart) + ", " + quote(sessionEnd)
	if len(others) > 0 {
		by = "PARTITION BY " + strings.Join(others, ", ") + " " + by
	}
	before := "max(" + quote(sessionEnd) + ") OVER (" + by + " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
	marked := g.c.add(g.name+"_marked", "SELECT *, CASE WHEN "+quote(sessionStart)+" <= "+before+" THEN 0 ELSE 1 END AS weir_first FROM (SELECT "+list+
		" FROM "+quote(g.state)+" UNION ALL SELECT "+list+" FROM "+quote(fresh)+")")
	numbered := g.c.add(g.name+"_numbered", "SELECT *, sum(weir_first) OVER ("+by+" ROWS UNBOUNDED PRECEDING) AS weir_session FROM "+quote(marked))
	cols := append(append([]string{}, others...), "min("+quote(sessionStart)+") AS "+quote(sessionStart), "max("+quote(sessionEnd)+") AS "+quote(sessionEnd))
	cols = append(cols, g.partialColumns(mergeOf)...)
	return g.c.add(g.name+"_merged", "SELECT "+strings.Join(cols, ", ")+" FROM "+quote(numbered)+" GROUP BY "+
		strings.Join(append(append([]string{}, others...), "weir_session"), ", "))
}
