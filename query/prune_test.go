package query

import (
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
