package rewrite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// Assignment gives a column a new value.
type Assignment struct {
	Column string
	X      sql.Expr
}

// Update changes the rows for which where is true; alias is what the expressions call the table, if not by columns alone.
func (t *Table) Update(ctx context.Context, set []Assignment, where Condition, alias string) (Result, error) {
	return t.change(ctx, func(j *job) error {
		j.operation, j.parameters = "UPDATE", map[string]string{"predicate": predicateText(where)}
		set, err := j.assignments(set)
		if err != nil {
			return err
		}
		f, err := j.find(where, alias)
		if err != nil {
			return err
		}
		j.readFiles = f.prune.match
		for _, file := range f.whole { // found by their partitions: all their rows are changed
			if f.rows.count(file.Path) == 0 {
				if err := j.markWhole(file, f); err != nil {
					return err
				}
			}
		}
		return j.update(f, set, where.Params, alias)
	})
}

// markWhole marks all rows of a file.
func (j *job) markWhole(file *delta.File, f *found) error {
	gone, err := j.snapshot.Deleted(j.ctx, file)
	if err != nil {
		return err
	}
	rows := live(file)
	if rows < 0 {
		inputs, err := j.open([]*delta.File{file})
		if err != nil {
			return err
		}
		rows = inputs[0].rows
		drop(inputs)
	} else {
		rows = file.Stats.NumRecords
	}
	for row := range rows {
		if !gone.Contains(row) {
			f.rows.add(file.Path, row, 1)
		}
	}
	f.files = append(f.files, file)
	return nil
}

// assignments checks columns and gives generated ones that are not set their new values.
func (j *job) assignments(set []Assignment) ([]Assignment, error) {
	out := make([]Assignment, 0, len(set))
	for _, a := range set {
		i := indexOf(j.schema.Fields, a.Column)
		if i < 0 {
			return nil, fmt.Errorf("%w: the table has no column %s", delta.ErrInvalid, a.Column)
		}
		f := &j.schema.Fields[i]
		if f.Metadata[metaIDStart] != nil {
			return nil, fmt.Errorf("%w: column %s is an identity column, which is not updated", delta.ErrInvalid, f.Name)
		}
		if slices.ContainsFunc(out, func(o Assignment) bool { return o.Column == f.Name }) {
			return nil, fmt.Errorf("%w: column %s is set twice", delta.ErrInvalid, f.Name)
		}
		out = append(out, Assignment{f.Name, a.X})
	}
	return out, nil
}

func (j *job) update(f *found, set []Assignment, params []sql.Expr, alias string) error {
	target := j.targetOf(alias)
	newRows := func(query string) (string, error) {
		return j.assigned(query, target, nil, "", set, params)
	}
	checkedRows := func(query string) (string, error) { return j.regenerated(query, set, newRows) }
	if len(f.files) == 0 { // what is wrong with the statement is wrong without rows too
		_, err := checkedRows("SELECT 1")
		return err
	}
	for _, file := range f.files {
		j.result.Updated += f.rows.count(file.Path)
	}
	if j.cdf() {
		if err := j.changesOf(f.files, f.rows, nil, "update_preimage", hitColumn+" > 0"); err != nil {
			return err
		}
		if err := j.changesOf(f.files, f.rows, checkedRows, "update_postimage", hitColumn+" > 0"); err != nil {
			return err
		}
	}
	return j.replaceRows(f.files, f.rows, checkedRows, nil)
}

// replaceRows writes marked rows of files as change makes them: beside their old files, which get vectors, or with all that is in
// these. gone are kinds of marks whose rows are not written.
func (j *job) replaceRows(files []*delta.File, rows marks, change func(query string) (string, error), gone map[int32]bool) error {
	leave := ""
	for what := range gone {
		leave += fmt.Sprintf(" AND %s <> %d", hitColumn, what)
	}
	if j.vectors() {
		return j.replaceByVectors(files, rows, change, leave)
	}
	whole := func(query string) (string, error) {
		return change("SELECT * FROM (" + query + ") WHERE true" + leave)
	}
	list, of := partitions(files, j.snapshot.PartitionBy())
	for _, partition := range list {
		for _, bin := range bins(of[partitionKey(partition, j.snapshot.PartitionBy())], cmp.Or(j.binBytes, j.t.opts.FileBytes)) {
			out, err := j.writeFrom(bin, rows, whole, target{})
			if err != nil {
				return err
			}
			n := j.add(out)
			for _, f := range bin {
				j.remove(f)
				for what, marked := range rows[f.Path] {
					if !gone[what] {
						n -= marked.Cardinality()
					}
				}
			}
			j.result.Copied += n
		}
	}
	return nil
}

func (j *job) replaceByVectors(files []*delta.File, rows marks, change func(query string) (string, error), leave string) error {
	for _, chunk := range j.t.chunks(files) {
		out, err := j.writeFrom(chunk, rows, func(query string) (string, error) {
			return change("SELECT * FROM (" + query + ") WHERE " + hitColumn + " > 0" + leave)
		}, target{})
		if err != nil {
			return err
		}
		j.add(out)
	}
	var partly []*delta.File
	for _, f := range files {
		if rows.count(f.Path) == live(f) {
			j.remove(f)
			continue
		}
		partly = append(partly, f)
	}
	return j.mark(partly, rows)
}

// assigned is a query of the table's rows in which marked ones have the values of set. from is what the expressions name beside the
// table, as its relation; joined is its query.
func (j *job) assigned(query string, target *relation, from sql.Relation, joined string, set []Assignment, params []sql.Expr) (string, error) {
	hit := &sql.Compare{Op: ">", L: column(target, hitColumn), R: &sql.Number{Text: "0"}}
	var items []item
	for _, f := range j.schema.Fields {
		items = append(items, item{column(target, f.Name), strings.ToLower(f.Name)})
	}
	items = append(items, item{column(target, hitColumn), hitColumn})
	target.hidden = append([]string{fileColumn, rowColumn, hitColumn}, j.carried()...)
	items = append(items, j.carriedItems(target)...)
	for i, a := range set {
		items = append(items, item{&sql.Case{Whens: []sql.When{{Cond: hit, Then: a.X}}}, fmt.Sprintf("weir_set%d", i)})
	}
	t, err := j.translate(items, target.ref(), nil, params, target)
	if err != nil {
		return "", err
	}
	out, err := j.setColumns(t, set)
	if err != nil {
		return "", err
	}
	out = j.withUpdated(append(out, hitColumn))
	return "SELECT " + strings.Join(out, ", ") + " FROM (" + with(t.text, targetName, query) + ")", nil
}

// setColumns are the columns of a translated query of old and new values, with the new ones where a row is marked.
func (j *job) setColumns(t *translated, set []Assignment) ([]string, error) {
	n := len(t.columns) - len(set)
	var out []string
	for _, f := range j.schema.Fields {
		q := quoteName(f.Name)
		i := slices.IndexFunc(set, func(a Assignment) bool { return a.Column == f.Name })
		if i < 0 {
			out = append(out, q)
			continue
		}
		if err := storable(t.columns[n+i].Type, f.Type, f.Name); err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("CASE WHEN %s > 0 THEN CAST(weir_set%d AS %s) ELSE %s END AS %s", hitColumn, i, typeText(f.Type), q, q))
	}
	return out, nil
}

// storable says why the value of an expression cannot be stored in a column.
func storable(from sql.Type, to columnar.Type, name string) error {
	want, err := sqlType(to)
	if err != nil || !from.Known() || from.Name == "unknown" {
		return err
	}
	class := func(t sql.Type) string {
		switch t.Name {
		case "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal":
			return "number"
		case "varchar", "char":
			return "text"
		case "date", "timestamp", "timestamp with time zone":
			return "time"
		}
		return t.Name
	}
	if class(from) != class(want) {
		return fmt.Errorf("%w: column %s is of type %s, its new value of type %s", delta.ErrInvalid, name, want, from)
	}
	return nil
}

// regenerated makes new rows with change, computes the generated columns of marked rows that are not set, and checks the table's rules.
func (j *job) regenerated(query string, set []Assignment, change func(query string) (string, error)) (string, error) {
	query, err := change(query)
	if err != nil {
		return "", err
	}
	given := map[string]bool{}
	for i := range j.schema.Fields {
		f := &j.schema.Fields[i]
		isSet := slices.ContainsFunc(set, func(a Assignment) bool { return a.Column == f.Name })
		given[f.Name] = f.Metadata[metaGenerated] == nil || isSet
	}
	if query, err = j.generate(query, given); err != nil {
		return "", err
	}
	return j.checked(query, given)
}
