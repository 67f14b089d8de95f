package incremental

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/sql"
)

// sourceQueries compiles the queries that inputs have of their own. What they give are the inputs' rows from then on. Their steps come first.
func (c *compiler) sourceQueries() error {
	for _, name := range slices.Sorted(maps.Keys(c.in.Streams)) {
		s := c.in.Streams[name]
		if s.Query == "" {
			continue
		}
		r, err := c.sourceQuery(name, s)
		if err == nil {
			r, err = c.sourceRows(name, r, s)
		}
		if err != nil {
			return fmt.Errorf("source %s: %w", name, err)
		}
		c.sources[name] = r
	}
	c.first = len(c.program.Steps)
	return nil
}

// sourceQuery compiles the query of an input, which sees nothing of other inputs and works row by row.
func (c *compiler) sourceQuery(name string, s Stream) (*relation, error) {
	q, err := sql.ParseQuery(strings.TrimRight(strings.TrimSpace(s.Query), ";"))
	if err != nil {
		return nil, fmt.Errorf("query: %w", sql.HintSpark(err))
	}
	c.rowTexts["rows of "+name] = rowText(q)
	saved := c.in
	defer func() { c.in, c.stateful = saved, false }()
	c.in.Mode, c.in.Streams = Append, map[string]Stream{name: {Columns: s.Columns}}
	if !c.streaming(q) {
		return nil, unsupported("query: reads the records of the source from the table %s, and from no other source", name)
	}
	r, err := c.query(q, true)
	if c.stateful || c.operators > 0 {
		return nil, unsupported("query: works row by row; aggregates, DISTINCT and joins of streams are for the query of the pipeline")
	}
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	delete(c.relations, name) // it was the records
	return r, nil
}

// rowText is what a source's query makes of a record: the query without its WHERE.
func rowText(q *sql.Query) string {
	all := *q
	if s, ok := q.Body.(*sql.Select); ok {
		body := *s
		body.Where = nil
		all.Body = &body
	}
	return strings.ReplaceAll(sql.Print(&sql.SelectStmt{Query: &all}), `"`, "")
}

// defineRows adds to what the states mean what the rows of the sources do.
func (c *compiler) defineRows() {
	for _, s := range c.program.States {
		maps.Copy(s.Definition, c.rowTexts)
	}
}

// sourceRows adds the steps of the rows that a source's query gives:
//
//	NAME.rows    the rows, their event time as a plain timestamp; no name that a query gives is like this one
//	NAME.times   what the engine is to know of the batch's event times
func (c *compiler) sourceRows(name string, r *relation, s Stream) (*relation, error) {
	rows := *r
	rows.cols = slices.Clone(r.cols)
	star, col := "*", ""
	if s.EventTime != "" {
		i, err := eventColumn(r, s.EventTime)
		if err != nil {
			return nil, err
		}
		col = quote(r.cols[i].name)
		if r.cols[i].typ.Name != "timestamp" {
			star = "* REPLACE (timezone('UTC', " + col + ") AS " + col + ")"
			rows.cols[i].typ = sql.Type{Name: "timestamp"}
		}
	}
	rows.name = c.choose(name+".rows", "SELECT "+star+" FROM "+quote(r.name))
	c.relations[rows.name] = &rows
	if col == "" {
		return &rows, nil
	}
	if c.program.EventTimes == nil {
		c.program.EventTimes = map[string]string{}
	}
	c.program.EventTimes[name] = c.add(name+".times", "SELECT count(*) AS n, min(t) AS least, max(t) AS greatest, sum(CAST(t AS DOUBLE)) AS total FROM "+
		"(SELECT epoch_us("+col+") AS t FROM "+quote(rows.name)+" WHERE isfinite("+col+"))")
	return &rows, nil
}

// eventColumn is the place of the column of event time among those that a source's query gives.
func eventColumn(r *relation, name string) (int, error) {
	i := r.index(strings.ToLower(name))
	if i < 0 {
		var has []string
		for _, col := range r.cols {
			has = append(has, col.name)
		}
		return 0, fmt.Errorf("watermark: the query of the source gives no column %s; it gives %s", name, strings.Join(has, ", "))
	}
	switch t := r.cols[i].typ; t.Name {
	case "timestamp", "timestamp with time zone":
		return i, nil
	default:
		return 0, fmt.Errorf("watermark: column %s is of type %s; event time must be a timestamp", name, t)
	}
}
