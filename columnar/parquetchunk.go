package columnar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/klauspost/compress/s2"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// chunkEncoder makes the pages of one column of a row group at a time; its buffers serve the next. The values that are not null
// are put side by side first. If few enough of them differ, a dictionary page comes first and data pages hold places in it.
type chunkEncoder struct {
	codec    compress.Codec
	pageSize int
	plain    bool // without dictionary

	rows   int
	nulls  int
	valid  []byte // a bit a row, if there are nulls
	values values
	dict   dictionary

	out  []byte // pages
	page []byte // the present one, before compression
	pack []byte
	meta format.ColumnMetaData
}

// errNull says that a null stands where the schema allows none.
var errNull = errors.New("null where the schema allows none")

// encode returns the pages of one column and their description, whose offsets count from the first page. A dictionary offset
// below 0 says that there is none. What it returns is good until the next call.
func (e *chunkEncoder) encode(f Field, rows ColumnRows, stats *leafStats) ([]byte, format.ColumnMetaData, error) {
	e.out, e.valid = e.out[:0], e.valid[:0]
	e.values.reset(f.Type)
	for _, c := range rows.Columns {
		if c.Type.Kind != f.Type.Kind {
			return nil, e.meta, fmt.Errorf("the rows have %s where the file has %s", c.Type, f.Type)
		}
	}
	e.addLevels(&rows)
	if e.nulls > 0 && !f.Nullable {
		return nil, e.meta, errNull
	}
	e.values.take(&rows, e.rows)
	e.meta = format.ColumnMetaData{
		Type: e.values.physical, PathInSchema: []string{f.Name}, Codec: e.codec.CompressionCodec(), NumValues: int64(e.rows), DictionaryPageOffset: -1,
	}
	withDict := !e.plain && e.values.dictionary(&e.dict)
	if err := e.writePages(f.Nullable, withDict); err != nil {
		return nil, e.meta, err
	}
	distinct := &e.values
	if withDict {
		distinct = &e.dict.values
	}
	e.meta.TotalCompressedSize = int64(len(e.out))
	e.meta.Statistics = distinct.statistics(stats)
	e.meta.Statistics.NullCount = int64(e.nulls)
	stats.nulls += int64(e.nulls)
	return e.out, e.meta, nil
}

// addLevels counts rows, and notes which of them are null if some are.
func (e *chunkEncoder) addLevels(rows *ColumnRows) {
	e.rows, e.nulls = 0, 0
	for _, s := range rows.Spans {
		e.rows += int(s.Len)
		e.nulls += rows.Columns[s.Column].nullsIn(int(s.From), int(s.Len))
	}
	if e.nulls == 0 {
		return
	}
	e.valid = ones(e.valid, e.rows)
	at := 0
	for _, s := range rows.Spans {
		c := rows.Columns[s.Column]
		for i := range int(s.Len) {
			if c.Null(int(s.From) + i) {
				e.valid[(at+i)>>3] &^= 1 << ((at + i) & 7)
			}
		}
		at += int(s.Len)
	}
}

// writePages cuts the rows into pages of about the size that was asked for, before encoding.
func (e *chunkEncoder) writePages(nullable, withDict bool) error {
	encoding := format.Plain
	if withDict {
		encoding = format.RLEDictionary
		if err := e.writeDictionary(); err != nil {
			return err
		}
	}
	e.meta.DataPageOffset = int64(len(e.out))
	e.meta.Encoding = []format.Encoding{format.Plain, format.RLE, format.RLEDictionary}[:2]
	if withDict {
		e.meta.Encoding = []format.Encoding{format.Plain, format.RLE, format.RLEDictionary}
	}
	for row, value := 0, 0; row < e.rows; {
		rows, values := e.values.rowsIn(value, e.pageSize), 0
		rows = min(max(rows&^7, 8), e.rows-row) // whole bytes of levels
		if values = rows; e.nulls > 0 {
			values = onesIn(e.valid, row, rows)
		}
		e.page = e.page[:0]
		if nullable {
			e.appendLevels(row, rows)
		}
		if withDict {
			e.appendPlaces(e.dict.places[value : value+values])
		} else {
			e.page = e.values.appendPlain(e.page, value, value+values)
		}
		head := format.PageHeader{Type: format.DataPage, DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: int32(rows), Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
		})}
		if err := e.writePage(&head); err != nil {
			return err
		}
		row, value = row+rows, value+values
	}
	return nil
}

func (e *chunkEncoder) writeDictionary() error {
	e.page = e.dict.values.appendPlain(e.page[:0], 0, e.dict.values.len())
	e.meta.DictionaryPageOffset = int64(len(e.out))
	return e.writePage(&format.PageHeader{Type: format.DictionaryPage, DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{
		NumValues: int32(e.dict.values.len()), Encoding: format.Plain,
	})})
}

// writePage compresses the present page.
func (e *chunkEncoder) writePage(head *format.PageHeader) error {
	if len(e.page) > math.MaxInt32/2 {
		return fmt.Errorf("%w: a page of %d bytes", ErrFull, len(e.page))
	}
	body := e.page
	switch e.codec.CompressionCodec() {
	case format.Uncompressed:
	case format.Snappy: // faster than the codec's, which looks longer for a little less
		e.pack = s2.EncodeSnappy(e.pack[:cap(e.pack)], e.page)
		body = e.pack
	default:
		var err error
		if e.pack, err = e.codec.Encode(e.pack[:cap(e.pack)], e.page); err != nil {
			return err
		}
		body = e.pack
	}
	head.UncompressedPageSize, head.CompressedPageSize = int32(len(e.page)), int32(len(body))
	text, err := thrift.Marshal(new(thrift.CompactProtocol), head)
	if err != nil {
		return err
	}
	e.out = append(append(e.out, text...), body...)
	e.meta.TotalUncompressedSize += int64(len(text) + len(e.page))
	return nil
}

// appendLevels writes the definition levels of a page: their length, then runs.
func (e *chunkEncoder) appendLevels(row, rows int) {
	e.page = append(e.page, 0, 0, 0, 0)
	if e.nulls == 0 {
		e.page = append(binary.AppendUvarint(e.page, uint64(rows)<<1), 1)
	} else {
		bytes := (rows + 7) / 8
		e.page = binary.AppendUvarint(e.page, uint64(bytes)<<1|1)
		e.page = append(e.page, e.valid[row>>3:row>>3+bytes]...)
	}
	binary.LittleEndian.PutUint32(e.page, uint32(len(e.page)-4))
}

// appendPlaces writes places in the dictionary: their width in bits, then runs.
func (e *chunkEncoder) appendPlaces(places []uint32) {
	width := e.dict.width()
	e.page = append(e.page, byte(width))
	e.page = appendRuns(e.page, places, width)
}

// repeatMin is the number of equal numbers from which a run of them takes less than writing each; a multiple of 8.
const repeatMin = 16

// appendRuns writes numbers of so many bits as Parquet's hybrid of runs of equal numbers and of groups of eight.
func appendRuns(out []byte, numbers []uint32, width int) []byte {
	for len(numbers) > 0 {
		literal := 0 // how many come before a run of equal ones
		equal := 0
		for literal < len(numbers) {
			if equal = equalFrom(numbers[literal:]); equal >= repeatMin {
				break
			}
			literal += min(8, len(numbers)-literal)
			equal = 0
		}
		if literal > 0 {
			out = binary.AppendUvarint(out, uint64(literal+7)/8<<1|1)
			out = appendPacked(out, numbers[:literal], width)
			numbers = numbers[literal:]
		}
		if equal > 0 {
			out = binary.AppendUvarint(out, uint64(equal)<<1)
			for b, v := 0, numbers[0]; b < width; b, v = b+8, v>>8 {
				out = append(out, byte(v))
			}
			numbers = numbers[equal:]
		}
	}
	return out
}

// equalFrom is how many of the first numbers are equal.
func equalFrom(numbers []uint32) int {
	n := 1
	for n < len(numbers) && numbers[n] == numbers[0] {
		n++
	}
	return n
}

// appendPacked writes numbers in so many bits each, filled up with zeros to a multiple of eight.
func appendPacked(out []byte, numbers []uint32, width int) []byte {
	var hold uint64
	have := 0
	for _, v := range numbers {
		hold |= uint64(v) << have
		if have += width; have >= 32 {
			out = binary.LittleEndian.AppendUint32(out, uint32(hold))
			hold >>= 32
			have -= 32
		}
	}
	rest := ((len(numbers)+7)/8*8 - len(numbers)) * width
	for have += rest; have > 0; have -= 8 {
		out = append(out, byte(hold))
		hold >>= 8
	}
	return out
}

// onesIn counts the set bits of n from a multiple of eight on.
func onesIn(bitmap []byte, from, n int) (count int) {
	for _, b := range bitmap[from>>3 : (from+n)>>3] {
		count += bits.OnesCount8(b)
	}
	if rest := n & 7; rest > 0 {
		count += bits.OnesCount8(bitmap[(from+n)>>3] & (1<<rest - 1))
	}
	return count
}
