package duckdb

import (
	"fmt"
	"unsafe"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/columnar"
)

// fetch copies a result, whose columns must have types that tables have.
func fetch(res *mapping.Result) (*columnar.Batch, error) {
	out := &columnar.Batch{Schema: &columnar.Schema{}}
	for i := range mapping.ColumnCount(res) {
		l := mapping.ColumnLogicalType(res, i)
		t, err := columnType(l)
		mapping.DestroyLogicalType(&l)
		name := mapping.ColumnName(res, i)
		if err != nil {
			return nil, fmt.Errorf("column %s %w", name, err)
		}
		out.Schema.Fields = append(out.Schema.Fields, columnar.Field{Name: name, Type: t, Nullable: true})
		out.Columns = append(out.Columns, newColumn(t))
	}
	for {
		chunk := mapping.FetchChunk(*res)
		if chunk.Ptr == nil {
			return out, nil
		}
		n := int(mapping.DataChunkGetSize(chunk))
		for i, c := range out.Columns {
			appendRows(c, viewOf(mapping.DataChunkGetVector(chunk, mapping.IdxT(i)), c.Type), 0, n)
		}
		out.Len += n
		mapping.DestroyDataChunk(&chunk)
		if n == 0 {
			return out, nil
		}
	}
}

func newColumn(t columnar.Type) *columnar.Column {
	c := &columnar.Column{Type: t}
	if t.Kind != columnar.Struct && t.Kind.Width() == 0 {
		c.Offsets = []int32{0}
	}
	for _, f := range t.Fields {
		c.Children = append(c.Children, newColumn(f.Type))
	}
	return c
}

// view is a vector with what is needed to read it.
type view struct {
	data  unsafe.Pointer
	valid *uint64 // nil: no null
	id    mapping.Type
	width uint8 // of decimals: the type that holds them
	kids  []view
}

func viewOf(v mapping.Vector, t columnar.Type) view {
	l := mapping.VectorGetColumnType(v)
	defer mapping.DestroyLogicalType(&l)
	w := view{data: mapping.VectorGetData(v), valid: (*uint64)(mapping.VectorGetValidity(v)), id: mapping.GetTypeId(l)}
	switch t.Kind {
	case columnar.Decimal:
		if w.id == mapping.TypeDecimal {
			w.width = mapping.DecimalWidth(l)
		}
	case columnar.List:
		w.kids = []view{viewOf(mapping.ListVectorGetChild(v), t.Fields[0].Type)}
	case columnar.Map:
		kv := mapping.ListVectorGetChild(v)
		for i, f := range t.Fields {
			w.kids = append(w.kids, viewOf(mapping.StructVectorGetChild(kv, mapping.IdxT(i)), f.Type))
		}
	case columnar.Struct:
		for i, f := range t.Fields {
			w.kids = append(w.kids, viewOf(mapping.StructVectorGetChild(v, mapping.IdxT(i)), f.Type))
		}
	}
	return w
}

func (w *view) null(i int) bool {
	return w.valid != nil && *(*uint64)(unsafe.Add(unsafe.Pointer(w.valid), i>>6<<3))&(1<<(i&63)) == 0
}

func at[T any](w *view, i int) T {
	var t T
	return *(*T)(unsafe.Add(w.data, i*int(unsafe.Sizeof(t))))
}

// appendRows appends rows from..from+n of w.
func appendRows(c *columnar.Column, w view, from, n int) {
	for i := from; i < from+n; i++ {
		null := w.null(i)
		appendValid(c, !null)
		switch c.Type.Kind {
		case columnar.String, columnar.Binary:
			if !null {
				c.Data = append(c.Data, textAt(&w, i)...)
			}
			c.Offsets = append(c.Offsets, int32(len(c.Data)))
		case columnar.List, columnar.Map:
			if !null {
				e := at[listEntry](&w, i)
				for k, kid := range c.Children {
					appendRows(kid, w.kids[k], int(e.offset), int(e.length))
				}
			}
			c.Offsets = append(c.Offsets, int32(c.Children[0].Len))
		case columnar.Struct:
			for k, kid := range c.Children {
				appendRows(kid, w.kids[k], i, 1)
			}
		case columnar.Decimal:
			c.Data = appendDecimal(c.Data, &w, i, null)
		default:
			c.Data = appendFlat(c.Data, &w, i, c.Type.Kind.Width(), null)
		}
		c.Len++
	}
}

// appendValid notes whether the row that comes next is there.
func appendValid(c *columnar.Column, valid bool) {
	if c.Len&63 == 0 {
		c.Valid = append(c.Valid, make([]byte, 8)...)
	}
	if valid {
		c.Valid[c.Len>>3] |= 1 << (c.Len & 7)
	}
}

func textAt(w *view, i int) []byte {
	s := unsafe.Add(w.data, i*stringSize)
	n := *(*uint32)(s)
	if n <= inlineMax {
		return unsafe.Slice((*byte)(unsafe.Add(s, 4)), n)
	}
	return unsafe.Slice(*(**byte)(unsafe.Add(s, 8)), n)
}

// appendFlat appends a value of width bytes; unsigned and coarser types are widened to what columnType said.
func appendFlat(data []byte, w *view, i, width int, null bool) []byte {
	if null {
		return append(data, make([]byte, width)...)
	}
	var v int64
	switch w.id {
	case mapping.TypeUTinyInt:
		v = int64(at[uint8](w, i))
	case mapping.TypeUSmallInt:
		v = int64(at[uint16](w, i))
	case mapping.TypeUInteger:
		v = int64(at[uint32](w, i))
	case mapping.TypeTimestampS:
		v = at[int64](w, i) * 1e6
	case mapping.TypeTimestampMS:
		v = at[int64](w, i) * 1e3
	case mapping.TypeTimestampNS:
		v = at[int64](w, i) / 1e3
	default:
		return append(data, unsafe.Slice((*byte)(unsafe.Add(w.data, i*width)), width)...)
	}
	return append(data, unsafe.Slice((*byte)(unsafe.Pointer(&v)), width)...)
}

func appendDecimal(data []byte, w *view, i int, null bool) []byte {
	var v [2]uint64
	switch {
	case null:
	case w.id == mapping.TypeUBigInt:
		v[0] = at[uint64](w, i)
	case w.id != mapping.TypeDecimal || w.width > 18:
		v = at[[2]uint64](w, i)
	case w.width > 9:
		v = extend(at[int64](w, i))
	case w.width > 4:
		v = extend(int64(at[int32](w, i)))
	default:
		v = extend(int64(at[int16](w, i)))
	}
	return append(data, unsafe.Slice((*byte)(unsafe.Pointer(&v)), 16)...)
}

func extend(v int64) [2]uint64 { return [2]uint64{uint64(v), uint64(v >> 63)} }
