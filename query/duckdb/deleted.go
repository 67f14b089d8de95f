package duckdb

/*
#include <stdlib.h>

void weir_deleted(void *, void *, void *);
void weir_deleted_release(void *);
*/
import "C"

import (
	"bytes"
	"fmt"
	"math"
	"runtime/cgo"
	"slices"
	"unsafe"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	duck "github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/query"
)

// deletedFunction is the function that says of a row, by its file's place in the list and its position, whether it is
// deleted. The sets stay as small as they came: nothing is joined.
func deletedFunction(b *query.Binding, byLayout bool) string {
	if byLayout { // the files have another order
		return "weir_deleted_by_layout_" + b.Name
	}
	return "weir_deleted_" + b.Name
}

// registerDeleted makes the function of a binding.
func (d *database) registerDeleted(name string, b *query.Binding) error {
	sets := make([]*deletedRows, len(b.Deleted))
	for i, body := range b.Deleted {
		if body == nil {
			continue
		}
		set := roaring64.New()
		_, err := set.ReadPortableFrom(bytes.NewReader(body))
		if err == nil {
			err = set.Validate()
		}
		if err != nil {
			return fmt.Errorf("deleted rows of %s: %w", b.Files[i], err)
		}
		sets[i] = deletedRowsOf(set)
	}
	f := duck.CreateScalarFunction()
	defer duck.DestroyScalarFunction(&f)
	duck.ScalarFunctionSetName(f, name)
	for _, t := range []duck.Type{duck.TypeUBigInt, duck.TypeBigInt} {
		lt := duck.CreateLogicalType(t)
		duck.ScalarFunctionAddParameter(f, lt)
		duck.DestroyLogicalType(&lt)
	}
	answer := duck.CreateLogicalType(duck.TypeBoolean)
	duck.ScalarFunctionSetReturnType(f, answer)
	duck.DestroyLogicalType(&answer)
	held := C.malloc(C.size_t(unsafe.Sizeof(cgo.Handle(0))))
	*(*cgo.Handle)(held) = cgo.NewHandle(sets)
	duck.ScalarFunctionSetExtraInfo(f, held, C.weir_deleted_release)
	duck.ScalarFunctionSetFunction(f, C.weir_deleted)
	if duck.RegisterScalarFunction(d.conn, f) == duck.StateError {
		return fmt.Errorf("register %s", name)
	}
	return nil
}

//export weir_deleted_release
func weir_deleted_release(p unsafe.Pointer) {
	(*(*cgo.Handle)(p)).Delete()
	C.free(p)
}

// weir_deleted answers for a chunk of rows; DuckDB has made its vectors flat. Rows of one file follow one another.
//
//export weir_deleted
func weir_deleted(info, chunk, out unsafe.Pointer) {
	held := duck.ScalarFunctionGetExtraInfo(duck.FunctionInfo{Ptr: info})
	sets := (*(*cgo.Handle)(held)).Value().([]*deletedRows)
	in := duck.DataChunk{Ptr: chunk}
	n := int(duck.DataChunkGetSize(in))
	files := unsafe.Slice((*uint64)(duck.VectorGetData(duck.DataChunkGetVector(in, 0))), n)
	rows := unsafe.Slice((*int64)(duck.VectorGetData(duck.DataChunkGetVector(in, 1))), n)
	answers := unsafe.Slice((*bool)(duck.VectorGetData(duck.Vector{Ptr: out})), n)
	for i := 0; i < n; {
		from := i
		for i < n && files[i] == files[from] {
			i++
		}
		sets[files[from]].mark(answers[from:i], rows[from:i])
	}
}

// deletedRows is a set of rows that is asked for runs of them. It is cut into blocks of 65,536 rows: asking a bitmap of the library row by
// row takes longer than reading the rows.
type deletedRows struct {
	numbers []int64 // of blocks that hold some, ascending: row >> blockBits
	blocks  []deletedBlock
}

// deletedBlock has the low bits of its rows as a list if they are few, else as bits; neither if all rows are deleted.
type deletedBlock struct {
	list []uint16
	bits *[blockRows / 64]uint64
}

const (
	blockBits = 16
	blockRows = 1 << blockBits
	listMax   = blockRows / 16 // beyond it bits take less room
)

func deletedRowsOf(set *roaring64.Bitmap) *deletedRows {
	d := &deletedRows{}
	var low []uint16 // of the block that is read
	number := int64(-1)
	end := func() {
		if len(low) > 0 {
			d.numbers, d.blocks = append(d.numbers, number), append(d.blocks, blockOf(low))
		}
		low = low[:0]
	}
	buffer := make([]uint64, 4096)
	for it := set.ManyIterator(); ; {
		n := it.NextMany(buffer)
		if n == 0 {
			end()
			return d
		}
		for _, row := range buffer[:n] {
			if of := int64(row >> blockBits); of != number {
				end()
				number = of
			}
			low = append(low, uint16(row))
		}
	}
}

func blockOf(low []uint16) deletedBlock {
	switch {
	case len(low) == blockRows:
		return deletedBlock{}
	case len(low) <= listMax:
		return deletedBlock{list: slices.Clone(low)}
	}
	b := deletedBlock{bits: new([blockRows / 64]uint64)}
	for _, row := range low {
		b.bits[row>>6] |= 1 << (row & 63)
	}
	return b
}

// mark says of each row whether it is in the set. nil is the empty set.
func (d *deletedRows) mark(answers []bool, rows []int64) {
	clear(answers)
	if d == nil {
		return
	}
	for from := 0; from < len(rows); {
		number := rows[from] >> blockBits
		to := from + 1
		for to < len(rows) && rows[to]>>blockBits == number {
			to++
		}
		if i, ok := slices.BinarySearch(d.numbers, number); ok {
			d.blocks[i].mark(answers[from:to], rows[from:to])
		}
		from = to
	}
}

// mark is for rows of the block. They mostly come in order: then a list is walked beside them.
func (b *deletedBlock) mark(answers []bool, rows []int64) {
	switch {
	case b.bits != nil:
		for i, row := range rows {
			answers[i] = b.bits[row>>6&(blockRows/64-1)]>>(row&63)&1 != 0
		}
	case b.list == nil:
		for i := range rows {
			answers[i] = true
		}
	default:
		at, last := 0, int64(math.MaxInt64)
		for i, row := range rows {
			if row < last {
				at, _ = slices.BinarySearch(b.list, uint16(row))
			}
			last = row
			for at < len(b.list) && b.list[at] < uint16(row) {
				at++
			}
			answers[i] = at < len(b.list) && b.list[at] == uint16(row)
		}
	}
}
