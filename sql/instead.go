package sql

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
)

// insteadTable lists functions of Spark that the dialect calls otherwise, and what to write. x, y and z stand for the arguments in their
// order.
const insteadTable = `
aggregate             | reduce(x, y, (s, e) -> s + e, s -> s)
any                   | bool_or(x)
approx_count_distinct | approx_distinct(x)
array                 | ARRAY[x, y]
array_contains        | contains(x, y)
array_size            | cardinality(x)
base64                | to_base64(x)
char_length           | length(x)
character_length      | length(x)
collect_list          | array_agg(x)
collect_set           | set_agg(x)
date_sub              | date_add('day', -y, x)
datediff              | date_diff('day', y, x)
dayofmonth            | day_of_month(x)
dayofweek             | day_of_week(x) % 7 + 1
dayofyear             | day_of_year(x)
explode               | CROSS JOIN UNNEST(x) AS t(e)
explode_outer         | LEFT JOIN UNNEST(x) AS t(e) ON true
first                 | arbitrary(x)
forall                | all_match(x, e -> e > 0)
from_json             | json_extract_scalar(x, '$.name')
from_utc_timestamp    | x AT TIME ZONE y
get_json_object       | json_extract_scalar(x, '$.name')
hex                   | to_hex(x)
ifnull                | coalesce(x, y)
iff                   | if(x, y, z)
instr                 | strpos(x, y)
isnan                 | is_nan(x)
isnotnull             | x IS NOT NULL
isnull                | x IS NULL
last                  | max_by(x, ts)
last_day              | last_day_of_month(x)
len                   | length(x)
levenshtein           | levenshtein_distance(x, y)
locate                | strpos(y, x)
map_from_arrays       | MAP(x, y)
mean                  | avg(x)
median                | approx_percentile(x, 0.5)
months_between        | date_diff('month', y, x)
named_struct          | CAST(ROW(y) AS ROW(name bigint))
nvl                   | coalesce(x, y)
nvl2                  | if(x IS NOT NULL, y, z)
parse_url             | url_extract_host(x)
percentile            | approx_percentile(x, 0.5)
percentile_approx     | approx_percentile(x, 0.5)
posexplode            | CROSS JOIN UNNEST(x) WITH ORDINALITY AS t(e, n)
regexp                | regexp_like(x, y)
rlike                 | regexp_like(x, y)
sha2                  | lower(to_hex(sha256(to_utf8(x))))
shiftleft             | bitwise_left_shift(x, y)
shiftright            | bitwise_right_shift(x, y)
size                  | cardinality(x)
some                  | bool_or(x)
std                   | stddev(x)
string                | CAST(x AS varchar)
string_agg            | array_join(array_agg(x), ',')
struct                | CAST(ROW(x) AS ROW(name bigint))
substring_index       | split_part(x, '.', 1)
timestamp_millis      | from_unixtime(x / 1e3)
timestamp_seconds     | from_unixtime(x)
to_date               | CAST(x AS date), or CAST(date_parse(x, '%d.%m.%Y') AS date)
to_json               | json_format(CAST(x AS json))
to_timestamp          | CAST(x AS timestamp), or date_parse(x, '%d.%m.%Y %H:%i')
trunc                 | date_trunc('month', x)
unbase64              | from_base64(x)
unhex                 | from_hex(x)
unix_millis           | CAST(to_unixtime(x) * 1000 AS bigint)
unix_timestamp        | to_unixtime(x)
weekofyear            | week_of_year(x)
`

var instead = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(insteadTable), "\n") {
		name, text, _ := strings.Cut(line, "|")
		out[strings.TrimSpace(name)] = strings.TrimSpace(text)
	}
	return out
})

// notRegistered says that there is no such function; in a pipeline also what to write, as its author may come from Spark.
func (a *analyzer) notRegistered(c *Call) {
	hint := ""
	if a.opts.Windows {
		hint = hintInstead(c.Name)
	}
	a.failf("FUNCTION_NOT_REGISTERED", c.Pos, "Function '%s' not registered%s", c.Name, hint)
}

func hintInstead(name string) string {
	if text := instead()[name]; text != "" {
		return "; write " + text
	}
	if known := nearest(name); known != "" {
		return "; did you mean " + known + "?"
	}
	return ""
}

// CheckRegistered returns an *Error if there is no function of the name that c calls in pipelines.
func CheckRegistered(c *Call) error {
	if _, found, _ := lookup(c.Name, len(c.Args)); found || c.NoParens || special(c.Name) != nil {
		return nil
	}
	return semanticError("FUNCTION_NOT_REGISTERED", c.Pos, "Function '%s' not registered%s", c.Name, hintInstead(c.Name))
}

// typesInstead are Spark's names of types that the dialect calls otherwise.
var typesInstead = map[string]string{"string": "varchar", "long": "bigint", "short": "smallint", "byte": "tinyint", "float": "real",
	"binary": "varbinary", "struct": "row", "timestamp_ntz": "timestamp"}

// clausesInstead are what the dialect has in place of clauses of Spark, by the word at which it does not parse.
var clausesInstead = map[string]string{
	"SEMI": "WHERE EXISTS (SELECT 1 FROM b WHERE …)", "ANTI": "WHERE NOT EXISTS (SELECT 1 FROM b WHERE …)", "VIEW": "CROSS JOIN UNNEST(x) AS t(e)",
}

// HintSpark adds to the error of a query that is Spark's, by a type or a clause, what the dialect has for it.
func HintSpark(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	instead := ""
	if name, ok := strings.CutPrefix(e.Msg, "Unknown type: "); ok && e.Code == "TYPE_NOT_FOUND" {
		instead = typesInstead[name]
	}
	if rest, ok := strings.CutPrefix(e.Msg, "mismatched input '"); ok && e.Code == "" {
		word, _, _ := strings.Cut(rest, "'")
		instead = clausesInstead[strings.ToUpper(word)]
	}
	if instead == "" {
		return err
	}
	hinted := *e
	hinted.Msg += "; write " + instead
	return &hinted
}

// specials are the functions that special knows.
var specials = []string{"now", "typeof", "window", "session_window", "window_time", "if", "coalesce", "try", "greatest", "least", "mod", "concat", "reverse",
	"substr", "substring", "regexp_replace", "json_extract", "json_extract_scalar", "json_size", "date_parse", "parse_datetime", "date_format",
	"format_datetime", "date_trunc", "date_add", "date_diff", "to_iso8601", "cardinality", "element_at", "transform", "reduce", "map_filter",
	"transform_values", "transform_keys", "sequence"}

// nearest is the function whose name differs least from one that is not there, by two letters at the most; empty if none does.
func nearest(name string) string {
	best, least := "", min(3, len(name)/2)
	names := slices.Clone(specials)
	for known := range maps.Keys(functions()) {
		known, _, _ = strings.Cut(known, "/")
		names = append(names, known)
	}
	slices.Sort(names)
	for _, known := range names {
		if d := distance(name, known); d < least {
			best, least = known, d
		}
	}
	return best
}

// distance is how many letters have to be put in, left out or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
