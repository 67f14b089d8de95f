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

// take adds the values of n rows.
func (v *values) take(rows *ColumnRows, n int) {
	switch v.typ.Kind {
	case Bool:
		v.bytes = takeWords(slices.Grow(v.bytes, n), rows, words[byte])
	case Int8:
		v.narrow = takeWords(slices.Grow(v.narrow, n), rows, func(data []byte) []uint32 { return widened[int8](data) })
	case Int16:
		v.narrow = takeWords(slices.Grow(v.narrow, n), rows, func(data []byte) []uint32 { return widened[int16](data) })
	case Int32, Date, Float32:
		v.narrow = takeWords(slices.Grow(v.narrow, n), rows, words[uint32])
	case Int64, Timestamp, TimestampNTZ, Float64:
		v.wide = takeWords(slices.Grow(v.wide, n), rows, words[uint64])
	case Decimal:
		for _, s := range rows.Spans {
			v.takeDecimals(rows.Columns[s.Column], int(s.From), int(s.Len))
		}
	default:
		v.ends = slices.Grow(v.ends, n)
		for _, s := range rows.Spans {
			v.takeTexts(rows.Columns[s.Column], int(s.From), int(s.Len))
		}
	}
}

// words are bytes as little-endian numbers, where the machine has them so.
func words[T byte | int8 | int16 | uint32 | uint64](data []byte) []T {
	var t T
	size := int(unsafe.Sizeof(t))
	if len(data) < size {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(data))), len(data)/size)
}

// widened are small numbers as Parquet stores them.
func widened[T int8 | int16](data []byte) []uint32 {
	small := words[T](data)
	out := make([]uint32, len(small))
	for i, x := range small {
		out[i] = uint32(x)
	}
	return out
}

// takeWords appends the values that are not null.
func takeWords[T any](out []T, rows *ColumnRows, all func([]byte) []T) []T {
	data := make([][]T, len(rows.Columns))
	for i, c := range rows.Columns {
		data[i] = all(c.Data)
	}
	for _, s := range rows.Spans {
		c := rows.Columns[s.Column]
		span := data[s.Column][s.From:][:s.Len]
		switch {
		case c.Valid != nil:
			for i, x := range span {
				if !c.Null(int(s.From) + i) {
					out = append(out, x)
				}
			}
		case len(span) == 1:
			out = append(out, span[0])
		default:
			out = append(out, span...)
		}
	}
	return out
}

func (v *values) takeTexts(c *Column, from, n int) {
	offsets := c.Offsets[from : from+n+1]
	if c.Valid == nil {
		shift := len(v.bytes) - int(offsets[0])
		v.bytes = append(v.bytes, c.Data[offsets[0]:offsets[n]]...)
		for _, end := range offsets[1:] {
			v.ends = append(v.ends, shift+int(end))
		}
		return
	}
	for i := range n {
		if !c.Null(from + i) {
			v.bytes = append(v.bytes, c.Data[offsets[i]:offsets[i+1]]...)
			v.ends = append(v.ends, len(v.bytes))
		}
	}
}

func (v *values) takeDecimals(c *Column, from, n int) {
	for i := from; i < from+n; i++ {
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
