package columnar

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unsafe"
)

// value reads the value at p into n, one row whatever it is.
func (d *JSONDecoder) value(n *node, b []byte, p, depth int) (int, error) {
	if p >= len(b) {
		return p, errTail
	}
	switch n.kind { // first what most values are
	case Float64:
		if mant, decimals, end, ok := shortNumber(b, p); ok {
			n.addFloat64(float64(mant) / pow10[decimals])
			return end, nil
		}
	case String:
		if b[p] == '"' {
			if end := plainEnd(b, p+1); end < len(b) && b[end] == '"' {
				n.addShort(b, p+1, end)
				return end + 1, nil
			}
		} else if _, _, end, ok := shortNumber(b, p); ok {
			n.addShort(b, p, end)
			return end, nil
		}
	}
	switch c := b[p]; {
	case c == 'n':
		n.addNull()
		return scanLiteral(b, p)
	case c == 'N' || c == 'I' || c == '+' || c == '-' && signsName(b, p):
		return d.namedValue(n, b, p)
	}
	switch n.kind {
	case Float64:
		return d.float64Value(n, b, p, depth)
	case Int8, Int16, Int32, Int64:
		return d.intValue(n, b, p, depth)
	case String:
		return d.stringValue(n, b, p, depth)
	case Timestamp:
		return d.timestampValue(n, b, p, depth)
	case Struct:
		return d.structValue(n, b, p, depth)
	case List:
		return d.listValue(n, b, p, depth)
	case Map:
		return d.mapValue(n, b, p, depth)
	}
	return d.rareValue(n, b, p, depth)
}

// rareValue reads the kinds that are not worth a fast path.
func (d *JSONDecoder) rareValue(n *node, b []byte, p, depth int) (int, error) {
	end, err := skipValue(b, p, depth)
	if err != nil {
		return end, err
	}
	raw := b[p:end]
	var ok bool
	switch n.kind {
	case Bool:
		ok = d.addBoolText(n, raw)
	case Float32:
		ok = d.addFloat32Text(n, raw)
	case Date:
		ok = raw[0] == '"' && n.addDateText(d.unquote(raw), d.opts.DateFormat)
	case TimestampNTZ:
		ok = d.addWallClock(n, raw)
	case Decimal:
		ok = (raw[0] == '"' || raw[0] == '-' || raw[0]-'0' <= 9) && n.addDecimalString(d.unquote(raw))
	case Binary:
		ok = d.addBase64(n, raw)
	}
	if !ok {
		d.misfit(n, raw)
	}
	return end, nil
}

// misfit adds null in place of the value raw and lists it.
func (d *JSONDecoder) misfit(n *node, raw []byte) {
	n.addNull()
	if d.rescued != nil {
		d.unplaced.misfits = append(d.unplaced.misfits, d.recordCap-cap(raw)) // raw is a part of the record
		return
	}
	if len(d.bad) < badMax {
		d.bad = append(d.bad, FieldError{Field: n.path, Reason: fmt.Sprintf("%s is not of type %s", clip(string(raw[:min(len(raw), 120)]), 100), n.Type)})
	}
}

// skipMisfit is misfit for the value at p, which is read only now.
func (d *JSONDecoder) skipMisfit(n *node, b []byte, p, depth int) (int, error) {
	end, err := skipValue(b, p, depth)
	if err != nil {
		return end, err
	}
	d.misfit(n, b[p:end])
	return end, nil
}

// unquote returns the text of a string value that was checked, or raw itself if it is none. The result is valid
// until the next call.
func (d *JSONDecoder) unquote(raw []byte) []byte {
	if raw[0] != '"' {
		return raw
	}
	raw = raw[1 : len(raw)-1]
	if slices.Contains(raw, '\\') {
		d.text = appendUnescaped(d.text[:0], raw)
		return d.text
	}
	return raw
}

func (d *JSONDecoder) float64Value(n *node, b []byte, p, depth int) (int, error) {
	if b[p] != '-' && b[p]-'0' > 9 {
		return d.numberText(n, b, p, depth)
	}
	num, end, err := scanNumber(b, p)
	if err != nil {
		return end, err
	}
	f, ok := num.float64()
	if !ok {
		if f, err = strconv.ParseFloat(unsafeString(b[p:end]), 64); err != nil {
			d.misfit(n, b[p:end])
			return end, nil
		}
	}
	n.addFloat64(f)
	return end, nil
}

func (d *JSONDecoder) intValue(n *node, b []byte, p, depth int) (int, error) {
	if mant, decimals, end, ok := shortNumber(b, p); ok && decimals == 0 && n.width >= 4 {
		n.addInt(int64(mant))
		return end, nil
	}
	if b[p] != '-' && b[p]-'0' > 9 {
		return d.numberText(n, b, p, depth)
	}
	num, end, err := scanNumber(b, p)
	if err != nil {
		return end, err
	}
	v, ok := num.int64(d.opts.Coerce)
	if !ok || !fitsWidth(v, n.width) {
		d.misfit(n, b[p:end])
		return end, nil
	}
	n.addInt(v)
	return end, nil
}

// numberText reads a value that is no number into an integer or Float64 column.
func (d *JSONDecoder) numberText(n *node, b []byte, p, depth int) (int, error) {
	end, err := skipValue(b, p, depth)
	if err != nil {
		return end, err
	}
	raw := b[p:end]
	if raw[0] == '"' {
		text := d.unquote(raw)
		if f, ok := d.namedFloat(text); ok && n.kind == Float64 {
			n.addFloat64(f)
			return end, nil
		}
		if num, stop, err := scanNumber(text, 0); d.opts.Coerce && err == nil && stop == len(text) {
			if n.kind == Float64 {
				if f, err := strconv.ParseFloat(string(text), 64); err == nil {
					n.addFloat64(f)
					return end, nil
				}
			} else if v, ok := num.int64(true); ok && fitsWidth(v, n.width) {
				n.addInt(v)
				return end, nil
			}
		}
	}
	d.misfit(n, raw)
	return end, nil
}

// pow10 are the powers of ten that a float64 holds exactly.
var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// float64 is the nearest float if one exact operation gives it.
func (n number) float64() (f float64, ok bool) {
	if n.long || n.mant > 1<<53 || n.exp < -22 || n.exp > 22 {
		return 0, false
	}
	f = float64(n.mant)
	if n.exp < 0 {
		f /= pow10[-n.exp]
	} else {
		f *= pow10[n.exp]
	}
	if n.neg {
		f = -f
	}
	return f, true
}

// int64 is the value of a whole number; with zeros a fraction of zeros is allowed.
func (n number) int64(zeros bool) (v int64, ok bool) {
	if zeros && !n.whole && !n.long && n.exp < 0 && n.exp > -mantDigits {
		for n.exp < 0 && n.mant%10 == 0 {
			n.mant /= 10
			n.exp++
		}
		n.whole = n.exp == 0
	}
	if !n.whole || n.long {
		return 0, false
	}
	if n.neg {
		return int64(-n.mant), n.mant <= 1<<63
	}
	return int64(n.mant), n.mant < 1<<63
}

func fitsWidth(v int64, width int) bool {
	shift := 64 - 8*width
	return v<<shift>>shift == v
}

// namedValue reads NaN or an infinity written without quotes, as Python's json.dumps does.
func (d *JSONDecoder) namedValue(n *node, b []byte, p int) (int, error) {
	if d.opts.NoNamedNumbers {
		return p, syntaxAt(b, p, "a value")
	}
	end, err := scanNamed(b, p)
	if err != nil {
		return end, err
	}
	f, _ := namedFloat(b[p:end])
	switch n.kind {
	case Float64:
		n.addFloat64(f)
	case Float32:
		n.addFloat32(float32(f))
	case String:
		n.addBytes(b[p:end])
	default:
		d.misfit(n, b[p:end])
	}
	return end, nil
}

func (d *JSONDecoder) namedFloat(text []byte) (float64, bool) {
	if d.opts.NoNamedNumbers {
		return 0, false
	}
	return namedFloat(text)
}

// namedFloat is the value of a name that Spark's allowNonNumericNumbers takes, quoted or not.
func namedFloat(text []byte) (float64, bool) {
	switch string(text) {
	case "NaN":
		return math.NaN(), true
	case "Infinity", "+Infinity", "+INF":
		return math.Inf(1), true
	case "-Infinity", "-INF":
		return math.Inf(-1), true
	}
	return 0, false
}

func (d *JSONDecoder) addFloat32Text(n *node, raw []byte) bool {
	text := d.unquote(raw)
	if raw[0] == '"' {
		if f, ok := d.namedFloat(text); ok {
			n.addFloat32(float32(f))
			return true
		}
		if _, end, err := scanNumber(text, 0); !d.opts.Coerce || err != nil || end != len(text) {
			return false
		}
	}
	f, err := strconv.ParseFloat(string(text), 32)
	if err != nil {
		return false
	}
	n.addFloat32(float32(f))
	return true
}

func (d *JSONDecoder) addBoolText(n *node, raw []byte) bool {
	if d.opts.Coerce && raw[0] == '"' {
		raw = []byte(asciiLower(string(d.unquote(raw))))
	}
	switch string(raw) {
	case "true", "false":
		n.addBool(raw[0] == 't')
		return true
	}
	return false
}

func (d *JSONDecoder) addBase64(n *node, raw []byte) bool {
	if raw[0] != '"' {
		return false
	}
	data, err := base64.StdEncoding.AppendDecode(n.Data, d.unquote(raw))
	if err != nil {
		return false
	}
	n.Data = data
	n.endBytes()
	return true
}

func (d *JSONDecoder) stringValue(n *node, b []byte, p, depth int) (int, error) {
	if b[p] == '"' {
		end, escaped, err := scanString(b, p+1)
		if err != nil {
			return end, err
		}
		if escaped {
			n.Data = appendUnescaped(n.Data, b[p+1:end])
			n.endBytes()
		} else {
			n.addBytes(b[p+1 : end])
		}
		return end + 1, nil
	}
	end, err := skipValue(b, p, depth)
	if err != nil {
		return end, err
	}
	nested := b[p] == '{' || b[p] == '['
	switch {
	case nested && d.opts.NoNestedText:
		d.misfit(n, b[p:end])
	case nested && d.opts.Coerce:
		n.Data = appendCompact(n.Data, b[p:end])
		n.endBytes()
	default:
		n.addBytes(b[p:end])
	}
	return end, nil
}

// unsafeString is b as a string that must not outlive the call it is made for.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
