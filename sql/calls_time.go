package sql

import (
	"fmt"
	"strings"
)

// mysqlFormat writes the codes of date_format and date_parse (MySQL's) as strftime's.
func mysqlFormat(f string) (string, error) {
	codes := map[byte]string{'a': "%a", 'b': "%b", 'c': "%-m", 'd': "%d", 'e': "%-d", 'f': "%f", 'H': "%H", 'h': "%I",
		'I': "%I", 'i': "%M", 'j': "%j", 'k': "%-H", 'l': "%-I", 'M': "%B", 'm': "%m", 'p': "%p", 'r': "%I:%M:%S %p",
		'S': "%S", 's': "%S", 'T': "%H:%M:%S", 'v': "%V", 'W': "%A", 'x': "%G", 'Y': "%Y", 'y': "%y", '%': "%%"}
	var b strings.Builder
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b.WriteByte(f[i])
			continue
		}
		if i++; i == len(f) {
			return "", fmt.Errorf("Invalid format: ends with %%")
		}
		code, ok := codes[f[i]]
		if !ok {
			return "", fmt.Errorf("%%%c not supported in date format string", f[i])
		}
		b.WriteString(code)
	}
	return b.String(), nil
}

// jodaFormat writes the patterns of format_datetime and parse_datetime (Joda's) as strftime's.
func jodaFormat(f string) (string, error) {
	patterns := map[string]string{"yyyy": "%Y", "y": "%Y", "YYYY": "%Y", "yy": "%y", "xxxx": "%G", "M": "%-m", "MM": "%m", "MMM": "%b",
		"MMMM": "%B", "d": "%-d", "dd": "%d", "D": "%-j", "DDD": "%j", "E": "%a", "EEE": "%a", "EEEE": "%A", "e": "%u",
		"H": "%-H", "HH": "%H", "h": "%-I", "hh": "%I", "m": "%-M", "mm": "%M", "s": "%-S", "ss": "%S", "SSS": "%g",
		"SSSSSS": "%f", "a": "%p", "Z": "%z", "ZZ": "%z", "w": "%-V", "ww": "%V"}
	var b strings.Builder
	for i := 0; i < len(f); {
		c := f[i]
		switch {
		case c == '\'':
			end := strings.IndexByte(f[i+1:], '\'')
			if end < 0 {
				return "", fmt.Errorf("Invalid pattern: %s", f)
			}
			if end == 0 {
				b.WriteByte('\'')
			}
			b.WriteString(strings.ReplaceAll(f[i+1:i+1+end], "%", "%%"))
			i += end + 2
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(f) && f[i+n] == c {
				n++
			}
			code, ok := patterns[f[i:i+n]]
			if !ok {
				return "", fmt.Errorf("Illegal pattern component: %s", f[i:i+n])
			}
			b.WriteString(code)
			i += n
		case c == '%':
			b.WriteString("%%")
			i++
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), nil
}

// timeFormat reads the literal format of a call and translates it.
func (a *analyzer) timeFormat(c *Call) (string, bool) {
	f, ok := a.constText(c, 1)
	if !ok {
		return "", false
	}
	translate := mysqlFormat
	if strings.HasSuffix(c.Name, "_datetime") {
		translate = jodaFormat
	} else if a.opts.Windows && !strings.Contains(f, "%") {
		a.failf("INVALID_FUNCTION_ARGUMENT", c.Args[1].Position(), "the format '%s' of %s has none of MySQL's codes, such as %%Y; "+
			"format_datetime and parse_datetime take Java's", f, c.Name)
		return "", false
	}
	out, err := translate(f)
	if err != nil {
		a.failf("INVALID_FUNCTION_ARGUMENT", c.Args[1].Position(), "%s", err)
		return "", false
	}
	return out, true
}

func (a *analyzer) parseTimeCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 2) {
		return c, Type{}
	}
	f, ok := a.timeFormat(c)
	if !ok {
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	if !accepts('t', t) {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s, varchar) for function %s", t, c.Name)
	}
	args := []Expr{x, &String{Value: f}}
	if c.Name == "parse_datetime" {
		return &template{text: "CAST(strptime($1, $2) AS TIMESTAMPTZ)", args: args}, Type{Name: "timestamp with time zone"}
	}
	return &template{text: "CAST(strptime($1, $2) AS TIMESTAMP)", args: args}, Type{Name: "timestamp"}
}

func (a *analyzer) formatTimeCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 2) {
		return c, Type{}
	}
	f, ok := a.timeFormat(c)
	if !ok {
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	if !accepts('d', t) {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s, varchar) for function %s", t, c.Name)
	}
	return &template{text: "strftime(CAST($1 AS TIMESTAMP), $2)", args: []Expr{x, &String{Value: f}}}, Type{Name: "varchar"}
}

var timeUnits = map[string]bool{"millisecond": true, "second": true, "minute": true, "hour": true, "day": true, "week": true,
	"month": true, "quarter": true, "year": true}

func (a *analyzer) timeUnit(c *Call) (string, bool) {
	u, ok := a.constText(c, 0)
	if !ok {
		return "", false
	}
	u = strings.ToLower(u)
	if !timeUnits[u] {
		a.failf("INVALID_FUNCTION_ARGUMENT", c.Args[0].Position(), "'%s' is not a valid TIMESTAMP field", u)
	}
	return u, timeUnits[u]
}

func (a *analyzer) dateTruncCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 2, 2) {
		return c, Type{}
	}
	unit, ok := a.timeUnit(c)
	if !ok {
		return c, Type{}
	}
	x, t := a.expr(c.Args[1], sc)
	if !accepts('d', t) {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (varchar, %s) for function date_trunc", t)
	}
	text := "date_trunc($1, $2)"
	if t.Name == "date" {
		text = "CAST(date_trunc($1, $2) AS DATE)"
	}
	return &template{text: text, args: []Expr{&String{Value: unit}, x}}, t
}

// dateUnitCall rewrites date_add(unit, n, x) and date_diff(unit, a, b). The latter counts full units, as DuckDB's
// date_sub does and its date_diff does not.
func (a *analyzer) dateUnitCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 3, 3) {
		return c, Type{}
	}
	unit, ok := a.timeUnit(c)
	if !ok {
		return c, Type{}
	}
	xs, ts := a.exprs(c.Args[1:], sc)
	if !accepts('d', ts[1]) || c.Name == "date_add" && !accepts('i', ts[0]) || c.Name == "date_diff" && !accepts('d', ts[0]) {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (varchar, %s) for function %s", typeList(ts), c.Name)
	}
	if c.Name == "date_diff" {
		return &template{text: "date_sub('" + unit + "', CAST($1 AS TIMESTAMP), CAST($2 AS TIMESTAMP))", args: xs}, Type{Name: "bigint"}
	}
	maker := map[string]string{"quarter": "to_months(CAST(3 * $1 AS INTEGER))", "week": "to_weeks(CAST($1 AS INTEGER))",
		"millisecond": "to_milliseconds($1)", "second": "to_seconds($1)", "minute": "to_minutes($1)", "hour": "to_hours($1)"}[unit]
	if maker == "" {
		maker = "to_" + unit + "s(CAST($1 AS INTEGER))"
	}
	text := "$2 + " + maker
	if ts[1].Name == "date" {
		text = "CAST(" + text + " AS DATE)"
	}
	return &template{text: text, args: xs}, ts[1]
}

func (a *analyzer) isoCall(c *Call, sc *scope) (Expr, Type) {
	if !a.arity(c, 1, 1) {
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	text := "strftime($1, '%Y-%m-%dT%H:%M:%S.%g')"
	switch t.Name {
	case "date":
		text = "strftime($1, '%Y-%m-%d')"
	case "timestamp with time zone":
		text = "strftime(timezone('UTC', $1), '%Y-%m-%dT%H:%M:%S.%gZ')"
	}
	return &template{text: text, args: []Expr{x}}, Type{Name: "varchar"}
}
