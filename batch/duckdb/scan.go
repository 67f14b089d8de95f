package duckdb

/*
#include <stdlib.h>

void weir_scan_bind(void *);
void weir_scan_init(void *);
void weir_scan_next(void *, void *);
void weir_scan_release(void *);
*/
import "C"

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/cgo"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/columnar"
)

// scanName is the table function that reads a scan; its argument is the scan's token.
const scanName = "weir_source"

// scan is the rows that one statement reads, in the buffers in which they were decoded. While it is open the
// buffers are pinned, and DuckDB's vectors may point to texts in them.
type scan struct {
	schema *columnar.Schema
	pieces []piece
	rows   int
	serial bool // read by one thread
	// row, if not empty, is another column: the numbers of rows (see rowNumber).
	row     string
	batches []*columnar.Batch
	of      []int // for each piece its batch

	pinner runtime.Pinner
	token  int64
}

// scans are the open ones by token. Tokens are random, so that the text of a query cannot name a scan of another.
var scans sync.Map

// piece is the part of a batch that fills one vector.
type piece struct {
	batch   *columnar.Batch
	from, n int
}

// piecesOf cuts batches into what fills one vector each.
func piecesOf(batches []*columnar.Batch) []piece {
	var all []piece
	size := int(mapping.VectorSize())
	for _, b := range batches {
		for from := 0; from < b.Len; from += size {
			all = append(all, piece{b, from, min(size, b.Len-from)})
		}
	}
	return all
}

// openScan makes the pieces readable as the function that call names. The caller closes the scan when its statements are
// over.
func openScan(schema *columnar.Schema, pieces []piece) *scan {
	s := &scan{schema: schema, pieces: pieces}
	var last *columnar.Batch
	for _, p := range pieces {
		s.rows += p.n
		if p.batch == last {
			s.of = append(s.of, len(s.batches)-1)
			continue
		}
		last = p.batch
		s.of, s.batches = append(s.of, len(s.batches)), append(s.batches, last)
		for _, c := range last.Columns {
			s.pin(c)
		}
	}
	s.token = rand.Int64()
	scans.Store(s.token, s)
	return s
}

func (s *scan) pin(c *columnar.Column) {
	if len(c.Data) > 0 {
		s.pinner.Pin(unsafe.SliceData(c.Data))
	}
	for _, kid := range c.Children {
		s.pin(kid)
	}
}

func (s *scan) close() {
	scans.Delete(s.token)
	s.pinner.Unpin()
}

// rowNumber is the number of a row of a scan's batches.
func rowNumber(batch, row int) int64 { return int64(batch)<<32 | int64(row) }

// call is the scan as SQL.
func (s *scan) call() string { return fmt.Sprintf("%s(%d)", scanName, s.token) }

// cursor is one run through a scan: DuckDB may make several, also at the same time, each with many threads.
type cursor struct {
	scan    *scan
	columns []int // of the output's vectors; -1: only the count of rows is asked for; behind the last: their numbers
	next    atomic.Int64
}

func registerScan(c mapping.Connection) error {
	f := mapping.CreateTableFunction()
	defer mapping.DestroyTableFunction(&f)
	mapping.TableFunctionSetName(f, scanName)
	token := mapping.CreateLogicalType(mapping.TypeBigInt)
	defer mapping.DestroyLogicalType(&token)
	mapping.TableFunctionAddParameter(f, token)
	mapping.TableFunctionSetBind(f, C.weir_scan_bind)
	mapping.TableFunctionSetInit(f, C.weir_scan_init)
	mapping.TableFunctionSetFunction(f, C.weir_scan_next)
	mapping.TableFunctionSupportsProjectionPushdown(f, true)
	if mapping.RegisterTableFunction(c, f) == mapping.StateError {
		return errors.New("cannot register table function " + scanName)
	}
	return nil
}

// holdHandle puts a handle where DuckDB can keep it; weir_scan_release takes it back.
func holdHandle(h cgo.Handle) unsafe.Pointer {
	p := C.malloc(C.size_t(unsafe.Sizeof(h)))
	*(*cgo.Handle)(p) = h
	return p
}

func heldValue(p unsafe.Pointer) any { return (*(*cgo.Handle)(p)).Value() }

//export weir_scan_release
func weir_scan_release(p unsafe.Pointer) {
	(*(*cgo.Handle)(p)).Delete()
	C.free(p)
}

//export weir_scan_bind
func weir_scan_bind(p unsafe.Pointer) {
	info := mapping.BindInfo{Ptr: p}
	v := mapping.BindGetParameter(info, 0)
	found, ok := scans.Load(mapping.GetInt64(v))
	mapping.DestroyValue(&v)
	if !ok {
		mapping.BindSetError(info, "no such source")
		return
	}
	s := found.(*scan)
	for _, f := range s.schema.Fields {
		t := logicalType(f.Type)
		mapping.BindAddResultColumn(info, f.Name, t)
		mapping.DestroyLogicalType(&t)
	}
	if s.row != "" {
		t := mapping.CreateLogicalType(mapping.TypeBigInt)
		mapping.BindAddResultColumn(info, s.row, t)
		mapping.DestroyLogicalType(&t)
	}
	mapping.BindSetCardinality(info, mapping.IdxT(max(s.rows, 1)), false)
	mapping.BindSetBindData(info, holdHandle(cgo.NewHandle(s)), C.weir_scan_release)
}

//export weir_scan_init
func weir_scan_init(p unsafe.Pointer) {
	info := mapping.InitInfo{Ptr: p}
	c := &cursor{scan: heldValue(mapping.InitGetBindData(info)).(*scan)}
	for i := range mapping.InitGetColumnCount(info) {
		column := mapping.InitGetColumnIndex(info, i)
		if known := len(c.scan.schema.Fields); column > mapping.IdxT(known) || column == mapping.IdxT(known) && c.scan.row == "" {
			c.columns = append(c.columns, -1)
			continue
		}
		c.columns = append(c.columns, int(column))
	}
	threads := max(1, len(c.scan.pieces))
	if c.scan.serial {
		threads = 1
	}
	mapping.InitSetMaxThreads(info, mapping.IdxT(threads))
	mapping.InitSetInitData(info, holdHandle(cgo.NewHandle(c)), C.weir_scan_release)
}

//export weir_scan_next
func weir_scan_next(p, chunk unsafe.Pointer) {
	info, out := mapping.FunctionInfo{Ptr: p}, mapping.DataChunk{Ptr: chunk}
	c := heldValue(mapping.FunctionGetInitData(info)).(*cursor)
	i := c.next.Add(1) - 1
	if i >= int64(len(c.scan.pieces)) {
		mapping.DataChunkSetSize(out, 0)
		return
	}
	piece := c.scan.pieces[i]
	for vector, column := range c.columns {
		switch v := mapping.DataChunkGetVector(out, mapping.IdxT(vector)); {
		case column < 0:
		case column == len(piece.batch.Columns):
			numbers := unsafe.Slice((*int64)(mapping.VectorGetData(v)), piece.n)
			first := rowNumber(c.scan.of[i], piece.from)
			for k := range numbers {
				numbers[k] = first + int64(k)
			}
		default:
			fill(v, piece.batch.Columns[column], piece.from, piece.n)
		}
	}
	mapping.DataChunkSetSize(out, mapping.IdxT(piece.n))
}
