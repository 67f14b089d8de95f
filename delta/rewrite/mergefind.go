package rewrite

import (
	"fmt"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// find marks the rows that clauses decide about.
func (m *merge) find() error {
	t, err := m.translate([]item{{column(m.target, rowColumn), "r"}}, &sql.Join{Kind: "CROSS", L: m.target.ref(), R: m.source.ref()}, m.on(), m.opts.On.Params, m.target, m.source)
	if err != nil {
		return err
	}
	predicates, err := m.narrow(t.predicates)
	if err != nil {
		return err
	}
	if m.has(NotMatchedBySource) {
		predicates = nil
	}
	if m.files, err = m.candidates(predicates); err != nil {
		return err
	}
	m.readFiles, m.marked = m.pruner(predicates).match, marks{}
	m.matched = &delta.Rows{}
	for _, files := range m.t.chunks(m.files) {
		if err := m.findIn(files); err != nil {
			return err
		}
	}
	return nil
}

// findIn looks for matches in some files.
func (m *merge) findIn(files []*delta.File) error {
	inputs, err := m.open(files)
	if err != nil {
		return err
	}
	defer drop(inputs)
	if m.has(Matched, NotMatched) {
		join := &sql.Join{Kind: "INNER", L: m.target.ref(), R: m.source.ref(), On: m.on()}
		if err := m.markRows(inputs, join, m.action(Matched), nil); err != nil {
			return err
		}
	}
	if m.has(NotMatchedBySource) {
		join := &sql.Join{Kind: "LEFT", L: m.target.ref(), R: m.source.ref(), On: m.on()}
		return m.markRows(inputs, join, m.action(NotMatchedBySource), &sql.IsNull{X: column(m.source, hereColumn)})
	}
	return nil
}

// markRows marks the rows of inputs that a join yields, and notes which rows of the source it yields.
func (m *merge) markRows(inputs []input, from sql.Relation, action, where sql.Expr) error {
	t, err := m.translate([]item{{column(m.target, fileColumn), fileColumn}, {column(m.target, rowColumn), rowColumn}, {action, "weir_action"},
		{column(m.source, hereColumn), hereColumn}}, from, where, m.opts.On.Params, m.target, m.source)
	if err != nil {
		return err
	}
	query, tables, err := m.job.target(inputs, nil)
	if err != nil {
		return err
	}
	wanted := " WHERE weir_action > 0"
	if m.has(NotMatched) && where == nil {
		wanted = "" // all that match are not inserted
	}
	b, err := m.t.opts.DB.Query(m.ctx, "SELECT CAST(weir_file AS BIGINT), CAST(weir_row AS BIGINT), CAST(weir_action AS INTEGER), CAST("+hereColumn+" AS BIGINT) FROM ("+
		with(t.text, targetName, query, sourceName, m.query)+")"+wanted, append(tables, m.tables...)...)
	if err != nil {
		return err
	}
	for i := range b.Len {
		path, row, what := inputs[b.Columns[0].Int(i)].file.Path, b.Columns[1].Int(i), int32(b.Columns[2].Int(i))
		if !b.Columns[3].Null(i) {
			m.matched.Add(b.Columns[3].Int(i))
		}
		if what == 0 {
			continue
		}
		for _, rows := range m.marked[path] {
			if rows.Contains(row) && !m.onlyDeletes() {
				return fmt.Errorf("%w: row %d of data file %q", ErrAmbiguous, row, path)
			}
		}
		m.marked.add(path, row, what)
	}
	return nil
}

// onlyDeletes says whether it does not matter how often a row is matched: it is deleted whatever the source's row.
func (m *merge) onlyDeletes() bool {
	n := 0
	for _, c := range m.clauses {
		if c.Match == Matched {
			n++
			if !c.Delete || c.And != nil {
				return false
			}
		}
	}
	return n == 1
}

// narrow adds what the source says of columns of the table that must equal one of its own.
func (m *merge) narrow(predicates []sql.Predicate) ([]sql.Predicate, error) {
	terms := []sql.Expr{m.on()}
	if all, ok := m.on().(*sql.Logical); ok && all.Op == "AND" {
		terms = all.Terms
	}
	for _, term := range terms {
		c, ok := term.(*sql.Compare)
		if !ok || c.Op != "=" {
			continue
		}
		for _, pair := range [][2]sql.Expr{{c.L, c.R}, {c.R, c.L}} {
			mine, ok1 := m.columnOf(pair[0], m.target)
			theirs, ok2 := m.columnOf(pair[1], m.source)
			if !ok1 || !ok2 {
				continue
			}
			p, err := m.valuesOf(mine, theirs)
			if err != nil {
				return nil, err
			}
			predicates = append(predicates, p...)
		}
	}
	return predicates, nil
}

// columnOf is the column of r that an expression is.
func (m *merge) columnOf(x sql.Expr, r *relation) (*columnar.Field, bool) {
	d, ok := x.(*sql.Deref)
	if !ok {
		return nil, false
	}
	base, ok := d.Base.(*sql.Ident)
	if !ok || !strings.EqualFold(base.Name, r.alias) {
		return nil, false
	}
	if i := indexOf(r.schema.Fields, d.Field.Name); i >= 0 {
		return &r.schema.Fields[i], true
	}
	return nil, false
}

// listedMax is the number of values of the source up to which files are asked for each of them.
const listedMax = 200

// sampled is the number of rows of the source that tell whether it is worth while to look for its values in all of them.
const sampled = 10 * listedMax

// distinct are the values of a column of the source, not more than one beyond listedMax.
func (m *merge) distinct(column, limit string) (*columnar.Batch, error) {
	return m.t.opts.DB.Query(m.ctx, fmt.Sprintf("WITH %s AS (%s), d AS (SELECT DISTINCT v FROM (SELECT %s AS v FROM %s%s) WHERE v IS NOT NULL) SELECT CAST(v AS VARCHAR) FROM (SELECT v FROM d LIMIT %d)",
		sourceName, m.query, column, sourceName, limit, listedMax+1), m.tables...)
}

// valuesOf are predicates on mine: that it is one of the values of theirs, or between the first and the last.
func (m *merge) valuesOf(mine, theirs *columnar.Field) ([]sql.Predicate, error) {
	typ, err := sqlType(mine.Type)
	if err != nil || len(mine.Type.Fields) > 0 || mine.Type.Kind != theirs.Type.Kind || mine.Type.Kind == columnar.Binary {
		return nil, err
	}
	q, name := quoteName(theirs.Name), strings.ToLower(mine.Name)
	b, err := m.distinct(q, fmt.Sprintf(" LIMIT %d", sampled))
	if err == nil && b.Len <= listedMax {
		b, err = m.distinct(q, "")
	}
	if err != nil {
		return nil, err
	}
	if b.Len <= listedMax {
		p := sql.Predicate{Column: name, Op: "IN", Values: []sql.Literal{}}
		for i := range b.Len {
			p.Values = append(p.Values, sql.Literal{Text: string(b.Columns[0].Bytes(i)), Type: typ})
		}
		return []sql.Predicate{p}, nil
	}
	b, err = m.t.opts.DB.Query(m.ctx, fmt.Sprintf("WITH %s AS (%s) SELECT CAST(min(%s) AS VARCHAR), CAST(max(%s) AS VARCHAR) FROM %s",
		sourceName, m.query, q, q, sourceName), m.tables...)
	if err != nil {
		return nil, err
	}
	bound := func(op string, c *columnar.Column) sql.Predicate {
		return sql.Predicate{Column: name, Op: op, Values: []sql.Literal{{Text: string(c.Bytes(0)), Type: typ}}}
	}
	return []sql.Predicate{bound(">=", b.Columns[0]), bound("<=", b.Columns[1])}, nil
}
