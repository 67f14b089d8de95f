package duckdb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// stateTable is a table of state with the types of its columns: those in steps and those in files.
type stateTable struct {
	spec    *batch.StateSpec
	schema  *columnar.Schema
	columns []stateColumn
}

type stateColumn struct{ name, sqlType, fileType string }

// stateTable asks for the columns of the step that the state is like, which is there as a table.
func (r *Runner) stateTable(ctx context.Context, spec *batch.StateSpec) (*stateTable, error) {
	from := "SELECT * FROM " + quoteName(spec.Like)
	results, err := r.conn.results(from)
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", spec.Name, err)
	}
	types, err := r.conn.query(ctx, "SELECT column_type FROM (DESCRIBE "+from+")")
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", spec.Name, err)
	}
	s := &stateTable{spec: spec, schema: &columnar.Schema{}}
	for i, res := range results {
		t := string(types.Columns[0].Bytes(i))
		s.schema.Fields = append(s.schema.Fields, res.field)
		s.columns = append(s.columns, stateColumn{quoteName(res.field.Name), t, fileType(t)})
	}
	if spec.Until != "" && s.schema.Index(spec.Until) < 0 {
		return nil, fmt.Errorf("state %s has no column %s", spec.Name, spec.Until)
	}
	return s, nil
}

// fileType is the type that keeps all values of type t in Parquet, where DuckDB would make integers of 128 bits doubles.
func fileType(t string) string {
	var b strings.Builder
	for len(t) > 0 {
		size := tokenSize(t)
		switch token := t[:size]; token {
		case "HUGEINT", "UHUGEINT":
			b.WriteString("DECIMAL(38,0)")
		default:
			b.WriteString(token)
		}
		t = t[size:]
	}
	return b.String()
}

// read is the SELECT of the rows of files that are still seen after a watermark, an SQL expression; empty: all. The newest file comes
// last: the columns are its, and older ones may have more.
func (s *stateTable) read(files []string, after string) string {
	var columns []string
	for _, c := range s.columns {
		value := c.name
		if len(files) == 0 {
			value = "NULL"
		}
		columns = append(columns, "CAST("+value+" AS "+c.sqlType+") AS "+c.name)
	}
	sql := "SELECT " + strings.Join(columns, ", ")
	if len(files) == 0 {
		return sql + " WHERE false"
	}
	sql += " FROM " + readParquet(files)
	if s.spec.Until == "" || after == "" {
		return sql
	}
	until := quoteName(s.spec.Until)
	return sql + " WHERE " + until + " > " + after + " OR " + until + " IS NULL"
}

func readParquet(files []string) string {
	var list []string
	for _, f := range slices.Backward(files) { // DuckDB takes the columns of the first
		list = append(list, quoteText(escapeGlob(f)))
	}
	return "read_parquet([" + strings.Join(list, ", ") + "], hive_partitioning = false)"
}

// escapeGlob makes a path stand for itself where DuckDB takes patterns.
func escapeGlob(path string) string {
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(path)
}

// stateWriter writes the files by which one state changes in a batch.
type stateWriter struct {
	conn  *conn
	table *stateTable
	in    *batch.RunInput
	kept  []batch.StateRun // of the version before, and not merged
	added []batch.StateRun
}

// runsOf are the runs of the state among those of a version.
func (s *stateTable) runsOf(all []batch.StateRun) []batch.StateRun {
	var runs []batch.StateRun
	for _, run := range all {
		if run.State == s.spec.Name && run.Rows > 0 {
			runs = append(runs, run)
		}
	}
	return runs
}

// paths are the files of runs in dir.
func paths(dir string, runs []batch.StateRun) []string {
	var all []string
	for _, run := range runs {
		all = append(all, filepath.Join(dir, run.File))
	}
	return all
}

// files are those that hold the state after the batch.
func (w *stateWriter) files() []string {
	return append(paths(w.in.State.Dir, w.kept), paths(w.in.StateDir, w.added)...)
}

// write puts the rows of sql into a file; a run without rows has none.
func (w *stateWriter) write(ctx context.Context, sql string) (batch.StateRun, error) {
	run := batch.StateRun{State: w.table.spec.Name, File: fmt.Sprintf("%s-%d.parquet", w.table.spec.Name, len(w.added))}
	var columns []string
	for _, c := range w.table.columns {
		columns = append(columns, "CAST("+c.name+" AS "+c.fileType+") AS "+c.name)
	}
	path := filepath.Join(w.in.StateDir, run.File)
	stats, err := w.conn.query(ctx, "COPY (SELECT "+strings.Join(columns, ", ")+" FROM (\n"+sql+"\n)) TO "+quoteText(path)+
		" (FORMAT parquet, COMPRESSION lz4_raw, RETURN_STATS)")
	if err != nil {
		return run, fmt.Errorf("write state %s: %w", w.table.spec.Name, err)
	}
	run.Rows = int64(stats.Columns[stats.Schema.Index("count")].Int128(0).Lo)
	run.Bytes = int64(stats.Columns[stats.Schema.Index("file_size_bytes")].Int128(0).Lo)
	if run.Rows == 0 {
		run.File, run.Bytes = "", 0
		return run, os.Remove(path)
	}
	if until := w.table.spec.Until; until != "" {
		run.Until = greatestUntil(textMaps(stats.Columns[stats.Schema.Index("column_statistics")], 0)[quoteName(until)])
	}
	return run, nil
}

// update writes what the batch adds, or all of a state that is replaced.
func (w *stateWriter) update(ctx context.Context) (rows int64, err error) {
	run, err := w.write(ctx, "SELECT * FROM "+quoteName(w.table.spec.Update))
	if err != nil {
		return 0, err
	}
	if w.table.spec.Replace {
		run.Replaces, w.kept = true, nil
	}
	if run.Rows > 0 || run.Replaces {
		w.added = append(w.added, run)
	}
	return run.Rows, nil
}

// merge draws runs together, without the rows that the watermark has passed, and returns how many.
func (w *stateWriter) merge(ctx context.Context, runs []batch.StateRun) (int, error) {
	if len(runs) == 0 {
		return 0, nil
	}
	compact := w.table.spec.Compact
	if compact == "" {
		compact = "SELECT * FROM runs"
	}
	run, err := w.write(ctx, "WITH runs AS NOT MATERIALIZED ("+w.table.read(paths(w.in.State.Dir, runs), "weir_watermark()")+")\n"+
		"SELECT * FROM (\n"+trimQuery(compact)+"\n)")
	if err != nil {
		return 0, err
	}
	for _, r := range runs {
		run.Merges = append(run.Merges, r.File)
		w.kept = slices.DeleteFunc(w.kept, func(k batch.StateRun) bool { return k.File == r.File })
	}
	w.added = append(w.added, run)
	return len(runs), nil
}

// count is the number of rows of files with a condition on what they are seen until.
func (w *stateWriter) count(ctx context.Context, files []string, condition string) (int64, error) {
	if len(files) == 0 {
		return 0, nil
	}
	b, err := w.conn.query(ctx, "SELECT count(*) FROM "+readParquet(files)+" WHERE "+condition)
	if err != nil {
		return 0, fmt.Errorf("count state %s: %w", w.table.spec.Name, err)
	}
	return b.Columns[0].Int(0), nil
}

// greatestUntil reads the bounds of a column; zero if it has nulls or bounds that are no time.
func greatestUntil(stats map[string]*string) time.Time {
	nulls, most := stats["null_count"], stats["max"]
	if nulls == nil || *nulls != "0" || most == nil {
		return time.Time{}
	}
	t, err := time.Parse("2006-01-02 15:04:05.999999", strings.TrimSuffix(*most, "+00"))
	if err != nil {
		return time.Time{}
	}
	return t
}
