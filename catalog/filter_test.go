package catalog

import (
	"errors"
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	ints := []string{"1", "2", "3"}
	decimals := []string{"1.2", "2.6", "3e14"}
	texts := []string{"one", "two", "2", "three"}
	dates := []string{"2024-01-31", "2024-02-01", "2024-12-01"}
	times := []string{"2024-01-31 00:00:00", "2024-02-01 10:00:00.5", "2024-12-01 00:00:00"}
	for _, c := range []struct {
		keyType string
		values  []string
		filter  string
		want    string // accepted values, or ! and a part of the error's text
	}{
		{"int", ints, "", "1 2 3"},
		{"int", ints, "k = 2", "2"},
		{"int", ints, "k = '2'", "2"},
		{"int", ints, "K=2", "2"},
		{"int", ints, "`k` = 2", "2"},
		{"int", ints, "k IN (2)", "2"},
		{"int", ints, "k in (6, '4', 2)", "2"},
		{"int", ints, "k between 2 AND 2", "2"},
		{"int", ints, "k > 1 AND k < 3", "2"},
		{"int", ints, "k >= 2 and k <> 3", "2"},
		{"int", ints, "k >= 2 and k != 3", "2"},
		{"int", ints, "(k) = ((2)) (OR) (((k))) = (2)", "2"},
		{"int", ints, "k IS NOT NULL and k = 2", "2"},
		{"int", ints, "k not IN (1, 3)", "2"},
		{"int", ints, "k NOT BETWEEN 1 AND 1 and k NOT BETWEEN 3 AND 3", "2"},
		{"int", ints, "NOT k = 2", "1 3"},
		{"int", ints, "not (k = 1 or k = 3)", "2"},
		{"int", ints, "k = 1 or k = 2 and k = 3", "1"},
		{"int", ints, "(k = 1 or k = 2) and k <= 2", "1 2"},
		{"int", ints, "k > -1 and k<+3", "1 2"},
		{"int", ints, "k = 'test'", "!\"test\" is not an integer."},
		{"int", ints, "k in (2.5)", "!is not an integer."},
		{"int", ints, "k LIKE '2'", "!Integral data type doesn't support operation 'LIKE'"},
		{"int", ints, "other = 2", "!Unknown column 'other'"},
		{"int", []string{"x"}, "k = 2", "!state: \"x\" is not an integer."},
		{"int", []string{"1", nullValue}, "k IS NULL", nullValue},
		{"int", []string{"1", nullValue}, "k <> 7", "1"},
		{"int", []string{"1", nullValue}, "NOT (k = 7)", "1"},
		{"bigint", []string{"9007199254740993", "9007199254740992"}, "k = 9007199254740993", "9007199254740993"},
		{"decimal(10,2)", decimals, "k = 2.6", "2.6"},
		{"decimal", decimals, "k = '2.60'", "2.6"},
		{"decimal", decimals, "k in (6, '4', 2.6)", "2.6"},
		{"decimal", decimals, "k between 2 AND 3e10", "2.6"},
		{"decimal", decimals, "k >= 2 and k <> '3e14'", "2.6"},
		{"decimal", decimals, "k > 1e999999999", "!is not a decimal."},
		{"decimal", decimals, "k = 'test'", "!test is not a decimal."},
		{"decimal", decimals, "k LIKE '2'", "!Decimal data type doesn't support operation 'LIKE'"},
		{"string", texts, "k = 'two'", "two"},
		{"varchar(9)", texts, "k = 2", "2"},
		{"string", texts, "k IN (1, 2, 3)", "2"},
		{"string", texts, "k between 'twn' AND 'twp'", "two"},
		{"string", texts, "k > '1' AND k < '3'", "2"},
		{"string", texts, "k LIKE 't_o'", "two"},
		{"string", texts, "k LIKE '%o%e%'", "one"},
		{"string", texts, "k LIKE '%'", "one two 2 three"},
		{"string", texts, "k NOT LIKE '%e' AND k not like '_'", "two"},
		{"string", []string{"it's"}, "k = 'it''s'", "it's"},
		{"date", dates, "k >= '2024-02-01'", "2024-02-01 2024-12-01"},
		{"date", dates, "k = '2024-02-30'", "!2024-02-30 is not a date."},
		{"date", dates, "k like '2%'", "!Date data type doesn't support operation 'LIKE'"},
		{"timestamp", times, "k = '2024-02-01 10:00:00.500'", "2024-02-01 10:00:00.5"},
		{"timestamp", times, "k > '2024-02-01'", "!is not a timestamp."},
		{"float", []string{"3.14"}, "k = 3.14", "!Unknown type : 'float'"},
		{"string", texts, "k IS test' AND not parsable", "!Unsupported expression"},
		{"string", texts, "k = 'a' AND", "!Unsupported expression"},
		{"string", texts, "(k = 'a'", "!Unsupported expression"},
		{"string", texts, "k = 'a')", "!Unsupported expression"},
		{"string", texts, "k", "!Unsupported expression"},
		{"string", texts, "k in ()", "!Unsupported expression"},
		{"string", texts, "k = \"a\"", "!Unsupported expression"},
		{"string", texts, strings.Repeat("(", 500) + "k = 'a'" + strings.Repeat(")", 500), "!Unsupported expression"},
		{"string", texts, strings.Repeat("x", 3000), "!longer than 2048"},
	} {
		got := runFilter(c.filter, c.keyType, c.values)
		want, fails := strings.CutPrefix(c.want, "!")
		if fails && (!strings.HasPrefix(got, "!") || !strings.Contains(got, want)) || !fails && got != want {
			t.Errorf("%s over %s %v: got %q, want %q", c.filter, c.keyType, c.values, got, c.want)
		}
	}
}

func runFilter(text, keyType string, values []string) string {
	f, err := ParseFilter(text, []Column{{Name: "first", Type: "string"}, {Name: "k", Type: keyType}})
	if err != nil {
		return "!" + err.Error()
	}
	var accepted []string
	for _, v := range values {
		ok, err := f.Match([]string{"x", v})
		if errors.Is(err, ErrState) {
			return "!state: " + err.Error()
		}
		if ok {
			accepted = append(accepted, v)
		}
	}
	return strings.Join(accepted, " ")
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"a = 1 and (b like '%x_' or not c between 2.5 and 3e9)", "`a` in (1,'2') (or) d is not null", "e>='2024-01-01 00:00:00.1'"} {
		f.Add(s, "1")
	}
	keys := []Column{{Name: "a", Type: "int"}, {Name: "b", Type: "string"}, {Name: "c", Type: "decimal"}, {Name: "d", Type: "date"}, {Name: "e", Type: "timestamp"}}
	f.Fuzz(func(t *testing.T, text, value string) {
		filter, err := ParseFilter(text, keys)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("%q: %v is not ErrInvalid", text, err)
			}
			return
		}
		if _, err := filter.Match([]string{value, value, value, value, value}); err != nil && !errors.Is(err, ErrState) {
			t.Fatalf("%q over %q: %v is not ErrState", text, value, err)
		}
	})
}

func TestLikeMatchIsBounded(t *testing.T) {
	text, pattern := []rune(strings.Repeat("a", 5000)), []rune(strings.Repeat("%a", 500)+"b")
	if likeMatch(text, pattern) {
		t.Error("matched")
	}
}
