package columnar

import "math/bits"

// Span is Len rows of a column from row From on. Column is its place among those of a ColumnRows.
type Span struct{ Column, From, Len int32 }

// ColumnRows are the rows of one column of a file where they lie: some of those of columns of one type. Several may share Spans.
type ColumnRows struct {
	Columns []*Column
	Spans   []Span
}

// rowsOfBatches are all rows of batches, by column of the file.
func rowsOfBatches(batches []*Batch, fields int) []ColumnRows {
	spans := make([]Span, len(batches))
	for i, b := range batches {
		spans[i] = Span{int32(i), 0, int32(b.Len)}
	}
	all := make([]ColumnRows, fields)
	for i := range all {
		all[i].Spans = spans
		for _, b := range batches {
			all[i].Columns = append(all[i].Columns, b.Columns[i])
		}
	}
	return all
}

// Len is the number of rows.
func (r *ColumnRows) Len() (n int) {
	for _, s := range r.Spans {
		n += int(s.Len)
	}
	return n
}

// rowBytes is about what a row of values takes.
func (r *ColumnRows) rowBytes() int {
	bytes, rows := 0, 0
	for _, c := range r.Columns {
		rows += c.Len
		if c.Offsets == nil {
			bytes += c.Len * c.Type.Kind.Width()
		} else {
			bytes += int(c.Offsets[c.Len]-c.Offsets[0]) + 4*c.Len
		}
	}
	return (bytes + rows - 1) / max(rows, 1)
}

// spanCursor cuts spans.
type spanCursor struct {
	rest []Span
	skip int32 // rows of the first one that are behind
}

// next are the spans of the next n rows, which must be there.
func (c *spanCursor) next(n int) []Span {
	if c.skip == 0 { // often that is all
		if rows := (&ColumnRows{Spans: c.rest}).Len(); rows == n {
			all := c.rest
			c.rest = nil
			return all
		}
	}
	var out []Span
	for n > 0 {
		s := c.rest[0]
		s.From, s.Len = s.From+c.skip, s.Len-c.skip
		if int(s.Len) > n {
			s.Len = int32(n)
			c.skip += s.Len
		} else {
			c.rest, c.skip = c.rest[1:], 0
		}
		out = append(out, s)
		n -= int(s.Len)
	}
	return out
}

// nullsIn is the number of nulls among n rows of a column.
func (c *Column) nullsIn(from, n int) int {
	if c.Valid == nil {
		return 0
	}
	nulls := 0
	for ; n > 0 && from&7 != 0; from, n = from+1, n-1 {
		if c.Null(from) {
			nulls++
		}
	}
	for ; n >= 8; from, n = from+8, n-8 {
		nulls += 8 - bits.OnesCount8(c.Valid[from>>3])
	}
	for ; n > 0; from, n = from+1, n-1 {
		if c.Null(from) {
			nulls++
		}
	}
	return nulls
}
