package sql

import "fmt"

// cast rewrites CAST and TRY_CAST where DuckDB's own cast would answer otherwise.
func (a *analyzer) cast(e *Cast, sc *scope) (Expr, Type) {
	x, from := a.expr(e.X, sc)
	to := e.Type
	if msg := badCast(from, to); msg != "" {
		a.failf("TYPE_MISMATCH", e.Pos, "%s", msg)
		return e, to
	}
	return a.castTo(x, from, to, e.Try), to
}

func badCast(from, to Type) string {
	nested := func(t Type) bool { return t.Name == "array" || t.Name == "map" || t.Name == "row" }
	bad := nested(from) && !nested(to) && to.Name != "json" ||
		nested(to) && !nested(from) && from.Known() && from.Name != "json" && from.Name != "unknown" ||
		from.Name == "varbinary" && to.family() == "text" || from.family() == "text" && to.Name == "varbinary" ||
		from.family() == "number" && (to.family() == "datetime" || to.Name == "time")
	if !bad {
		return ""
	}
	return fmt.Sprintf("Cannot cast %s to %s", from, to)
}

func (a *analyzer) castTo(x Expr, from, to Type, try bool) Expr {
	verb, otherwise := "CAST", a.raise("'INVALID_CAST_ARGUMENT: Cannot cast ''' || $1 || ''' to "+castName(to)+"'")
	if try {
		verb, otherwise = "TRY_CAST", "NULL"
	}
	plain := verb + "($1 AS " + to.DuckDB() + ")"
	t := func(text string) Expr { return &template{text: text, args: []Expr{x}} }
	switch {
	case to.Name == "json":
		if from.Name == "json" {
			return x
		}
		return t("to_json($1)")
	case to.family() == "text":
		return t(textOf(from, to, verb))
	case to.integral() && from.family() == "text":
		return t("CASE WHEN $1 IS NULL THEN NULL WHEN regexp_full_match($1, '[+-]?[0-9]+') THEN " + plain + " ELSE " + otherwise + " END")
	case to.integral() && (from.Name == "double" || from.Name == "real"):
		return t(verb + "(round($1) AS " + to.DuckDB() + ")")
	case from.Name == "json" && (to.family() == "number" || to.Name == "boolean"):
		return t(verb + "(json_extract_string($1, '$') AS " + to.DuckDB() + ")")
	}
	return t(plain)
}

// castName is the type as Trino's cast errors call it.
func castName(t Type) string {
	if t.Name == "integer" {
		return "INT"
	}
	return t.String()
}

// textOf is a value as Trino writes it: times with milliseconds, cut to the length of varchar(n).
func textOf(from, to Type, verb string) string {
	text := verb + "($1 AS VARCHAR)"
	switch from.Name {
	case "timestamp":
		text = "strftime($1, '%Y-%m-%d %H:%M:%S.%g')"
	case "timestamp with time zone":
		text = "strftime(timezone('UTC', $1), '%Y-%m-%d %H:%M:%S.%g') || ' UTC'"
	case "json":
		text = "json_extract_string($1, '$')"
	case "double", "real":
		text = doubleText
	}
	switch {
	case to.Name == "char":
		return fmt.Sprintf("rpad(%s, %d, ' ')", text, max(to.Len, 1))
	case to.Len > 0:
		return fmt.Sprintf("left(%s, %d)", text, to.Len)
	}
	return text
}

// doubleText is a double as text: 1.5, NaN, Infinity; beyond 1e16 with an exponent.
const doubleText = `CASE WHEN isnan(CAST($1 AS DOUBLE)) THEN 'NaN' WHEN isinf(CAST($1 AS DOUBLE)) THEN CASE WHEN $1 > 0 THEN 'Infinity' ELSE '-Infinity' END ` +
	`ELSE replace(upper(CAST($1 AS VARCHAR)), 'E+', 'E') END`

// extract becomes the function of the field.
func (a *analyzer) extract(e *Extract, sc *scope) (Expr, Type) {
	names := map[string]string{"YEAR": "year", "QUARTER": "quarter", "MONTH": "month", "WEEK": "week", "DAY": "day",
		"DAY_OF_MONTH": "day", "DAY_OF_WEEK": "day_of_week", "DOW": "day_of_week", "DAY_OF_YEAR": "day_of_year",
		"DOY": "day_of_year", "YEAR_OF_WEEK": "year_of_week", "YOW": "year_of_week", "HOUR": "hour", "MINUTE": "minute",
		"SECOND": "second"}
	name, ok := names[e.Field]
	if !ok {
		a.failf("", e.Pos, "Invalid EXTRACT field: %s", e.Field)
		return e, Type{}
	}
	return a.call(&Call{node: e.node, Name: name, Args: []Expr{e.X}}, sc)
}
