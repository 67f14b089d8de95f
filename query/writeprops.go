package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

// writeProps are the properties of WITH (…) in CREATE TABLE AS and UNLOAD.
type writeProps struct {
	format      string // PARQUET, JSON, TEXTFILE
	compression string // as DuckDB writes it
	delimiter   string
	location    string
	partitions  []string
}

// writeProperties reads them; one that is not allowed is an error, as is what cannot be done.
func writeProperties(props []sql.Property, allowed ...string) (*writeProps, error) {
	out := &writeProps{}
	compression := ""
	bad := func(p sql.Property, why string) error {
		return &sql.Error{Code: "INVALID_TABLE_PROPERTY", Pos: p.Name.Pos, Msg: fmt.Sprintf("table property '%s': %s", p.Name.Name, why)}
	}
	for _, p := range props {
		if !slices.Contains(allowed, p.Name.Name) {
			return nil, bad(p, "is not supported")
		}
		if p.Name.Name == "partitioned_by" {
			a, ok := p.Value.(*sql.Array)
			if !ok {
				return nil, bad(p, "needs ARRAY['…']")
			}
			for _, e := range a.Elems {
				s, ok := e.(*sql.String)
				if !ok {
					return nil, bad(p, "needs ARRAY['…']")
				}
				out.partitions = append(out.partitions, strings.ToLower(s.Value))
			}
			continue
		}
		s, ok := p.Value.(*sql.String)
		if !ok {
			return nil, bad(p, "needs a string")
		}
		switch p.Name.Name {
		case "format":
			out.format = strings.ToUpper(s.Value)
		case "compression", "write_compression", "parquet_compression":
			compression = strings.ToUpper(s.Value)
		case "field_delimiter":
			out.delimiter = s.Value
		case "external_location":
			out.location = s.Value
		case "compression_level":
			return nil, bad(p, "is not supported")
		}
	}
	return out, out.setCompression(compression)
}

func (w *writeProps) setCompression(name string) error {
	switch w.format {
	case "", "PARQUET", "JSON", "TEXTFILE":
	default:
		return &sql.Error{Code: "NOT_SUPPORTED", Msg: fmt.Sprintf("writing format %s is not supported: PARQUET, JSON and TEXTFILE are", w.format)}
	}
	parquet := w.format == "" || w.format == "PARQUET"
	codecs := map[string]string{"": "gzip", "GZIP": "gzip", "NONE": "", "SNAPPY": "snappy", "ZSTD": "zstd"}
	if parquet {
		codecs["NONE"], codecs["UNCOMPRESSED"] = "uncompressed", "uncompressed"
	}
	codec, ok := codecs[name]
	if !ok || !parquet && (codec == "snappy" || codec == "zstd") {
		return &sql.Error{Code: "INVALID_TABLE_PROPERTY", Msg: fmt.Sprintf("compression %s is not supported for format %s", name, orDefault(w.format, "PARQUET"))}
	}
	w.compression = codec
	return nil
}

// fill describes the files for the engine. Partition columns must be the last ones of the query.
func (w *writeProps) fill(c *Copy, cols []sql.Column) error {
	if cols == nil {
		return &sql.Error{Code: "NOT_SUPPORTED", Msg: "the columns of the query are not known"}
	}
	c.Format = map[string]string{"": "parquet", "PARQUET": "parquet", "JSON": "json", "TEXTFILE": "csv"}[w.format]
	c.Compression, c.Delimiter, c.PartitionBy = w.compression, orDefault(w.delimiter, "\x01"), w.partitions
	seen := map[string]bool{}
	for i, col := range cols {
		if strings.HasPrefix(col.Name, "_col") && col.Name == fmt.Sprintf("_col%d", i) {
			return &sql.Error{Code: "MISSING_COLUMN_NAME", Pos: sql.Pos{Line: 1, Col: 1}, Msg: fmt.Sprintf("Column name not specified at position %d", i+1)}
		}
		if seen[col.Name] {
			return &sql.Error{Code: "DUPLICATE_COLUMN_NAME", Pos: sql.Pos{Line: 1, Col: 1}, Msg: fmt.Sprintf("Column name '%s' specified more than once", col.Name)}
		}
		seen[col.Name] = true
		c.Columns = append(c.Columns, col.Name)
	}
	if tail := len(cols) - len(w.partitions); tail < 1 || !slices.Equal(c.Columns[tail:], w.partitions) {
		if len(w.partitions) > 0 {
			return &sql.Error{Code: "HIVE_COLUMN_ORDER_MISMATCH", Msg: fmt.Sprintf("Partition keys must be the last columns in the table and in the same order as the table properties: %v", w.partitions)}
		}
	}
	return nil
}

// table is the catalog's entry for a CREATE TABLE AS.
func (w *writeProps) table(database, name string, cols []sql.Column) (catalog.Table, error) {
	format := storedAs[orDefault(w.format, "PARQUET")]
	t := catalog.Table{Database: database, Name: name, Type: "EXTERNAL_TABLE", Parameters: map[string]string{"EXTERNAL": "TRUE", "has_encrypted_data": "false"}}
	t.Storage = catalog.Storage{Location: strings.TrimSuffix(w.location, "/"), InputFormat: format.input, OutputFormat: format.output,
		SerDe: catalog.SerDe{Name: name, Library: format.serde, Parameters: map[string]string{}}}
	if w.format == "TEXTFILE" {
		t.Storage.SerDe.Parameters["field.delim"] = orDefault(w.delimiter, "\x01")
	}
	for i, c := range cols {
		typ := c.Type
		if typ.Name == "" || typ.Name == "unknown" {
			typ = sql.Type{Name: "varchar"}
		}
		if typ.Name == "varchar" {
			typ.Len = 0
		}
		switch typ.Name {
		case "time", "json", "interval day to second", "interval year to month", "uuid":
			return t, &sql.Error{Code: "NOT_SUPPORTED", Msg: fmt.Sprintf("Unsupported Hive type: %s, found in column '%s'", typ, c.Name)}
		}
		col := catalog.Column{Name: c.Name, Type: typ.Hive()}
		if i >= len(cols)-len(w.partitions) {
			t.PartitionKeys = append(t.PartitionKeys, col)
			continue
		}
		t.Storage.Columns = append(t.Storage.Columns, col)
	}
	return t, nil
}
