package batch

import (
	"context"
	"fmt"

	"github.com/weir-data/weir/columnar"
)

// Tables are the tables of the catalog that queries join with their sources, by database.table.
type Tables interface {
	// Columns are those of the table's newest version.
	Columns(ctx context.Context, table string) (*columnar.Schema, error)
	// Version is the newest. A plan keeps it, so that a batch that runs again reads the same rows.
	Version(ctx context.Context, table string) (int64, error)
	// Select is a SELECT of the rows of a version, in the Runner's SQL. It holds until another version of the table is asked for.
	Select(ctx context.Context, table string, version int64) (sql string, err error)
}

// addTables adds the columns of the tables that the program reads to those of the sources.
func (e *Engine) addTables(ctx context.Context, schemas map[string]*columnar.Schema) error {
	for name, table := range e.program.Tables {
		if e.opts.Tables == nil {
			return fmt.Errorf("reads table %s, and there is no catalog", table)
		}
		schema, err := e.opts.Tables.Columns(ctx, table)
		if err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
		schemas[name] = schema
	}
	return nil
}

// versions are the newest of the tables that the program reads.
func (e *Engine) versions(ctx context.Context) (map[string]int64, error) {
	all := map[string]int64{}
	for _, table := range e.program.Tables {
		v, err := e.opts.Tables.Version(ctx, table)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", table, err)
		}
		all[table] = v
	}
	return all, nil
}

// statics are the SELECTs for the tables of a batch. A table that the plan does not know of, since the query was changed, is read as
// it is now.
func (e *Engine) statics(ctx context.Context, p *Plan) (map[string]string, error) {
	all := map[string]string{}
	for name, table := range e.program.Tables {
		version, ok := p.Tables[table]
		if !ok {
			var err error
			if version, err = e.opts.Tables.Version(ctx, table); err != nil {
				return nil, fmt.Errorf("table %s: %w", table, err)
			}
		}
		sql, err := e.opts.Tables.Select(ctx, table, version)
		if err != nil {
			return nil, err
		}
		all[name] = sql
	}
	return all, nil
}
