package columnar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// The JSON grammar (RFC 8259) as cursors: each function takes the text and a position in it and returns the
// position behind what it read. Nothing is accepted that encoding/json refuses; besides, text that is not
// UTF-8 is refused.

// depthMax bounds the nesting of values, as Jackson does for Spark.
const depthMax = 1000

var (
	errSyntax  = errors.New("not valid JSON")
	errTail    = fmt.Errorf("%w: unexpected end", errSyntax)
	errUTF8    = fmt.Errorf("%w: not UTF-8", errSyntax)
	errControl = fmt.Errorf("%w: control character in a string", errSyntax)
	errEscape  = fmt.Errorf("%w: unknown escape", errSyntax)
	errNumber  = fmt.Errorf("%w: malformed number", errSyntax)
	errDepth   = fmt.Errorf("%w: nested deeper than %d", errSyntax, depthMax)
)

// syntaxAt says what stands at p where something else belongs.
func syntaxAt(b []byte, p int, want string) error {
	if p >= len(b) {
		return errTail
	}
	return fmt.Errorf("%w: %q at byte %d where %s belongs", errSyntax, b[p], p, want)
}

func skipSpace(b []byte, p int) int {
	for p < len(b) && (b[p] == ' ' || b[p] == '\n' || b[p] == '\r' || b[p] == '\t') {
		p++
	}
	return p
}

const (
	eachByte  = 0x0101010101010101
	eachHigh  = 0x8080808080808080
	eachQuote = '"' * eachByte
	eachSlash = '\\' * eachByte
	eachSpace = ' ' * eachByte
)

// plainEnd returns the position of the first byte from p on that is a quote, a backslash, a control
// character or not ASCII. It looks at eight bytes at once.
func plainEnd(b []byte, p int) int {
	for p+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[p:])
		// A borrow can only mark bytes above one that is really special, so the lowest mark is right.
		special := ((x - eachSpace) | ((x ^ eachQuote) - eachByte) | ((x ^ eachSlash) - eachByte) | x) & eachHigh
		if special != 0 {
			return p + bits.TrailingZeros64(special)>>3
		}
		p += 8
	}
	for p < len(b) && b[p] >= ' ' && b[p] < utf8.RuneSelf && b[p] != '"' && b[p] != '\\' {
		p++
	}
	return p
}

// scanString takes the position behind an opening quote and returns that of the closing one. escaped says
// that the text between has escapes, all of them well formed.
func scanString(b []byte, p int) (end int, escaped bool, err error) {
	for {
		p = plainEnd(b, p)
		if p >= len(b) {
			return p, false, errTail
		}
		switch c := b[p]; {
		case c == '"':
			return p, escaped, nil
		case c == '\\':
			escaped = true
			if p, err = scanEscape(b, p); err != nil {
				return p, false, err
			}
		case c < ' ':
			return p, false, errControl
		default:
			r, size := utf8.DecodeRune(b[p:])
			if r == utf8.RuneError && size == 1 {
				return p, false, errUTF8
			}
			p += size
		}
	}
}

// scanEscape checks the escape at p and returns the position behind it.
func scanEscape(b []byte, p int) (int, error) {
	if p+1 >= len(b) {
		return p, errTail
	}
	switch b[p+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return p + 2, nil
	case 'u':
		if p+6 > len(b) {
			return p, errTail
		}
		if _, ok := hex4(b[p+2:]); ok {
			return p + 6, nil
		}
	}
	return p, errEscape
}

func hex4(b []byte) (r rune, ok bool) {
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendUnescaped appends s, whose escapes are well formed, without them. Half a surrogate pair becomes U+FFFD.
func appendUnescaped(dst, s []byte) []byte {
	for p := 0; p < len(s); {
		if s[p] != '\\' {
			dst = append(dst, s[p])
			p++
			continue
		}
		c := s[p+1]
		p += 2
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(s[p:])
			p += 4
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if p+6 <= len(s) && s[p] == '\\' && s[p+1] == 'u' {
					low, _ = hex4(s[p+2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					p += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// number is a scanned JSON number: (-1)^neg × mant × 10^exp, exact unless long says that mant lost digits.
type number struct {
	mant  uint64
	exp   int
	neg   bool
	whole bool // written without fraction and exponent
	long  bool
}

// mantDigits is how many digits surely fit mant.
const mantDigits = 19

func scanNumber(b []byte, p int) (n number, end int, err error) {
	if p < len(b) && b[p] == '-' {
		n.neg = true
		p++
	}
	start := p
	for len(b)-p >= 8 {
		digits, others := digitsIn(b[p:])
		if others != 0 {
			break
		}
		n.mant = n.mant*1e8 + eightDigits(digits)
		p += 8
	}
	for p < len(b) && b[p]-'0' <= 9 {
		n.mant = n.mant*10 + uint64(b[p]-'0')
		p++
	}
	digits := p - start
	if digits == 0 || digits > 1 && b[start] == '0' {
		return n, p, errNumber
	}
	n.whole = true
	if p < len(b) && b[p] == '.' {
		p++
		start = p
		for p < len(b) && b[p]-'0' <= 9 {
			n.mant = n.mant*10 + uint64(b[p]-'0')
			p++
		}
		if p == start {
			return n, p, errNumber
		}
		n.exp = start - p
		digits += p - start
		n.whole = false
	}
	if p < len(b) && b[p]|0x20 == 'e' {
		if n, p, err = scanExponent(b, p, n); err != nil {
			return n, p, err
		}
	}
	n.long = digits > mantDigits
	return n, p, nil
}

// digitsIn has the digits of eight bytes as numbers, and the high bit of each byte that is no digit.
func digitsIn(b []byte) (digits, others uint64) {
	digits = binary.LittleEndian.Uint64(b) ^ 0x3030303030303030
	return digits, (digits + 0x7676767676767676 | digits) & eachHigh
}

// eightDigits is the number that eight digits, the first one lowest, are.
func eightDigits(digits uint64) uint64 {
	return digits & 0x0f0f0f0f0f0f0f0f * 2561 >> 8 & 0x00ff00ff00ff00ff * 6553601 >> 16 & 0x0000ffff0000ffff * 42949672960001 >> 32
}

// shortNumber reads what most numbers in records are, such as 12.75 or 3 and a comma: up to seven bytes of digits, perhaps with a point among
// them, all at once. The value is mant × 10^-decimals. ok is false for whatever else is at p, be it a number or not.
func shortNumber(b []byte, p int) (mant uint64, decimals, end int, ok bool) {
	if len(b)-p < 8 {
		return 0, 0, p, false
	}
	digits, others := digitsIn(b[p:])
	point := bits.TrailingZeros64(others) / 8
	if point < 1 || point > 7 || point > 1 && b[p] == '0' {
		return 0, 0, p, false
	}
	size := point
	if b[p+point] == '.' {
		size = bits.TrailingZeros64(others&(others-1)) / 8
		if size > 7 || size < point+2 {
			return 0, 0, p, false
		}
		decimals = size - 1 - point
		whole := uint64(1)<<(8*point) - 1
		digits = digits&whole | digits>>8&^whole // without the point
		digits <<= 8 * (9 - size)                // behind zeros
	} else {
		digits <<= 8 * (8 - size)
	}
	switch b[p+size] {
	case ',', '}', ' ', ']':
		return eightDigits(digits), decimals, p + size, true
	}
	return 0, 0, p, false
}

func scanExponent(b []byte, p int, n number) (number, int, error) {
	start := p + 1
	p = start
	if p < len(b) && (b[p] == '+' || b[p] == '-') {
		p++
	}
	first := p
	for p < len(b) && b[p]-'0' <= 9 {
		p++
	}
	if p == first {
		return n, p, errNumber
	}
	n.exp += parseExponent(b[start:p])
	n.whole = false
	return n, p, nil
}

// scanLiteral checks true, false or null at p.
func scanLiteral(b []byte, p int) (int, error) {
	word := "null"
	switch b[p] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	}
	if len(b)-p < len(word) || string(b[p:p+len(word)]) != word {
		return p, syntaxAt(b, p, "a value")
	}
	return p + len(word), nil
}

// names are the numbers that are no JSON but that Spark, as Python, takes without quotes. None begins another.
var names = [...]string{"NaN", "Infinity", "-Infinity", "+Infinity", "-INF", "+INF"}

// signsName says whether the minus at p belongs to an infinity.
func signsName(b []byte, p int) bool { return p+1 < len(b) && b[p+1] == 'I' }

// scanNamed checks for one of names at p and returns the position behind it.
func scanNamed(b []byte, p int) (int, error) {
	for _, name := range names {
		if len(b)-p >= len(name) && string(b[p:p+len(name)]) == name {
			return p + len(name), nil
		}
	}
	return p, syntaxAt(b, p, "a value")
}

// skipValue checks the value at p and returns the position behind it.
func skipValue(b []byte, p, depth int) (int, error) {
	if p >= len(b) {
		return p, errTail
	}
	var err error
	switch c := b[p]; {
	case c == '"':
		p, _, err = scanString(b, p+1)
		return p + 1, err
	case c == 'N' || c == 'I' || c == '+' || c == '-' && signsName(b, p):
		return scanNamed(b, p)
	case c == '-' || c-'0' <= 9:
		_, p, err = scanNumber(b, p)
		return p, err
	case c == '{':
		return skipMembers(b, p+1, depth+1, '}')
	case c == '[':
		return skipMembers(b, p+1, depth+1, ']')
	}
	return scanLiteral(b, p)
}

// skipMembers checks the rest of an object or array that ends with closing.
func skipMembers(b []byte, p, depth int, closing byte) (int, error) {
	if depth > depthMax {
		return p, errDepth
	}
	if p = skipSpace(b, p); p < len(b) && b[p] == closing {
		return p + 1, nil
	}
	for {
		var err error
		if closing == '}' {
			if p, err = skipKey(b, p); err != nil {
				return p, err
			}
		}
		if p, err = skipValue(b, p, depth); err != nil {
			return p, err
		}
		var done bool
		if p, done, err = scanComma(b, p, closing); done || err != nil {
			return p, err
		}
	}
}

// skipKey checks a key and its colon and returns the position of the value.
func skipKey(b []byte, p int) (int, error) {
	if p >= len(b) || b[p] != '"' {
		return p, syntaxAt(b, p, "a key")
	}
	end, _, err := scanString(b, p+1)
	if err != nil {
		return end, err
	}
	return scanColon(b, end+1)
}

func scanColon(b []byte, p int) (int, error) {
	if p = skipSpace(b, p); p >= len(b) || b[p] != ':' {
		return p, syntaxAt(b, p, "a colon")
	}
	return skipSpace(b, p+1), nil
}

// scanComma reads what follows a member: a comma, or the closing byte, which is done.
func scanComma(b []byte, p int, closing byte) (next int, done bool, err error) {
	if p = skipSpace(b, p); p >= len(b) {
		return p, false, errTail
	}
	switch b[p] {
	case ',':
		return skipSpace(b, p+1), false, nil
	case closing:
		return p + 1, true, nil
	}
	return p, false, syntaxAt(b, p, "a comma or the end")
}
