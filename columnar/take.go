package columnar

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

// Take appends rows of from, which has the same type and is not nested, to c.
func (c *Column) Take(from *Column, rows []int32) {
	c.takeValid(from, rows)
	c.Len += len(rows)
	switch c.Type.Kind.Width() {
	case 0:
		c.takeTexts(from, rows)
	case 1:
		c.Data = takeValues[uint8](c.Data, from.Data, rows)
	case 2:
		c.Data = takeValues[uint16](c.Data, from.Data, rows)
	case 4:
		c.Data = takeValues[uint32](c.Data, from.Data, rows)
	case 8:
		c.Data = takeValues[uint64](c.Data, from.Data, rows)
	default:
		c.Data = takeValues[[2]uint64](c.Data, from.Data, rows)
	}
}

// takeValues appends values of fixed width; what stands where a row is null does not matter.
func takeValues[T any](data, from []byte, rows []int32) []byte {
	var t T
	width := int(unsafe.Sizeof(t))
	n := len(data)
	data = slices.Grow(data, len(rows)*width)[:n+len(rows)*width]
	if len(rows) == 0 {
		return data
	}
	out := unsafe.Slice((*T)(unsafe.Pointer(&data[n])), len(rows))
	in := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(from))), len(from)/width)
	for i, row := range rows {
		out[i] = in[row]
	}
	return data
}

func (c *Column) takeTexts(from *Column, rows []int32) {
	size := len(c.Data)
	for _, row := range rows {
		size += int(from.Offsets[row+1] - from.Offsets[row])
	}
	c.Offsets = slices.Grow(c.Offsets, len(rows))
	at := len(c.Data)
	c.Data = slices.Grow(c.Data, size-at)[:size]
	for _, row := range rows {
		text := from.Data[from.Offsets[row]:from.Offsets[row+1]]
		if out := c.Data[at:]; len(text) <= 8 && len(out) >= 8 && cap(text) >= 8 {
			binary.LittleEndian.PutUint64(out, binary.LittleEndian.Uint64(text[:8])) // what is too much, the next one overwrites
		} else {
			copy(out, text)
		}
		at += len(text)
		c.Offsets = append(c.Offsets, int32(at))
	}
}

// takeValid notes which of rows are null; a column without nulls has no bitmap.
func (c *Column) takeValid(from *Column, rows []int32) {
	if c.Valid == nil && (from.Valid == nil || !slices.ContainsFunc(rows, func(row int32) bool { return from.Null(int(row)) })) {
		return
	}
	if c.Valid == nil {
		c.Valid = ones(nil, c.Len)
	}
	for i, row := range rows {
		at := c.Len + i
		if at>>3 == len(c.Valid) {
			c.Valid = append(c.Valid, 0)
		}
		if !from.Null(int(row)) {
			c.Valid[at>>3] |= 1 << (at & 7)
		}
	}
}
