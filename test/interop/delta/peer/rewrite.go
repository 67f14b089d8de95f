package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta/rewrite"
	"github.com/weir-data/weir/sql"
)

// table opens a table to change its rows.
func (l *lake) table(ctx context.Context, name string) (*rewrite.Table, error) {
	return rewrite.Open(ctx, rewrite.Options{Store: l.objects, Location: "s3://" + tablesBucket + "/" + name, DB: l.rows})
}

// change does an operation of package rewrite.
func change(do func(context.Context, *rewrite.Table, *request, rewrite.Rows) (rewrite.Result, error)) func(*lake, context.Context, *request) (answer, error) {
	return func(l *lake, ctx context.Context, r *request) (answer, error) {
		t, err := l.table(ctx, r.Table)
		if err != nil {
			return answer{}, err
		}
		var rows rewrite.Rows
		if r.File != "" {
			if rows, err = rowsOf(r.File); err != nil {
				return answer{}, err
			}
		}
		result, err := do(ctx, t, r, rows)
		return answer{Version: result.Version, Result: result}, err
	}
}

// rowsOf are the rows of a Parquet file.
func rowsOf(path string) (rewrite.Rows, error) {
	f, err := os.Open(path)
	if err != nil {
		return rewrite.Rows{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return rewrite.Rows{}, err
	}
	p, err := columnar.OpenParquet(f, info.Size())
	if err != nil {
		return rewrite.Rows{}, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return rewrite.Rows{Schema: p.Schema(), Files: []string{path}}, nil
}

func appendRows(ctx context.Context, t *rewrite.Table, r *request, rows rewrite.Rows) (rewrite.Result, error) {
	return t.Append(ctx, rows, rewrite.WriteOptions{MergeSchema: r.MergeSchema})
}

func deleteRows(ctx context.Context, t *rewrite.Table, r *request, _ rewrite.Rows) (rewrite.Result, error) {
	where, err := rewrite.Where(r.Where)
	if err != nil {
		return rewrite.Result{}, err
	}
	return t.Delete(ctx, where, "")
}

func updateRows(ctx context.Context, t *rewrite.Table, r *request, _ rewrite.Rows) (rewrite.Result, error) {
	where, err := rewrite.Where(r.Where)
	if err != nil {
		return rewrite.Result{}, err
	}
	var set []rewrite.Assignment
	for column, text := range r.Set {
		x, err := sql.ParseExpr(text)
		if err != nil {
			return rewrite.Result{}, err
		}
		set = append(set, rewrite.Assignment{Column: column, X: x})
	}
	return t.Update(ctx, set, where, "")
}

// mergeRows updates the rows whose id comes again, and adds the others.
func mergeRows(ctx context.Context, t *rewrite.Table, _ *request, rows rewrite.Rows) (rewrite.Result, error) {
	on, err := rewrite.Where("t.id = s.id")
	if err != nil {
		return rewrite.Result{}, err
	}
	return t.Merge(ctx, rows, rewrite.MergeOptions{Target: "t", Source: "s", On: on,
		Clauses: []rewrite.MergeClause{{Match: rewrite.Matched, All: true}, {Match: rewrite.NotMatched, All: true}}})
}

func optimize(ctx context.Context, t *rewrite.Table, r *request, _ rewrite.Rows) (rewrite.Result, error) {
	return t.Optimize(ctx, rewrite.OptimizeOptions{ZOrderBy: slices.Clone(r.ZOrderBy)})
}

func alter(ctx context.Context, t *rewrite.Table, r *request, _ rewrite.Rows) (rewrite.Result, error) {
	a := rewrite.Alteration{Properties: r.Properties, Features: r.Features, Rename: r.Rename, Drop: r.Drop}
	if r.Schema != "" {
		s, err := columnar.ParseSchemaJSON([]byte(r.Schema))
		if err != nil {
			return rewrite.Result{}, err
		}
		a.Schema = s
	}
	return t.Alter(ctx, a)
}
