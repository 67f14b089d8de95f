package delta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// rowsFile is a parquet file whose rows are read. Checkpoints are written by many engines: columns may be missing, come in any
// order and have others beside them.
type rowsFile struct {
	file *parquet.File
	at   io.ReaderAt
	size int64
}

// rowReader walks the rows of some row groups. It reads only the columns that were asked for, a page of each at a time, and of
// those only what is looked at.
type rowReader struct {
	*rowsFile
	cursors []*cursor
	group   int   // the open one
	end     int   // one past the last group
	row     int64 // rows of the open group that were begun
	rows    int64 // of the open group
	err     error // of a column that was looked at
}

// openRows opens the file. The ReaderAt is read until the last row was.
func openRows(r io.ReaderAt, size int64) (*rowsFile, error) {
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true),
		parquet.ReadBufferSize(64<<10))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	// Every row is an action that no other row repeats, so it takes more than a byte, however well it is packed.
	left := size
	for _, g := range f.RowGroups() {
		if left -= g.NumRows(); left < 0 || g.NumRows() < 0 {
			return nil, fmt.Errorf("%w: more rows than the %d bytes of the file can hold", ErrCorrupt, size)
		}
	}
	return &rowsFile{file: f, at: r, size: size}, nil
}

// groups is the number of row groups.
func (f *rowsFile) groups() int { return len(f.file.RowGroups()) }

// read reads the rows of the groups from one to before another.
func (f *rowsFile) read(from, to int) *rowReader {
	return &rowReader{rowsFile: f, group: from - 1, end: to}
}

// column asks for a leaf column by its dotted path. A file without it gives nil, which reads as null.
func (r *rowReader) column(path string) *cursor {
	if node := r.node(path); node != nil {
		return r.leaf(node)
	}
	return nil
}

func (r *rowReader) leaf(node *parquet.Column) *cursor {
	if !node.Leaf() {
		return nil
	}
	c := &cursor{rows: r, leaf: node, index: node.Index(), repeated: node.MaxRepetitionLevel() > 0}
	r.cursors = append(r.cursors, c)
	return c
}

// child is a group's child by position, nil if there is none: the names of the groups within lists and maps
// differ between writers.
func child(node *parquet.Column, i int) *parquet.Column {
	if node == nil {
		return nil
	}
	columns := node.Columns()
	if i >= len(columns) {
		return nil
	}
	return columns[i]
}

// mapColumn asks for the keys and values of a map of strings.
func (r *rowReader) mapColumn(path string) mapCursor {
	pair := child(r.node(path), 0)
	key, value := child(pair, 0), child(pair, 1)
	if key == nil || value == nil {
		return mapCursor{}
	}
	return mapCursor{r.leaf(key), r.leaf(value)}
}

// listColumn asks for the elements of a list of strings.
func (r *rowReader) listColumn(path string) *cursor {
	node := r.node(path)
	for node != nil && !node.Leaf() {
		node = child(node, 0)
	}
	if node == nil {
		return nil
	}
	return r.leaf(node)
}

func (r *rowReader) node(path string) *parquet.Column {
	node := r.file.Root()
	for name := range strings.SplitSeq(path, ".") {
		if node = node.Column(name); node == nil {
			return nil
		}
	}
	return node
}

// next moves to the next row; false at the end. An error of the row before may be found only now.
func (r *rowReader) next() (bool, error) {
	if r.err != nil {
		return false, r.err
	}
	for r.row == r.rows {
		r.closePages()
		if r.group++; r.group >= r.end {
			return false, nil
		}
		group := r.file.RowGroups()[r.group]
		r.row, r.rows = 0, group.NumRows()
		if err := r.checkPages(); err != nil {
			return false, err
		}
		chunks := group.ColumnChunks()
		for _, c := range r.cursors {
			c.open(chunks[c.index])
		}
	}
	r.row++
	return true, nil
}

// checkPages looks at the pages of the group that is opened before memory is taken for them.
func (r *rowReader) checkPages() error {
	all := r.file.Metadata().RowGroups[r.group].Columns
	chunks := make([]*format.ColumnMetaData, len(r.cursors))
	for i, c := range r.cursors {
		chunks[i] = &all[c.index].MetaData
	}
	return checkChunks(r.at, r.size, chunks)
}

func (r *rowReader) closePages() {
	for _, c := range r.cursors {
		c.close()
	}
}

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
