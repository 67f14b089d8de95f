// Package sql reads Athena's two grammars, Trino's for queries and Hive's for data definition, and prints queries for
// the engine that runs them.
//
// Parse gives a Statement, or an *Error with line and column in Athena's words. Translate takes a *Query from it,
// resolves its names through Options.Table, checks functions and types as Trino does, and prints DuckDB text that means
// the same, also where the two dialects differ in silence: integer division, NULL in concat and greatest, date_diff,
// regexp groups, CAST to JSON. Functions are an allow-list (functionTable): what is not in it does not exist. On the
// way Translate notes, with each table, simple predicates by which files can be pruned. ToDuckDB is the short form for
// pipelines, whose tables are not in a catalog. Print writes a statement back as Athena's SQL.
//
// The package keeps no state and does no I/O.
package sql

import "fmt"

// Pos is a place in a statement's text. Lines and columns count from 1, columns in characters.
type Pos struct{ Line, Col int }

func (p Pos) String() string { return fmt.Sprintf("line %d:%d", p.Line, p.Col) }

// Error is what is wrong with a statement, in Athena's words. Code is Trino's error name; it is empty for text that
// does not parse, which Athena refuses before it starts the query.
type Error struct {
	Code string // COLUMN_NOT_FOUND, TYPE_MISMATCH …
	Pos  Pos    // zero if the error has no place
	Msg  string
}

// Error is the text as Athena shows it: "COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved".
func (e *Error) Error() string {
	s := e.Msg
	if e.Pos.Line > 0 {
		s = e.Pos.String() + ": " + s
	}
	if e.Code != "" {
		s = e.Code + ": " + s
	}
	return s
}

func syntaxError(at Pos, format string, args ...any) *Error {
	return &Error{Pos: at, Msg: fmt.Sprintf(format, args...)}
}

func semanticError(code string, at Pos, format string, args ...any) *Error {
	return &Error{Code: code, Pos: at, Msg: fmt.Sprintf(format, args...)}
}
