package batch

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weir-data/weir/columnar"
)

// Tables are the tables of the catalog that queries join with their sources, by database.table.
type Tables interface {
	// Columns are those of the table as it is now.
	Columns(ctx context.Context, table string) (*columnar.Schema, error)
	// State is what the table holds now. A plan keeps it, so that a batch that runs again reads the same rows.
	State(ctx context.Context, table string) (TableState, error)
	// Select is a SELECT of the rows of a state, in the Runner's SQL. It holds until another state of the table is asked for.
	Select(ctx context.Context, table string, state TableState) (sql string, err error)
}

// TableState is what a table holds at one moment: a version, of a table that has versions, else its files.
type TableState struct {
	Version int64
	Files   []TableFile // nil: the table has versions
}

// TableFile is a file of a table without versions.
type TableFile struct {
	URL    string             `json:"file"` // s3://bucket/key
	ETag   string             `json:"etag"`
	Size   int64              `json:"size"`
	Values map[string]*string `json:"partition,omitempty"` // by partition key; nil is NULL
}

// MarshalJSON writes the version, or the list of the files.
func (s TableState) MarshalJSON() ([]byte, error) {
	if s.Files != nil {
		return json.Marshal(s.Files)
	}
	return json.Marshal(s.Version)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *TableState) UnmarshalJSON(b []byte) error {
	*s = TableState{}
	if strings.HasPrefix(string(b), "[") {
		return json.Unmarshal(b, &s.Files)
	}
	return json.Unmarshal(b, &s.Version)
}

// addTables adds the columns of the tables that p reads to those of the sources.
func (e *Engine) addTables(ctx context.Context, p *Program, schemas map[string]*columnar.Schema) error {
	for name, table := range p.Tables {
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

// tableStates are what the tables hold now that the program reads.
func (e *Engine) tableStates(ctx context.Context) (map[string]TableState, error) {
	all := map[string]TableState{}
	for _, table := range e.program.Tables {
		state, err := e.opts.Tables.State(ctx, table)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", table, err)
		}
		all[table] = state
	}
	return all, nil
}

// statics are the SELECTs for the tables of a batch. A table that the plan does not know of, since the query was changed, is read as
// it is now.
func (e *Engine) statics(ctx context.Context, p *Plan) (map[string]string, error) {
	all := map[string]string{}
	for name, table := range e.program.Tables {
		state, ok := p.Tables[table]
		if !ok {
			var err error
			if state, err = e.opts.Tables.State(ctx, table); err != nil {
				return nil, fmt.Errorf("table %s: %w", table, err)
			}
		}
		sql, err := e.opts.Tables.Select(ctx, table, state)
		if err != nil {
			return nil, err
		}
		all[name] = sql
	}
	return all, nil
}
