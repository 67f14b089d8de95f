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

// patternItem is a run of a letter, or literal text when letter is 0.
type patternItem struct {
	letter byte
	count  int
	text   string
}

const patternMax = 256 // bytes

// CompileTimePattern reads a pattern made of y, u, M (1, 2, 3), d, H, h, a, m, s, S (up to 9), E, X, Z and
// text in quotes, between other letters' runs. Other letters are refused.
func CompileTimePattern(pattern string) (*TimePattern, error) {
	if len(pattern) > patternMax || pattern == "" {
		return nil, fmt.Errorf("time pattern of %d bytes: must have 1 to %d", len(pattern), patternMax)
	}
	t := &TimePattern{}
	for p := 0; p < len(pattern); {
		c := pattern[p]
		switch {
		case c == '\'':
			text, next, err := quotedText(pattern, p)
			if err != nil {
				return nil, err
			}
			t.items = append(t.items, patternItem{text: text})
			p = next
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			n := 1
			for p+n < len(pattern) && pattern[p+n] == c {
				n++
			}
			if !patternLetter(c, n) {
				return nil, fmt.Errorf("time pattern %q: %q is not supported", pattern, pattern[p:p+n])
			}
			t.items = append(t.items, patternItem{letter: c, count: n})
			p += n
		default:
			t.items = append(t.items, patternItem{text: string(c)})
			p++
		}
	}
	return t, nil
}

func patternLetter(c byte, n int) bool {
	switch c {
	case 'y', 'u':
		return n <= 4
	case 'M':
		return n <= 3
	case 'd', 'H', 'h', 'm', 's':
		return n <= 2
	case 'S':
		return n <= 9
	case 'a':
		return n == 1
	case 'E', 'X', 'Z':
		return n <= 3
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
}

// parse reads all of s.
func (t *TimePattern) parse(s []byte) (wallClock, bool) {
	v := timeParts{year: 1970, month: 1, day: 1}
	for i, item := range t.items {
		var ok bool
		adjacent := i+1 < len(t.items) && t.items[i+1].letter != 0
		if s, ok = v.read(item, s, adjacent); !ok {
			return wallClock{}, false
		}
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
	case 'M':
		if item.count == 3 {
			v.month, s, ok = parseMonthName(s)
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
		if len(s) < 3 {
			return nil, false
		}
		return s[3:], strings.Contains("sun mon tue wed thu fri sat ", asciiLower(string(s[:3]))+" ")
	case 'X', 'Z':
		return v.readZone(s)
	}
	return s, ok
}

func (v *timeParts) readFraction(count int, s []byte) ([]byte, bool) {
	if len(s) < count {
		return nil, false
	}
	micros, tail := parseFraction(s[:count])
	v.clock.micros = micros
	return s[count:], len(tail) == 0
}

func (v *timeParts) readZone(s []byte) ([]byte, bool) {
	n := 0
	for n < len(s) && (s[n] == '+' || s[n] == '-' || s[n] == ':' || s[n] == 'Z' || s[n]-'0' <= 9) {
		n++
	}
	return s[n:], n > 0 && v.clock.parseZone(s[:n])
}

func parseMonthName(s []byte) (month int, rest []byte, ok bool) {
	if len(s) < 3 {
		return 0, nil, false
	}
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(m.String()[:3], string(s[:3])) {
			return int(m), s[3:], true
		}
	}
	return 0, nil, false
}
