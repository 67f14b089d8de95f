package delta

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weir-data/weir/columnar"
)

// ParsePartition reads a partition value, written as the protocol's section "Partition Value Serialization" says, as
// a value of type t: bool, int64 (the integer kinds), float64 (the floating kinds), string (String and Decimal), []byte,
// or time.Time in UTC (Date, Timestamp, TimestampNTZ). Null and, but for strings, empty text give nil.
func ParsePartition(t columnar.Type, text *string) (any, error) {
	if text == nil || *text == "" {
		return nil, nil
	}
	v, err := parsePartition(t, *text)
	if err != nil {
		return nil, fmt.Errorf("%w: partition value %.100q is no %s: %w", ErrInvalid, *text, t, err)
	}
	return v, nil
}

func parsePartition(t columnar.Type, s string) (any, error) {
	switch t.Kind {
	case columnar.Bool:
		switch strings.ToLower(s) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("neither true nor false")
	case columnar.Int8:
		return strconv.ParseInt(s, 10, 8)
	case columnar.Int16:
		return strconv.ParseInt(s, 10, 16)
	case columnar.Int32:
		return strconv.ParseInt(s, 10, 32)
	case columnar.Int64:
		return strconv.ParseInt(s, 10, 64)
	case columnar.Float32:
		return strconv.ParseFloat(s, 32)
	case columnar.Float64:
		return strconv.ParseFloat(s, 64)
	case columnar.String:
		return s, nil
	case columnar.Binary:
		return parseBinary(s)
	case columnar.Date:
		return time.Parse(time.DateOnly, s)
	case columnar.Timestamp, columnar.TimestampNTZ:
		return ParseTimestamp(s)
	case columnar.Decimal:
		return parseDecimal(t, s)
	}
	return nil, fmt.Errorf("a column of this type cannot be a partition column")
}

// parseBinary reads bytes that were written as text: as Spark does it their UTF-8, as delta-rs does it each byte as an
// escape of the form \u00ff.
func parseBinary(s string) ([]byte, error) {
	if b, ok := unescapeBytes(s); ok {
		return b, nil
	}
	return []byte(s), nil
}

// unescapeBytes reads text that is escapes of bytes only.
func unescapeBytes(s string) ([]byte, bool) {
	const form = `\u00ff`
	if len(s)%len(form) != 0 {
		return nil, false
	}
	b := make([]byte, 0, len(s)/len(form))
	for ; s != ""; s = s[len(form):] {
		hi, lo := unhex(s[4]), unhex(s[5])
		if s[:4] != form[:4] || hi < 0 || lo < 0 {
			return nil, false
		}
		b = append(b, byte(hi<<4|lo))
	}
	return b, true
}

// formatBinary writes bytes as Spark does it, and in escapes those that no reader would get back from that.
func formatBinary(b []byte) string {
	if _, odd := unescapeBytes(string(b)); utf8.Valid(b) && !odd {
		return string(b)
	}
	var out strings.Builder
	for _, c := range b {
		fmt.Fprintf(&out, `\u%04X`, c)
	}
	return out.String()
}

// parseDecimal checks text against the type and returns it with exactly t.Scale digits after the point.
func parseDecimal(t columnar.Type, s string) (string, error) {
	if len(s) > 100 {
		return "", fmt.Errorf("%d characters", len(s))
	}
	if _, exp, ok := strings.Cut(strings.ToLower(s), "e"); ok {
		if n, err := strconv.Atoi(exp); err != nil || n < -100 || n > 100 {
			return "", fmt.Errorf("exponent out of range")
		}
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok || strings.ContainsAny(s, "/_xXpP") {
		return "", fmt.Errorf("not a decimal number")
	}
	text := r.FloatString(t.Scale)
	if back, _ := new(big.Rat).SetString(text); back.Cmp(r) != 0 {
		return "", fmt.Errorf("more than %d digits after the point", t.Scale)
	}
	limit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Precision-t.Scale)), nil))
	if new(big.Rat).Abs(r).Cmp(limit) >= 0 {
		return "", fmt.Errorf("more than %d digits before the point", t.Precision-t.Scale)
	}
	return text, nil
}

// timestampLayouts are the forms of a timestamp in partition values and statistics.
var timestampLayouts = []string{
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	time.DateOnly,
	"2006-01-02 15:04",
}

// ParseTimestamp reads a timestamp as engines write it into partition values and statistics. One without a zone is
// taken as UTC; the result is in UTC.
func ParseTimestamp(s string) (time.Time, error) {
	for _, layout := range timestampLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.50q is not of the form 2006-01-02 15:04:05.999999", s)
}

// FormatPartition writes a value as a partition value of type t; nil and the empty string give null. It takes what
// ParsePartition returns, any integer type, and text in the form that ParsePartition reads.
func FormatPartition(t columnar.Type, v any) (*string, error) {
	text, err := formatPartition(t, v)
	if err != nil || text == "" {
		return nil, err
	}
	back, err := ParsePartition(t, &text)
	if err != nil || back == nil {
		return nil, err
	}
	return &text, nil
}

func formatPartition(t columnar.Type, v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case int8, int16, int32, int64, uint8, uint16, uint32:
		return fmt.Sprint(v), nil
	case float32:
		return formatFloat(float64(v), 32), nil
	case float64:
		return formatFloat(v, 64), nil
	case string:
		return formatText(t, v)
	case []byte:
		return formatBinary(v), nil
	case time.Time:
		if t.Kind == columnar.Date {
			return v.UTC().Format(time.DateOnly), nil
		}
		return v.UTC().Format("2006-01-02 15:04:05.999999"), nil
	}
	return "", fmt.Errorf("%w: partition value of Go type %T", ErrInvalid, v)
}

// formatText brings text into the one form in which its type is written.
func formatText(t columnar.Type, s string) (string, error) {
	switch t.Kind {
	case columnar.Decimal, columnar.Timestamp, columnar.TimestampNTZ, columnar.Date, columnar.Bool:
		v, err := ParsePartition(t, &s)
		if err != nil || v == nil {
			return "", err
		}
		if text, ok := v.(string); ok {
			return text, nil
		}
		return formatPartition(t, v)
	}
	return s, nil
}

func formatFloat(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	s := strconv.FormatFloat(f, 'g', -1, bits)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}
