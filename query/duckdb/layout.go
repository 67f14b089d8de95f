package duckdb

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// A scan casts the structs of each file to those of the table, field by field, by name. Two kinds of files need more: those
// with a struct that has none of the table's fields, which DuckDB refuses to cast, and those in which fields are found by
// id, if their structs have other names for them or a column is found by its name all the same. Then the files are put into groups that agree, each group has a scan of its own,
// and the view is their union. A layout is such a group.
type layout struct {
	columns []query.BoundColumn // FileType is the part of the column's type that the files have
	wants   []sql.Type          // the whole type, with the names that the files have or would have
	missing []bool              // columns that the files do not have
	from, n int                 // place of the files in the binding's list
}

// noCommonField starts what DuckDB says of a struct with none of the fields that it is cast to.
const noCommonField = "STRUCT to STRUCT cast must have at least one matching member"

// layouts looks at all files of a binding. It returns the binding with its files in the order of their layouts.
func (d *database) layouts(b *query.Binding) (*query.Binding, []layout, error) {
	groups := map[string]*layout{}
	keys := make([]string, len(b.Files))
	for i, file := range b.Files {
		l, err := d.layoutOf(b, file)
		if err != nil {
			return nil, nil, err
		}
		keys[i] = l.key()
		if groups[keys[i]] == nil {
			groups[keys[i]] = l
		}
	}
	order := make([]int, len(b.Files))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return keys[order[i]] < keys[order[j]] })
	var out []layout
	for i, at := range order {
		if i == 0 || keys[at] != keys[order[i-1]] {
			l := *groups[keys[at]]
			l.from = i
			out = append(out, l)
		}
		out[len(out)-1].n++
	}
	return reordered(b, order), out, nil
}

// reordered is a binding with its files in another order.
func reordered(b *query.Binding, order []int) *query.Binding {
	out := *b
	out.Files = permuted(b.Files, order)
	out.Deleted = permuted(b.Deleted, order)
	out.Paths = permuted(b.Paths, order)
	out.Partitions = slices.Clone(b.Partitions)
	for i := range out.Partitions {
		out.Partitions[i].Values = permuted(b.Partitions[i].Values, order)
	}
	return &out
}

func permuted[T any](list []T, order []int) []T {
	if list == nil {
		return nil
	}
	out := make([]T, len(list))
	for i, at := range order {
		out[i] = list[at]
	}
	return out
}

func (l *layout) key() string {
	var b strings.Builder
	for i, c := range l.columns {
		if !l.missing[i] {
			b.WriteString(c.FileType.DuckDB() + " " + l.wants[i].DuckDB() + " " + c.File)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// layoutOf looks at one file.
func (d *database) layoutOf(b *query.Binding, file string) (*layout, error) {
	have := map[string]sql.Type{} // by name in lower case
	err := d.query("SELECT * FROM read_parquet("+list([]string{file})+") LIMIT 0", func(cols []sql.Column) error {
		for _, c := range cols {
			have[strings.ToLower(c.Name)] = c.Type
		}
		return nil
	}, func([]*vector, int) error { return nil })
	if err != nil {
		return nil, err
	}
	names, err := d.fieldNames([]string{file})
	if err != nil {
		return nil, err
	}
	l := &layout{columns: slices.Clone(b.Columns), wants: make([]sql.Type, len(b.Columns)), missing: make([]bool, len(b.Columns))}
	for i := range l.columns {
		c := &l.columns[i]
		name, want := fileName(*c), fileType(*c)
		if c.ID != nil {
			name, want = names[strconv.Itoa(int(*c.ID))], named(c.FileIDs, names)
			if mixed(b) { // DuckDB finds all columns of a scan by id, or none
				c.ID, c.File = nil, name
			}
		}
		l.wants[i] = want
		got, ok := have[strings.ToLower(name)]
		if ok {
			c.FileType, ok = fit(want, got)
		}
		if l.missing[i] = !ok; !ok {
			c.FileType = sql.Type{}
		}
	}
	return l, nil
}

// fieldNames are the names that files give to their field ids; two names for one id are joined.
func (d *database) fieldNames(files []string) (map[string]string, error) {
	names := map[string]string{}
	text := "SELECT CAST(field_id AS VARCHAR), string_agg(DISTINCT name, chr(31)) FROM parquet_schema(" + list(files) + ") WHERE field_id IS NOT NULL GROUP BY 1"
	err := d.query(text, func([]sql.Column) error { return nil }, func(cols []*vector, rows int) error {
		for row := range rows {
			names[string(cols[0].bytes(row))] = string(cols[1].bytes(row))
		}
		return nil
	})
	return names, err
}

// named is a type whose fields are ids with the names of those.
func named(ids sql.Type, names map[string]string) sql.Type {
	out := ids
	out.Fields, out.Args = slices.Clone(ids.Fields), slices.Clone(ids.Args)
	for i := range out.Args {
		out.Args[i] = named(ids.Args[i], names)
	}
	for i, id := range ids.Fields {
		out.Fields[i] = names[id]
	}
	return out
}

// fit is the part of a type that a file has; ok is false if it has none of it.
func fit(want, have sql.Type) (out sql.Type, ok bool) {
	if want.Name != have.Name || len(want.Args) == 0 {
		return want, true // a cast of values, which may fail in its own words
	}
	out = want
	out.Args, out.Fields = nil, nil
	if want.Name != "row" {
		for i := range want.Args {
			arg, ok := fit(want.Args[i], have.Args[i])
			if !ok {
				return out, false
			}
			out.Args = append(out.Args, arg)
		}
		return out, true
	}
	for i, name := range want.Fields {
		at := fieldIndex(have, name)
		if at < 0 {
			continue
		}
		if arg, ok := fit(want.Args[i], have.Args[at]); ok {
			out.Args, out.Fields = append(out.Args, arg), append(out.Fields, name)
		}
	}
	return out, len(out.Args) > 0
}

// fieldIndex finds a field of a row type by name in any case, -1 if it has none.
func fieldIndex(t sql.Type, name string) int {
	return slices.IndexFunc(t.Fields, func(f string) bool { return name != "" && strings.EqualFold(f, name) })
}

// needsLayouts says whether files of a binding name fields of structs otherwise than the table does.
func (d *database) needsLayouts(b *query.Binding) (bool, error) {
	ids := map[string]string{}
	for _, c := range b.Columns {
		if c.ID != nil {
			idNames(c.FileIDs, fileType(c), ids)
		}
	}
	if len(b.Files) > 0 && mixed(b) {
		return true, nil
	}
	if len(ids) == 0 || len(b.Files) == 0 {
		return false, nil
	}
	names, err := d.fieldNames(b.Files)
	if err != nil {
		return false, err
	}
	for id, name := range ids {
		if got, ok := names[id]; ok && got != name {
			return true, nil
		}
	}
	return false, nil
}

// mixed says whether some columns of a binding are found by id and others by name.
func mixed(b *query.Binding) bool {
	byID := func(c query.BoundColumn) bool { return c.ID != nil }
	byName := func(c query.BoundColumn) bool { return c.ID == nil }
	return slices.ContainsFunc(b.Columns, byID) && slices.ContainsFunc(b.Columns, byName)
}

// idNames collects the names that a type expects of its field ids.
func idNames(ids, t sql.Type, out map[string]string) {
	for i := range ids.Args {
		idNames(ids.Args[i], t.Args[i], out)
	}
	for i, id := range ids.Fields {
		out[id] = t.Fields[i]
	}
}

// union is the scan of a binding by its layouts: the table's columns, and for each row its file and its place in it.
func union(b *query.Binding, layouts []layout) (string, error) {
	parts := make([]string, len(layouts))
	for i, l := range layouts {
		var there []query.BoundColumn
		cols := []string{"file_index + " + strconv.Itoa(l.from) + " AS weir_index", "file_row_number AS weir_row"}
		for j, c := range l.columns {
			if l.missing[j] {
				cols = append(cols, literal(nil, c.Type)+" AS "+ident(c.Name))
				continue
			}
			there = append(there, c)
			cols = append(cols, renamed(ident(c.Name), c.FileType, l.wants[j], c.Type, 0)+" AS "+ident(c.Name))
		}
		scan, err := scanOf(&query.Binding{Name: b.Name, Format: b.Format, Columns: there},
			"list_slice(getvariable("+quote(files(b))+"), "+strconv.Itoa(l.from+1)+", "+strconv.Itoa(l.from+l.n)+")")
		if err != nil {
			return "", err
		}
		parts[i] = "SELECT " + strings.Join(cols, ", ") + " FROM " + scan
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ")", nil
}
