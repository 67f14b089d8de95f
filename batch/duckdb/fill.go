package duckdb

import (
	"encoding/binary"
	"unsafe"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/columnar"
)

// Layouts of DuckDB's vectors.
const (
	stringSize = 16 // length, then up to 12 bytes of text, or 4 bytes of it and a pointer
	inlineMax  = 12
)

type listEntry struct{ offset, length uint64 }

// fill copies rows from..from+n of c into the vector v. Long texts are not copied: v points to them.
func fill(v mapping.Vector, c *columnar.Column, from, n int) {
	if n == 0 {
		return
	}
	if c.Valid != nil {
		mapping.VectorEnsureValidityWritable(v)
		mask := unsafe.Slice((*byte)(mapping.VectorGetValidity(v)), (n+63)/64*8)
		copyBits(mask, c.Valid, from, n)
	}
	switch c.Type.Kind {
	case columnar.String, columnar.Binary:
		fillTexts(mapping.VectorGetData(v), c, from, n)
	case columnar.Decimal:
		fillDecimals(mapping.VectorGetData(v), c, from, n)
	case columnar.Struct:
		for i, kid := range c.Children {
			kv := mapping.StructVectorGetChild(v, mapping.IdxT(i))
			fill(kv, kid, from, n)
			nullWithParent(kv, c, from, n)
		}
	case columnar.List, columnar.Map:
		fillLists(v, c, from, n)
	default:
		w := c.Type.Kind.Width()
		copy(unsafe.Slice((*byte)(mapping.VectorGetData(v)), n*w), c.Data[from*w:(from+n)*w])
	}
}

// copyBits copies n bits that begin at bit from of src to the beginning of dst.
func copyBits(dst, src []byte, from, n int) {
	src = src[from>>3:]
	shift := from & 7
	if shift == 0 {
		copy(dst, src[:(n+7)/8])
		return
	}
	for i := range (n + 7) / 8 {
		b := src[i] >> shift
		if i+1 < len(src) {
			b |= src[i+1] << (8 - shift)
		}
		dst[i] = b
	}
}

// nullWithParent makes the field of a null struct null, as DuckDB expects it.
func nullWithParent(v mapping.Vector, parent *columnar.Column, from, n int) {
	if parent.Valid == nil {
		return
	}
	mapping.VectorEnsureValidityWritable(v)
	mask := unsafe.Slice((*byte)(mapping.VectorGetValidity(v)), (n+63)/64*8)
	for i := range n {
		if parent.Null(from + i) {
			mask[i>>3] &^= 1 << (i & 7)
		}
	}
}

func fillTexts(data unsafe.Pointer, c *columnar.Column, from, n int) {
	out := unsafe.Slice((*byte)(data), n*stringSize)
	offsets := c.Offsets[from : from+n+1]
	for i := range n {
		text := c.Data[offsets[i]:offsets[i+1]]
		s := out[i*stringSize : (i+1)*stringSize]
		binary.NativeEndian.PutUint32(s, uint32(len(text)))
		if len(text) <= inlineMax {
			clear(s[4:])
			copy(s[4:], text)
			continue
		}
		copy(s[4:8], text)
		binary.NativeEndian.PutUint64(s[8:], uint64(uintptr(unsafe.Pointer(unsafe.SliceData(text)))))
	}
}

// fillDecimals narrows the values to the integers that DuckDB keeps decimals of their precision in.
func fillDecimals(data unsafe.Pointer, c *columnar.Column, from, n int) {
	switch p := c.Type.Precision; {
	case p <= 4:
		out := unsafe.Slice((*int16)(data), n)
		for i := range out {
			out[i] = int16(c.Int128(from + i).Lo)
		}
	case p <= 9:
		out := unsafe.Slice((*int32)(data), n)
		for i := range out {
			out[i] = int32(c.Int128(from + i).Lo)
		}
	case p <= 18:
		out := unsafe.Slice((*int64)(data), n)
		for i := range out {
			out[i] = int64(c.Int128(from + i).Lo)
		}
	default:
		copy(unsafe.Slice((*byte)(data), n*16), c.Data[from*16:(from+n)*16])
	}
}

// fillLists sets the entries of a list or map and fills the elements behind them.
func fillLists(v mapping.Vector, c *columnar.Column, from, n int) {
	offsets := c.Offsets[from : from+n+1]
	first := int(offsets[0])
	size := int(offsets[n]) - first
	mapping.ListVectorReserve(v, mapping.IdxT(size))
	mapping.ListVectorSetSize(v, mapping.IdxT(size))
	out := unsafe.Slice((*listEntry)(mapping.VectorGetData(v)), n)
	for i := range out {
		out[i] = listEntry{uint64(int(offsets[i]) - first), uint64(offsets[i+1] - offsets[i])}
	}
	kid := mapping.ListVectorGetChild(v)
	if c.Type.Kind == columnar.List {
		fill(kid, c.Children[0], first, size)
		return
	}
	for i, kv := range c.Children { // a map is a list of structs of key and value
		fill(mapping.StructVectorGetChild(kid, mapping.IdxT(i)), kv, first, size)
	}
}
