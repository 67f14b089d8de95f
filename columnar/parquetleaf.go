package columnar

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// leafWriter turns the rows of one leaf into values with levels.
type leafWriter struct {
	index  int
	path   []string
	chain  []int   // the column in the batch, then the child at each step
	fields []Field // the field at each step
	lists  int     // how many steps are lists or maps
	steps  []*Column
	values []parquet.Value
	size   int64 // bytes of the values
	fixed  []byte
	stats  leafStats
}

// appendLeaves adds the leaves below the last field of the chain.
func appendLeaves(leaves []*leafWriter, chain []int, fields []Field) []*leafWriter {
	f := fields[len(fields)-1]
	if f.Type.Kind < Struct {
		l := &leafWriter{chain: slices.Clone(chain), fields: slices.Clone(fields)}
		for i := range fields {
			l.path = append(l.path, fields[i].Name)
			if k := fields[i].Type.Kind; k == List || k == Map {
				l.lists++
			}
		}
		l.stats.typ = f.Type
		return append(leaves, l)
	}
	for i, child := range f.Type.Fields {
		if f.Type.Kind == Map && i == 0 {
			child.Nullable = false
		}
		leaves = appendLeaves(leaves, append(chain, i), append(fields, child))
	}
	return leaves
}

// resolve finds the leaf's columns in a batch.
func (l *leafWriter) resolve(b *Batch) {
	l.steps = l.steps[:0]
	c := b.Columns[l.chain[0]]
	l.steps = append(l.steps, c)
	for _, i := range l.chain[1:] {
		c = c.Children[i]
		l.steps = append(l.steps, c)
	}
}

// collect makes the values of rows from to to-1.
func (l *leafWriter) collect(from, to int) error {
	l.values = l.values[:0]
	l.size = 0
	l.fixed = l.fixed[:0]
	for row := from; row < to; row++ {
		if err := l.emit(0, row, 0, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// emit adds the values of row i of the column at step. rep is the repetition level of the first of them, def the
// definition level reached so far, lists the number of lists passed.
func (l *leafWriter) emit(step, i, rep, def, lists int) error {
	c := l.steps[step]
	field := &l.fields[step]
	if c.Null(i) {
		if !field.Nullable {
			return fmt.Errorf("write Parquet column %s: null where the schema allows none", strings.Join(l.path, "."))
		}
		l.null(rep, def)
		return nil
	}
	if field.Nullable {
		def++
	}
	switch field.Type.Kind {
	case Struct:
		return l.emit(step+1, i, rep, def, lists)
	case List, Map:
		if c.Offsets[i] == c.Offsets[i+1] {
			l.null(rep, def)
			return nil
		}
		for k := c.Offsets[i]; k < c.Offsets[i+1]; k++ {
			if err := l.emit(step+1, int(k), rep, def+1, lists+1); err != nil {
				return err
			}
			rep = lists + 1
		}
		return nil
	}
	v, size := l.value(c, i)
	l.size += int64(size)
	l.values = append(l.values, v.Level(rep, def, l.index))
	return nil
}

func (l *leafWriter) null(rep, def int) {
	l.stats.nulls++
	l.values = append(l.values, parquet.NullValue().Level(rep, def, l.index))
}

// value is row i of leaf column c, and its size in bytes; it counts the value into the statistics.
func (l *leafWriter) value(c *Column, i int) (parquet.Value, int) {
	switch k := c.Type.Kind; k {
	case Bool:
		return parquet.BooleanValue(c.Data[i] != 0), 1
	case Int8, Int16, Int32, Date:
		v := c.Int(i)
		l.stats.int(v)
		return parquet.Int32Value(int32(v)), 4
	case Int64, Timestamp, TimestampNTZ:
		v := int64(binary.LittleEndian.Uint64(c.Data[8*i:]))
		l.stats.int(v)
		return parquet.Int64Value(v), 8
	case Float32:
		v := c.Float(i)
		l.stats.float(v)
		return parquet.FloatValue(float32(v)), 4
	case Float64:
		v := math.Float64frombits(binary.LittleEndian.Uint64(c.Data[8*i:]))
		l.stats.float(v)
		return parquet.DoubleValue(v), 8
	case String:
		v := c.Bytes(i)
		l.stats.bytes(v)
		return parquet.ByteArrayValue(v), len(v) + 4
	case Binary:
		v := c.Bytes(i)
		return parquet.ByteArrayValue(v), len(v) + 4
	}
	return l.decimal(c.Int128(i))
}

func (l *leafWriter) decimal(v Int128) (parquet.Value, int) {
	l.stats.decimal(v)
	precision := l.stats.typ.Precision
	switch {
	case precision <= 9:
		return parquet.Int32Value(int32(v.Lo)), 4
	case precision <= 18:
		return parquet.Int64Value(int64(v.Lo)), 8
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(v.Hi))
	binary.BigEndian.PutUint64(b[8:], v.Lo)
	n := decimalBytes(precision)
	l.fixed = append(l.fixed, b[16-n:]...)
	return parquet.FixedLenByteArrayValue(l.fixed[len(l.fixed)-n:]), n
}

// leafStats are the running bounds of a leaf.
type leafStats struct {
	typ        Type
	nulls      int64
	some       bool // a value was seen
	nan        bool
	minI, maxI int64
	minF, maxF float64
	minB, maxB []byte
	minD, maxD Int128
}

func (s *leafStats) int(v int64) {
	if !s.some {
		s.some, s.minI, s.maxI = true, v, v
		return
	}
	s.minI, s.maxI = min(s.minI, v), max(s.maxI, v)
}

func (s *leafStats) float(v float64) {
	if v != v {
		s.nan = true
		return
	}
	if !s.some {
		s.some, s.minF, s.maxF = true, v, v
		return
	}
	s.minF, s.maxF = min(s.minF, v), max(s.maxF, v)
}

func (s *leafStats) bytes(v []byte) {
	if !s.some {
		s.some, s.minB, s.maxB = true, bytes.Clone(v), bytes.Clone(v)
		return
	}
	if bytes.Compare(v, s.minB) < 0 {
		s.minB = append(s.minB[:0], v...)
	}
	if bytes.Compare(v, s.maxB) > 0 {
		s.maxB = append(s.maxB[:0], v...)
	}
}

func (s *leafStats) decimal(v Int128) {
	if !s.some {
		s.some, s.minD, s.maxD = true, v, v
		return
	}
	if v.less(s.minD) {
		s.minD = v
	}
	if s.maxD.less(v) {
		s.maxD = v
	}
}

func (s *leafStats) result(path []string) ColumnStats {
	r := ColumnStats{Path: path, Type: s.typ, Nulls: s.nulls, NaN: s.nan}
	if !s.some {
		return r
	}
	switch s.typ.Kind {
	case Int8, Int16, Int32, Int64:
		r.Min, r.Max = s.minI, s.maxI
	case Date, Timestamp, TimestampNTZ:
		r.Min, r.Max = timeValue(s.typ.Kind, s.minI), timeValue(s.typ.Kind, s.maxI)
	case Float32, Float64:
		r.Min, r.Max = s.minF, s.maxF
	case String:
		r.Min, r.Max = string(s.minB), string(s.maxB)
	case Decimal:
		r.Min, r.Max = s.minD.Text(s.typ.Scale), s.maxD.Text(s.typ.Scale)
	}
	return r
}
