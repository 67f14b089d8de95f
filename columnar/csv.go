package columnar

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
)

// ErrCSV says that text is not CSV: a quote is not closed, or the header repeats a name.
var ErrCSV = errors.New("not valid CSV")

// CSVDecoder appends lines of CSV to columns. It is not safe for concurrent use.
//
// As in Spark's CSV reader a line with fewer values than there are columns has nulls at the end, and surplus values have no place; both
// are listed as bad, with no field. A value that is not of its field's type is a bad field: null, and listed. An empty value is null,
// in quotes too. Text that is not UTF-8 is a bad field. Blank lines are skipped.
type CSVDecoder struct {
	schema  *Schema
	opts    CSVOptions
	cols    []*builder
	columns []int // the field of each column, -1 for none; nil until the header was seen
	rows    int
	size    int
	bad     []FieldError
	text    []byte
	zones   zoneCache
	batch   Batch
}

// NewCSVDecoder compiles schema. Nested types cannot be decoded from CSV.
func NewCSVDecoder(schema *Schema, opts CSVOptions) (*CSVDecoder, error) {
	opts.setDefaults()
	if opts.Delimiter == opts.Quote && !opts.NoQuote || opts.Delimiter == '\n' || opts.Quote == '\n' {
		return nil, fmt.Errorf("CSV delimiter %q and quote %q: must differ and be no line end", opts.Delimiter, opts.Quote)
	}
	d := &CSVDecoder{schema: schema, opts: opts}
	for i, f := range schema.Fields {
		if f.Type.Kind >= Struct {
			return nil, fmt.Errorf("field %q: CSV holds no %s", f.Name, f.Type)
		}
		b := newBuilder(f.Type)
		d.cols = append(d.cols, b)
		d.batch.Columns = append(d.batch.Columns, &b.Column)
		if !opts.Header {
			d.columns = append(d.columns, i)
		}
	}
	d.batch.Schema = schema
	return d, nil
}

// Append decodes whole lines (the last one may lack its line end) and adds a row for each. rows, bad and err are as in
// JSONDecoder.Append; err wraps ErrCSV or ErrFull.
func (d *CSVDecoder) Append(lines []byte) (rows int, bad []FieldError, err error) {
	if len(lines) > math.MaxInt32-d.size {
		return 0, nil, ErrFull
	}
	d.bad = d.bad[:0]
	start := d.rows
	for len(lines) > 0 {
		if lines[0] == '\n' || lines[0] == '\r' {
			lines = lines[1:]
			continue
		}
		if lines[0] == d.opts.Comment && d.opts.Comment != 0 {
			_, lines, _ = bytes.Cut(lines, []byte("\n"))
			continue
		}
		d.size += len(lines)
		var rest []byte
		if d.columns == nil {
			rest, err = d.header(lines)
		} else {
			rest, err = d.line(lines)
		}
		d.size -= len(rest)
		if err != nil {
			d.Undo(d.rows - start)
			return 0, nil, err
		}
		lines = rest
	}
	if len(d.bad) > 0 {
		bad = d.bad
	}
	return d.rows - start, bad, nil
}

// line decodes one line and returns what follows it.
func (d *CSVDecoder) line(s []byte) (rest []byte, err error) {
	values := 0
	for more := true; more; values++ {
		var value []byte
		var quoted bool
		if value, quoted, s, more, err = d.value(s); err != nil {
			for _, c := range d.cols {
				c.truncate(d.rows)
			}
			return nil, err
		}
		if values < len(d.columns) && d.columns[values] >= 0 {
			d.put(d.columns[values], value, quoted)
		}
	}
	for _, c := range d.cols {
		if c.Len == d.rows {
			c.addNull()
		}
	}
	if values != len(d.columns) {
		d.flaw("", fmt.Sprintf("line of %d values for %d columns", values, len(d.columns)))
	}
	d.rows++
	return s, nil
}

func (d *CSVDecoder) header(s []byte) (rest []byte, err error) {
	fields := make(map[string]int, len(d.schema.Fields))
	for i, f := range d.schema.Fields {
		fields[strings.ToLower(f.Name)] = i
	}
	columns := []int{}
	seen := map[int]bool{}
	for more := true; more; {
		var value []byte
		if value, _, s, more, err = d.value(s); err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(string(value), "\ufeff")
		i, ok := fields[strings.ToLower(strings.TrimSpace(name))]
		if !ok {
			i = -1
		} else if seen[i] {
			return nil, fmt.Errorf("%w: the header names %q twice", ErrCSV, clip(name, 100))
		}
		seen[i] = true
		columns = append(columns, i)
	}
	d.columns = columns
	return s, nil
}

// value reads one value and the delimiter or line end behind it; more says that it was a delimiter. The value is
// valid until the next call.
func (d *CSVDecoder) value(s []byte) (value []byte, quoted bool, rest []byte, more bool, err error) {
	if d.opts.TrimStart {
		s = bytes.TrimLeft(s, " \t")
	}
	if len(s) > 0 && s[0] == d.opts.Quote && !d.opts.NoQuote {
		value, s, err = d.quotedValue(s[1:])
		if err != nil {
			return nil, true, nil, false, err
		}
		quoted = true
	}
	end := 0
	for end < len(s) && s[end] != d.opts.Delimiter && s[end] != '\n' {
		end++
	}
	tail := s[:end]
	if end == len(s) || s[end] == '\n' {
		if n := len(tail); n > 0 && tail[n-1] == '\r' {
			tail = tail[:n-1]
		}
	}
	if d.opts.TrimEnd {
		tail = bytes.TrimRight(tail, " \t")
	}
	if quoted {
		value = append(value, tail...) // text behind a closing quote belongs to the value
	} else {
		value = tail
	}
	if end == len(s) {
		return value, quoted, nil, false, nil
	}
	return value, quoted, s[end+1:], s[end] == d.opts.Delimiter, nil
}

// quotedValue reads up to the closing quote.
func (d *CSVDecoder) quotedValue(s []byte) (value, rest []byte, err error) {
	d.text = d.text[:0]
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == d.opts.Escape && c != d.opts.Quote && i+1 < len(s) && s[i+1] == d.opts.Quote:
			i++
			d.text = append(d.text, d.opts.Quote)
		case c != d.opts.Quote:
			d.text = append(d.text, c)
		case i+1 < len(s) && s[i+1] == d.opts.Quote:
			i++
			d.text = append(d.text, c)
		default:
			return d.text, s[i+1:], nil
		}
	}
	return nil, nil, fmt.Errorf("%w: quote without end", ErrCSV)
}

// addBlank adds a row of nulls.
func (d *CSVDecoder) addBlank() {
	for _, c := range d.cols {
		c.addNull()
	}
	d.rows++
}

// Undo removes the last n rows.
func (d *CSVDecoder) Undo(n int) {
	d.rows -= n
	for _, c := range d.cols {
		c.truncate(d.rows)
	}
}

// Len is the number of rows since the last Reset.
func (d *CSVDecoder) Len() int { return d.rows }

// Size is the number of bytes of all lines decoded since the last Reset.
func (d *CSVDecoder) Size() int { return d.size }

// Batch returns the rows appended since the last Reset. It shares the decoder's buffers.
func (d *CSVDecoder) Batch() *Batch {
	d.batch.Len = d.rows
	return &d.batch
}

// Reset forgets all rows and keeps the buffers and the header, so that one file can be read in several batches.
func (d *CSVDecoder) Reset() {
	for _, c := range d.cols {
		c.reset()
	}
	d.rows, d.size = 0, 0
}

// NextFile makes the next line a header again, if there is one at all.
func (d *CSVDecoder) NextFile() {
	if d.opts.Header {
		d.columns = nil
	}
}

// csvRecords decodes records that are CSV files of their own: with a header, each begins with it.
type csvRecords struct{ *CSVDecoder }

func (d csvRecords) Append(record []byte) (rows int, bad []FieldError, err error) {
	d.NextFile()
	rows, bad, err = d.CSVDecoder.Append(record)
	if rows == 0 && err == nil {
		err = fmt.Errorf("%w: record holds no line of values", ErrCSV)
	}
	return rows, bad, err
}
