package delta

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// plainValue turns a value of a stats_parsed column into what the JSON statistics would hold; false if that cannot be
// told.
func plainValue(t parquet.Type, v parquet.Value) (any, bool) {
	var logical format.LogicalTypeValue
	if l := t.LogicalType(); l != nil {
		logical = l.Value
	}
	switch v.Kind() {
	case parquet.Boolean:
		return v.Boolean(), true
	case parquet.Int32, parquet.Int64:
		return integerValue(logical, v), true
	case parquet.Int96:
		w := v.Int96() // nanoseconds of the day in two words, then the Julian day
		nanos := int64(w[1])<<32 | int64(w[0])
		at := time.Unix((int64(w[2])-2440588)*86400, 0).Add(time.Duration(nanos))
		return at.UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000Z"), true
	case parquet.Float:
		f := float64(v.Float())
		return v.Float(), !math.IsNaN(f) && !math.IsInf(f, 0)
	case parquet.Double:
		f := v.Double()
		return f, !math.IsNaN(f) && !math.IsInf(f, 0)
	case parquet.ByteArray, parquet.FixedLenByteArray:
		switch l := logical.(type) {
		case *format.DecimalType:
			return decimalNumber(signedBytes(v.ByteArray()), int(l.Scale)), true
		case *format.StringType:
			return string(v.ByteArray()), true
		}
	}
	return nil, false
}

func integerValue(logical format.LogicalTypeValue, v parquet.Value) any {
	n := v.Int64()
	if v.Kind() == parquet.Int32 {
		n = int64(v.Int32())
	}
	switch l := logical.(type) {
	case *format.DateType:
		return time.Unix(n*86400, 0).UTC().Format(time.DateOnly)
	case *format.DecimalType:
		return decimalNumber(big.NewInt(n), int(l.Scale))
	case *format.TimestampType:
		return timestampValue(n, l)
	}
	return n
}

func timestampValue(n int64, t *format.TimestampType) string {
	at := time.UnixMicro(n)
	switch t.Unit.Value.(type) {
	case *format.MilliSeconds:
		at = time.UnixMilli(n)
	case *format.NanoSeconds:
		at = time.Unix(0, n)
	}
	layout := "2006-01-02T15:04:05.000"
	if t.IsAdjustedToUTC {
		layout += "Z"
	}
	return at.UTC().Truncate(time.Millisecond).Format(layout)
}

func decimalNumber(unscaled *big.Int, scale int) json.Number {
	scale = min(max(scale, 0), 38)
	r := new(big.Rat).SetFrac(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	return json.Number(r.FloatString(scale))
}

// signedBytes reads a big-endian two's complement number.
func signedBytes(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// blockReader is random access to a large object by ranged reads. It keeps the blocks that were read last.
type blockReader struct {
	ctx    context.Context // of the one call that the reader serves
	ranges rangeGetter
	key    string
	size   int64

	mu     sync.Mutex       // guards the fields below; held while a block is read
	blocks map[int64][]byte // by number
	order  []int64          // least recently read first
}

const (
	blockBytes = 1 << 20
	blocksMax  = 48
)

func newBlockReader(ctx context.Context, ranges rangeGetter, key string, size int64) *blockReader {
	return &blockReader{ctx: ctx, ranges: ranges, key: key, size: size, blocks: map[int64][]byte{}}
}

func (b *blockReader) ReadAt(p []byte, pos int64) (int, error) {
	if pos < 0 {
		return 0, fmt.Errorf("read %s at %d", b.key, pos)
	}
	n := 0
	for n < len(p) {
		if pos >= b.size {
			return n, io.EOF
		}
		block, err := b.block(pos / blockBytes)
		if err != nil {
			return n, err
		}
		c := copy(p[n:], block[pos%blockBytes:])
		n += c
		pos += int64(c)
	}
	return n, nil
}

func (b *blockReader) block(number int64) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if block, ok := b.blocks[number]; ok {
		return block, nil
	}
	start := number * blockBytes
	block := make([]byte, min(blockBytes, b.size-start))
	body, err := b.ranges.GetRange(b.ctx, b.key, start, int64(len(block)))
	if err != nil {
		return nil, fmt.Errorf("get %s at %d: %w", b.key, start, err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, block); err != nil {
		return nil, fmt.Errorf("read %s at %d: %w", b.key, start, err)
	}
	if len(b.order) == blocksMax {
		delete(b.blocks, b.order[0])
		b.order = b.order[1:]
	}
	b.blocks[number] = block
	b.order = append(b.order, number)
	return block, nil
}
