package catalog

import (
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Cron is a compiled schedule of AWS: cron(minutes hours day-of-month month day-of-week year), in UTC. Lists, ranges,
// steps and names are understood; L, W and # are not.
type Cron struct {
	minutes, hours, days, months, weekdays uint64 // bit n: value n
	anyDay, anyWeekday                     bool   // the field is ?
	years                                  []bool // from cronFirstYear; nil is every year
}

const (
	cronFirstYear = 1970
	cronLastYear  = 2199
)

var (
	monthNames   = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	weekdayNames = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

// ParseCron compiles a schedule, or returns ErrInvalid.
func ParseCron(text string) (*Cron, error) {
	inner, ok := strings.CutPrefix(text, "cron(")
	inner, closed := strings.CutSuffix(inner, ")")
	f := strings.Fields(inner)
	if !ok || !closed || len(f) != 6 {
		return nil, badCron(text, "it is not of the form cron(minutes hours day-of-month month day-of-week year)")
	}
	c := &Cron{anyDay: f[2] == "?", anyWeekday: f[4] == "?"}
	if c.anyDay == c.anyWeekday {
		return nil, badCron(text, "exactly one of day-of-month and day-of-week must be ?")
	}
	for _, field := range []struct {
		set      *uint64
		text     string
		min, max int
		names    []string
	}{
		{&c.minutes, f[0], 0, 59, nil},
		{&c.hours, f[1], 0, 23, nil},
		{&c.days, f[2], 1, 31, nil},
		{&c.months, f[3], 1, 12, monthNames},
		{&c.weekdays, f[4], 1, 7, weekdayNames},
	} {
		if field.text == "?" {
			continue
		}
		ok := cronField(field.text, field.min, field.max, field.names, func(n int) { *field.set |= 1 << n })
		if !ok {
			return nil, badCron(text, "field "+strconv.Quote(field.text)+" is not supported")
		}
	}
	if f[5] != "*" {
		c.years = make([]bool, cronLastYear-cronFirstYear+1)
		if !cronField(f[5], cronFirstYear, cronLastYear, nil, func(n int) { c.years[n-cronFirstYear] = true }) {
			return nil, badCron(text, "field "+strconv.Quote(f[5])+" is not supported")
		}
	}
	return c, nil
}

func badCron(text, why string) error {
	return Failf(ErrInvalid, "Invalid schedule expression %q: %s", text, why)
}

// cronField calls set with every value that a field names: *, 5, 1-5, MON-FRI, 0/15, 1-30/2, and lists of them.
func cronField(text string, min, max int, names []string, set func(int)) bool {
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, err := strconv.Atoi(stepText)
			if err != nil || n < 1 || n > max {
				return false
			}
			step = n
		}
		first, last := min, max
		if span != "*" {
			from, to, isRange := strings.Cut(span, "-")
			var ok bool
			if first, ok = cronValue(from, min, max, names); !ok {
				return false
			}
			if !isRange && !stepped {
				last = first
			}
			if isRange {
				if last, ok = cronValue(to, min, max, names); !ok || last < first {
					return false
				}
			}
		}
		for n := first; n <= last; n += step {
			set(n)
		}
	}
	return true
}

func cronValue(text string, min, max int, names []string) (int, bool) {
	for i, name := range names {
		if strings.EqualFold(name, text) {
			return i + 1, true
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= min && n <= max
}

// Next returns the first time after t that the schedule names, in UTC, and false if there is none.
func (c *Cron) Next(t time.Time) (time.Time, bool) {
	t = t.UTC().Truncate(time.Minute).Add(time.Minute)
	for t.Year() <= cronLastYear {
		switch {
		case c.years != nil && (t.Year() < cronFirstYear || !c.years[t.Year()-cronFirstYear]):
			t = time.Date(t.Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
		case c.months&(1<<t.Month()) == 0:
			t = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		case !c.onDay(t):
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
		case c.hours&(1<<t.Hour()) == 0:
			t = t.Truncate(time.Hour).Add(time.Hour)
		case c.minutes>>t.Minute() == 0:
			t = t.Truncate(time.Hour).Add(time.Hour)
		default:
			return t.Add(time.Duration(bits.TrailingZeros64(c.minutes>>t.Minute())) * time.Minute), true
		}
	}
	return time.Time{}, false
}

func (c *Cron) onDay(t time.Time) bool {
	if c.anyDay {
		return c.weekdays&(1<<(int(t.Weekday())+1)) != 0
	}
	return c.days&(1<<t.Day()) != 0
}
