package duckdb

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// quote writes a text as a SQL literal, ident a name as a quoted identifier.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// variable is the name of the session variable that holds a list of a binding: its files, the values of a partition
// column, or the shown paths.
func variable(binding, what string, i int) string {
	return fmt.Sprintf("weir_%s_%s_%d", binding, what, i)
}

// view is the statement that defines a binding's table.
func view(b *query.Binding) (string, error) {
	name := ident(b.Name)
	if b.Format == query.Inline {
		return "CREATE TEMP VIEW " + name + " AS " + inline(b), nil
	}
	if len(b.Files) == 0 {
		return "CREATE TEMP VIEW " + name + " AS " + empty(b), nil
	}
	scan, err := scanOf(b)
	if err != nil {
		return "", err
	}
	var cols []string
	for _, c := range b.Columns {
		cols = append(cols, column(b, c))
	}
	for i, p := range b.Partitions {
		cols = append(cols, fmt.Sprintf("%s AS %s", perFile(b, "part", i, p.Type), ident(p.Name)))
	}
	if b.Paths != nil {
		cols = append(cols, perFile(b, "path", 0, sql.Type{Name: "varchar"})+` AS "$path"`)
	}
	return "CREATE TEMP VIEW " + name + " AS SELECT " + strings.Join(cols, ", ") + " FROM " + scan, nil
}

// perFile is a value that is the same for all rows of a file: one constant if all files agree, else looked up by the
// file's number.
func perFile(b *query.Binding, what string, i int, t sql.Type) string {
	v := "getvariable(" + quote(variable(b.Name, what, i)) + ")"
	if what == "part" && constant(b.Partitions[i].Values) {
		return literal(b.Partitions[i].Values[0], t)
	}
	return v + "[CAST(file_index AS BIGINT) + 1]"
}

func constant(values []*string) bool {
	for _, v := range values {
		if (v == nil) != (values[0] == nil) || v != nil && *v != *values[0] {
			return false
		}
	}
	return len(values) > 0
}

func literal(v *string, t sql.Type) string {
	if v == nil {
		return "CAST(NULL AS " + t.DuckDB() + ")"
	}
	return "CAST(" + quote(*v) + " AS " + t.DuckDB() + ")"
}

// settings are the variables that view refers to.
func settings(b *query.Binding) []string {
	if len(b.Files) == 0 {
		return nil
	}
	list := func(values []string) string { return "[" + strings.Join(values, ",") + "]" }
	quoted := func(values []string) []string {
		out := make([]string, len(values))
		for i, v := range values {
			out[i] = quote(v)
		}
		return out
	}
	set := func(what string, i int, value string) string {
		return "SET VARIABLE " + ident(variable(b.Name, what, i)) + " = " + value
	}
	out := []string{set("files", 0, list(quoted(b.Files)))}
	for i, p := range b.Partitions {
		if constant(p.Values) {
			continue
		}
		values := make([]string, len(p.Values))
		for j, v := range p.Values {
			if values[j] = "NULL"; v != nil {
				values[j] = quote(*v)
			}
		}
		out = append(out, set("part", i, "CAST("+list(values)+" AS "+p.Type.DuckDB()+"[])"))
	}
	if b.Paths != nil {
		out = append(out, set("path", 0, list(quoted(b.Paths))))
	}
	return out
}

// scanOf is the table function that reads a binding's files.
func scanOf(b *query.Binding) (string, error) {
	files := "getvariable(" + quote(variable(b.Name, "files", 0)) + ")"
	switch b.Format {
	case query.Parquet:
		var cols []string
		for _, c := range b.Columns {
			cols = append(cols, fmt.Sprintf("%s: {'name': %s, 'type': %s, 'default_value': NULL}", quote(fileName(c)), quote(c.Name), quote(c.Type.DuckDB())))
		}
		if len(cols) == 0 {
			return "read_parquet(" + files + ", union_by_name = true)", nil
		}
		return "read_parquet(" + files + ", schema = MAP {" + strings.Join(cols, ", ") + "})", nil
	case query.JSON:
		var cols []string
		for _, c := range b.Columns {
			cols = append(cols, quote(fileName(c))+": "+quote(c.Type.DuckDB()))
		}
		ignore := ""
		if b.IgnoreMalformed {
			ignore = ", ignore_errors = true"
		}
		return "read_json(" + files + ", format = 'newline_delimited', columns = {" + strings.Join(cols, ", ") + "}, maximum_object_size = 33554432" + ignore + ")", nil
	case query.CSV:
		var cols []string
		for _, c := range b.Columns {
			cols = append(cols, quote(c.Name)+": 'VARCHAR'")
		}
		o := b.CSV
		null := ""
		if o.Null != "" {
			null = ", nullstr = " + quote(o.Null)
		}
		return fmt.Sprintf("read_csv(%s, auto_detect = false, header = false, delim = %s, quote = %s, escape = %s, skip = %d, columns = {%s}, null_padding = true, strict_mode = false, max_line_size = 33554432%s)",
			files, quote(o.Delimiter), quote(o.Quote), quote(o.Escape), o.SkipLines, strings.Join(cols, ", "), null), nil
	}
	return "", fmt.Errorf("format %q is not supported", b.Format)
}

func fileName(c query.BoundColumn) string {
	if c.File != "" {
		return c.File
	}
	return c.Name
}

// column is one column of the scan as the table has it: text files hold text, of which what does not parse is NULL.
func column(b *query.Binding, c query.BoundColumn) string {
	from := ident(c.Name)
	if b.Format == query.JSON {
		from = ident(fileName(c))
	}
	if b.Format == query.CSV {
		return csvColumn(b, c, from) + " AS " + ident(c.Name)
	}
	return from + " AS " + ident(c.Name)
}

func csvColumn(b *query.Binding, c query.BoundColumn, from string) string {
	switch {
	case c.Type.Name == "varchar" || c.Type.Name == "char":
		if b.CSV.AllText {
			return "coalesce(" + from + ", '')"
		}
		return from
	case c.Type.Name == "boolean":
		return "CASE lower(" + from + ") WHEN 'true' THEN true WHEN 'false' THEN false END"
	}
	return "TRY_CAST(trim(" + from + ") AS " + c.Type.DuckDB() + ")"
}

// empty is a table with the right columns and no rows.
func empty(b *query.Binding) string {
	var cols []string
	for _, c := range b.Columns {
		cols = append(cols, literal(nil, c.Type)+" AS "+ident(c.Name))
	}
	for _, p := range b.Partitions {
		cols = append(cols, literal(nil, p.Type)+" AS "+ident(p.Name))
	}
	if b.Paths != nil {
		cols = append(cols, `CAST(NULL AS VARCHAR) AS "$path"`)
	}
	return "SELECT " + strings.Join(cols, ", ") + " LIMIT 0"
}

// inline is a table whose rows stand in the request.
func inline(b *query.Binding) string {
	if len(b.Rows) == 0 {
		return empty(b)
	}
	var rows, cols []string
	for _, r := range b.Rows {
		cells := make([]string, len(r))
		for i, v := range r {
			cells[i] = quote(v)
		}
		rows = append(rows, "("+strings.Join(cells, ", ")+")")
	}
	for i, c := range b.Columns {
		cols = append(cols, "CAST(c"+strconv.Itoa(i)+" AS "+c.Type.DuckDB()+") AS "+ident(c.Name))
	}
	var names []string
	for i := range b.Columns {
		names = append(names, "c"+strconv.Itoa(i))
	}
	return "SELECT " + strings.Join(cols, ", ") + " FROM (VALUES " + strings.Join(rows, ", ") + ") AS t(" + strings.Join(names, ", ") + ")"
}

// copyStatement writes the result of text to files.
func copyStatement(text string, c *query.Copy) string {
	var items, parts []string
	for i, name := range c.Columns {
		items = append(items, fmt.Sprintf("c%d AS %s", i, ident(name)))
	}
	names := make([]string, len(c.Columns))
	for i := range names {
		names[i] = "c" + strconv.Itoa(i)
	}
	options := "FORMAT " + c.Format + ", RETURN_STATS"
	switch {
	case c.Format == "parquet" && c.Compression != "":
		options += ", COMPRESSION " + c.Compression
	case c.Compression == "gzip":
		options += ", COMPRESSION gzip"
	}
	ext := map[string]string{"parquet": "parquet", "json": "json", "csv": "csv"}[c.Format]
	if c.Format != "parquet" && c.Compression == "gzip" {
		ext += ".gz"
	}
	if c.Format == "csv" {
		options += ", HEADER false, QUOTE '', ESCAPE '', NULLSTR '\\N', DELIMITER " + quote(c.Delimiter)
	}
	target := c.Dir + "/part." + ext
	if len(c.PartitionBy) > 0 {
		for _, p := range c.PartitionBy {
			parts = append(parts, ident(p))
		}
		target = c.Dir
		options += ", PARTITION_BY (" + strings.Join(parts, ", ") + "), FILENAME_PATTERN '{uuid}', FILE_EXTENSION " + quote(ext)
	}
	return "COPY (SELECT " + strings.Join(items, ", ") + " FROM (" + text + ") AS t(" + strings.Join(names, ", ") + ")) TO " + quote(target) + " (" + options + ")"
}
