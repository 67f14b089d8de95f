package query

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/sql"
)

// prune holds the predicates of one table occurrence by column.
type prune map[string][]sql.Predicate

func newPrune(ps []sql.Predicate) prune {
	out := prune{}
	for _, p := range ps {
		out[p.Column] = append(out[p.Column], p)
	}
	return out
}

// keepsValue says whether rows whose column is v may be wanted. NULL fulfils no predicate.
func (pr prune) keepsValue(column string, t sql.Type, v *string) bool {
	for _, p := range pr[column] {
		if v == nil {
			return false
		}
		if !possible(p, t, *v, *v) {
			return false
		}
	}
	return true
}

// keepsRange says whether rows whose column lies between low and high may be wanted.
func (pr prune) keepsRange(column string, t sql.Type, low, high string) bool {
	for _, p := range pr[column] {
		if !possible(p, t, low, high) {
			return false
		}
	}
	return true
}

// possible says whether some value in [low, high] may fulfil p. What cannot be compared is possible.
func possible(p sql.Predicate, t sql.Type, low, high string) bool {
	for _, v := range p.Values {
		toLow, ok1 := compare(t, low, v)
		toHigh, ok2 := compare(t, high, v)
		if !ok1 || !ok2 {
			return true
		}
		switch p.Op {
		case "=", "IN":
			if toLow <= 0 && toHigh >= 0 {
				return true
			}
		case "<":
			return toLow < 0
		case "<=":
			return toLow <= 0
		case ">":
			return toHigh > 0
		case ">=":
			return toHigh >= 0
		}
	}
	return false
}

// compare orders the value of a column of type t against a literal: -1, 0, 1. ok is false if that cannot be told.
func compare(t sql.Type, value string, lit sql.Literal) (order int, ok bool) {
	switch t.Name {
	case "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal":
		return compareNumbers(value, lit.Text)
	case "varchar":
		if lit.Type.Name != "varchar" {
			return 0, false
		}
		return strings.Compare(value, lit.Text), true
	case "boolean":
		return strings.Compare(strings.ToLower(value), lit.Text), true
	case "date", "timestamp":
		a, ok1 := parseTime(value)
		b, ok2 := parseTime(lit.Text)
		if !ok1 || !ok2 {
			return 0, false
		}
		return a.Compare(b), true
	}
	return 0, false
}

func compareNumbers(a, b string) (int, bool) {
	x, err1 := strconv.ParseInt(a, 10, 64)
	y, err2 := strconv.ParseInt(b, 10, 64)
	if err1 == nil && err2 == nil {
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	f, err1 := strconv.ParseFloat(a, 64)
	g, err2 := strconv.ParseFloat(b, 64)
	if err1 != nil || err2 != nil || math.IsNaN(f) || math.IsNaN(g) {
		return 0, false
	}
	// Text that differs in the last digits may be equal as decimals: near is equal, which keeps the file.
	switch {
	case math.Abs(f-g) <= 1e-12*math.Max(math.Abs(f), math.Abs(g)):
		return 0, true
	case f < g:
		return -1, true
	}
	return 1, true
}

var timeLayouts = []string{"2006-01-02", "2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04"}

// parseTime reads a date or timestamp without a zone, or in UTC. Fractions of a second are read too.
func parseTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
