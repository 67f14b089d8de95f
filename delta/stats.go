package delta

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weir-data/weir/columnar"
)

// Stats of a data file. Min and Max hold values as JSON has them (json.Number, string, bool), by column name, with a
// map[string]any for a struct; NullCount holds json.Number or int64 likewise. Strings may be shortened and timestamps
// rounded, always so that they still bound the values. A column that is missing has no known bound. A writer may also
// give Go's integers and floats, time.Time for dates and timestamps, and the text of a decimal or a timestamp.
type Stats struct {
	NumRecords int64
	Min, Max   map[string]any
	NullCount  map[string]any
	// Loose says that the bounds hold but need not be reached, as after deleting rows with a deletion vector.
	Loose bool
}

// statsCharsMax is the number of characters kept of a string bound; Spark keeps as many.
const statsCharsMax = 32

type statsJSON struct {
	NumRecords  *int64         `json:"numRecords,omitempty"`
	MinValues   map[string]any `json:"minValues,omitempty"`
	MaxValues   map[string]any `json:"maxValues,omitempty"`
	NullCount   map[string]any `json:"nullCount,omitempty"`
	TightBounds *bool          `json:"tightBounds,omitempty"`
}

// ParseStats reads the stats text of an Add. It returns nil for empty text and for statistics without a row count.
func ParseStats(text string) (*Stats, error) {
	if text == "" {
		return nil, nil
	}
	var w statsJSON
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&w); err != nil {
		return nil, fmt.Errorf("%w: statistics %.100q: %w", ErrCorrupt, text, err)
	}
	if w.NumRecords == nil {
		return nil, nil
	}
	if *w.NumRecords < 0 {
		return nil, fmt.Errorf("%w: statistics with %d records", ErrCorrupt, *w.NumRecords)
	}
	s := &Stats{NumRecords: *w.NumRecords, Min: w.MinValues, Max: w.MaxValues, NullCount: w.NullCount}
	s.Loose = w.TightBounds != nil && !*w.TightBounds
	return s, nil
}

// encodeStats writes statistics for the first leaves columns of the schema, partition columns left out; leaves < 0
// means all. What cannot bound a column is left out: NaN, booleans, bytes, values that do not fit the type.
func encodeStats(s *Stats, schema *columnar.Schema, partitionBy []string, leaves int) (string, error) {
	if s == nil {
		return "", nil
	}
	partition := make(map[string]bool, len(partitionBy))
	for _, name := range partitionBy {
		partition[name] = true
	}
	var fields []columnar.Field
	for _, f := range schema.Fields {
		if !partition[f.Name] {
			fields = append(fields, f)
		}
	}
	if leaves < 0 {
		leaves = math.MaxInt
	}
	w := statsJSON{NumRecords: &s.NumRecords}
	left := leaves
	w.MinValues = bounds(fields, s.Min, &left, lowBound)
	left = leaves
	w.MaxValues = bounds(fields, s.Max, &left, highBound)
	left = leaves
	w.NullCount = bounds(fields, s.NullCount, &left, count)
	if s.Loose {
		tight := false
		w.TightBounds = &tight
	}
	text, err := marshalPlain(w)
	if err != nil {
		return "", fmt.Errorf("encode statistics: %w", err)
	}
	return string(text), nil
}

// bounds copies the values of the first *left leaf fields through shape, which says false for one to leave out.
func bounds(fields []columnar.Field, values map[string]any, left *int, shape func(columnar.Type, any) (any, bool)) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		if *left <= 0 {
			break
		}
		v, known := values[f.Name]
		if f.Type.Kind == columnar.Struct {
			inner, _ := v.(map[string]any)
			if nested := bounds(f.Type.Fields, inner, left, shape); len(nested) > 0 {
				out[f.Name] = nested
			}
			continue
		}
		*left--
		if !known || v == nil {
			continue
		}
		if shaped, ok := shape(f.Type, v); ok {
			out[f.Name] = shaped
		}
	}
	return out
}

func count(_ columnar.Type, v any) (any, bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Int64()
		return n, err == nil && n >= 0
	case int64:
		return v, v >= 0
	case int:
		return v, v >= 0
	}
	return nil, false
}

func lowBound(t columnar.Type, v any) (any, bool) { return bound(t, v, false) }

func highBound(t columnar.Type, v any) (any, bool) { return bound(t, v, true) }

// bound writes a value as the lower or the upper bound of a column.
func bound(t columnar.Type, v any, upper bool) (any, bool) {
	switch t.Kind {
	case columnar.Decimal:
		if text, ok := v.(string); ok {
			d, err := parseDecimal(t, text)
			return json.Number(d), err == nil
		}
		return number(v)
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64, columnar.Float32, columnar.Float64:
		return number(v)
	case columnar.String:
		s, ok := v.(string)
		if !ok || !utf8.ValidString(s) {
			return nil, false
		}
		if upper {
			return shortenUp(s)
		}
		return shorten(s), true
	case columnar.Date:
		d, err := FormatPartition(t, v)
		if err != nil || d == nil {
			return nil, false
		}
		return *d, true
	case columnar.Timestamp, columnar.TimestampNTZ:
		return timestampBound(t, v, upper)
	}
	return nil, false
}

// number accepts what JSON can hold: finite numbers.
func number(v any) (any, bool) {
	switch v := v.(type) {
	case json.Number:
		_, err := v.Float64()
		return v, err == nil && json.Valid([]byte(v))
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case float32:
		return v, !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
	case int, int8, int16, int32, int64:
		return v, true
	}
	return nil, false
}

// timestampBound cuts to milliseconds, an upper bound to the next one.
func timestampBound(t columnar.Type, v any, upper bool) (any, bool) {
	var at time.Time
	switch v := v.(type) {
	case time.Time:
		at = v.UTC()
	case string:
		var err error
		if at, err = ParseTimestamp(v); err != nil {
			return nil, false
		}
	default:
		return nil, false
	}
	ms := at.Truncate(time.Millisecond)
	if upper && ms.Before(at) {
		ms = ms.Add(time.Millisecond)
	}
	if y := ms.Year(); y < 1 || y > 9999 {
		return nil, false
	}
	if t.Kind == columnar.TimestampNTZ {
		return ms.Format("2006-01-02T15:04:05.000"), true
	}
	return ms.Format("2006-01-02T15:04:05.000Z"), true
}

// shorten cuts a string to its first characters, which sort before or with it.
func shorten(s string) string {
	return s[:prefixLen(s, statsCharsMax)]
}

// shortenUp cuts a string and adds a character so that the result sorts after everything with that prefix. It is
// false when the string is too long to find such a place.
func shortenUp(s string) (any, bool) {
	n := prefixLen(s, statsCharsMax)
	if n == len(s) {
		return s, true
	}
	for extra := 0; extra < statsCharsMax; extra++ {
		next, size := utf8.DecodeRuneInString(s[n:])
		if next < utf8.MaxRune {
			return s[:n] + string(utf8.MaxRune), true
		}
		if n += size; n == len(s) {
			return s, true
		}
	}
	return nil, false
}

// prefixLen is the length in bytes of the first n characters of s.
func prefixLen(s string, n int) int {
	if len(s) <= n {
		return len(s)
	}
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}
