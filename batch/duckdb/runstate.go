package duckdb

import (
	"context"
	"errors"
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

// stateColumn is a column with its type in steps, and the types that it is kept in: narrow where the values fit.
type stateColumn struct{ name, sqlType, narrow, wide string }

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
		s.columns = append(s.columns, stateColumn{quoteName(res.field.Name), t, fileType(t, "BIGINT"), fileType(t, "DECIMAL(38,0)")})
	}
	if spec.Until != "" && s.schema.Index(spec.Until) < 0 {
		return nil, fmt.Errorf("state %s has no column %s", spec.Name, spec.Until)
	}
	return s, nil
}

// fileType is type t with another for integers of 128 bits, of which DuckDB would make doubles in Parquet.
func fileType(t, huge string) string {
	var b strings.Builder
	for len(t) > 0 {
		size := tokenSize(t)
		switch token := t[:size]; token {
		case "HUGEINT", "UHUGEINT":
			b.WriteString(huge)
		default:
			b.WriteString(token)
		}
		t = t[size:]
	}
	return b.String()
}

// read is the SELECT of the rows of runs in dir that are still seen after a watermark, which sql is in SQL; the zero time is before all. Rows for which where,
// conditions over the columns of files, are false are left out.
func (s *stateTable) read(dir string, runs []batch.StateRun, after time.Time, sql string, where ...string) string {
	var columns []string
	for _, c := range s.columns {
		value := c.name
		if len(runs) == 0 {
			value = "NULL"
		}
		columns = append(columns, "CAST("+value+" AS "+c.sqlType+") AS "+c.name)
	}
	text := "SELECT " + strings.Join(columns, ", ")
	if len(runs) == 0 {
		return text + " WHERE false"
	}
	text += " FROM " + readParquet(paths(dir, runs))
	if slices.ContainsFunc(runs, func(r batch.StateRun) bool { return !r.From.After(after) }) {
		if seen := s.seenAfter("", sql); seen != "" {
			where = append(where, seen)
		}
	}
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	return text
}

// StateSQL is a SELECT, for Query, of the rows of runs of a state in dir that are still seen after a watermark, those that belong
// together drawn together.
func StateSQL(spec *batch.StateSpec, schema *columnar.Schema, dir string, runs []batch.StateRun, watermark time.Time) string {
	s := &stateTable{spec: spec, schema: schema}
	for _, f := range schema.Fields {
		s.columns = append(s.columns, stateColumn{name: quoteName(f.Name), sqlType: rowType(f.Type)})
	}
	rows := s.read(dir, runs, watermark, timestampSQL(watermark))
	if spec.Compact == "" {
		return rows
	}
	return "WITH runs AS NOT MATERIALIZED (" + rows + ")\nSELECT * FROM (\n" + trimQuery(spec.Compact) + "\n)"
}

// seenAfter is the condition, after a word, that a row is seen after a watermark; empty if rows stay for ever.
func (s *stateTable) seenAfter(word, watermark string) string {
	if s.spec.Until == "" {
		return ""
	}
	until := quoteName(s.spec.Until)
	return word + "(" + until + " > " + watermark + " OR " + until + " IS NULL)"
}

// readParquet takes files whose columns are in any order, and may be of another width or missing in some.
func readParquet(files []string) string {
	var list []string
	for _, f := range files {
		list = append(list, quoteText(escapeGlob(f)))
	}
	return "read_parquet([" + strings.Join(list, ", ") + "], union_by_name = true, hive_partitioning = false)"
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

// write puts the rows of sql into a file, in row groups of so many rows, 0 for the usual; a run without rows has none.
func (w *stateWriter) write(ctx context.Context, sql string, groupRows int64) (batch.StateRun, error) {
	name := fmt.Sprintf("%s-%d.parquet", fileName(w.table.spec.Name), len(w.added))
	run := batch.StateRun{State: w.table.spec.Name, File: name, Batch: w.in.Batch}
	path := filepath.Join(w.in.StateDir, name)
	var narrow, wide []string
	for _, c := range w.table.columns {
		narrow, wide = append(narrow, "CAST("+c.name+" AS "+c.narrow+") AS "+c.name), append(wide, "CAST("+c.name+" AS "+c.wide+") AS "+c.name)
	}
	stats, err := w.copy(ctx, narrow, sql, path, groupRows)
	if err != nil && ctx.Err() == nil && !slices.Equal(narrow, wide) && !errors.Is(err, ErrMemory) {
		stats, err = w.copy(ctx, wide, sql, path, groupRows)
	}
	if err != nil {
		return run, fmt.Errorf("write state %s: %w", run.State, err)
	}
	run.Rows = int64(stats.Columns[stats.Schema.Index("count")].Int128(0).Lo)
	run.Bytes = int64(stats.Columns[stats.Schema.Index("file_size_bytes")].Int128(0).Lo)
	if run.Rows == 0 {
		run.File, run.Bytes = "", 0
		return run, os.Remove(path)
	}
	if until := w.table.spec.Until; until != "" {
		run.From, run.Until = boundsOf(textMaps(stats.Columns[stats.Schema.Index("column_statistics")], 0)[quoteName(until)])
	}
	return run, nil
}

// copy writes the file. A dictionary is only tried for columns of few values, as most keys have many.
func (w *stateWriter) copy(ctx context.Context, columns []string, sql, path string, groupRows int64) (*columnar.Batch, error) {
	options := "FORMAT parquet, COMPRESSION lz4_raw, DICTIONARY_SIZE_LIMIT 100, RETURN_STATS"
	if groupRows > 0 {
		options += fmt.Sprintf(", ROW_GROUP_SIZE %d", groupRows)
	}
	return w.conn.query(ctx, "COPY (SELECT "+strings.Join(columns, ", ")+" FROM (\n"+sql+"\n)) TO "+quoteText(path)+" ("+options+")")
}

// fileName makes a state's name one for files.
func fileName(state string) string {
	return strings.Map(func(c rune) rune {
		if c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80 {
			return c
		}
		return '_'
	}, state[:min(len(state), 100)])
}

// update writes what the batch adds, or all of a state that is replaced.
func (w *stateWriter) update(ctx context.Context) (rows int64, err error) {
	run, err := w.write(ctx, "SELECT * FROM "+quoteName(w.table.spec.Update), 0)
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
	rows := w.table.read(w.in.State.Dir, runs, w.in.Watermark, "weir_watermark()")
	merged, done, err := w.compacted(ctx, rows, runs)
	if err != nil {
		return 0, fmt.Errorf("merge state %s: %w", w.table.spec.Name, err)
	}
	var groupRows int64
	if order := w.table.order(); order != "" {
		merged, groupRows = "SELECT * FROM (\n"+merged+"\n)"+order, sortedGroup(runs)
	}
	run, err := w.write(ctx, merged, groupRows)
	if err := errors.Join(err, done()); err != nil {
		return 0, err
	}
	run.Sorted = groupRows > 0
	for _, r := range runs {
		run.Merges = append(run.Merges, r.File)
		run.MergedRows += r.Rows
		w.kept = slices.DeleteFunc(w.kept, func(k batch.StateRun) bool { return k.File == r.File })
	}
	w.added = append(w.added, run)
	return len(runs), nil
}

const mergedTable = "weir_merged"

// mergeRowsMax is the number of rows that are drawn together at a time: more are taken in parts, by their keys. Tests lower it.
var mergeRowsMax int64 = 1 << 20

// keys are the columns of the state's keys, nil if they are no columns.
func (s *stateTable) keys() []string {
	var keys []string
	for _, k := range s.spec.Keys {
		if s.schema.Index(k) < 0 {
			return nil
		}
		keys = append(keys, quoteName(k))
	}
	return keys
}

// compacted is a SELECT of rows, those of runs, drawn together. The caller calls done when it is through.
func (w *stateWriter) compacted(ctx context.Context, rows string, runs []batch.StateRun) (sql string, done func() error, err error) {
	done = func() error { return nil }
	if w.table.spec.Compact == "" {
		return rows, done, nil
	}
	part := func(where string) string {
		return "WITH runs AS NOT MATERIALIZED (SELECT * FROM (" + rows + ")" + where + ")\nSELECT * FROM (\n" + trimQuery(w.table.spec.Compact) + "\n)"
	}
	var total int64
	for _, r := range runs {
		total += r.Rows
	}
	parts, keys := (total+mergeRowsMax-1)/mergeRowsMax, w.table.keys()
	if parts <= 1 || len(keys) == 0 {
		return part(""), done, nil
	}
	for i := range parts {
		text := part(fmt.Sprintf(" WHERE hash(%s) %% %d = %d", strings.Join(keys, ", "), parts, i))
		if i == 0 {
			text = "CREATE TEMP TABLE " + mergedTable + " AS " + text
			done = func() error { return w.conn.exec(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+mergedTable) }
		} else {
			text = "INSERT INTO " + mergedTable + " " + text
		}
		if err := w.conn.exec(ctx, text); err != nil {
			return "", nil, errors.Join(err, done())
		}
	}
	return "SELECT * FROM " + mergedTable, done, nil
}

// count is the number of rows of runs in dir that a watermark has not passed. Only files of which it has passed a part are looked at.
func (w *stateWriter) count(ctx context.Context, dir string, runs []batch.StateRun, watermark time.Time, sql string) (int64, error) {
	var rows int64
	var partly []batch.StateRun
	for _, run := range runs {
		switch {
		case run.Rows == 0:
		case run.Until.IsZero() && w.table.spec.Until != "":
			partly = append(partly, run)
		case run.Until.IsZero() || run.From.After(watermark):
			rows += run.Rows
		case run.Until.After(watermark):
			partly = append(partly, run)
		}
	}
	if len(partly) == 0 {
		return rows, nil
	}
	b, err := w.conn.query(ctx, "SELECT count(*) FROM "+readParquet(paths(dir, partly))+w.table.seenAfter(" WHERE ", sql))
	if err != nil {
		return 0, fmt.Errorf("count state %s: %w", w.table.spec.Name, err)
	}
	return rows + b.Columns[0].Int(0), nil
}

// seen is the number of rows of what there was, and of what was added, that a watermark has not passed.
func (w *stateWriter) seen(ctx context.Context, before []batch.StateRun, watermark time.Time, sql string) (int64, error) {
	old, err := w.count(ctx, w.in.State.Dir, before, watermark, sql)
	if err != nil {
		return 0, err
	}
	now, err := w.count(ctx, w.in.StateDir, w.added, watermark, sql)
	return old + now, err
}

// boundsOf reads the bounds of a column; zero if it has nulls or bounds that are no times.
func boundsOf(stats map[string]*string) (least, greatest time.Time) {
	if nulls := stats["null_count"]; nulls == nil || *nulls != "0" {
		return time.Time{}, time.Time{}
	}
	least, greatest = statsTime(stats["min"]), statsTime(stats["max"])
	if least.IsZero() || greatest.IsZero() {
		return time.Time{}, time.Time{}
	}
	return least, greatest
}

func statsTime(text *string) time.Time {
	if text == nil {
		return time.Time{}
	}
	t, err := time.Parse("2006-01-02 15:04:05.999999", strings.TrimSuffix(*text, "+00"))
	if err != nil {
		return time.Time{}
	}
	return t
}
