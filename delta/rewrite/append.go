package rewrite

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// WriteOptions of Append and Overwrite.
type WriteOptions struct {
	// MergeSchema adds the columns that the table lacks, and widens types where the table has delta.enableTypeWidening.
	MergeSchema bool
	// OverwriteSchema gives the table the columns of the rows, and PartitionBy if that is not nil. Only for Overwrite without Where.
	OverwriteSchema bool
	PartitionBy     []string
	// Where limits Overwrite to the rows that fulfil it; the new rows must fulfil it too (replaceWhere).
	Where Condition
	// Dynamic limits Overwrite to the partitions that the new rows have.
	Dynamic bool
	// AppID and AppVersion are recorded with the commit, which is made even if no row is written. With a version that the table has
	// already, or an older one, nothing is read or written: delta.ErrReplayed.
	AppID      string
	AppVersion int64
	// Stream is the output mode of the streaming query whose batch is written, such as Append. The history then has the operation as
	// Spark's sink has it, a STREAMING UPDATE, with AppID as the query and AppVersion as the epoch.
	Stream string
}

// as gives the operation its name and parameters: what it is if no stream writes.
func (o *WriteOptions) as(j *job, mode string) {
	j.operation, j.parameters = "WRITE", map[string]string{"mode": mode, "partitionBy": namesText(j.by)}
	if o.Stream != "" {
		j.operation = "STREAMING UPDATE"
		j.parameters = map[string]string{"outputMode": o.Stream, "queryId": o.AppID, "epochId": strconv.FormatInt(o.AppVersion, 10)}
	}
}

// Append adds rows, matched with the table's columns by name. Columns that they lack get their default or null.
func (t *Table) Append(ctx context.Context, rows Rows, opts WriteOptions) (Result, error) {
	if opts.Where.X != nil || opts.Dynamic || opts.OverwriteSchema {
		return Result{}, fmt.Errorf("append: %w: Where, Dynamic and OverwriteSchema are for Overwrite", delta.ErrInvalid)
	}
	return t.change(ctx, func(j *job) error {
		opts.as(j, "Append")
		if err := j.setTxn(opts.AppID, opts.AppVersion); err != nil {
			return err
		}
		if err := rows.check(); err != nil {
			return err
		}
		if err := j.evolve(rows.Schema, opts); err != nil {
			return err
		}
		_, err := j.insert(rows)
		return err
	})
}

// Overwrite replaces all rows, or those that opts say.
func (t *Table) Overwrite(ctx context.Context, rows Rows, opts WriteOptions) (Result, error) {
	if opts.Where.X != nil && (opts.Dynamic || opts.OverwriteSchema) || opts.Dynamic && opts.OverwriteSchema {
		return Result{}, fmt.Errorf("overwrite: %w: Where, Dynamic and OverwriteSchema exclude each other", delta.ErrInvalid)
	}
	return t.change(ctx, func(j *job) error {
		opts.as(j, "Overwrite")
		if err := j.setTxn(opts.AppID, opts.AppVersion); err != nil {
			return err
		}
		if err := rows.check(); err != nil {
			return err
		}
		if opts.Where.X != nil {
			return j.replaceWhere(rows, opts)
		}
		if err := j.evolve(rows.Schema, opts); err != nil {
			return err
		}
		files, err := j.insert(rows)
		if err != nil {
			return err
		}
		return j.replace(files, opts.Dynamic)
	})
}

// replace removes the files that new ones take the place of.
func (j *job) replace(files []written, dynamic bool) error {
	hit := map[string]bool{}
	for _, w := range files {
		hit[partitionKey(w.file.Partition, j.by)] = true
	}
	inside := func(partition map[string]*string) bool { return hit[partitionKey(partition, j.by)] }
	if !dynamic || len(j.by) == 0 {
		j.readAll, inside = true, nil
	} else {
		j.parameters["partitionOverwriteMode"] = "dynamic"
		j.readFiles = func(f *delta.File) bool { return inside(f.Partition) }
	}
	for f, err := range j.snapshot.FilesIn(inside, nil) {
		if err != nil {
			return err
		}
		j.remove(f)
		if n := live(f); n > 0 {
			j.result.Deleted += n
		}
	}
	return nil
}

// replaceWhere deletes the rows that a condition selects and adds others that fulfil it.
func (j *job) replaceWhere(rows Rows, opts WriteOptions) error {
	if err := j.evolve(rows.Schema, opts); err != nil {
		return err
	}
	j.parameters["predicate"] = printed(opts.Where)
	f, err := j.find(opts.Where, "")
	if err != nil {
		return err
	}
	j.readFiles = f.prune.match
	if err := j.deleteFound(f); err != nil {
		return err
	}
	where, err := bound(opts.Where)
	if err != nil {
		return err
	}
	files, err := j.insert(rows, rule{"the condition that the written rows replace (" + printed(opts.Where) + ")", where})
	if err != nil || len(j.changes) == 0 { // what was deleted went in whole files: the changes follow from the commit
		return err
	}
	return j.insertChanges(files)
}

// insert writes rows as new data files.
func (j *job) insert(rows Rows, extra ...rule) ([]written, error) {
	query, tables, err := j.source(&rows)
	if err != nil {
		return nil, err
	}
	given, query, err := j.matchColumns(query, rows.Schema)
	if err != nil {
		return nil, err
	}
	if query, err = j.complete(query, given); err != nil {
		return nil, err
	}
	if query, err = j.checked(query, given, extra...); err != nil {
		return nil, err
	}
	files, err := j.write(query, tables, target{})
	if err != nil {
		return nil, err
	}
	j.countIdentity(files)
	j.result.Inserted += j.add(files)
	return files, nil
}

// matchColumns gives the columns of rows the names and types of the table's.
func (j *job) matchColumns(query string, have *columnar.Schema) (given map[string]bool, matched string, err error) {
	given = map[string]bool{}
	var items []string
	for i := range j.schema.Fields {
		f := &j.schema.Fields[i]
		k := indexOf(have.Fields, f.Name)
		if k < 0 {
			continue
		}
		if err := assignable(have.Fields[k].Type, f.Type, f.Name); err != nil {
			return nil, "", err
		}
		given[f.Name] = true
		items = append(items, inExpr(quoteName(have.Fields[k].Name), have.Fields[k].Type, f.Type, f.Type)+" AS "+quoteName(f.Name))
	}
	for _, f := range have.Fields {
		if indexOf(j.schema.Fields, f.Name) < 0 {
			return nil, "", fmt.Errorf("%w: the table has no column %s; MergeSchema adds it", delta.ErrInvalid, f.Name)
		}
	}
	if len(items) == 0 {
		return nil, "", fmt.Errorf("%w: the rows have none of the table's columns", delta.ErrInvalid)
	}
	return given, "SELECT " + strings.Join(items, ", ") + " FROM (\n" + query + "\n)", nil
}

// assignable says why values of a type cannot be stored in a column: numbers go into numbers if they fit, row by row; what is written
// in letters is not read as something else.
func assignable(from, to columnar.Type, name string) error {
	numeric := func(k columnar.Kind) bool {
		return columnar.Int8 <= k && k <= columnar.Float64 || k == columnar.Decimal
	}
	temporal := func(k columnar.Kind) bool {
		return k == columnar.Date || k == columnar.Timestamp || k == columnar.TimestampNTZ
	}
	switch {
	case numeric(from.Kind) && numeric(to.Kind), temporal(from.Kind) && temporal(to.Kind):
		return nil
	case from.Kind != to.Kind:
		return fmt.Errorf("%w: column %s is of type %s, the rows have %s", delta.ErrInvalid, name, to, from)
	case from.Kind == columnar.Struct:
		for _, f := range from.Fields {
			k := indexOf(to.Fields, f.Name)
			if k < 0 {
				return fmt.Errorf("%w: the table has no column %s.%s; MergeSchema adds it", delta.ErrInvalid, name, f.Name)
			}
			if err := assignable(f.Type, to.Fields[k].Type, name+"."+f.Name); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range from.Fields {
		if err := assignable(from.Fields[i].Type, to.Fields[i].Type, name+"."+to.Fields[i].Name); err != nil {
			return err
		}
	}
	return nil
}

// setTxn makes the commit that of a version of an application, unless the table has it.
func (j *job) setTxn(appID string, version int64) error {
	if appID == "" {
		return nil
	}
	if last, ok := j.snapshot.Txn(appID); ok && last >= version {
		return fmt.Errorf("%s version %d: %w: the table has %d", appID, version, delta.ErrReplayed, last)
	}
	j.txn = func(tx *delta.Transaction) { tx.SetTxn(appID, version) }
	return nil
}

func namesText(names []string) string {
	if names == nil {
		names = []string{}
	}
	text, _ := json.Marshal(names)
	return string(text)
}
