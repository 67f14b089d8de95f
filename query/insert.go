package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

// insert adds the rows of a query to a table, as new files.
func (s *Service) insert(r *running, st *sql.Insert) error {
	d := &definer{Service: s, r: r}
	database, name, err := d.split(st.Table)
	if err != nil {
		return err
	}
	table, err := s.opts.Catalog.Table(r.ctx, database, name)
	if err != nil {
		return (&planner{ctx: r.ctx, s: s}).notFound(st.Table.Pos, database, name)
	}
	if isDelta(table) && s.opts.Changer != nil {
		return s.change(r, st.Table)
	}
	if isView(table) || isDelta(table) {
		return &sql.Error{Code: "NOT_SUPPORTED", Pos: st.Table.Pos, Msg: "This connector does not support inserts: " + database + "." + name}
	}
	cols, err := tableColumns(table)
	if err != nil {
		return err
	}
	tr, req, err := s.prepare(r, st.Query)
	if err != nil {
		return err
	}
	if req.SQL, err = fitColumns(st, tr, cols); err != nil {
		return err
	}
	bucket, prefix, err := location(table.Storage.Location)
	if err != nil {
		return &sql.Error{Code: "HIVE_METASTORE_ERROR", Msg: err.Error()}
	}
	t := &target{bucket: bucket, prefix: prefix}
	if err := insertFormat(&t.copy, table); err != nil {
		return err
	}
	for _, c := range cols {
		t.copy.Columns = append(t.copy.Columns, c.Name)
	}
	for _, k := range table.PartitionKeys {
		t.copy.PartitionBy = append(t.copy.PartitionBy, strings.ToLower(k.Name))
	}
	written, rows, err := s.write(r, req, t)
	if err != nil {
		return err
	}
	if err := s.register(r.ctx, table, bucket, written); err != nil {
		return err
	}
	return s.finishWrite(r, t, written, rows)
}

// fitColumns puts the columns of the query in the order and types of the table; those that are not named become NULL.
func fitColumns(st *sql.Insert, tr *sql.Translation, cols []sql.Column) (string, error) {
	names := make([]string, 0, len(cols))
	for _, id := range st.Columns {
		if !slices.ContainsFunc(cols, func(c sql.Column) bool { return c.Name == id.Name }) {
			return "", &sql.Error{Code: "COLUMN_NOT_FOUND", Pos: id.Pos, Msg: "Insert column name does not exist in target table: " + id.Name}
		}
		names = append(names, id.Name)
	}
	if len(names) == 0 {
		for _, c := range cols {
			names = append(names, c.Name)
		}
	}
	if tr.Columns != nil && len(tr.Columns) != len(names) {
		return "", &sql.Error{Code: "TYPE_MISMATCH", Pos: st.Table.Pos, Msg: fmt.Sprintf("Insert query has mismatched column types: Table: [%s], Query: [%s]", typeNames(cols), typeNames(tr.Columns))}
	}
	var items, from []string
	for i := range names {
		from = append(from, fmt.Sprintf("c%d", i))
	}
	for _, c := range cols {
		i := slices.Index(names, c.Name)
		if i < 0 {
			items = append(items, "CAST(NULL AS "+c.Type.DuckDB()+")")
			continue
		}
		if tr.Columns != nil && !sql.Assignable(tr.Columns[i].Type, c.Type) {
			return "", &sql.Error{Code: "TYPE_MISMATCH", Pos: st.Table.Pos, Msg: fmt.Sprintf("Insert query has mismatched column types: Table: [%s], Query: [%s]", typeNames(cols), typeNames(tr.Columns))}
		}
		items = append(items, "CAST("+from[i]+" AS "+c.Type.DuckDB()+")")
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (" + tr.Text + ") AS t(" + strings.Join(from, ", ") + ")", nil
}

func typeNames(cols []sql.Column) string {
	var out []string
	for _, c := range cols {
		out = append(out, c.Type.String())
	}
	return strings.Join(out, ", ")
}

// insertFormat chooses files like those that the table has.
func insertFormat(c *Copy, t catalog.Table) error {
	b := &Binding{}
	if err := setFormat(b, t); err != nil {
		return err
	}
	switch b.Format {
	case Parquet:
		c.Format, c.Compression = "parquet", strings.ToLower(orDefault(t.Parameters["parquet.compression"], "gzip"))
		if !slices.Contains([]string{"gzip", "snappy", "zstd", "uncompressed"}, c.Compression) {
			return &sql.Error{Code: "NOT_SUPPORTED", Msg: "parquet.compression " + c.Compression + " is not supported"}
		}
	case JSON:
		c.Format, c.Compression = "json", "gzip"
	case CSV:
		if b.CSV.AllText || b.CSV.SkipLines > 0 {
			return &sql.Error{Code: "NOT_SUPPORTED", Msg: "inserting into a table of OpenCSVSerDe, or with header lines, is not supported"}
		}
		c.Format, c.Compression, c.Delimiter = "csv", "gzip", b.CSV.Delimiter
	}
	return nil
}
