package columnar

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// The options of formats, under the names that Spark's readers have for them; timestampUnit is ours. Names are matched without regard to case, as in Spark. An
// option that is not here is refused: what a reader would ignore, a user would believe to hold.

// optionReader takes options out of a map and keeps the first error.
type optionReader struct {
	format string
	left   map[string]string // by lower-case name
	err    error
}

func newOptionReader(format string, options map[string]string) *optionReader {
	r := &optionReader{format: format, left: map[string]string{}}
	for name, value := range options {
		r.left[strings.ToLower(name)] = value
	}
	return r
}

func (r *optionReader) fail(name, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("option %s of format %s: %s", name, r.format, fmt.Sprintf(format, args...))
	}
}

// take returns the value of an option, which may stand under several names.
func (r *optionReader) take(names ...string) (value string, ok bool) {
	for _, name := range names {
		if v, has := r.left[strings.ToLower(name)]; has {
			value, ok = v, true
			delete(r.left, strings.ToLower(name))
		}
	}
	return value, ok
}

func (r *optionReader) boolean(name string, to *bool) {
	text, ok := r.take(name)
	if !ok {
		return
	}
	switch strings.ToLower(text) {
	case "true":
		*to = true
	case "false":
		*to = false
	default:
		r.fail(name, "%q is not true or false", text)
	}
}

// oneByte reads a single character of ASCII; \t and the like stand for theirs.
func (r *optionReader) oneByte(to *byte, names ...string) {
	text, ok := r.take(names...)
	if !ok {
		return
	}
	if plain, ok := map[string]string{`\t`: "\t", `\\`: `\`, `\0`: "\x00", `\u0000`: "\x00", `\u0001`: "\x01"}[text]; ok {
		text = plain
	}
	if len(text) != 1 || text[0] >= 0x80 {
		r.fail(names[0], "%q is not one character of ASCII", text)
		return
	}
	*to = text[0]
}

func (r *optionReader) text(name string, to *string) {
	if v, ok := r.take(name); ok {
		*to = v
	}
}

// pattern reads a pattern of times.
func (r *optionReader) pattern(name string, to **TimePattern) {
	text, ok := r.take(name)
	if !ok {
		return
	}
	p, err := CompileTimePattern(text)
	if err != nil {
		r.fail(name, "%v", err)
	}
	*to = p
}

// zone reads the zone of times that are written without one.
func (r *optionReader) zone(to **time.Location) {
	text, ok := r.take("timeZone")
	if !ok {
		return
	}
	loc, err := loadZone(text)
	if err != nil {
		r.fail("timeZone", "%v", err)
	}
	*to = loc
}

// unit reads what numbers that are times count.
func (r *optionReader) unit(to *TimestampUnit) {
	text, ok := r.take("timestampUnit")
	if !ok {
		return
	}
	if *to, ok = timestampUnits[text]; !ok {
		r.fail("timestampUnit", "%q is not s, ms, us or ns", text)
	}
}

// done is the first error, or the names that nobody took.
func (r *optionReader) done(known ...string) error {
	if r.err != nil || len(r.left) == 0 {
		return r.err
	}
	var names []string
	for name := range r.left {
		names = append(names, name)
	}
	sort.Strings(names)
	slices.Sort(known)
	return fmt.Errorf("format %s has no option %s here; it has %s", r.format, strings.Join(names, ", "), strings.Join(known, ", "))
}

// optionOf is the value of an option, empty if it is not there.
func optionOf(options map[string]string, name string) string {
	for k, v := range options {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}
