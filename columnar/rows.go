package columnar

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"time"
)

// Builder makes a Batch from Go values, row by row. It is meant for small batches and for tests; bytes are
// decoded by JSONDecoder and CSVDecoder.
type Builder struct {
	schema *Schema
	cols   []*builder
	rows   int
}

// NewBuilder returns an empty builder.
func NewBuilder(schema *Schema) *Builder {
	b := &Builder{schema: schema}
	for _, f := range schema.Fields {
		b.cols = append(b.cols, newBuilder(f.Type))
	}
	return b
}

// Append adds a row, one value a field; missing ones at the end are null. A value is nil or fits its column: bool;
// any Go integer that fits; float32 or float64; string; []byte; time.Time for Date (its day in its own zone),
// Timestamp and TimestampNTZ (its wall clock); text such as "12.50" or an Int128 for Decimal; for Struct and
// Map a map[string]any or, in order, []any; for List []any. After an error the batch is as before.
func (b *Builder) Append(values ...any) error {
	if len(values) > len(b.cols) {
		return fmt.Errorf("row of %d values for %d fields", len(values), len(b.cols))
	}
	for i, col := range b.cols {
		var v any
		if i < len(values) {
			v = values[i]
		}
		if err := col.add(v); err != nil {
			for _, c := range b.cols {
				c.truncate(b.rows)
			}
			return fmt.Errorf("field %q: %w", b.schema.Fields[i].Name, err)
		}
	}
	b.rows++
	return nil
}

// Len is the number of rows.
func (b *Builder) Len() int { return b.rows }

// Batch returns all rows. It shares the builder's buffers.
func (b *Builder) Batch() *Batch {
	batch := &Batch{Schema: b.schema, Len: b.rows}
	for _, c := range b.cols {
		batch.Columns = append(batch.Columns, &c.Column)
	}
	return batch
}

// add appends one Go value.
func (b *builder) add(v any) error {
	if v == nil {
		b.addNull()
		return nil
	}
	switch x := v.(type) {
	case bool:
		if b.Type.Kind == Bool {
			b.addBool(x)
			return nil
		}
	case string:
		return b.addText(x)
	case []byte:
		if b.Type.Kind == Binary || b.Type.Kind == String {
			b.addBytes(x)
			return nil
		}
	case time.Time:
		return b.addTime(x)
	case Int128:
		if b.Type.Kind == Decimal {
			b.addDecimal(x)
			return nil
		}
	case []any:
		return b.addSlice(x)
	case map[string]any:
		return b.addMap(x)
	}
	return b.addNumber(reflect.ValueOf(v))
}

func (b *builder) addText(s string) error {
	switch b.Type.Kind {
	case String, Binary:
		b.Data = append(b.Data, s...)
		b.endBytes()
		return nil
	case Decimal:
		if _, end, err := scanNumber([]byte(s), 0); err == nil && end == len(s) {
			if d, ok := parseDecimal([]byte(s), b.Type.Precision, b.Type.Scale); ok {
				b.addDecimal(d)
				return nil
			}
		}
	}
	return fmt.Errorf("%q is not of type %s", s, b.Type)
}

func (b *builder) addTime(t time.Time) error {
	switch b.Type.Kind {
	case Date:
		b.addInt(daysFromCivil(t.Year(), int(t.Month()), t.Day()))
	case Timestamp:
		b.addInt64(t.UnixMicro())
	case TimestampNTZ:
		_, offset := t.Zone()
		b.addInt64(t.UnixMicro() + int64(offset)*microsPerSecond)
	default:
		return fmt.Errorf("a time is not of type %s", b.Type)
	}
	return nil
}

func (b *builder) addNumber(v reflect.Value) error {
	switch {
	case v.CanFloat() && b.Type.Kind == Float64:
		b.addFloat64(v.Float())
	case v.CanFloat() && b.Type.Kind == Float32:
		b.addFloat32(float32(v.Float()))
	case v.CanInt() && b.Type.Kind == Float64:
		b.addFloat64(float64(v.Int()))
	case v.CanInt() && b.Type.Kind == Float32:
		b.addFloat32(float32(v.Int()))
	case v.CanInt() && b.isInteger() && fitsWidth(v.Int(), b.width):
		b.addInt(v.Int())
	case v.CanUint() && b.isInteger() && v.Uint() <= math.MaxInt64 && fitsWidth(int64(v.Uint()), b.width):
		b.addInt(int64(v.Uint()))
	default:
		return fmt.Errorf("%v is not of type %s", v, b.Type)
	}
	return nil
}

// isInteger says whether the column holds integers of its width, days and microseconds included.
func (b *builder) isInteger() bool {
	k := b.Type.Kind
	return k >= Int8 && k <= Int64 || k == Date || k == Timestamp || k == TimestampNTZ
}

func (b *builder) addSlice(values []any) error {
	switch b.Type.Kind {
	case List:
		for _, v := range values {
			if err := b.kids[0].add(v); err != nil {
				return err
			}
		}
		b.addList()
		return nil
	case Struct:
		if len(values) > len(b.kids) {
			return fmt.Errorf("%d values for a struct of %d fields", len(values), len(b.kids))
		}
		for i, kid := range b.kids {
			var v any
			if i < len(values) {
				v = values[i]
			}
			if err := kid.add(v); err != nil {
				return err
			}
		}
		b.addStruct()
		return nil
	}
	return fmt.Errorf("a list is not of type %s", b.Type)
}

func (b *builder) addMap(values map[string]any) error {
	switch b.Type.Kind {
	case Struct:
		for i, kid := range b.kids {
			if err := kid.add(values[b.Type.Fields[i].Name]); err != nil {
				return err
			}
		}
		b.addStruct()
		return nil
	case Map:
		for k, v := range values {
			if err := b.kids[0].add(k); err != nil {
				return err
			}
			if err := b.kids[1].add(v); err != nil {
				return err
			}
		}
		b.addList()
		return nil
	}
	return fmt.Errorf("a map is not of type %s", b.Type)
}

// Value returns row i as a Go value, for printing and tests: nil, bool, int64, float64, string, []byte, time.Time in
// UTC (Date, Timestamp, TimestampNTZ), the text of a decimal, []any, map[string]any for structs and maps (keys of
// other types in fmt's form).
func (c *Column) Value(i int) any {
	if c.Null(i) {
		return nil
	}
	switch c.Type.Kind {
	case Bool:
		return c.Data[i] != 0
	case Int8, Int16, Int32, Int64:
		return c.Int(i)
	case Float32, Float64:
		return c.Float(i)
	case String:
		return string(c.Bytes(i))
	case Binary:
		return append([]byte{}, c.Bytes(i)...)
	case Date, Timestamp, TimestampNTZ:
		return timeValue(c.Type.Kind, c.Int(i))
	case Decimal:
		return c.Int128(i).Text(c.Type.Scale)
	case Struct:
		m := make(map[string]any, len(c.Children))
		for k, child := range c.Children {
			m[c.Type.Fields[k].Name] = child.Value(i)
		}
		return m
	case List:
		list := []any{}
		for k := c.Offsets[i]; k < c.Offsets[i+1]; k++ {
			list = append(list, c.Children[0].Value(int(k)))
		}
		return list
	}
	m := map[string]any{}
	for k := c.Offsets[i]; k < c.Offsets[i+1]; k++ {
		m[fmt.Sprint(c.Children[0].Value(int(k)))] = c.Children[1].Value(int(k))
	}
	return m
}

// timeValue is the stored form of a Date, Timestamp or TimestampNTZ as a time in UTC.
func timeValue(k Kind, v int64) time.Time {
	if k == Date {
		return time.Unix(v*secondsPerDay, 0).UTC()
	}
	return time.UnixMicro(v).UTC()
}

// Int returns row i of an integer, Date, Timestamp or TimestampNTZ column; 0 where it is null.
func (c *Column) Int(i int) int64 {
	switch c.Type.Kind.Width() {
	case 1:
		return int64(int8(c.Data[i]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(c.Data[2*i:])))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(c.Data[4*i:])))
	}
	return int64(binary.LittleEndian.Uint64(c.Data[8*i:]))
}

// Float returns row i of a Float32 or Float64 column; 0 where it is null.
func (c *Column) Float(i int) float64 {
	if c.Type.Kind == Float32 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(c.Data[4*i:])))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(c.Data[8*i:]))
}
