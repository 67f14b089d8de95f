package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// How a batch finds the rows of its keys in a state.
const (
	// listedRows is the number of rows that touch a state up to which each of their keys is looked for, rather than all between the
	// least and the greatest.
	listedRows = 512
	// A sorted run has at the most so many row groups, each of that many rows at least.
	sortedGroups    = 1024
	sortedGroupRows = 4096
)

// narrowRowsMin is the number of rows of a state from which it is worth while to ask which of them are needed. Tests lower it.
var narrowRowsMin int64 = 1 << 14

// listedShare is the number of rows of the state for each row that touches it from which on keys are listed: else most row groups have one.
// Tests lower it.
var listedShare int64 = 4 * sortedGroupRows

// sortedGroup is the number of rows of a row group of the run that runs become.
func sortedGroup(runs []batch.StateRun) int64 {
	return max(rowsIn(runs)/sortedGroups, sortedGroupRows)
}

// literal is an expression that gives the SQL of a value of a type, with which columns of runs are compared; empty for types of which a
// Parquet file keeps no bounds that are of use.
func literal(t columnar.Type, value string) string {
	switch t.Kind {
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64:
		return "CAST(" + value + " AS VARCHAR)"
	case columnar.Timestamp:
		return "'make_timestamp(' || epoch_us(" + value + ") || ')'"
	case columnar.String:
		return "chr(39) || replace(" + value + ", chr(39), chr(39) || chr(39)) || chr(39)"
	}
	return ""
}

// literalMax is the number of bytes of a key beyond which it is not written into a statement.
const literalMax = 256

// bounded are the keys by which rows of runs can be found.
func (s *stateTable) bounded() (keys []columnar.Field) {
	if s.spec.Touched == "" {
		return nil
	}
	for _, k := range s.spec.Keys {
		if i := s.schema.Index(k); i >= 0 && literal(s.schema.Fields[i].Type, "") != "" {
			keys = append(keys, s.schema.Fields[i])
		}
	}
	return keys
}

// order is the ORDER BY of sorted runs; empty if there is no use in them.
func (s *stateTable) order() string {
	var by []string
	for _, k := range s.bounded() {
		by = append(by, quoteName(k.Name))
	}
	if len(by) == 0 {
		return ""
	}
	return " ORDER BY " + strings.Join(by, ", ")
}

// narrowed says whether it is worth while to look which rows of a state the batch needs.
func (s *stateTable) narrowed(in *batch.RunInput) bool {
	return len(s.bounded()) > 0 && rowsIn(s.runsOf(in.State.Runs)) >= narrowRowsMin
}

func rowsIn(runs []batch.StateRun) (rows int64) {
	for _, r := range runs {
		rows += r.Rows
	}
	return rows
}

// narrow leaves out of the states that are touched by the keys of relations what the batch does not need.
func (r *runResult) narrow(ctx context.Context, c *compiled, in *batch.RunInput, relations ...string) error {
	for _, s := range c.states {
		if !s.narrowed(in) || !slices.Contains(relations, s.spec.Touched) {
			continue
		}
		where, err := r.touched(ctx, s, rowsIn(s.runsOf(in.State.Runs)))
		if err != nil {
			return fmt.Errorf("state %s: keys of %s: %w", s.spec.Name, s.spec.Touched, err)
		}
		if err := r.show(ctx, s, in, where...); err != nil {
			return err
		}
	}
	return nil
}

// touched are conditions on columns of the runs, of so many rows, that rows of the touched keys fulfil.
func (r *runResult) touched(ctx context.Context, s *stateTable, held int64) (where []string, err error) {
	keys := s.bounded()
	from := " FROM " + quoteName(s.spec.Touched)
	items := []string{"count(*)"}
	for _, k := range keys {
		q := quoteName(k.Name)
		items = append(items, "count("+q+")", literal(k.Type, "min("+q+")"), literal(k.Type, "max("+q+")"))
	}
	b, err := r.conn.query(ctx, "SELECT "+strings.Join(items, ", ")+from)
	if err != nil {
		return nil, err
	}
	rows := b.Columns[0].Int(0)
	if rows == 0 {
		return []string{"false"}, nil
	}
	for i, k := range keys {
		q := quoteName(k.Name)
		if b.Columns[1+3*i].Int(0) < rows {
			continue // null is a key too
		}
		least, greatest := string(b.Columns[2+3*i].Bytes(0)), string(b.Columns[3+3*i].Bytes(0))
		switch {
		case len(least)+len(greatest) > 2*literalMax || strings.Contains(least+greatest, "\x00"):
		case rows <= min(listedRows, held/listedShare):
			values, err := r.values(ctx, literal(k.Type, q), from)
			if err != nil {
				return nil, err
			}
			if values != nil {
				where = append(where, q+" IN ("+strings.Join(values, ", ")+")")
			}
		default:
			where = append(where, q+" BETWEEN "+least+" AND "+greatest)
		}
	}
	return where, nil
}

// values are the literals of a few rows, nil if one is too long for a statement.
func (r *runResult) values(ctx context.Context, literal, from string) ([]string, error) {
	b, err := r.conn.query(ctx, "SELECT DISTINCT "+literal+from)
	if err != nil {
		return nil, err
	}
	var all []string
	for i := range b.Len {
		text := string(b.Columns[0].Bytes(i))
		if len(text) > literalMax || strings.Contains(text, "\x00") {
			return nil, nil
		}
		all = append(all, text)
	}
	return all, nil
}
