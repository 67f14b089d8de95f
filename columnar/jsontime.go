package columnar

import (
	"encoding/binary"
	"math"
)

// timestampValue has a fast path for yyyy-mm-dd hh:mm:ss, with T or a space, a fraction and Z.
func (d *JSONDecoder) timestampValue(n *node, b []byte, p, depth int) (int, error) {
	const plain = len(`"2019-01-15 03:36:12"`)
	if b[p]-'0' <= 9 && d.opts.TimestampUnit != 0 {
		return d.timestampNumber(n, b, p)
	}
	if b[p] != '"' || len(b)-p < plain || d.slowTimes {
		return d.timestampText(n, b, p, depth)
	}
	t := b[p+1 : p+plain-1]
	if binary.LittleEndian.Uint64(t) != binary.LittleEndian.Uint64(n.day[:]) || t[8] != n.day[8] || t[9] != n.day[9] {
		days, rest, ok := parseDay(t[:10])
		if !ok || len(rest) > 0 || t[4] != '-' {
			return d.timestampText(n, b, p, depth)
		}
		n.day = [10]byte(t)
		n.dayStart = days * secondsPerDay * microsPerSecond
	}
	micros, ok := clockMicros(t[11:])
	if !ok || t[10] != ' ' && t[10] != 'T' {
		return d.timestampText(n, b, p, depth)
	}
	end := p + plain - 1
	if b[end] == '.' {
		fraction, rest := parseFraction(b[end+1:])
		micros += fraction
		end = len(b) - len(rest)
	}
	if end < len(b) && b[end] == 'Z' {
		end++
	}
	if end >= len(b) || b[end] != '"' {
		return d.timestampText(n, b, p, depth)
	}
	n.addInt64(n.dayStart + micros)
	return end + 1, nil
}

// timestampNumber reads a number of the option's unit.
func (d *JSONDecoder) timestampNumber(n *node, b []byte, p int) (int, error) {
	num, end, err := scanNumber(b, p)
	if err != nil {
		return end, err
	}
	micros, ok := d.opts.TimestampUnit.wholeMicros(num)
	if !ok {
		micros, _, ok = d.opts.TimestampUnit.micros(b[p:end])
	}
	if !ok {
		d.misfit(n, b[p:end])
		return end, nil
	}
	n.addInt64(micros)
	return end, nil
}

// addWallClock appends the time without zone that the checked value raw stands for, or returns false.
func (d *JSONDecoder) addWallClock(n *node, raw []byte) bool {
	if raw[0] == '"' {
		return n.addWallClock(d.unquote(raw), timeText{d.opts.TimestampNTZFormat, d.opts.TimestampUnit}, &d.zones)
	}
	micros, _, ok := d.opts.TimestampUnit.micros(raw)
	if ok {
		n.addInt64(micros)
	}
	return ok
}

// timestampText reads a timestamp in any form.
func (d *JSONDecoder) timestampText(n *node, b []byte, p, depth int) (int, error) {
	end, err := skipValue(b, p, depth)
	if err != nil {
		return end, err
	}
	raw := b[p:end]
	micros, ok := d.timestamp(d.unquote(raw), raw[0] == '"')
	if !ok {
		d.misfit(n, raw)
		return end, nil
	}
	n.addInt64(micros)
	return end, nil
}

func (d *JSONDecoder) timestamp(text []byte, quoted bool) (micros int64, ok bool) {
	switch {
	case len(d.times) > 0:
		return d.formattedTimestamp(text)
	case d.opts.Coerce:
		return d.openXTimestamp(text, quoted)
	case quoted:
		w, ok := timeText{d.opts.TimestampFormat, d.opts.TimestampUnit}.parse(text, &d.zones)
		if !ok {
			return 0, false
		}
		return w.instant(d.opts.Location)
	case d.opts.TimestampUnit != 0:
		micros, _, ok = d.opts.TimestampUnit.micros(text)
		return micros, ok
	}
	num, end, err := scanNumber(text, 0)
	seconds, ok := num.int64(false)
	if err != nil || end != len(text) || !ok || seconds > secondsMax || seconds < -secondsMax {
		return 0, false
	}
	return seconds * microsPerSecond, true
}

func (d *JSONDecoder) formattedTimestamp(text []byte) (micros int64, ok bool) {
	for _, pattern := range d.times {
		if pattern == nil {
			num, end, err := scanNumber(text, 0)
			if v, ok := num.int64(false); err == nil && end == len(text) && ok && v < math.MaxInt64/1000 && v > math.MinInt64/1000 {
				return v * 1000, true
			}
			continue
		}
		if w, ok := pattern.parse(text, &d.zones); ok {
			return w.instant(d.opts.Location)
		}
	}
	return 0, false
}

// openXTimestamp reads a timestamp as Firehose's OpenX deserializer does.
func (d *JSONDecoder) openXTimestamp(text []byte, quoted bool) (micros int64, ok bool) {
	if _, end, err := scanNumber(text, 0); err == nil && end == len(text) {
		scaled, ok := parseDecimal(text, precisionMax, 6) // as seconds, to the microsecond
		if ok && scaled.Hi == 0 && scaled.Lo < 1e12*microsPerSecond {
			return int64(scaled.Lo), true
		}
		if v := scaled.neg(); ok && scaled.Hi < 0 && v.Hi == 0 && v.Lo < 1e12*microsPerSecond {
			return -int64(v.Lo), true
		}
		scaled, ok = parseDecimal(text, precisionMax, 3) // as milliseconds
		return int64(scaled.Lo), ok && scaled.Hi == 0 && scaled.Lo <= math.MaxInt64
	}
	w, ok := parseWallClock(text, &d.zones)
	if !ok || !quoted || w.zoned && !w.utc || w.letterT != w.utc {
		return 0, false
	}
	return w.instant(nil)
}
