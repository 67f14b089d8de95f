package columnar

import (
	"bytes"
	"math"
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
	utc     bool           // the zone was Z
	loc     *time.Location // the zone, if it was written by name
	letterT bool           // date and time were joined by T
	counted bool           // it was a number of a TimestampUnit, whose clock is that of UTC
}

// parseDay reads [+-]yyyy, yyyy-[m]m or yyyy-[m]m-[d]d and returns the rest. Years have four to seven digits.
func parseDay(s []byte) (days int64, rest []byte, ok bool) {
	negative := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	year, s, ok := parseDigits(s, 4, 7)
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
	days = daysFromCivil(year, month, day)
	return days, s, days == int64(int32(days))
}

// parseWallClock reads the forms that Spark casts to a timestamp: a day as in parseDay, then optionally a space or T, [h]h, :[m]m,
// :[s]s, a fraction (cut to microseconds) and a zone: see parseOffset, or the name of a region. Times without a day are not read: they
// would mean another day each day.
func parseWallClock(s []byte, zones *zoneCache) (w wallClock, ok bool) {
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
		if s, ok = w.parseClock(s[1:]); !ok {
			return w, false
		}
	}
	if !w.parseZone(s, zones) || w.seconds > secondsMax+secondsPerDay || w.seconds < -secondsMax {
		return w, false
	}
	return w, true
}

// parseClock reads [h]h[:[m]m[:[s]s[.fraction]]] and returns the rest.
func (w *wallClock) parseClock(s []byte) (rest []byte, ok bool) {
	hour, s, ok := parseDigits(s, 1, 2)
	if !ok || hour > 23 {
		return nil, false
	}
	w.seconds += int64(hour * 3600)
	if len(s) == 0 {
		return s, true
	}
	if s[0] != ':' {
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
	w.seconds += int64(minute*60 + second)
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

// parseZone reads the whole of s as a zone, after spaces; nothing is none. Zones by name are found in zones.
func (w *wallClock) parseZone(s []byte, zones *zoneCache) bool {
	s = bytes.Trim(s, " ")
	if len(s) == 0 {
		return true
	}
	w.zoned = true
	if w.parseOffset(s) {
		return true
	}
	loc, ok := zones.find(s)
	w.loc = loc
	return ok
}

// parseOffset reads Z, UTC, GMT, UT, ±h, ±hh, ±hh:mm, ±hhmm, ±hh:mm:ss, or one of the names and an offset behind it.
func (w *wallClock) parseOffset(s []byte) bool {
	switch string(s) {
	case "Z":
		w.utc = true
		return true
	case "UTC", "GMT", "UT":
		return true
	}
	for _, name := range []string{"UTC", "GMT", "UT"} {
		if rest, ok := bytes.CutPrefix(s, []byte(name)); ok {
			s = rest
			break
		}
	}
	if len(s) < 2 || s[0] != '+' && s[0] != '-' {
		return false
	}
	sign := int64(1)
	if s[0] == '-' {
		sign = -1
	}
	hour, minute, second, ok := offsetParts(s[1:])
	if !ok || minute > 59 || second > 59 || hour*3600+minute*60+second > 18*3600 {
		return false
	}
	w.offset = sign * int64(hour*3600+minute*60+second)
	return true
}

// offsetParts reads h, hh, [h]h:[m]m, hhmm, [h]h:mm:ss and hhmmss.
func offsetParts(s []byte) (hour, minute, second int, ok bool) {
	if !bytes.ContainsRune(s, ':') && len(s) > 2 {
		n, rest, ok := parseDigits(s, 4, 6)
		if !ok || len(rest) > 0 || len(s) == 5 {
			return 0, 0, 0, false
		}
		if len(s) == 4 {
			n *= 100
		}
		return n / 10000, n / 100 % 100, n % 100, true
	}
	if hour, s, ok = parseDigits(s, 1, 2); !ok || len(s) == 0 {
		return hour, 0, 0, ok
	}
	if s[0] != ':' {
		return 0, 0, 0, false
	}
	if minute, s, ok = parseDigits(s[1:], 1, 2); !ok || len(s) == 0 {
		return hour, minute, 0, ok
	}
	if s[0] != ':' {
		return 0, 0, 0, false
	}
	second, s, ok = parseDigits(s[1:], 2, 2)
	return hour, minute, second, ok && len(s) == 0
}

// instant returns microseconds since the epoch; a time without zone is one of loc (nil: UTC). ok is false if they need more than 64 bits.
func (w wallClock) instant(loc *time.Location) (micros int64, ok bool) {
	if w.zoned || w.counted {
		loc = w.loc
	}
	seconds := w.seconds - w.offset
	if loc != nil && loc != time.UTC {
		seconds = localSeconds(w.seconds, loc)
	}
	if seconds > secondsMax || seconds < -secondsMax || seconds == secondsMax && w.micros > math.MaxInt64-secondsMax*microsPerSecond {
		return 0, false
	}
	return seconds*microsPerSecond + w.micros, true
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
