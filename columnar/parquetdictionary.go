package columnar

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

// dictionary is the values of a chunk that differ, in the order in which they come first, and for each value its place there.
type dictionary struct {
	values values
	places []uint32
	slots  []uint32 // a hash table of places plus one; 0: free
	shift  int      // of hashes, which leaves the bits of a slot
}

const (
	slotsMin = 1 << 10
	// plainFrom is the number of values after which a dictionary is given up if nearly all of them differ.
	plainFrom = 1 << 15
	// dictionaryCost is about what a dictionary page takes beside its values.
	dictionaryCost = 32
)

var dictionarySeed = maphash.MakeSeed()

func (d *dictionary) reset(v *values) {
	d.values.reset(v.typ)
	d.places = slices.Grow(d.places[:0], v.len())
	d.resize(slotsMin)
}

// resize makes room for n slots, a power of two, all of which are free.
func (d *dictionary) resize(n int) {
	d.slots = slices.Grow(d.slots[:0], n)[:n]
	clear(d.slots)
	d.shift = 64 - bits.TrailingZeros(uint(n))
}

// width is the number of bits of a place.
func (d *dictionary) width() int { return bits.Len(uint(max(d.values.len()-1, 0))) }

// dictionary fills d if values take less room with it than without.
func (v *values) dictionary(d *dictionary) bool {
	d.reset(v)
	var some bool
	switch v.physical {
	case format.Int32, format.Float:
		some = addNumbers(d, v.narrow, &d.values.narrow)
	case format.Int64, format.Double:
		some = addNumbers(d, v.wide, &d.values.wide)
	case format.ByteArray:
		some = d.addTexts(v)
	}
	return some && d.values.plainSize()+dictionaryCost+len(d.places)*d.width()/8 < v.plainSize()
}

// goesOn says whether more values may go in: seen ones were looked up, of which n differ and take size bytes.
func (d *dictionary) goesOn(seen, n, size int) bool {
	return size <= dictionaryMax && (seen < plainFrom || n < seen/8*7)
}

// hash spreads a number over the slots.
func hash(x uint64) uint64 { return (x ^ x>>32) * 0x9e3779b97f4a7c15 }

// addNumbers looks all numbers up, and gives up where a dictionary is of no use.
func addNumbers[T uint32 | uint64](d *dictionary, all []T, distinct *[]T) bool {
	width := (64 - bits.LeadingZeros64(uint64(^T(0)))) / 8
	known := *distinct
	defer func() { *distinct = known }()
	for i, x := range all {
		slot := hash(uint64(x)) >> d.shift
		for {
			place := d.slots[slot]
			if place == 0 {
				break
			}
			if known[place-1] == x {
				d.places = append(d.places, place-1)
				break
			}
			slot = (slot + 1) & uint64(len(d.slots)-1)
		}
		if d.slots[slot] > 0 {
			continue
		}
		if !d.goesOn(i, len(known), (len(known)+1)*width) {
			return false
		}
		d.places = append(d.places, uint32(len(known)))
		known = append(known, x)
		d.slots[slot] = uint32(len(known))
		if 2*len(known) > len(d.slots) {
			d.resize(4 * len(d.slots))
			for k, y := range known {
				d.take(hash(uint64(y)), k)
			}
		}
	}
	return true
}

// take puts place k into the first free slot for a hash.
func (d *dictionary) take(h uint64, k int) {
	slot := h >> d.shift
	for d.slots[slot] > 0 {
		slot = (slot + 1) & uint64(len(d.slots)-1)
	}
	d.slots[slot] = uint32(k + 1)
}

// addTexts is addNumbers for byte arrays.
func (d *dictionary) addTexts(v *values) bool {
	var last []byte
	for i := range v.ends {
		text := v.text(i)
		if i > 0 && bytes.Equal(text, last) {
			d.places = append(d.places, d.places[i-1])
			continue
		}
		last = text
		place, found := d.find(text)
		if !found {
			if !d.goesOn(i, place, d.values.plainSize()+len(text)+4) {
				return false
			}
			d.values.bytes = append(d.values.bytes, text...)
			d.values.ends = append(d.values.ends, len(d.values.bytes))
			d.take(maphash.Bytes(dictionarySeed, text), place)
			if 2*place > len(d.slots) {
				d.resize(4 * len(d.slots))
				for k := range d.values.ends {
					d.take(maphash.Bytes(dictionarySeed, d.values.text(k)), k)
				}
			}
		}
		d.places = append(d.places, uint32(place))
	}
	return true
}

// find is the place of a text, or where it would go.
func (d *dictionary) find(text []byte) (place int, found bool) {
	for slot := maphash.Bytes(dictionarySeed, text) >> d.shift; ; slot = (slot + 1) & uint64(len(d.slots)-1) {
		k := int(d.slots[slot])
		if k == 0 {
			return len(d.values.ends), false
		}
		if bytes.Equal(d.values.text(k-1), text) {
			return k - 1, true
		}
	}
}
