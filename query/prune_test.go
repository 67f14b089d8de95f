package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/weir-data/weir/sql"
)

func parseOr(s string) time.Time {
	t, _ := parseTime(s)
	return t
}

func TestPossible(t *testing.T) {
	num := func(s string) sql.Literal { return sql.Literal{Text: s, Type: sql.Type{Name: "integer"}} }
	text := func(s string) sql.Literal { return sql.Literal{Text: s, Type: sql.Type{Name: "varchar"}} }
	date := func(s string) sql.Literal { return sql.Literal{Text: s, Type: sql.Type{Name: "date"}} }
	for _, c := range []struct {
		typ, low, high, op string
		values             []sql.Literal
		want               bool
	}{
		{"integer", "1", "5", "=", []sql.Literal{num("3")}, true},
		{"integer", "1", "5", "=", []sql.Literal{num("6")}, false},
		{"integer", "1", "5", "=", []sql.Literal{num("3.5")}, true},
		{"integer", "1", "5", "IN", []sql.Literal{num("0"), num("5")}, true},
		{"integer", "1", "5", "IN", []sql.Literal{num("0"), num("6")}, false},
		{"integer", "1", "5", "<", []sql.Literal{num("1")}, false},
		{"integer", "1", "5", "<=", []sql.Literal{num("1")}, true},
		{"integer", "1", "5", ">", []sql.Literal{num("5")}, false},
		{"integer", "1", "5", ">=", []sql.Literal{num("5")}, true},
		{"bigint", "9223372036854775806", "9223372036854775806", "=", []sql.Literal{num("9223372036854775807")}, false},
		{"double", "0.1", "0.2", ">", []sql.Literal{num("0.2")}, false},
		{"double", "1e999999999", "1", "=", []sql.Literal{num("2")}, true},
		{"integer", "x", "5", "=", []sql.Literal{num("9")}, true},
		{"varchar", "a", "c", "=", []sql.Literal{text("b")}, true},
		{"varchar", "a", "c", ">", []sql.Literal{text("d")}, false},
		{"date", "2020-01-01", "2020-01-31", ">=", []sql.Literal{date("2020-02-01")}, false},
		{"timestamp", "2020-01-01T00:00:00.000Z", "2020-01-31T00:00:00.000Z", "<", []sql.Literal{date("2020-01-01")}, false},
		{"timestamp", "2020-01-01 00:00:00", "2020-01-31 00:00:00", "<", []sql.Literal{{Text: "2020-01-02 03:04:05.678", Type: sql.Type{Name: "timestamp"}}}, true},
		{"array", "x", "x", "=", []sql.Literal{num("1")}, true},
	} {
		if got := possible(sql.Predicate{Op: c.op, Values: c.values}, sql.Type{Name: c.typ}, c.low, c.high); got != c.want {
			t.Errorf("%s in [%s, %s] %s %v: %v", c.typ, c.low, c.high, c.op, c.values, got)
		}
	}
}

func TestIntegerProjection(t *testing.T) {
	three := []sql.Predicate{{Column: "k", Op: "IN", Values: []sql.Literal{{Text: "3"}, {Text: "4"}, {Text: "03"}, {Text: "99"}}}}
	for _, c := range []struct {
		span, interval, digits string
		ps                     []sql.Predicate
		want                   string
	}{
		{"1,5", "", "", nil, "[1 2 3 4 5]"},
		{"1,10", "4", "2", nil, "[01 05 09]"},
		{"-2,0", "", "", nil, "[-2 -1 0]"},
		{"5,1", "", "", nil, "[]"},
		{"9223372036854775806,9223372036854775807", "", "", nil, "[9223372036854775806 9223372036854775807]"},
		{"0,9000000000000000000", "", "", three, "[3 4 99]"},
		{"1,10", "2", "", three, "[3]"},
		{"-9223372036854775808,9223372036854775807", "", "", nil, "error"},
		{"1", "", "", nil, "error"},
		{"1,x", "", "", nil, "error"},
		{"1,5", "0", "", nil, "error"},
	} {
		got, err := integerValues("k", c.span, c.interval, c.digits, c.ps)
		text := fmt.Sprint(got)
		if err != nil {
			text = "error"
		}
		if text != c.want {
			t.Errorf("%s every %s: %s %v, want %s", c.span, c.interval, text, err, c.want)
		}
	}
}

func TestDateProjection(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	for _, c := range []struct{ span, format, interval, unit, want string }{
		{"2026-11-20,NOW", "yyyy-MM-dd", "", "", "[2026-11-20 2026-11-21 2026-11-22]"},
		{"NOW-2MONTHS,NOW", "yyyy/MM", "", "", "[2026/09 2026/10 2026/11]"},
		{"NOW-2HOURS, NOW+1HOURS", "yyyy-MM-dd-HH", "", "", "[2026-11-22-08 2026-11-22-09 2026-11-22-10 2026-11-22-11]"},
		{"2020,2026", "yyyy", "3", "YEARS", "[2020 2023 2026]"},
		{"NOW-1,NOW", "yyyy", "", "", "error"},
		{"2020-01-01,NOW", "yyyy-MM-dd", "1", "EONS", "error"},
		{"NOW,NOW", "yyyy-QQ", "", "", "error"},
		{"0001-01-01,9999-01-01", "yyyy-MM-dd-HH-mm-ss", "", "", "error"},
	} {
		got, err := dateValues("k", c.span, c.format, c.interval, c.unit, now)
		text := fmt.Sprint(got)
		if err != nil {
			text = "error"
		}
		if text != c.want {
			t.Errorf("%s as %s: %s %v, want %s", c.span, c.format, text, err, c.want)
		}
	}
}
