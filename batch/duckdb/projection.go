package duckdb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
)

// projection is a query over one table some of whose columns are the table's as they are, as in SELECT *, year(at) AS y FROM t WHERE n > 1.
// Values of these need not go through DuckDB: with the number of the row of the table that each row of the result comes from, they can
// be taken from where they lie.
type projection struct {
	of  []int  // for each column of the result that of the table, or -1: it is computed
	sql string // the query, with another column: the numbers
	row string // the name of that column
}

// projection finds out whether a query over t that gives results is one. Of queries that it does not know it gives nil.
func (c *conn) projection(ctx context.Context, query string, t tablePart, results []result) (*projection, error) {
	names := map[string]int{}
	for i, f := range t.schema.Fields {
		names[strings.ToLower(f.Name)] = i
	}
	if len(names) < len(t.schema.Fields) || !flat(t.schema) {
		return nil, nil
	}
	s, err := c.selection(ctx, query)
	if err != nil || s == nil || !s.simple(t.name) {
		return nil, err
	}
	p := &projection{sql: trimQuery(query), row: "weir_row"}
	taken := func(name string) bool { _, ok := names[name]; return ok }
	for taken(p.row) || slices.ContainsFunc(results, func(r result) bool { return strings.EqualFold(r.field.Name, p.row) }) {
		p.row += "_"
	}
	r := resolver{names, s.From.tableNames()}
	star := false
	for _, raw := range s.List {
		var e expression
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("tree of the query cannot be read: %w", err)
		}
		switch i, ok := r.column(&e); {
		case ok:
			p.of = append(p.of, i)
		case e.isStar(r.tables):
			star = true
			for i := range t.schema.Fields {
				p.of = append(p.of, i)
			}
		case r.plain(raw):
			p.of = append(p.of, -1)
		default:
			return nil, nil
		}
	}
	if !r.plain(s.Where) || !p.matches(t.schema, results) {
		return nil, nil
	}
	if star { // it gives the numbers too
		return p, nil
	}
	rest, ok := strings.CutPrefix(p.sql, "SELECT ")
	if !ok {
		return nil, nil
	}
	p.sql = "SELECT " + quoteName(p.row) + ", " + rest
	return p, nil
}

// matches says whether the columns are those of the result, and each has a name of its own.
func (p *projection) matches(table *columnar.Schema, results []result) bool {
	if len(p.of) != len(results) {
		return false
	}
	seen := map[string]bool{}
	for i, r := range results {
		if name := strings.ToLower(r.field.Name); seen[name] || len(r.field.Type.Fields) > 0 {
			return false
		} else {
			seen[name] = true
		}
		if of := p.of[i]; of >= 0 && table.Fields[of].Type.String() != r.field.Type.String() {
			return false
		}
	}
	return true
}

// selection is what DuckDB's tree of a SELECT says.
type selection struct {
	Type      string
	Modifiers []json.RawMessage // DISTINCT, ORDER BY, LIMIT
	With      struct {
		Map []json.RawMessage
	} `json:"cte_map"`
	List     []json.RawMessage `json:"select_list"`
	From     tableRef          `json:"from_table"`
	Where    json.RawMessage   `json:"where_clause"`
	Groups   []json.RawMessage `json:"group_expressions"`
	Sets     []json.RawMessage `json:"group_sets"`
	Grouping string            `json:"aggregate_handling"`
	Having   any
	Sample   any
	Qualify  any
}

type tableRef struct {
	Type, Alias string
	Sample      any
	Catalog     string   `json:"catalog_name"`
	Schema      string   `json:"schema_name"`
	Table       string   `json:"table_name"`
	Aliases     []string `json:"column_name_alias"`
	At          any      `json:"at_clause"`
}

func (t *tableRef) tableNames() []string {
	if t.Alias != "" {
		return []string{t.Alias}
	}
	return []string{t.Table}
}

type expression struct {
	Class    string
	Names    []string          `json:"column_names"`
	Relation string            `json:"relation_name"`
	Exclude  []json.RawMessage `json:"exclude_list"`
	Replace  []json.RawMessage `json:"replace_list"`
	Rename   []json.RawMessage `json:"rename_list"`
	Excluded []json.RawMessage `json:"qualified_exclude_list"`
	Columns  bool
	Expr     any
}

// isStar says whether e stands for all columns of one of tables.
func (e *expression) isStar(tables []string) bool {
	bare := len(e.Exclude)+len(e.Replace)+len(e.Rename)+len(e.Excluded) == 0 && !e.Columns && e.Expr == nil
	return e.Class == "STAR" && bare && (e.Relation == "" || containsFold(tables, e.Relation))
}

// selection parses a query; nil if it is no SELECT that has a tree. The newest tree is kept, as batch after batch has the same query.
func (c *conn) selection(ctx context.Context, query string) (*selection, error) {
	if c.parsed.query == query {
		return c.parsed.selection, nil
	}
	b, err := c.query(ctx, "SELECT CAST(json_serialize_sql("+quoteText(query)+") AS VARCHAR)")
	if err != nil {
		return nil, err
	}
	var tree struct {
		Error      bool
		Statements []struct{ Node *selection }
	}
	if err := json.Unmarshal(b.Columns[0].Bytes(0), &tree); err != nil {
		return nil, fmt.Errorf("tree of the query cannot be read: %w", err)
	}
	c.parsed.query, c.parsed.selection = query, nil
	if !tree.Error && len(tree.Statements) == 1 {
		c.parsed.selection = tree.Statements[0].Node
	}
	return c.parsed.selection, nil
}

// simple says whether s does nothing with the table but to choose rows and to compute columns of each.
func (s *selection) simple(table string) bool {
	f := &s.From
	return s.Type == "SELECT_NODE" && len(s.Modifiers)+len(s.With.Map)+len(s.Groups)+len(s.Sets) == 0 && s.Grouping == "STANDARD_HANDLING" &&
		s.Having == nil && s.Sample == nil && s.Qualify == nil &&
		f.Type == "BASE_TABLE" && f.Catalog+f.Schema == "" && len(f.Aliases) == 0 && f.Sample == nil && f.At == nil && strings.EqualFold(f.Table, table)
}

// resolver knows the columns of a table by their names in lower case, and the names that the table itself goes by.
type resolver struct {
	columns map[string]int
	tables  []string
}

// column is the column that e names.
func (r *resolver) column(e *expression) (int, bool) {
	if e.Class != "COLUMN_REF" {
		return 0, false
	}
	return r.named(e.Names)
}

func (r *resolver) named(path []string) (int, bool) {
	if len(path) == 2 && containsFold(r.tables, path[0]) {
		path = path[1:]
	}
	if len(path) != 1 {
		return 0, false
	}
	i, ok := r.columns[strings.ToLower(path[0])]
	return i, ok
}

// plain says whether an expression is about columns of the row that can be told, and nothing else: names of the table or of other
// expressions, stars and subqueries would see the numbers of rows.
func (r *resolver) plain(raw json.RawMessage) bool {
	var tree any
	return len(raw) == 0 || json.Unmarshal(raw, &tree) == nil && r.plainTree(tree)
}

func (r *resolver) plainTree(tree any) bool {
	switch x := tree.(type) {
	case []any:
		return !slices.ContainsFunc(x, func(v any) bool { return !r.plainTree(v) })
	case map[string]any:
		switch x["class"] {
		case "STAR", "SUBQUERY", "WINDOW":
			return false
		case "COLUMN_REF":
			var path []string
			names, _ := x["column_names"].([]any)
			for _, name := range names {
				path = append(path, fmt.Sprint(name))
			}
			_, ok := r.named(path)
			return ok
		}
		for _, v := range x {
			if !r.plainTree(v) {
				return false
			}
		}
	}
	return true
}

func containsFold(all []string, s string) bool {
	return slices.ContainsFunc(all, func(x string) bool { return strings.EqualFold(x, s) })
}
