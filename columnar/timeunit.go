package columnar

import (
	"bytes"
	"math"
)

// TimestampUnit is what a number in a column of timestamps counts since 1970-01-01 UTC. Spark's readers have no such option: the zero value is
// their way, by which JSON's whole numbers are seconds for Timestamp, and other numbers are no times.
type TimestampUnit int

// The units, named s, ms, us and ns in options.
const (
	UnitSeconds TimestampUnit = 1 + iota
	UnitMillis
	UnitMicros
	UnitNanos
)

var timestampUnits = map[string]TimestampUnit{"s": UnitSeconds, "ms": UnitMillis, "us": UnitMicros, "ns": UnitNanos}

// exponent is how many digits the point of a number moves to the right to make it microseconds.
func (u TimestampUnit) exponent() int { return 9 - 3*int(u) }

// micros reads text that is a number as JSON writes it; what is less than a microsecond is cut, towards the past, as the fraction of a
// time is. number says that text is one, ok that there is a unit and the time fits.
func (u TimestampUnit) micros(text []byte) (micros int64, number, ok bool) {
	num, end, err := scanNumber(text, 0)
	if err != nil || end != len(text) {
		return 0, false, false
	}
	if u == 0 {
		return 0, true, false
	}
	if micros, ok = u.wholeMicros(num); ok {
		return micros, true, true
	}
	micros, ok = shiftDecimal(text, u.exponent())
	return micros, true, ok && micros >= -secondsMax*microsPerSecond
}

// wholeMicros is micros for what most numbers are: whole and not negative. ok is false for others, whether they fit or not.
func (u TimestampUnit) wholeMicros(n number) (micros int64, ok bool) {
	if !n.whole || n.long || n.neg {
		return 0, false
	}
	most := uint64(math.MaxInt64)
	switch u {
	case UnitSeconds:
		return int64(n.mant * 1_000_000), n.mant <= most/1_000_000
	case UnitMillis:
		return int64(n.mant * 1_000), n.mant <= most/1_000
	case UnitMicros:
		return int64(n.mant), n.mant <= most
	case UnitNanos:
		return int64(n.mant / 1_000), true
	}
	return 0, false
}

// shiftDecimal is the floor of a JSON number, whose grammar was checked, times 10^shift. ok is false if it needs more than 64 bits.
func shiftDecimal(text []byte, shift int) (v int64, ok bool) {
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	cut, digits := 0, 0 // how many digits stand before the cut, and how many were read
	mantissa := text
	for i, c := range text {
		if c|0x20 == 'e' {
			mantissa = text[:i]
			shift += parseExponent(text[i+1:])
			break
		}
	}
	for cut < len(mantissa) && mantissa[cut] != '.' {
		cut++
	}
	cut += shift
	rest := false
	for _, c := range mantissa {
		switch {
		case c == '.':
			continue
		case digits >= cut:
			rest = rest || c != '0'
		case v > (math.MaxInt64-int64(c-'0'))/10:
			return 0, false
		default:
			v = v*10 + int64(c-'0')
		}
		digits++
	}
	for ; digits < cut && v != 0; digits++ {
		if v > math.MaxInt64/10 {
			return 0, false
		}
		v *= 10
	}
	switch {
	case negative && rest:
		return -v - 1, true
	case negative:
		return -v, true
	}
	return v, true
}

// timeText says how texts are read as times.
type timeText struct {
	pattern *TimePattern // nil: the usual forms
	unit    TimestampUnit
}

// parse reads a text. A pattern has the first word; then a text that is a number is one of the unit, if there is one.
func (o timeText) parse(text []byte, zones *zoneCache) (w wallClock, ok bool) {
	if o.pattern != nil {
		w, ok = o.pattern.parse(text, zones)
	}
	if !ok && o.unit != 0 {
		micros, number, fits := o.unit.micros(bytes.TrimSpace(text))
		if number {
			seconds := floorDiv(micros, microsPerSecond)
			return wallClock{seconds: seconds, micros: micros - seconds*microsPerSecond, counted: true}, fits
		}
	}
	if o.pattern == nil {
		w, ok = parseWallClock(text, zones)
	}
	return w, ok
}
