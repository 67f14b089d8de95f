package incremental

import (
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/sql"
)

// bound says until when a row of one side of a join can find partners: no row of the other side that is still to come has an event
// time at or before the row's expr + shift, which is when the watermark reaches that.
type bound struct {
	expr  sql.Expr      // of the side's columns, a timestamp
	shift time.Duration // the other side's lag included
	base  string        // the column that expr is, if it is one
	k     time.Duration // what was taken off base: expr is base + k
	other string        // the event time of the other side
	off   time.Duration // expr is not before other + off
}

// bounds finds what the conditions of a join say of its sides, by 0 for left and 1 for right.
func (s *scope) bounds(on []sql.Expr, sideOf func(sql.Expr) int) (out [2][]bound) {
	note := func(big, small sql.Expr, equal bool) {
		side := sideOf(big)
		if side < 0 || sideOf(small) != 1-side {
			return
		}
		smallBase, off := splitOffset(small)
		t := s.eventTime(smallBase)
		if equal && t.time == span && s.isSpan(big) {
			b := bound{expr: &sql.Deref{Base: big, Field: sql.Ident{Name: "end"}}, shift: t.lag, base: identName(big), other: identName(smallBase)}
			out[side] = append(out[side], b)
			return
		}
		if t.time != instant {
			return
		}
		base, k := splitOffset(big)
		out[side] = append(out[side], bound{expr: base, shift: k - off + t.lag, base: identName(base), k: k, other: identName(smallBase), off: off})
	}
	for _, e := range on {
		switch x := e.(type) {
		case *sql.Compare:
			switch x.Op {
			case ">=", ">":
				note(x.L, x.R, false)
			case "<=", "<":
				note(x.R, x.L, false)
			case "=":
				note(x.L, x.R, true)
				note(x.R, x.L, true)
			}
		case *sql.Between:
			if !x.Negated {
				note(x.X, x.Low, false)
				note(x.High, x.X, false)
			}
		}
	}
	return out
}

func (s *scope) isSpan(e sql.Expr) bool {
	c, ok := s.column(e)
	return ok && c.typ.Name == "row" && len(c.typ.Fields) == 2 && c.typ.Fields[1] == "end" || s.eventTime(e).time == span
}

func identName(e sql.Expr) string {
	if id, ok := e.(*sql.Ident); ok {
		return id.Name
	}
	return ""
}

// splitOffset splits x + INTERVAL '1' HOUR into x and an hour.
func splitOffset(e sql.Expr) (sql.Expr, time.Duration) {
	switch x := e.(type) {
	case *sql.Arith:
		if d, ok := intervalOf(x.R); ok && (x.Op == "+" || x.Op == "-") {
			if x.Op == "-" {
				d = -d
			}
			base, more := splitOffset(x.L)
			return base, d + more
		}
		if d, ok := intervalOf(x.L); ok && x.Op == "+" {
			base, more := splitOffset(x.R)
			return base, d + more
		}
	case *sql.Call:
		if x.Name == "date_add" && len(x.Args) == 3 {
			unit, isText := x.Args[0].(*sql.String)
			n, isNumber := constantInt(x.Args[1])
			if isText && isNumber && units[strings.ToUpper(unit.Value)] > 0 {
				base, more := splitOffset(x.Args[2])
				return base, time.Duration(n)*units[strings.ToUpper(unit.Value)] + more
			}
		}
	}
	return e, 0
}

var units = map[string]time.Duration{"MILLISECOND": time.Millisecond, "SECOND": time.Second, "MINUTE": time.Minute, "HOUR": time.Hour,
	"DAY": 24 * time.Hour, "WEEK": 7 * 24 * time.Hour}

func constantInt(e sql.Expr) (int64, bool) {
	switch x := e.(type) {
	case *sql.Number:
		n, err := strconv.ParseInt(x.Text, 10, 32)
		return n, err == nil
	case *sql.Unary:
		n, ok := constantInt(x.X)
		return -n, ok && x.Op == "-"
	}
	return 0, false
}

// intervalOf is the length of an interval literal of a fixed unit; months and years have none.
func intervalOf(e sql.Expr) (time.Duration, bool) {
	iv, ok := e.(*sql.Interval)
	if !ok || iv.To != "" || units[iv.From] == 0 {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(iv.Text), 64)
	if err != nil || n > 1e9 || n < -1e9 {
		return 0, false
	}
	if iv.Negative {
		n = -n
	}
	return time.Duration(n * float64(units[iv.From])).Round(time.Microsecond), true
}
