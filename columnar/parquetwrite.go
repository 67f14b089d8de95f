package columnar

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
)

// ParquetOptions of a writer. Zero fields are defaults.
type ParquetOptions struct {
	Compression  string // SNAPPY (default), GZIP, ZSTD or UNCOMPRESSED
	BlockSize    int64  // bytes of a row group's values before encoding; default 128 MiB
	PageSize     int    // bytes of a page's values before encoding; default 1 MiB
	NoDictionary bool   // write plain values only
	Version      int    // of data pages: 1 (default, read by everything) or 2
	// Metadata are key-value pairs of the footer.
	Metadata map[string]string
}

// ParquetStats describe a written file.
type ParquetStats struct {
	Rows  int64
	Bytes int64
	// Columns has the leaves outside of lists and maps, in the order of the schema.
	Columns []ColumnStats
}

// ColumnStats are the bounds of one column of a file.
type ColumnStats struct {
	Path  []string // a, or a and b for a.b
	Type  Type
	Nulls int64
	// Min and Max are in Column.Value's forms, exact and not shortened; nil if all values are null (or NaN). Bool and
	// Binary columns have none.
	Min, Max any
	NaN      bool // some value is NaN
}

// ParquetWriter writes batches of one schema as a Parquet file. Finished row groups go to the underlying writer at once;
// the present one is held in memory, compressed.
type ParquetWriter struct {
	opts   ParquetOptions
	out    countingWriter
	file   *parquet.Writer
	schema *Schema
	leaves []*leafWriter
	rows   int64
	group  int64 // bytes of values in the present row group
}

// dictionaryMax is the size in bytes beyond which a column of a row group goes on without dictionary.
const dictionaryMax = 1 << 20

// chunkRows is how many rows are handed to a column at a time.
const chunkRows = 1024

// NewParquetWriter begins a file. Nothing is written before the first row group is full or Close.
func NewParquetWriter(w io.Writer, schema *Schema, opts ParquetOptions) (*ParquetWriter, error) {
	codec, err := parquetCodec(opts.Compression)
	if err != nil {
		return nil, err
	}
	if opts.BlockSize == 0 {
		opts.BlockSize = 128 << 20
	}
	if opts.PageSize == 0 {
		opts.PageSize = 1 << 20
	}
	if opts.Version == 0 {
		opts.Version = 1
	}
	root, err := groupNode(schema.Fields, opts)
	if err != nil {
		return nil, err
	}
	p := &ParquetWriter{opts: opts, schema: schema, out: countingWriter{w: w}}
	settings := []parquet.WriterOption{
		parquet.NewSchema("spark_schema", root),
		parquet.Compression(codec),
		parquet.PageBufferSize(opts.PageSize),
		parquet.DataPageVersion(opts.Version),
		parquet.DataPageStatistics(true),
		parquet.DictionaryMaxBytes(dictionaryMax),
		parquet.CreatedBy("weir", "1.0.0", "0"),
	}
	keys := make([]string, 0, len(opts.Metadata))
	for k := range opts.Metadata {
		keys = append(keys, k)
	}
	slices.Sort(keys) // the same file for the same input
	for _, k := range keys {
		settings = append(settings, parquet.KeyValueMetadata(k, opts.Metadata[k]))
	}
	p.file = parquet.NewWriter(&p.out, settings...)
	for i, f := range schema.Fields {
		p.leaves = appendLeaves(p.leaves, []int{i}, []Field{f})
	}
	for i, l := range p.leaves {
		l.index = i
	}
	return p, nil
}

func parquetCodec(name string) (compress.Codec, error) {
	switch name {
	case "", "SNAPPY":
		return &parquet.Snappy, nil
	case "GZIP":
		return &parquet.Gzip, nil
	case "ZSTD":
		return &parquet.Zstd, nil
	case "UNCOMPRESSED", "NONE":
		return &parquet.Uncompressed, nil
	}
	return nil, fmt.Errorf("Parquet compression %q: must be SNAPPY, GZIP, ZSTD or UNCOMPRESSED", name)
}

// WriteParquet writes batches of one schema as a whole file.
func WriteParquet(w io.Writer, opts ParquetOptions, batches ...*Batch) (ParquetStats, error) {
	if len(batches) == 0 {
		return ParquetStats{}, fmt.Errorf("write Parquet: no batch, so no schema")
	}
	p, err := NewParquetWriter(w, batches[0].Schema, opts)
	if err != nil {
		return ParquetStats{}, err
	}
	for _, b := range batches {
		if err := p.Write(b); err != nil {
			return ParquetStats{}, err
		}
	}
	return p.Close()
}

// Write appends the rows of b, which are not needed after it returns. A null where the schema allows none is an
// error; the file is then useless.
func (p *ParquetWriter) Write(b *Batch) error {
	if len(b.Columns) != len(p.schema.Fields) {
		return fmt.Errorf("write Parquet: batch has %d columns, the file %d", len(b.Columns), len(p.schema.Fields))
	}
	columns := p.file.ColumnWriters()
	for _, l := range p.leaves {
		l.resolve(b)
	}
	for from := 0; from < b.Len; from += chunkRows {
		to := min(from+chunkRows, b.Len)
		for _, l := range p.leaves {
			if err := l.collect(from, to); err != nil {
				return err
			}
			if _, err := columns[l.index].WriteRowValues(l.values); err != nil {
				return fmt.Errorf("write Parquet column %s: %w", strings.Join(l.path, "."), err)
			}
			p.group += l.size
		}
		p.rows += int64(to - from)
		if p.group >= p.opts.BlockSize {
			if err := p.file.Flush(); err != nil {
				return fmt.Errorf("write Parquet row group: %w", err)
			}
			p.group = 0
		}
	}
	return nil
}

// Close writes what is left and the footer. The underlying writer stays open.
func (p *ParquetWriter) Close() (ParquetStats, error) {
	if err := p.file.Close(); err != nil {
		return ParquetStats{}, fmt.Errorf("write Parquet footer: %w", err)
	}
	stats := ParquetStats{Rows: p.rows, Bytes: p.out.n}
	for _, l := range p.leaves {
		if l.lists == 0 {
			stats.Columns = append(stats.Columns, l.stats.result(l.path))
		}
	}
	return stats, nil
}

// countingWriter knows how many bytes went through.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// leafWriter turns the rows of one leaf into values with levels.
type leafWriter struct {
	index  int
	path   []string
	chain  []int   // the column in the batch, then the child at each step
	fields []Field // the field at each step
	lists  int     // how many steps are lists or maps
	steps  []*Column
	values []parquet.Value
	size   int64 // bytes of the values
	fixed  []byte
	stats  leafStats
}

// appendLeaves adds the leaves below the last field of the chain.
func appendLeaves(leaves []*leafWriter, chain []int, fields []Field) []*leafWriter {
	f := fields[len(fields)-1]
	if f.Type.Kind < Struct {
		l := &leafWriter{chain: slices.Clone(chain), fields: slices.Clone(fields)}
		for i := range fields {
			l.path = append(l.path, fields[i].Name)
			if k := fields[i].Type.Kind; k == List || k == Map {
				l.lists++
			}
		}
		l.stats.typ = f.Type
		return append(leaves, l)
	}
	for i, child := range f.Type.Fields {
		if f.Type.Kind == Map && i == 0 {
			child.Nullable = false
		}
		leaves = appendLeaves(leaves, append(chain, i), append(fields, child))
	}
	return leaves
}

// resolve finds the leaf's columns in a batch.
func (l *leafWriter) resolve(b *Batch) {
	l.steps = l.steps[:0]
	c := b.Columns[l.chain[0]]
	l.steps = append(l.steps, c)
	for _, i := range l.chain[1:] {
		c = c.Children[i]
		l.steps = append(l.steps, c)
	}
}

// collect makes the values of rows from to to-1.
func (l *leafWriter) collect(from, to int) error {
	l.values = l.values[:0]
	l.size = 0
	l.fixed = l.fixed[:0]
	for row := from; row < to; row++ {
		if err := l.emit(0, row, 0, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// emit adds the values of row i of the column at step. rep is the repetition level of the first of them, def the
// definition level reached so far, lists the number of lists passed.
func (l *leafWriter) emit(step, i, rep, def, lists int) error {
	c := l.steps[step]
	field := &l.fields[step]
	if c.Null(i) {
		if !field.Nullable {
			return fmt.Errorf("write Parquet column %s: null where the schema allows none", strings.Join(l.path, "."))
		}
		l.null(rep, def)
		return nil
	}
	if field.Nullable {
		def++
	}
	switch field.Type.Kind {
	case Struct:
		return l.emit(step+1, i, rep, def, lists)
	case List, Map:
		if c.Offsets[i] == c.Offsets[i+1] {
			l.null(rep, def)
			return nil
		}
		for k := c.Offsets[i]; k < c.Offsets[i+1]; k++ {
			if err := l.emit(step+1, int(k), rep, def+1, lists+1); err != nil {
				return err
			}
			rep = lists + 1
		}
		return nil
	}
	v, size := l.value(c, i)
	l.size += int64(size)
	l.values = append(l.values, v.Level(rep, def, l.index))
	return nil
}

func (l *leafWriter) null(rep, def int) {
	l.stats.nulls++
	l.values = append(l.values, parquet.NullValue().Level(rep, def, l.index))
}

// value is row i of leaf column c, and its size in bytes; it counts the value into the statistics.
func (l *leafWriter) value(c *Column, i int) (parquet.Value, int) {
	switch k := c.Type.Kind; k {
	case Bool:
		return parquet.BooleanValue(c.Data[i] != 0), 1
	case Int8, Int16, Int32, Date:
		v := c.Int(i)
		l.stats.int(v)
		return parquet.Int32Value(int32(v)), 4
	case Int64, Timestamp, TimestampNTZ:
		v := int64(binary.LittleEndian.Uint64(c.Data[8*i:]))
		l.stats.int(v)
		return parquet.Int64Value(v), 8
	case Float32:
		v := c.Float(i)
		l.stats.float(v)
		return parquet.FloatValue(float32(v)), 4
	case Float64:
		v := math.Float64frombits(binary.LittleEndian.Uint64(c.Data[8*i:]))
		l.stats.float(v)
		return parquet.DoubleValue(v), 8
	case String:
		v := c.Bytes(i)
		l.stats.bytes(v)
		return parquet.ByteArrayValue(v), len(v) + 4
	case Binary:
		v := c.Bytes(i)
		return parquet.ByteArrayValue(v), len(v) + 4
	}
	return l.decimal(c.Int128(i))
}

func (l *leafWriter) decimal(v Int128) (parquet.Value, int) {
	l.stats.decimal(v)
	precision := l.stats.typ.Precision
	switch {
	case precision <= 9:
		return parquet.Int32Value(int32(v.Lo)), 4
	case precision <= 18:
		return parquet.Int64Value(int64(v.Lo)), 8
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(v.Hi))
	binary.BigEndian.PutUint64(b[8:], v.Lo)
	n := decimalBytes(precision)
	l.fixed = append(l.fixed, b[16-n:]...)
	return parquet.FixedLenByteArrayValue(l.fixed[len(l.fixed)-n:]), n
}

// leafStats are the running bounds of a leaf.
type leafStats struct {
	typ        Type
	nulls      int64
	some       bool // a value was seen
	nan        bool
	minI, maxI int64
	minF, maxF float64
	minB, maxB []byte
	minD, maxD Int128
}

func (s *leafStats) int(v int64) {
	if !s.some {
		s.some, s.minI, s.maxI = true, v, v
		return
	}
	s.minI, s.maxI = min(s.minI, v), max(s.maxI, v)
}

func (s *leafStats) float(v float64) {
	if v != v {
		s.nan = true
		return
	}
	if !s.some {
		s.some, s.minF, s.maxF = true, v, v
		return
	}
	s.minF, s.maxF = min(s.minF, v), max(s.maxF, v)
}

func (s *leafStats) bytes(v []byte) {
	if !s.some {
		s.some, s.minB, s.maxB = true, bytes.Clone(v), bytes.Clone(v)
		return
	}
	if bytes.Compare(v, s.minB) < 0 {
		s.minB = append(s.minB[:0], v...)
	}
	if bytes.Compare(v, s.maxB) > 0 {
		s.maxB = append(s.maxB[:0], v...)
	}
}

func (s *leafStats) decimal(v Int128) {
	if !s.some {
		s.some, s.minD, s.maxD = true, v, v
		return
	}
	if v.less(s.minD) {
		s.minD = v
	}
	if s.maxD.less(v) {
		s.maxD = v
	}
}

func (s *leafStats) result(path []string) ColumnStats {
	r := ColumnStats{Path: path, Type: s.typ, Nulls: s.nulls, NaN: s.nan}
	if !s.some {
		return r
	}
	switch s.typ.Kind {
	case Int8, Int16, Int32, Int64:
		r.Min, r.Max = s.minI, s.maxI
	case Date, Timestamp, TimestampNTZ:
		r.Min, r.Max = timeValue(s.typ.Kind, s.minI), timeValue(s.typ.Kind, s.maxI)
	case Float32, Float64:
		r.Min, r.Max = s.minF, s.maxF
	case String:
		r.Min, r.Max = string(s.minB), string(s.maxB)
	case Decimal:
		r.Min, r.Max = s.minD.Text(s.typ.Scale), s.maxD.Text(s.typ.Scale)
	}
	return r
}
