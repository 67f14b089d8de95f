package stream

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"

	"github.com/weir-data/weir/internal/decimal"
)

// HashKey is a point in the 128-bit space that the shards of a stream divide among them.
type HashKey struct{ Hi, Lo uint64 }

// MaxHashKey is 2^128-1.
var MaxHashKey = HashKey{1<<64 - 1, 1<<64 - 1}

// HashOf is the hash key of a partition key: the MD5 of its bytes.
func HashOf(partitionKey []byte) HashKey {
	sum := md5.Sum(partitionKey)
	return HashKey{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

// Less reports whether h is before o.
func (h HashKey) Less(o HashKey) bool { return h.Hi < o.Hi || h.Hi == o.Hi && h.Lo < o.Lo }

// Bytes is h as 16 bytes, the highest first.
func (h HashKey) Bytes() (raw [16]byte) {
	binary.BigEndian.PutUint64(raw[:8], h.Hi)
	binary.BigEndian.PutUint64(raw[8:], h.Lo)
	return raw
}

// String is the decimal text.
func (h HashKey) String() string {
	var b [decimal.Max]byte
	return string(h.appendText(b[:0]))
}

// MarshalText is String, for JSON.
func (h HashKey) MarshalText() ([]byte, error) { return h.appendText(nil), nil }

func (h HashKey) appendText(dst []byte) []byte { return decimal.AppendWords(dst, 0, h.Hi, h.Lo) }

// UnmarshalText is ParseHashKey.
func (h *HashKey) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHashKey(string(text))
	return err
}

// ParseHashKey reads the decimal text of a hash key. What is no number from 0 to 2^128-1 gives an error that wraps
// ErrHashKey.
func ParseHashKey(text string) (HashKey, error) {
	if len(text) == 0 || len(text) > 39 {
		return HashKey{}, fmt.Errorf("%w: %d digits", ErrHashKey, len(text))
	}
	var h HashKey
	for i := 0; i < len(text); i++ {
		d := text[i] - '0'
		over, hi := bits.Mul64(h.Hi, 10)
		c, lo := bits.Mul64(h.Lo, 10)
		lo, carry := bits.Add64(lo, uint64(d), 0)
		hi, carry = bits.Add64(hi, c, carry)
		if d > 9 || over != 0 || carry != 0 {
			return HashKey{}, fmt.Errorf("%w: %q", ErrHashKey, text)
		}
		h = HashKey{hi, lo}
	}
	return h, nil
}

// hashRange is what one shard covers, both ends included.
type hashRange struct{ Start, End HashKey }

// evenRanges divides the whole space among n shards; the last one takes the remainder.
func evenRanges(n int) []hashRange {
	step := new(big.Int).Lsh(big.NewInt(1), 128)
	step.Div(step, big.NewInt(int64(n)))
	ranges := make([]hashRange, n)
	at := new(big.Int)
	for i := range ranges {
		ranges[i].Start = fromBig(at)
		at.Add(at, step)
		ranges[i].End = fromBig(new(big.Int).Sub(at, big.NewInt(1)))
	}
	ranges[n-1].End = MaxHashKey
	return ranges
}

func fromBig(b *big.Int) HashKey {
	var raw [16]byte
	b.FillBytes(raw[:])
	return HashKey{binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])}
}
