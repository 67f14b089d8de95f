package incremental

import (
	"slices"
	"strings"

	"github.com/weir-data/weir/sql"
)

// scope holds the tables of a FROM. Expressions are brought into one form by it, so that they can be compared by their text: a
// column is its bare name where that is clear, and what the joined step calls it where streams were joined.
type scope struct {
	tables []scopeTable
	merged map[string]sql.Expr // columns of USING
}

// scopeTable is a table as the query calls it.
type scopeTable struct {
	names []string // its qualified name, the most specific part last
	cols  []column
	step  string            // the alias of the step that joined it with others; empty: none did
	as    map[string]string // what that step calls the columns
	open  bool              // columns are not known: those of an UNNEST without names
}

// printed is what a column is called in the relation that FROM has for the table.
func (t *scopeTable) printed(name string) string {
	if t.step != "" {
		return t.as[name]
	}
	return name
}

// alias is what FROM calls the relation of the table.
func (t *scopeTable) alias() string {
	if t.step != "" || len(t.names) == 0 {
		return t.step
	}
	return t.names[len(t.names)-1]
}

// find returns the tables that have a column.
func (s *scope) find(name string) (hits []int) {
	for i, t := range s.tables {
		for _, c := range t.cols {
			if c.name == name {
				hits = append(hits, i)
				break
			}
		}
	}
	return hits
}

// table returns the table that a qualifier names, -1 if none.
func (s *scope) table(path []string) int {
	for i, t := range s.tables {
		if n := len(t.names) - len(path); n >= 0 && strings.Join(t.names[n:], "\x00") == strings.Join(path, "\x00") {
			return i
		}
	}
	return -1
}

// ref is the one form of a column of a table.
func (s *scope) ref(table int, name string) sql.Expr {
	t := &s.tables[table]
	p, hits := t.printed(name), 0
	for i := range s.tables {
		for _, c := range s.tables[i].cols {
			if s.tables[i].printed(c.name) == p {
				hits++
			}
		}
	}
	if hits == 1 && s.merged[name] == nil || t.alias() == "" {
		return &sql.Ident{Name: p}
	}
	return &sql.Deref{Base: &sql.Ident{Name: t.alias()}, Field: sql.Ident{Name: p}}
}

// normal brings e into the one form. What is not found stays as it is.
func (s *scope) normal(e sql.Expr) sql.Expr { return s.normalise(e, nil) }

func (s *scope) normalise(e sql.Expr, hidden map[string]bool) sql.Expr {
	switch x := e.(type) {
	case nil:
		return nil
	case *sql.Ident:
		if hidden[x.Name] {
			return x
		}
		if m := s.merged[x.Name]; m != nil {
			return m
		}
		if hits := s.find(x.Name); len(hits) == 1 {
			return at(s.ref(hits[0], x.Name), x)
		}
		return x
	case *sql.Deref:
		if path := namePath(x.Base); path != nil && !hidden[path[0]] {
			if t := s.table(path); t >= 0 {
				return at(s.ref(t, x.Field.Name), x)
			}
		}
	case *sql.Lambda:
		inner := map[string]bool{}
		for n := range hidden {
			inner[n] = true
		}
		for _, p := range x.Params {
			inner[p.Name] = true
		}
		return sql.MapChildren(x, func(k sql.Expr) sql.Expr { return s.normalise(k, inner) })
	}
	return sql.MapChildren(e, func(k sql.Expr) sql.Expr { return s.normalise(k, hidden) })
}

// at gives a column the place of what it stands for, so that errors point there.
func at(e, old sql.Expr) sql.Expr {
	if old, ok := old.(*sql.Ident); ok {
		if e, ok := e.(*sql.Ident); ok {
			c := *old
			c.Name = e.Name
			return &c
		}
	}
	return e
}

func namePath(e sql.Expr) []string {
	switch e := e.(type) {
	case *sql.Ident:
		return []string{e.Name}
	case *sql.Deref:
		if base := namePath(e.Base); base != nil && len(base) < 3 {
			return append(base, e.Field.Name)
		}
	}
	return nil
}

// column returns the column that an expression in the one form is.
func (s *scope) column(e sql.Expr) (column, bool) {
	name, alias := "", ""
	switch x := e.(type) {
	case *sql.Ident:
		name = x.Name
	case *sql.Deref:
		base, ok := x.Base.(*sql.Ident)
		if !ok {
			return column{}, false
		}
		name, alias = x.Field.Name, base.Name
	}
	for i := range s.tables {
		t := &s.tables[i]
		if alias != "" && t.alias() != alias {
			continue
		}
		for _, c := range t.cols {
			if t.printed(c.name) == name {
				return c, name != ""
			}
		}
	}
	return column{}, false
}

// star lists all columns, or those of one table. Columns of USING come first, and once.
func (s *scope) star(qualifier sql.Expr) ([]sql.SelectItem, bool) {
	only := -1
	if qualifier != nil {
		if only = s.table(namePath(qualifier)); only < 0 {
			return nil, false
		}
	}
	var items []sql.SelectItem
	seen := map[string]bool{}
	for i, t := range s.tables {
		if only >= 0 && i != only {
			continue
		}
		if t.open {
			return nil, false
		}
		for _, c := range t.cols {
			if m := s.merged[c.name]; m != nil && only < 0 {
				if !seen[c.name] {
					items = slices.Insert(items, len(seen), sql.SelectItem{X: m, Alias: &sql.Ident{Name: c.name}})
					seen[c.name] = true
				}
				continue
			}
			items = append(items, sql.SelectItem{X: s.ref(i, c.name), Alias: &sql.Ident{Name: c.name}})
		}
	}
	return items, true
}

// eventTime says whether an expression in the one form carries event time, and how.
func (s *scope) eventTime(e sql.Expr) column {
	switch x := e.(type) {
	case *sql.Ident, *sql.Deref:
		if c, ok := s.column(e); ok {
			return c
		}
		if d, ok := e.(*sql.Deref); ok && (d.Field.Name == "end") {
			if c := s.eventTime(d.Base); c.time == span {
				return column{time: instant, lag: c.lag}
			}
		}
	case *sql.Call:
		if len(x.Args) == 0 {
			break
		}
		switch c := s.eventTime(x.Args[0]); {
		case c.time == noTime:
		case x.Name == "window", x.Name == "session_window":
			return column{time: span, lag: c.lag}
		case x.Name == "window_time" && c.time == span:
			return column{time: instant, lag: c.lag}
		}
	}
	return column{}
}
