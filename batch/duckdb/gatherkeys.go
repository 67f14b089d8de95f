package duckdb

import (
	"encoding/binary"
	"slices"
	"strconv"
	"unsafe"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/columnar"
)

// sort finds the partitions of a chunk's rows, and the rows of each.
func (s *shelf) sort(g *gather, in mapping.DataChunk, n int) {
	keys := make([]view, g.keys)
	numbers := true
	for i := range keys {
		keys[i] = viewOf(mapping.DataChunkGetVector(in, mapping.IdxT(1+i)), columnar.Type{Kind: columnar.String})
		numbers = numbers && keys[i].integer() && !keys[i].anyNull(n)
	}
	s.of, s.place, s.runs = s.of[:0], s.place[:0], 0
	if numbers {
		s.placeNumbers(keys, n)
	} else {
		s.placeTexts(keys, n)
	}
	from := 0
	for _, p := range s.of {
		p.from = from
		from += p.chunk
	}
	s.rows = slices.Grow(s.rows[:0], n)[:n]
	if len(s.of) == 1 {
		for row := range s.rows {
			s.rows[row] = uint16(row)
		}
		return
	}
	next := make([]int, len(s.of))
	for row, k := range s.place {
		s.rows[s.of[k].from+next[k]] = uint16(row)
		next[k]++
	}
}

// put notes that the next row of the chunk belongs to p.
func (s *shelf) put(p *part) {
	if p.chunk == 0 {
		p.from = len(s.of)
		s.of = append(s.of, p)
	}
	if n := len(s.place); n == 0 || s.place[n-1] != uint16(p.from) {
		s.runs++
	}
	p.chunk++
	s.place = append(s.place, uint16(p.from))
}

// part is the partition of the present key.
func (s *shelf) part() *part {
	p := s.parts[string(s.key)]
	if p == nil {
		p = &part{key: string(s.key)}
		s.parts[p.key] = p
	}
	return p
}

// placeTexts finds the partitions of rows by the texts of keys.
func (s *shelf) placeTexts(keys []view, n int) {
	var last *part
	for row := range n {
		s.key = s.key[:0]
		for i := range keys {
			switch k := &keys[i]; {
			case k.null(row):
				s.key = append(s.key, 0)
			case k.integer():
				s.addNumber(k.number(row))
			default:
				text := textAt(k, row)
				s.key = append(binary.AppendUvarint(s.key, uint64(len(text))+1), text...)
			}
		}
		if last == nil || last.key != string(s.key) {
			last = s.part()
		}
		s.put(last)
	}
}

// addNumber adds a number to the present key, as text.
func (s *shelf) addNumber(v int64) {
	var text [20]byte
	digits := strconv.AppendInt(text[:0], v, 10)
	s.key = append(append(s.key, byte(len(digits)+1)), digits...)
}

// knownParts is the number of partitions that are found by a hash; a power of two.
const knownParts = 256

// placeNumbers is placeTexts for integers, none of which is null.
func (s *shelf) placeNumbers(keys []view, n int) {
	for len(s.keys) < len(keys) {
		s.keys = append(s.keys, nil)
	}
	columns := s.keys[:len(keys)]
	for i := range columns {
		columns[i] = keys[i].numbers(columns[i][:0], n)
	}
	var last *part
	for row := range n {
		if last == nil || !last.has(columns, row) {
			last = s.numbered(columns, row)
		}
		s.put(last)
	}
}

// has says whether the key of a row is that of p.
func (p *part) has(columns [][]int64, row int) bool {
	for i, c := range columns {
		if p.numbers[i] != c[row] {
			return false
		}
	}
	return true
}

// numbered is the partition of a row by its key.
func (s *shelf) numbered(columns [][]int64, row int) *part {
	var h uint64
	for _, c := range columns {
		h = (h ^ uint64(c[row])) * 0x9e3779b97f4a7c15
	}
	known := &s.known[h>>56%knownParts]
	if *known != nil && (*known).has(columns, row) {
		return *known
	}
	s.key = s.key[:0]
	for _, c := range columns {
		s.addNumber(c[row])
	}
	*known = s.part()
	if p := *known; p.numbers == nil {
		for _, c := range columns {
			p.numbers = append(p.numbers, c[row])
		}
	}
	return *known
}

// anyNull says whether one of the first n values is null.
func (w *view) anyNull(n int) bool {
	for i := 0; w.valid != nil && i < n; i++ {
		if w.null(i) {
			return true
		}
	}
	return false
}

func (w *view) integer() bool { return isInteger(w.id) }

// isInteger says whether values are integers of up to 64 bits with a sign.
func isInteger(t mapping.Type) bool {
	switch t {
	case mapping.TypeTinyInt, mapping.TypeSmallInt, mapping.TypeInteger, mapping.TypeBigInt:
		return true
	}
	return false
}

// number is an integer.
func (w *view) number(i int) int64 {
	switch w.id {
	case mapping.TypeTinyInt:
		return int64(at[int8](w, i))
	case mapping.TypeSmallInt:
		return int64(at[int16](w, i))
	case mapping.TypeInteger:
		return int64(at[int32](w, i))
	}
	return at[int64](w, i)
}

// numbers appends the first n integers.
func (w *view) numbers(out []int64, n int) []int64 {
	if w.id == mapping.TypeBigInt {
		return append(out, unsafe.Slice((*int64)(w.data), n)...)
	}
	for i := range n {
		out = append(out, w.number(i))
	}
	return out
}

// partitionOf are the values in a part's key by the names of the partition columns.
func partitionOf(key string, names []string) map[string]*string {
	out := make(map[string]*string, len(names))
	rest := []byte(key)
	for _, name := range names {
		n, size := binary.Uvarint(rest)
		rest = rest[size:]
		out[name] = nil
		if n > 0 {
			text := string(rest[:n-1])
			out[name], rest = &text, rest[n-1:]
		}
	}
	return out
}
