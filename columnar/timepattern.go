package columnar

import (
	"fmt"
	"strings"
	"time"
)

// TimePattern is a compiled pattern of java.time's DateTimeFormatter (Joda's are the same for these letters).
type TimePattern struct {
	items []patternItem
}

// patternItem is a run of a letter, literal text when letter is 0, or a part that may be left out when letter is '['.
type patternItem struct {
	letter byte
	count  int
	text   string
	part   []patternItem
}

const patternMax = 256 // bytes

// CompileTimePattern reads a pattern made of y, u, M and L (1 to 4), d, H, h, a, m, s, S (up to 9), E, X, x, Z, VV, z, parts in [ ] that
// may be left out, and text in quotes, between other letters' runs. Other letters are refused.
func CompileTimePattern(pattern string) (*TimePattern, error) {
	if len(pattern) > patternMax || pattern == "" {
		return nil, fmt.Errorf("time pattern of %d bytes: must have 1 to %d", len(pattern), patternMax)
	}
	items, end, err := compilePattern(pattern, 0, 0)
	if err == nil && end < len(pattern) {
		err = fmt.Errorf("time pattern %q: ] without [", pattern)
	}
	return &TimePattern{items}, err
}

// compilePattern reads from p to the end or to the bracket that closes the part.
func compilePattern(pattern string, p, depth int) (items []patternItem, end int, err error) {
	for p < len(pattern) && pattern[p] != ']' {
		c := pattern[p]
		switch {
		case c == '[':
			item := patternItem{letter: '['}
			if item.part, p, err = compilePattern(pattern, p+1, depth+1); err != nil {
				return nil, p, err
			}
			if p == len(pattern) || depth > 8 {
				return nil, p, fmt.Errorf("time pattern %q: [ without ], or too many", pattern)
			}
			items = append(items, item)
			p++
		case c == '\'':
			text, next, err := quotedText(pattern, p)
			if err != nil {
				return nil, p, err
			}
			items = append(items, patternItem{text: text})
			p = next
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			n := 1
			for p+n < len(pattern) && pattern[p+n] == c {
				n++
			}
			if !patternLetter(c, n) {
				return nil, p, fmt.Errorf("time pattern %q: %q is not supported", pattern, pattern[p:p+n])
			}
			items = append(items, patternItem{letter: c, count: n})
			p += n
		case c == '{' || c == '}' || c == '#':
			return nil, p, fmt.Errorf("time pattern %q: %q is reserved; put it in quotes", pattern, c)
		default:
			items = append(items, patternItem{text: string(c)})
			p++
		}
	}
	return items, p, nil
}

func patternLetter(c byte, n int) bool {
	switch c {
	case 'y', 'u', 'M', 'L', 'E':
		return n <= 4
	case 'd', 'H', 'h', 'm', 's':
		return n <= 2
	case 'S':
		return n <= 9
	case 'a':
		return n == 1
	case 'X', 'x', 'Z', 'z':
		return n <= 3
	case 'V':
		return n == 2
	}
	return false
}

// quotedText reads 'text' at p; two quotes are one, inside and outside.
func quotedText(pattern string, p int) (text string, next int, err error) {
	if strings.HasPrefix(pattern[p:], "''") {
		return "'", p + 2, nil
	}
	var b strings.Builder
	for p++; p < len(pattern); p++ {
		if pattern[p] != '\'' {
			b.WriteByte(pattern[p])
			continue
		}
		if p+1 >= len(pattern) || pattern[p+1] != '\'' {
			return b.String(), p + 1, nil
		}
		b.WriteByte('\'')
		p++
	}
	return "", p, fmt.Errorf("time pattern %q: quote without end", pattern)
}

// timeParts are the fields of a time as a pattern finds them.
type timeParts struct {
	year, month, day, hour, minute, second int
	afternoon, twelve                      bool
	clock                                  wallClock
	zones                                  *zoneCache
}

// parse reads all of s. Names of zones are found in zones; without it there are none.
func (t *TimePattern) parse(s []byte, zones *zoneCache) (wallClock, bool) {
	v := timeParts{year: 1970, month: 1, day: 1, zones: zones}
	s, ok := v.readAll(t.items, s)
	if !ok {
		return wallClock{}, false
	}
	if len(s) > 0 || v.month < 1 || v.month > 12 || v.day < 1 || v.day > daysInMonth(v.year, v.month) ||
		v.hour > 23 || v.minute > 59 || v.second > 59 {
		return wallClock{}, false
	}
	if v.twelve {
		if v.hour < 1 || v.hour > 12 {
			return wallClock{}, false
		}
		v.hour %= 12
		if v.afternoon {
			v.hour += 12
		}
	}
	w := v.clock
	w.seconds = daysFromCivil(v.year, v.month, v.day)*secondsPerDay + int64(v.hour*3600+v.minute*60+v.second)
	return w, true
}

// readAll reads items one after the other. A part in brackets that is not there leaves no trace.
func (v *timeParts) readAll(items []patternItem, s []byte) (rest []byte, ok bool) {
	for i, item := range items {
		if item.letter == '[' {
			before := *v
			if rest, ok := v.readAll(item.part, s); ok {
				s = rest
			} else {
				*v = before
			}
			continue
		}
		adjacent := i+1 < len(items) && items[i+1].letter != 0 && items[i+1].letter != '['
		if s, ok = v.read(item, s, adjacent); !ok {
			return nil, false
		}
	}
	return s, true
}

func (v *timeParts) read(item patternItem, s []byte, adjacent bool) (rest []byte, ok bool) {
	most := max(item.count, 2)
	if adjacent {
		most = item.count
	}
	switch item.letter {
	case 0:
		if len(s) < len(item.text) || string(s[:len(item.text)]) != item.text {
			return nil, false
		}
		return s[len(item.text):], true
	case 'y', 'u':
		if item.count == 2 {
			v.year, s, ok = parseDigits(s, 2, 2)
			v.year += 2000
			return s, ok
		}
		v.year, s, ok = parseDigits(s, item.count, max(4, item.count))
	case 'M', 'L':
		if item.count > 2 {
			v.month, s, ok = parseMonthName(s, item.count == 4)
			return s, ok
		}
		v.month, s, ok = parseDigits(s, item.count, most)
	case 'd':
		v.day, s, ok = parseDigits(s, item.count, most)
	case 'H':
		v.hour, s, ok = parseDigits(s, item.count, most)
	case 'h':
		v.twelve = true
		v.hour, s, ok = parseDigits(s, item.count, most)
	case 'm':
		v.minute, s, ok = parseDigits(s, item.count, most)
	case 's':
		v.second, s, ok = parseDigits(s, item.count, most)
	case 'S':
		return v.readFraction(item.count, s)
	case 'a':
		if len(s) < 2 {
			return nil, false
		}
		half := asciiLower(string(s[:2]))
		v.afternoon = half == "pm"
		return s[2:], half == "am" || half == "pm"
	case 'E':
		return readWeekday(s, item.count == 4)
	case 'X', 'x', 'Z':
		return v.readOffset(s)
	case 'V', 'z':
		return v.readZone(s)
	}
	return s, ok
}

// readFraction reads one digit or more, up to count.
func (v *timeParts) readFraction(count int, s []byte) ([]byte, bool) {
	n := 0
	for n < len(s) && n < count && s[n]-'0' <= 9 {
		n++
	}
	v.clock.micros, _ = parseFraction(s[:n])
	return s[n:], n > 0
}

// readOffset reads an offset, or Z.
func (v *timeParts) readOffset(s []byte) ([]byte, bool) {
	n := 0
	for n < len(s) && (s[n] == '+' || s[n] == '-' || s[n] == ':' || s[n] == 'Z' || s[n]-'0' <= 9) {
		n++
	}
	v.clock.zoned = true
	return s[n:], v.clock.parseOffset(s[:n])
}

// readZone reads a zone by name or offset.
func (v *timeParts) readZone(s []byte) ([]byte, bool) {
	n := 0
	for n < len(s) && (isWordByte(s[n]) || s[n] == '/' || s[n] == '+' || s[n] == '-' || s[n] == ':') {
		n++
	}
	return s[n:], n > 0 && v.zones != nil && v.clock.parseZone(s[:n], v.zones)
}

// parseMonthName reads Jan or, in full, January.
func parseMonthName(s []byte, full bool) (month int, rest []byte, ok bool) {
	for m := time.January; m <= time.December; m++ {
		name := m.String()
		if !full {
			name = name[:3]
		}
		if len(s) >= len(name) && strings.EqualFold(name, string(s[:len(name)])) {
			return int(m), s[len(name):], true
		}
	}
	return 0, nil, false
}

// readWeekday reads Mon or, in full, Monday. Whether it fits the day is not asked.
func readWeekday(s []byte, full bool) (rest []byte, ok bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		name := d.String()
		if !full {
			name = name[:3]
		}
		if len(s) >= len(name) && strings.EqualFold(name, string(s[:len(name)])) {
			return s[len(name):], true
		}
	}
	return nil, false
}
