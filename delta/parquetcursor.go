package delta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// cursor yields the values of one column for the row that its reader stands on. It moves when it is looked at. All methods that
// read values work on a nil cursor.
type cursor struct {
	rows     *rowReader
	leaf     *parquet.Column
	index    int
	repeated bool

	row    []parquet.Value // of the row at, none for a null of a page that has only such; valid until it moves
	at     int64           // rows of the group that were read
	pages  parquet.Pages
	page   parquet.Page
	nulls  int64 // rows left of a page that has only nulls
	values parquet.ValueReader
	buf    []parquet.Value
	pos    int
}

func (c *cursor) open(chunk parquet.ColumnChunk) {
	c.pages = chunk.Pages()
	c.buf, c.pos, c.at, c.nulls, c.row = c.buf[:0], 0, 0, 0, c.row[:0]
}

func (c *cursor) close() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
	if c.pages != nil {
		c.pages.Close()
		c.pages = nil
	}
}

// current are the values of the row that the reader stands on.
func (c *cursor) current() []parquet.Value {
	if c == nil {
		return nil
	}
	if c.at == c.rows.row {
		return c.row
	}
	if err := c.move(c.rows.row); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if c.rows.err == nil {
			c.rows.err = fmt.Errorf("%w: column %s: %w", ErrCorrupt, strings.Join(c.leaf.Path(), "."), err)
		}
		c.row = c.row[:0]
	}
	c.at = c.rows.row
	return c.row
}

// move reads up to a row.
func (c *cursor) move(to int64) error {
	for c.at < to {
		if !c.repeated && c.nulls == 0 && c.at+1 < to && c.pos < len(c.buf) { // values that nobody looked at
			n := min(to-1-c.at, int64(len(c.buf)-c.pos))
			c.pos += int(n)
			c.at += n
			continue
		}
		c.row = c.row[:0]
		if err := c.fill(); err != nil {
			return err
		}
		if c.nulls > 0 {
			n := min(to-c.at, c.nulls)
			c.nulls -= n
			c.at += n
			continue
		}
		if err := c.next(); err != nil {
			return err
		}
		c.at++
	}
	return nil
}

// next reads a row, the first value of which is buffered.
func (c *cursor) next() error {
	c.row = append(c.row, c.buf[c.pos])
	c.pos++
	for c.repeated {
		err := c.fill()
		if err == io.EOF || err == nil && (c.nulls > 0 || c.buf[c.pos].RepetitionLevel() == 0) {
			return nil
		}
		if err != nil {
			return err
		}
		c.row = append(c.row, c.buf[c.pos])
		c.pos++
	}
	return nil
}

// fill makes sure that a value is buffered, or that there are nulls; io.EOF at the end of the row group.
func (c *cursor) fill() error {
	for c.pos == len(c.buf) && c.nulls == 0 {
		if c.page == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				return err
			}
			if n := page.NumValues(); n > 0 && page.NumNulls() == n && page.NumRows() == n {
				c.nulls = n
				c.keepRow()
				parquet.Release(page)
				return nil
			}
			c.page, c.values = page, page.Values()
		}
		if cap(c.buf) == 0 {
			c.buf = make([]parquet.Value, 0, 256)
		}
		n, err := c.values.ReadValues(c.buf[:cap(c.buf)])
		c.buf, c.pos = c.buf[:n], 0
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		c.keepRow()
		parquet.Release(c.page)
		c.page = nil
	}
	return nil
}

// keepRow copies what the row has of a page whose memory is about to be reused.
func (c *cursor) keepRow() {
	for i := range c.row {
		c.row[i] = c.row[i].Clone()
	}
}

// value is the value of a column that is not repeated; false if it or something around it is null.
func (c *cursor) value() (parquet.Value, bool) {
	row := c.current()
	if len(row) == 0 || row[0].IsNull() {
		return parquet.Value{}, false
	}
	return row[0], true
}

// bytes is the text of a column, valid until the cursor moves.
func (c *cursor) bytes() []byte {
	v, _ := c.value()
	return valueBytes(v)
}

func (c *cursor) text() string {
	if v, ok := c.value(); ok {
		return valueText(v)
	}
	return ""
}

func (c *cursor) integer() int64 {
	v, ok := c.value()
	if !ok {
		return 0
	}
	switch v.Kind() {
	case parquet.Int32:
		return int64(v.Int32())
	case parquet.Int64:
		return v.Int64()
	}
	return 0
}

func (c *cursor) integerOrNil() *int64 {
	if _, ok := c.value(); !ok {
		return nil
	}
	n := c.integer()
	return &n
}

func (c *cursor) boolean() bool {
	v, ok := c.value()
	return ok && v.Kind() == parquet.Boolean && v.Boolean()
}

// list returns the elements that are not null, nil for none.
func (c *cursor) list() []string {
	var list []string
	for _, v := range c.current() {
		if !v.IsNull() {
			list = append(list, valueText(v))
		}
	}
	return list
}

func valueText(v parquet.Value) string { return string(valueBytes(v)) }

// valueBytes is the text of a value, nil if it is of another kind.
func valueBytes(v parquet.Value) []byte {
	if k := v.Kind(); k != parquet.ByteArray && k != parquet.FixedLenByteArray {
		return nil
	}
	return v.ByteArray()
}

// mapCursor reads a map of strings.
type mapCursor struct{ key, value *cursor }

// row are the keys and values of the current row, none if they do not go together.
func (m mapCursor) row() (keys, values []parquet.Value) {
	keys, values = m.key.current(), m.value.current()
	if len(values) == 0 && len(keys) > 0 { // nulls all
		values = make([]parquet.Value, len(keys))
	}
	if len(keys) != len(values) {
		return nil, nil
	}
	return keys, values
}

func (m mapCursor) pairs() map[string]*string {
	keys, values := m.row()
	var out map[string]*string
	for i, k := range keys {
		if k.IsNull() {
			continue
		}
		if out == nil {
			out = make(map[string]*string, len(keys))
		}
		if v := values[i]; v.IsNull() {
			out[valueText(k)] = nil
		} else {
			text := valueText(v)
			out[valueText(k)] = &text
		}
	}
	return out
}

// appendTo appends what tells one map from others, nothing for an empty one.
func (m mapCursor) appendTo(to []byte) []byte {
	keys, values := m.row()
	for i, k := range keys {
		if k.IsNull() {
			continue
		}
		key, value := valueBytes(k), valueBytes(values[i])
		to = append(binary.AppendUvarint(to, uint64(len(key))), key...)
		if values[i].IsNull() {
			to = append(to, 0)
		} else {
			to = append(binary.AppendUvarint(to, uint64(len(value))+1), value...)
		}
	}
	return to
}

// texts is pairs without the null values.
func (m mapCursor) texts() map[string]string {
	out := map[string]string{}
	for k, v := range m.pairs() {
		if v != nil {
			out[k] = *v
		}
	}
	return out
}
