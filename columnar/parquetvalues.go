package columnar

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"unsafe"

	"github.com/parquet-go/parquet-go/format"
)

// values are the values of a column that are not null, as Parquet stores them. Which slice holds them goes by the physical type.
type values struct {
	typ      Type
	physical format.Type
	size     int // of a fixed-length byte array

	narrow []uint32 // INT32, FLOAT
	wide   []uint64 // INT64, DOUBLE
	bytes  []byte   // the others: bytes of all, or a byte a value for BOOLEAN
	ends   []int    // of BYTE_ARRAY, in bytes
}

func (v *values) reset(t Type) {
	v.typ, v.narrow, v.wide, v.bytes, v.ends = t, v.narrow[:0], v.wide[:0], v.bytes[:0], v.ends[:0]
	switch t.Kind {
	case Bool:
		v.physical = format.Boolean
	case Int8, Int16, Int32, Date:
		v.physical = format.Int32
	case Float32:
		v.physical = format.Float
	case Float64:
		v.physical = format.Double
	case String, Binary:
		v.physical = format.ByteArray
	case Decimal:
		v.physical, v.size = format.FixedLenByteArray, decimalBytes(t.Precision)
		switch {
		case t.Precision <= 9:
			v.physical = format.Int32
		case t.Precision <= 18:
			v.physical = format.Int64
		}
	default:
		v.physical = format.Int64
	}
}

// len is the number of values.
func (v *values) len() int {
	switch v.physical {
	case format.Int32, format.Float:
		return len(v.narrow)
	case format.Int64, format.Double:
		return len(v.wide)
	case format.Boolean:
		return len(v.bytes)
	case format.FixedLenByteArray:
		return len(v.bytes) / v.size
	}
	return len(v.ends)
}

// text is value i of a column of byte arrays.
func (v *values) text(i int) []byte {
	from := 0
	if i > 0 {
		from = v.ends[i-1]
	}
	return v.bytes[from:v.ends[i]]
}

// add takes the values of a column.
func (v *values) add(c *Column) {
	switch c.Type.Kind {
	case Bool:
		v.bytes = addFixed(v.bytes, c, func(data []byte) []byte { return data }, func(i int) byte { return c.Data[i] })
	case Int8:
		v.narrow = addFixed(v.narrow, c, nil, func(i int) uint32 { return uint32(int8(c.Data[i])) })
	case Int16:
		v.narrow = addFixed(v.narrow, c, nil, func(i int) uint32 { return uint32(int16(binary.LittleEndian.Uint16(c.Data[2*i:]))) })
	case Int32, Date, Float32:
		v.narrow = addFixed(v.narrow, c, words[uint32], func(i int) uint32 { return binary.LittleEndian.Uint32(c.Data[4*i:]) })
	case Int64, Timestamp, TimestampNTZ, Float64:
		v.wide = addFixed(v.wide, c, words[uint64], func(i int) uint64 { return binary.LittleEndian.Uint64(c.Data[8*i:]) })
	case Decimal:
		v.addDecimals(c)
	default:
		v.addTexts(c)
	}
}

// words are bytes as little-endian numbers, where the machine has them so.
func words[T uint32 | uint64](data []byte) []T {
	var t T
	size := int(unsafe.Sizeof(t))
	if len(data) < size {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(data))), len(data)/size)
}

// addFixed appends the values of c that are not null: all at once if the column lies in memory as they do.
func addFixed[T any](out []T, c *Column, all func([]byte) []T, one func(int) T) []T {
	out = slices.Grow(out, c.Len)
	if all != nil && c.Valid == nil {
		return append(out, all(c.Data[:c.Len*c.Type.Kind.Width()])...)
	}
	for i := range c.Len {
		if !c.Null(i) {
			out = append(out, one(i))
		}
	}
	return out
}

func (v *values) addTexts(c *Column) {
	base := len(v.bytes)
	v.ends = slices.Grow(v.ends, c.Len)
	if c.Valid == nil && c.Len > 0 {
		first := int(c.Offsets[0])
		v.bytes = append(v.bytes, c.Data[first:c.Offsets[c.Len]]...)
		for _, end := range c.Offsets[1 : c.Len+1] {
			v.ends = append(v.ends, base+int(end)-first)
		}
		return
	}
	for i := range c.Len {
		if !c.Null(i) {
			v.bytes = append(v.bytes, c.Bytes(i)...)
			v.ends = append(v.ends, len(v.bytes))
		}
	}
}

func (v *values) addDecimals(c *Column) {
	for i := range c.Len {
		if c.Null(i) {
			continue
		}
		d := c.Int128(i)
		switch v.physical {
		case format.Int32:
			v.narrow = append(v.narrow, uint32(d.Lo))
		case format.Int64:
			v.wide = append(v.wide, d.Lo)
		default:
			var b [16]byte
			binary.BigEndian.PutUint64(b[:], uint64(d.Hi))
			binary.BigEndian.PutUint64(b[8:], d.Lo)
			v.bytes = append(v.bytes, b[16-v.size:]...)
		}
	}
}

// plainSize is what values take in plain encoding, nearly for BOOLEAN.
func (v *values) plainSize() int {
	return 4*len(v.narrow) + 8*len(v.wide) + len(v.bytes) + 4*len(v.ends)
}

// rowsIn is how many values from one on fit into so many bytes, at least one.
func (v *values) rowsIn(from, size int) int {
	switch v.physical {
	case format.Int32, format.Float:
		return max(size/4, 1)
	case format.Int64, format.Double:
		return max(size/8, 1)
	case format.Boolean:
		return max(size, 1)
	case format.FixedLenByteArray:
		return max(size/v.size, 1)
	}
	if from >= len(v.ends) {
		return max(size/4, 1) // nulls only
	}
	begin := v.ends[from] - len(v.text(from))
	n := sort.Search(len(v.ends)-from, func(i int) bool { return v.ends[from+i]-begin+4*(i+1) > size })
	if from+n == len(v.ends) {
		n = max(n, size/4) // nulls may follow
	}
	return max(n, 1)
}

// appendPlain writes values from from to to-1.
func (v *values) appendPlain(out []byte, from, to int) []byte {
	switch v.physical {
	case format.Int32, format.Float:
		for _, x := range v.narrow[from:to] {
			out = binary.LittleEndian.AppendUint32(out, x)
		}
	case format.Int64, format.Double:
		for _, x := range v.wide[from:to] {
			out = binary.LittleEndian.AppendUint64(out, x)
		}
	case format.Boolean:
		for i := from; i < to; i += 8 {
			var b byte
			for k, x := range v.bytes[i:min(i+8, to)] {
				b |= (x & 1) << k
			}
			out = append(out, b)
		}
	case format.FixedLenByteArray:
		out = append(out, v.bytes[from*v.size:to*v.size]...)
	default:
		for i := from; i < to; i++ {
			text := v.text(i)
			out = append(binary.LittleEndian.AppendUint32(out, uint32(len(text))), text...)
		}
	}
	return out
}

// statistics counts values into those of the file and returns those of the chunk.
func (v *values) statistics(all *leafStats) format.Statistics {
	s := leafStats{typ: v.typ}
	switch v.typ.Kind {
	case Int8, Int16, Int32, Date:
		for _, x := range v.narrow {
			s.int(int64(int32(x)))
		}
	case Int64, Timestamp, TimestampNTZ:
		for _, x := range v.wide {
			s.int(int64(x))
		}
	case Float32:
		for _, x := range v.narrow {
			s.float(float64(math.Float32frombits(x)))
		}
	case Float64:
		for _, x := range v.wide {
			s.float(math.Float64frombits(x))
		}
	case String:
		for i := range v.ends {
			s.bytes(v.text(i))
		}
	case Decimal:
		v.decimals(&s)
	}
	all.join(&s)
	return s.chunk(v.physical)
}

func (v *values) decimals(s *leafStats) {
	for _, x := range v.narrow {
		s.decimal(int128Of(int64(int32(x))))
	}
	for _, x := range v.wide {
		s.decimal(int128Of(int64(x)))
	}
	if v.physical != format.FixedLenByteArray {
		return
	}
	for i := 0; i < len(v.bytes); i += v.size {
		s.decimal(bigEndian128(v.bytes[i : i+v.size]))
	}
}
