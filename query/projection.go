package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

// projectionMax bounds the partitions that a projection may yield for one query.
const projectionMax = 1_000_000

// projectedFolders works out the partitions of a table with partition projection: nothing is looked up, and partitions
// that were registered are ignored.
func projectedFolders(t catalog.Table, pr prune, types map[string]sql.Type, now time.Time) ([]folder, error) {
	combos := []map[string]*string{{}}
	for _, k := range t.PartitionKeys {
		name := strings.ToLower(k.Name)
		values, err := projectedValues(t.Parameters, name, pr, now)
		if err != nil {
			return nil, &sql.Error{Code: "HIVE_METASTORE_ERROR", Msg: fmt.Sprintf("table %s.%s: %s", t.Database, t.Name, err)}
		}
		var next []map[string]*string
		for _, c := range combos {
			for i := range values {
				if !pr.keepsValue(name, types[name], &values[i]) {
					continue
				}
				m := map[string]*string{name: &values[i]}
				for k, v := range c {
					m[k] = v
				}
				if next = append(next, m); len(next) > projectionMax {
					return nil, &sql.Error{Code: "EXCEEDED_LIMIT", Msg: fmt.Sprintf("partition projection yields more than %d partitions", projectionMax)}
				}
			}
		}
		combos = next
	}
	out := make([]folder, 0, len(combos))
	for _, values := range combos {
		bucket, prefix, err := location(projectedLocation(t, values))
		if err != nil {
			return nil, &sql.Error{Code: "HIVE_METASTORE_ERROR", Msg: err.Error()}
		}
		out = append(out, folder{bucket, prefix, values})
	}
	return out, nil
}

func projectedLocation(t catalog.Table, values map[string]*string) string {
	if template := t.Parameters["storage.location.template"]; template != "" {
		for name, v := range values {
			template = strings.ReplaceAll(template, "${"+name+"}", *v)
		}
		return template
	}
	list := make([]string, len(t.PartitionKeys))
	for i, k := range t.PartitionKeys {
		list[i] = *values[strings.ToLower(k.Name)]
	}
	return strings.TrimSuffix(t.Storage.Location, "/") + "/" + hivePath(t.PartitionKeys, list)
}

// projectedValues are the values that one key can have.
func projectedValues(params map[string]string, key string, pr prune, now time.Time) ([]string, error) {
	get := func(what string) string { return strings.TrimSpace(params["projection."+key+"."+what]) }
	switch kind := strings.ToLower(get("type")); kind {
	case "enum":
		if get("values") == "" {
			return nil, fmt.Errorf("projection.%s.values is missing", key)
		}
		values := strings.Split(get("values"), ",")
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
		return values, nil
	case "integer":
		return integerValues(key, get("range"), get("interval"), get("digits"), pr[key])
	case "date":
		return dateValues(key, get("range"), get("format"), get("interval"), get("interval.unit"), now)
	case "injected":
		return injectedValues(key, pr)
	case "":
		return nil, fmt.Errorf("projection.%s.type is missing", key)
	default:
		return nil, fmt.Errorf("projection.%s.type %q is none of enum, integer, date, injected", key, kind)
	}
}

func injectedValues(key string, pr prune) ([]string, error) {
	for _, p := range pr[key] {
		if p.Op == "=" || p.Op == "IN" {
			var out []string
			for _, v := range p.Values {
				out = append(out, v.Text)
			}
			return out, nil
		}
	}
	return nil, fmt.Errorf("For the injected projected partition column %s, the WHERE clause must contain only static equality conditions, and at least one such condition must be present", key)
}

func integerValues(key, span, interval, digits string, ps []sql.Predicate) ([]string, error) {
	from, to, ok := strings.Cut(span, ",")
	low, err1 := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
	high, err2 := strconv.ParseInt(strings.TrimSpace(to), 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return nil, fmt.Errorf("projection.%s.range %q is not of the form low,high", key, span)
	}
	step := int64(1)
	if interval != "" {
		if step, err1 = strconv.ParseInt(interval, 10, 64); err1 != nil || step < 1 {
			return nil, fmt.Errorf("projection.%s.interval %q is not a positive number", key, interval)
		}
	}
	width := 0
	if digits != "" {
		if width, err1 = strconv.Atoi(digits); err1 != nil || width < 1 || width > 18 {
			return nil, fmt.Errorf("projection.%s.digits %q is not a number from 1 to 18", key, digits)
		}
	}
	values, ok := namedIntegers(ps, low, high, step)
	if !ok {
		if high >= low && uint64(high-low)/uint64(step) >= projectionMax {
			return nil, fmt.Errorf("projection.%s.range yields more than %d values; say which in WHERE with = or IN", key, projectionMax)
		}
		for v := low; v <= high; v += step {
			if values = append(values, v); v > high-step { // the next step may overflow
				break
			}
		}
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprintf("%0*d", width, v)
	}
	return out, nil
}

// namedIntegers are the values that the query itself names, as far as the range has them; ok is false if it names none.
func namedIntegers(ps []sql.Predicate, low, high, step int64) (values []int64, ok bool) {
	for _, p := range ps {
		if p.Op != "=" && p.Op != "IN" {
			continue
		}
		for _, lit := range p.Values {
			v, err := strconv.ParseInt(strings.TrimSpace(lit.Text), 10, 64)
			if err == nil && v >= low && v <= high && uint64(v-low)%uint64(step) == 0 && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		return values, true
	}
	return nil, false
}

func dateValues(key, span, format, interval, unit string, now time.Time) ([]string, error) {
	layout, err := javaLayout(format)
	if err != nil {
		return nil, fmt.Errorf("projection.%s.format: %w", key, err)
	}
	from, to, ok := strings.Cut(span, ",")
	if !ok {
		return nil, fmt.Errorf("projection.%s.range %q is not of the form from,to", key, span)
	}
	low, err := projectedTime(from, layout, now)
	if err != nil {
		return nil, fmt.Errorf("projection.%s.range: %w", key, err)
	}
	high, err := projectedTime(to, layout, now)
	if err != nil {
		return nil, fmt.Errorf("projection.%s.range: %w", key, err)
	}
	step := 1
	if interval != "" {
		if step, err = strconv.Atoi(interval); err != nil || step < 1 {
			return nil, fmt.Errorf("projection.%s.interval %q is not a positive number", key, interval)
		}
	}
	if unit == "" {
		unit = defaultUnit(layout)
	}
	var out []string
	for i := 0; ; i++ {
		at, err := addUnits(low, i*step, unit)
		if err != nil {
			return nil, fmt.Errorf("projection.%s.interval.unit: %w", key, err)
		}
		if at.After(high) {
			return out, nil
		}
		if s := at.Format(layout); len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
		if len(out) > projectionMax {
			return nil, fmt.Errorf("projection.%s.range yields more than %d values", key, projectionMax)
		}
	}
}

// defaultUnit is the finest unit that the format shows.
func defaultUnit(layout string) string {
	switch {
	case strings.Contains(layout, "05"):
		return "SECONDS"
	case strings.Contains(layout, "04"):
		return "MINUTES"
	case strings.Contains(layout, "15"):
		return "HOURS"
	case strings.Contains(layout, "02"):
		return "DAYS"
	case strings.Contains(layout, "01"):
		return "MONTHS"
	}
	return "YEARS"
}

// projectedTime reads an end of a range: a time in the format, or NOW with an offset such as NOW-3YEARS.
func projectedTime(s, layout string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	rest, ok := strings.CutPrefix(strings.ToUpper(s), "NOW")
	if !ok {
		t, err := time.Parse(layout, s)
		if err != nil {
			return t, fmt.Errorf("%q is not in the format", s)
		}
		return t, nil
	}
	now, err := time.Parse(layout, now.UTC().Format(layout)) // cut to what the format shows
	if err != nil || strings.TrimSpace(rest) == "" {
		return now, err
	}
	rest = strings.ReplaceAll(rest, " ", "")
	digits := strings.TrimLeft(rest[1:], "0123456789")
	n, err := strconv.Atoi(rest[:len(rest)-len(digits)])
	if err != nil || rest[0] != '+' && rest[0] != '-' {
		return now, fmt.Errorf("%q is not NOW, NOW-n UNIT or NOW+n UNIT", s)
	}
	return addUnits(now, n, digits)
}

func addUnits(t time.Time, n int, unit string) (time.Time, error) {
	switch strings.TrimSuffix(strings.ToUpper(unit), "S") {
	case "YEAR":
		return t.AddDate(n, 0, 0), nil
	case "MONTH":
		return t.AddDate(0, n, 0), nil
	case "WEEK":
		return t.AddDate(0, 0, 7*n), nil
	case "DAY":
		return t.AddDate(0, 0, n), nil
	case "HOUR":
		return t.Add(time.Duration(n) * time.Hour), nil
	case "MINUTE":
		return t.Add(time.Duration(n) * time.Minute), nil
	case "SECOND":
		return t.Add(time.Duration(n) * time.Second), nil
	}
	return t, fmt.Errorf("%q is not a unit of time", unit)
}

// javaLayout turns a DateTimeFormatter pattern into Go's layout.
func javaLayout(pattern string) (string, error) {
	if pattern == "" {
		return "", fmt.Errorf("is missing")
	}
	codes := map[string]string{"yyyy": "2006", "yy": "06", "MM": "01", "M": "1", "MMM": "Jan", "dd": "02", "d": "2", "HH": "15", "mm": "04", "ss": "05"}
	var b strings.Builder
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			end := strings.IndexByte(pattern[i+1:], '\'')
			if end < 0 {
				return "", fmt.Errorf("%q has an open quote", pattern)
			}
			b.WriteString(pattern[i+1 : i+1+end])
			i += end + 2
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(pattern) && pattern[i+n] == c {
				n++
			}
			code, ok := codes[pattern[i:i+n]]
			if !ok {
				return "", fmt.Errorf("%q: %s is not supported", pattern, pattern[i:i+n])
			}
			b.WriteString(code)
			i += n
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), nil
}
