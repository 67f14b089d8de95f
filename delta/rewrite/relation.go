package rewrite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

// The names that statements give to what they read. Columns of these names are hidden from users.
const (
	targetName = "weir_target"
	sourceName = "weir_source_rows"
	hitsName   = "weir_hits"
	goneName   = "weir_gone"

	fileColumn = "weir_file" // index of the file among those of the statement
	rowColumn  = "weir_row"  // position in the file
	hitColumn  = "weir_hit"  // what is to be done with the row, 0: nothing
)

// input is a data file on this machine.
type input struct {
	file   *delta.File
	path   string
	schema *columnar.Schema // as the file says
	rows   int64
	gone   *delta.Rows // deleted rows, nil: none
}

// openers bounds the files that are brought here at the same time: those of a store elsewhere take their time.
const openers = 8

// open brings files to this machine. They are links where the store's objects are files, so that they stay
// readable whatever happens to the objects.
func (j *job) open(files []*delta.File) ([]input, error) {
	out := make([]input, len(files))
	g, ctx := errgroup.WithContext(j.ctx)
	g.SetLimit(openers)
	for i, f := range files {
		out[i] = input{file: f, path: j.path(".parquet")}
		g.Go(func() error {
			if err := j.openOne(ctx, &out[i]); err != nil {
				return fmt.Errorf("data file %q: %w", f.Path, err)
			}
			return nil
		})
	}
	return out, g.Wait()
}

func (j *job) openOne(ctx context.Context, in *input) (err error) {
	if err := j.fetch(ctx, in.file, in.path); err != nil {
		return err
	}
	if in.schema, in.rows, err = j.footer(in.path); err != nil {
		return err
	}
	in.gone, err = j.snapshot.Deleted(ctx, in.file)
	return err
}

func (j *job) fetch(ctx context.Context, f *delta.File, path string) error {
	store, bucket, key := j.t.opts.Store, j.t.bucket, j.t.prefix+f.Path
	if f.Outside {
		var ok bool
		if bucket, key, ok = delta.Locate(ctx, store, j.t.bucket, j.t.prefix, f.Path); !ok {
			return fmt.Errorf("%w: it lies where the store does not reach", delta.ErrUnsupported)
		}
	}
	if l, ok := store.(objstore.Local); ok {
		from, err := l.Path(ctx, bucket, key)
		if err != nil {
			return err
		}
		if os.Link(from, path) == nil {
			return nil
		}
	}
	body, _, err := store.Get(ctx, bucket, key, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, body)
	return errors.Join(err, w.Close())
}

// footer reads the schema of a data file and its number of rows. In a table that finds columns by id fields have those of the file.
func (j *job) footer(path string) (schema *columnar.Schema, rows int64, err error) {
	err = withFooter(path, func(r *columnar.ParquetReader) {
		schema, rows = r.Schema(), r.Rows()
		if j.mapping() == delta.MapID {
			schema = r.SchemaWithIDs(metaFieldID)
		}
	})
	return schema, rows, err
}

// footer reads the schema of a Parquet file.
func footer(path string) (schema *columnar.Schema, err error) {
	err = withFooter(path, func(r *columnar.ParquetReader) { schema = r.Schema() })
	return schema, err
}

func withFooter(path string, read func(*columnar.ParquetReader)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	r, err := columnar.OpenParquet(f, info.Size())
	if err != nil {
		return err
	}
	read(r)
	return nil
}

// drop forgets inputs that are no longer read.
func drop(inputs []input) {
	for _, in := range inputs {
		os.Remove(in.path) // with its folder at the latest
	}
}

// marks are what is to be done with rows, by file and by a number that is not 0.
type marks map[string]map[int32]*delta.Rows

func (m marks) add(path string, row int64, what int32) {
	if m[path] == nil {
		m[path] = map[int32]*delta.Rows{}
	}
	if m[path][what] == nil {
		m[path][what] = &delta.Rows{}
	}
	m[path][what].Add(row)
}

// count is the number of rows of a file that are marked.
func (m marks) count(path string) (n int64) {
	for _, rows := range m[path] {
		n += rows.Cardinality()
	}
	return n
}

// all are the marked rows of a file, whatever is to be done with them.
func (m marks) all(path string) *delta.Rows {
	out := &delta.Rows{}
	for _, rows := range m[path] {
		out = out.Union(rows)
	}
	return out
}

var markSchema = &columnar.Schema{Fields: []columnar.Field{
	{Name: "f", Type: columnar.Type{Kind: columnar.Int32}}, {Name: "p", Type: columnar.Type{Kind: columnar.Int64}},
	{Name: "a", Type: columnar.Type{Kind: columnar.Int32}},
}}

// markRows are rows of files as a table that statements read.
type markRows struct {
	n                      int
	files, positions, what []byte // values in columnar's layout
}

func (r *markRows) add(file int, rows *delta.Rows, what int32) {
	for row := range rows.All() {
		r.files = binary.LittleEndian.AppendUint32(r.files, uint32(file))
		r.positions = binary.LittleEndian.AppendUint64(r.positions, uint64(row))
		r.what = binary.LittleEndian.AppendUint32(r.what, uint32(what))
		r.n++
	}
}

func (r *markRows) table(name string) duckdb.Table {
	b := &columnar.Batch{Schema: markSchema, Len: r.n}
	for i, data := range [][]byte{r.files, r.positions, r.what} {
		b.Columns = append(b.Columns, &columnar.Column{Type: markSchema.Fields[i].Type, Len: r.n, Data: data})
	}
	return duckdb.Table{Name: name, Schema: markSchema, Rows: []*columnar.Batch{b}}
}

// target is the table as queries see it: its columns by name, and the hidden ones. Deleted rows are left out.
func (j *job) target(inputs []input, m marks) (query string, tables []duckdb.Table, err error) {
	schema := j.schema
	var gone, hits markRows
	var parts []string
	for i := 0; i < len(inputs); {
		n := i + 1
		for n < len(inputs) && sameShape(&inputs[i], &inputs[n]) {
			n++
		}
		part, err := j.part(schema, inputs[i:n], i, m != nil)
		if err != nil {
			return "", nil, err
		}
		parts = append(parts, part)
		i = n
	}
	for i := range inputs {
		in := &inputs[i]
		gone.add(i, in.gone, 0)
		for _, what := range slices.Sorted(maps.Keys(m[in.file.Path])) {
			hits.add(i, m[in.file.Path][what], what)
		}
	}
	tables = []duckdb.Table{gone.table(goneName)}
	if m != nil {
		tables = append(tables, hits.table(hitsName))
	}
	if len(parts) == 0 {
		var items []string
		for _, f := range schema.Fields {
			items = append(items, "CAST(NULL AS "+typeText(f.Type)+") AS "+quoteName(f.Name))
		}
		items = append(items, "0 AS "+fileColumn, "0 AS "+rowColumn, "0 AS "+hitColumn)
		for _, name := range j.carried() {
			items = append(items, "CAST(0 AS BIGINT) AS "+name)
		}
		parts = []string{"SELECT " + strings.Join(items, ", ") + " WHERE false"}
	}
	return strings.Join(parts, "\nUNION ALL\n"), tables, nil
}

// sameShape says whether two files can be read by the same statement: they have the same columns and the same partition.
func sameShape(a, b *input) bool {
	if (a.gone == nil) != (b.gone == nil) || len(a.file.Partition) != len(b.file.Partition) {
		return false
	}
	for k, v := range a.file.Partition {
		w, ok := b.file.Partition[k]
		if !ok || (v == nil) != (w == nil) || v != nil && *v != *w {
			return false
		}
	}
	return slices.EqualFunc(a.schema.Fields, b.schema.Fields, func(x, y columnar.Field) bool {
		return x.Name == y.Name && x.Type.String() == y.Type.String() && sameIDs(&x, &y)
	})
}

// sameIDs says whether two fields of one type have the same ids, they and what is below them.
func sameIDs(a, b *columnar.Field) bool {
	idA, okA := delta.FieldID(a)
	idB, okB := delta.FieldID(b)
	if idA != idB || okA != okB {
		return false
	}
	for i := range a.Type.Fields {
		if !sameIDs(&a.Type.Fields[i], &b.Type.Fields[i]) {
			return false
		}
	}
	return true
}

// namesIn gives fields of the table the names that fields of the same id have in a file, and none if it lacks them.
func namesIn(have, fields []columnar.Field) []columnar.Field {
	out := slices.Clone(fields)
	for i := range out {
		id, ok := delta.FieldID(&fields[i])
		k := slices.IndexFunc(have, func(f columnar.Field) bool {
			other, has := delta.FieldID(&f)
			return ok && has && id == other
		})
		if out[i].Name = ""; k < 0 {
			continue
		}
		out[i].Name = have[k].Name
		if have[k].Type.Kind == out[i].Type.Kind {
			out[i].Type = namesInType(have[k].Type, out[i].Type)
		}
	}
	return out
}

func namesInType(have, t columnar.Type) columnar.Type {
	if t.Kind == columnar.Struct {
		t.Fields = namesIn(have.Fields, t.Fields)
		return t
	}
	t.Fields = slices.Clone(t.Fields) // elements, keys and values have no ids of their own
	for i := range t.Fields {
		if have.Fields[i].Type.Kind == t.Fields[i].Type.Kind {
			t.Fields[i].Type = namesInType(have.Fields[i].Type, t.Fields[i].Type)
		}
	}
	return t
}

// part reads files of the same shape; base is the number of the first.
func (j *job) part(schema *columnar.Schema, inputs []input, base int, marked bool) (string, error) {
	items, err := j.columns(schema, inputs[0].schema, inputs[0].file.Partition)
	if err != nil {
		return "", err
	}
	file, row := fmt.Sprintf("%d + CAST(weir_s.file_index AS BIGINT)", base), "CAST(weir_s.file_row_number AS BIGINT)"
	items = append(items, file+" AS "+fileColumn, row+" AS "+rowColumn)
	carried, err := j.carriedOf(inputs)
	if err != nil {
		return "", err
	}
	items = append(items, carried...)
	var paths []string
	for _, in := range inputs {
		paths = append(paths, quoteText(in.path))
	}
	from := " FROM read_parquet([" + strings.Join(paths, ", ") + "], hive_partitioning = false) AS weir_s"
	if marked {
		items = append(items, "coalesce(weir_h.a, 0) AS "+hitColumn)
		from += " LEFT JOIN " + hitsName + " AS weir_h ON weir_h.f = " + file + " AND weir_h.p = " + row
	} else {
		items = append(items, "0 AS "+hitColumn)
	}
	if inputs[0].gone != nil {
		from += " WHERE NOT EXISTS (SELECT 1 FROM " + goneName + " AS weir_g WHERE weir_g.f = " + file + " AND weir_g.p = " + row + ")"
	}
	return "SELECT " + strings.Join(items, ", ") + from, nil
}

// columns are the table's columns as expressions over those of a file.
func (j *job) columns(schema, have *columnar.Schema, partition map[string]*string) ([]string, error) {
	by := j.snapshot.PartitionBy()
	phys := physical(schema, j.mapping())
	if j.mapping() == delta.MapID {
		phys = &columnar.Schema{Fields: namesIn(have.Fields, phys.Fields)}
	}
	var items []string
	for i, f := range schema.Fields {
		var x string
		if slices.Contains(by, f.Name) {
			var err error
			if x, err = valueText(f.Type, partition[f.Name]); err != nil {
				return nil, fmt.Errorf("partition column %s: %w", f.Name, err)
			}
		} else if k := indexOf(have.Fields, phys.Fields[i].Name); k >= 0 {
			x = inExpr("weir_s."+quoteName(have.Fields[k].Name), have.Fields[k].Type, phys.Fields[i].Type, f.Type)
		} else {
			x = "CAST(NULL AS " + typeText(f.Type) + ")"
		}
		x, err := padded(x, &f)
		if err != nil {
			return nil, err
		}
		items = append(items, x+" AS "+quoteName(f.Name))
	}
	return items, nil
}

// source is rows of the caller as queries see them, by their own names.
func (j *job) source(rows *Rows) (query string, table []duckdb.Table, err error) {
	if len(rows.Files) == 0 {
		var items []string
		for _, f := range rows.Schema.Fields {
			items = append(items, quoteName(f.Name))
		}
		return "SELECT " + strings.Join(items, ", ") + " FROM weir_batches", []duckdb.Table{{Name: "weir_batches", Schema: rows.Schema, Rows: rows.Rows}}, nil
	}
	have, err := footer(rows.Files[0])
	if err != nil {
		return "", nil, fmt.Errorf("rows to write: %w", err)
	}
	var items, paths []string
	for _, f := range rows.Schema.Fields {
		k := indexOf(have.Fields, f.Name)
		if k < 0 {
			return "", nil, fmt.Errorf("%w: the rows to write have no column %s", delta.ErrInvalid, f.Name)
		}
		items = append(items, inExpr("weir_s."+quoteName(have.Fields[k].Name), have.Fields[k].Type, f.Type, f.Type)+" AS "+quoteName(f.Name))
	}
	for _, p := range rows.Files {
		paths = append(paths, quoteText(p))
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM read_parquet([" + strings.Join(paths, ", ") + "], hive_partitioning = false) AS weir_s", nil, nil
}

// numbered is source with another column, by which each row has a number of its own in every statement.
func (j *job) numbered(rows *Rows, name string) (query string, table []duckdb.Table, err error) {
	query, tables, err := j.source(rows)
	if err != nil {
		return "", nil, err
	}
	if len(rows.Files) > 0 {
		return strings.Replace(query, "SELECT ", "SELECT (CAST(weir_s.file_index AS BIGINT) << 40) + CAST(weir_s.file_row_number AS BIGINT) AS "+name+", ", 1), tables, nil
	}
	field := columnar.Field{Name: name, Type: columnar.Type{Kind: columnar.Int64}}
	t := &tables[0]
	t.Schema = &columnar.Schema{Fields: append(slices.Clone(t.Schema.Fields), field)}
	var next uint64
	batches := make([]*columnar.Batch, len(t.Rows))
	for i, b := range t.Rows {
		c := &columnar.Column{Type: field.Type, Len: b.Len, Data: make([]byte, 0, 8*b.Len)}
		for range b.Len {
			c.Data = binary.LittleEndian.AppendUint64(c.Data, next)
			next++
		}
		batches[i] = &columnar.Batch{Schema: t.Schema, Len: b.Len, Columns: append(slices.Clone(b.Columns), c)}
	}
	t.Rows = batches
	return strings.Replace(query, "SELECT ", "SELECT "+name+", ", 1), tables, nil
}
