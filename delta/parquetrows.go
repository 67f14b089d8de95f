package delta

import (
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
