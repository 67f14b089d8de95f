package columnar

import (
	"encoding/binary"
	"math/bits"
)

// Int128 is a two's complement integer of 128 bits: the unscaled value of a decimal.
type Int128 struct {
	Hi int64
	Lo uint64
}

// Int128 returns the value of row i of a Decimal column.
func (c *Column) Int128(i int) Int128 {
	b := c.Data[16*i : 16*i+16]
	return Int128{Hi: int64(binary.LittleEndian.Uint64(b[8:])), Lo: binary.LittleEndian.Uint64(b)}
}

// neg returns -v.
func (v Int128) neg() Int128 {
	lo, borrow := bits.Sub64(0, v.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(v.Hi), borrow)
	return Int128{Hi: int64(hi), Lo: lo}
}

// times10 returns 10*v + digit for v of at most 37 digits.
func (v Int128) times10(digit byte) Int128 {
	carry, lo := bits.Mul64(v.Lo, 10)
	lo, c := bits.Add64(lo, uint64(digit), 0)
	return Int128{Hi: v.Hi*10 + int64(carry+c), Lo: lo}
}

// Text is v with scale digits after the point: Int128{0, 1250}.Text(2) is 12.50.
func (v Int128) Text(scale int) string {
	sign := ""
	if v.Hi < 0 {
		sign, v = "-", v.neg()
	}
	var digits [41]byte
	n := len(digits)
	for hi, lo := uint64(v.Hi), v.Lo; hi != 0 || lo != 0 || len(digits)-n <= scale; {
		var rem uint64
		hi, rem = hi/10, hi%10
		lo, rem = bits.Div64(rem, lo, 10)
		n--
		digits[n] = '0' + byte(rem)
	}
	if scale == 0 {
		return sign + string(digits[n:])
	}
	point := len(digits) - scale
	return sign + string(digits[n:point]) + "." + string(digits[point:])
}

// int128Pow10 returns 10^n for 0 <= n <= 38.
func int128Pow10(n int) Int128 {
	v := Int128{Lo: 1}
	for range n {
		v = v.times10(0)
	}
	return v
}

// less says whether v is smaller than w.
func (v Int128) less(w Int128) bool {
	return v.Hi < w.Hi || v.Hi == w.Hi && v.Lo < w.Lo
}

// exponentMax bounds the exponent of a decimal's text; beyond it a value is zero or does not fit anyway.
const exponentMax = 1 << 30

// parseDecimal reads a JSON number (its grammar was checked before) as an integer scaled by 10^scale. What
// lies behind the scale is rounded half up, away from zero, as Spark does. ok is false if the result needs
// more than precision digits.
func parseDecimal(text []byte, precision, scale int) (v Int128, ok bool) {
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	var digits [precisionMax + 2]byte // the first significant ones; the rest cannot matter
	n, point, exp := decimalParts(text, &digits)
	keep := point + exp + scale // how many significant digits stand before the cut
	if n == 0 || keep < 0 {
		return Int128{}, true
	}
	if keep > precision {
		return Int128{}, false
	}
	for i := range keep {
		v = v.times10(digits[i])
	}
	if digits[keep] >= 5 {
		lo, carry := bits.Add64(v.Lo, 1, 0)
		v = Int128{Hi: v.Hi + int64(carry), Lo: lo}
	}
	if !v.less(int128Pow10(precision)) {
		return Int128{}, false
	}
	if negative {
		v = v.neg()
	}
	return v, true
}

// decimalParts splits an unsigned JSON number: its value is 0.d1d2d3… × 10^(point+exp), with n significant
// digits of which the first are stored. n is 0 for zero.
func decimalParts(text []byte, digits *[precisionMax + 2]byte) (n, point, exp int) {
	fraction := false
	for i, c := range text {
		switch {
		case c == '.':
			fraction = true
		case c == 'e' || c == 'E':
			return n, point, parseExponent(text[i+1:])
		case n == 0 && c == '0':
			if fraction {
				point--
			}
		default:
			if n < len(digits) {
				digits[n] = c - '0'
			}
			n++
			if !fraction {
				point++
			}
		}
	}
	return n, point, 0
}

// parseExponent reads the digits behind e, with their sign, bounded by exponentMax.
func parseExponent(text []byte) int {
	exp, sign := 0, 1
	for _, c := range text {
		switch c {
		case '-':
			sign = -1
		case '+':
		default:
			exp = min(exp*10+int(c-'0'), exponentMax)
		}
	}
	return sign * exp
}
