package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	batchdelta "github.com/weir-data/weir/batch/delta"
	batchduckdb "github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// changer is query's Changer on package rewrite. Its DuckDB starts with the first statement that needs it.
type changer struct {
	objects *file.Store

	mu sync.Mutex // guards db
	db *batchduckdb.DB
}

func (c *changer) open() (*batchduckdb.DB, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db != nil {
		return c.db, nil
	}
	db, err := batchduckdb.Open(batchduckdb.Options{Dirs: []string{batchdelta.StagingDir(c.objects)}, MemoryLimit: 1 << 30})
	c.db = db
	return db, err
}

// close ends DuckDB; no statement may be under way.
func (c *changer) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db != nil {
		c.db.Close()
	}
	return nil
}

// Change implements query.Changer.
func (c *changer) Change(ctx context.Context, ch *query.Change) (int64, error) {
	db, err := c.open()
	if err != nil {
		return 0, err
	}
	t, err := rewrite.Open(ctx, rewrite.Options{Store: c.objects, Location: ch.Location, DB: db})
	if err != nil {
		return 0, changeError(err)
	}
	n, err := changeTable(ctx, t, ch)
	return n, changeError(err)
}

func changeTable(ctx context.Context, t *rewrite.Table, ch *query.Change) (int64, error) {
	where := func(x sql.Expr) rewrite.Condition { return rewrite.Condition{X: x, Params: ch.Params} }
	var r rewrite.Result
	var err error
	switch st := ch.Statement.(type) {
	case *sql.Insert:
		if len(ch.Files) > 0 {
			r, err = t.Append(ctx, rewrite.Rows{Files: ch.Files}, rewrite.WriteOptions{})
		}
		return r.Inserted, err
	case *sql.Delete:
		r, err = t.Delete(ctx, where(st.Where), ch.Target)
		return r.Deleted, err
	case *sql.Update:
		r, err = t.Update(ctx, assignmentsOf(st.Set), where(st.Where), ch.Target)
		return r.Updated, err
	case *sql.Merge:
		if len(ch.Files) > 0 {
			opts := rewrite.MergeOptions{Target: ch.Target, Source: ch.Source, On: where(st.On)}
			if opts.Clauses, err = clausesOf(ctx, t, st); err == nil {
				r, err = t.Merge(ctx, rewrite.Rows{Files: ch.Files}, opts)
			}
		}
		return r.Inserted + r.Updated + r.Deleted, err
	case *sql.Optimize:
		_, err = t.Optimize(ctx, rewrite.OptimizeOptions{Where: where(st.Where), Purge: true})
		return 0, err
	}
	_, err = t.Log().Vacuum(ctx, delta.VacuumOptions{Record: true})
	return 0, err
}

func assignmentsOf(set []sql.Assignment) []rewrite.Assignment {
	out := make([]rewrite.Assignment, len(set))
	for i, a := range set {
		out[i] = rewrite.Assignment{Column: a.Column.Name, X: a.X}
	}
	return out
}

// clausesOf are the WHENs of a merge. An INSERT without columns is about all of the table's, in order.
func clausesOf(ctx context.Context, t *rewrite.Table, st *sql.Merge) ([]rewrite.MergeClause, error) {
	var out []rewrite.MergeClause
	for _, w := range st.Whens {
		c := rewrite.MergeClause{Match: rewrite.Matched, And: w.And, Delete: w.Delete, Set: assignmentsOf(w.Set)}
		if !w.Matched {
			c.Match = rewrite.NotMatched
			names := make([]string, 0, len(w.Values))
			for _, id := range w.Columns {
				names = append(names, id.Name)
			}
			if len(names) == 0 {
				var err error
				if names, err = t.Columns(ctx); err != nil {
					return nil, err
				}
			}
			if len(names) != len(w.Values) {
				return nil, &sql.Error{Code: "SYNTAX_ERROR", Msg: "MERGE: the number of values is not that of the table's columns"}
			}
			for i, x := range w.Values {
				c.Set = append(c.Set, rewrite.Assignment{Column: names[i], X: x})
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// changeError says an error in Trino's words where they are known.
func changeError(err error) error {
	var bad *sql.Error
	code := ""
	switch {
	case err == nil || errors.As(err, &bad):
		return err
	case errors.Is(err, rewrite.ErrAmbiguous):
		return &sql.Error{Code: "MERGE_TARGET_ROW_MULTIPLE_MATCHES", Msg: "One MERGE target table row matched more than one source row"}
	case errors.Is(err, rewrite.ErrViolation):
		code = "CONSTRAINT_VIOLATION"
	case errors.Is(err, delta.ErrUnsupported):
		code = "NOT_SUPPORTED"
	case errors.Is(err, delta.ErrInvalid):
		code = "TYPE_MISMATCH"
	case errors.Is(err, delta.ErrConflict):
		code = "TRANSACTION_CONFLICT"
	case strings.Contains(err.Error(), "Conversion Error"):
		code = "INVALID_CAST_ARGUMENT"
	default:
		return err
	}
	return &sql.Error{Code: code, Msg: err.Error()}
}
