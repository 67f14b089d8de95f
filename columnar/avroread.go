package columnar

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// avroReader is a cursor over the binary form of Avro (specification, "Binary Encoding").
type avroReader struct {
	*AvroDecoder
	b []byte
}

var (
	errAvroEnd    = errors.New("ends within a value")
	errAvroVarint = errors.New("has a number of too many bytes")
	errAvroCells  = errors.New("has too many nested values")
)

// varint reads a zig-zag number of at most 64 bits.
func (r *avroReader) varint() (int64, error) {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		if n < 0 || len(r.b) >= binary.MaxVarintLen64 {
			return 0, errAvroVarint
		}
		return 0, errAvroEnd
	}
	r.b = r.b[n:]
	return int64(v>>1) ^ -int64(v&1), nil
}

// take reads n bytes.
func (r *avroReader) take(n int64) ([]byte, error) {
	if n < 0 || n > int64(len(r.b)) {
		return nil, errAvroEnd
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out, nil
}

// bytes reads a length and as many bytes.
func (r *avroReader) bytes() ([]byte, error) {
	n, err := r.varint()
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

// record reads the fields of a record.
func (r *avroReader) record(p *avroPlan) error {
	for _, part := range p.parts {
		if err := r.value(part); err != nil {
			return err
		}
	}
	for _, c := range p.absent {
		c.addNull()
	}
	return nil
}

// value reads one value, a row of its column if it has one.
func (r *avroReader) value(p *avroPlan) error {
	switch p.kind {
	case "null":
		return nil
	case "record":
		err := r.record(p)
		if err == nil && p.col != nil {
			p.col.addStruct()
		}
		return err
	case "array", "map":
		return r.blocks(p)
	case "union":
		return r.union(p)
	case "boolean":
		b, err := r.take(1)
		if err != nil {
			return err
		}
		if b[0] > 1 {
			return errors.New("has a boolean that is neither 0 nor 1")
		}
		if p.col != nil {
			p.col.addBool(b[0] == 1)
		}
		return nil
	case "int", "long":
		return r.whole(p)
	case "float", "double":
		return r.float(p)
	}
	return r.text(p)
}

func (r *avroReader) whole(p *avroPlan) error {
	v, err := r.varint()
	if err != nil {
		return err
	}
	if p.kind == "int" && !fitsWidth(v, 4) {
		return errors.New("has an int of more than 32 bits")
	}
	if p.col == nil {
		return nil
	}
	switch p.col.Type.Kind {
	case Float64:
		p.col.addFloat64(float64(v))
	case Float32:
		p.col.addFloat32(float32(v))
	case Timestamp, TimestampNTZ:
		hi, lo := bits.Mul64(uint64(max(v, -v)), uint64(p.scale))
		if hi != 0 || lo > math.MaxInt64 || v == math.MinInt64 {
			r.misfit(p, "instant is out of range")
			return nil
		}
		p.col.addInt64(v * p.scale)
	default:
		p.col.addInt(v)
	}
	return nil
}

func (r *avroReader) float(p *avroPlan) error {
	size := int64(4)
	if p.kind == "double" {
		size = 8
	}
	b, err := r.take(size)
	if err != nil || p.col == nil {
		return err
	}
	var f float64
	if size == 4 {
		f = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	} else {
		f = math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	if p.col.Type.Kind == Float32 {
		p.col.addFloat32(float32(f))
	} else {
		p.col.addFloat64(f)
	}
	return nil
}

// text reads bytes, a string, a fixed or an enum.
func (r *avroReader) text(p *avroPlan) (err error) {
	var b []byte
	switch p.kind {
	case "fixed":
		b, err = r.take(int64(p.size))
	case "enum":
		var i int64
		if i, err = r.varint(); err == nil && (i < 0 || i >= int64(len(p.symbols))) {
			err = errors.New("has a symbol that its enum lacks")
		}
		if err == nil && p.col != nil {
			b = []byte(p.symbols[i])
		}
	default:
		b, err = r.bytes()
	}
	if err != nil || p.col == nil {
		return err
	}
	if p.logical == "decimal" && p.col.Type.Kind == Decimal {
		r.addDecimal(p, b)
		return nil
	}
	r.addText(p, b)
	return nil
}

// union reads the number of a branch and its value.
func (r *avroReader) union(p *avroPlan) error {
	i, err := r.varint()
	if err != nil {
		return err
	}
	if i < 0 || i >= int64(len(p.parts)) {
		return errors.New("has a branch that its union lacks")
	}
	branch := p.parts[i]
	switch {
	case p.col == nil:
		return r.value(branch)
	case branch.kind == "null":
		p.col.addNull()
		return nil
	case branch.col == p.col:
		return r.value(branch)
	}
	if err := r.value(branch); err != nil {
		return err
	}
	for _, kid := range p.col.kids {
		if kid.Len == p.col.Len {
			kid.addNull()
		}
	}
	p.col.addStruct()
	return nil
}

// blocks reads the blocks of an array or map.
func (r *avroReader) blocks(p *avroPlan) error {
	first := 0
	if p.col != nil {
		first = p.col.kids[0].Len
	}
	for {
		n, err := r.varint()
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if n < 0 { // the size of the block follows, for readers that skip it
			if _, err := r.varint(); err != nil {
				return err
			}
			n = -n
		}
		if n < 0 || n > int64(r.cells) {
			return errAvroCells
		}
		for range n {
			if err := r.element(p); err != nil {
				return err
			}
		}
	}
	if p.col == nil {
		return nil
	}
	if p.kind == "map" && repeats(&p.col.kids[0].Column, first) {
		p.col.kids[0].truncate(first)
		p.col.kids[1].truncate(first)
		r.misfit(p, "map has a key twice")
		return nil
	}
	p.col.addList()
	return nil
}

func (r *avroReader) element(p *avroPlan) error {
	if r.cells -= 1 + len(p.parts[0].parts); r.cells < 0 {
		return errAvroCells
	}
	if p.kind == "map" {
		key, err := r.bytes()
		if err != nil {
			return err
		}
		if p.col != nil {
			p.col.kids[0].addUTF8(key)
		}
	}
	return r.value(p.parts[0])
}
