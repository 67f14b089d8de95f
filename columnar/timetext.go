package columnar

import (
	"bytes"
	"time"
)

const (
	microsPerSecond = 1_000_000
	secondsPerDay   = 86_400
	// secondsMax bounds instants so that microseconds fit 64 bits.
	secondsMax = 9_223_372_036_854
)

// daysFromCivil is the number of days from 1970-01-01 to a day of the proleptic Gregorian calendar.
func daysFromCivil(year, month, day int) int64 {
	if month <= 2 {
		year--
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	yearOfEra := year - era*400
	dayOfYear := (153*((month+9)%12)+2)/5 + day - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return int64(era)*146097 + int64(dayOfEra) - 719468
}

func daysInMonth(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// wallClock is a parsed time: seconds since 1970-01-01T00:00:00 on its own clock, micros behind them, and
// the zone's offset east of UTC in seconds if one was written.
type wallClock struct {
	seconds int64
	micros  int64
	offset  int64
	zoned   bool
	utc     bool // the zone was Z
	letterT bool // date and time were joined by T
}

// parseDay reads [+-]yyyy, yyyy-[m]m or yyyy-[m]m-[d]d and returns the rest. Years have four to six digits.
func parseDay(s []byte) (days int64, rest []byte, ok bool) {
	negative := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	year, s, ok := parseDigits(s, 4, 6)
	if !ok {
		return 0, nil, false
	}
	if negative {
		year = -year
	}
	month, day := 1, 1
	if len(s) > 0 && s[0] == '-' {
		if month, s, ok = parseDigits(s[1:], 1, 2); !ok {
			return 0, nil, false
		}
		if len(s) > 0 && s[0] == '-' {
			if day, s, ok = parseDigits(s[1:], 1, 2); !ok {
				return 0, nil, false
			}
		}
	}
	if month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month) {
		return 0, nil, false
	}
	return daysFromCivil(year, month, day), s, true
}

// parseWallClock reads the forms that Spark casts to a timestamp: a day as in parseDay, then optionally a
// space or T, [h]h:[m]m, :[s]s, a fraction (cut to microseconds) and a zone: Z, UTC, GMT, ±hh, ±hh:mm, ±hhmm.
// Times without a day and zones by region name are not read.
func parseWallClock(s []byte) (w wallClock, ok bool) {
	s = bytes.TrimSpace(s)
	days, s, ok := parseDay(s)
	if !ok {
		return w, false
	}
	w.seconds = days * secondsPerDay
	if len(s) > 0 {
		if s[0] != ' ' && s[0] != 'T' {
			return w, false
		}
		w.letterT = s[0] == 'T'
		s = s[1:]
	}
	if len(s) > 0 {
		if s, ok = w.parseClock(s); !ok {
			return w, false
		}
	}
	if !w.parseZone(s) || w.seconds > secondsMax-2*secondsPerDay || w.seconds < 2*secondsPerDay-secondsMax {
		return w, false
	}
	return w, true
}

// parseClock reads [h]h:[m]m[:[s]s[.fraction]] and returns the rest.
func (w *wallClock) parseClock(s []byte) (rest []byte, ok bool) {
	hour, s, ok := parseDigits(s, 1, 2)
	if !ok || hour > 23 || len(s) == 0 || s[0] != ':' {
		return nil, false
	}
	minute, s, ok := parseDigits(s[1:], 1, 2)
	if !ok || minute > 59 {
		return nil, false
	}
	second := 0
	if len(s) > 0 && s[0] == ':' {
		if second, s, ok = parseDigits(s[1:], 1, 2); !ok || second > 59 {
			return nil, false
		}
		if len(s) > 0 && s[0] == '.' {
			w.micros, s = parseFraction(s[1:])
		}
	}
	w.seconds += int64(hour*3600 + minute*60 + second)
	return s, true
}

// parseFraction reads digits as a part of a second, in microseconds; further digits are cut.
func parseFraction(s []byte) (micros int64, rest []byte) {
	unit := int64(microsPerSecond / 10)
	for len(s) > 0 && s[0]-'0' <= 9 {
		micros += int64(s[0]-'0') * unit
		unit /= 10
		s = s[1:]
	}
	return micros, s
}

// parseZone reads the whole of s as a zone; nothing is none.
func (w *wallClock) parseZone(s []byte) bool {
	s = bytes.TrimLeft(s, " ")
	if len(s) == 0 {
		return true
	}
	w.zoned = true
	switch string(s) {
	case "Z":
		w.utc = true
		return true
	case "UTC", "GMT", "UT":
		return true
	}
	if bytes.HasPrefix(s, []byte("UTC")) || bytes.HasPrefix(s, []byte("GMT")) {
		s = s[3:]
	}
	if s[0] != '+' && s[0] != '-' {
		return false
	}
	sign := int64(1)
	if s[0] == '-' {
		sign = -1
	}
	s = s[1:]
	var hour, minute int
	var ok bool
	if len(s) == 4 && s[1] != ':' && s[2] != ':' {
		var four int
		four, s, ok = parseDigits(s, 4, 4)
		hour, minute = four/100, four%100
	} else if hour, s, ok = parseDigits(s, 1, 2); ok && len(s) > 0 {
		if s[0] != ':' {
			return false
		}
		minute, s, ok = parseDigits(s[1:], 1, 2)
	}
	if !ok || len(s) > 0 || hour > 18 || minute > 59 || hour == 18 && minute > 0 {
		return false
	}
	w.offset = sign * int64(hour*3600+minute*60)
	return true
}

// instant returns microseconds since the epoch; a time without zone is one of loc (nil: UTC).
func (w wallClock) instant(loc *time.Location) int64 {
	seconds := w.seconds - w.offset
	if !w.zoned && loc != nil && loc != time.UTC {
		t := time.Unix(w.seconds, 0).UTC()
		seconds = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc).Unix()
	}
	return seconds*microsPerSecond + w.micros
}

// parseDigits reads at least least and at most most digits.
func parseDigits(s []byte, least, most int) (n int, rest []byte, ok bool) {
	i := 0
	for i < len(s) && i < most && s[i]-'0' <= 9 {
		n = n*10 + int(s[i]-'0')
		i++
	}
	return n, s[i:], i >= least
}

// parseDate reads what Spark casts to a date: a day as in parseDay, and anything behind a space or T.
func parseDate(s []byte) (days int64, ok bool) {
	days, rest, ok := parseDay(bytes.TrimSpace(s))
	if !ok || len(rest) > 0 && rest[0] != ' ' && rest[0] != 'T' {
		return 0, false
	}
	return days, true
}

// twoDigits reads s[0] and s[1]; bad is not 0 if they are not both digits.
func twoDigits(s []byte) (n int, bad byte) {
	a, b := s[0]-'0', s[1]-'0'
	if a > 9 || b > 9 {
		bad = 1
	}
	return int(a)*10 + int(b), bad
}

// clockMicros reads hh:mm:ss at the start of s, which has at least 8 bytes.
func clockMicros(s []byte) (micros int64, ok bool) {
	h, bad1 := twoDigits(s)
	m, bad2 := twoDigits(s[3:])
	sec, bad3 := twoDigits(s[6:])
	if bad1|bad2|bad3 != 0 || s[2] != ':' || s[5] != ':' || h > 23 || m > 59 || sec > 59 {
		return 0, false
	}
	return int64(h*3600+m*60+sec) * microsPerSecond, true
}
