package columnar

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// inWords says whether a leaf's values lie in a page as they do in a column of kind k.
func inWords(e *element, k Kind) bool {
	switch k {
	case Int32, Date, Float32, Float64:
		return true
	case Int64:
		return e.Type.V == format.Int64
	case String, Binary:
		return e.Type.V == format.ByteArray
	case Timestamp, TimestampNTZ:
		if e.Type.V != format.Int64 || e.converted(deprecated.TimestampMillis) {
			return false
		}
		l, ok := e.LogicalType.Value.(*format.TimestampType)
		if !ok {
			return true
		}
		_, micros := l.Unit.Value.(*format.MicroSeconds)
		return micros
	}
	return false
}

// addPage appends the rows of a page of a leaf for which inWords holds, at most up to max bytes of values.
func (b *builder) addPage(page parquet.Page, optional bool, max int) error {
	var levels []byte
	if optional && page.NumNulls() > 0 {
		levels = page.DefinitionLevels()
	}
	var places []int32
	data := page.Data()
	if d := page.Dictionary(); d != nil {
		places, data = data.Int32(), d.Page().Data()
	}
	var err error
	switch b.Type.Kind {
	case Int32, Date:
		b.Data, err = addWords(b.Data, data.Int32(), places, levels, max)
	case Float32:
		b.Data, err = addWords(b.Data, data.Float(), places, levels, max)
	case Float64:
		b.Data, err = addWords(b.Data, data.Double(), places, levels, max)
	case Int64, Timestamp, TimestampNTZ:
		b.Data, err = addWords(b.Data, data.Int64(), places, levels, max)
	default:
		err = b.addTexts(data.ByteArray, places, levels, max)
	}
	if err != nil {
		return err
	}
	b.addLevels(levels, b.rowsHeld()-b.Len)
	return nil
}

// rowsHeld is the number of rows whose values are there, marked or not.
func (b *builder) rowsHeld() int {
	if b.Offsets != nil {
		return len(b.Offsets) - 1
	}
	return len(b.Data) / b.width
}

// addLevels marks the last n rows, of which the levels say which are null; without levels none is.
func (b *builder) addLevels(levels []byte, n int) {
	if b.Valid == nil && levels == nil {
		b.Len += n
		return
	}
	for i := range n {
		if levels != nil && levels[i] == 0 {
			b.absent()
		} else {
			b.present()
		}
	}
}

// addWords appends numbers: all, or those at places, and zero where a level is 0.
func addWords[T int32 | int64 | float32 | float64](out []byte, all []T, places []int32, levels []byte, max int) ([]byte, error) {
	rows := len(all)
	switch {
	case levels != nil:
		rows = len(levels)
	case places != nil:
		rows = len(places)
	}
	var zero T
	size := rows * int(unsafe.Sizeof(zero))
	if size > max-len(out) {
		return out, ErrFull
	}
	if rows == 0 {
		return out, nil
	}
	from := len(out)
	out = slices.Grow(out, size)[:from+size]
	words := unsafe.Slice((*T)(unsafe.Pointer(&out[from])), rows)
	switch {
	case levels != nil:
		next := 0
		for i, level := range levels {
			if words[i] = zero; level == 0 {
				continue
			}
			at := next
			if places != nil {
				at = int(places[next])
			}
			words[i] = all[at]
			next++
		}
	case places != nil:
		for i, at := range places {
			words[i] = all[at]
		}
	default:
		copy(words, all)
	}
	return out, nil
}

// addTexts appends texts as addWords does numbers.
func (b *builder) addTexts(texts func() ([]byte, []uint32), places []int32, levels []byte, max int) error {
	data, ends := texts()
	max = min(max, math.MaxInt32)
	rows := len(ends) - 1
	switch {
	case levels != nil:
		rows = len(levels)
	case places != nil:
		rows = len(places)
	}
	b.Offsets = slices.Grow(b.Offsets, rows+1)
	for i, next := 0, 0; i < rows; i++ {
		if levels == nil || levels[i] > 0 {
			at := next
			if places != nil {
				at = int(places[next])
			}
			text := data[ends[at]:ends[at+1]]
			if len(text) > max-len(b.Data) {
				return fmt.Errorf("%w: more than %d bytes in a column", ErrFull, max)
			}
			b.Data = append(b.Data, text...)
			next++
		}
		b.Offsets = append(b.Offsets, int32(len(b.Data)))
	}
	return nil
}
