package codec

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the JSON form of the struct v to b.
func AppendJSON(b []byte, v any) ([]byte, error) {
	s := &jsonSink{b: b}
	err := encode(s, v)
	return s.b, err
}

type jsonSink struct{ b []byte }

// comma puts a comma unless this is the first element of its object or list.
func (s *jsonSink) comma() {
	if c := s.b[len(s.b)-1]; c != '{' && c != '[' {
		s.b = append(s.b, ',')
	}
}

func (s *jsonSink) beginStructure() { s.b = append(s.b, '{') }
func (s *jsonSink) endStructure()   { s.b = append(s.b, '}') }
func (s *jsonSink) beginList(int)   { s.b = append(s.b, '[') }
func (s *jsonSink) item()           { s.comma() }
func (s *jsonSink) endList()        { s.b = append(s.b, ']') }
func (s *jsonSink) beginMap(int)    { s.b = append(s.b, '{') }
func (s *jsonSink) endEntry()       {}
func (s *jsonSink) endMap()         { s.b = append(s.b, '}') }

func (s *jsonSink) member(name string) {
	s.comma()
	s.b = append(AppendString(s.b, name), ':')
}

func (s *jsonSink) entry(key string)    { s.member(key) }
func (s *jsonSink) text(v string)       { s.b = AppendString(s.b, v) }
func (s *jsonSink) integer(v int64)     { s.b = strconv.AppendInt(s.b, v, 10) }
func (s *jsonSink) boolean(v bool)      { s.b = strconv.AppendBool(s.b, v) }
func (s *jsonSink) null()               { s.b = append(s.b, "null"...) }
func (s *jsonSink) json(v []byte) error { s.b = append(s.b, v...); return nil }

func (s *jsonSink) float(v float64) {
	switch {
	case math.IsNaN(v):
		s.b = append(s.b, `"NaN"`...)
	case math.IsInf(v, 1):
		s.b = append(s.b, `"Infinity"`...)
	case math.IsInf(v, -1):
		s.b = append(s.b, `"-Infinity"`...)
	default:
		s.b = appendFloat(s.b, v)
	}
}

// appendFloat writes the shortest text of v that is still seen to be no integer: 7.0, as AWS does, since Python makes an
// int of 7. An exponent comes only where the number is very long without.
func appendFloat(b []byte, v float64) []byte {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	}
	start := len(b)
	b = strconv.AppendFloat(b, v, 'f', -1, 64)
	if bytes.IndexByte(b[start:], '.') < 0 {
		b = append(b, ".0"...)
	}
	return b
}

func (s *jsonSink) blob(v []byte) {
	s.b = append(s.b, '"')
	s.b = base64.StdEncoding.AppendEncode(s.b, v)
	s.b = append(s.b, '"')
}

func (s *jsonSink) time(t time.Time, iso bool) {
	if iso {
		s.b = AppendString(s.b, isoText(t))
		return
	}
	s.b = AppendEpoch(s.b, t)
}

// AppendEpoch appends t as decimal seconds since 1970 with at most three decimals and no exponent, the
// timestamp of the JSON protocols.
func AppendEpoch(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	f := ms % 1000
	if f == 0 {
		return b
	}
	b = append(b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// isoText is t in ISO 8601, UTC, with milliseconds only where there are some.
func isoText(t time.Time) string {
	if t.UnixMilli()%1000 == 0 {
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
