package duckdb

import (
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unsafe"

	duck "github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/sql"
)

// vector reads one column of a chunk as text in Athena's forms.
type vector struct {
	typ      duck.Type
	json     bool
	data     unsafe.Pointer
	validity unsafe.Pointer
	scale    int
	width    duck.Type // physical type of a decimal or enum
	names    []string  // of a struct's fields, of an enum's values
	children []*vector
	arrayLen int
}

// newVector prepares to read v. The chunk must stay alive while it is used.
func newVector(v duck.Vector) *vector {
	lt := duck.VectorGetColumnType(v)
	defer duck.DestroyLogicalType(&lt)
	out := &vector{typ: duck.GetTypeId(lt), data: duck.VectorGetData(v), validity: duck.VectorGetValidity(v)}
	switch out.typ {
	case duck.TypeVarchar:
		out.json = duck.LogicalTypeGetAlias(lt) == "JSON"
	case duck.TypeDecimal:
		out.scale, out.width = int(duck.DecimalScale(lt)), duck.DecimalInternalType(lt)
	case duck.TypeEnum:
		out.width = duck.EnumInternalType(lt)
		for i := range duck.EnumDictionarySize(lt) {
			out.names = append(out.names, duck.EnumDictionaryValue(lt, duck.IdxT(i)))
		}
	case duck.TypeList, duck.TypeMap:
		out.children = []*vector{newVector(duck.ListVectorGetChild(v))}
	case duck.TypeArray:
		out.children = []*vector{newVector(duck.ArrayVectorGetChild(v))}
		out.arrayLen = int(duck.ArrayTypeArraySize(lt))
	case duck.TypeStruct:
		for i := range duck.StructTypeChildCount(lt) {
			out.names = append(out.names, duck.StructTypeChildName(lt, i))
			out.children = append(out.children, newVector(duck.StructVectorGetChild(v, i)))
		}
	}
	return out
}

func (v *vector) null(row int) bool {
	if v.validity == nil {
		return false
	}
	word := *(*uint64)(unsafe.Add(v.validity, row/64*8))
	return word&(1<<(row%64)) == 0
}

func at[T any](v *vector, row int) T {
	var zero T
	return *(*T)(unsafe.Add(v.data, uintptr(row)*unsafe.Sizeof(zero)))
}

// bytes is a string_t of DuckDB: length, then up to 12 bytes inline, or a prefix and a pointer.
func (v *vector) bytes(row int) []byte {
	p := unsafe.Add(v.data, row*16)
	n := *(*uint32)(p)
	if n <= 12 {
		return unsafe.Slice((*byte)(unsafe.Add(p, 4)), n)
	}
	return unsafe.Slice(*(**byte)(unsafe.Add(p, 8)), n)
}

// text appends the value of a row that is not null.
func (v *vector) text(b []byte, row int) []byte {
	switch v.typ {
	case duck.TypeBoolean:
		return strconv.AppendBool(b, at[bool](v, row))
	case duck.TypeTinyInt:
		return strconv.AppendInt(b, int64(at[int8](v, row)), 10)
	case duck.TypeSmallInt:
		return strconv.AppendInt(b, int64(at[int16](v, row)), 10)
	case duck.TypeInteger:
		return strconv.AppendInt(b, int64(at[int32](v, row)), 10)
	case duck.TypeBigInt:
		return strconv.AppendInt(b, at[int64](v, row), 10)
	case duck.TypeUTinyInt:
		return strconv.AppendUint(b, uint64(at[uint8](v, row)), 10)
	case duck.TypeUSmallInt:
		return strconv.AppendUint(b, uint64(at[uint16](v, row)), 10)
	case duck.TypeUInteger:
		return strconv.AppendUint(b, uint64(at[uint32](v, row)), 10)
	case duck.TypeUBigInt:
		return strconv.AppendUint(b, at[uint64](v, row), 10)
	case duck.TypeFloat:
		return appendFloat(b, float64(at[float32](v, row)), 32)
	case duck.TypeDouble:
		return appendFloat(b, at[float64](v, row), 64)
	case duck.TypeVarchar:
		return append(b, v.bytes(row)...)
	case duck.TypeBlob:
		return appendHex(b, v.bytes(row))
	}
	return v.wideText(b, row)
}

// wideText appends times, big numbers and nested values.
func (v *vector) wideText(b []byte, row int) []byte {
	switch v.typ {
	case duck.TypeDate:
		return time.Unix(int64(at[int32](v, row))*86400, 0).UTC().AppendFormat(b, "2006-01-02")
	case duck.TypeTimestamp:
		return appendTimestamp(b, at[int64](v, row))
	case duck.TypeTimestampTZ:
		return append(appendTimestamp(b, at[int64](v, row)), " UTC"...)
	case duck.TypeTimestampS:
		return appendTimestamp(b, at[int64](v, row)*1e6)
	case duck.TypeTimestampMS:
		return appendTimestamp(b, at[int64](v, row)*1e3)
	case duck.TypeTimestampNS:
		return appendTimestamp(b, floorDiv(at[int64](v, row), 1e3))
	case duck.TypeTime:
		return time.UnixMicro(at[int64](v, row)).UTC().AppendFormat(b, "15:04:05.000")
	case duck.TypeHugeInt:
		return append(b, hugeInt(at[[2]uint64](v, row)).String()...)
	case duck.TypeDecimal:
		return appendDecimal(b, v.unscaled(row), v.scale)
	case duck.TypeUUID:
		return appendUUID(b, at[[2]uint64](v, row))
	case duck.TypeInterval:
		return appendInterval(b, at[interval](v, row))
	case duck.TypeEnum:
		return append(b, v.names[v.enumIndex(row)]...)
	case duck.TypeList:
		e := at[listEntry](v, row)
		return v.appendList(b, int(e.offset), int(e.length))
	case duck.TypeArray:
		return v.appendList(b, row*v.arrayLen, v.arrayLen)
	case duck.TypeMap:
		return v.appendMap(b, at[listEntry](v, row))
	case duck.TypeStruct:
		return v.appendStruct(b, row)
	}
	return append(b, '?')
}

type listEntry struct{ offset, length uint64 }

type interval struct {
	months, days int32
	micros       int64
}

// cell appends the value of a row inside a nested one, where NULL is a word.
func (v *vector) cell(b []byte, row int) []byte {
	if v.null(row) {
		return append(b, "null"...)
	}
	return v.text(b, row)
}

func (v *vector) appendList(b []byte, offset, length int) []byte {
	b = append(b, '[')
	for i := range length {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = v.children[0].cell(b, offset+i)
	}
	return append(b, ']')
}

func (v *vector) appendMap(b []byte, e listEntry) []byte {
	entries := v.children[0]
	b = append(b, '{')
	for i := range int(e.length) {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = entries.children[0].cell(b, int(e.offset)+i)
		b = append(b, '=')
		b = entries.children[1].cell(b, int(e.offset)+i)
	}
	return append(b, '}')
}

func (v *vector) appendStruct(b []byte, row int) []byte {
	b = append(b, '{')
	for i, child := range v.children {
		if i > 0 {
			b = append(b, ", "...)
		}
		name := v.names[i]
		if name == "" {
			name = "field" + strconv.Itoa(i)
		}
		b = append(b, name...)
		b = append(b, '=')
		b = child.cell(b, row)
	}
	return append(b, '}')
}

func (v *vector) enumIndex(row int) int {
	switch v.width {
	case duck.TypeUTinyInt:
		return int(at[uint8](v, row))
	case duck.TypeUSmallInt:
		return int(at[uint16](v, row))
	}
	return int(at[uint32](v, row))
}

func (v *vector) unscaled(row int) *big.Int {
	switch v.width {
	case duck.TypeSmallInt:
		return big.NewInt(int64(at[int16](v, row)))
	case duck.TypeInteger:
		return big.NewInt(int64(at[int32](v, row)))
	case duck.TypeBigInt:
		return big.NewInt(at[int64](v, row))
	}
	return hugeInt(at[[2]uint64](v, row))
}

func hugeInt(w [2]uint64) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(int64(w[1])), 64)
	return n.Add(n, new(big.Int).SetUint64(w[0]))
}

func appendDecimal(b []byte, n *big.Int, scale int) []byte {
	s := new(big.Int).Abs(n).String()
	if n.Sign() < 0 {
		b = append(b, '-')
	}
	if scale == 0 {
		return append(b, s...)
	}
	if len(s) <= scale {
		s = strings.Repeat("0", scale-len(s)+1) + s
	}
	b = append(b, s[:len(s)-scale]...)
	b = append(b, '.')
	return append(b, s[len(s)-scale:]...)
}

// appendFloat writes a number as Java does: 1.0, 1.0E10, 1.5E-5, NaN, Infinity.
func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	}
	if a := math.Abs(f); a == 0 || a >= 1e-3 && a < 1e7 {
		start := len(b)
		b = strconv.AppendFloat(b, f, 'f', -1, bits)
		if !strings.Contains(string(b[start:]), ".") {
			b = append(b, ".0"...)
		}
		return b
	}
	mantissa, exp, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, bits), "e")
	b = append(b, mantissa...)
	if !strings.Contains(mantissa, ".") {
		b = append(b, ".0"...)
	}
	n, _ := strconv.Atoi(exp)
	b = append(b, 'E')
	return strconv.AppendInt(b, int64(n), 10)
}

// appendHex writes bytes as pairs with blanks between them.
func appendHex(b, data []byte) []byte {
	for i, c := range data {
		if i > 0 {
			b = append(b, ' ')
		}
		b = hex.AppendEncode(b, []byte{c})
	}
	return b
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// appendTimestamp writes microseconds since 1970 with three decimals, cut off.
func appendTimestamp(b []byte, us int64) []byte {
	return time.UnixMilli(floorDiv(us, 1000)).UTC().AppendFormat(b, "2006-01-02 15:04:05.000")
}

// appendUUID writes DuckDB's UUID, whose top bit is flipped.
func appendUUID(b []byte, w [2]uint64) []byte {
	hi, lo := w[1]^(1<<63), w[0]
	var raw [16]byte
	for i := range 8 {
		raw[i], raw[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
	}
	h := hex.EncodeToString(raw[:])
	return append(b, h[:8]+"-"+h[8:12]+"-"+h[12:16]+"-"+h[16:20]+"-"+h[20:]...)
}

// appendInterval writes 1-2 for years and months, 3 04:05:06.000 for days and less.
func appendInterval(b []byte, v interval) []byte {
	sign := func(neg bool) {
		if neg {
			b = append(b, '-')
		}
	}
	if v.months != 0 {
		m := int64(v.months)
		sign(m < 0)
		m = max(m, -m)
		b = strconv.AppendInt(b, m/12, 10)
		b = append(b, '-')
		return strconv.AppendInt(b, m%12, 10)
	}
	ms := int64(v.days)*86400000 + v.micros/1000
	sign(ms < 0)
	ms = max(ms, -ms)
	b = strconv.AppendInt(b, ms/86400000, 10)
	b = append(b, ' ')
	return time.UnixMilli(ms%86400000).UTC().AppendFormat(b, "15:04:05.000")
}

// typeOf is DuckDB's type in Trino's terms.
func typeOf(lt duck.LogicalType) sql.Type {
	names := map[duck.Type]string{duck.TypeBoolean: "boolean", duck.TypeTinyInt: "tinyint", duck.TypeSmallInt: "smallint",
		duck.TypeInteger: "integer", duck.TypeBigInt: "bigint", duck.TypeUTinyInt: "smallint", duck.TypeUSmallInt: "integer",
		duck.TypeUInteger: "bigint", duck.TypeUBigInt: "bigint", duck.TypeHugeInt: "bigint", duck.TypeFloat: "real",
		duck.TypeDouble: "double", duck.TypeBlob: "varbinary", duck.TypeDate: "date", duck.TypeTime: "time",
		duck.TypeTimestamp: "timestamp", duck.TypeTimestampS: "timestamp", duck.TypeTimestampMS: "timestamp",
		duck.TypeTimestampNS: "timestamp", duck.TypeTimestampTZ: "timestamp with time zone", duck.TypeUUID: "uuid",
		duck.TypeInterval: "interval day to second", duck.TypeSQLNull: "unknown"}
	child := func(get func(duck.LogicalType) duck.LogicalType) sql.Type {
		c := get(lt)
		defer duck.DestroyLogicalType(&c)
		return typeOf(c)
	}
	switch id := duck.GetTypeId(lt); id {
	case duck.TypeVarchar:
		if duck.LogicalTypeGetAlias(lt) == "JSON" {
			return sql.Type{Name: "json"}
		}
		return sql.Type{Name: "varchar"}
	case duck.TypeDecimal:
		return sql.Type{Name: "decimal", Len: int(duck.DecimalWidth(lt)), Scale: int(duck.DecimalScale(lt))}
	case duck.TypeList:
		return sql.Type{Name: "array", Args: []sql.Type{child(duck.ListTypeChildType)}}
	case duck.TypeArray:
		return sql.Type{Name: "array", Args: []sql.Type{child(duck.ArrayTypeChildType)}}
	case duck.TypeMap:
		return sql.Type{Name: "map", Args: []sql.Type{child(duck.MapTypeKeyType), child(duck.MapTypeValueType)}}
	case duck.TypeStruct:
		t := sql.Type{Name: "row"}
		for i := range duck.StructTypeChildCount(lt) {
			t.Fields = append(t.Fields, duck.StructTypeChildName(lt, i))
			t.Args = append(t.Args, child(func(l duck.LogicalType) duck.LogicalType { return duck.StructTypeChildType(l, i) }))
		}
		return t
	default:
		if name, ok := names[id]; ok {
			return sql.Type{Name: name}
		}
	}
	return sql.Type{Name: "varchar"}
}
