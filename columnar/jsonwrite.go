package columnar

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendRow appends row i of b as a JSON object, as Spark's to_json writes it: fields that are null are left out, also in structs;
// timestamps are ISO 8601 in UTC with as many digits of the second as they have, decimals are numbers, bytes are base64, NaN and
// infinities are texts; keys of maps are texts.
func (b *Batch) AppendRow(dst []byte, i int) []byte {
	return appendObject(dst, b.Schema.Fields, b.Columns, i)
}

func appendObject(dst []byte, fields []Field, columns []*Column, i int) []byte {
	dst = append(dst, '{')
	first := true
	for k, c := range columns {
		if c.Null(i) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendText(dst, fields[k].Name)
		dst = append(dst, ':')
		dst = c.appendValue(dst, i)
	}
	return append(dst, '}')
}

func (c *Column) appendValue(dst []byte, i int) []byte {
	if c.Null(i) {
		return append(dst, "null"...)
	}
	switch c.Type.Kind {
	case Bool:
		return strconv.AppendBool(dst, c.Data[i] != 0)
	case Int8, Int16, Int32, Int64:
		return strconv.AppendInt(dst, c.Int(i), 10)
	case Float32:
		return appendNumber(dst, c.Float(i), 32)
	case Float64:
		return appendNumber(dst, c.Float(i), 64)
	case String:
		return appendText(dst, string(c.Bytes(i)))
	case Binary:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, c.Bytes(i))
		return append(dst, '"')
	case Date:
		return timeValue(Date, c.Int(i)).AppendFormat(dst, `"2006-01-02"`)
	case Timestamp:
		return time.UnixMicro(c.Int(i)).UTC().AppendFormat(dst, `"2006-01-02T15:04:05.999999Z"`)
	case TimestampNTZ:
		return time.UnixMicro(c.Int(i)).UTC().AppendFormat(dst, `"2006-01-02T15:04:05.999999"`)
	case Decimal:
		return append(dst, c.Int128(i).Text(c.Type.Scale)...)
	case Struct:
		return appendObject(dst, c.Type.Fields, c.Children, i)
	case List:
		dst = append(dst, '[')
		for k := c.Offsets[i]; k < c.Offsets[i+1]; k++ {
			if k > c.Offsets[i] {
				dst = append(dst, ',')
			}
			dst = c.Children[0].appendValue(dst, int(k))
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for k := c.Offsets[i]; k < c.Offsets[i+1]; k++ {
		if k > c.Offsets[i] {
			dst = append(dst, ',')
		}
		dst = c.Children[0].appendKey(dst, int(k))
		dst = append(dst, ':')
		dst = c.Children[1].appendValue(dst, int(k))
	}
	return append(dst, '}')
}

// appendKey appends row i as the key of an object.
func (c *Column) appendKey(dst []byte, i int) []byte {
	at := len(dst)
	dst = c.appendValue(dst, i)
	if dst[at] == '"' {
		return dst
	}
	text := string(dst[at:])
	return appendText(dst[:at], text)
}

func appendNumber(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	case v != 0 && (math.Abs(v) < 1e-6 || math.Abs(v) >= 1e21):
		return strconv.AppendFloat(dst, v, 'e', -1, bits)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, bits)
}

// appendText appends s in quotes. Most texts need no escapes.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendEscaped(dst, s)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, s string) []byte {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return append(dst, raw...)
}
