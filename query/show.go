package query

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

func (d *definer) show(st *sql.Show) ([]string, []sql.Column, error) {
	switch st.What {
	case "DATABASES":
		dbs, err := d.opts.Catalog.Databases(d.r.ctx)
		var names []string
		for _, db := range dbs {
			names = append(names, db.Name)
		}
		return likeLines(names, st.Like), resultColumns("database_name"), err
	case "TABLES", "VIEWS":
		return d.showTables(st)
	case "CREATE TABLE", "CREATE VIEW":
		return d.showCreate(st)
	case "PARTITIONS":
		return d.showPartitions(st)
	}
	t, err := d.table(st.Name)
	if err != nil {
		return nil, nil, err
	}
	if st.What == "COLUMNS" {
		cols, err := d.columnsOf(t, st.Name)
		var names []string
		for _, c := range cols {
			names = append(names, fmt.Sprintf("%-20s", c.Name))
		}
		return names, resultColumns("field"), err
	}
	return tableProperties(t, st.Like), resultColumns("prpt_name", "prpt_value"), nil
}

// likeLines sorts names and keeps those that match Hive's pattern: * for anything, | between choices.
func likeLines(names []string, pattern string) []string {
	slices.Sort(names)
	if pattern == "" {
		return names
	}
	return slices.DeleteFunc(names, func(name string) bool { return !hiveLike(pattern, name) })
}

func hiveLike(pattern, name string) bool {
	for choice := range strings.SplitSeq(strings.ToLower(strings.Trim(pattern, "'")), "|") {
		glob := strings.NewReplacer(`\`, `\\`, "?", `\?`, "[", `\[`, "%", "*", ".*", "*").Replace(choice)
		if ok, err := path.Match(glob, name); err == nil && ok {
			return true
		}
	}
	return false
}

func (d *definer) showTables(st *sql.Show) ([]string, []sql.Column, error) {
	database := d.r.Database
	if len(st.Name.Parts) > 0 {
		database = databaseName(st.Name)
	}
	tables, err := d.opts.Catalog.Tables(d.r.ctx, database)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil, failed("SemanticException [Error 10072]: Database does not exist: %s", database)
	}
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, t := range tables {
		if st.What == "TABLES" || isView(t) {
			names = append(names, t.Name)
		}
	}
	column := map[string]string{"TABLES": "tab_name", "VIEWS": "views"}[st.What]
	return likeLines(names, st.Like), resultColumns(column), nil
}

func (d *definer) showPartitions(st *sql.Show) ([]string, []sql.Column, error) {
	t, err := d.table(st.Name)
	if err != nil {
		return nil, nil, err
	}
	if len(t.PartitionKeys) == 0 {
		return nil, nil, failed("SemanticException [Error 10241]: Table %s is not a partitioned table", t.Name)
	}
	parts, err := d.opts.Catalog.Partitions(d.r.ctx, t.Database, t.Name, "")
	if err != nil {
		return nil, nil, err
	}
	var lines []string
	for _, p := range parts {
		lines = append(lines, strings.TrimSuffix(hivePath(t.PartitionKeys, p.Values), "/"))
	}
	slices.Sort(lines)
	return lines, resultColumns("partition"), nil
}

func tableProperties(t catalog.Table, key string) []string {
	var lines []string
	for k, v := range t.Parameters {
		switch {
		case key == "":
			lines = append(lines, k+"\t"+v)
		case k == key:
			lines = append(lines, v)
		}
	}
	if key != "" && len(lines) == 0 {
		lines = append(lines, fmt.Sprintf("Table %s.%s does not have property: %s", t.Database, t.Name, key))
	}
	slices.Sort(lines)
	return lines
}

// columnsOf are a table's columns; those of a Delta table stand in its log.
func (d *definer) columnsOf(t catalog.Table, n sql.Name) ([]catalog.Column, error) {
	if !isDelta(t) {
		return append(slices.Clone(t.Storage.Columns), t.PartitionKeys...), nil
	}
	p := &planner{ctx: d.r.ctx, s: d.Service, database: d.r.Database}
	table, err := p.openDelta(&planned{table: t, ref: &sql.TableRef{Name: n}})
	if err != nil {
		return nil, err
	}
	var out []catalog.Column
	for _, c := range table.columns() {
		out = append(out, catalog.Column{Name: c.Name, Type: c.Type.Hive()})
	}
	return out, nil
}

func (d *definer) describe(st *sql.Describe) ([]string, []sql.Column, error) {
	t, err := d.table(st.Table)
	if err != nil {
		return nil, nil, err
	}
	cols, err := d.columnsOf(t, st.Table)
	if err != nil {
		return nil, nil, err
	}
	if st.Partition != nil {
		if _, values, err := d.partitionOf(st.Table, *st.Partition); err != nil {
			return nil, nil, err
		} else if _, err := d.find(t, values); err != nil {
			return nil, nil, err
		}
	}
	out := resultColumns("col_name", "data_type", "comment")
	line := func(c catalog.Column) string { return fmt.Sprintf("%-20s\t%-20s\t%-20s", c.Name, c.Type, c.Comment) }
	if st.Column != "" {
		i := slices.IndexFunc(cols, func(c catalog.Column) bool { return strings.EqualFold(c.Name, st.Column) })
		if i < 0 {
			return nil, nil, failed("SemanticException [Error 10002]: Invalid column reference %s", st.Column)
		}
		return []string{line(cols[i])}, out, nil
	}
	var lines []string
	if st.Mode == "FORMATTED" {
		lines = append(lines, "# col_name            \tdata_type           \tcomment             ", "\t \t ")
	}
	for _, c := range cols {
		lines = append(lines, line(c))
	}
	lines = append(lines, describeKeys(t, line)...)
	if st.Mode != "" {
		lines = append(lines, describeStorage(t)...)
	}
	return lines, out, nil
}

func describeKeys(t catalog.Table, line func(catalog.Column) string) []string {
	if len(t.PartitionKeys) == 0 {
		return nil
	}
	lines := []string{"\t \t ", "# Partition Information\t \t ", "# col_name            \tdata_type           \tcomment             ", "\t \t "}
	for _, c := range t.PartitionKeys {
		lines = append(lines, line(c))
	}
	return lines
}

func describeStorage(t catalog.Table) []string {
	row := func(k, v string) string { return fmt.Sprintf("%-20s\t%-20s\t ", k, v) }
	lines := []string{"\t \t ", "# Detailed Table Information\t \t ", row("Database:", t.Database), row("Owner:", t.Owner),
		row("CreateTime:", t.Created.UTC().Format("Mon Jan 02 15:04:05 UTC 2006")), row("Location:", t.Storage.Location),
		row("Table Type:", t.Type), row("Table Parameters:", "")}
	for _, kv := range tableProperties(t, "") {
		lines = append(lines, "\t"+kv)
	}
	return append(lines, "\t \t ", "# Storage Information\t \t ", row("SerDe Library:", t.Storage.SerDe.Library),
		row("InputFormat:", t.Storage.InputFormat), row("OutputFormat:", t.Storage.OutputFormat))
}

// showCreate prints the statement that would make a table or view.
func (d *definer) showCreate(st *sql.Show) ([]string, []sql.Column, error) {
	t, err := d.table(st.Name)
	if err != nil {
		return nil, nil, err
	}
	if isView(t) {
		text, _, err := viewText(t)
		if err != nil {
			return nil, nil, err
		}
		lines := append([]string{fmt.Sprintf("CREATE VIEW %s.%s AS", t.Database, t.Name)}, strings.Split(text, "\n")...)
		return lines, resultColumns("Create View"), nil
	}
	if st.What == "CREATE VIEW" {
		return nil, nil, failed("SemanticException: %s.%s is not a view", t.Database, t.Name)
	}
	return createTableText(t), resultColumns("createtab_stmt"), nil
}

func createTableText(t catalog.Table) []string {
	lines := []string{fmt.Sprintf("CREATE EXTERNAL TABLE `%s.%s`(", t.Database, t.Name)}
	list := func(cols []catalog.Column) {
		for i, c := range cols {
			end := ", "
			if i == len(cols)-1 {
				end = ")"
			}
			lines = append(lines, fmt.Sprintf("  `%s` %s%s%s", c.Name, c.Type, commentText(c.Comment), end))
		}
	}
	list(t.Storage.Columns)
	if len(t.PartitionKeys) > 0 {
		lines = append(lines, "PARTITIONED BY ( ")
		list(t.PartitionKeys)
	}
	if lib := t.Storage.SerDe.Library; lib != "" {
		lines = append(lines, "ROW FORMAT SERDE ", "  "+literal(lib)+" ")
		if params := pairs(t.Storage.SerDe.Parameters); len(params) > 0 {
			lines = append(lines, "WITH SERDEPROPERTIES ( ", strings.Join(params, ", \n")+") ")
		}
	}
	if t.Storage.InputFormat != "" {
		lines = append(lines, "STORED AS INPUTFORMAT ", "  "+literal(t.Storage.InputFormat)+" ", "OUTPUTFORMAT ", "  "+literal(t.Storage.OutputFormat))
	}
	lines = append(lines, "LOCATION", "  "+literal(t.Storage.Location))
	if props := pairs(t.Parameters); len(props) > 0 {
		lines = append(lines, "TBLPROPERTIES (", strings.Join(props, ", \n")+")")
	}
	return strings.Split(strings.Join(lines, "\n"), "\n")
}

func commentText(c string) string {
	if c == "" {
		return ""
	}
	return " COMMENT " + literal(c)
}

// literal is a text in quotes, with control characters written as Hive does.
func literal(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\'':
			b.WriteString("''")
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&b, `\%03o`, r)
		default:
			b.WriteRune(r)
		}
	}
	return "'" + b.String() + "'"
}

func pairs(m map[string]string) []string {
	var out []string
	for k, v := range m {
		if k == "EXTERNAL" || k == "serialization.format" && v == "1" {
			continue
		}
		out = append(out, "  "+literal(k)+"="+literal(v))
	}
	slices.Sort(out)
	return out
}
