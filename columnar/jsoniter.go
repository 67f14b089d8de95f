package columnar

import "iter"

// members yields the keys, raw and without quotes, and the values of an object that was checked.
func members(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		p := skipSpace(b, 1)
		for b[p] != '}' {
			keyEnd, _, _ := scanString(b, p+1)
			start, _ := scanColon(b, keyEnd+1)
			end, _ := skipValue(b, start, 0)
			if !yield(b[p+1:keyEnd], b[start:end]) {
				return
			}
			if p = skipSpace(b, end); b[p] == ',' {
				p = skipSpace(b, p+1)
			}
		}
	}
}

// elements yields the values of an array that was checked.
func elements(b []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		p := skipSpace(b, 1)
		for b[p] != ']' {
			end, _ := skipValue(b, p, 0)
			if !yield(b[p:end]) {
				return
			}
			if p = skipSpace(b, end); b[p] == ',' {
				p = skipSpace(b, p+1)
			}
		}
	}
}
