package columnar

import (
	"encoding/binary"
	"math"
)

// builder grows one column row by row. Every append method adds exactly one row; the nested kinds add to
// their children first and then close the row with addStruct or addList.
type builder struct {
	Column
	width int
	kids  []*builder
	// validBuf is the memory of Valid, kept while no row is null.
	validBuf []byte
}

func newBuilder(t Type) *builder {
	b := &builder{Column: Column{Type: t}, width: t.Kind.Width()}
	switch t.Kind {
	case String, Binary:
		b.Offsets = make([]int32, 1, 64)
	case List, Map:
		b.Offsets = make([]int32, 1, 64)
		b.addKids(t.Fields)
	case Struct:
		b.addKids(t.Fields)
	}
	return b
}

func (b *builder) addKids(fields []Field) {
	for _, f := range fields {
		kid := newBuilder(f.Type)
		b.kids = append(b.kids, kid)
		b.Children = append(b.Children, &kid.Column)
	}
}

func (b *builder) addBool(v bool) {
	var x byte
	if v {
		x = 1
	}
	b.Data = append(b.Data, x)
	b.present()
}

// addInt appends v to a column of an integer kind, Date, Timestamp or TimestampNTZ; the caller knows that it fits.
func (b *builder) addInt(v int64) {
	switch b.width {
	case 1:
		b.Data = append(b.Data, byte(v))
	case 2:
		b.Data = binary.LittleEndian.AppendUint16(b.Data, uint16(v))
	case 4:
		b.Data = binary.LittleEndian.AppendUint32(b.Data, uint32(v))
	default:
		b.addWord(uint64(v))
		return
	}
	b.present()
}

func (b *builder) addInt64(v int64) { b.addWord(uint64(v)) }

func (b *builder) addFloat64(v float64) { b.addWord(math.Float64bits(v)) }

// addWord appends eight bytes, in place where there is room.
func (b *builder) addWord(v uint64) {
	n := len(b.Data)
	if cap(b.Data)-n >= 8 {
		b.Data = b.Data[:n+8]
		binary.LittleEndian.PutUint64(b.Data[n:], v)
	} else {
		b.Data = binary.LittleEndian.AppendUint64(b.Data, v)
	}
	b.present()
}

func (b *builder) addFloat32(v float32) {
	b.Data = binary.LittleEndian.AppendUint32(b.Data, math.Float32bits(v))
	b.present()
}

func (b *builder) addDecimal(v Int128) {
	b.Data = binary.LittleEndian.AppendUint64(b.Data, v.Lo)
	b.Data = binary.LittleEndian.AppendUint64(b.Data, uint64(v.Hi))
	b.present()
}

func (b *builder) addBytes(v []byte) {
	b.Data = append(b.Data, v...)
	b.endBytes()
}

// addShort is addBytes of text[from:to], which is mostly short: eight bytes are copied at once where there is room on both sides.
func (b *builder) addShort(text []byte, from, to int) {
	n := len(b.Data)
	if to-from <= 8 && len(text)-from >= 8 && cap(b.Data)-n >= 8 {
		binary.LittleEndian.PutUint64(b.Data[n:n+8], binary.LittleEndian.Uint64(text[from:]))
		b.Data = b.Data[:n+to-from]
	} else {
		b.Data = append(b.Data, text[from:to]...)
	}
	b.endBytes()
}

// endBytes closes a row whose bytes were appended to Data.
func (b *builder) endBytes() {
	b.Offsets = append(b.Offsets, int32(len(b.Data)))
	b.present()
}

// addStruct closes a row of a struct after each child got its row.
func (b *builder) addStruct() { b.present() }

// addList closes a row of a list or map after its elements were added to the children.
func (b *builder) addList() {
	b.Offsets = append(b.Offsets, int32(b.kids[0].Len))
	b.present()
}

// addNull adds a null row. The children of a struct get null rows too.
func (b *builder) addNull() {
	switch b.Type.Kind {
	case String, Binary:
		b.Offsets = append(b.Offsets, int32(len(b.Data)))
	case List, Map:
		b.Offsets = append(b.Offsets, b.Offsets[b.Len])
	case Struct:
		for _, kid := range b.kids {
			kid.addNull()
		}
	default:
		for range b.width {
			b.Data = append(b.Data, 0)
		}
	}
	b.absent()
}

// absent marks the row that was just added as null.
func (b *builder) absent() {
	if b.Valid == nil {
		b.Valid = ones(b.validBuf, b.Len)
	}
	if b.Len>>3 == len(b.Valid) {
		b.Valid = append(b.Valid, 0)
	}
	b.Len++
}

// present marks the row that was just added as not null.
func (b *builder) present() {
	if b.Valid != nil {
		b.setValid()
	}
	b.Len++
}

func (b *builder) setValid() {
	if b.Len>>3 == len(b.Valid) {
		b.Valid = append(b.Valid, 0)
	}
	b.Valid[b.Len>>3] |= 1 << (b.Len & 7)
}

// ones returns a bitmap of n set bits, in buf if it is large enough.
func ones(buf []byte, n int) []byte {
	size := (n + 7) / 8
	if cap(buf) < size+8 {
		buf = make([]byte, 0, (size*2+64)&^7)
	}
	buf = buf[:size]
	for i := range buf {
		buf[i] = 0xff
	}
	if n&7 != 0 {
		buf[size-1] = 1<<(n&7) - 1
	}
	return buf
}

// truncate keeps the first n rows. The children may hold rows that no row of b closed yet; they go too.
func (b *builder) truncate(n int) {
	b.Len = n
	if b.Valid != nil {
		b.Valid = b.Valid[:(n+7)/8]
		if n&7 != 0 {
			b.Valid[n>>3] &= 1<<(n&7) - 1
		}
	}
	switch b.Type.Kind {
	case String, Binary:
		b.Offsets = b.Offsets[:n+1]
		b.Data = b.Data[:b.Offsets[n]]
	case List, Map:
		b.Offsets = b.Offsets[:n+1]
		for _, kid := range b.kids {
			kid.truncate(int(b.Offsets[n]))
		}
	case Struct:
		for _, kid := range b.kids {
			kid.truncate(n)
		}
	default:
		b.Data = b.Data[:n*b.width]
	}
}

// keepMax bounds the bytes of a column's buffer that reset keeps.
const keepMax = 32 << 20

// reset forgets all rows and keeps buffers up to keepMax bytes each.
func (b *builder) reset() {
	if b.Valid != nil {
		b.validBuf, b.Valid = b.Valid, nil
	}
	b.Len = 0
	if cap(b.Data) > keepMax {
		b.Data = nil
	}
	b.Data = b.Data[:0]
	if b.Offsets != nil {
		if cap(b.Offsets) > keepMax/4 {
			b.Offsets = make([]int32, 1, 64)
		}
		b.Offsets = b.Offsets[:1]
	}
	for _, kid := range b.kids {
		kid.reset()
	}
}
