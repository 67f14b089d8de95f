package load

import (
	"bytes"
	"errors"
)

var errJSON = errors.New("answer is not the JSON that was expected")

// Member is the text of a string member of an answer, the last one of that name, up to the next quote; nil if it is not
// there.
func Member(body []byte, name string) []byte {
	i := bytes.LastIndex(body, []byte(`"`+name+`":"`))
	if i < 0 {
		return nil
	}
	rest := body[i+len(name)+4:]
	if j := bytes.IndexByte(rest, '"'); j >= 0 {
		return rest[:j]
	}
	return nil
}

// Count is how many members of a name an answer has; it is faster than looking at them.
func Count(body []byte, name string) int { return bytes.Count(body, []byte(`"`+name+`"`)) }

// Each gives, for each object in the list that is called name, the texts of the members that are wanted: strings without
// their quotes, escapes as they stand; numbers and words as they are; nil for one that is missing. The slice is used again.
// The list may hold flat objects only.
func Each(body []byte, list string, wanted []string, f func(values [][]byte) error) error {
	i := bytes.Index(body, []byte(`"`+list+`":`))
	if i < 0 {
		return errJSON
	}
	s := walker{b: body, i: i + len(list) + 3}
	if !s.take('[') {
		return errJSON
	}
	if s.take(']') {
		return nil
	}
	values := make([][]byte, len(wanted))
	for {
		clear(values)
		if !s.object(wanted, values) {
			return errJSON
		}
		if err := f(values); err != nil {
			return err
		}
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return errJSON
		}
	}
}

// walker goes through JSON.
type walker struct {
	b []byte
	i int
}

func (s *walker) take(c byte) bool {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n') {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *walker) object(wanted []string, values [][]byte) bool {
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	for {
		if !s.take('"') {
			return false
		}
		name, ok := s.text()
		if !ok || !s.take(':') {
			return false
		}
		value, ok := s.value()
		if !ok {
			return false
		}
		for i, w := range wanted {
			if string(name) == w {
				values[i] = value
			}
		}
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

// value reads a string, a number or a word.
func (s *walker) value() ([]byte, bool) {
	if s.take('"') {
		return s.text()
	}
	from := s.i
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ',', '}', ' ', '\n':
			return s.b[from:s.i], s.i > from
		case '{', '[', '"', ']':
			return nil, false
		}
		s.i++
	}
	return nil, false
}

// text reads up to the quote that ends a string.
func (s *walker) text() ([]byte, bool) {
	from := s.i
	for {
		end := bytes.IndexByte(s.b[s.i:], '"')
		if end < 0 {
			return nil, false
		}
		s.i += end + 1
		escapes := 0
		for s.i-2-escapes >= from && s.b[s.i-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return s.b[from : s.i-1], true
		}
	}
}
