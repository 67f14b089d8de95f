package produce

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"math"
	"math/big"
	"os"
	"strconv"
	"time"

	"github.com/weir-data/weir/columnar"
)

// readParquet yields the rows of a Parquet file, a row group at a time.
func readParquet(f *os.File) (func([]byte) ([]byte, error), error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p, err := columnar.OpenParquet(f, info.Size())
	if err != nil {
		return nil, err
	}
	w := newRowWriter(p.Schema())
	var batch *columnar.Batch
	group, row := 0, 0
	return func(dst []byte) ([]byte, error) {
		for batch == nil || row == batch.Len {
			if group == p.Groups() {
				return dst, io.EOF
			}
			if batch, err = p.ReadGroup(group); err != nil {
				return dst, err
			}
			group, row = group+1, 0
		}
		row++
		return w.row(dst, batch, row-1), nil
	}, nil
}

// rowWriter writes rows as JSON objects.
type rowWriter struct {
	labels [][]byte // of the fields: name as JSON, colon, space
}

func newRowWriter(s *columnar.Schema) *rowWriter {
	w := &rowWriter{}
	for _, f := range s.Fields {
		w.labels = append(w.labels, append(appendString(nil, f.Name), ": "...))
	}
	return w
}

func (w *rowWriter) row(b []byte, batch *columnar.Batch, i int) []byte {
	b = append(b, '{')
	for n, c := range batch.Columns {
		if n > 0 {
			b = append(b, ", "...)
		}
		b = appendValue(append(b, w.labels[n]...), c, i)
	}
	return append(b, '}')
}

// appendValue writes the value of row i; what JSON cannot hold, NaN and the infinities, is null.
func appendValue(b []byte, c *columnar.Column, i int) []byte {
	if c.Null(i) {
		return append(b, "null"...)
	}
	switch c.Type.Kind {
	case columnar.Bool:
		return strconv.AppendBool(b, c.Data[i] != 0)
	case columnar.Int8:
		return strconv.AppendInt(b, int64(int8(c.Data[i])), 10)
	case columnar.Int16:
		return strconv.AppendInt(b, int64(int16(binary.LittleEndian.Uint16(c.Data[2*i:]))), 10)
	case columnar.Int32:
		return strconv.AppendInt(b, int64(int32(binary.LittleEndian.Uint32(c.Data[4*i:]))), 10)
	case columnar.Int64:
		return strconv.AppendInt(b, int64(binary.LittleEndian.Uint64(c.Data[8*i:])), 10)
	case columnar.Float32:
		return appendFloat(b, float64(math.Float32frombits(binary.LittleEndian.Uint32(c.Data[4*i:]))), 32)
	case columnar.Float64:
		return appendFloat(b, math.Float64frombits(binary.LittleEndian.Uint64(c.Data[8*i:])), 64)
	case columnar.String:
		return appendString(b, string(c.Bytes(i)))
	case columnar.Binary:
		b = base64.StdEncoding.AppendEncode(append(b, '"'), c.Bytes(i))
		return append(b, '"')
	case columnar.Date:
		days := int64(int32(binary.LittleEndian.Uint32(c.Data[4*i:])))
		return time.Unix(days*86400, 0).UTC().AppendFormat(b, `"2006-01-02"`)
	case columnar.Timestamp, columnar.TimestampNTZ:
		at := time.UnixMicro(int64(binary.LittleEndian.Uint64(c.Data[8*i:]))).UTC()
		return at.AppendFormat(b, `"2006-01-02T15:04:05.999999"`)
	case columnar.Decimal:
		return appendDecimal(b, c.Data[16*i:16*i+16], c.Type.Scale)
	}
	return appendNested(b, c, i)
}

func appendNested(b []byte, c *columnar.Column, i int) []byte {
	switch c.Type.Kind {
	case columnar.Struct:
		b = append(b, '{')
		for n, f := range c.Type.Fields {
			if n > 0 {
				b = append(b, ", "...)
			}
			b = append(appendString(b, f.Name), ": "...)
			b = appendValue(b, c.Children[n], i)
		}
		return append(b, '}')
	case columnar.List:
		b = append(b, '[')
		for j := c.Offsets[i]; j < c.Offsets[i+1]; j++ {
			if j > c.Offsets[i] {
				b = append(b, ", "...)
			}
			b = appendValue(b, c.Children[0], int(j))
		}
		return append(b, ']')
	default: // Map; its keys become text
		b = append(b, '{')
		for j := c.Offsets[i]; j < c.Offsets[i+1]; j++ {
			if j > c.Offsets[i] {
				b = append(b, ", "...)
			}
			key := appendValue(nil, c.Children[0], int(j))
			if len(key) == 0 || key[0] != '"' {
				key = appendString(nil, string(key))
			}
			b = append(append(b, key...), ": "...)
			b = appendValue(b, c.Children[1], int(j))
		}
		return append(b, '}')
	}
}

// appendFloat writes whole numbers with .0, as Python does.
func appendFloat(b []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.AppendFloat(b, f, 'f', 1, bits)
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}

// appendDecimal writes a 16-byte little-endian number as a JSON number with its scale's digits.
func appendDecimal(b, raw []byte, scale int) []byte {
	hi, lo := int64(binary.LittleEndian.Uint64(raw[8:])), binary.LittleEndian.Uint64(raw)
	n := new(big.Int).Lsh(big.NewInt(hi), 64)
	n.Or(n, new(big.Int).SetUint64(lo))
	r := new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	return append(b, r.FloatString(scale)...)
}
