package rewrite

import (
	"fmt"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// relation is something that expressions can name.
type relation struct {
	name   string // of its query
	alias  string // what users call it
	schema *columnar.Schema
	hidden []string
}

func (r *relation) ref() sql.Relation {
	t := &sql.TableRef{Name: sql.Name{Parts: []string{r.name}}}
	if r.alias == "" {
		return t
	}
	return &sql.Aliased{Relation: t, Alias: sql.Ident{Name: strings.ToLower(r.alias)}}
}

func (r *relation) source() (*sql.Source, error) {
	s := &sql.Source{Binding: r.name, Columns: []sql.Column{}}
	for i := range r.schema.Fields {
		f := &r.schema.Fields[i]
		t, err := sqlType(f.Type)
		if err != nil {
			return nil, err
		}
		sized, err := lengths(f)
		if err != nil {
			return nil, err
		}
		t = sql.TextLengths(t, sized)
		s.Columns = append(s.Columns, sql.Column{Name: strings.ToLower(f.Name), Type: t})
	}
	for _, name := range r.hidden {
		s.Hidden = append(s.Hidden, sql.Column{Name: name, Type: sql.Type{Name: "bigint"}})
	}
	return s, nil
}

// sqlType is a column's type in terms of package sql.
func sqlType(t columnar.Type) (sql.Type, error) {
	switch t.Kind {
	case columnar.Binary:
		return sql.Type{Name: "varbinary"}, nil
	case columnar.TimestampNTZ:
		return sql.Type{Name: "timestamp"}, nil
	case columnar.Struct:
		out := sql.Type{Name: "row"}
		for _, f := range t.Fields {
			ft, err := sqlType(f.Type)
			if err != nil {
				return out, err
			}
			out.Args, out.Fields = append(out.Args, ft), append(out.Fields, strings.ToLower(f.Name))
		}
		return out, nil
	case columnar.List, columnar.Map:
		out := sql.Type{Name: map[columnar.Kind]string{columnar.List: "array", columnar.Map: "map"}[t.Kind]}
		for _, f := range t.Fields {
			ft, err := sqlType(f.Type)
			if err != nil {
				return out, err
			}
			out.Args = append(out.Args, ft)
		}
		return out, nil
	}
	return sql.ParseHiveType(t.String())
}

// translated is a query in DuckDB's SQL over relations by their names.
type translated struct {
	text       string
	columns    []sql.Column
	predicates []sql.Predicate
	used       map[string]bool // columns of the first relation
}

// item is one column of a query.
type item struct {
	x    sql.Expr
	name string
}

func column(relation *relation, name string) sql.Expr {
	as := relation.alias
	if as == "" {
		as = relation.name
	}
	return &sql.Deref{Base: &sql.Ident{Name: strings.ToLower(as)}, Field: sql.Ident{Name: strings.ToLower(name)}}
}

// translate writes SELECT items FROM from WHERE where, over relations.
func (j *job) translate(items []item, from sql.Relation, where sql.Expr, params []sql.Expr, relations ...*relation) (*translated, error) {
	sources := map[string]*sql.Source{}
	for _, r := range relations {
		s, err := r.source()
		if err != nil {
			return nil, err
		}
		sources[r.name] = s
	}
	sel := &sql.Select{From: []sql.Relation{from}, Where: where}
	for _, it := range items {
		sel.Items = append(sel.Items, sql.SelectItem{X: it.x, Alias: &sql.Ident{Name: it.name}})
	}
	predicates := []sql.Predicate{}
	t, err := sql.Translate(&sql.Query{Body: sel}, sql.Options{
		Now: j.t.opts.Now(), Params: params,
		Table: func(ref *sql.TableRef) (*sql.Source, error) {
			if s := sources[ref.Name.Parts[0]]; s != nil && len(ref.Name.Parts) == 1 {
				return s, nil
			}
			return nil, fmt.Errorf("%w: a statement that changes rows may only read the table and its source", delta.ErrUnsupported)
		},
	})
	if err != nil {
		return nil, err
	}
	first := sources[relations[0].name]
	predicates = append(predicates, first.Predicates...)
	return &translated{t.Text, t.Columns, predicates, first.Used}, nil
}

// with puts the queries of relations in front of a statement.
func with(text string, relations ...string) string {
	var items []string
	for i := 0; i+1 < len(relations); i += 2 {
		items = append(items, quoteName(relations[i])+" AS ("+relations[i+1]+")")
	}
	return "WITH " + strings.Join(items, ",\n") + "\n" + text
}

// and joins conditions, any of which may be nil.
func and(terms ...sql.Expr) sql.Expr {
	var all []sql.Expr
	for _, t := range terms {
		if t != nil {
			all = append(all, t)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &sql.Logical{Op: "AND", Terms: all}
}

// targetOf is the table in expressions of a statement that calls it alias.
func (j *job) targetOf(alias string) *relation {
	return &relation{name: targetName, alias: alias, schema: j.schema, hidden: append([]string{fileColumn, rowColumn, hitColumn}, j.carried()...)}
}
