package query

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

// storageFormat is how Hive stores a kind of file.
type storageFormat struct{ serde, input, output string }

const (
	lazySimple = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
	textInput  = "org.apache.hadoop.mapred.TextInputFormat"
	textOutput = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
)

// storedAs are the formats of STORED AS.
var storedAs = map[string]storageFormat{
	"PARQUET": {"org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
		"org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"},
	"TEXTFILE": {lazySimple, textInput, textOutput},
	"JSON":     {"org.apache.hive.hcatalog.data.JsonSerDe", textInput, textOutput},
	"ORC": {"org.apache.hadoop.hive.ql.io.orc.OrcSerde", "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
		"org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat"},
	"AVRO": {"org.apache.hadoop.hive.serde2.avro.AvroSerDe", "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
		"org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat"},
}

func (d *definer) createTable(st *sql.CreateTable) error {
	database, name, err := d.split(st.Name)
	if err != nil {
		return err
	}
	props := properties(st.Properties)
	isDelta := strings.EqualFold(props["table_type"], "DELTA")
	switch {
	case !st.External && !strings.EqualFold(props["table_type"], "ICEBERG"):
		return failed("SemanticException: Athena only supports external tables: use CREATE EXTERNAL TABLE, or CREATE TABLE AS SELECT")
	case strings.EqualFold(props["table_type"], "ICEBERG"):
		return &sql.Error{Code: "NOT_SUPPORTED", Msg: "Iceberg tables are not supported"}
	case st.Location == "":
		return failed("SemanticException: LOCATION is required for external tables")
	case len(st.ClusteredBy) > 0:
		return &sql.Error{Code: "NOT_SUPPORTED", Msg: "bucketed tables (CLUSTERED BY) are not supported"}
	case len(st.Columns) == 0 && !isDelta:
		return failed("SemanticException: The table %s.%s has no columns", database, name)
	}
	if _, _, err := objstore.ParseURL(st.Location); err != nil {
		return failed("SemanticException: LOCATION %q is not valid: it should be s3://bucket/folder/", st.Location)
	}
	t := catalog.Table{Database: database, Name: name, Description: st.Comment, Type: "EXTERNAL_TABLE", Parameters: map[string]string{"EXTERNAL": "TRUE"}}
	maps.Copy(t.Parameters, props)
	t.Storage = catalog.Storage{Location: st.Location, Columns: columns(st.Columns)}
	t.PartitionKeys = columns(st.PartitionedBy)
	if err := distinct(t); err != nil {
		return err
	}
	if err := setStorage(&t.Storage, st); err != nil {
		return err
	}
	if isDelta && len(st.Columns) == 0 {
		if err := d.deltaSchema(&t, st); err != nil {
			return err
		}
	}
	err = d.opts.Catalog.CreateTable(d.r.ctx, t)
	if errors.Is(err, catalog.ErrExists) && st.IfNotExists {
		return nil
	}
	return tableError(err, database, name)
}

func columns(defs []sql.ColumnDef) []catalog.Column {
	var out []catalog.Column
	for _, c := range defs {
		out = append(out, catalog.Column{Name: c.Name, Type: c.Type, Comment: c.Comment})
	}
	return out
}

func distinct(t catalog.Table) error {
	seen := map[string]bool{}
	for _, c := range t.Storage.Columns {
		if seen[c.Name] {
			return failed("SemanticException [Error 10036]: Duplicate column name: %s", c.Name)
		}
		seen[c.Name] = true
	}
	for _, c := range t.PartitionKeys {
		if seen[c.Name] {
			return failed("SemanticException [Error 10035]: Column repeated in partitioning columns")
		}
		seen[c.Name] = true
	}
	return nil
}

// setStorage fills SerDe and formats from ROW FORMAT and STORED AS.
func setStorage(s *catalog.Storage, st *sql.CreateTable) error {
	f := storedAs["TEXTFILE"]
	if st.StoredAs != "" {
		var ok bool
		if f, ok = storedAs[strings.ToUpper(st.StoredAs)]; !ok {
			return failed("SemanticException: Unrecognized file format in STORED AS clause: '%s'", st.StoredAs)
		}
	}
	if st.InputFormat != "" {
		f.input, f.output = st.InputFormat, st.OutputFormat
	}
	params := map[string]string{}
	if rf := st.RowFormat; rf != nil {
		if rf.SerDe != "" {
			f.serde = rf.SerDe
		}
		delimiters := map[string]string{"field.delim": rf.Fields, "escape.delim": rf.Escape, "colelction.delim": rf.Collection,
			"mapkey.delim": rf.MapKeys, "line.delim": rf.Lines}
		if rf.NullDefined {
			params["serialization.null.format"] = rf.Null
		}
		for k, v := range delimiters {
			if v != "" {
				params[k] = v
			}
		}
		if rf.Fields != "" {
			params["serialization.format"] = rf.Fields
		}
		maps.Copy(params, properties(rf.Properties))
	}
	maps.Copy(params, properties(st.SerDeProperties))
	if _, ok := params["serialization.format"]; !ok {
		params["serialization.format"] = "1"
	}
	s.InputFormat, s.OutputFormat = f.input, f.output
	s.SerDe = catalog.SerDe{Library: f.serde, Parameters: params}
	return nil
}

// deltaSchema takes the columns of a Delta table from its log.
func (d *definer) deltaSchema(t *catalog.Table, st *sql.CreateTable) error {
	p := &planner{ctx: d.r.ctx, s: d.Service, database: d.r.Database}
	table, err := p.openDelta(&planned{table: *t, ref: &sql.TableRef{Name: st.Name}})
	if err != nil {
		return err
	}
	for _, c := range table.columns() {
		t.Storage.Columns = append(t.Storage.Columns, catalog.Column{Name: c.Name, Type: c.Type.Hive()})
	}
	return nil
}

// change applies a change to a table in the catalog; a change by somebody else in between starts it over.
func (d *definer) change(n sql.Name, change func(*catalog.Table) error) error {
	for range 10 {
		t, err := d.table(n)
		if err != nil {
			return err
		}
		if err := change(&t); err != nil {
			return err
		}
		err = d.opts.Catalog.UpdateTable(d.r.ctx, t)
		if !errors.Is(err, catalog.ErrVersion) {
			return tableError(err, t.Database, t.Name)
		}
	}
	return fmt.Errorf("table %s keeps changing", n)
}

func (d *definer) alterColumns(st *sql.AlterColumns) error {
	return d.change(st.Table, func(t *catalog.Table) error {
		if isDelta(*t) {
			return &sql.Error{Code: "NOT_SUPPORTED", Msg: "Delta tables cannot be altered: their schema is in their log"}
		}
		cols := columns(st.Columns)
		if !st.Replace {
			cols = append(append([]catalog.Column(nil), t.Storage.Columns...), cols...)
		}
		t.Storage.Columns = cols
		return distinct(*t)
	})
}

func (d *definer) setProperties(st *sql.SetProperties) error {
	return d.change(st.Table, func(t *catalog.Table) error {
		params := maps.Clone(t.Parameters)
		if params == nil {
			params = map[string]string{}
		}
		maps.Copy(params, properties(st.Properties))
		t.Parameters = params
		return nil
	})
}

func (d *definer) setLocation(st *sql.SetLocation) error {
	if _, _, err := objstore.ParseURL(st.Location); err != nil {
		return failed("SemanticException: LOCATION %q is not valid: it should be s3://bucket/folder/", st.Location)
	}
	if st.Partition == nil {
		return d.change(st.Table, func(t *catalog.Table) error { t.Storage.Location = st.Location; return nil })
	}
	t, values, err := d.partitionOf(st.Table, *st.Partition)
	if err != nil {
		return err
	}
	old, err := d.find(t, values)
	if err != nil {
		return err
	}
	old.Storage.Location = st.Location
	return d.replacePartition(t, values, old)
}
