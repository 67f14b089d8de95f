package stream

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"

	"github.com/weir-data/weir/internal/decimal"
)

// SeqNum is a sequence number: fixed-width, so byte order is numeric order. The decimal text of it is what
// AWS clients see. The zero value is before every record.
//
// The number has AWS's own layout, 186 bits. From the top, in hexadecimal digits:
//
//	1 digit   2
//	9 digits  second in which the shard was made
//	1 digit   lowest digit of the shard's index
//	16 digits counter of the record within the shard; the top bit is 0
//	2 digits  0
//	9 digits  second in which the record arrived
//	8 digits  index of the shard
//	1 digit   version, 2
//
// The counter stands above the arrival time, so the order does not depend on the clock.
type SeqNum [24]byte

// Parts are the fields of a sequence number.
type Parts struct {
	Created uint64 // Unix second in which the shard was made, 36 bits
	Shard   uint32
	Counter uint64 // 0 for the shard's starting number; its records count from 1
	Second  uint64 // Unix second of arrival, 36 bits
}

// maxCounter is the counter of the ending sequence number of a closed shard.
const maxCounter = 1<<63 - 1

const seqVersion = 2

// NewSeqNum builds the number with the given fields.
func NewSeqNum(p Parts) SeqNum {
	lo := seqVersion | uint64(p.Shard)<<4 | p.Second<<36
	mid := p.Second>>28&0xff | p.Counter<<16
	hi := p.Counter>>48 | uint64(p.Shard&0xf)<<16 | (p.Created&(1<<36-1))<<20 | 2<<56
	var s SeqNum
	binary.BigEndian.PutUint64(s[0:], hi)
	binary.BigEndian.PutUint64(s[8:], mid)
	binary.BigEndian.PutUint64(s[16:], lo)
	return s
}

func (s SeqNum) words() (hi, mid, lo uint64) {
	return binary.BigEndian.Uint64(s[0:]), binary.BigEndian.Uint64(s[8:]), binary.BigEndian.Uint64(s[16:])
}

// Parts takes s apart; ok is false if it does not have the layout of a record's number.
func (s SeqNum) Parts() (p Parts, ok bool) {
	hi, mid, lo := s.words()
	p = Parts{
		Created: hi >> 20 & (1<<36 - 1),
		Shard:   uint32(lo >> 4),
		Counter: hi<<48 | mid>>16,
		Second:  lo>>36 | mid&0xff<<28,
	}
	ok = s.Version() == seqVersion && hi>>56 == 2 && p.Counter <= maxCounter && p.Shard < 1<<31
	return p, ok
}

// Version is 1 or 2, the last digit, for the numbers that the service gives out and gave out before, 0 for the short
// ones of its first weeks, and -1 for one that has no known form.
func (s SeqNum) Version() int {
	hi, _, lo := s.words()
	switch v := int(lo & 0xf); {
	case hi == 0:
		return 0
	case hi>>56 == 2 && (v == 1 || v == seqVersion):
		return v
	}
	return -1
}

// IsZero reports whether s is the position before every record.
func (s SeqNum) IsZero() bool { return s == SeqNum{} }

// ParseSeqNum reads the decimal text of a sequence number. Anything else gives an error that wraps ErrSeqNum.
func ParseSeqNum(text string) (SeqNum, error) {
	if len(text) == 0 || len(text) > 57 {
		return SeqNum{}, fmt.Errorf("%w: %d digits", ErrSeqNum, len(text))
	}
	var hi, mid, lo uint64
	for i := 0; i < len(text); i++ {
		d := text[i] - '0'
		if d > 9 {
			return SeqNum{}, fmt.Errorf("%w: %q", ErrSeqNum, text)
		}
		var c uint64
		var c1, c2 uint64
		c, lo = bits.Mul64(lo, 10)
		lo, c1 = bits.Add64(lo, uint64(d), 0)
		c2, mid = bits.Mul64(mid, 10)
		mid, c1 = bits.Add64(mid, c, c1)
		hi = hi*10 + c2 + c1
		if hi >= 1<<60 {
			return SeqNum{}, fmt.Errorf("%w: %q is too large", ErrSeqNum, text)
		}
	}
	var s SeqNum
	binary.BigEndian.PutUint64(s[0:], hi)
	binary.BigEndian.PutUint64(s[8:], mid)
	binary.BigEndian.PutUint64(s[16:], lo)
	return s, nil
}

// String is the decimal text, 56 digits for the number of a record.
func (s SeqNum) String() string {
	var b [60]byte
	return string(s.AppendText(b[:0]))
}

// AppendText appends the decimal text to dst.
func (s SeqNum) AppendText(dst []byte) []byte {
	return decimal.Append(dst, s)
}

// setCounter changes the counter of a number that NewSeqNum built.
func (s *SeqNum) setCounter(c uint64) {
	binary.BigEndian.PutUint64(s[6:], c)
}

// EarlyTime is the time in a number of version 0.
func (s SeqNum) EarlyTime() time.Time {
	_, mid, _ := s.words()
	return time.Unix(int64(mid>>24&(1<<36-1)), 0)
}
