package batch

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/columnar"
)

// cellText is the value of row i as Spark shows it in a table.
func cellText(c *columnar.Column, i int) string {
	var b strings.Builder
	writeCell(&b, c, i)
	return b.String()
}

func writeCell(b *strings.Builder, c *columnar.Column, i int) {
	if c.Null(i) {
		b.WriteString("NULL")
		return
	}
	switch c.Type.Kind {
	case columnar.Bool:
		b.WriteString(strconv.FormatBool(c.Data[i] != 0))
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64:
		b.WriteString(strconv.FormatInt(c.Int(i), 10))
	case columnar.Float32:
		b.WriteString(javaFloat(c.Float(i), 32))
	case columnar.Float64:
		b.WriteString(javaFloat(c.Float(i), 64))
	case columnar.String:
		b.Write(c.Bytes(i))
	case columnar.Binary:
		writeBinary(b, c.Bytes(i))
	case columnar.Date:
		b.WriteString(time.Unix(c.Int(i)*86400, 0).UTC().Format("2006-01-02"))
	case columnar.Timestamp, columnar.TimestampNTZ:
		b.WriteString(time.UnixMicro(c.Int(i)).UTC().Format("2006-01-02 15:04:05.999999"))
	case columnar.Decimal:
		b.WriteString(c.Int128(i).Text(c.Type.Scale))
	case columnar.Struct:
		b.WriteByte('{')
		for j, kid := range c.Children {
			separate(b, j)
			writeCell(b, kid, i)
		}
		b.WriteByte('}')
	case columnar.List:
		b.WriteByte('[')
		for j := c.Offsets[i]; j < c.Offsets[i+1]; j++ {
			separate(b, int(j-c.Offsets[i]))
			writeCell(b, c.Children[0], int(j))
		}
		b.WriteByte(']')
	case columnar.Map:
		b.WriteByte('{')
		for j := c.Offsets[i]; j < c.Offsets[i+1]; j++ {
			separate(b, int(j-c.Offsets[i]))
			writeCell(b, c.Children[0], int(j))
			b.WriteString(" -> ")
			writeCell(b, c.Children[1], int(j))
		}
		b.WriteByte('}')
	}
}

func separate(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

// writeBinary writes bytes as [41 FF].
func writeBinary(b *strings.Builder, v []byte) {
	const digits = "0123456789ABCDEF"
	b.WriteByte('[')
	for i, c := range v {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	b.WriteByte(']')
}

// javaFloat is Double.toString of Java (and Float.toString): 9.75, 10.0, 1.0E7, 1.0E-4.
func javaFloat(v float64, bits int) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	if a := math.Abs(v); a == 0 || a >= 1e-3 && a < 1e7 {
		s := strconv.FormatFloat(v, 'f', -1, bits)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, bits), "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	exponent = strings.TrimPrefix(exponent, "+")
	negative := strings.HasPrefix(exponent, "-")
	exponent = strings.TrimLeft(strings.TrimPrefix(exponent, "-"), "0")
	if negative {
		exponent = "-" + exponent
	}
	return mantissa + "E" + exponent
}
