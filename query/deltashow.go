package query

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// What a Delta table's log says of the table, as tables called "name$history", "name$properties", "name$partitions" and
// "name$files". Athena has such tables for Iceberg, Trino for Delta; the columns are theirs where they mean the same.

// shown is a table whose rows are worked out for one statement.
type shown struct {
	schema *columnar.Schema
	rows   func(ctx context.Context, add func(values ...any) error) error
}

// shownRowsMax bounds the rows of a shown table.
const shownRowsMax = 1_000_000

// metadata is what a name with a $ stands for: nil if the part behind it is none of the known ones.
func (p *planner) metadata(ref *sql.TableRef, t *planned, kind string) (*sql.Source, error) {
	if !isDelta(t.table) {
		return nil, nil
	}
	var err error
	if t.delta, err = p.openDelta(t); err != nil {
		return nil, err
	}
	switch kind {
	case "history":
		if ref.AsOf != nil {
			return nil, &sql.Error{Code: "NOT_SUPPORTED", Pos: ref.Name.Pos, Msg: "a table's history has no versions"}
		}
		t.shown = t.delta.history()
	case "properties":
		t.shown = t.delta.properties()
	case "partitions":
		t.shown = t.delta.partitionSums()
	case "files":
		t.shown = t.delta.fileList()
	case "live":
		l, err := p.live(t)
		if err != nil {
			return nil, err
		}
		t.delta, t.shown = l.deltaTable, l.cuts()
	case "changes":
		t.delta.changed = true
		t.source.Columns = t.delta.columns()
		return t.source, nil
	default:
		return nil, nil
	}
	t.source.Hidden = nil
	for _, f := range t.shown.schema.Fields {
		t.source.Columns = append(t.source.Columns, sql.Column{Name: f.Name, Type: sqlType(f.Type)})
	}
	return t.source, nil
}

// bindShown writes a shown table to a file, which goes when the statement has ended.
func (p *planner) bindShown(t *planned) (*Binding, error) {
	file, err := os.CreateTemp(p.s.scratch(), "shown-*.parquet")
	if err != nil {
		return nil, fmt.Errorf("make a file for %s: %w", t.ref.Name.Parts, err)
	}
	p.temp(file.Name())
	w := bufio.NewWriter(file)
	err = t.shown.write(p.ctx, w)
	if err = errors.Join(err, w.Flush(), file.Close()); err != nil {
		return nil, err
	}
	b := &Binding{Name: t.source.Binding, Format: Parquet, Files: []string{file.Name()}}
	for _, c := range t.source.Columns {
		b.Columns = append(b.Columns, BoundColumn{Name: c.Name, Type: c.Type})
	}
	return b, nil
}

// write writes the rows as Parquet, a part of them at a time.
func (s *shown) write(ctx context.Context, w *bufio.Writer) error {
	out, err := columnar.NewParquetWriter(w, s.schema, columnar.ParquetOptions{Compression: "SNAPPY"})
	if err != nil {
		return err
	}
	const at = 8192
	rows, part := 0, columnar.NewBuilder(s.schema)
	err = s.rows(ctx, func(values ...any) error {
		if rows++; rows > shownRowsMax {
			return &sql.Error{Code: "EXCEEDED_LIMIT", Msg: fmt.Sprintf("there are more than %d rows", shownRowsMax)}
		}
		if err := part.Append(values...); err != nil {
			return err
		}
		if part.Len() < at {
			return nil
		}
		full := part.Batch()
		part = columnar.NewBuilder(s.schema)
		return out.Write(full)
	})
	if err == nil {
		err = out.Write(part.Batch())
	}
	if err != nil {
		return err
	}
	_, err = out.Close()
	return err
}

// shownSchema reads a schema as Spark writes types.
func shownSchema(text string) *columnar.Schema {
	t, err := columnar.ParseType("struct<" + text + ">")
	if err != nil {
		panic(err)
	}
	for i := range t.Fields {
		t.Fields[i].Nullable = true
	}
	return &columnar.Schema{Fields: t.Fields}
}

// history shows the commits that the log still holds, newest first.
func (d *deltaTable) history() *shown {
	rows := func(ctx context.Context, add func(values ...any) error) error {
		for c, err := range d.known.table.History(ctx) {
			if err != nil {
				return fmt.Errorf("read the history: %w", err)
			}
			i := c.Info
			if i == nil {
				i = &delta.CommitInfo{}
			}
			parameters := map[string]any{}
			for k, v := range i.OperationParameters {
				if parameters[k] = v; v != nil {
					if _, ok := v.(string); !ok {
						text, err := json.Marshal(v)
						if err != nil {
							return err
						}
						parameters[k] = string(text)
					}
				}
			}
			metrics := map[string]any{}
			for k, v := range i.OperationMetrics {
				metrics[k] = v
			}
			var read, blind any
			if i.ReadVersion != nil {
				read = *i.ReadVersion
			}
			if i.IsBlindAppend != nil {
				blind = *i.IsBlindAppend
			}
			if err := add(c.Version, c.Time.UTC(), orNil(i.Operation), parameters, read, orNil(i.IsolationLevel), blind, metrics, orNil(i.EngineInfo)); err != nil {
				return err
			}
		}
		return nil
	}
	return &shown{shownSchema("version:bigint,timestamp:timestamp,operation:string,operation_parameters:map<string,string>,read_version:bigint," +
		"isolation_level:string,is_blind_append:boolean,operation_metrics:map<string,string>,engine_info:string"), rows}
}

// orNil is NULL for no text.
func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// properties shows the table's properties and what readers and writers must know, as Trino does.
func (d *deltaTable) properties() *shown {
	return &shown{shownSchema("key:string,value:string"), func(_ context.Context, add func(values ...any) error) error {
		all := d.snapshot.Properties()
		if all == nil {
			all = map[string]string{}
		}
		protocol := d.snapshot.Protocol()
		all["delta.minReaderVersion"], all["delta.minWriterVersion"] = fmt.Sprint(protocol.MinReaderVersion), fmt.Sprint(protocol.MinWriterVersion)
		for _, feature := range slices.Concat(protocol.ReaderFeatures, protocol.WriterFeatures) {
			all["delta.feature."+feature] = "supported"
		}
		keys := make([]string, 0, len(all))
		for k := range all {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if err := add(k, all[k]); err != nil {
				return err
			}
		}
		return nil
	}}
}

// partitionField is the row of a table's partition columns, by their names; none if it has no partitions.
func (d *deltaTable) partitionField() []columnar.Field {
	var keys []columnar.Field
	for _, name := range d.snapshot.PartitionBy() {
		f := d.snapshot.Schema().Fields[d.snapshot.Schema().Index(name)]
		keys = append(keys, columnar.Field{Name: strings.ToLower(name), Type: f.Type, Nullable: true})
	}
	if len(keys) == 0 {
		return nil
	}
	return []columnar.Field{{Name: "partition", Type: columnar.Type{Kind: columnar.Struct, Fields: keys}, Nullable: true}}
}

// partitionValues are the values for partitionField.
func (d *deltaTable) partitionValues(f *delta.File) ([]any, error) {
	var row []any
	for _, name := range d.snapshot.PartitionBy() {
		t := d.snapshot.Schema().Fields[d.snapshot.Schema().Index(name)].Type
		v, err := delta.ParsePartition(t, f.Partition[name])
		if err != nil {
			return nil, fmt.Errorf("data file %q, partition column %q: %w", f.Path, name, err)
		}
		row = append(row, v)
	}
	if row == nil {
		return nil, nil
	}
	return []any{row}, nil
}

// sums are what the files of a partition add up to.
type sums struct {
	partition    []any
	files, bytes int64
	rows         int64
	unknown      bool // some file does not say how many rows it has
}

// partitionSums shows each partition with what it holds; a table without partitions is one.
func (d *deltaTable) partitionSums() *shown {
	schema := shownSchema("record_count:bigint,file_count:bigint,total_size:bigint")
	schema.Fields = append(d.partitionField(), schema.Fields...)
	return &shown{schema, func(_ context.Context, add func(values ...any) error) error {
		var order []string
		found := map[string]*sums{}
		for f, err := range d.snapshot.Files(nil) {
			if err != nil {
				return fmt.Errorf("list files of Delta table: %w", err)
			}
			var key strings.Builder
			for _, name := range d.snapshot.PartitionBy() {
				if v := emptyIsNull(f.Partition[name]); v != nil {
					fmt.Fprintf(&key, "%d:%s", len(*v), *v)
				}
				key.WriteByte('/')
			}
			s := found[key.String()]
			if s == nil {
				if s, order = new(sums), append(order, key.String()); len(order) > shownRowsMax {
					return &sql.Error{Code: "EXCEEDED_LIMIT", Msg: fmt.Sprintf("there are more than %d partitions", shownRowsMax)}
				}
				found[key.String()] = s
				if s.partition, err = d.partitionValues(f); err != nil {
					return err
				}
			}
			rows, deleted := rowsOf(f)
			s.files, s.bytes = s.files+1, s.bytes+f.Size
			s.rows, s.unknown = s.rows+rows-deleted, s.unknown || rows < 0
		}
		for _, key := range order {
			s := found[key]
			var rows any = s.rows
			if s.unknown {
				rows = nil
			}
			if err := add(append(slices.Clone(s.partition), rows, s.files, s.bytes)...); err != nil {
				return err
			}
		}
		return nil
	}}
}

// rowsOf is the number of a file's rows, -1 if it is not known, and how many of them are deleted.
func rowsOf(f *delta.File) (rows, deleted int64) {
	rows = -1
	if f.Stats != nil {
		rows = f.Stats.NumRecords
	}
	if f.DeletionVector != nil {
		deleted = f.DeletionVector.Cardinality
	}
	return rows, deleted
}

// fileList shows the data files with their statistics, those of top-level columns.
func (d *deltaTable) fileList() *shown {
	schema := shownSchema("record_count:bigint,deleted_record_count:bigint,file_size_in_bytes:bigint,modification_time:timestamp," +
		"null_value_counts:map<string,bigint>,lower_bounds:map<string,string>,upper_bounds:map<string,string>")
	path := []columnar.Field{{Name: "file_path", Type: columnar.Type{Kind: columnar.String}, Nullable: true}}
	schema.Fields = slices.Concat(path, d.partitionField(), schema.Fields)
	return &shown{schema, func(_ context.Context, add func(values ...any) error) error {
		for f, err := range d.snapshot.Files(nil) {
			if err != nil {
				return fmt.Errorf("list files of Delta table: %w", err)
			}
			partition, err := d.partitionValues(f)
			if err != nil {
				return err
			}
			n, deleted := rowsOf(f)
			var rows, nulls, low, high any
			if n >= 0 {
				rows, nulls, low, high = n, counts(f.Stats.NullCount), bounds(f.Stats.Min), bounds(f.Stats.Max)
			}
			if err := add(slices.Concat([]any{d.url(f)}, partition, []any{rows, deleted, f.Size, f.ModTime.UTC(), nulls, low, high})...); err != nil {
				return err
			}
		}
		return nil
	}}
}

// url is where a file lies, for people.
func (d *deltaTable) url(f *delta.File) string {
	if f.Outside {
		return f.Path
	}
	return "s3://" + strings.TrimSuffix(d.bucket+"/"+d.prefix, "/") + "/" + f.Path
}

// counts are the numbers of a statistic by column.
func counts(stats map[string]any) map[string]any {
	out := map[string]any{}
	for column, v := range stats {
		switch v := v.(type) {
		case json.Number:
			if n, err := v.Int64(); err == nil {
				out[strings.ToLower(column)] = n
			}
		case int64:
			out[strings.ToLower(column)] = v
		case float64:
			out[strings.ToLower(column)] = int64(v)
		}
	}
	return out
}

// bounds are the texts of a statistic by column.
func bounds(stats map[string]any) map[string]any {
	out := map[string]any{}
	for column, v := range stats {
		switch v := v.(type) {
		case map[string]any, nil: // of a struct
		case string:
			out[strings.ToLower(column)] = v
		default:
			out[strings.ToLower(column)] = fmt.Sprint(v)
		}
	}
	return out
}
