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
	sets := make([]*roaring64.Bitmap, len(b.Deleted))
	for i, body := range b.Deleted {
		if body == nil {
			continue
		}
		sets[i] = roaring64.New()
		_, err := sets[i].ReadPortableFrom(bytes.NewReader(body))
		if err == nil {
			err = sets[i].Validate()
		}
		if err != nil {
			return fmt.Errorf("deleted rows of %s: %w", b.Files[i], err)
		}
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
	sets := (*(*cgo.Handle)(held)).Value().([]*roaring64.Bitmap)
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
		mark(answers[from:i], rows[from:i], sets[files[from]])
	}
}

// mark says of each row whether it is in a set. Rows mostly come in order: then the set is walked alongside.
func mark(answers []bool, rows []int64, set *roaring64.Bitmap) {
	clear(answers)
	if set == nil {
		return
	}
	const end = math.MaxInt64
	var walk roaring64.IntPeekable64
	last, next := int64(-1), int64(-1) // the row before; the first of the set that is not before it, or end
	for i, row := range rows {
		if row < last || walk == nil {
			walk, next = set.Iterator(), -1
		}
		last = row
		if row > next {
			if next >= 0 { // the one after is likely the row
				walk.Next()
			}
			if walk.HasNext() && int64(walk.PeekNext()) < row {
				walk.AdvanceIfNeeded(uint64(row))
			}
			if next = end; walk.HasNext() {
				next = int64(walk.PeekNext())
			}
		}
		answers[i] = row == next
	}
}
