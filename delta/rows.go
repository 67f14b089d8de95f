package delta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

// Rows is a set of rows of one data file, by their position in it, from 0. The zero value and nil are the empty set.
// A set that came from a Snapshot is shared and must not be changed.
type Rows struct {
	bits *roaring64.Bitmap // nil: empty
}

// NewRows returns the set of the given positions, which are not negative.
func NewRows(positions ...int64) *Rows {
	r := &Rows{}
	for _, p := range positions {
		r.Add(p)
	}
	return r
}

// Add puts a position that is not negative into the set.
func (r *Rows) Add(position int64) {
	if r.bits == nil {
		r.bits = roaring64.New()
	}
	r.bits.Add(uint64(position))
}

// Contains says whether the row at a position is in the set.
func (r *Rows) Contains(position int64) bool {
	return r != nil && r.bits != nil && r.bits.Contains(uint64(position))
}

// Cardinality is the number of rows.
func (r *Rows) Cardinality() int64 {
	if r == nil || r.bits == nil {
		return 0
	}
	return int64(r.bits.GetCardinality())
}

// All yields the positions in ascending order.
func (r *Rows) All() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		if r == nil || r.bits == nil {
			return
		}
		for it := r.bits.Iterator(); it.HasNext(); {
			if !yield(int64(it.Next())) {
				return
			}
		}
	}
}

// Union is a new set of the rows that are in either.
func (r *Rows) Union(other *Rows) *Rows {
	out := &Rows{bits: roaring64.New()}
	for _, in := range []*Rows{r, other} {
		if in != nil && in.bits != nil {
			out.bits.Or(in.bits)
		}
	}
	return out
}

// last is the highest position; the set must not be empty.
func (r *Rows) last() int64 { return int64(r.bits.Maximum()) }

// sizeBytes is about what the set takes in memory.
func (r *Rows) sizeBytes() int64 {
	if r == nil || r.bits == nil {
		return 0
	}
	return int64(r.bits.GetSizeInBytes()) + 64
}

// Portable is the set in the portable 64-bit form of roaring bitmaps, which many libraries read.
func (r *Rows) Portable() ([]byte, error) {
	bits := roaring64.New()
	if r != nil && r.bits != nil {
		bits = r.bits
	}
	return bits.ToPortableBytes()
}

// rowsMagic opens a serialized set (section "Deletion Vector Format").
const rowsMagic = 1681511377

// Encode writes the set in the form of a deletion vector's data: the magic number, then the portable 64-bit form of
// roaring bitmaps.
func (r *Rows) Encode() ([]byte, error) {
	bits := roaring64.New()
	if r != nil && r.bits != nil {
		bits = r.bits.Clone()
		bits.RunOptimize()
	}
	body := bytes.NewBuffer(binary.LittleEndian.AppendUint32(nil, rowsMagic))
	if _, err := bits.WritePortableTo(body); err != nil {
		return nil, fmt.Errorf("encode rows: %w", err)
	}
	return body.Bytes(), nil
}

// DecodeRows reads what Encode wrote; what it is not sure of it refuses as ErrCorrupt.
func DecodeRows(data []byte) (*Rows, error) {
	if len(data) < 4 {
		return nil, fmt.Errorf("%w: deletion vector of %d bytes", ErrCorrupt, len(data))
	}
	if magic := binary.LittleEndian.Uint32(data); magic != rowsMagic {
		return nil, fmt.Errorf("%w: deletion vector with the magic number %d instead of %d", ErrCorrupt, magic, rowsMagic)
	}
	bits := roaring64.New()
	in := bytes.NewReader(data[4:])
	_, err := bits.ReadPortableFrom(in)
	if err == nil && in.Len() > 0 {
		err = fmt.Errorf("%d bytes after its end", in.Len())
	}
	if err == nil && !bits.IsEmpty() {
		if err = bits.Validate(); err == nil && int64(bits.Maximum()) < 0 {
			err = errors.New("a position of more than 63 bits")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: deletion vector: %w", ErrCorrupt, err)
	}
	return &Rows{bits: bits}, nil
}
