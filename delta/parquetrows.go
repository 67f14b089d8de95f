package delta

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// rowReader walks the rows of a parquet file, reading only the columns that were asked for, a page of each at a time.
// Checkpoints are written by many engines: columns may be missing, come in any order and have others beside them.
type rowReader struct {
	file    *parquet.File
	at      io.ReaderAt
	size    int64
	cursors []*cursor
	group   int
	left    int64 // rows of the group that is open
}

// openRows opens the file. The ReaderAt is read until the last row was.
func openRows(r io.ReaderAt, size int64) (*rowReader, error) {
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
	return &rowReader{file: f, at: r, size: size, group: -1}, nil
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
	c := &cursor{leaf: node, index: node.Index(), maxDef: node.MaxDefinitionLevel(), repeated: node.MaxRepetitionLevel() > 0}
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

// next moves all cursors to the next row; false at the end.
func (r *rowReader) next() (bool, error) {
	for r.left == 0 {
		r.closePages()
		r.group++
		groups := r.file.RowGroups()
		if r.group >= len(groups) {
			return false, nil
		}
		r.left = groups[r.group].NumRows()
		if err := r.checkPages(); err != nil {
			return false, err
		}
		chunks := groups[r.group].ColumnChunks()
		for _, c := range r.cursors {
			c.open(chunks[c.index])
		}
	}
	r.left--
	for _, c := range r.cursors {
		if err := c.next(); err != nil {
			return false, fmt.Errorf("%w: column %s: %w", ErrCorrupt, strings.Join(c.leaf.Path(), "."), err)
		}
	}
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

// cursor yields the values of one column, row by row. All methods that read values work on a nil cursor.
type cursor struct {
	leaf     *parquet.Column
	index    int
	maxDef   int
	repeated bool

	row    []parquet.Value // of the current row; valid until next
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    []parquet.Value
	pos    int
}

func (c *cursor) open(chunk parquet.ColumnChunk) {
	c.pages = chunk.Pages()
	c.buf, c.pos = c.buf[:0], 0
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

func (c *cursor) next() error {
	c.row = c.row[:0]
	if err := c.fill(); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	c.row = append(c.row, c.buf[c.pos])
	c.pos++
	for c.repeated {
		err := c.fill()
		if err == io.EOF || err == nil && c.buf[c.pos].RepetitionLevel() == 0 {
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

// fill makes sure that a value is buffered; io.EOF at the end of the row group.
func (c *cursor) fill() error {
	for c.pos == len(c.buf) {
		if c.page == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				return err
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
		for i := range c.row { // the page's memory is about to be reused
			c.row[i] = c.row[i].Clone()
		}
		parquet.Release(c.page)
		c.page = nil
	}
	return nil
}

// value is the value of a column that is not repeated; false if it or something around it is null.
func (c *cursor) value() (parquet.Value, bool) {
	if c == nil || len(c.row) == 0 || c.row[0].IsNull() {
		return parquet.Value{}, false
	}
	return c.row[0], true
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
	if c == nil {
		return nil
	}
	var list []string
	for _, v := range c.row {
		if !v.IsNull() {
			list = append(list, valueText(v))
		}
	}
	return list
}

func valueText(v parquet.Value) string {
	if k := v.Kind(); k != parquet.ByteArray && k != parquet.FixedLenByteArray {
		return ""
	}
	return string(v.ByteArray())
}

// mapCursor reads a map of strings.
type mapCursor struct{ key, value *cursor }

func (m mapCursor) pairs() map[string]*string {
	if m.key == nil || len(m.key.row) != len(m.value.row) {
		return nil
	}
	var out map[string]*string
	for i, k := range m.key.row {
		if k.IsNull() {
			continue
		}
		if out == nil {
			out = make(map[string]*string, len(m.key.row))
		}
		if v := m.value.row[i]; v.IsNull() {
			out[valueText(k)] = nil
		} else {
			text := valueText(v)
			out[valueText(k)] = &text
		}
	}
	return out
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
