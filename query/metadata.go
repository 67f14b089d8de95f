package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

// Database, Table and TableColumn are the catalog's entries as queries see them. Types are Hive's.
type (
	Database struct {
		Name, Description string
		Parameters        map[string]string
	}
	Table struct {
		Name, Type             string
		Created                time.Time
		Parameters             map[string]string
		Columns, PartitionKeys []TableColumn
	}
	TableColumn struct{ Name, Type, Comment string }
)

// Databases returns the databases by name.
func (s *Service) Databases(ctx context.Context) ([]Database, error) {
	dbs, err := s.opts.Catalog.Databases(ctx)
	if err != nil {
		return nil, err
	}
	var out []Database
	for _, db := range dbs {
		out = append(out, Database{db.Name, db.Description, db.Parameters})
	}
	slices.SortFunc(out, func(a, b Database) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Database returns a database, or ErrMetadata.
func (s *Service) Database(ctx context.Context, name string) (Database, error) {
	db, err := s.opts.Catalog.Database(ctx, name)
	if errors.Is(err, catalog.ErrNotFound) {
		return Database{}, fmt.Errorf("%w: Database %s not found", ErrMetadata, name)
	}
	return Database{db.Name, db.Description, db.Parameters}, err
}

// Tables returns the tables of a database by name, or ErrMetadata.
func (s *Service) Tables(ctx context.Context, database string) ([]Table, error) {
	tables, err := s.opts.Catalog.Tables(ctx, database)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, fmt.Errorf("%w: Database %s not found", ErrMetadata, database)
	}
	if err != nil {
		return nil, err
	}
	var out []Table
	for _, t := range tables {
		out = append(out, s.describeTable(ctx, t))
	}
	slices.SortFunc(out, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Table returns a table, or ErrMetadata.
func (s *Service) Table(ctx context.Context, database, name string) (Table, error) {
	t, err := s.opts.Catalog.Table(ctx, database, name)
	if errors.Is(err, catalog.ErrNotFound) {
		return Table{}, fmt.Errorf("%w: Table %s.%s not found", ErrMetadata, database, name)
	}
	if err != nil {
		return Table{}, err
	}
	return s.describeTable(ctx, t), nil
}

// describeTable shows a table's columns; those of a Delta table are read from its log where that is possible.
func (s *Service) describeTable(ctx context.Context, t catalog.Table) Table {
	cols := t.Storage.Columns
	if isDelta(t) {
		d := &definer{Service: s, r: &running{ctx: ctx}}
		if found, err := d.columnsOf(t, sql.Name{Parts: []string{t.Database, t.Name}}); err == nil {
			cols = found
		}
	}
	params := map[string]string{"inputformat": t.Storage.InputFormat, "outputformat": t.Storage.OutputFormat, "location": t.Storage.Location,
		"serde.serialization.lib": t.Storage.SerDe.Library}
	for k, v := range t.Storage.SerDe.Parameters {
		params["serde.param."+k] = v
	}
	for k, v := range t.Parameters {
		params[k] = v
	}
	return Table{t.Name, t.Type, t.Created, params, tableColumnList(cols), tableColumnList(t.PartitionKeys)}
}

func tableColumnList(cols []catalog.Column) []TableColumn {
	out := make([]TableColumn, len(cols))
	for i, c := range cols {
		out[i] = TableColumn{c.Name, c.Type, c.Comment}
	}
	return out
}
