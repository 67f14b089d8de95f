package rewrite

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// MergeOptions say what a merge does with rows of the table and of its source.
type MergeOptions struct {
	Target, Source string // what the expressions call them
	On             Condition
	// Clauses are tried in order: the first of its kind whose condition is true decides about a row.
	Clauses     []MergeClause
	MergeSchema bool   // see WriteOptions
	AppID       string // see WriteOptions
	AppVersion  int64

	binBytes int64 // see job
	whole    bool  // rows of the source take the place of those that they match, and are added where they match none: there are no other clauses
}

// Match is which rows a clause is about.
type Match int

// The kinds of clauses.
const (
	Matched            Match = iota // rows of the table that match a row of the source: updated or deleted
	NotMatched                      // rows of the source that match none of the table: inserted
	NotMatchedBySource              // rows of the table that match none of the source: updated or deleted
)

// MergeClause is one WHEN … THEN.
type MergeClause struct {
	Match  Match
	And    sql.Expr // nil: always
	Delete bool
	Set    []Assignment // of an update or an insert
	All    bool         // Set is every column of the source, by name
}

// Merge changes the table by what a source holds. ErrAmbiguous: several rows of the source would change the same row;
// delta.ErrReplayed: the table has AppVersion already.
func (t *Table) Merge(ctx context.Context, source Rows, opts MergeOptions) (Result, error) {
	if opts.Target == "" {
		opts.Target = "target"
	}
	if opts.Source == "" {
		opts.Source = "source"
	}
	return t.change(ctx, func(j *job) error {
		j.binBytes = opts.binBytes
		m := &merge{job: j, opts: opts, rows: &source}
		return m.run()
	})
}

// merge is one attempt at a merge.
type merge struct {
	*job
	opts    MergeOptions
	rows    *Rows
	target  *relation
	source  *relation
	query   string // of the source
	tables  []duckdb.Table
	clauses []MergeClause
	marked  marks       // number of the clause + 1
	matched *delta.Rows // rows of the source, by hereColumn
	files   []*delta.File
}

// hereColumn numbers the source's rows: it is not null where there is one. matchedName is a table of those that match some row.
const (
	hereColumn  = "weir_here"
	matchedName = "weir_matched"
)

func (m *merge) run() error {
	m.operation, m.parameters = "MERGE", map[string]string{"predicate": predicateText(m.opts.On)}
	if err := m.setTxn(m.opts.AppID, m.opts.AppVersion); err != nil {
		return err
	}
	if err := m.rows.check(); err != nil {
		return err
	}
	evolves := slices.ContainsFunc(m.opts.Clauses, func(c MergeClause) bool { return c.All })
	if err := m.evolve(m.rows.Schema, WriteOptions{MergeSchema: m.opts.MergeSchema && evolves}); err != nil {
		return err
	}
	m.target = m.targetOf(m.opts.Target)
	m.source = &relation{name: sourceName, alias: m.opts.Source, schema: m.rows.Schema, hidden: []string{hereColumn}}
	query, tables, err := m.job.numbered(m.rows, hereColumn)
	if err != nil {
		return err
	}
	m.query, m.tables = inSource(query, m.rows.Schema, hereColumn), tables
	if err := m.setClauses(); err != nil {
		return err
	}
	if err := m.find(); err != nil {
		return err
	}
	if m.replaces() {
		return m.replace()
	}
	if err := m.changeRows(); err != nil {
		return err
	}
	for k, c := range m.clauses {
		if c.Match == NotMatched {
			if err := m.insertRows(k, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// inSource gives a source's columns the types that queries have; others stay as they are.
func inSource(query string, schema *columnar.Schema, others ...string) string {
	items := slices.Clone(others)
	for _, f := range schema.Fields {
		items = append(items, inExpr(quoteName(f.Name), f.Type, f.Type, f.Type)+" AS "+quoteName(f.Name))
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (" + query + ")"
}

// setClauses checks the clauses and writes out those with All.
func (m *merge) setClauses() error {
	if len(m.opts.Clauses) == 0 {
		return fmt.Errorf("%w: a merge without WHEN", delta.ErrInvalid)
	}
	for _, c := range m.opts.Clauses {
		if c.All {
			c.Set = nil
			for _, f := range m.rows.Schema.Fields {
				if i := indexOf(m.schema.Fields, f.Name); i >= 0 {
					c.Set = append(c.Set, Assignment{m.schema.Fields[i].Name, column(m.source, f.Name)})
				} else {
					return fmt.Errorf("%w: the table has no column %s; MergeSchema adds it", delta.ErrInvalid, f.Name)
				}
			}
		}
		var err error
		switch {
		case c.Delete && (len(c.Set) > 0 || c.Match == NotMatched):
			err = fmt.Errorf("%w: a clause that deletes and sets, or deletes what is not there", delta.ErrInvalid)
		case c.Match == NotMatched:
			c.Set, err = m.insertColumns(c.Set)
		case !c.Delete:
			c.Set, err = m.assignments(c.Set)
		}
		if err != nil {
			return err
		}
		m.clauses = append(m.clauses, c)
	}
	return nil
}

func (m *merge) insertColumns(set []Assignment) ([]Assignment, error) {
	out := slices.Clone(set)
	for i := range out {
		k := indexOf(m.schema.Fields, out[i].Column)
		if k < 0 {
			return nil, fmt.Errorf("%w: the table has no column %s", delta.ErrInvalid, out[i].Column)
		}
		out[i].Column = m.schema.Fields[k].Name
	}
	return out, nil
}

func (m *merge) has(kinds ...Match) bool {
	return slices.ContainsFunc(m.clauses, func(c MergeClause) bool { return slices.Contains(kinds, c.Match) })
}

// action is the number of the clause of a kind that decides about a row, 0 if none does.
func (m *merge) action(kind Match) sql.Expr {
	x := &sql.Case{Else: &sql.Number{Text: "0"}}
	for k, c := range m.clauses {
		if c.Match != kind {
			continue
		}
		number := &sql.Number{Text: strconv.Itoa(k + 1)}
		if c.And == nil {
			x.Else = number
			break
		}
		x.Whens = append(x.Whens, sql.When{Cond: c.And, Then: number})
	}
	if len(x.Whens) == 0 {
		return x.Else
	}
	return x
}

func (m *merge) on() sql.Expr {
	if m.opts.On.X == nil {
		return &sql.Bool{Value: true}
	}
	return m.opts.On.X
}

// changeRows updates and deletes marked rows.
func (m *merge) changeRows() error {
	var files []*delta.File
	gone := map[int32]bool{}
	var updates []string
	for k, c := range m.clauses {
		switch {
		case c.Match == NotMatched:
		case c.Delete:
			gone[int32(k+1)] = true
		default:
			updates = append(updates, strconv.Itoa(k+1))
		}
	}
	for _, f := range m.files {
		for what, rows := range m.marked[f.Path] {
			if gone[what] {
				m.result.Deleted += rows.Cardinality()
			} else {
				m.result.Updated += rows.Cardinality()
			}
		}
		if m.marked.count(f.Path) > 0 {
			files = append(files, f)
		}
	}
	var set []Assignment // columns that some clause sets
	for _, c := range m.clauses {
		if c.Match != NotMatched {
			set = append(set, c.Set...)
		}
	}
	change := func(query string) (string, error) {
		return m.regenerated(query, set, m.updated)
	}
	if m.cdf() {
		if err := m.changesOfRows(files, gone, updates, change); err != nil {
			return err
		}
	}
	return m.replaceRowsOf(files, change, gone)
}

// replaceRowsOf is replaceRows with the source at hand.
func (m *merge) replaceRowsOf(files []*delta.File, change func(string) (string, error), gone map[int32]bool) error {
	m.beside = m.tables
	defer func() { m.beside = nil }()
	return m.replaceRows(files, m.marked, change, gone)
}

func (m *merge) changesOfRows(files []*delta.File, gone map[int32]bool, updates []string, change func(string) (string, error)) error {
	m.beside = m.tables
	defer func() { m.beside = nil }()
	if len(updates) > 0 {
		in := hitColumn + " IN (" + strings.Join(updates, ", ") + ")"
		if err := m.changesOf(files, m.marked, nil, "update_preimage", in); err != nil {
			return err
		}
		if err := m.changesOf(files, m.marked, change, "update_postimage", in); err != nil {
			return err
		}
	}
	for what := range gone {
		if err := m.changesOf(files, m.marked, nil, "delete", fmt.Sprintf("%s = %d", hitColumn, what)); err != nil {
			return err
		}
	}
	return nil
}

// updated is a query of the table's rows in which marked ones have the values of their clause.
func (m *merge) updated(query string) (string, error) {
	// Only marked rows look for theirs. Said as a comparison of the two sides it is one more key of a hash join; a condition on the target
	// alone would have DuckDB compare each row with each.
	flag := func(x sql.Expr) sql.Expr {
		return &sql.Case{Whens: []sql.When{{Cond: x, Then: &sql.Number{Text: "1"}}}, Else: &sql.Number{Text: "0"}}
	}
	marked := &sql.Compare{Op: ">", L: column(m.target, hitColumn), R: &sql.Number{Text: "0"}}
	mayMatch := &sql.Compare{Op: "=", L: flag(marked), R: flag(&sql.IsNull{X: column(m.source, hereColumn), Negated: true})}
	from := &sql.Join{Kind: "LEFT", L: m.target.ref(), R: m.source.ref(), On: and(mayMatch, m.on())}
	// Of the source's rows that match, that of the clause; rows without one stay.
	where := &sql.Logical{Op: "OR", Terms: []sql.Expr{
		&sql.IsNull{X: column(m.source, hereColumn)}, &sql.Compare{Op: "=", L: column(m.target, hitColumn), R: m.action(Matched)},
	}}
	var items []item
	for _, f := range m.schema.Fields {
		items = append(items, item{column(m.target, f.Name), strings.ToLower(f.Name)})
	}
	items = append(items, item{column(m.target, hitColumn), hitColumn})
	m.target.hidden = append([]string{fileColumn, rowColumn, hitColumn}, m.carried()...)
	items = append(items, m.carriedItems(m.target)...)
	type value struct {
		clause int
		as     string
	}
	values := map[string][]value{} // by column
	first := len(items)
	var columns []string
	for k, c := range m.clauses {
		if c.Match == NotMatched {
			continue
		}
		for i, a := range c.Set {
			as := fmt.Sprintf("weir_set%d_%d", k, i)
			hit := &sql.Compare{Op: "=", L: column(m.target, hitColumn), R: &sql.Number{Text: strconv.Itoa(k + 1)}}
			items = append(items, item{&sql.Case{Whens: []sql.When{{Cond: hit, Then: a.X}}}, as})
			values[a.Column] = append(values[a.Column], value{k + 1, as})
			columns = append(columns, a.Column)
		}
	}
	t, err := m.translate(items, from, where, m.opts.On.Params, m.target, m.source)
	if err != nil {
		return "", err
	}
	for i, name := range columns {
		if err := storable(t.columns[first+i].Type, m.field(name).Type, name); err != nil {
			return "", err
		}
	}
	var out []string
	for _, f := range m.schema.Fields {
		q := quoteName(f.Name)
		x := q
		if len(values[f.Name]) > 0 {
			x = "CASE"
			for _, v := range values[f.Name] {
				x += fmt.Sprintf(" WHEN %s = %d THEN CAST(%s AS %s)", hitColumn, v.clause, v.as, typeText(f.Type))
			}
			x += " ELSE " + q + " END"
		}
		out = append(out, x+" AS "+q)
	}
	out = m.withUpdated(append(out, hitColumn))
	return "SELECT " + strings.Join(out, ", ") + " FROM (" + with(t.text, targetName, query, sourceName, m.query) + ")", nil
}

// insertRows adds the source's rows that match none and for which clause k decides.
func (m *merge) insertRows(k int, c MergeClause) error {
	where := &sql.Compare{Op: "=", L: m.action(NotMatched), R: &sql.Number{Text: strconv.Itoa(k + 1)}}
	var items []item
	given := map[string]bool{}
	for i, a := range c.Set {
		items = append(items, item{a.X, fmt.Sprintf("weir_set%d", i)})
		given[a.Column] = true
	}
	t, err := m.translate(items, m.source.ref(), where, m.opts.On.Params, m.source)
	if err != nil {
		return err
	}
	var out []string
	for i, a := range c.Set {
		f := m.field(a.Column)
		if err := storable(t.columns[i].Type, f.Type, f.Name); err != nil {
			return err
		}
		out = append(out, fmt.Sprintf("CAST(weir_set%d AS %s) AS %s", i, typeText(f.Type), quoteName(f.Name)))
	}
	var matched markRows
	matched.add(0, m.matched, 0)
	query := "SELECT * FROM (" + m.query + ") WHERE " + hereColumn + " NOT IN (SELECT p FROM " + matchedName + ")"
	query = "SELECT " + strings.Join(out, ", ") + " FROM (" + with(t.text, sourceName, query) + ")"
	if query, err = m.complete(query, given); err != nil {
		return err
	}
	if query, err = m.checked(query, given); err != nil {
		return err
	}
	files, err := m.write(query, append([]duckdb.Table{matched.table(matchedName)}, m.tables...), target{})
	if err != nil {
		return err
	}
	m.countIdentity(files)
	m.result.Inserted += m.add(files)
	if m.cdf() {
		return m.insertChanges(files)
	}
	return nil
}
