package duckdb

import (
	"cmp"
	"slices"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/columnar"
)

// carried are columns that are the same in the files as in the batches of a scan. DuckDB never sees them: a gather notes which rows of
// them belong to a partition.
type carried struct {
	batches []*columnar.Batch
	of      []int            // for each column of the files that of the batches, or -1: it is gathered
	schema  *columnar.Schema // of those that are carried
}

func newCarried(batches []*columnar.Batch, files *columnar.Schema, of []int) *carried {
	c := &carried{batches: batches, of: of, schema: &columnar.Schema{}}
	for i, f := range files.Fields {
		if of[i] >= 0 {
			c.schema.Fields = append(c.schema.Fields, f)
		}
	}
	return c
}

const (
	// spanBytes is the size of a columnar.Span.
	spanBytes = 12
	// runRowsMin is the number of rows of a partition in a row from which they are left where they are. Below, they are copied: the
	// writer of a partition's file would fetch the memory of all of them for the few that it wants.
	runRowsMin = 32
)

// carry adds rows of the chunk that have these numbers to p. Those that are scattered are of one batch.
func (s *shelf) carry(c *carried, p *part, numbers []int64, rows []uint16, scattered bool) {
	if !scattered || len(c.schema.Fields) == 0 {
		before := len(p.spans)
		for _, row := range rows {
			n := numbers[row]
			p.span(int32(n>>32), int32(n), 1)
		}
		p.bytes += int64(len(p.spans)-before) * spanBytes
		return
	}
	s.ids = s.ids[:0]
	for _, row := range rows {
		s.ids = append(s.ids, int32(numbers[row]))
	}
	from := c.batches[numbers[rows[0]]>>32]
	for ids := s.ids; len(ids) > 0; {
		var fresh bool
		if p.copied, fresh = withRoom(p.copied, c.schema); fresh {
			p.bytes += partBytes
		}
		b := p.copied[len(p.copied)-1]
		few := ids[:min(len(ids), int(mapping.VectorSize())-b.Len)]
		next := 0
		for _, of := range c.of {
			if of < 0 {
				continue
			}
			to := b.Columns[next]
			before := len(to.Data) + 4*len(to.Offsets)
			to.Take(from.Columns[of], few)
			p.bytes += int64(len(to.Data) + 4*len(to.Offsets) - before)
			next++
		}
		p.span(int32(len(c.batches)+len(p.copied)-1), int32(b.Len), int32(len(few)))
		b.Len += len(few)
		ids = ids[len(few):]
	}
}

// span adds rows to those of p.
func (p *part) span(column, from, n int32) {
	if k := len(p.spans) - 1; k >= 0 && p.spans[k].Column == column && p.spans[k].From+p.spans[k].Len == from {
		p.spans[k].Len += n
		return
	}
	p.spans = append(p.spans, columnar.Span{Column: column, From: from, Len: n})
}

// join adds the carried rows of other to p.
func (c *carried) join(p, other *part) {
	if c == nil {
		return
	}
	shift := int32(len(p.copied))
	p.copied = append(p.copied, other.copied...)
	for _, s := range other.spans {
		if int(s.Column) >= len(c.batches) {
			s.Column += shift
		}
		p.spans = append(p.spans, s)
	}
}

// rows are the rows of a partition, by column of the files.
func (c *carried) rows(p *part) []columnar.ColumnRows {
	if len(p.blocks) == 0 && len(p.spans) < p.rows/runRowsMin {
		p.spans = inOrder(p.spans)
	}
	blocks := make([]columnar.Span, len(p.blocks))
	for i, b := range p.blocks {
		blocks[i] = columnar.Span{Column: int32(i), Len: int32(b.Len)}
	}
	gathered, copied := 0, 0 // columns so far
	all := make([]columnar.ColumnRows, len(c.of))
	for i, of := range c.of {
		r := &all[i]
		if of < 0 {
			r.Spans = blocks
			for _, b := range p.blocks {
				r.Columns = append(r.Columns, b.Columns[gathered])
			}
			gathered++
			continue
		}
		r.Spans = p.spans
		for _, b := range c.batches {
			r.Columns = append(r.Columns, b.Columns[of])
		}
		for _, b := range p.copied {
			r.Columns = append(r.Columns, b.Columns[copied])
		}
		copied++
	}
	return all
}

// inOrder sorts spans, which threads have taken in turn, and joins those that follow each other.
func inOrder(spans []columnar.Span) []columnar.Span {
	slices.SortFunc(spans, func(a, b columnar.Span) int {
		return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(a.From, b.From))
	})
	var p part
	for _, s := range spans {
		p.span(s.Column, s.From, s.Len)
	}
	return p.spans
}
