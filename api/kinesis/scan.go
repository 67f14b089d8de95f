package kinesis

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	fast "github.com/segmentio/asm/base64"

	"github.com/weir-data/weir/stream"
)

// scan reads a PutRecords request in JSON as clients write it: the known members, each once, with strings that need no
// unescaping, and entries that are valid by the model. It reports false for everything else, whether that is an error or
// only unusual; the general decoder then says which. By profile, half of the time of a PutRecords was encoding/json;
// this reads two million records of 450 bytes a second on one core.
//
// The keys in the entries are parts of body.
func (c *putCall) scan(body []byte) bool {
	if cap(c.arena) < len(body) {
		c.arena = make([]byte, 0, len(body)) // decoded data is shorter than its base64
	}
	sc := scanner{b: body}
	if !sc.take('{') {
		return false
	}
	for first := true; !sc.take('}'); first = false {
		if !first && !sc.take(',') {
			return false
		}
		name, ok := sc.name()
		if !ok || !c.scanMember(&sc, name) {
			return false
		}
	}
	sc.space()
	return sc.i == len(body) && len(c.entries) > 0
}

func (c *putCall) scanMember(sc *scanner, name []byte) bool {
	switch {
	case string(name) == "Records" && len(c.entries) == 0:
		return c.scanEntries(sc)
	case string(name) == "StreamName" && c.name == nil:
		text, ok := sc.text()
		c.name = clone(text)
		return ok && len(text) <= 128 && namePattern.Match(*c.name)
	case string(name) == "StreamARN" && c.arn == nil:
		text, ok := sc.text()
		c.arn = clone(text)
		return ok && len(text) <= 2048 && streamARN.Match(*c.arn)
	}
	return false
}

func clone(text []byte) *string {
	s := string(text)
	return &s
}

func (c *putCall) scanEntries(sc *scanner) bool {
	if !sc.take('[') {
		return false
	}
	for {
		if len(c.entries) == recordsMax {
			return false
		}
		e, ok := c.scanEntry(sc)
		if !ok {
			return false
		}
		c.entries = append(c.entries, e)
		if sc.take(']') {
			return true
		}
		if !sc.take(',') {
			return false
		}
	}
}

// scanEntry reads one entry and decodes its data into the arena.
func (c *putCall) scanEntry(sc *scanner) (e stream.Entry, ok bool) {
	if !sc.take('{') {
		return e, false
	}
	for first := true; !sc.take('}'); first = false {
		if !first && !sc.take(',') {
			return e, false
		}
		name, ok := sc.name()
		if !ok {
			return e, false
		}
		text, ok := sc.raw()
		if !ok {
			return e, false
		}
		switch {
		case string(name) == "Data" && e.Data == nil:
			if c.arena, e.Data, ok = unbase64(c.arena, text); !ok {
				return e, false
			}
		case !plain(text):
			return e, false
		case string(name) == "PartitionKey" && e.PartitionKey == nil && validPartitionKey(text):
			e.PartitionKey = text
		case string(name) == "ExplicitHashKey" && e.ExplicitHashKey == "" && validHashKey(string(text)):
			e.ExplicitHashKey = string(text)
		default:
			return e, false
		}
	}
	c.keyless = c.keyless || e.PartitionKey == nil
	return e, e.Data != nil && len(e.Data) <= maxRecordKiBMax<<10
}

// scan reads a PutRecord request as putCall.scan reads PutRecords.
func (c *putOne) scan(body []byte) bool {
	if cap(c.arena) < len(body) {
		c.arena = make([]byte, 0, len(body))
	}
	sc := scanner{b: body}
	if !sc.take('{') {
		return false
	}
	for first := true; !sc.take('}'); first = false {
		if !first && !sc.take(',') {
			return false
		}
		name, ok := sc.name()
		if !ok || !c.scanMember(&sc, name) {
			return false
		}
	}
	sc.space()
	return sc.i == len(body)
}

// scanMember reads one member of those that producers send; what their values are worth is checked afterwards.
func (c *putOne) scanMember(sc *scanner, name []byte) (ok bool) {
	text, ok := sc.raw()
	if !ok {
		return false
	}
	if string(name) == "Data" && c.in.Data == nil {
		c.arena, c.in.Data, ok = unbase64(c.arena, text)
		return ok
	}
	var to **string
	switch string(name) {
	case "StreamName":
		to = &c.in.StreamName
	case "StreamARN":
		to = &c.in.StreamARN
	case "PartitionKey":
		to = &c.in.PartitionKey
	case "ExplicitHashKey":
		to = &c.in.ExplicitHashKey
	case "SequenceNumberForOrdering":
		to = &c.in.SequenceNumberForOrdering
	default:
		return false
	}
	if *to != nil || !plain(text) {
		return false
	}
	*to = clone(text)
	return true
}

// unbase64 decodes into the arena, which it returns longer. The result is not nil, even if it is empty.
func unbase64(arena, text []byte) (longer, data []byte, ok bool) {
	at, want := len(arena), base64.StdEncoding.DecodedLen(len(text))
	if len(text)%4 != 0 || at+want > cap(arena) {
		return arena, nil, false
	}
	n, err := fast.StdEncoding.Decode(arena[at:at+want], text)
	for i := len(text); i > 0 && text[i-1] == '='; i-- {
		want--
	}
	if err != nil || n != want { // less than wanted: there were line breaks, which JSON does not allow
		return arena, nil, false
	}
	arena = arena[:at+n]
	return arena, arena[at : at+n : at+n], true
}

// scanner walks over JSON.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return
		}
	}
}

// take passes over c, and white space before it, if it is next.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// name reads a member's name and the colon.
func (s *scanner) name() ([]byte, bool) {
	text, ok := s.text()
	return text, ok && s.take(':')
}

// text reads a string that stands for exactly its own bytes.
func (s *scanner) text() ([]byte, bool) {
	text, ok := s.raw()
	return text, ok && plain(text)
}

// raw reads up to the next quote. Whoever uses the bytes must make sure that none of them is an escape, a control
// character or broken UTF-8.
func (s *scanner) raw() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	rest := s.b[s.i:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return nil, false
	}
	s.i += end + 1
	return rest[:end], true
}

// plain reports whether there is nothing in a JSON string but characters that stand for themselves.
func plain(text []byte) bool {
	ascii := true
	for _, c := range text {
		if c == '\\' || c < ' ' {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.Valid(text)
}
