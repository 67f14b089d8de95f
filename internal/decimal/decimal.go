// Package decimal writes large whole numbers as decimal text: sequence numbers and hash keys of streams.
package decimal

import (
	"encoding/binary"
	"math/bits"
)

// limb is the base of the conversion, the greatest power of ten in 64 bits.
const (
	limb   = 1e19
	digits = 19
)

// Max is the most bytes that a text has.
const Max = 3 * digits

// Append appends the decimal text of a big-endian number, of which the lowest 188 bits count, to dst.
func Append(dst []byte, n [24]byte) []byte {
	return AppendWords(dst, binary.BigEndian.Uint64(n[0:])&(1<<60-1), binary.BigEndian.Uint64(n[8:]), binary.BigEndian.Uint64(n[16:]))
}

// AppendWords is Append for a number of up to 188 bits in three words, so that the quotients fit in one word each.
func AppendWords(dst []byte, hi, mid, lo uint64) []byte {
	q1, r := bits.Div64(hi%limb, mid, limb)
	q0, d0 := bits.Div64(r, lo, limb)
	d2, d1 := bits.Div64(q1%limb, q0, limb)
	var b [Max]byte
	putDigits(b[0:digits], d2)
	putDigits(b[digits:2*digits], d1)
	putDigits(b[2*digits:], d0)
	i := 0
	for i < len(b)-1 && b[i] == '0' {
		i++
	}
	return append(dst, b[i:]...)
}

const digitPairs = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354" +
	"555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// putDigits fills b, whose length is odd, with v and leading zeros. Halves of eight digits are cut off first, so that
// nearly all divisions are of 32 bits.
func putDigits(b []byte, v uint64) {
	i := len(b)
	for i > 8 {
		low := uint32(v % 1e8)
		v /= 1e8
		for range 4 {
			i -= 2
			p := low % 100 * 2
			low /= 100
			b[i], b[i+1] = digitPairs[p], digitPairs[p+1]
		}
	}
	for i > 0 {
		i--
		b[i] = byte('0' + v%10)
		v /= 10
	}
}
