package cloudwatch

import (
	"maps"
	"math"
	"slices"
	"time"
)

// kind tells what a value is.
type kind int

const (
	aNumber kind = iota
	aSeries
	anArray // of series
	aText
)

// value is what an expression can be.
type value struct {
	kind   kind
	number float64
	one    series
	many   []series
	text   string
}

func number64(f float64) value { return value{kind: aNumber, number: f} }

// series is values by time, in seconds since 1970. Nothing changes one once it is made.
type series struct {
	period time.Duration
	points map[int64]float64
}

func (s series) times(ascending bool) []int64 {
	out := slices.Sorted(maps.Keys(s.points))
	if !ascending {
		slices.Reverse(out)
	}
	return out
}

// each makes a series of f of every point of s; a result that is no finite number is left out.
func (s series) each(f func(at int64, v float64) float64) series {
	out := series{s.period, make(map[int64]float64, len(s.points))}
	for at, v := range s.points {
		out.put(at, f(at, v))
	}
	return out
}

func (s series) put(at int64, v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		s.points[at] = v
	}
}

// combine applies an operator. Two series give points where both have one; an array is taken one by one.
func combine(op byte, a, b value) (value, error) {
	f := operators[op]
	switch {
	case a.kind == aText || b.kind == aText:
		return value{}, mathError("a text is no operand")
	case a.kind == aNumber && b.kind == aNumber:
		return number64(f(a.number, b.number)), nil
	case a.kind == anArray && b.kind == anArray:
		return value{}, mathError("two arrays cannot be combined")
	case a.kind == anArray:
		return mapArray(a.many, func(s series) (value, error) { return combine(op, value{kind: aSeries, one: s}, b) })
	case b.kind == anArray:
		return mapArray(b.many, func(s series) (value, error) { return combine(op, a, value{kind: aSeries, one: s}) })
	case a.kind == aNumber:
		return value{kind: aSeries, one: b.one.each(func(_ int64, v float64) float64 { return f(a.number, v) })}, nil
	case b.kind == aNumber:
		return value{kind: aSeries, one: a.one.each(func(_ int64, v float64) float64 { return f(v, b.number) })}, nil
	}
	out := series{max(a.one.period, b.one.period), map[int64]float64{}}
	for at, v := range a.one.points {
		if w, ok := b.one.points[at]; ok {
			out.put(at, f(v, w))
		}
	}
	return value{kind: aSeries, one: out}, nil
}

var operators = map[byte]func(a, b float64) float64{
	'+': func(a, b float64) float64 { return a + b },
	'-': func(a, b float64) float64 { return a - b },
	'*': func(a, b float64) float64 { return a * b },
	'/': func(a, b float64) float64 { return a / b },
	'^': math.Pow,
}

func mapArray(all []series, f func(series) (value, error)) (value, error) {
	out := value{kind: anArray}
	for _, s := range all {
		v, err := f(s)
		if err != nil {
			return value{}, err
		}
		out.many = append(out.many, v.one)
	}
	return out, nil
}

// call applies a function. An unknown one is an error that names it.
func call(name string, args []value, from source) (value, error) {
	if name == "METRICS" {
		part := ""
		if len(args) == 1 && args[0].kind == aText {
			part = args[0].text
		} else if len(args) > 0 {
			return value{}, mathError("METRICS takes nothing or one text")
		}
		all, err := from.metrics(part)
		return value{kind: anArray, many: all}, err
	}
	if name == "FILL" {
		return fill(args)
	}
	if len(args) != 1 || args[0].kind == aText {
		return value{}, mathErrorf("the function %s is not supported, or not with these arguments", name)
	}
	arg := args[0]
	if reduce := reducers[name]; reduce != nil {
		return reduceAll(name, reduce, arg)
	}
	if name == "PERIOD" && arg.kind == aSeries {
		return number64(arg.one.period.Seconds()), nil
	}
	f := transforms[name]
	switch {
	case f == nil:
		return value{}, mathErrorf("the function %s is not supported", name)
	case arg.kind == aSeries:
		return value{kind: aSeries, one: f(arg.one)}, nil
	case arg.kind == anArray:
		return mapArray(arg.many, func(s series) (value, error) { return value{kind: aSeries, one: f(s)}, nil })
	}
	return value{}, mathErrorf("the function %s needs a time series", name)
}

// reducers make one number of many.
var reducers = map[string]func([]float64) float64{
	"SUM": sum,
	"AVG": func(v []float64) float64 { return sum(v) / float64(len(v)) },
	"MIN": slices.Min[[]float64],
	"MAX": slices.Max[[]float64],
}

func sum(v []float64) (total float64) {
	for _, f := range v {
		total += f
	}
	return total
}

// reduceAll makes one series of an array, time by time, or one number of a series.
func reduceAll(name string, reduce func([]float64) float64, arg value) (value, error) {
	switch arg.kind {
	case aSeries:
		if len(arg.one.points) == 0 {
			return number64(0), nil
		}
		values := make([]float64, 0, len(arg.one.points))
		for _, at := range arg.one.times(true) {
			values = append(values, arg.one.points[at])
		}
		return number64(reduce(values)), nil
	case anArray:
		out := series{points: map[int64]float64{}}
		at := map[int64][]float64{}
		for _, s := range arg.many {
			out.period = max(out.period, s.period)
			for t, v := range s.points {
				at[t] = append(at[t], v)
			}
		}
		for t, values := range at {
			out.put(t, reduce(values))
		}
		return value{kind: aSeries, one: out}, nil
	}
	return value{}, mathErrorf("the function %s needs a time series or an array of them", name)
}

// transforms make a series of a series.
var transforms = map[string]func(series) series{
	"ABS":         func(s series) series { return s.each(func(_ int64, v float64) float64 { return math.Abs(v) }) },
	"CEIL":        func(s series) series { return s.each(func(_ int64, v float64) float64 { return math.Ceil(v) }) },
	"FLOOR":       func(s series) series { return s.each(func(_ int64, v float64) float64 { return math.Floor(v) }) },
	"DIFF":        func(s series) series { return s.steps(func(_, dv float64) float64 { return dv }) },
	"RATE":        func(s series) series { return s.steps(func(dt, dv float64) float64 { return dv / dt }) },
	"RUNNING_SUM": runningSum,
}

// steps makes a series of f of the seconds and the change since the point before; the first point has none.
func (s series) steps(f func(dt, dv float64) float64) series {
	out := series{s.period, map[int64]float64{}}
	times := s.times(true)
	for i := 1; i < len(times); i++ {
		before, at := times[i-1], times[i]
		out.put(at, f(float64(at-before), s.points[at]-s.points[before]))
	}
	return out
}

func runningSum(s series) series {
	out := series{s.period, map[int64]float64{}}
	total := 0.0
	for _, at := range s.times(true) {
		total += s.points[at]
		out.put(at, total)
	}
	return out
}

// fill puts a number where a series has gaps between its first and its last point.
func fill(args []value) (value, error) {
	if len(args) != 2 || args[0].kind != aSeries || args[1].kind != aNumber {
		return value{}, mathError("FILL is supported with a time series and a number only")
	}
	s := args[0].one
	times := s.times(true)
	step := int64(s.period / time.Second)
	out := series{s.period, maps.Clone(s.points)}
	if len(times) == 0 || step <= 0 || (times[len(times)-1]-times[0])/step > dataPerQueryMax {
		return value{kind: aSeries, one: out}, nil
	}
	for at := times[0]; at < times[len(times)-1]; at += step {
		if _, ok := out.points[at]; !ok {
			out.put(at, args[1].number)
		}
	}
	return value{kind: aSeries, one: out}, nil
}
