package duckdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// over is query, with each column as files have it, over what with makes readable (see withScans and withSteps).
func over(with, query string, columns []string) string {
	return with + "SELECT " + strings.Join(columns, ", ") + " FROM (\n" + trimQuery(query) + "\n)"
}

func trimQuery(query string) string { return strings.TrimRight(query, "; \t\r\n") }

// result is a column of a query's result.
type result struct {
	field  columnar.Field
	toFile string // the expression that makes it what files have
	text   bool   // VARCHAR
	// integer is an integer of up to 64 bits with a sign.
	integer bool
}

// describe binds query over tables, which have no rows, and returns its columns. A query that is not one SELECT, that reads
// anything else than the tables, or that would need state between batches is an error.
func (d *DB) describe(ctx context.Context, tables []Table, steps []batch.Step, query string) (*columnar.Schema, error) {
	c, err := d.take(ctx)
	if err != nil {
		return nil, err
	}
	defer d.give(c)
	for _, s := range steps {
		if err := c.oneSelect(s.SQL); err != nil {
			return nil, err
		}
	}
	if err := c.oneSelect(query); err != nil {
		return nil, err
	}
	with, done := withTables(tables)
	defer done()
	sql := over(withSteps(with, steps), query, []string{"*"})
	results, err := c.results(sql)
	if err != nil {
		return nil, err
	}
	schema := &columnar.Schema{}
	for _, r := range results {
		schema.Fields = append(schema.Fields, r.field)
	}
	return schema, c.checkPlan(ctx, sql)
}

// oneSelect refuses text that is anything else than one SELECT. What passes can stand in parentheses.
func (c *conn) oneSelect(query string) error {
	var statements mapping.ExtractedStatements
	defer mapping.DestroyExtracted(&statements)
	n := mapping.ExtractStatements(c.raw, query, &statements)
	switch {
	case n == 0:
		if message := mapping.ExtractStatementsError(statements); message != "" {
			return sqlError(message)
		}
		return errors.New("is empty")
	case n > 1:
		return fmt.Errorf("has %d statements; write one SELECT", n)
	}
	// A parenthesis only closes round a SELECT: the parser refuses anything else here.
	var inner mapping.ExtractedStatements
	defer mapping.DestroyExtracted(&inner)
	if mapping.ExtractStatements(c.raw, "SELECT * FROM (\n"+trimQuery(query)+"\n)", &inner) != 1 {
		return errors.New("is not a SELECT")
	}
	return nil
}

// results binds a statement and returns its columns.
func (c *conn) results(sql string) ([]result, error) {
	var stmt mapping.PreparedStatement
	defer mapping.DestroyPrepare(&stmt)
	if err := c.prepare(sql, &stmt); err != nil {
		return nil, err
	}
	if mapping.NParams(stmt) > 0 {
		return nil, errors.New("has parameters (? or $1), which nothing sets")
	}
	var all []result
	for i := range mapping.PreparedStatementColumnCount(stmt) {
		l := mapping.PreparedStatementColumnLogicalType(stmt, i)
		name := mapping.PreparedStatementColumnName(stmt, i)
		t, err := columnType(l)
		r := result{
			field:  columnar.Field{Name: name, Type: t, Nullable: true},
			toFile: toFile(name, l, t), text: mapping.GetTypeId(l) == mapping.TypeVarchar, integer: isInteger(mapping.GetTypeId(l)),
		}
		mapping.DestroyLogicalType(&l)
		if err != nil {
			return nil, fmt.Errorf("column %s %w", name, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// operator is a node of DuckDB's physical plan. Details are texts or lists of texts.
type operator struct {
	Name     string         `json:"name"`
	Children []operator     `json:"children"`
	Details  map[string]any `json:"extra_info"`
}

// rowwise are the operators whose result for a row depends on that row only. A DELIM_SCAN gives the outer rows of a
// correlated subquery, one by one.
var rowwise = map[string]bool{
	"PROJECTION": true, "FILTER": true, "UNNEST": true, "UNION": true, "EMPTY_RESULT": true, "DUMMY_SCAN": true,
	"COLUMN_DATA_SCAN": true, "DELIM_SCAN": true,
}

const (
	aggregates = "aggregates (GROUP BY, DISTINCT, count, sum …)"
	windows    = "window functions (OVER …)"
)

// stateful are the operators whose result depends on all rows they are given, by what the user wrote.
var stateful = map[string]string{
	"HASH_GROUP_BY": aggregates, "PERFECT_HASH_GROUP_BY": aggregates, "PARTITIONED_AGGREGATE": aggregates,
	"UNGROUPED_AGGREGATE": aggregates, "WINDOW": windows, "STREAMING_WINDOW": windows,
	"ORDER_BY": "ORDER BY", "TOP_N": "ORDER BY with LIMIT", "LIMIT": "LIMIT", "STREAMING_LIMIT": "LIMIT", "LIMIT_PERCENT": "LIMIT",
	"RESERVOIR_SAMPLE": "samples", "STREAMING_SAMPLE": "samples",
}

// checkPlan refuses a query that needs more than the row it is at.
func (c *conn) checkPlan(ctx context.Context, sql string) error {
	b, err := c.query(ctx, "EXPLAIN (FORMAT JSON) "+sql)
	if err != nil {
		return err
	}
	var plan []operator
	if b.Len != 1 || len(b.Columns) != 2 {
		return fmt.Errorf("plan of %d rows cannot be read", b.Len)
	}
	if err := json.Unmarshal(b.Columns[1].Bytes(0), &plan); err != nil {
		return fmt.Errorf("plan cannot be read: %w", err)
	}
	for _, o := range plan {
		if _, err := checkOperator(o); err != nil {
			return err
		}
	}
	return nil
}

// checkOperator returns how many reads of source o has below it.
func checkOperator(o operator) (sources int, err error) {
	name := strings.TrimSpace(o.Name)
	join := strings.HasSuffix(name, "JOIN") || name == "CROSS_PRODUCT"
	most := 0
	for i, kid := range o.Children {
		if strings.HasSuffix(name, "DELIM_JOIN") && i == 0 {
			kid = skipNumbering(kid)
		}
		n, err := checkOperator(kid)
		if err != nil {
			return 0, err
		}
		sources += n
		most = max(most, n)
	}
	switch {
	case name == strings.ToUpper(scanName) || name == "CTE_SCAN":
		return 1, nil
	case rowwise[name] || name == "INOUT_FUNCTION" && o.Details["Name"] == "unnest":
		return sources, nil
	case join && sources > most:
		return 0, errors.New("joins rows of source with each other, which needs state between batches: not supported yet")
	case name == "CTE" || join || stateful[name] != "" && sources == 0:
		return most, nil
	case stateful[name] != "":
		return 0, fmt.Errorf("%s need state between batches, which is not supported yet: a query works row by row", stateful[name])
	}
	return 0, fmt.Errorf("does something else than SELECT … FROM source (%s), which pipelines do not support", name)
}

// skipNumbering returns what is below DuckDB's own numbering of the outer rows of a correlated subquery or UNNEST, and
// o itself if there is none.
func skipNumbering(o operator) operator {
	below := o
	for strings.TrimSpace(below.Name) == "PROJECTION" && len(below.Children) == 1 {
		below = below.Children[0]
	}
	if strings.TrimSpace(below.Name) == "STREAMING_WINDOW" && below.Details["Projections"] == "delim_index" && len(below.Children) == 1 {
		return below.Children[0]
	}
	return o
}

func expressions(results []result) []string {
	var all []string
	for _, r := range results {
		all = append(all, r.toFile)
	}
	return all
}
