package sql

import (
	"fmt"
	"strings"
	"time"
)

// Column is a named, typed column of a table or of a result. A Type that is not known is the zero Type.
type Column struct {
	Name string
	Type Type
	ref  string // its name in the printed text, if that must differ
}

func (c Column) printed() string {
	if c.ref != "" {
		return c.ref
	}
	return c.Name
}

// Source is what a table name stands for. Make one for every place where a name occurs, since Predicates differ.
type Source struct {
	// Binding is the name under which the engine will know the table.
	Binding string
	// Columns are the table's columns in order; nil if they are not known, then every name passes.
	Columns []Column
	// Open says that a star is not expanded into Columns, and that names which are not among them pass too.
	Open bool
	// Hidden are columns that a star does not show, such as "$path".
	Hidden []Column
	// View is the query of a view; Binding and Columns are not used then.
	View *Query
	// Predicates is filled by Translate: what every row that matters fulfils. The files of the table may be pruned
	// by them.
	Predicates []Predicate
	// Used is filled by Translate: the columns that the query mentions.
	Used map[string]bool
}

// Predicate is a simple condition on a column of one table: Column Op any of Values.
type Predicate struct {
	Column string
	Op     string // = < <= > >=, with one value, or IN
	Values []Literal
}

// Literal is a constant: its text without quotes, and its type.
type Literal struct {
	Text string
	Type Type
}

// Options say what the names in a query mean. The zero Options takes every table as it is called, with columns that
// are not known.
type Options struct {
	// Table resolves a name that no WITH defines.
	Table func(ref *TableRef) (*Source, error)
	// Params are the values of question marks.
	Params []Expr
	// Now is the time that current_timestamp and its like stand for; zero leaves them to the engine's clock.
	Now time.Time
	// Clock is the text, a TIMESTAMP in UTC to the engine, that current_timestamp and its like are made of where Now is zero; empty
	// is the engine's clock.
	Clock string
	// Windows allows window(ts, size, slide, offset), session_window(ts, gap) and window_time(window): Spark's grouping by event
	// time. As a stream must not stop for one row, subscripts of what is not there are then NULL, as in Spark; and where a
	// function of Spark has another name, the error says it.
	Windows bool
}

// Translation is a query in DuckDB's SQL.
type Translation struct {
	Text string
	// Columns of the result, as Athena names and types them. Nil if a star over columns that are not known is among
	// them; a Type may be not known.
	Columns []Column
}

// Translate checks names, functions and types of q as Trino does and prints it for DuckDB, with the same meaning. The
// error is an *Error with a Code, or what Options.Table returned.
func Translate(q *Query, opts Options) (*Translation, error) {
	a := &analyzer{opts: opts}
	out, cols, open := a.query(q, nil)
	if a.err != nil {
		return nil, a.err
	}
	p := &printer{duck: true}
	p.query(out)
	if p.Len() > maxPrinted {
		return nil, &Error{Code: "EXCEEDED_LIMIT", Msg: "the statement is too complex: its translation is too long"}
	}
	if open {
		cols = nil
	}
	return &Translation{p.Builder.String(), cols}, nil
}

// ToDuckDB prints a query over tables whose columns are not known for DuckDB, as pipelines need it:
// SELECT *, year(ts) AS year FROM source. Stars and table names stay.
func ToDuckDB(query string, opts Options) (string, error) {
	q, err := ParseQuery(query)
	if err != nil {
		return "", err
	}
	opts.Windows = true
	t, err := Translate(q, opts)
	if err != nil {
		return "", err
	}
	return t.Text, nil
}

// analyzer rewrites a query for DuckDB. The first error sticks; after it everything returns quickly.
type analyzer struct {
	opts    Options
	err     error
	ctes    []map[string]*cte
	aliases int // relations named so far: r1, r2 …
	views   int // depth of views within views
	lambdas int // lambda parameters named so far
	trying  int // depth of try()
}

type cte struct {
	name string
	cols []Column
	open bool
}

func (a *analyzer) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

func (a *analyzer) failf(code string, at Pos, format string, args ...any) {
	a.fail(semanticError(code, at, format, args...))
}

func (a *analyzer) newAlias() Ident {
	a.aliases++
	return Ident{Name: fmt.Sprintf("r%d", a.aliases)}
}

// rel is a relation in scope, under the unique alias that it has in the printed text.
type rel struct {
	alias  Ident
	names  []string // what the query calls it, most specific part last
	cols   []Column
	hidden []Column
	open   bool            // has columns that are not known
	merged map[string]bool // columns that a USING took over
	src    *Source
}

// scope is where names are looked up; outer scopes serve correlated subqueries.
type scope struct {
	parent *scope
	rels   []*rel
	using  []Column        // columns that USING merged; they have no qualifier
	vars   map[string]Expr // lambda parameters and what they are printed as
	types  map[string]Type // types of vars
	out    []Column        // output columns, visible in ORDER BY
}

func (s *scope) anyOpen() bool {
	for ; s != nil; s = s.parent {
		for _, r := range s.rels {
			if r.open {
				return true
			}
		}
	}
	return false
}

// column resolves a bare name.
func (a *analyzer) column(id *Ident, sc *scope) (Expr, Type) {
	for s := sc; s != nil; s = s.parent {
		if x, ok := s.vars[id.Name]; ok {
			return x, s.types[id.Name]
		}
		for _, c := range s.using {
			if c.Name == id.Name {
				return &Ident{Name: c.printed()}, c.Type
			}
		}
		if x, t, n := s.find(id.Name); n == 1 {
			return x, t
		} else if n > 1 {
			a.failf("AMBIGUOUS_NAME", id.Pos, "Column '%s' is ambiguous", id.Name)
			return id, Type{}
		}
		for _, c := range s.out {
			if c.Name == id.Name {
				return &Ident{Name: c.printed()}, c.Type
			}
		}
	}
	if !sc.anyOpen() {
		a.failf("COLUMN_NOT_FOUND", id.Pos, "Column '%s' cannot be resolved", id.Name)
	}
	return &Ident{Name: id.Name}, Type{}
}

// find looks for a column in the relations of one scope and counts the hits.
func (s *scope) find(name string) (x Expr, t Type, n int) {
	var only *rel
	opens := 0
	for _, r := range s.rels {
		if r.open {
			opens++
			only = r
		}
		if r.merged[name] {
			continue
		}
		for _, c := range append(r.cols, r.hidden...) {
			if c.Name == name {
				x, t = r.ref(c), c.Type
				n++
			}
		}
	}
	if n == 0 && opens == 1 && len(s.rels) == 1 && len(s.out) == 0 {
		return &Deref{Base: &only.alias, Field: Ident{Name: name}}, Type{}, 1
	}
	return x, t, n
}

// ref is how a column of the relation is printed.
func (r *rel) ref(c Column) Expr {
	if r.src != nil {
		if r.src.Used == nil {
			r.src.Used = map[string]bool{}
		}
		r.src.Used[c.Name] = true
	}
	return &Deref{Base: &r.alias, Field: Ident{Name: c.printed()}}
}

// qualified resolves a.b, db.a.b and catalog.db.a.b; nil if the prefix names no relation.
func (a *analyzer) qualified(d *Deref, sc *scope) (Expr, Type, bool) {
	path := namePath(d.Base)
	if path == nil {
		return nil, Type{}, false
	}
	r := sc.relation(path)
	if r == nil {
		return nil, Type{}, false
	}
	for _, c := range append(r.cols, r.hidden...) {
		if c.Name == d.Field.Name {
			return r.ref(c), c.Type, true
		}
	}
	if !r.open {
		a.failf("COLUMN_NOT_FOUND", d.Pos, "Column '%s.%s' cannot be resolved", strings.Join(path, "."), d.Field.Name)
	}
	return &Deref{Base: &r.alias, Field: Ident{Name: d.Field.Name}}, Type{}, true
}

// namePath is a.b.c as its parts, or nil if e is no such path.
func namePath(e Expr) []string {
	switch e := e.(type) {
	case *Ident:
		return []string{e.Name}
	case *Deref:
		if base := namePath(e.Base); base != nil && len(base) < 3 {
			return append(base, e.Field.Name)
		}
	}
	return nil
}

// relation finds the relation that path names; a shorter path matches the end of a longer name.
func (s *scope) relation(path []string) *rel {
	for ; s != nil; s = s.parent {
		if _, ok := s.vars[path[0]]; ok {
			return nil
		}
		for _, r := range s.rels {
			if hasSuffix(r.names, path) {
				return r
			}
		}
	}
	return nil
}

func hasSuffix(names, path []string) bool {
	if len(path) > len(names) {
		return false
	}
	for i, part := range path {
		if names[len(names)-len(path)+i] != part {
			return false
		}
	}
	return true
}
