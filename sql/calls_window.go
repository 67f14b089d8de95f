package sql

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var windowType = Type{Name: "row", Args: []Type{{Name: "timestamp"}, {Name: "timestamp"}}, Fields: []string{"start", "end"}}

// WindowSpec is what the constant arguments of a window() or session_window() say.
type WindowSpec struct {
	Size   time.Duration // of a session: the gap
	Slide  time.Duration // Size if windows do not overlap
	Offset time.Duration // of the starts from the epoch, shorter than Slide
	ByRow  bool          // of a session: the gap is an expression, and Size is not known
}

// ReadWindow reads the arguments of window(ts, size[, slide[, offset]]) or session_window(ts, gap), which must be literals but for the gap.
func ReadWindow(c *Call) (WindowSpec, error) {
	a := &analyzer{}
	w, _ := a.windowSpec(c)
	return w, a.err
}

func (a *analyzer) windowSpec(c *Call) (w WindowSpec, ok bool) {
	most := 4
	if c.Name == "session_window" {
		most = 2
	}
	if !a.arity(c, 2, most) {
		return w, false
	}
	if _, text := c.Args[1].(*String); c.Name == "session_window" && !text {
		w.ByRow = true
		return w, true
	}
	if w.Size, ok = a.windowWidth(c, 1); !ok {
		return w, false
	}
	w.Slide = w.Size
	if len(c.Args) > 2 {
		if w.Slide, ok = a.windowWidth(c, 2); !ok {
			return w, false
		}
	}
	if len(c.Args) > 3 {
		if w.Offset, ok = a.windowOffset(c, 3); !ok {
			return w, false
		}
	}
	switch {
	case w.Slide > w.Size:
		a.failf("INVALID_FUNCTION_ARGUMENT", c.Pos, "the slide of a window must not be longer than the window")
	case w.Offset.Abs() >= w.Slide:
		a.failf("INVALID_FUNCTION_ARGUMENT", c.Pos, "the offset of windows must be shorter than their slide")
	case w.Size/w.Slide > maxOverlap:
		a.failf("INVALID_FUNCTION_ARGUMENT", c.Pos, "more than %d windows overlap", maxOverlap)
	}
	return w, a.err == nil
}

// maxOverlap bounds the windows that one row is in.
const maxOverlap = 10_000

// windowCall is Spark's window(ts, size[, slide[, offset]]): the half-open windows, aligned to the epoch, that hold ts. A sliding
// one yields a row for each window.
func (a *analyzer) windowCall(c *Call, sc *scope) (Expr, Type) {
	x, w, ok := a.windowArgs(c, sc)
	if !ok {
		return c, Type{}
	}
	start := func(i string) string { return "make_timestamp(" + windowStart(w, i) + ")" }
	one := func(i string) string {
		return fmt.Sprintf("{'start': %s, 'end': make_timestamp(%s + %d)}", start(i), windowStart(w, i), w.Size.Microseconds())
	}
	if w.Slide == w.Size {
		return &template{text: one("0"), args: []Expr{x}}, windowType
	}
	return &template{text: "unnest(" + overlapping(w, one, `weir_w."end"`) + ")", args: []Expr{x}}, windowType
}

// windowStartOf is window(…).start without the rest of the struct.
func (a *analyzer) windowStartOf(c *Call, sc *scope) (Expr, Type) {
	x, w, ok := a.windowArgs(c, sc)
	if !ok {
		return c, Type{}
	}
	start := func(i string) string { return "make_timestamp(" + windowStart(w, i) + ")" }
	text := start("0")
	if w.Slide != w.Size {
		text = "unnest(" + overlapping(w, start, fmt.Sprintf("weir_w + to_microseconds(%d)", w.Size.Microseconds())) + ")"
	}
	return &template{text: text, args: []Expr{x}}, Type{Name: "timestamp"}
}

// overlapping lists what one makes of each window that may hold $1, and keeps those whose end (of weir_w) is after it.
func overlapping(w WindowSpec, one func(i string) string, end string) string {
	return fmt.Sprintf("list_filter(list_transform(range(%d), lambda weir_i: %s), lambda weir_w: %s > make_timestamp(epoch_us($1)))",
		int64((w.Size+w.Slide-1)/w.Slide), one("weir_i"), end)
}

// windowStart is the start of the window that is i slides before the last that holds $1, in microseconds since the epoch. The
// double modulo keeps times before the epoch in the right window.
func windowStart(w WindowSpec, i string) string {
	slide, offset := w.Slide.Microseconds(), w.Offset.Microseconds()
	at := "epoch_us($1)"
	if offset != 0 {
		at = fmt.Sprintf("(epoch_us($1) - %d)", offset)
	}
	last := fmt.Sprintf("(epoch_us($1) - (%s %% %d + %d) %% %d)", at, slide, slide, slide)
	if i == "0" {
		return last
	}
	return fmt.Sprintf("%s - %s * %d", last, i, slide)
}

func (a *analyzer) windowArgs(c *Call, sc *scope) (Expr, WindowSpec, bool) {
	if !a.opts.Windows {
		a.failf("FUNCTION_NOT_REGISTERED", c.Pos, "Function '%s' not registered", c.Name)
		return c, WindowSpec{}, false
	}
	w, ok := a.windowSpec(c)
	if !ok {
		return c, w, false
	}
	x, t := a.expr(c.Args[0], sc)
	switch {
	case t.Name == "row" && len(t.Fields) == 2 && t.Fields[0] == "start" && t.Fields[1] == "end":
		x = windowTime(x)
	case t.Known() && t.family() != "datetime" && t.Name != "unknown":
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s) for function %s", t, c.Name)
	}
	return x, w, a.err == nil
}

// sessionWindowCall is the session of one row: from its time until a gap after it. Sessions that overlap or touch are one. Where the gap depends
// on the row, a row whose gap is null or not positive has no session, as in Spark.
func (a *analyzer) sessionWindowCall(c *Call, sc *scope) (Expr, Type) {
	x, w, ok := a.windowArgs(c, sc)
	if !ok {
		return c, Type{}
	}
	if w.ByRow {
		gap, t := a.expr(a.gapOf(c.Args[1]), sc)
		if a.err == nil && t.Name != "interval day to second" {
			a.failf("INVALID_FUNCTION_ARGUMENT", c.Args[1].Position(), "the gap of a session is a duration such as '5 minutes', an INTERVAL of days or less, or CASE, "+
				"if and coalesce of such")
		}
		text := "CASE WHEN $2 > to_microseconds(0) THEN {'start': make_timestamp(epoch_us($1)), 'end': make_timestamp(epoch_us($1)) + $2} END"
		return &template{text: text, args: []Expr{x, gap}}, windowType
	}
	text := fmt.Sprintf("{'start': make_timestamp(epoch_us($1)), 'end': make_timestamp(epoch_us($1) + %d)}", w.Size.Microseconds())
	return &template{text: text, args: []Expr{x}}, windowType
}

// gapOf writes the durations that an expression may give, which Spark takes as texts, as intervals.
func (a *analyzer) gapOf(e Expr) Expr {
	switch e := e.(type) {
	case *String:
		d, err := parseOffset(e.Value)
		if err != nil {
			a.failf("INVALID_FUNCTION_ARGUMENT", e.Pos, "%s", err)
		}
		return &Interval{node: e.node, Negative: d < 0, Text: strconv.FormatFloat(d.Abs().Seconds(), 'f', -1, 64), From: "SECOND"}
	case *Case:
		out := *e
		out.Whens = nil
		for _, w := range e.Whens {
			out.Whens = append(out.Whens, When{w.Cond, a.gapOf(w.Then)})
		}
		if e.Else != nil {
			out.Else = a.gapOf(e.Else)
		}
		return &out
	case *Call:
		if e.Name != "if" && e.Name != "coalesce" {
			return e
		}
		out := *e
		out.Args = nil
		for i, arg := range e.Args {
			if e.Name == "coalesce" || i > 0 {
				arg = a.gapOf(arg)
			}
			out.Args = append(out.Args, arg)
		}
		return &out
	}
	return e
}

// windowTimeCall is window_time(window): the last instant of a window, by which windows are grouped into larger ones.
func (a *analyzer) windowTimeCall(c *Call, sc *scope) (Expr, Type) {
	if !a.opts.Windows {
		a.failf("FUNCTION_NOT_REGISTERED", c.Pos, "Function '%s' not registered", c.Name)
	}
	if !a.arity(c, 1, 1) {
		return c, Type{}
	}
	x, t := a.expr(c.Args[0], sc)
	if t.Known() && (t.Name != "row" || len(t.Fields) != 2 || t.Fields[1] != "end") {
		a.failf("FUNCTION_NOT_FOUND", c.Pos, "Unexpected parameters (%s) for function %s", t, c.Name)
	}
	return windowTime(x), Type{Name: "timestamp"}
}

func windowTime(x Expr) Expr {
	return &template{text: "struct_extract($1, 'end') - to_microseconds(1)", args: []Expr{x}}
}

// windowOffset reads '-5 minutes' or '0 seconds'.
func (a *analyzer) windowOffset(c *Call, i int) (time.Duration, bool) {
	s, ok := a.constText(c, i)
	if !ok {
		return 0, false
	}
	d, err := parseOffset(s)
	if err != nil {
		a.failf("INVALID_FUNCTION_ARGUMENT", c.Args[i].Position(), "%s", err)
	}
	return d, err == nil
}

// parseOffset is ParseWidth that takes '-5 minutes' and '0 seconds' too.
func parseOffset(s string) (time.Duration, error) {
	text, negative := strings.CutPrefix(strings.TrimSpace(s), "-")
	if n, unit, _ := strings.Cut(text, " "); strings.Trim(n, "0") == "" && n != "" {
		text = "1 " + unit // the unit is to be one all the same
		if _, err := ParseWidth(text); err == nil {
			return 0, nil
		}
	}
	d, err := ParseWidth(text)
	if negative {
		d = -d
	}
	return d, err
}

// windowWidth reads '10 minutes'.
func (a *analyzer) windowWidth(c *Call, i int) (time.Duration, bool) {
	s, ok := a.constText(c, i)
	if !ok {
		return 0, false
	}
	d, err := ParseWidth(s)
	if err != nil {
		a.failf("INVALID_FUNCTION_ARGUMENT", c.Args[i].Position(), "%s", err)
	}
	return d, err == nil
}

// ParseWidth reads a duration as Spark writes it: "10 minutes", "1 hour 30 minutes", "1.5 seconds", "1 day". Months and years have no
// fixed length and are refused.
func ParseWidth(s string) (time.Duration, error) {
	units := map[string]time.Duration{"microsecond": time.Microsecond, "millisecond": time.Millisecond, "second": time.Second,
		"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}
	words := strings.Fields(strings.ToLower(s))
	if len(words) > 0 && words[0] == "interval" {
		words = words[1:]
	}
	var total time.Duration
	for ; len(words) >= 2; words = words[2:] {
		unit, ok := units[strings.TrimSuffix(words[1], "s")]
		whole, fraction, parts := strings.Cut(words[0], ".")
		n, err := strconv.ParseUint(whole, 10, 32)
		if !ok || err != nil || n > 1e6 || parts && unit != time.Second {
			return 0, fmt.Errorf("%q is not a duration such as '10 minutes'", s)
		}
		total += time.Duration(n) * unit
		if parts {
			micros, err := strconv.ParseUint((fraction + "000000")[:6], 10, 32)
			if err != nil || fraction == "" || len(fraction) > 6 {
				return 0, fmt.Errorf("%q is not a duration such as '10 minutes'", s)
			}
			total += time.Duration(micros) * time.Microsecond
		}
	}
	if len(words) != 0 || total <= 0 {
		return 0, fmt.Errorf("%q is not a duration such as '10 minutes'", s)
	}
	return total, nil
}
