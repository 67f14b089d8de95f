package columnar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// columnReader fills the builders of one field from the same row groups.
//
// A leaf's entries carry a repetition level (which list the entry continues; 0 begins a row) and a definition
// level (how much of the path is there). Each leaf is read straight into its builder; what the groups above it
// are (how many elements, null or not) follows from the levels of the first leaf below them.
type columnReader struct {
	groups []parquet.RowGroup
	flat   bool // the field is a leaf that does not repeat: nobody asks for its levels
	max    int  // bytes of values of a leaf
}

// levels place a node: an entry is a row of it if its repetition level is at most rep and its definition level
// at least slot. That row is not null if the definition level reaches slot, plus one if the node is optional.
type levels struct{ rep, slot int }

// entries are the levels of a leaf's entries, two bytes each: repetition and definition.
type entries []byte

// node reads a node that is not null from definition level def on.
func (r *columnReader) node(e *element, b *builder, at levels, def int) (entries, error) {
	switch {
	case e.leaf >= 0:
		return r.leaf(e, b, at, def)
	case e.isList():
		elem, wrapped := listElement(e)
		return r.list(b, at, def, func(in levels) (entries, error) {
			if wrapped {
				return r.field(elem, b.kids[0], in, in.slot)
			}
			return r.node(elem, b.kids[0], in, in.slot)
		})
	case e.isMap():
		return r.list(b, at, def, func(in levels) (entries, error) {
			first, err := r.field(e.children[0].children[0], b.kids[0], in, in.slot)
			if err != nil {
				return nil, err
			}
			_, err = r.field(e.children[0].children[1], b.kids[1], in, in.slot)
			return first, err
		})
	}
	return r.group(e, b, at, def)
}

// group reads a struct.
func (r *columnReader) group(e *element, b *builder, at levels, def int) (first entries, err error) {
	for i, child := range e.children {
		// A field has a row wherever the struct has one, and is null where the struct is.
		es, err := r.field(child, b.kids[i], at, def)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = es
		}
	}
	for i := 0; i < len(first); i += 2 {
		rep, d := int(first[i]), int(first[i+1])
		if rep > at.rep || d < at.slot {
			continue
		}
		if d < def {
			b.absent()
		} else {
			b.present()
		}
	}
	return first, sameLength(b)
}

// field reads a field of the root, a struct, or a list's repeated group, which is not null from definition level
// def on.
func (r *columnReader) field(e *element, b *builder, at levels, def int) (entries, error) {
	if e.repeated() {
		return r.list(b, at, def, func(in levels) (entries, error) { return r.node(e, b.kids[0], in, in.slot) })
	}
	if e.optional() {
		def++
	}
	return r.node(e, b, at, def)
}

// list reads a list or map that is not null from definition level def on; elements reads what is in it.
func (r *columnReader) list(b *builder, at levels, def int, elements func(levels) (entries, error)) (entries, error) {
	in := levels{rep: at.rep + 1, slot: def + 1}
	if in.rep > math.MaxUint8 || in.slot > math.MaxUint8 {
		return nil, fmt.Errorf("%w: nested too deeply", ErrCorrupt)
	}
	first, err := elements(in)
	if err != nil {
		return nil, err
	}
	n := int32(0)
	for i := 0; i < len(first); i += 2 {
		rep, d := int(first[i]), int(first[i+1])
		if rep <= at.rep && d >= at.slot {
			if d < def {
				b.addNull()
			} else {
				b.Offsets = append(b.Offsets, n)
				b.present()
			}
		}
		if rep <= in.rep && d >= in.slot {
			if b.Len == 0 {
				return nil, fmt.Errorf("%w: element before the first row", ErrCorrupt)
			}
			n++
			b.Offsets[b.Len] = n
		}
	}
	return first, sameLength(b)
}

// sameLength checks that the children of b have the rows that b's own levels asked for.
func sameLength(b *builder) error {
	want := b.Len
	if b.Offsets != nil {
		want = int(b.Offsets[b.Len])
	}
	for _, kid := range b.kids {
		if kid.Len != want {
			return fmt.Errorf("%w: nested column has %d rows, want %d", ErrCorrupt, kid.Len, want)
		}
	}
	return nil
}

// leaf reads all entries of a leaf into b. It returns nothing if the field is flat.
func (r *columnReader) leaf(e *element, b *builder, at levels, def int) (entries, error) {
	var es entries
	add := leafAdder(e, b)
	var values [512]parquet.Value
	for _, g := range r.groups {
		if e.leaf >= len(g.ColumnChunks()) {
			return nil, fmt.Errorf("%w: row group lacks column chunk %d", ErrCorrupt, e.leaf)
		}
		pages := g.ColumnChunks()[e.leaf].Pages()
		err := r.eachPage(pages, e, b, values[:], func(v parquet.Value) error {
			if len(b.Data) > r.max {
				return ErrFull
			}
			if !r.flat {
				es = append(es, byte(v.RepetitionLevel()), byte(v.DefinitionLevel()))
			}
			switch d := v.DefinitionLevel(); {
			case d < at.slot:
				return nil
			case d < def || v.IsNull():
				b.addNull()
				return nil
			}
			return add(v)
		})
		if err = errors.Join(err, pages.Close()); err != nil {
			if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrFull) {
				return nil, err
			}
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	return es, nil
}

// eachPage takes pages of a flat column into b at once where that can be, and calls f for each value else.
func (r *columnReader) eachPage(pages parquet.Pages, e *element, b *builder, buf []parquet.Value, f func(parquet.Value) error) error {
	whole := r.flat && inWords(e, b.Type.Kind)
	for {
		page, err := pages.ReadPage()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if whole {
			err = b.addPage(page, e.optional(), r.max)
		} else {
			err = eachPageValue(page, buf, f)
		}
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func eachPageValue(page parquet.Page, buf []parquet.Value, f func(parquet.Value) error) error {
	values := page.Values()
	for {
		n, err := values.ReadValues(buf)
		for _, v := range buf[:n] {
			if err := f(v); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrNoProgress
		}
	}
}

// leafAdder returns the function that converts and appends one value.
func leafAdder(e *element, b *builder) func(parquet.Value) error {
	switch b.Type.Kind {
	case Bool:
		return func(v parquet.Value) error { b.addBool(v.Boolean()); return nil }
	case Float32:
		return func(v parquet.Value) error { b.addFloat32(v.Float()); return nil }
	case Float64:
		return func(v parquet.Value) error { b.addFloat64(v.Double()); return nil }
	case String, Binary:
		return func(v parquet.Value) error {
			if len(v.ByteArray()) > math.MaxInt32-len(b.Data) {
				return ErrFull
			}
			b.addBytes(v.ByteArray())
			return nil
		}
	case Timestamp, TimestampNTZ:
		return func(v parquet.Value) error { b.addInt64(timestampOf(e, v)); return nil }
	case Decimal:
		return func(v parquet.Value) error { return addDecimalValue(e, b, v) }
	case Int64:
		if e.Type.V == format.Int64 {
			return func(v parquet.Value) error { b.addInt64(v.Int64()); return nil }
		}
		return func(v parquet.Value) error { b.addInt64(int64(v.Uint32())); return nil }
	}
	return func(v parquet.Value) error { b.addInt(int64(v.Int32())); return nil }
}

// timestampOf is a stored instant in microseconds; nanoseconds are cut.
func timestampOf(e *element, v parquet.Value) int64 {
	if e.Type.V == format.Int96 {
		return int96Micros(v.Int96())
	}
	t := v.Int64()
	if l, ok := e.LogicalType.Value.(*format.TimestampType); ok {
		switch l.Unit.Value.(type) {
		case *format.MilliSeconds:
			return t * 1000
		case *format.NanoSeconds:
			return floorDiv(t, 1000)
		}
		return t
	}
	if e.converted(deprecated.TimestampMillis) {
		return t * 1000
	}
	return t
}

// int96Micros reads Spark's and Hive's old timestamps: nanoseconds of the day, then the Julian day.
func int96Micros(v deprecated.Int96) int64 {
	const julianEpoch = 2440588 // 1970-01-01
	nanos := int64(v[1])<<32 | int64(v[0])
	return (int64(v[2])-julianEpoch)*secondsPerDay*microsPerSecond + floorDiv(nanos, 1000)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func addDecimalValue(e *element, b *builder, v parquet.Value) error {
	switch e.Type.V {
	case format.Int32:
		b.addDecimal(int128Of(int64(v.Int32())))
		return nil
	case format.Int64:
		b.addDecimal(int128Of(v.Int64()))
		return nil
	}
	raw := v.ByteArray()
	for len(raw) > 16 {
		if sign := byte(int8(raw[1]) >> 7); raw[0] != sign {
			return fmt.Errorf("%w: decimal of %d bytes", ErrCorrupt, len(raw))
		}
		raw = raw[1:]
	}
	b.addDecimal(bigEndian128(raw))
	return nil
}

// bigEndian128 is a number of at most 16 bytes.
func bigEndian128(raw []byte) Int128 {
	var wide [16]byte
	if len(raw) > 0 && raw[0] >= 0x80 {
		for i := range wide {
			wide[i] = 0xff
		}
	}
	copy(wide[len(wide)-len(raw):], raw)
	return Int128{Hi: int64(binary.BigEndian.Uint64(wide[:])), Lo: binary.BigEndian.Uint64(wide[8:])}
}

func int128Of(v int64) Int128 { return Int128{Hi: v >> 63, Lo: uint64(v)} }
