package duckdb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
)

// Table is rows that a statement reads under a name.
type Table struct {
	Name   string
	Schema *columnar.Schema
	Rows   []*columnar.Batch
}

// CopyOptions say what files Copy writes.
type CopyOptions struct {
	Dir         string           // an existing folder below Options.Dirs
	Columns     *columnar.Schema // of the files, by name among those of the query; their values are cast
	PartitionBy []string         // columns of the query that are left out of the files, which hold rows with the same values of them
	Compression string           // snappy (default) | zstd | gzip | uncompressed
	FileBytes   int64            // a file that has grown beyond this is followed by another; 0: one file
	// Serial says that several Copies run beside each other: each is then run by one thread, as threads that share a small one are in each
	// other's way.
	Serial bool
	// FieldID gives the field ids that files carry; nil: none.
	FieldID func(*columnar.Field) (int32, bool)
}

// CopiedFile is a file that Copy wrote. The bounds are by column name, with a map[string]any for a struct; a bound is a
// json.Number, a bool or text, as in batch.ColumnStats.
type CopiedFile struct {
	Path           string
	Partition      map[string]*string // DuckDB's text of the values
	Rows, Size     int64
	Min, Max, Null map[string]any
}

// Query runs a statement over tables and Parquet files below Options.Dirs, and returns all of its result. The statement is the
// program's own: what a user wrote must have gone through package sql.
func (d *DB) Query(ctx context.Context, sql string, tables ...Table) (*columnar.Batch, error) {
	c, err := d.take(ctx)
	if err != nil {
		return nil, err
	}
	defer d.give(c)
	with, done := withTables(tables)
	defer done()
	return c.query(ctx, with+"SELECT * FROM (\n"+sql+"\n)")
}

// withTables makes tables readable by their names for statements that begin with what it returns.
func withTables(tables []Table) (with string, done func()) {
	parts := make([]tablePart, len(tables))
	for i, t := range tables {
		parts[i] = tablePart{t.Name, t.Schema, piecesOf(t.Rows)}
	}
	return withParts(parts)
}

// tablePart is some rows of a table.
type tablePart struct {
	name   string
	schema *columnar.Schema
	pieces []piece
}

// withParts is withTables for parts of tables.
func withParts(parts []tablePart) (with string, done func()) {
	with, _, done = withRows(parts, "")
	return with, done
}

// withRows is withParts with the numbers of rows as another column of each table, called row unless that is empty.
func withRows(parts []tablePart, row string) (with string, scans []*scan, done func()) {
	var items []string
	for _, p := range parts {
		s := openScan(p.schema, p.pieces)
		s.row = row
		scans = append(scans, s)
		// Not materialized, so that columns that the query does not use are never read.
		items = append(items, quoteName(p.name)+" AS NOT MATERIALIZED (SELECT * FROM "+s.call()+")")
	}
	done = func() {
		for _, s := range scans {
			s.close()
		}
	}
	if len(items) == 0 {
		return "", scans, done
	}
	return "WITH " + strings.Join(items, ", ") + "\n", scans, done
}

// withSteps adds steps to what withTables returned.
func withSteps(with string, steps []batch.Step) string {
	for _, s := range steps {
		if with == "" {
			with = "WITH "
		} else {
			with = strings.TrimSuffix(with, "\n") + ", "
		}
		with += quoteName(s.Name) + " AS NOT MATERIALIZED (\n" + trimQuery(s.SQL) + "\n)\n"
	}
	return with
}

// Copy writes the result of a query as Query runs it into Parquet files with statistics. No file is without rows. After an error
// some files may lie in the folder.
func (d *DB) Copy(ctx context.Context, sql string, opts CopyOptions, tables ...Table) ([]CopiedFile, error) {
	return d.copy(ctx, sql, opts, fieldIDs(opts.Columns.Fields, opts.FieldID), tables)
}

// copy is Copy with the field ids as DuckDB's option has them.
func (d *DB) copy(ctx context.Context, sql string, opts CopyOptions, ids string, tables []Table) ([]CopiedFile, error) {
	if opts.Serial {
		var err error
		if d, err = d.serial(); err != nil {
			return nil, err
		}
	}
	c, err := d.take(ctx)
	if err != nil {
		return nil, err
	}
	defer d.give(c)
	with, done := withTables(tables)
	defer done()
	columns := fileColumns(opts.Columns.Fields)
	if len(opts.PartitionBy) == 0 {
		return c.copy(ctx, with+"SELECT "+columns+" FROM (\n"+sql+"\n)", opts, ids)
	}
	return d.partitions(c, opts, ids).write(ctx, with+"SELECT "+columns+", "+asTexts(opts.PartitionBy)+" FROM (\n"+sql+"\n)", "")
}

// asTexts are columns as DuckDB's text of them.
func asTexts(names []string) string {
	var all []string
	for _, name := range names {
		all = append(all, "CAST("+quoteName(name)+" AS VARCHAR) AS "+quoteName(name))
	}
	return strings.Join(all, ", ")
}

// fileColumns are the expressions of columns as files have them.
func fileColumns(fields []columnar.Field) string {
	var all []string
	for _, f := range fields {
		q := quoteName(f.Name)
		if f.Type.Kind == columnar.Timestamp { // a cast would go through a calendar
			all = append(all, "make_timestamptz(epoch_us("+q+")) AS "+q)
			continue
		}
		all = append(all, "CAST("+q+" AS "+sqlType(f.Type)+") AS "+q)
	}
	return strings.Join(all, ", ")
}

// copy writes the rows of sql, which has the columns of the files, into the folder opts.Dir, which it makes.
func (c *conn) copy(ctx context.Context, sql string, opts CopyOptions, ids string) ([]CopiedFile, error) {
	if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
		return nil, err
	}
	options := []string{"FORMAT parquet", "RETURN_STATS", "COMPRESSION " + compression(opts.Compression), "ROW_GROUP_SIZE_BYTES '" + rowGroupBytes + "'"}
	target := filepath.Join(opts.Dir, "data.parquet")
	if opts.FileBytes > 0 {
		target = filepath.Join(opts.Dir, "data")
		options = append(options, fmt.Sprintf("FILE_SIZE_BYTES %d", opts.FileBytes))
	}
	if ids != "" {
		options = append(options, "FIELD_IDS "+ids)
	}
	stats, err := c.query(ctx, "COPY ("+sql+") TO "+quoteText(target)+" ("+strings.Join(options, ", ")+")")
	if err != nil {
		return nil, err
	}
	return filesOf(stats, opts.Columns.Fields)
}

// bounds fills the statistics of fields and what is below them from DuckDB's, which have paths of quoted names.
func (c *CopiedFile) bounds(fields []columnar.Field, prefix string, raw map[string]map[string]*string, low, high, null map[string]any) {
	for _, f := range fields {
		path := prefix + quoteName(f.Name)
		if f.Type.Kind == columnar.Struct {
			l, h, n := map[string]any{}, map[string]any{}, map[string]any{}
			c.bounds(f.Type.Fields, path+".", raw, l, h, n)
			low[f.Name], high[f.Name], null[f.Name] = l, h, n
			continue
		}
		values := raw[path]
		if text := values["null_count"]; text != nil {
			if n, err := strconv.ParseInt(*text, 10, 64); err == nil {
				null[f.Name] = n
			}
		}
		if nan := values["has_nan"]; nan != nil && *nan != "false" {
			continue
		}
		l, h := boundOf(f.Type.Kind, values["min"]), boundOf(f.Type.Kind, values["max"])
		if l != nil && h != nil {
			low[f.Name], high[f.Name] = l, h
		}
	}
}

// fieldIDs writes DuckDB's FIELD_IDS option, empty if there is none to set.
func fieldIDs(fields []columnar.Field, id func(*columnar.Field) (int32, bool)) string {
	if id == nil {
		return ""
	}
	var items []string
	for i := range fields {
		if x := fieldIDsOf(&fields[i], id); x != "" {
			items = append(items, quoteName(fields[i].Name)+": "+x)
		}
	}
	if len(items) == 0 {
		return ""
	}
	return "{" + strings.Join(items, ", ") + "}"
}

// fieldIDsOf is the id of a field, with those below it, or empty.
func fieldIDsOf(f *columnar.Field, id func(*columnar.Field) (int32, bool)) string {
	below := slices.Clone(f.Type.Fields)
	for i, name := range map[columnar.Kind][]string{columnar.List: {"element"}, columnar.Map: {"key", "value"}}[f.Type.Kind] {
		below[i].Name = name
	}
	text := fieldIDs(below, id)
	n, ok := id(f)
	switch {
	case !ok:
		return text
	case text == "":
		return strconv.Itoa(int(n))
	}
	return fmt.Sprintf("{__duckdb_field_id: %d, %s", n, text[1:])
}
