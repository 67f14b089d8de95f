package delivery

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// datePattern is a compiled pattern of Java's DateTimeFormatter, for output.
type datePattern []dateItem

// dateItem is a run of a letter, or literal text when letter is 0.
type dateItem struct {
	letter byte
	count  int
	text   string
}

// dateLetters says how often each letter may stand in a row. Letters of week-based and localized fields are not supported.
var dateLetters = map[byte]int{
	'y': 9, 'u': 9, 'M': 4, 'L': 4, 'd': 2, 'D': 3, 'H': 2, 'h': 2, 'k': 2, 'K': 2, 'm': 2, 's': 2,
	'S': 9, 'n': 9, 'a': 1, 'E': 4, 'Q': 2, 'q': 2, 'z': 3, 'Z': 5, 'X': 3, 'x': 3, 'V': 2, 'G': 1,
}

func compileDatePattern(pattern string) (datePattern, error) {
	var items datePattern
	for p := 0; p < len(pattern); {
		c := pattern[p]
		switch {
		case c == '\'':
			text, next, err := quotedText(pattern, p)
			if err != nil {
				return nil, err
			}
			items = append(items, dateItem{text: text})
			p = next
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for p+n < len(pattern) && pattern[p+n] == c {
				n++
			}
			if most, ok := dateLetters[c]; !ok || n > most {
				return nil, fmt.Errorf("pattern letters %q are not supported", pattern[p:p+n])
			}
			items = append(items, dateItem{letter: c, count: n})
			p += n
		case strings.IndexByte("{}#[]", c) >= 0:
			return nil, fmt.Errorf("pattern includes reserved character %q", c)
		default:
			items = append(items, dateItem{text: string(c)})
			p++
		}
	}
	return items, nil
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
		if p+1 == len(pattern) || pattern[p+1] != '\'' {
			return b.String(), p + 1, nil
		}
		b.WriteByte('\'')
		p++
	}
	return "", p, fmt.Errorf("pattern ends in an incomplete string literal: %q", pattern)
}

func (d datePattern) format(t time.Time) string {
	var b strings.Builder
	for _, item := range d {
		if item.letter == 0 {
			b.WriteString(item.text)
		} else {
			b.WriteString(item.format(t))
		}
	}
	return b.String()
}

func (i dateItem) format(t time.Time) string {
	switch i.letter {
	case 'y', 'u':
		if i.count == 2 {
			return pad(t.Year()%100, 2)
		}
		return pad(t.Year(), i.count)
	case 'M', 'L':
		return i.named(int(t.Month()), t.Month().String())
	case 'd':
		return pad(t.Day(), i.count)
	case 'D':
		return pad(t.YearDay(), i.count)
	case 'H':
		return pad(t.Hour(), i.count)
	case 'h':
		return pad((t.Hour()+11)%12+1, i.count)
	case 'K':
		return pad(t.Hour()%12, i.count)
	case 'k':
		return pad((t.Hour()+23)%24+1, i.count)
	case 'm':
		return pad(t.Minute(), i.count)
	case 's':
		return pad(t.Second(), i.count)
	case 'S':
		return pad(t.Nanosecond(), 9)[:i.count]
	case 'n':
		return pad(t.Nanosecond(), i.count)
	case 'a':
		return t.Format("PM")
	case 'E':
		if i.count == 4 {
			return t.Weekday().String()
		}
		return t.Weekday().String()[:3]
	case 'Q', 'q':
		return pad((int(t.Month())+2)/3, i.count)
	case 'G':
		return "AD"
	}
	return i.zone(t)
}

// named is a field that is a number in one or two letters, and a name in three (short) or four.
func (i dateItem) named(n int, name string) string {
	switch i.count {
	case 3:
		return name[:3]
	case 4:
		return name
	}
	return pad(n, i.count)
}

func (i dateItem) zone(t time.Time) string {
	switch i.letter {
	case 'z':
		return t.Format("MST")
	case 'V':
		return t.Location().String()
	case 'Z':
		switch i.count {
		case 4:
			if _, offset := t.Zone(); offset == 0 {
				return "GMT"
			}
			return "GMT" + t.Format("-07:00")
		case 5:
			return t.Format("Z07:00")
		}
		return t.Format("-0700")
	case 'X':
		return t.Format([]string{"Z07", "Z0700", "Z07:00"}[i.count-1])
	}
	return t.Format([]string{"-07", "-0700", "-07:00"}[i.count-1])
}

func pad(n, width int) string {
	s := strconv.Itoa(n)
	if len(s) < width {
		s = strings.Repeat("0", width-len(s)) + s
	}
	return s
}
