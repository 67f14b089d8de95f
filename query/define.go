package query

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

// failed is an error of Hive's half of Athena: FAILED: SemanticException …
func failed(format string, args ...any) error {
	return &sql.Error{Msg: "FAILED: " + fmt.Sprintf(format, args...)}
}

// resultColumns makes the columns of a SHOW or DESCRIBE, which Hive types as string.
func resultColumns(names ...string) []sql.Column {
	cols := make([]sql.Column, len(names))
	for i, n := range names {
		cols[i] = sql.Column{Name: n, Type: sql.Type{Name: "string"}}
	}
	return cols
}

// define runs a statement that acts on the catalog and returns the lines of its result.
func (s *Service) define(r *running) ([]string, []sql.Column, error) {
	d := &definer{Service: s, r: r}
	switch st := r.stmt.(type) {
	case *sql.CreateDatabase:
		return nil, nil, d.createDatabase(st)
	case *sql.DropDatabase:
		return nil, nil, d.dropDatabase(st)
	case *sql.CreateTable:
		return nil, nil, d.createTable(st)
	case *sql.CreateView:
		return nil, nil, d.createView(st)
	case *sql.DropTable:
		return nil, nil, d.dropTable(st)
	case *sql.AddPartitions:
		return nil, nil, d.addPartitions(st)
	case *sql.DropPartitions:
		return nil, nil, d.dropPartitions(st)
	case *sql.RenamePartition:
		return nil, nil, d.renamePartition(st)
	case *sql.AlterColumns:
		return nil, nil, d.alterColumns(st)
	case *sql.SetLocation:
		return nil, nil, d.setLocation(st)
	case *sql.SetProperties:
		return nil, nil, d.setProperties(st)
	case *sql.RepairTable:
		lines, err := d.repair(st)
		return lines, resultColumns("result"), err
	case *sql.Show:
		return d.show(st)
	case *sql.Describe:
		return d.describe(st)
	case *sql.Prepare:
		return nil, nil, s.SavePrepared(Prepared{Name: st.Name.Name, WorkGroup: r.WorkGroup, SQL: st.Text}, false)
	case *sql.Deallocate:
		return nil, nil, s.DeletePrepared(r.WorkGroup, st.Name.Name)
	}
	return nil, nil, &sql.Error{Code: "NOT_SUPPORTED", Msg: fmt.Sprintf("%T is not supported", r.stmt)}
}

// definer runs one data definition statement.
type definer struct {
	*Service
	r *running
}

// split is a table's name with the statement's database where it has none.
func (d *definer) split(n sql.Name) (database, table string, err error) {
	p := &planner{database: d.r.Database}
	return p.split(n)
}

// table looks up the table of a statement.
func (d *definer) table(n sql.Name) (catalog.Table, error) {
	database, name, err := d.split(n)
	if err != nil {
		return catalog.Table{}, err
	}
	t, err := d.opts.Catalog.Table(d.r.ctx, database, name)
	if errors.Is(err, catalog.ErrNotFound) {
		return t, failed("SemanticException [Error 10001]: Table not found %s.%s", database, name)
	}
	if err != nil {
		return t, fmt.Errorf("look up table %s.%s: %w", database, name, err)
	}
	return t, nil
}

func databaseName(n sql.Name) string { return n.Parts[len(n.Parts)-1] }

func (d *definer) createDatabase(st *sql.CreateDatabase) error {
	db := catalog.Database{Name: databaseName(st.Name), Description: st.Comment, Location: st.Location, Parameters: properties(st.Properties)}
	err := d.opts.Catalog.CreateDatabase(d.r.ctx, db)
	if errors.Is(err, catalog.ErrExists) {
		if st.IfNotExists {
			return nil
		}
		return failed("Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. Database %s already exists", db.Name)
	}
	return err
}

func properties(kvs []sql.KeyValue) map[string]string {
	if len(kvs) == 0 {
		return nil
	}
	m := make(map[string]string, len(kvs))
	for _, kv := range kvs {
		m[kv.Key] = kv.Value
	}
	return m
}

func (d *definer) dropDatabase(st *sql.DropDatabase) error {
	name, ctx := databaseName(st.Name), d.r.ctx
	tables, err := d.opts.Catalog.Tables(ctx, name)
	if errors.Is(err, catalog.ErrNotFound) {
		if st.IfExists {
			return nil
		}
		return failed("SemanticException [Error 10072]: Database does not exist: %s", name)
	}
	if err != nil {
		return err
	}
	if len(tables) > 0 && !st.Cascade {
		return failed("Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. InvalidOperationException(message:Database %s is not empty. One or more tables exist.)", name)
	}
	return d.opts.Catalog.DeleteDatabase(ctx, name)
}

func (d *definer) dropTable(st *sql.DropTable) error {
	database, name, err := d.split(st.Name)
	if err != nil {
		return err
	}
	t, err := d.opts.Catalog.Table(d.r.ctx, database, name)
	switch {
	case errors.Is(err, catalog.ErrNotFound) && st.IfExists:
		return nil
	case errors.Is(err, catalog.ErrNotFound):
		return failed("SemanticException [Error 10001]: Table not found %s.%s", database, name)
	case err != nil:
		return err
	case isView(t) && !st.View:
		return failed("SemanticException [Error 10001]: Cannot drop a view with DROP TABLE")
	case !isView(t) && st.View:
		return failed("SemanticException [Error 10001]: Cannot drop a base table with DROP VIEW")
	}
	return d.opts.Catalog.DeleteTable(d.r.ctx, database, name) // the data of an external table stays
}

// createView stores a view after checking its query.
func (d *definer) createView(st *sql.CreateView) error {
	database, name, err := d.split(st.Name)
	if err != nil {
		return err
	}
	p := &planner{ctx: d.r.ctx, s: d.Service, database: d.r.Database}
	tr, err := sql.Translate(st.Query, sql.Options{Table: p.resolve, Now: d.r.Submitted})
	if err != nil {
		return err
	}
	v := prestoView{OriginalSQL: st.Text, Catalog: catalogName, Schema: d.r.Database}
	t := catalog.Table{Database: database, Name: name, Type: "VIRTUAL_VIEW", Parameters: map[string]string{"comment": "Presto View", "presto_view": "true"}}
	for i, c := range tr.Columns {
		if strings.HasPrefix(c.Name, "_col") && !strings.Contains(st.Text, c.Name) {
			return &sql.Error{Code: "MISSING_COLUMN_NAME", Pos: sql.Pos{Line: 1, Col: 1}, Msg: fmt.Sprintf("Column name not specified at position %d", i+1)}
		}
		v.Columns = append(v.Columns, viewColumn{c.Name, c.Type.String()})
		t.Storage.Columns = append(t.Storage.Columns, catalog.Column{Name: c.Name, Type: orDefault(c.Type.Hive(), "string")})
	}
	t.ViewOriginal, t.ViewExpanded = encodeView(v), "/* Presto View */"
	err = d.opts.Catalog.CreateTable(d.r.ctx, t)
	if !errors.Is(err, catalog.ErrExists) {
		return tableError(err, database, name)
	}
	old, err := d.opts.Catalog.Table(d.r.ctx, database, name)
	if err != nil {
		return err
	}
	if !st.OrReplace || !isView(old) {
		return &sql.Error{Code: "ALREADY_EXISTS", Pos: sql.Pos{Line: 1, Col: 1}, Msg: fmt.Sprintf("View already exists: '%s.%s.%s'", catalogName, database, name)}
	}
	return d.opts.Catalog.UpdateTable(d.r.ctx, t)
}

// tableError says what a catalog's error means for a table that is being made.
func tableError(err error, database, name string) error {
	switch {
	case errors.Is(err, catalog.ErrExists):
		return failed("Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. AlreadyExistsException(message:Table %s already exists)", name)
	case errors.Is(err, catalog.ErrNotFound):
		return failed("SemanticException [Error 10072]: Database does not exist: %s", database)
	case errors.Is(err, catalog.ErrInvalid):
		return failed("Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. %s", err)
	}
	return err
}
