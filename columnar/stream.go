package columnar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrStream says that bytes are not what WriteBatch writes.
var ErrStream = errors.New("columnar stream is corrupt")

// Between processes of one program a batch travels as its buffers, in order of the fields: the number of rows in 8 bytes, and for each
// column 1 if it has nulls, else 0; its validity bits, if it has nulls; its offsets from 0, if its kind has them; its values, or
// its children one after the other. All is little-endian. The schema is known to both sides.

// StreamSize is the number of bytes that WriteBatch writes.
func (b *Batch) StreamSize() int64 {
	n := int64(8)
	for _, c := range b.Columns {
		n += c.streamSize(0, b.Len)
	}
	return n
}

func (c *Column) streamSize(from, rows int) int64 {
	n := int64(1)
	if c.Valid != nil {
		n += int64(rows+7) / 8
	}
	switch {
	case c.Type.Kind == Struct:
		for _, kid := range c.Children {
			n += kid.streamSize(from, rows)
		}
		return n
	case c.Type.Kind.Width() > 0:
		return n + int64(rows*c.Type.Kind.Width())
	}
	first, last := c.span(from, rows)
	n += int64(rows+1) * 4
	if c.Type.Kind != List && c.Type.Kind != Map {
		return n + int64(last-first)
	}
	for _, kid := range c.Children {
		n += kid.streamSize(first, last-first)
	}
	return n
}

// span is the part of the data or of the children that rows have.
func (c *Column) span(from, rows int) (first, last int) {
	if rows == 0 {
		return 0, 0
	}
	return int(c.Offsets[from]), int(c.Offsets[from+rows])
}

// WriteBatch writes the rows of a batch.
func WriteBatch(w io.Writer, b *Batch) error {
	s := &streamWriter{w: w}
	s.write(binary.LittleEndian.AppendUint64(nil, uint64(b.Len)))
	for _, c := range b.Columns {
		s.column(c, 0, b.Len)
	}
	return s.err
}

// streamWriter keeps the first error.
type streamWriter struct {
	w   io.Writer
	err error
	buf []byte
}

func (s *streamWriter) write(b []byte) {
	if s.err == nil && len(b) > 0 {
		_, s.err = s.w.Write(b)
	}
}

func (s *streamWriter) column(c *Column, from, rows int) {
	if c.Valid == nil {
		s.write([]byte{0})
	} else {
		s.write([]byte{1})
		s.bits(c.Valid, from, rows)
	}
	switch {
	case c.Type.Kind == Struct:
		for _, kid := range c.Children {
			s.column(kid, from, rows)
		}
		return
	case c.Type.Kind.Width() > 0:
		width := c.Type.Kind.Width()
		s.write(c.Data[from*width : (from+rows)*width])
		return
	}
	first, last := c.span(from, rows)
	s.offsets(c, from, rows, first)
	if c.Type.Kind != List && c.Type.Kind != Map {
		s.write(c.Data[first:last])
		return
	}
	for _, kid := range c.Children {
		s.column(kid, first, last-first)
	}
}

// bits writes rows bits from a position.
func (s *streamWriter) bits(bits []byte, from, rows int) {
	if from&7 == 0 {
		s.write(bits[from>>3 : (from+rows+7)>>3])
		return
	}
	s.buf = slices.Grow(s.buf[:0], (rows+7)/8)[:(rows+7)/8]
	clear(s.buf)
	for i := range rows {
		s.buf[i>>3] |= bits[(from+i)>>3] >> ((from + i) & 7) & 1 << (i & 7)
	}
	s.write(s.buf)
}

// offsets writes those of rows as if the first began at 0.
func (s *streamWriter) offsets(c *Column, from, rows, first int) {
	const at = 8192
	for i := 0; i <= rows; i += at {
		s.buf = s.buf[:0]
		for k := i; k <= min(rows, i+at-1); k++ {
			offset := 0
			if rows > 0 {
				offset = int(c.Offsets[from+k]) - first
			}
			s.buf = binary.LittleEndian.AppendUint32(s.buf, uint32(offset))
		}
		s.write(s.buf)
	}
}

// ReadBatch reads what WriteBatch wrote, at most bytesMax of it. A batch that is not of the schema, or breaks a rule of Column, is
// ErrStream.
func ReadBatch(r io.Reader, schema *Schema, bytesMax int64) (*Batch, error) {
	s := &streamReader{r: r, left: bytesMax}
	head, err := s.read(8)
	if err != nil {
		return nil, err
	}
	rows := binary.LittleEndian.Uint64(head)
	if rows > uint64(bytesMax)*8 || rows > 1<<40 {
		return nil, fmt.Errorf("%w: %d rows", ErrStream, rows)
	}
	b := &Batch{Schema: schema, Len: int(rows)}
	for _, f := range schema.Fields {
		c, err := s.column(f.Type, b.Len)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		b.Columns = append(b.Columns, c)
	}
	return b, nil
}

type streamReader struct {
	r    io.Reader
	left int64 // bytes that may still come
}

// readStep bounds what is allocated before bytes have come.
const readStep = 1 << 20

func (s *streamReader) read(n int) ([]byte, error) {
	if int64(n) > s.left {
		return nil, fmt.Errorf("%w: it is too large", ErrStream)
	}
	s.left -= int64(n)
	out := make([]byte, 0, (min(n, readStep)+7)/8*8)
	for len(out) < n {
		from := len(out)
		step := min(n-from, max(from, readStep)) // twice as much each time
		out = slices.Grow(out, (step+7)/8*8)[:from+step]
		if _, err := io.ReadFull(s.r, out[from:]); err != nil {
			return nil, fmt.Errorf("read columns: %w", err)
		}
	}
	return out, nil
}

func (s *streamReader) column(t Type, rows int) (*Column, error) {
	c := &Column{Type: t, Len: rows}
	flag, err := s.read(1)
	if err != nil {
		return nil, err
	}
	switch flag[0] {
	case 0:
	case 1:
		if c.Valid, err = s.read((rows + 7) / 8); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: a column begins with %d", ErrStream, flag[0])
	}
	switch {
	case t.Kind == Struct:
		return c, s.children(c, rows)
	case t.Kind.Width() > 0:
		if int64(rows) > s.left {
			return nil, fmt.Errorf("%w: it is too large", ErrStream)
		}
		c.Data, err = s.read(rows * t.Kind.Width())
		return c, err
	case t.Kind > Map:
		return nil, fmt.Errorf("%w: a column of %s", ErrStream, t)
	}
	last, err := s.offsets(c, rows)
	if err != nil {
		return nil, err
	}
	if t.Kind == List || t.Kind == Map {
		return c, s.children(c, last)
	}
	c.Data, err = s.read(last)
	return c, err
}

func (s *streamReader) children(c *Column, rows int) error {
	for _, f := range c.Type.Fields {
		kid, err := s.column(f.Type, rows)
		if err != nil {
			return err
		}
		c.Children = append(c.Children, kid)
	}
	return nil
}

// offsets reads those of a column and returns the last.
func (s *streamReader) offsets(c *Column, rows int) (int, error) {
	if int64(rows) >= s.left {
		return 0, fmt.Errorf("%w: it is too large", ErrStream)
	}
	raw, err := s.read((rows + 1) * 4)
	if err != nil {
		return 0, err
	}
	c.Offsets = make([]int32, rows+1)
	for i := range c.Offsets {
		c.Offsets[i] = int32(binary.LittleEndian.Uint32(raw[i*4:]))
		if i == 0 && c.Offsets[0] != 0 || i > 0 && c.Offsets[i] < c.Offsets[i-1] {
			return 0, fmt.Errorf("%w: offsets do not rise from 0", ErrStream)
		}
	}
	return int(c.Offsets[rows]), nil
}
