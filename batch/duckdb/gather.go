package duckdb

/*
void weir_gather(void *, void *, void *);
*/
import "C"

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/columnar"
)

// gatherName is the function that takes rows out of a statement. Its arguments are the gather's token, the partition columns as
// texts or integers, the values of the others, and with gather.numbered the number of the row (see scan).
const gatherName = "weir_gather"

// gather takes the rows of a statement, sorted by partition, in the threads that run it: nothing is sorted, and no row is kept twice. What
// does not fit into max bytes goes to spill.
type gather struct {
	schema *columnar.Schema // of the values
	keys   int              // partition columns
	max    int64
	// carried are columns of the batches of a scan whose rows are noted by their numbers, or, where they are far from each other, copied.
	// Nil: the numbers are not asked for.
	carried *carried
	spill   func(*part) error // it may be called in any thread, one call at a time

	token int64
	bytes atomic.Int64
	// spilling is held for reading while rows are taken, and for writing while they are spilled.
	spilling sync.RWMutex
	mu       sync.Mutex // guards the fields below
	idle     []*shelf
	shelves  []*shelf
}

// shelf holds what one thread took.
type shelf struct {
	parts map[string]*part
	key   []byte
	views []view
	known [knownParts]*part // partitions by hashes of their keys, where these are integers
	keys  [][]int64         // of a chunk
	of    []*part           // of the parts of a chunk, in the order of their first rows
	place []uint16          // of each row of a chunk: index in of
	rows  []uint16          // of a chunk, by part
	runs  int               // of rows of one part in a chunk
	ids   []int32           // rows of a batch
}

// part is the rows of one partition: blocks of what fills one vector each, and where the rows of carried columns lie: in the batches of
// a scan, or, behind these, in copied blocks.
type part struct {
	key    string
	rows   int
	bytes  int64
	blocks []*columnar.Batch
	copied []*columnar.Batch
	spans  []columnar.Span

	numbers     []int64 // the key, where it is of integers
	chunk, from int     // rows of the present chunk and where they begin in shelf.rows
}

// gathers are the open ones by token, as scans are.
var gathers sync.Map

func openGather(schema *columnar.Schema, keys int, max int64, spill func(*part) error) *gather {
	g := &gather{schema: schema, keys: keys, max: max, spill: spill, token: rand.Int64()}
	gathers.Store(g.token, g)
	return g
}

func (g *gather) close() { gathers.Delete(g.token) }

// statement runs the gather over a query of the keys, the values, and the numbers of rows if they are wanted, in this order.
func (g *gather) statement(query string, keys, columns []string) string {
	all := []string{fmt.Sprintf("CAST(%d AS BIGINT)", g.token)}
	for _, name := range append(slices.Clone(keys), columns...) {
		all = append(all, quoteName(name))
	}
	return "SELECT max(" + gatherName + "(" + strings.Join(all, ", ") + ")) FROM (" + query + ")"
}

// parts are what was taken, by key; the gather is empty then.
func (g *gather) parts() map[string]*part {
	all := map[string]*part{}
	for _, s := range g.shelves {
		for key, p := range s.parts {
			if have := all[key]; have != nil {
				have.rows, have.bytes, have.blocks = have.rows+p.rows, have.bytes+p.bytes, append(have.blocks, p.blocks...)
				g.carried.join(have, p)
			} else {
				all[key] = p
			}
		}
		s.parts = map[string]*part{}
		clear(s.known[:])
	}
	g.bytes.Store(0)
	return all
}

func registerGather(c mapping.Connection) error {
	f := mapping.CreateScalarFunction()
	defer mapping.DestroyScalarFunction(&f)
	mapping.ScalarFunctionSetName(f, gatherName)
	token := mapping.CreateLogicalType(mapping.TypeBigInt)
	defer mapping.DestroyLogicalType(&token)
	mapping.ScalarFunctionAddParameter(f, token)
	anything := mapping.CreateLogicalType(mapping.TypeAny)
	defer mapping.DestroyLogicalType(&anything)
	mapping.ScalarFunctionSetVarargs(f, anything)
	mapping.ScalarFunctionSetReturnType(f, token)
	mapping.ScalarFunctionSetSpecialHandling(f) // it is called for nulls too
	mapping.ScalarFunctionSetVolatile(f)
	mapping.ScalarFunctionSetFunction(f, C.weir_gather)
	if mapping.RegisterScalarFunction(c, f) == mapping.StateError {
		return errors.New("cannot register function " + gatherName)
	}
	return nil
}

//export weir_gather
func weir_gather(info, chunk, out unsafe.Pointer) {
	in := mapping.DataChunk{Ptr: chunk}
	n := int(mapping.DataChunkGetSize(in))
	clear(unsafe.Slice((*int64)(mapping.VectorGetData(mapping.Vector{Ptr: out})), n))
	if n == 0 {
		return
	}
	token := *(*int64)(mapping.VectorGetData(mapping.DataChunkGetVector(in, 0)))
	found, ok := gathers.Load(token)
	if !ok {
		mapping.ScalarFunctionSetError(mapping.FunctionInfo{Ptr: info}, "no such gather")
		return
	}
	if err := found.(*gather).take(in, n); err != nil {
		mapping.ScalarFunctionSetError(mapping.FunctionInfo{Ptr: info}, err.Error())
	}
}

func (g *gather) take(in mapping.DataChunk, n int) error {
	want := 1 + g.keys + len(g.schema.Fields)
	if g.carried != nil {
		want++
	}
	if int(mapping.DataChunkGetColumnCount(in)) != want {
		return fmt.Errorf("rows of %d columns, not %d", mapping.DataChunkGetColumnCount(in), want)
	}
	g.spilling.RLock()
	s := g.shelf()
	g.bytes.Add(s.take(g, in, n))
	g.mu.Lock()
	g.idle = append(g.idle, s)
	g.mu.Unlock()
	g.spilling.RUnlock()
	if g.bytes.Load() <= g.max {
		return nil
	}
	g.spilling.Lock()
	defer g.spilling.Unlock()
	if g.bytes.Load() <= g.max { // another thread was here
		return nil
	}
	return g.shrink()
}

// shrink spills the largest partitions until half of the room is free.
func (g *gather) shrink() error {
	all := g.parts()
	var bytes int64
	list := make([]*part, 0, len(all))
	for _, p := range all {
		list, bytes = append(list, p), bytes+p.bytes
	}
	slices.SortFunc(list, func(a, b *part) int { return cmp.Compare(b.bytes, a.bytes) })
	for _, p := range list {
		if bytes <= g.max/2 {
			break
		}
		if err := g.spill(p); err != nil {
			return err
		}
		bytes -= p.bytes
		delete(all, p.key)
	}
	g.shelves[0].parts = all
	g.bytes.Store(bytes)
	return nil
}

// shelf is one that no other thread uses.
func (g *gather) shelf() *shelf {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.idle); n > 0 {
		s := g.idle[n-1]
		g.idle = g.idle[:n-1]
		return s
	}
	s := &shelf{parts: map[string]*part{}}
	g.shelves = append(g.shelves, s)
	return s
}

// take puts the rows of a chunk to those of their partitions, and says how many bytes they are.
func (s *shelf) take(g *gather, in mapping.DataChunk, n int) int64 {
	s.sort(g, in, n)
	s.views = s.views[:0]
	for i, f := range g.schema.Fields {
		s.views = append(s.views, viewOf(mapping.DataChunkGetVector(in, mapping.IdxT(1+g.keys+i)), f.Type))
	}
	var numbers []int64
	if g.carried != nil {
		v := mapping.DataChunkGetVector(in, mapping.IdxT(1+g.keys+len(g.schema.Fields)))
		numbers = unsafe.Slice((*int64)(mapping.VectorGetData(v)), n)
	}
	scattered := s.runs*runRowsMin > n && len(numbers) > 0 && numbers[0]>>32 == numbers[n-1]>>32
	var taken int64
	for _, p := range s.of {
		before := p.bytes
		rows := s.rows[p.from : p.from+p.chunk]
		if g.carried != nil {
			s.carry(g.carried, p, numbers, rows, scattered)
		}
		if len(g.schema.Fields) == 0 {
			p.rows, rows = p.rows+len(rows), nil
		}
		for len(rows) > 0 {
			b := p.block(g.schema)
			few := rows[:min(len(rows), int(mapping.VectorSize())-b.Len)]
			for i, c := range b.Columns {
				p.bytes += takeRows(c, &s.views[i], few)
			}
			b.Len += len(few)
			p.rows += len(few)
			rows = rows[len(few):]
		}
		taken += p.bytes - before
		p.chunk = 0
	}
	return taken
}

// partBytes is about what a partition takes beside its values.
const partBytes = 4096

// block is the block that the next row goes to.
func (p *part) block(schema *columnar.Schema) *columnar.Batch {
	var fresh bool
	p.blocks, fresh = withRoom(p.blocks, schema)
	if fresh {
		p.bytes += partBytes
	}
	return p.blocks[len(p.blocks)-1]
}

// withRoom adds a block if the last one is full.
func withRoom(blocks []*columnar.Batch, schema *columnar.Schema) (_ []*columnar.Batch, fresh bool) {
	if n := len(blocks); n > 0 && blocks[n-1].Len < int(mapping.VectorSize()) {
		return blocks, false
	}
	b := &columnar.Batch{Schema: schema}
	for _, f := range schema.Fields {
		c := newColumn(f.Type)
		if width := f.Type.Kind.Width(); width > 0 && len(blocks) > 0 { // it will likely be full
			c.Data = make([]byte, 0, width*int(mapping.VectorSize()))
		}
		b.Columns = append(b.Columns, c)
	}
	return append(blocks, b), true
}

// takeRows appends rows of a vector to a column, and says how many bytes.
func takeRows(c *columnar.Column, w *view, rows []uint16) int64 {
	before := len(c.Data)
	if len(c.Type.Fields) > 0 {
		for _, row := range rows {
			appendRows(c, *w, int(row), 1)
		}
		return nestedBytes(c, len(rows))
	}
	takeValid(c, w, rows)
	c.Len += len(rows)
	switch c.Type.Kind {
	case columnar.String, columnar.Binary:
		for _, row := range rows {
			if !w.null(int(row)) {
				c.Data = append(c.Data, textAt(w, int(row))...)
			}
			c.Offsets = append(c.Offsets, int32(len(c.Data)))
		}
		return int64(len(c.Data) - before + 4*len(rows))
	case columnar.Decimal:
		for _, row := range rows {
			c.Data = appendDecimal(c.Data, w, int(row), w.null(int(row)))
		}
	default:
		switch c.Type.Kind.Width() {
		case 1:
			c.Data = takeFixed[uint8](c.Data, w.data, rows)
		case 2:
			c.Data = takeFixed[uint16](c.Data, w.data, rows)
		case 4:
			c.Data = takeFixed[uint32](c.Data, w.data, rows)
		default:
			c.Data = takeFixed[uint64](c.Data, w.data, rows)
		}
	}
	return int64(len(c.Data) - before)
}

// takeFixed appends values of fixed width; what stands where a row is null does not matter.
func takeFixed[T any](data []byte, from unsafe.Pointer, rows []uint16) []byte {
	var t T
	width := int(unsafe.Sizeof(t))
	n := len(data)
	data = slices.Grow(data, len(rows)*width)[:n+len(rows)*width]
	out := unsafe.Slice((*T)(unsafe.Pointer(&data[n])), len(rows))
	in := unsafe.Slice((*T)(from), int(mapping.VectorSize()))
	for i, row := range rows {
		out[i] = in[row]
	}
	return data
}

// takeValid notes which of rows are null; a column without nulls has no bitmap.
func takeValid(c *columnar.Column, w *view, rows []uint16) {
	if c.Valid == nil && (w.valid == nil || !slices.ContainsFunc(rows, func(row uint16) bool { return w.null(int(row)) })) {
		return
	}
	words := (c.Len + len(rows) + 63) / 64
	if c.Valid == nil {
		c.Valid = make([]byte, 0, int(mapping.VectorSize())/8)
		for range (c.Len + 63) / 64 {
			c.Valid = append(c.Valid, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
		}
	}
	for len(c.Valid) < words*8 {
		c.Valid = append(c.Valid, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	for i, row := range rows {
		at := c.Len + i
		if w.null(int(row)) {
			c.Valid[at>>3] &^= 1 << (at & 7)
		} else {
			c.Valid[at>>3] |= 1 << (at & 7)
		}
	}
}

// nestedBytes is about what the last rows of a nested column take.
func nestedBytes(c *columnar.Column, rows int) int64 {
	var total int
	var walk func(c *columnar.Column)
	walk = func(c *columnar.Column) {
		total += len(c.Data) + 4*len(c.Offsets) + len(c.Valid)
		for _, kid := range c.Children {
			walk(kid)
		}
	}
	walk(c)
	return int64(total) * int64(rows) / int64(max(c.Len, 1))
}
