package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	batchduckdb "github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// changer is query's Changer on package rewrite. What it runs, runs in a process of its own, which sees the files of that
// statement only; the commit is made here.
type changer struct {
	objects *file.Store
	workers *batchduckdb.Workers
}

// Change implements query.Changer.
func (c *changer) Change(ctx context.Context, ch *query.Change) (int64, error) {
	if _, ok := ch.Statement.(*sql.Vacuum); ok {
		return 0, changeError(c.vacuum(ctx, ch.Location))
	}
	w, err := c.workers.Take(ctx)
	if err != nil {
		return 0, err
	}
	defer w.Release()
	var files []string // in the only folder that the process sees
	for i, path := range ch.Files {
		files = append(files, filepath.Join(w.Dir(), fmt.Sprintf("given%d.parquet", i)))
		if err := os.Rename(path, files[i]); err != nil {
			return 0, fmt.Errorf("hand over rows: %w", err)
		}
	}
	t, err := rewrite.Open(ctx, rewrite.Options{Store: c.objects, Location: ch.Location, DB: w, Staging: w.Dir()})
	if err != nil {
		return 0, changeError(err)
	}
	n, err := changeTable(ctx, t, ch, rewrite.Rows{Files: files})
	return n, changeError(err)
}

func (c *changer) vacuum(ctx context.Context, location string) error {
	bucket, prefix, err := objstore.ParseURL(location)
	if err != nil {
		return err
	}
	t, err := delta.Open(ctx, delta.InBucket(c.objects, bucket, strings.Trim(prefix, "/")))
	if err != nil {
		return err
	}
	_, err = t.Vacuum(ctx, delta.VacuumOptions{Record: true})
	return err
}

func changeTable(ctx context.Context, t *rewrite.Table, ch *query.Change, rows rewrite.Rows) (int64, error) {
	where := func(x sql.Expr) rewrite.Condition { return rewrite.Condition{X: x, Params: ch.Params} }
	var r rewrite.Result
	var err error
	switch st := ch.Statement.(type) {
	case *sql.Insert:
		if len(rows.Files) > 0 {
			r, err = t.Append(ctx, rows, rewrite.WriteOptions{})
		}
		return r.Inserted, err
	case *sql.Delete:
		r, err = t.Delete(ctx, where(st.Where), ch.Target)
		return r.Deleted, err
	case *sql.Update:
		r, err = t.Update(ctx, assignmentsOf(st.Set), where(st.Where), ch.Target)
		return r.Updated, err
	case *sql.Merge:
		if len(rows.Files) > 0 {
			opts := rewrite.MergeOptions{Target: ch.Target, Source: ch.Source, On: where(st.On)}
			if opts.Clauses, err = clausesOf(ctx, t, st); err == nil {
				r, err = t.Merge(ctx, rows, opts)
			}
		}
		return r.Inserted + r.Updated + r.Deleted, err
	case *sql.Optimize:
		_, err = t.Optimize(ctx, rewrite.OptimizeOptions{Where: where(st.Where), Purge: true})
		return 0, err
	}
	return 0, fmt.Errorf("statement %T changes no rows", ch.Statement)
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
	case errors.Is(err, batchduckdb.ErrCrashed):
		return fmt.Errorf("%w: %w", query.ErrCrashed, err)
	case errors.Is(err, batchduckdb.ErrMemory):
		return fmt.Errorf("%w: %w", query.ErrMemory, err)
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
