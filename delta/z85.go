package delta

import "fmt"

// Z85 (ZeroMQ RFC 32) writes 4 bytes, as a big-endian number, in 5 characters.
const z85Digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// z85Values is the value of each character, plus one; zero for those that are no digit.
var z85Values = func() (values [256]byte) {
	for i := range len(z85Digits) {
		values[z85Digits[i]] = byte(i) + 1
	}
	return values
}()

func decodeZ85(s string) ([]byte, error) {
	if len(s)%5 != 0 {
		return nil, fmt.Errorf("Z85 text of %d characters, which 5 does not divide", len(s))
	}
	out := make([]byte, 0, len(s)/5*4)
	for ; len(s) > 0; s = s[5:] {
		var n uint64
		for i := range 5 {
			v := z85Values[s[i]]
			if v == 0 {
				return nil, fmt.Errorf("%q is no character of Z85", s[i])
			}
			n = n*85 + uint64(v-1)
		}
		if n > 1<<32-1 {
			return nil, fmt.Errorf("%q is no number of 4 bytes in Z85", s[:5])
		}
		out = append(out, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return out, nil
}

// encodeZ85 is the reverse of decodeZ85. Bytes that do not fill a group of 4 are followed by zeros.
func encodeZ85(b []byte) string {
	out := make([]byte, 0, (len(b)+3)/4*5)
	for len(b) > 0 {
		var group [4]byte
		b = b[copy(group[:], b):]
		n := uint32(group[0])<<24 | uint32(group[1])<<16 | uint32(group[2])<<8 | uint32(group[3])
		var text [5]byte
		for i := 4; i >= 0; i-- {
			text[i] = z85Digits[n%85]
			n /= 85
		}
		out = append(out, text[:]...)
	}
	return string(out)
}
