package query

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

// informationSchema answers SELECT … FROM information_schema.x from the catalog.
func (p *planner) informationSchema(ref *sql.TableRef, name string) (*sql.Source, error) {
	varchar := sql.Type{Name: "varchar"}
	col := func(names ...string) []sql.Column {
		var out []sql.Column
		for _, n := range names {
			out = append(out, sql.Column{Name: n, Type: varchar})
		}
		return out
	}
	var cols []sql.Column
	var rows [][]string
	var err error
	switch name {
	case "schemata":
		cols = col("catalog_name", "schema_name")
		rows, err = p.schemaRows()
	case "tables":
		cols = col("table_catalog", "table_schema", "table_name", "table_type")
		rows, err = p.tableRows(tableRow)
	case "views":
		cols = col("table_catalog", "table_schema", "table_name", "view_definition")
		rows, err = p.tableRows(viewRow)
	case "columns":
		cols = append(col("table_catalog", "table_schema", "table_name", "column_name"), sql.Column{Name: "ordinal_position", Type: sql.Type{Name: "bigint"}})
		cols = append(cols, col("column_default", "is_nullable", "data_type", "comment", "extra_info")...)
		rows, err = p.tableRows(p.columnRows)
	default:
		return nil, &sql.Error{Code: "TABLE_NOT_FOUND", Pos: ref.Name.Pos, Msg: fmt.Sprintf("Table '%s.information_schema.%s' does not exist", catalogName, name)}
	}
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	src := &sql.Source{Binding: fmt.Sprintf("weir_t%d", len(p.tables)+1), Columns: cols}
	if rows == nil {
		rows = [][]string{}
	}
	p.tables = append(p.tables, &planned{source: src, ref: ref, inline: rows})
	return src, nil
}

func (p *planner) schemaRows() ([][]string, error) {
	dbs, err := p.s.opts.Catalog.Databases(p.ctx)
	rows := [][]string{{catalogName, "information_schema"}}
	for _, db := range dbs {
		rows = append(rows, []string{catalogName, db.Name})
	}
	return rows, err
}

// tableRows collects the rows of every table of every database.
func (p *planner) tableRows(rowsOf func(catalog.Table) [][]string) ([][]string, error) {
	dbs, err := p.s.opts.Catalog.Databases(p.ctx)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, db := range dbs {
		tables, err := p.s.opts.Catalog.Tables(p.ctx, db.Name)
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			rows = append(rows, rowsOf(t)...)
		}
	}
	return rows, nil
}

func tableRow(t catalog.Table) [][]string {
	kind := "BASE TABLE"
	if isView(t) {
		kind = "VIEW"
	}
	return [][]string{{catalogName, t.Database, t.Name, kind}}
}

func viewRow(t catalog.Table) [][]string {
	if !isView(t) {
		return nil
	}
	text, _, err := viewText(t)
	if err != nil {
		return nil // a view that cannot be read has no definition to show
	}
	return [][]string{{catalogName, t.Database, t.Name, text}}
}

func (p *planner) columnRows(t catalog.Table) [][]string {
	d := &definer{Service: p.s, r: &running{ctx: p.ctx, Execution: Execution{Database: p.database}}}
	cols, err := d.columnsOf(t, sql.Name{Parts: []string{t.Database, t.Name}})
	if err != nil {
		return nil // a table that cannot be read has no columns to show
	}
	var rows [][]string
	for i, c := range cols {
		typ := c.Type
		if parsed, err := sql.ParseHiveType(c.Type); err == nil {
			typ = parsed.String()
		}
		extra := ""
		for _, k := range t.PartitionKeys {
			if strings.EqualFold(k.Name, c.Name) {
				extra = "partition key"
			}
		}
		rows = append(rows, []string{catalogName, t.Database, t.Name, c.Name, strconv.Itoa(i + 1), "", "YES", typ, c.Comment, extra})
	}
	return rows
}

// explainStatement shows how a query would run: the text for the engine, and what is left of each table after pruning.
func (s *Service) explainStatement(r *running, st *sql.Explain) error {
	sel, ok := st.Stmt.(*sql.SelectStmt)
	if !ok || st.Analyze || len(st.Options) > 0 {
		return &sql.Error{Code: "NOT_SUPPORTED", Msg: "EXPLAIN is supported for queries only, without ANALYZE and options"}
	}
	_, req, err := s.prepare(r, sel.Query)
	if err != nil {
		return err
	}
	lines := []string{"Query Plan", "Engine: DuckDB", "SQL: " + strings.ReplaceAll(req.SQL, "\n", " ")}
	for _, b := range req.Tables {
		lines = append(lines, fmt.Sprintf("- TableScan %s: %s, %d files", b.Name, b.Format, len(b.Files)))
	}
	s.update(r, func(x *Execution) { x.Stats.ScannedBytes = 0 })
	return s.writeText(r, lines, resultColumns("Query Plan"))
}
