package rewrite

import (
	"context"
	"fmt"
	"strings"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// Key is a column by which Upsert tells rows apart. MayBeNull says that the rows to write may have null there, which is then equal to
// null; if they have none, files of the table are left out by their statistics.
type Key struct {
	Name      string
	MayBeNull bool
}

// upsertBins is into how many parts of a data file's size an upsert groups the files that it writes anew. One upsert follows another, and what
// they change is mostly what came last: files that they leave together are written anew together the next time, however little of them
// changes. Compaction makes them large.
const upsertBins = 32

// Upsert puts each of rows in the place of the table's row that has the same keys, or adds it. No two of rows may have the same keys:
// ErrAmbiguous. With opts.AppVersion it takes place once: delta.ErrReplayed.
func (t *Table) Upsert(ctx context.Context, rows Rows, keys []Key, opts WriteOptions) (Result, error) {
	if len(keys) == 0 {
		return Result{}, fmt.Errorf("upsert: %w: no keys", delta.ErrInvalid)
	}
	var terms []sql.Expr
	for _, k := range keys {
		op := "="
		if k.MayBeNull {
			op = "IS NOT DISTINCT FROM"
		}
		terms = append(terms, &sql.Compare{Op: op, L: columnOf("target", k.Name), R: columnOf("source", k.Name)})
	}
	on := terms[0]
	if len(terms) > 1 {
		on = &sql.Logical{Op: "AND", Terms: terms}
	}
	return t.Merge(ctx, rows, MergeOptions{
		Target: "target", Source: "source", On: Condition{X: on}, MergeSchema: opts.MergeSchema,
		Clauses: []MergeClause{{Match: Matched, All: true}, {Match: NotMatched, All: true}},
		AppID:   opts.AppID, AppVersion: opts.AppVersion, binBytes: t.opts.FileBytes / upsertBins, whole: true,
	})
}

func columnOf(relation, name string) sql.Expr {
	return &sql.Deref{Base: &sql.Ident{Name: relation}, Field: sql.Ident{Name: strings.ToLower(name)}}
}
