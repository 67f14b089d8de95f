package duckdb

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// quote writes a text as a SQL literal, ident a name as a quoted identifier.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// files is the session variable that holds the file list of a binding, perFile the table with what is the same for all
// rows of a file.
func files(b *query.Binding) string   { return "weir_files_" + b.Name }
func perFile(b *query.Binding) string { return ident("weir_perfile_" + b.Name) }

// define are the statements that make a binding's table, a view; of layouts there are none if one scan does for all files.
func define(b *query.Binding, layouts []layout) ([]string, error) {
	create := "CREATE OR REPLACE TEMP VIEW " + ident(b.Name) + " AS "
	switch {
	case b.Format == query.Inline:
		return []string{create + inline(b)}, nil
	case len(b.Files) == 0:
		return []string{create + empty(b)}, nil
	}
	var cols []string
	scan, index, row := "", "file_index", "file_row_number"
	var err error
	if layouts == nil {
		scan, err = scanOf(b, "getvariable("+quote(files(b))+")")
		for _, c := range shown(b) {
			cols = append(cols, column(b, c))
		}
	} else {
		scan, err = union(b, layouts)
		index, row = "weir_index", "weir_row"
		for _, c := range shown(b) {
			cols = append(cols, padded(ident(c.Name), c.Type, 0)+" AS "+ident(c.Name))
		}
	}
	if err != nil {
		return nil, err
	}
	out := []string{"SET VARIABLE " + ident(files(b)) + " = " + list(b.Files)}
	scan += " AS weir_s"
	table, parts := fileTable(b, row)
	cols = append(cols, parts...)
	if table != "" {
		out = append(out, "CREATE OR REPLACE TEMP TABLE "+perFile(b)+" AS "+table)
		scan += " JOIN " + perFile(b) + " AS weir_f ON weir_s." + index + " = weir_f.weir_i"
	}
	if len(cols) == 0 {
		cols = []string{"NULL AS weir_none"}
	}
	if b.Deleted != nil {
		scan += " WHERE NOT " + ident(deletedFunction(b, layouts != nil)) + "(CAST(weir_s." + index + " AS UBIGINT), weir_s." + row + ")"
	}
	return append(out, create+"SELECT "+strings.Join(cols, ", ")+" FROM "+scan), nil
}

// shown are the columns of the files that the table has.
func shown(b *query.Binding) []query.BoundColumn {
	return slices.DeleteFunc(slices.Clone(b.Columns), func(c query.BoundColumn) bool { return c.Hidden })
}

// Select is a SELECT of the rows of a binding of files, one statement that needs nothing around it. It is not for files of Delta tables.
func Select(b *query.Binding) (string, error) {
	if len(b.Files) == 0 {
		return empty(b), nil
	}
	scan, err := scanOf(b, list(b.Files))
	if err != nil {
		return "", err
	}
	var cols []string
	for _, c := range shown(b) {
		cols = append(cols, column(b, c))
	}
	scan += " AS weir_s"
	table, parts := fileTable(b, "file_row_number")
	if table != "" {
		scan += " JOIN (" + table + ") AS weir_f ON weir_s.file_index = weir_f.weir_i"
	}
	return "SELECT " + strings.Join(append(cols, parts...), ", ") + " FROM " + scan, nil
}

// fileTable is a SELECT of what differs from file to file, and the view's columns of it. What is
// the same for all files becomes a constant; if all is, there is no such SELECT. row is the scan's column with the row's position.
func fileTable(b *query.Binding, row string) (table string, cols []string) {
	items := []string{"CAST(unnest(range(" + strconv.Itoa(len(b.Files)) + ")) AS UBIGINT) AS weir_i"}
	add := func(p query.PartitionColumn) {
		var value string
		if constant(p.Values) {
			value = literal(p.Values[0], p.Type)
		} else {
			column := "p" + strconv.Itoa(len(items))
			items = append(items, "unnest(CAST("+listOrNull(p.Values)+" AS "+p.Type.DuckDB()+"[])) AS "+column)
			value = "weir_f." + column
		}
		if p.Position {
			value = "(" + value + " + weir_s." + row + ")"
		}
		if p.Own != "" {
			value = "coalesce(weir_s." + ident(p.Own) + ", " + value + ")"
		}
		value = padded(value, p.Type, 0)
		cols = append(cols, value+" AS "+ident(p.Name))
	}
	for _, p := range b.Partitions {
		add(p)
	}
	if b.Paths != nil {
		values := make([]*string, len(b.Paths))
		for i := range b.Paths {
			values[i] = &b.Paths[i]
		}
		add(query.PartitionColumn{Name: "$path", Type: sql.Type{Name: "varchar"}, Values: values})
	}
	if len(items) == 1 {
		return "", cols
	}
	return "SELECT " + strings.Join(items, ", "), cols
}

// list is a list of texts: one literal that is split, which parses much faster than thousands.
func list(values []string) string {
	sep := "\x1f"
	for _, v := range values {
		if strings.Contains(v, sep) {
			return "[" + strings.Join(quoteAll(values), ", ") + "]"
		}
	}
	return "string_split(" + quote(strings.Join(values, sep)) + ", chr(31))"
}

func quoteAll(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = quote(v)
	}
	return out
}

// listOrNull is a list of texts in which nil is NULL.
func listOrNull(values []*string) string {
	texts := make([]string, len(values))
	nulls := false
	for i, v := range values {
		if v != nil {
			texts[i] = "=" + *v
			continue
		}
		nulls = true
	}
	if !nulls {
		for i := range texts {
			texts[i] = texts[i][1:]
		}
		return list(texts)
	}
	return "list_transform(" + list(texts) + ", lambda weir_v: CASE WHEN weir_v = '' THEN NULL ELSE weir_v[2:] END)"
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

// scanOf is the table function that reads files, given as an expression, as a binding says.
func scanOf(b *query.Binding, files string) (string, error) {
	switch b.Format {
	case query.Parquet:
		var cols []string
		for _, c := range b.Columns {
			key := quote(fileName(c))
			if c.ID != nil {
				key = strconv.Itoa(int(*c.ID))
			}
			cols = append(cols, fmt.Sprintf("%s: {'name': %s, 'type': %s, 'default_value': NULL}", key, quote(c.Name), quote(fileType(c).DuckDB())))
		}
		if len(cols) == 0 {
			return "read_parquet(" + files + ", union_by_name = true)", nil
		}
		return "read_parquet(" + files + ", schema = MAP {" + strings.Join(cols, ", ") + "})", nil
	case query.JSON:
		var cols []string
		for _, c := range b.Columns {
			cols = append(cols, quote(fileName(c))+": "+quote(fileType(c).DuckDB()))
		}
		ignore := ""
		if b.IgnoreMalformed {
			ignore = ", ignore_errors = true"
		}
		return "read_json(" + files + ", format = 'newline_delimited', columns = {" + strings.Join(cols, ", ") + "}" + ignore + ")", nil
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
		return fmt.Sprintf("read_csv(%s, auto_detect = false, header = false, delim = %s, quote = %s, escape = %s, skip = %d, columns = {%s}, null_padding = true, strict_mode = false%s)",
			files, quote(o.Delimiter), quote(o.Quote), quote(o.Escape), o.SkipLines, strings.Join(cols, ", "), null), nil
	}
	return "", fmt.Errorf("format %q is not supported", b.Format)
}

func fileType(c query.BoundColumn) sql.Type {
	if c.FileType.Known() {
		return c.FileType
	}
	return c.Type
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
	if b.Format == query.Parquet && c.FileType.Known() {
		from = renamed(from, c.FileType, c.FileType, c.Type, 0)
	}
	if b.Format == query.JSON {
		from = ident(fileName(c))
		if c.FileType.Known() { // its fields are spelled otherwise; they are matched by name, in any case
			from = "CAST(" + from + " AS " + c.Type.DuckDB() + ")"
		}
	}
	if b.Format == query.CSV {
		from = csvColumn(b, c, from)
	}
	return padded(from, c.Type, 0) + " AS " + ident(c.Name)
}

// renamed is the expression from, of type have, as a t: fields of rows are those that want, which is of the shape of t,
// names; those that have lacks are null.
func renamed(from string, have, want, t sql.Type, depth int) string {
	if have.DuckDB() == t.DuckDB() {
		return from
	}
	x := "weir_x" + strconv.Itoa(depth)
	switch t.Name {
	case "row":
		fields := make([]string, len(t.Args))
		for i, f := range t.Fields {
			value := literal(nil, t.Args[i])
			if at := fieldIndex(have, want.Fields[i]); at >= 0 {
				value = renamed("struct_extract("+from+", "+quote(have.Fields[at])+")", have.Args[at], want.Args[i], t.Args[i], depth)
			}
			fields[i] = ident(f) + " := " + value
		}
		return "CASE WHEN " + from + " IS NOT NULL THEN struct_pack(" + strings.Join(fields, ", ") + ") END"
	case "array":
		return "list_transform(" + from + ", lambda " + x + ": " + renamed(x, have.Args[0], want.Args[0], t.Args[0], depth+1) + ")"
	case "map":
		return "map_from_entries(list_transform(map_entries(" + from + "), lambda " + x + ": {'key': " +
			renamed(x+".key", have.Args[0], want.Args[0], t.Args[0], depth+1) + ", 'value': " +
			renamed(x+".value", have.Args[1], want.Args[1], t.Args[1], depth+1) + "}))"
	}
	return from
}

// padded is the expression x of type t with blanks at the end of every char(n) that is shorter.
func padded(x string, t sql.Type, depth int) string {
	if !hasChar(t) {
		return x
	}
	v := "weir_p" + strconv.Itoa(depth)
	switch t.Name {
	case "char":
		n := strconv.Itoa(t.Len)
		return "CASE WHEN length(" + x + ") < " + n + " THEN rpad(" + x + ", " + n + ", ' ') ELSE " + x + " END"
	case "row":
		fields := make([]string, len(t.Args))
		for i, f := range t.Fields {
			fields[i] = ident(f) + " := " + padded("struct_extract("+x+", "+quote(f)+")", t.Args[i], depth)
		}
		return "CASE WHEN " + x + " IS NOT NULL THEN struct_pack(" + strings.Join(fields, ", ") + ") END"
	case "array":
		return "list_transform(" + x + ", lambda " + v + ": " + padded(v, t.Args[0], depth+1) + ")"
	}
	return "map_from_entries(list_transform(map_entries(" + x + "), lambda " + v + ": {'key': " + padded(v+".key", t.Args[0], depth+1) +
		", 'value': " + padded(v+".value", t.Args[1], depth+1) + "}))"
}

// hasChar says whether some text in a type is a char(n).
func hasChar(t sql.Type) bool {
	return t.Name == "char" && t.Len > 0 || slices.ContainsFunc(t.Args, hasChar)
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
	for _, c := range shown(b) {
		cols = append(cols, literal(nil, c.Type)+" AS "+ident(c.Name))
	}
	for _, p := range b.Partitions {
		cols = append(cols, literal(nil, p.Type)+" AS "+ident(p.Name))
	}
	if b.Paths != nil {
		cols = append(cols, `CAST(NULL AS VARCHAR) AS "$path"`)
	}
	if len(cols) == 0 {
		cols = []string{"NULL AS weir_none"}
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

// copyStatement writes the result of text to files below c.Dir.
func copyStatement(text string, c *query.Copy) (string, error) {
	var items []string
	names := make([]string, len(c.Columns))
	for i, name := range c.Columns {
		names[i] = "c" + strconv.Itoa(i)
		value := names[i]
		if slices.Contains(c.PartitionBy, name) { // DuckDB crashes over partitions of text that is NULL
			value = "coalesce(CAST(" + value + " AS VARCHAR), " + quote(hiveNull) + ")"
		}
		items = append(items, value+" AS "+ident(name))
	}
	ext, options := c.Format, "FORMAT "+c.Format
	switch {
	case c.Format == "parquet":
		options += ", RETURN_STATS, COMPRESSION " + c.Compression
	case c.Compression == "gzip":
		ext += ".gz"
		options += ", COMPRESSION gzip"
	}
	if c.Format == "csv" {
		options += ", HEADER false, QUOTE '', ESCAPE '', NULLSTR '\\N', DELIMITER " + quote(c.Delimiter)
	}
	target := c.Dir + "/part." + ext
	if len(c.PartitionBy) > 0 {
		if c.Format == "json" {
			return "", errors.New("NOT_SUPPORTED: writing partitions of format JSON is not supported")
		}
		var parts []string
		for _, p := range c.PartitionBy {
			parts = append(parts, ident(p))
		}
		target = c.Dir
		options += ", PARTITION_BY (" + strings.Join(parts, ", ") + "), FILENAME_PATTERN '{uuid}', FILE_EXTENSION " + quote(ext)
	}
	return "COPY (SELECT " + strings.Join(items, ", ") + " FROM (" + text + ") AS t(" + strings.Join(names, ", ") + ")) TO " + quote(target) + " (" + options + ")", nil
}
