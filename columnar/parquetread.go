package columnar

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// ErrCorrupt says that a file breaks the Parquet format.
var ErrCorrupt = errors.New("corrupt Parquet file")

// footerMax bounds the footer of a file, in bytes.
const footerMax = 64 << 20

// ParquetReader is an open Parquet file.
type ParquetReader struct {
	file   *parquet.File
	fields []*element // below the root, in the order of schema
	schema Schema
}

// OpenParquet reads the footer of a file of size bytes. Errors wrap ErrCorrupt, ErrType (a column of a type that is not
// known here), or the reader's own.
func OpenParquet(r io.ReaderAt, size int64) (p *ParquetReader, err error) {
	defer recoverCorrupt(&err)
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	root, err := elementTree(f.Metadata().Schema)
	if err != nil {
		return nil, err
	}
	p = &ParquetReader{file: f, fields: root.children}
	for _, e := range root.children {
		typ, err := fieldType(e)
		if err != nil {
			return nil, fmt.Errorf("Parquet column %q: %w", e.Name, err)
		}
		p.schema.Fields = append(p.schema.Fields, Field{Name: e.Name, Type: typ, Nullable: e.optional()})
	}
	return p, nil
}

// checkFooter refuses a footer that cannot be, before memory is taken for it.
func checkFooter(r io.ReaderAt, size int64) error {
	if size < 12 {
		return fmt.Errorf("%w: %d bytes", ErrCorrupt, size)
	}
	var tail [8]byte
	if _, err := r.ReadAt(tail[:], size-8); err != nil && err != io.EOF {
		return fmt.Errorf("read Parquet footer: %w", err)
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); string(tail[4:]) != "PAR1" || n > size-12 || n > footerMax {
		return fmt.Errorf("%w: no footer", ErrCorrupt)
	}
	return nil
}

// recoverCorrupt turns a panic of the Parquet library over broken input into an error.
func recoverCorrupt(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", ErrCorrupt, r)
	}
}

// Schema is the file's schema. A repeated field outside of a list is read as a list.
func (p *ParquetReader) Schema() *Schema { return &p.schema }

// SchemaWithIDs is the schema with the field ids that the file has, as numbers in the metadata of fields under a key. An id of 0
// counts as none.
func (p *ParquetReader) SchemaWithIDs(key string) *Schema {
	s := &Schema{Fields: slices.Clone(p.schema.Fields)}
	for i := range s.Fields {
		s.Fields[i] = withID(s.Fields[i], p.fields[i], key)
	}
	return s
}

// withID gives a field of type nodeType(e) its id, and those below it theirs.
func withID(f Field, e *element, key string) Field {
	if e.FieldID > 0 {
		f.Metadata = map[string]any{key: json.Number(strconv.Itoa(int(e.FieldID)))}
	}
	var below []*element
	switch {
	case e.leaf >= 0 || e.repeated():
		return f
	case e.isList():
		elem, _ := listElement(e)
		below = []*element{elem}
	case e.isMap():
		below = e.children[0].children
	default:
		below = e.children
	}
	f.Type.Fields = slices.Clone(f.Type.Fields)
	for i := range f.Type.Fields {
		f.Type.Fields[i] = withID(f.Type.Fields[i], below[i], key)
	}
	return f
}

// Rows is the number of rows, as the footer has it.
func (p *ParquetReader) Rows() int64 { return p.file.NumRows() }

// Groups is the number of row groups.
func (p *ParquetReader) Groups() int { return len(p.file.RowGroups()) }

// Packed says whether some column is compressed in a way by which few bytes can become very many.
func (p *ParquetReader) Packed() bool {
	for _, g := range p.file.Metadata().RowGroups {
		for _, c := range g.Columns {
			if c := c.MetaData.Codec; c != format.Snappy && c != format.Uncompressed {
				return true
			}
		}
	}
	return false
}

// Metadata returns a key-value pair of the footer.
func (p *ParquetReader) Metadata(key string) (string, bool) { return p.file.Lookup(key) }

// ReadParquet reads whole columns of a file by the names of their top-level fields, all if none are named.
func ReadParquet(r io.ReaderAt, size int64, columns ...string) (*Batch, error) {
	p, err := OpenParquet(r, size)
	if err != nil {
		return nil, err
	}
	return p.Read(columns...)
}

// Read reads all rows of the named top-level fields, all if none are named.
func (p *ParquetReader) Read(columns ...string) (*Batch, error) {
	return p.read(0, p.Groups(), math.MaxInt, columns)
}

// ReadGroup reads row group i of the named top-level fields, all if none are named.
func (p *ParquetReader) ReadGroup(i int, columns ...string) (*Batch, error) {
	return p.read(i, i+1, math.MaxInt, columns)
}

// ReadGroupWithin is ReadGroup, and an error that wraps ErrFull if the values of a column take more than max bytes.
func (p *ParquetReader) ReadGroupWithin(max, i int, columns ...string) (*Batch, error) {
	return p.read(i, i+1, max, columns)
}

// read reads row groups; max bounds the bytes of a leaf's values.
func (p *ParquetReader) read(from, to, max int, columns []string) (b *Batch, err error) {
	defer recoverCorrupt(&err)
	var picked []int
	for _, name := range columns {
		i := p.schema.Index(name)
		if i < 0 {
			return nil, fmt.Errorf("Parquet file has no column %q", name)
		}
		picked = append(picked, i)
	}
	if columns == nil {
		for i := range p.fields {
			picked = append(picked, i)
		}
	}
	b = &Batch{Schema: &Schema{}}
	for _, g := range p.file.Metadata().RowGroups[from:to] {
		b.Len += int(g.NumRows)
	}
	for _, i := range picked {
		f := p.schema.Fields[i]
		col := newBuilder(f.Type)
		cr := columnReader{groups: p.file.RowGroups()[from:to], flat: p.fields[i].leaf >= 0 && !p.fields[i].repeated(), max: max}
		if _, err := cr.field(p.fields[i], col, levels{}, 0); err != nil {
			return nil, fmt.Errorf("Parquet column %q: %w", f.Name, err)
		}
		if col.Len != b.Len {
			return nil, fmt.Errorf("%w: column %q has %d rows, the file %d", ErrCorrupt, f.Name, col.Len, b.Len)
		}
		b.Schema.Fields = append(b.Schema.Fields, f)
		b.Columns = append(b.Columns, &col.Column)
	}
	return b, nil
}
