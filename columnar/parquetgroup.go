package columnar

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"unsafe"

	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// GroupWriter writes a Parquet file of columns that are not nested, a row group at a time. It is several times as fast as a
// ParquetWriter, which takes any columns and cuts row groups itself. After NewGroupWriter come any number of calls of Write, then Close.
type GroupWriter struct {
	out    countingWriter
	codec  compress.Codec
	schema *Schema
	meta   format.FileMetaData
	stats  []leafStats
	opts   ParquetOptions
}

// chunkEncoders are idle; their buffers are as large as a row group's largest column.
var chunkEncoders = sync.Pool{New: func() any { return new(chunkEncoder) }}

// NewGroupWriter begins a file. Columns of nested types are an error that wraps ErrType. BlockSize of the options does not matter.
func NewGroupWriter(w io.Writer, schema *Schema, opts ParquetOptions) (*GroupWriter, error) {
	codec, err := parquetCodec(opts.Compression)
	if err != nil {
		return nil, err
	}
	if opts.Version > 1 {
		return nil, fmt.Errorf("Parquet data pages of version %d: %w: row groups are written with version 1", opts.Version, errors.ErrUnsupported)
	}
	if opts.PageSize == 0 {
		opts.PageSize = pageSizeDefault
	}
	if _, err := groupNode(schema.Fields, opts); err != nil {
		return nil, err
	}
	g := &GroupWriter{out: countingWriter{w: w}, codec: codec, schema: schema, stats: make([]leafStats, len(schema.Fields)), opts: opts}
	g.meta = format.FileMetaData{Version: 1, CreatedBy: createdBy, Schema: []format.SchemaElement{rootElement(len(schema.Fields))}}
	for i, f := range schema.Fields {
		e, err := leafElement(f, opts)
		if err != nil {
			return nil, err
		}
		g.stats[i].typ = f.Type
		g.meta.Schema = append(g.meta.Schema, e)
		g.meta.ColumnOrders = append(g.meta.ColumnOrders, format.ColumnOrder{Value: new(format.TypeDefinedOrder)})
	}
	for _, k := range sortedKeys(opts.Metadata) {
		g.meta.KeyValueMetadata = append(g.meta.KeyValueMetadata, format.KeyValue{Key: k, Value: opts.Metadata[k]})
	}
	_, err = io.WriteString(&g.out, "PAR1")
	return g, err
}

func rootElement(fields int) format.SchemaElement {
	return format.SchemaElement{Name: "spark_schema", NumChildren: thrift.New(int32(fields))}
}

// leafElement is a field that is not nested as the footer has it.
func leafElement(f Field, opts ParquetOptions) (format.SchemaElement, error) {
	if f.Type.Kind >= Struct {
		return format.SchemaElement{}, fmt.Errorf("field %q: %w: %s in a file of row groups", f.Name, ErrType, f.Type)
	}
	node, err := typeNode(f.Type, opts)
	if err != nil {
		return format.SchemaElement{}, fmt.Errorf("field %q: %w", f.Name, err)
	}
	t := node.Type()
	e := format.SchemaElement{Name: f.Name, Type: thrift.New(*t.PhysicalType()), RepetitionType: thrift.New(format.Required)}
	if f.Nullable {
		e.RepetitionType.V = format.Optional
	}
	if e.Type.V == format.FixedLenByteArray {
		e.TypeLength = thrift.New(int32(t.Length()))
	}
	if l := t.LogicalType(); l != nil {
		e.LogicalType = *l
	}
	if c := t.ConvertedType(); c != nil && *c != deprecated.TimestampMicros || c != nil && f.Type.Kind == Timestamp {
		e.ConvertedType = thrift.New(*c)
	}
	if f.Type.Kind == Decimal {
		e.Scale, e.Precision = thrift.New(int32(f.Type.Scale)), thrift.New(int32(f.Type.Precision))
	}
	return e, nil
}

// Write writes the rows of batches as one row group. They are not needed after it returns. A null where the schema allows
// none is an error; the file is then useless.
func (g *GroupWriter) Write(batches ...*Batch) error {
	rows := 0
	for _, b := range batches {
		if len(b.Columns) != len(g.schema.Fields) {
			return fmt.Errorf("write Parquet: batch has %d columns, the file %d", len(b.Columns), len(g.schema.Fields))
		}
		rows += b.Len
	}
	return g.writeRows(rowsOfBatches(batches, len(g.schema.Fields)), rows)
}

// writeRows writes a row group of n rows of each column.
func (g *GroupWriter) writeRows(columns []ColumnRows, n int) error {
	if n == 0 {
		return nil
	}
	group := format.RowGroup{Ordinal: int16(min(len(g.meta.RowGroups), 1<<15-1)), FileOffset: g.out.n, NumRows: int64(n)}
	err := g.encode(columns, func(pages []byte, meta format.ColumnMetaData) error {
		meta.DataPageOffset += g.out.n
		if meta.DictionaryPageOffset >= 0 {
			meta.DictionaryPageOffset += g.out.n
		} else {
			meta.DictionaryPageOffset = 0
		}
		group.Columns = append(group.Columns, format.ColumnChunk{MetaData: meta})
		group.TotalByteSize += meta.TotalUncompressedSize
		group.TotalCompressedSize += meta.TotalCompressedSize
		_, err := g.out.Write(pages)
		return err
	})
	if err != nil {
		return fmt.Errorf("write Parquet row group: %w", err)
	}
	g.meta.RowGroups = append(g.meta.RowGroups, group)
	g.meta.NumRows += group.NumRows
	return nil
}

// encode gives the pages of each column to write, in order.
func (g *GroupWriter) encode(columns []ColumnRows, write func([]byte, format.ColumnMetaData) error) error {
	chunk := chunkEncoders.Get().(*chunkEncoder)
	defer chunkEncoders.Put(chunk)
	chunk.codec, chunk.pageSize, chunk.plain = g.codec, g.opts.PageSize, g.opts.NoDictionary
	for i, f := range g.schema.Fields {
		pages, meta, err := chunk.encode(f, columns[i], &g.stats[i])
		if err != nil {
			return fmt.Errorf("column %s: %w", f.Name, err)
		}
		if err := write(pages, meta); err != nil {
			return err
		}
	}
	return nil
}

// Close writes the footer. The underlying writer stays open.
func (g *GroupWriter) Close() (ParquetStats, error) {
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), &g.meta)
	if err == nil {
		footer = append(footer, byte(len(footer)), byte(len(footer)>>8), byte(len(footer)>>16), byte(len(footer)>>24))
		_, err = g.out.Write(append(footer, "PAR1"...))
	}
	if err != nil {
		return ParquetStats{}, fmt.Errorf("write Parquet footer: %w", err)
	}
	stats := ParquetStats{Rows: g.meta.NumRows, Bytes: g.out.n}
	for i, f := range g.schema.Fields {
		stats.Columns = append(stats.Columns, g.stats[i].result([]string{f.Name}))
	}
	return stats, nil
}

// flat says whether no field is nested.
func flat(s *Schema) bool {
	return !slices.ContainsFunc(s.Fields, func(f Field) bool { return f.Type.Kind >= Struct })
}

// writeGroups writes batches of one schema without nested columns as a whole file, in row groups of opts.BlockSize.
func writeGroups(w io.Writer, opts ParquetOptions, batches []*Batch) (ParquetStats, error) {
	if opts.BlockSize == 0 {
		opts.BlockSize = blockSizeDefault
	}
	g, err := NewGroupWriter(w, batches[0].Schema, opts)
	if err != nil {
		return ParquetStats{}, err
	}
	var group []*Batch
	var size int64
	for _, b := range batches {
		for _, part := range b.cut(opts.BlockSize) {
			group, size = append(group, part), size+part.Bytes()
			if size < opts.BlockSize {
				continue
			}
			if err := g.Write(group...); err != nil {
				return ParquetStats{}, err
			}
			group, size = group[:0], 0
		}
	}
	if err := g.Write(group...); err != nil {
		return ParquetStats{}, err
	}
	return g.Close()
}

// WriteParquetRows writes rows of a schema without nested columns, where they lie, as a whole file, in row groups of opts.BlockSize. columns has
// the rows of each field; all have as many.
func WriteParquetRows(w io.Writer, schema *Schema, opts ParquetOptions, columns []ColumnRows) (ParquetStats, error) {
	if len(columns) != len(schema.Fields) || len(columns) == 0 {
		return ParquetStats{}, fmt.Errorf("write Parquet: %d columns of rows, the file has %d", len(columns), len(schema.Fields))
	}
	if opts.BlockSize == 0 {
		opts.BlockSize = blockSizeDefault
	}
	g, err := NewGroupWriter(w, schema, opts)
	if err != nil {
		return ParquetStats{}, err
	}
	rowBytes, rest := 1, columns[0].Len()
	cursors := make([]spanCursor, len(columns))
	like := make([]int, len(columns)) // the first column with the same spans
	for i := range columns {
		rowBytes += columns[i].rowBytes()
		cursors[i].rest = columns[i].Spans
		like[i] = slices.IndexFunc(columns, func(c ColumnRows) bool {
			return len(c.Spans) == len(columns[i].Spans) && unsafe.SliceData(c.Spans) == unsafe.SliceData(columns[i].Spans)
		})
	}
	groups := max((int64(rest)*int64(rowBytes)+opts.BlockSize-1)/opts.BlockSize, 1)
	for size := (rest + int(groups) - 1) / int(groups); rest > 0; {
		n := min(size, rest)
		part := make([]ColumnRows, len(columns))
		for i := range columns {
			part[i].Columns = columns[i].Columns
			if like[i] < i {
				part[i].Spans = part[like[i]].Spans
			} else {
				part[i].Spans = cursors[i].next(n)
			}
		}
		if err := g.writeRows(part, n); err != nil {
			return ParquetStats{}, err
		}
		rest -= n
	}
	return g.Close()
}

// cut are parts of about so many bytes of a batch without nested columns, in its buffers.
func (b *Batch) cut(size int64) []*Batch {
	all := b.Bytes()
	if all <= size {
		return []*Batch{b}
	}
	rows := max(int(float64(b.Len)*float64(size)/float64(all))&^7, 8) // whole bytes of bitmaps
	var parts []*Batch
	for from := 0; from < b.Len; from += rows {
		part := &Batch{Schema: b.Schema, Len: min(rows, b.Len-from)}
		for _, c := range b.Columns {
			part.Columns = append(part.Columns, c.cut(from, part.Len))
		}
		parts = append(parts, part)
	}
	return parts
}

// cut is n rows from a multiple of 8 on.
func (c *Column) cut(from, n int) *Column {
	out := &Column{Type: c.Type, Len: n, Data: c.Data}
	if c.Valid != nil {
		out.Valid = c.Valid[from>>3:]
	}
	if c.Offsets != nil {
		out.Offsets = c.Offsets[from : from+n+1]
		return out
	}
	width := c.Type.Kind.Width()
	out.Data = c.Data[from*width : (from+n)*width]
	return out
}

// Bytes is what the values of columns that are not nested take.
func (b *Batch) Bytes() (n int64) {
	for _, c := range b.Columns {
		if n += int64(4 * len(c.Offsets)); c.Offsets == nil {
			n += int64(len(c.Data))
		} else {
			n += int64(c.Offsets[c.Len] - c.Offsets[0])
		}
	}
	return n
}
