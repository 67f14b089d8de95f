package columnar

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

func (d *CSVDecoder) put(field int, value []byte, quoted bool) {
	b := d.cols[field]
	if quoted && len(value) == 0 {
		value = append(value, d.opts.Empty...)
	}
	if len(value) == 0 || string(value) == d.opts.Null {
		b.addNull()
		return
	}
	if d.addCell(b, value) {
		return
	}
	b.addNull()
	d.flaw(d.schema.Fields[field].Name, fmt.Sprintf("%q is not of type %s", clip(string(value), 100), b.Type))
}

func (d *CSVDecoder) flaw(field, reason string) {
	if len(d.bad) < badMax {
		d.bad = append(d.bad, FieldError{Field: field, Reason: reason})
	}
}

// addCell appends the value that text stands for, or returns false.
func (d *CSVDecoder) addCell(b *builder, text []byte) bool {
	switch b.Type.Kind {
	case String:
		if !utf8.Valid(text) {
			return false
		}
		b.addBytes(text)
		return true
	case Binary:
		b.addBytes(text)
		return true
	case Bool:
		word := asciiLower(string(text))
		if word != "true" && word != "false" {
			return false
		}
		b.addBool(word == "true")
		return true
	case Int8, Int16, Int32, Int64:
		v, err := strconv.ParseInt(unsafeString(text), 10, 8*b.width)
		if err != nil {
			return false
		}
		b.addInt(v)
		return true
	case Float32, Float64:
		return d.addFloat(b, text)
	case Decimal:
		return b.addDecimalString(text)
	}
	return d.addTime(b, text)
}

// addTime appends a date or a timestamp.
func (d *CSVDecoder) addTime(b *builder, text []byte) bool {
	switch b.Type.Kind {
	case Date:
		return b.addDateText(text, d.opts.DateFormat)
	case TimestampNTZ:
		return b.addWallClock(text, timeText{d.opts.TimestampNTZFormat, d.opts.TimestampUnit}, &d.zones)
	}
	w, ok := timeText{d.opts.TimestampFormat, d.opts.TimestampUnit}.parse(text, &d.zones)
	if !ok {
		return false
	}
	micros, ok := w.instant(d.opts.Location)
	if ok {
		b.addInt64(micros)
	}
	return ok
}

// addDateText appends the day that text stands for by pattern, nil for the usual forms, or returns false.
func (b *builder) addDateText(text []byte, pattern *TimePattern) bool {
	var days int64
	var ok bool
	if pattern != nil {
		var w wallClock
		w, ok = pattern.parse(text, nil)
		days = floorDiv(w.seconds, secondsPerDay)
	} else {
		days, ok = parseDate(text)
	}
	if ok {
		b.addInt(days)
	}
	return ok
}

// addWallClock appends a time without zone; one that was written with a zone is none.
func (b *builder) addWallClock(text []byte, how timeText, zones *zoneCache) bool {
	w, ok := how.parse(text, zones)
	if !ok || w.zoned {
		return false
	}
	micros, ok := w.instant(nil)
	if ok {
		b.addInt64(micros)
	}
	return ok
}

func (d *CSVDecoder) addFloat(b *builder, text []byte) bool {
	text = bytes.TrimSpace(text) // as Java does it
	var f float64
	switch string(text) {
	case d.opts.NaN:
		f = math.NaN()
	case d.opts.PositiveInf:
		f = math.Inf(1)
	case d.opts.NegativeInf:
		f = math.Inf(-1)
	default:
		var ok bool
		if f, ok = floatCell(text, 8*b.width); !ok {
			return false
		}
	}
	if b.width == 4 {
		b.addFloat32(float32(f))
	} else {
		b.addFloat64(f)
	}
	return true
}

// floatCell reads a decimal number or one of the names of numbers.
func floatCell(text []byte, bits int) (float64, bool) {
	if f, named := namedFloat(text); named {
		return f, true
	}
	if num, end, err := scanNumber(text, 0); err == nil && end == len(text) && bits == 64 {
		if f, ok := num.float64(); ok {
			return f, true
		}
	}
	f, err := strconv.ParseFloat(unsafeString(text), bits)
	return f, err == nil && !strings.ContainsAny(unsafeString(text), "_xXpPiInN")
}

// addDecimalString appends the decimal that text stands for: as in Spark commas may part its thousands, and a sign and
// a bare point may stand in it.
func (b *builder) addDecimalString(text []byte) bool {
	text, ok := plainDecimal(text)
	if !ok {
		return false
	}
	v, ok := parseDecimal(text, b.Type.Precision, b.Type.Scale)
	if ok {
		b.addDecimal(v)
	}
	return ok
}

// plainDecimal brings what java.math.BigDecimal reads, and commas, into the form of JSON's numbers.
func plainDecimal(text []byte) (plain []byte, ok bool) {
	if _, end, err := scanNumber(text, 0); err == nil && end == len(text) {
		return text, true
	}
	if len(text) > 1000 {
		return nil, false
	}
	digits := 0
	for i, c := range text {
		switch {
		case c == ',' || c == '+' && i == 0:
			continue
		case c-'0' <= 9:
			if digits++; digits == 2 && plain[len(plain)-1] == '0' && (len(plain) == 1 || plain[0] == '-' && len(plain) == 2) {
				plain, digits = plain[:len(plain)-1], 1 // a leading zero
			}
		case c == '.':
			if digits == 0 && (i+1 == len(text) || text[i+1]-'0' > 9) {
				return nil, false
			}
			if digits == 0 {
				plain = append(plain, '0')
			}
			digits = 3
			if i+1 == len(text) || text[i+1]-'0' > 9 {
				continue // a point without a fraction
			}
		}
		plain = append(plain, c)
	}
	_, end, err := scanNumber(plain, 0)
	return plain, err == nil && end == len(plain)
}
