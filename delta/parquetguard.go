package delta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/format"
)

// Bounds of what a checkpoint may make the Parquet library take.
const (
	footerBytesMax  = 64 << 20 // the description of columns and row groups
	pageHeadMax     = 16 << 20 // the description of a page
	pageRoomLeast   = 64 << 20 // for one page of each column at a time, see pageRoom
	pageRoomFactor  = 64
	pageValueBytes  = 8 // levels and offset of a value
	pageHeadAtFirst = 4 << 10
)

// pageRoom is the memory in which one page of every column must fit: small files that claim to unpack to very much are
// refused.
func pageRoom(fileSize int64) int64 { return pageRoomLeast + pageRoomFactor*fileSize }

// checkFooter refuses a footer that cannot be, before memory is taken for what it describes.
func checkFooter(r io.ReaderAt, size int64) error {
	var tail [8]byte // length of the footer, "PAR1"
	if size < 12 {
		return fmt.Errorf("%w: a parquet file of %d bytes", ErrCorrupt, size)
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil && err != io.EOF {
		return fmt.Errorf("read the footer: %w", err)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if string(tail[4:]) != "PAR1" || n > size-12 || n > footerBytesMax {
		return fmt.Errorf("%w: a parquet file without footer", ErrCorrupt)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-8-n); err != nil && err != io.EOF {
		return fmt.Errorf("read the footer: %w", err)
	}
	if err := (&thriftWalk{b: footer}).walk(); err != nil {
		return fmt.Errorf("%w: the footer of a parquet file: %w", ErrCorrupt, err)
	}
	return nil
}

// checkChunks refuses columns whose pages do not fit into memory together.
func checkChunks(r io.ReaderAt, size int64, chunks []*format.ColumnMetaData) error {
	left := pageRoom(size)
	for _, c := range chunks {
		if c.Codec == format.Lz4Raw { // the library takes ever more memory for a damaged page
			return fmt.Errorf("%w: a checkpoint that is compressed with %s", ErrUnsupported, c.Codec)
		}
		need, err := largestPage(r, size, c, left)
		if err != nil {
			return fmt.Errorf("%w: a column's pages: %w", ErrCorrupt, err)
		}
		left -= need
	}
	return nil
}

// largestPage walks the page headers of a column chunk and returns what its largest page and its dictionary take when
// they are decoded. More than max is an error.
func largestPage(r io.ReaderAt, size int64, c *format.ColumnMetaData, max int64) (int64, error) {
	at := c.DataPageOffset
	if c.DictionaryPageOffset != 0 {
		at = c.DictionaryPageOffset
	}
	end := at + c.TotalCompressedSize
	if at < 0 || end < at || end > size {
		return 0, errors.New("they lie outside the file")
	}
	var largest, dictionary int64
	for at < end {
		p, err := readPageHead(r, at, end)
		if err != nil {
			return 0, err
		}
		need := p.unpacked + p.packed + pageValueBytes*p.values
		if p.dictionary {
			dictionary += need
		} else if need > largest {
			largest = need
		}
		if p.packed < 0 || p.unpacked < 0 || p.values < 0 || largest+dictionary > max {
			return 0, fmt.Errorf("a page of %d values in %d bytes, packed in %d", p.values, p.unpacked, p.packed)
		}
		at += p.head + p.packed
	}
	return largest + dictionary, nil
}

// pageHead is what the header of a page says.
type pageHead struct {
	head             int64 // its own bytes
	packed, unpacked int64 // bytes that follow, and what they unpack to
	values           int64
	dictionary       bool
}

// readPageHead reads the header at a place.
func readPageHead(r io.ReaderAt, at, end int64) (pageHead, error) {
	for n := int64(pageHeadAtFirst); ; n *= 4 {
		n = min(n, end-at)
		body := make([]byte, n)
		if _, err := r.ReadAt(body, at); err != nil && err != io.EOF {
			return pageHead{}, err
		}
		p, err := parsePageHead(body)
		if errors.Is(err, errThriftEnds) && n < end-at && n < pageHeadMax {
			continue
		}
		return p, err
	}
}

// Fields of Parquet's PageHeader, and the number of values in the struct for each kind of page.
const (
	pageType           = 1
	pageUnpacked       = 2
	pagePacked         = 3
	pageData           = 5
	pageDictionary     = 7
	pageDataV2         = 8
	pageValues         = 1
	pageTypeDictionary = 2
)

func parsePageHead(body []byte) (p pageHead, err error) {
	t := &thriftWalk{b: body, integer: func(of, field int16, v int64) {
		switch {
		case of == 0 && field == pageType:
			p.dictionary = v == pageTypeDictionary
		case of == 0 && field == pageUnpacked:
			p.unpacked = v
		case of == 0 && field == pagePacked:
			p.packed = v
		case (of == pageData || of == pageDictionary || of == pageDataV2) && field == pageValues:
			p.values = max(p.values, v)
		}
	}}
	err = t.walk()
	p.head = int64(t.pos)
	return p, err
}
