package delta

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// fileLine is an add or remove action as it stands in a line of the log. Its texts lie in the line.
type fileLine struct {
	remove               bool
	path, stats, cluster []byte
	partition, tags, dv  []byte // JSON objects, nil if they are not there
	size, at             int64  // at: modification time of an add, deletion time of a remove
	dataChange, extended bool
	rowID, rowVersion    int64
	members              uint16 // that are there and not null, by bit
}

// The members of add and remove, as bits.
const (
	memberPath = 1 << iota
	memberPartition
	memberSize
	memberTime
	memberDataChange
	memberStats
	memberTags
	memberVector
	memberRowID
	memberRowVersion
	memberCluster
	memberExtended
)

// scanFileLine reads a line that is an add or a remove and nothing else, of the form that writers give it. Everything that is
// out of the ordinary, be it wrong or not, is false: encoding/json decides then, and what is read here it reads alike. What
// strings say is written over to, which holds the line too.
func scanFileLine(line, to []byte) (f fileLine, ok bool) {
	s := lineScanner{b: line, to: to}
	name, ok := s.open()
	if !ok {
		return f, false
	}
	switch string(name) {
	case "add":
	case "remove":
		f.remove = true
	default:
		return f, false
	}
	if !s.members(&f) || !s.byte('}') {
		return f, false
	}
	s.space()
	return f, s.i == len(line) && len(f.path) > 0 && (f.remove || f.size >= 0)
}

// lineScanner reads JSON from left to right.
type lineScanner struct {
	b  []byte
	to []byte // as long as b; what escaped strings say is written there, where they stand in b
	i  int
}

func (s *lineScanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r' || s.b[s.i] == '\n') {
		s.i++
	}
}

// byte passes a byte that must come next, after space.
func (s *lineScanner) byte(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// open reads the start of an object up to its first value.
func (s *lineScanner) open() (name []byte, ok bool) {
	if !s.byte('{') {
		return nil, false
	}
	return s.name()
}

// name reads a name without escapes.
func (s *lineScanner) name() (name []byte, ok bool) {
	s.space()
	i := s.i
	name, ok = s.text()
	return name, ok && s.i-i == len(name)+2 && s.byte(':')
}

// escapes are what a backslash makes of the byte behind it, 0 for those that are no escape or need more.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// text reads a string. One with \u is left to encoding/json, as is text that is not UTF-8.
func (s *lineScanner) text() (text []byte, ok bool) {
	b, to, i := s.b, s.to, s.i
	if i >= len(b) || b[i] != '"' {
		return nil, false
	}
	i++
	start, end, wide := i, i, false // the text goes from start to end in to
	for i < len(b) {
		if i+8 <= len(b) {
			word := binary.LittleEndian.Uint64(b[i:])
			n := plainBytes(word)
			if end < i {
				binary.LittleEndian.PutUint64(to[end:], word)
			}
			i, end = i+n, end+n
			if n == 8 {
				continue
			}
		}
		switch c := b[i]; {
		case c == '"':
			if end < i { // the last word went further
				copy(to[end:], b[end:min(i+8, len(b))])
			}
			s.i = i + 1
			text = to[start:end]
			return text, !wide || utf8.Valid(text)
		case c == '\\':
			if i+1 == len(b) || escapes[b[i+1]] == 0 {
				return nil, false
			}
			to[end] = escapes[b[i+1]]
			i++
		case c < 0x20:
			return nil, false
		default:
			wide = wide || c >= utf8.RuneSelf
			to[end] = c
		}
		i, end = i+1, end+1
	}
	return nil, false
}

// plainBytes counts the bytes of a word before the first that means something in a string or is not ASCII.
func plainBytes(word uint64) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote := word ^ '"'*ones
	slash := word ^ '\\'*ones
	found := ((quote-ones)&^quote | (slash-ones)&^slash | (word-0x20*ones)&^word | word) & tops
	return bits.TrailingZeros64(found) / 8
}

// integer reads a number that certainly fits.
func (s *lineScanner) integer() (n int64, ok bool) {
	negative := s.i < len(s.b) && s.b[s.i] == '-'
	if negative {
		s.i++
	}
	start := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		n = n*10 + int64(s.b[s.i]-'0')
		s.i++
	}
	digits := s.i - start
	if digits == 0 || digits > 18 || digits > 1 && s.b[start] == '0' {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// word passes a word that must come next.
func (s *lineScanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

func (s *lineScanner) boolean() (v, ok bool) {
	if s.word("true") {
		return true, true
	}
	return false, s.word("false")
}

// skipText passes a string, whatever it says.
func (s *lineScanner) skipText() bool {
	for i := s.i + 1; i < len(s.b); i++ {
		n := bytes.IndexByte(s.b[i:], '"')
		if n < 0 {
			return false
		}
		i += n
		slashes := 0
		for s.b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			s.i = i + 1
			return true
		}
	}
	return false
}

// object reads an object whose members are whatever they are. That it is well-formed inside is for others to see.
func (s *lineScanner) object() (raw []byte, ok bool) {
	start, depth := s.i, 0
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '"':
			if !s.skipText() {
				return nil, false
			}
			continue
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				s.i++
				return s.b[start:s.i], true
			}
		}
		if depth == 0 {
			return nil, false
		}
		s.i++
	}
	return nil, false
}

// members reads the members of an add or a remove up to the brace behind them.
func (s *lineScanner) members(f *fileLine) bool {
	name, ok := s.open()
	var seen uint16
	for {
		if !ok {
			return false
		}
		bit := memberBit(name, f.remove)
		if bit == 0 || seen&bit != 0 {
			return false
		}
		seen |= bit
		s.space()
		if !s.word("null") {
			f.members |= bit
			if !s.member(f, bit) {
				return false
			}
		}
		if s.byte('}') {
			return true
		}
		if !s.byte(',') {
			return false
		}
		name, ok = s.name()
	}
}

// memberBit is the bit of a member that is read here, 0 for others.
func memberBit(name []byte, remove bool) uint16 {
	switch string(name) {
	case "path":
		return memberPath
	case "partitionValues":
		return memberPartition
	case "size":
		return memberSize
	case "dataChange":
		return memberDataChange
	case "tags":
		return memberTags
	case "deletionVector":
		return memberVector
	case "baseRowId":
		return memberRowID
	case "defaultRowCommitVersion":
		return memberRowVersion
	}
	switch {
	case !remove && string(name) == "modificationTime", remove && string(name) == "deletionTimestamp":
		return memberTime
	case !remove && string(name) == "stats":
		return memberStats
	case !remove && string(name) == "clusteringProvider":
		return memberCluster
	case remove && string(name) == "extendedFileMetadata":
		return memberExtended
	}
	return 0
}

func (s *lineScanner) member(f *fileLine, bit uint16) (ok bool) {
	switch bit {
	case memberPath:
		f.path, ok = s.text()
	case memberStats:
		f.stats, ok = s.text()
	case memberCluster:
		f.cluster, ok = s.text()
	case memberPartition:
		f.partition, ok = s.object()
	case memberTags:
		f.tags, ok = s.object()
	case memberVector:
		f.dv, ok = s.object()
	case memberSize:
		f.size, ok = s.integer()
	case memberTime:
		f.at, ok = s.integer()
	case memberRowID:
		f.rowID, ok = s.integer()
	case memberRowVersion:
		f.rowVersion, ok = s.integer()
	case memberDataChange:
		f.dataChange, ok = s.boolean()
	case memberExtended:
		f.extended, ok = s.boolean()
	}
	return ok
}

// rest is what few lines have. It is false if encoding/json would not take it.
func (f *fileLine) rest() (more rest, ok bool) {
	if f.tags != nil && json.Unmarshal(f.tags, &more.Tags) != nil || f.dv != nil && json.Unmarshal(f.dv, &more.DeletionVector) != nil {
		return more, false
	}
	if f.members&memberRowID != 0 {
		more.BaseRowID = &f.rowID
	}
	if f.members&memberRowVersion != 0 {
		more.DefaultRowCommitVersion = &f.rowVersion
	}
	more.ClusteringProvider = string(f.cluster)
	return more, true
}

// parsePartition reads partition values. It is false if encoding/json would not take them.
func (f *fileLine) parsePartition() (values map[string]*string, ok bool) {
	if f.partition == nil {
		return nil, true
	}
	err := json.Unmarshal(f.partition, &values)
	return values, err == nil
}

// action is the line as an Action.
func (f *fileLine) action() (a Action, ok bool) {
	values, ok := f.parsePartition()
	if !ok {
		return a, false
	}
	more, ok := f.rest()
	if !ok {
		return a, false
	}
	copied := func(p *int64) *int64 { // f shall not live as long
		if p == nil {
			return nil
		}
		n := *p
		return &n
	}
	rowID, rowVersion := copied(more.BaseRowID), copied(more.DefaultRowCommitVersion)
	if f.remove {
		a.Remove = &Remove{
			Path: string(f.path), DeletionTimestamp: f.at, DataChange: f.dataChange, ExtendedFileMetadata: f.extended,
			PartitionValues: values, Size: f.size, Tags: more.Tags, DeletionVector: more.DeletionVector,
			BaseRowID: rowID, DefaultRowCommitVersion: rowVersion,
		}
		return a, true
	}
	a.Add = &Add{
		Path: string(f.path), PartitionValues: values, Size: f.size, ModificationTime: f.at, DataChange: f.dataChange,
		Stats: string(f.stats), Tags: more.Tags, DeletionVector: more.DeletionVector, BaseRowID: rowID,
		DefaultRowCommitVersion: rowVersion, ClusteringProvider: more.ClusteringProvider,
	}
	return a, true
}
