package sql

import (
	"strings"
	"sync"
)

// function is what the printer for DuckDB knows of one of Trino's functions. A function that is not listed does not
// exist: users never reach DuckDB's own (read_csv, getenv …) by name.
type function struct {
	params   string // one letter each, see functionTable
	optional int    // index of the first parameter that may be left out
	variadic bool   // the last parameter repeats
	result   string
	duck     string // template; empty: same name and arguments
	agg      bool   // aggregate or window function: takes DISTINCT, FILTER, OVER …
	window   bool   // needs OVER
}

// functionTable lists name, parameters, result, and DuckDB's text if it is not the same call.
//
// Parameters: t text, i integer, n number, d date or timestamp, b boolean, a array, m map, v varbinary, j json or
// text, f lambda, x anything; [ starts the optional ones, * repeats the last. Result: a type; 1 or 2 the type of that
// argument; c the common type of all; e1 element of the array, k1 and v1 key and value of the map in argument 1;
// a1 an array of it; ? not known. {…} marks the aggregate inside a template.
const functionTable = `
abs                | n      | 1       |
ceil               | n      | 1       |
ceiling            | n      | 1       | ceil($1)
floor              | n      | 1       |
round              | n[i    | 1       |
truncate           | n      | 1       | trunc($1)
sqrt               | n      | double  | CASE WHEN $1 < 0 THEN 'nan'::DOUBLE ELSE sqrt($1) END
cbrt               | n      | double  |
exp                | n      | double  |
ln                 | n      | double  |
log2               | n      | double  |
log10              | n      | double  |
log                | nn     | double  | ln($2) / ln($1)
pow                | nn     | double  | pow($1, $2)
power              | nn     | double  | pow($1, $2)
sign               | n      | 1       |
radians            | n      | double  |
degrees            | n      | double  |
sin                | n      | double  |
cos                | n      | double  |
tan                | n      | double  |
asin               | n      | double  |
acos               | n      | double  |
atan               | n      | double  |
atan2              | nn     | double  |
pi                 |        | double  |
e                  |        | double  | exp(1)
infinity           |        | double  | 'inf'::DOUBLE
nan                |        | double  | 'nan'::DOUBLE
is_nan             | n      | boolean | isnan(CAST($1 AS DOUBLE))
is_finite          | n      | boolean | isfinite(CAST($1 AS DOUBLE))
is_infinite        | n      | boolean | isinf(CAST($1 AS DOUBLE))
bitwise_and        | ii     | bigint  | $1 & $2
bitwise_or         | ii     | bigint  | $1 | $2
bitwise_xor        | ii     | bigint  | xor($1, $2)
bitwise_not        | i      | bigint  | ~$1
bitwise_left_shift | ii     | 1       | $1 << $2
bitwise_right_shift| ii     | 1       | $1 >> $2
bit_count          | ii     | bigint  | bit_count($1)
to_base            | ii     | varchar | lower(to_base($1, $2))
length             | t      | bigint  | length($1)
lower              | t      | varchar |
upper              | t      | varchar |
trim               | t[t    | varchar |
ltrim              | t[t    | varchar |
rtrim              | t[t    | varchar |
replace            | tt     | varchar | replace($1, $2, '')
replace/3          | ttt    | varchar | replace($1, $2, $3)
lpad               | tit    | varchar |
rpad               | tit    | varchar |
chr                | i      | varchar |
codepoint          | t      | integer | unicode($1)
split              | tt     | array(varchar) | string_split($1, $2)
split_part         | tti    | varchar | list_extract(string_split($1, $2), $3)
split_to_map       | ttt    | map(varchar,varchar) | map_from_entries(list_transform(string_split($1, $2), lambda weir_s: {'k': split_part(weir_s, $3, 1), 'v': split_part(weir_s, $3, 2)}))
strpos             | tt     | bigint  |
starts_with        | tt     | boolean |
ends_with          | tt     | boolean |
translate          | ttt    | varchar |
concat_ws          | tt*    | varchar |
to_utf8            | t      | varbinary | encode($1)
from_utf8          | v      | varchar | decode($1)
levenshtein_distance | tt   | bigint  | levenshtein($1, $2)
hamming_distance   | tt     | bigint  | hamming($1, $2)
normalize          | t      | varchar | nfc_normalize($1)
regexp_like        | tt     | boolean | regexp_matches($1, $2)
regexp_extract     | tt[i   | varchar | CASE WHEN regexp_matches($1, $2) THEN regexp_extract($1, $2) END
regexp_extract/3   | tti    | varchar | CASE WHEN regexp_matches($1, $2) THEN regexp_extract($1, $2, $3) END
regexp_extract_all | tt[i   | array(varchar) |
regexp_split       | tt     | array(varchar) | regexp_split_to_array($1, $2)
regexp_count       | tt     | bigint  | len(regexp_extract_all($1, $2))
url_encode         | t      | varchar |
url_decode         | t      | varchar |
url_extract_protocol | t    | varchar | nullif(regexp_extract($1, '^([a-zA-Z][a-zA-Z0-9+.-]*):', 1), '')
url_extract_host   | t      | varchar | nullif(regexp_extract($1, '^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]*)', 1), '')
url_extract_path   | t      | varchar | regexp_extract($1, '^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*([^?#]*)', 1)
url_extract_query  | t      | varchar | regexp_extract($1, '[?]([^#]*)', 1)
url_extract_fragment | t    | varchar | regexp_extract($1, '#(.*)$', 1)
md5                | v      | varbinary | unhex(md5($1))
sha1               | v      | varbinary | unhex(sha1($1))
sha256             | v      | varbinary | unhex(sha256($1))
to_hex             | v      | varchar | hex($1)
from_hex           | t      | varbinary | unhex($1)
to_base64          | v      | varchar | to_base64($1)
from_base64        | t      | varbinary | from_base64($1)
uuid               |        | uuid    |
random             |        | double  | random()
random/1           | i      | 1       | CAST(floor(random() * $1) AS BIGINT)
random/2           | ii     | 1       | CAST($1 + floor(random() * ($2 - $1)) AS BIGINT)
rand               |        | double  | random()
nullif             | xx     | 1       |
year               | d      | bigint  | year($1)
quarter            | d      | bigint  | quarter($1)
month              | d      | bigint  | month($1)
week               | d      | bigint  | week($1)
week_of_year       | d      | bigint  | week($1)
day                | d      | bigint  | day($1)
day_of_month       | d      | bigint  | day($1)
day_of_week        | d      | bigint  | isodow($1)
dow                | d      | bigint  | isodow($1)
day_of_year        | d      | bigint  | dayofyear($1)
doy                | d      | bigint  | dayofyear($1)
year_of_week       | d      | bigint  | isoyear($1)
yow                | d      | bigint  | isoyear($1)
hour               | d      | bigint  | hour($1)
minute             | d      | bigint  | minute($1)
second             | d      | bigint  | second($1)
millisecond        | d      | bigint  | millisecond($1) % 1000
last_day_of_month  | d      | date    | last_day($1)
date               | x      | date    | CAST($1 AS DATE)
from_unixtime      | n      | timestamp with time zone | to_timestamp(CAST($1 AS DOUBLE))
from_unixtime/2    | nt     | timestamp | timezone($2, to_timestamp(CAST($1 AS DOUBLE)))
to_unixtime        | d      | double  | epoch($1)
from_iso8601_timestamp | t  | timestamp with time zone | CAST($1 AS TIMESTAMPTZ)
from_iso8601_date  | t      | date    | CAST($1 AS DATE)
at_timezone        | dt     | timestamp | timezone($2, CAST($1 AS TIMESTAMPTZ))
with_timezone      | dt     | timestamp with time zone | timezone($2, CAST($1 AS TIMESTAMP))
json_parse         | t      | json    | json($1)
json_format        | j      | varchar | CAST($1 AS VARCHAR)
json_array_length  | j      | bigint  | CAST(json_array_length($1) AS BIGINT)
json_array_get     | ji     | json    | json_extract($1, '$[' || $2 || ']')
json_array_contains| jx     | boolean | list_contains(json_extract_string($1, '$[*]'), CAST($2 AS VARCHAR))
is_json_scalar     | j      | boolean | json_type($1) NOT IN ('OBJECT', 'ARRAY')
contains           | ax     | boolean | list_contains($1, $2)
array_position     | ax     | bigint  | CASE WHEN $1 IS NOT NULL AND $2 IS NOT NULL THEN coalesce(list_position($1, $2), 0) END
array_distinct     | a      | 1       | list_filter($1, lambda weir_e, weir_i: list_position($1, weir_e) = weir_i)
array_sort         | a      | 1       | list_sort($1, 'ASC', 'NULLS LAST')
array_max          | a      | e1      | CASE WHEN len($1) = list_count($1) THEN list_max($1) END
array_min          | a      | e1      | CASE WHEN len($1) = list_count($1) THEN list_min($1) END
array_sum          | a      | e1      | list_sum($1)
array_average      | a      | double  | list_avg($1)
array_remove       | ax     | 1       | list_filter($1, lambda weir_e: weir_e IS DISTINCT FROM $2)
array_union        | aa     | 1       | list_distinct(list_concat($1, $2))
array_intersect    | aa     | 1       | list_intersect($1, $2)
array_except       | aa     | 1       | list_filter(list_distinct($1), lambda weir_e: NOT list_contains($2, weir_e))
arrays_overlap     | aa     | boolean | list_has_any($1, $2)
array_join         | at     | varchar | CASE WHEN $1 IS NOT NULL AND $2 IS NOT NULL THEN coalesce(array_to_string(list_transform(list_filter($1, lambda weir_e: weir_e IS NOT NULL), lambda weir_e: CAST(weir_e AS VARCHAR)), $2), '') END
array_join/3       | att    | varchar | CASE WHEN $1 IS NOT NULL AND $2 IS NOT NULL THEN coalesce(array_to_string(list_transform($1, lambda weir_e: coalesce(CAST(weir_e AS VARCHAR), $3)), $2), '') END
flatten            | a      | e1      | flatten($1)
slice              | aii    | 1       | CASE WHEN $2 < 0 THEN list_slice($1, len($1) + $2 + 1, len($1) + $2 + $3) ELSE list_slice($1, $2, $2 + $3 - 1) END
repeat             | xi     | a1      | list_transform(range($2), lambda weir_i: $1)
filter             | af     | 1       | list_filter($1, $2)
any_match          | af     | boolean | len(list_filter($1, $2)) > 0
all_match          | af     | boolean | len(list_filter($1, $2)) = len($1)
none_match         | af     | boolean | len(list_filter($1, $2)) = 0
zip                | aa*    | ?       | list_zip($*)
map/0              |        | ?       | MAP {}
map                | aa     | map(e1,e2) | map($1, $2)
map_keys           | m      | array(k1) | map_keys($1)
map_values         | m      | array(v1) | map_values($1)
map_entries        | m      | ?       | map_entries($1)
map_from_entries   | a      | ?       | map_from_entries($1)
map_concat         | mm*    | 1       | map_concat($*)
count              | [x     | bigint  | !
count_if           | b      | bigint  | !CAST({count_if($1)} AS BIGINT)
sum                | n      | sum     | !
avg                | n      | avg     | !
min                | x      | 1       | !
max                | x      | 1       | !
min_by             | xx     | 1       | !{arg_min($1, $2)}
max_by             | xx     | 1       | !{arg_max($1, $2)}
min_by/3           | xxi    | a1      | !{arg_min($1, $2, $3)}
max_by/3           | xxi    | a1      | !{arg_max($1, $2, $3)}
min/2              | xi     | a1      | !{min($1, $2)}
max/2              | xi     | a1      | !{max($1, $2)}
arbitrary          | x      | 1       | !{any_value($1)}
any_value          | x      | 1       | !
array_agg          | x      | a1      | !
set_agg            | x      | a1      | !list_distinct({array_agg($1)})
map_agg            | xx     | map(1,2) | !map_from_entries({list({'k': $1, 'v': $2})})
histogram          | x      | map(1,bigint) | !
approx_distinct    | x[n    | bigint  | !{approx_count_distinct($1)}
approx_percentile  | nx     | approx  | !{approx_quantile($1, $2)}
bool_and           | b      | boolean | !
every              | b      | boolean | !{bool_and($1)}
bool_or            | b      | boolean | !
stddev             | n      | double  | !{stddev_samp($1)}
stddev_samp        | n      | double  | !
stddev_pop         | n      | double  | !
variance           | n      | double  | !{var_samp($1)}
var_samp           | n      | double  | !
var_pop            | n      | double  | !
corr               | nn     | double  | !
covar_pop          | nn     | double  | !
covar_samp         | nn     | double  | !
regr_slope         | nn     | double  | !
regr_intercept     | nn     | double  | !
skewness           | n      | double  | !
kurtosis           | n      | double  | !
geometric_mean     | n      | double  | !exp({avg(ln($1))})
bitwise_and_agg    | i      | bigint  | !{bit_and($1)}
bitwise_or_agg     | i      | bigint  | !{bit_or($1)}
listagg            | t[t    | varchar | !{string_agg($1, '')}
listagg/2          | tt     | varchar | !{string_agg($1, $2)}
grouping           | x*     | integer | !
row_number         |        | bigint  | !!
rank               |        | bigint  | !!
dense_rank         |        | bigint  | !!
percent_rank       |        | double  | !!
cume_dist          |        | double  | !!
ntile              | i      | bigint  | !!
lag                | x[ix   | 1       | !!
lead               | x[ix   | 1       | !!
first_value        | x      | 1       | !!
last_value         | x      | 1       | !!
nth_value          | xi     | 1       | !!
`

// functions parses functionTable once. A name/n is the variant with n arguments.
var functions = sync.OnceValue(func() map[string]function {
	table := map[string]function{}
	for line := range strings.Lines(functionTable) {
		cells := strings.SplitN(line, "|", 4)
		if len(cells) < 4 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		f := function{result: cells[2]}
		f.params, f.variadic = strings.CutSuffix(cells[1], "*")
		f.optional = strings.IndexByte(f.params, '[')
		if f.optional < 0 {
			f.optional = len(f.params)
		}
		f.params = strings.Replace(f.params, "[", "", 1)
		f.duck, f.agg = strings.CutPrefix(cells[3], "!")
		f.duck, f.window = strings.CutPrefix(f.duck, "!")
		table[cells[0]] = f
	}
	return table
})

// lookup finds the function for n arguments. found says whether the name exists at all, fits whether it takes n.
func lookup(name string, n int) (f function, found, fits bool) {
	if f, ok := functions()[name+"/"+string(rune('0'+min(n, 9)))]; ok {
		return f, true, true
	}
	f, ok := functions()[name]
	if !ok {
		return f, false, false
	}
	return f, true, n >= f.optional && (n <= len(f.params) || f.variadic)
}

// accepts says whether a value of type t may stand where the letter is.
func accepts(letter byte, t Type) bool {
	if !t.Known() || t.Name == "unknown" {
		return letter != 'f'
	}
	switch letter {
	case 't':
		return t.family() == "text"
	case 'i':
		return t.integral()
	case 'n':
		return t.family() == "number"
	case 'd':
		return t.family() == "datetime" || t.Name == "time" || strings.HasPrefix(t.Name, "interval")
	case 'b', 'a', 'm', 'v':
		return t.Name == map[byte]string{'b': "boolean", 'a': "array", 'm': "map", 'v': "varbinary"}[letter]
	case 'j':
		return t.family() == "text" || t.Name == "json"
	}
	return true
}

// resultType works out the type of a call from the table's result column.
func resultType(spec string, args []Type) Type {
	arg := func(i int) Type {
		if i < len(args) {
			return args[i]
		}
		return Type{}
	}
	inner := func(i, j int) Type {
		if t := arg(i); len(t.Args) > j {
			return t.Args[j]
		}
		return Type{}
	}
	array := func(t Type) Type {
		if !t.Known() {
			return Type{}
		}
		return Type{Name: "array", Args: []Type{t}}
	}
	mapOf := func(k, v Type) Type {
		if !k.Known() || !v.Known() {
			return Type{}
		}
		return Type{Name: "map", Args: []Type{k, v}}
	}
	bigint, varchar := Type{Name: "bigint"}, Type{Name: "varchar"}
	switch spec {
	case "?":
		return Type{}
	case "1":
		return arg(0)
	case "e1":
		return inner(0, 0)
	case "a1":
		return array(arg(0))
	case "array(k1)":
		return array(inner(0, 0))
	case "array(v1)":
		return array(inner(0, 1))
	case "array(varchar)":
		return array(varchar)
	case "map(varchar,varchar)":
		return mapOf(varchar, varchar)
	case "map(e1,e2)":
		return mapOf(inner(0, 0), inner(1, 0))
	case "map(1,2)":
		return mapOf(arg(0), arg(1))
	case "map(1,bigint)":
		return mapOf(arg(0), bigint)
	case "sum":
		return sumType(arg(0))
	case "avg":
		return avgType(arg(0))
	case "approx":
		if arg(1).Name == "array" {
			return array(arg(0))
		}
		return arg(0)
	}
	return Type{Name: spec}
}

func sumType(t Type) Type {
	switch {
	case t.integral():
		return Type{Name: "bigint"}
	case t.Name == "decimal":
		return Type{Name: "decimal", Len: 38, Scale: t.Scale}
	}
	return t
}

func avgType(t Type) Type {
	switch t.Name {
	case "", "real", "decimal":
		return t
	}
	return Type{Name: "double"}
}
