package codec

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// DecodeJSON reads a JSON document into the struct that into points to. Empty input is an empty object.
func DecodeJSON(data []byte, into any, unions Unions) error {
	s := &jsonSource{data: data}
	s.space()
	if s.pos == len(data) {
		return nil
	}
	if err := decode(s, into, unions); err != nil {
		return err
	}
	if s.space(); s.pos != len(data) {
		return malformed("Unexpected text after the document")
	}
	return nil
}

// jsonSource is a pull reader of JSON (RFC 8259).
type jsonSource struct {
	data  []byte
	pos   int
	depth int
	fresh bool // just after an opening bracket: no comma is due
}

func (s *jsonSource) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek is the first byte of the next token, 0 at the end.
func (s *jsonSource) peek() byte {
	s.space()
	if s.pos == len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

func (s *jsonSource) word(w string) bool {
	if end := s.pos + len(w); end <= len(s.data) && string(s.data[s.pos:end]) == w {
		s.pos = end
		return true
	}
	return false
}

func (s *jsonSource) null() (bool, error) {
	return s.peek() == 'n' && s.word("null"), nil
}

// mismatch names what stands where wanted should stand.
func (s *jsonSource) mismatch(wanted string) error {
	switch c := s.peek(); {
	case c == 0:
		return errEnd
	case c == '{':
		return malformed("Start of structure or map found where not expected.")
	case c == '[':
		return malformed("Start of list found where not expected")
	case c == '"':
		return notConvertible("STRING_VALUE", wanted)
	case c == 't':
		return notConvertible("TRUE_VALUE", wanted)
	case c == 'f':
		return notConvertible("FALSE_VALUE", wanted)
	case c == '-' || c >= '0' && c <= '9':
		return notConvertible("NUMBER_VALUE", wanted)
	}
	return malformed("Unexpected token in the document")
}

func (s *jsonSource) begin(want shape) error {
	open := byte('{')
	if want == list {
		open = '['
	}
	switch c := s.peek(); c {
	case open:
		return s.enter()
	case 0, '{', '[':
		return s.mismatch("")
	}
	return malformed("Unexpected field type")
}

func (s *jsonSource) enter() error {
	if s.depth++; s.depth > depthMax {
		return errDepth
	}
	s.pos++
	s.fresh = true
	return nil
}

// element steps over the comma before the next element, or over the closing bracket.
func (s *jsonSource) element(closing byte) (more bool, err error) {
	c := s.peek()
	if c == closing {
		s.pos++
		s.depth--
		s.fresh = false
		return false, nil
	}
	if !s.fresh {
		if c == 0 {
			return false, errEnd
		}
		if c != ',' {
			return false, malformed("Unexpected token in the document: a comma or %c is missing", closing)
		}
		s.pos++
	}
	s.fresh = false
	return true, nil
}

func (s *jsonSource) next() (bool, error) { return s.element(']') }

func (s *jsonSource) key() (string, bool, error) {
	more, err := s.element('}')
	if err != nil || !more {
		return "", false, err
	}
	if s.peek() != '"' {
		return "", false, malformed("Unexpected token in the document: a member name is missing")
	}
	name, err := s.text()
	if err != nil {
		return "", false, err
	}
	if s.peek() != ':' {
		return "", false, malformed("Unexpected token in the document: a colon is missing")
	}
	s.pos++
	return name, true, nil
}

func (s *jsonSource) text() (string, error) {
	raw, escaped, err := s.quoted("String")
	if err != nil || !escaped {
		return string(raw), err
	}
	out, err := unescape(raw)
	return string(out), err
}

// quoted steps over a string and returns what is between its quotes.
func (s *jsonSource) quoted(wanted string) (raw []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.mismatch(wanted)
	}
	start := s.pos + 1
	ascii := true
	for i := start; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			raw = s.data[start:i]
			if !ascii && !utf8.Valid(raw) {
				return nil, false, malformed("Text is not valid UTF-8")
			}
			return raw, escaped, nil
		case c == '\\':
			escaped = true
			i++
		case c < 0x20:
			return nil, false, malformed("Control character in a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false, errEnd
}

// unescape resolves the backslash escapes of raw. Half a surrogate pair becomes U+FFFD.
func unescape(raw []byte) ([]byte, error) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch raw[i] { // quoted saw a byte after every backslash
		case '"', '\\', '/':
			out = append(out, raw[i])
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := hex4(raw[i+1:])
			if !ok {
				return nil, malformed("Bad \\u escape in a string")
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(0)
				if rest := raw[i+1:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
					low, _ = hex4(rest[2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return nil, malformed("Bad escape in a string")
		}
	}
	return out, nil
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n := rune(0)
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// number steps over a number and returns its text.
func (s *jsonSource) number(wanted string) (string, error) {
	c := s.peek()
	if c != '-' && (c < '0' || c > '9') {
		return "", s.mismatch(wanted)
	}
	start := s.pos
	if c == '-' {
		s.pos++
	}
	whole := s.digits()
	ok := whole == 1 || whole > 1 && s.data[s.pos-whole] != '0'
	if s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		ok = s.digits() > 0 && ok
	}
	if s.pos < len(s.data) && s.data[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		ok = s.digits() > 0 && ok
	}
	if !ok {
		return "", malformed("Bad number in the document")
	}
	return string(s.data[start:s.pos]), nil
}

func (s *jsonSource) digits() (n int) {
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
		n++
	}
	return n
}

// integer truncates decimals, as AWS does.
func (s *jsonSource) integer() (int64, error) {
	t, err := s.number("Long")
	if err != nil {
		return 0, err
	}
	if n, err := strconv.ParseInt(t, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil || math.Abs(f) >= 1<<63 {
		return 0, malformed("Number %.40s is out of range", t)
	}
	return int64(f), nil
}

func (s *jsonSource) float() (float64, error) {
	if s.peek() == '"' {
		t, err := s.text()
		if err != nil {
			return 0, err
		}
		switch t {
		case "NaN":
			return math.NaN(), nil
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
		return 0, notConvertible("STRING_VALUE", "Double")
	}
	t, err := s.number("Double")
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil {
		return 0, malformed("Number %.40s is out of range", t)
	}
	return f, nil
}

func (s *jsonSource) boolean() (bool, error) {
	switch c := s.peek(); {
	case c == 't' && s.word("true"):
		return true, nil
	case c == 'f' && s.word("false"):
		return false, nil
	}
	return false, s.mismatch("Boolean")
}

func (s *jsonSource) blob() ([]byte, error) {
	raw, escaped, err := s.quoted("Blob")
	if err != nil {
		return nil, err
	}
	if escaped {
		if raw, err = unescape(raw); err != nil {
			return nil, err
		}
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(raw)))
	n, err := base64.StdEncoding.Decode(out, raw)
	if err != nil {
		return nil, malformed("Blob is not valid base64")
	}
	return out[:n], nil
}

func (s *jsonSource) time(iso bool) (time.Time, error) {
	if iso {
		t, err := s.text()
		if err != nil {
			return time.Time{}, err
		}
		return isoTime(t)
	}
	t, err := s.number("Timestamp")
	if err != nil {
		return time.Time{}, err
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil {
		return time.Time{}, malformed("Timestamp is out of range")
	}
	return epochTime(f)
}

func (s *jsonSource) skip() error {
	switch c := s.peek(); c {
	case '{':
		if err := s.enter(); err != nil {
			return err
		}
		for {
			_, more, err := s.key()
			if err != nil || !more {
				return err
			}
			if err := s.skip(); err != nil {
				return err
			}
		}
	case '[':
		if err := s.enter(); err != nil {
			return err
		}
		for {
			more, err := s.next()
			if err != nil || !more {
				return err
			}
			if err := s.skip(); err != nil {
				return err
			}
		}
	case '"':
		_, _, err := s.quoted("")
		return err
	case 't', 'f':
		_, err := s.boolean()
		return err
	case 'n':
		if !s.word("null") {
			return malformed("Unexpected token in the document")
		}
		return nil
	default:
		_, err := s.number("")
		return err
	}
}
