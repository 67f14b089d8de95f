package rewrite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// Bounds of what one statement reads.
const (
	chunkFiles = 256
	chunkBytes = 1 << 30
)

// chunks cuts files into what one statement reads.
func (t *Table) chunks(files []*delta.File) [][]*delta.File {
	var out [][]*delta.File
	var size int64
	from := 0
	for i, f := range files {
		if i > from && (i-from >= t.chunkFiles || size+f.Size > chunkBytes) {
			out = append(out, files[from:i])
			from, size = i, 0
		}
		size += f.Size
	}
	if from < len(files) {
		out = append(out, files[from:])
	}
	return out
}

// found is what a condition selects: whole files, and rows of others.
type found struct {
	whole []*delta.File
	files []*delta.File // those with marked rows
	rows  marks
	prune *pruner
}

// find returns the rows for which a condition is true. One over partition columns only is answered by the log.
func (j *job) find(where Condition, alias string) (*found, error) {
	target := j.targetOf(alias)
	t, err := j.translate([]item{{column(target, fileColumn), fileColumn}, {column(target, rowColumn), rowColumn}}, target.ref(), where.X, where.Params, target)
	if err != nil {
		return nil, err
	}
	files, err := j.candidates(t.predicates)
	if err != nil {
		return nil, err
	}
	out := &found{rows: marks{}, prune: j.pruner(t.predicates)}
	if j.onlyPartitions(t.used) && !volatile(where.X) {
		out.whole, err = j.inPartitions(t, files)
		return out, err
	}
	for _, chunk := range j.t.chunks(files) {
		if err := j.findIn(t, chunk, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// onlyPartitions says whether the used columns are partition columns or hidden.
func (j *job) onlyPartitions(used map[string]bool) bool {
	for name := range used {
		isKey := slices.ContainsFunc(j.snapshot.PartitionBy(), func(by string) bool { return strings.EqualFold(by, name) })
		if !isKey && name != fileColumn && name != rowColumn && name != hitColumn {
			return false
		}
	}
	return true
}

// volatile says whether an expression may differ from row to row that are the same.
func volatile(x sql.Expr) bool {
	text := strings.ToLower(sql.PrintExpr(x))
	return x != nil && (strings.Contains(text, "random(") || strings.Contains(text, "rand(") || strings.Contains(text, "uuid("))
}

// inPartitions are the files whose partition fulfils the condition of t.
func (j *job) inPartitions(t *translated, files []*delta.File) ([]*delta.File, error) {
	by := j.snapshot.PartitionBy()
	list, of := partitions(files, by)
	var whole []*delta.File
	const at = 500 // of a statement
	for from := 0; from < len(list); from += at {
		part := list[from:min(from+at, len(list))]
		var rows []string
		for i, p := range part {
			items, err := j.columns(j.schema, &columnar.Schema{}, p)
			if err != nil {
				return nil, err
			}
			rows = append(rows, fmt.Sprintf("SELECT %s, %d AS %s, 0 AS %s, 0 AS %s", strings.Join(items, ", "), i, fileColumn, rowColumn, hitColumn))
		}
		b, err := j.t.opts.DB.Query(j.ctx, with(t.text, targetName, strings.Join(rows, "\nUNION ALL\n")))
		if err != nil {
			return nil, err
		}
		for i := range b.Len {
			whole = append(whole, of[partitionKey(part[b.Columns[0].Int(i)], by)]...)
		}
	}
	return whole, nil
}

func (j *job) findIn(t *translated, files []*delta.File, out *found) error {
	inputs, err := j.open(files)
	if err != nil {
		return err
	}
	defer drop(inputs)
	query, tables, err := j.target(inputs, nil)
	if err != nil {
		return err
	}
	b, err := j.t.opts.DB.Query(j.ctx, with(t.text, targetName, query), tables...)
	if err != nil {
		return err
	}
	for i := range b.Len {
		out.rows.add(inputs[b.Columns[0].Int(i)].file.Path, b.Columns[1].Int(i), 1)
	}
	for _, in := range inputs {
		switch n := out.rows.count(in.file.Path); {
		case n == 0:
		case n == in.rows-in.gone.Cardinality():
			out.whole = append(out.whole, in.file)
			fallthrough
		default:
			out.files = append(out.files, in.file)
		}
	}
	return nil
}
