package rewrite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// Delete removes the rows for which where is true; alias is what where calls the table, if not by columns alone.
func (t *Table) Delete(ctx context.Context, where Condition, alias string) (Result, error) {
	return t.change(ctx, func(j *job) error {
		j.operation, j.parameters = "DELETE", map[string]string{"predicate": predicateText(where)}
		f, err := j.find(where, alias)
		if err != nil {
			return err
		}
		j.readFiles = f.prune.match
		return j.deleteFound(f)
	})
}

// deleteFound takes rows out: whole files by the log alone, others by vectors or by writing what stays.
func (j *job) deleteFound(f *found) error {
	for _, file := range f.whole {
		j.remove(file)
		j.result.Deleted += max(live(file), 0)
	}
	var partly []*delta.File
	for _, file := range f.files {
		if !slices.Contains(f.whole, file) {
			partly = append(partly, file)
			j.result.Deleted += f.rows.count(file.Path)
		}
	}
	if j.cdf() && len(partly) > 0 {
		if err := j.changesOf(f.files, f.rows, nil, "delete", hitColumn+" > 0"); err != nil {
			return err
		}
		// Files that went whole by their partition have no marked rows.
		for _, file := range f.whole {
			if f.rows.count(file.Path) == 0 {
				return fmt.Errorf("%w: changes of whole files beside others", delta.ErrUnsupported)
			}
		}
	}
	if j.vectors() {
		return j.mark(partly, f.rows)
	}
	return j.rewrite(partly, f.rows, j.t.opts.FileBytes, unmarked)
}

// unmarked is a query of the rows that are not marked.
func unmarked(query string) (string, error) {
	return "SELECT * FROM (" + query + ") WHERE " + hitColumn + " = 0", nil
}

// mark deletes rows by vectors.
func (j *job) mark(files []*delta.File, rows marks) error {
	for _, f := range files {
		old, err := j.snapshot.Deleted(j.ctx, f)
		if err != nil {
			return err
		}
		if f.Stats == nil {
			return fmt.Errorf("%w: deletion vector of data file %q, which has no statistics", delta.ErrUnsupported, f.Path)
		}
		j.deleted = append(j.deleted, deletedRows{f, rows.all(f.Path).Union(old)})
	}
	return nil
}

// rewrite writes files anew: partition by partition, near a size. change makes the query of the rows that are written
// of one of the rows that are there.
func (j *job) rewrite(files []*delta.File, rows marks, size int64, change func(query string) (string, error)) error {
	list, of := partitions(files, j.snapshot.PartitionBy())
	for _, partition := range list {
		for _, bin := range bins(of[partitionKey(partition, j.snapshot.PartitionBy())], size) {
			out, err := j.writeFrom(bin, rows, change, target{partition: partition, fixed: true, oneFile: true})
			if err != nil {
				return err
			}
			n := j.add(out)
			for _, f := range bin {
				j.remove(f)
			}
			j.result.Copied += n
		}
	}
	return nil
}

// writeFrom writes what change makes of the rows of files.
func (j *job) writeFrom(files []*delta.File, rows marks, change func(query string) (string, error), to target) ([]written, error) {
	inputs, err := j.open(files)
	if err != nil {
		return nil, err
	}
	defer drop(inputs)
	j.carries = j.tracksRows() && len(to.extra) == 0
	defer func() { j.carries = false }()
	query, tables, err := j.target(inputs, rows)
	if err != nil {
		return nil, err
	}
	if query, err = change(query); err != nil {
		return nil, err
	}
	return j.write(query, append(tables, j.beside...), to)
}

// bins cuts files into runs that together are not larger than size, or of one file.
func bins(files []*delta.File, size int64) [][]*delta.File {
	var out [][]*delta.File
	var sum int64
	from := 0
	for i, f := range files {
		if i > from && (sum+f.Size > size || i-from >= chunkFiles) {
			out = append(out, files[from:i])
			from, sum = i, 0
		}
		sum += f.Size
	}
	if from < len(files) {
		out = append(out, files[from:])
	}
	return out
}

// changeType is the column of files of changes that says what happened to the row.
var changeType = columnar.Field{Name: "_change_type", Type: columnar.Type{Kind: columnar.String}, Nullable: true}

// changesOf writes the rows of files for which condition holds as changes of a kind. change may replace them by others.
func (j *job) changesOf(files []*delta.File, rows marks, change func(query string) (string, error), kind, condition string) error {
	for _, chunk := range j.t.chunks(files) {
		out, err := j.writeFrom(chunk, rows, func(query string) (string, error) {
			query = "SELECT * FROM (" + query + ") WHERE " + condition
			if change != nil {
				var err error
				if query, err = change(query); err != nil {
					return "", err
				}
			}
			return "SELECT *, " + quoteText(kind) + " AS " + changeType.Name + " FROM (" + query + ")", nil
		}, target{extra: []columnar.Field{changeType}})
		if err != nil {
			return err
		}
		j.changes = append(j.changes, out...)
	}
	return nil
}

// insertChanges writes the rows of files that this job wrote as changes: inserted rows.
func (j *job) insertChanges(files []written) error {
	for _, w := range files {
		schema, rows, err := j.footer(w.path)
		if err != nil {
			return err
		}
		in := []input{{file: &w.file, path: w.path, schema: schema, rows: rows}}
		query, tables, err := j.target(in, nil)
		if err != nil {
			return err
		}
		out, err := j.write("SELECT *, 'insert' AS "+changeType.Name+" FROM ("+query+")", tables, target{extra: []columnar.Field{changeType}})
		if err != nil {
			return err
		}
		j.changes = append(j.changes, out...)
	}
	return nil
}

// printed is a condition as the log records it.
func printed(c Condition) string {
	if c.X == nil {
		return "true"
	}
	return sql.PrintExpr(c.X)
}

// predicateText is Spark's form of a predicate in operationParameters: a JSON list.
func predicateText(c Condition) string {
	if c.X == nil {
		return "[]"
	}
	return namesText([]string{printed(c)})
}

// bound is a condition without question marks.
func bound(c Condition) (sql.Expr, error) {
	if len(c.Params) > 0 && strings.Contains(printed(c), "?") {
		return nil, fmt.Errorf("%w: question marks in a condition that rows are checked against", delta.ErrUnsupported)
	}
	return c.X, nil
}
