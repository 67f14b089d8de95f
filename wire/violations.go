package wire

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// Violations collects constraint violations in AWS's words; all of a request, but not more than ten, go into one
// ValidationException.
// The zero value is ready. Paths are member names as AWS prints them, first letter small: streamName.
type Violations struct {
	found []string
}

// Check notes one violation unless ok: Value 'value' at 'path' failed to satisfy constraint: constraint.
func (v *Violations) Check(ok bool, path, value, constraint string) {
	if !ok {
		v.note("'"+value+"'", path, constraint)
	}
}

// Required notes a violation unless the member is present.
func (v *Violations) Required(present bool, path string) {
	if !present {
		v.note("null", path, "Member must not be null")
	}
}

// violationsMax is how many AWS tells at most.
const violationsMax = 10

func (v *Violations) note(value, path, constraint string) {
	if len(v.found) < violationsMax {
		v.found = append(v.found, "Value "+value+" at '"+path+"' failed to satisfy constraint: "+constraint)
	}
}

// Length checks the number of characters of a text that is present; a nil value passes.
func (v *Violations) Length(value *string, path string, min, max int) {
	if value == nil {
		return
	}
	v.Size(utf8.RuneCountInString(*value), path, *value, min, max)
}

// Pattern is a regular expression in the words in which AWS shows it, and what decides.
type Pattern struct {
	Text  string
	Match func(string) bool
}

// Pattern checks the form of a text that is present; a nil value passes.
func (v *Violations) Pattern(value *string, path string, p Pattern) {
	if value != nil && !p.Match(*value) {
		v.Check(false, path, *value, "Member must satisfy regular expression pattern: "+p.Text)
	}
}

// Range checks a number that is present; a nil value passes.
func Range[T int32 | int64](v *Violations, value *T, path string, min, max T) {
	if value == nil {
		return
	}
	text := fmt.Sprint(*value)
	v.Check(*value >= min, path, text, fmt.Sprintf("Member must have value greater than or equal to %d", min))
	v.Check(*value <= max, path, text, fmt.Sprintf("Member must have value less than or equal to %d", max))
}

// AtLeast checks a number that is present and has no upper bound; a nil value passes.
func AtLeast[T int32 | int64](v *Violations, value *T, path string, min T) {
	if value != nil {
		v.Check(*value >= min, path, fmt.Sprint(*value), fmt.Sprintf("Member must have value greater than or equal to %d", min))
	}
}

// Size checks the number of elements of the list at path, which text shows as AWS prints it.
func (v *Violations) Size(n int, path, text string, min, max int) {
	if n < min { // words only for what is wrong: they cost more than the check
		v.Check(false, path, text, fmt.Sprintf("Member must have length greater than or equal to %d", min))
	}
	if n > max {
		v.Check(false, path, text, fmt.Sprintf("Member must have length less than or equal to %d", max))
	}
}

// Enum checks that a member of an enumeration, if set, is one of known (the Values of the SDK's type).
func Enum[T ~string](v *Violations, value T, path string, known []T) {
	if value != "" && !slices.Contains(known, value) {
		v.Check(false, path, string(value), enumText(known))
	}
}

// Enums checks that all elements of the list at path are among known.
func Enums[T ~string](v *Violations, values []T, path string, known []T) {
	if slices.ContainsFunc(values, func(e T) bool { return !slices.Contains(known, e) }) {
		v.Check(false, path, "["+join(values)+"]", "Member must satisfy constraint: ["+enumText(known)+"]")
	}
}

func enumText[T ~string](known []T) string {
	return "Member must satisfy enum value set: [" + join(known) + "]"
}

func join[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, t := range list {
		texts[i] = string(t)
	}
	return strings.Join(texts, ", ")
}

// Err returns nil or the ValidationException with "N validation error(s) detected: …".
func (v *Violations) Err() error {
	switch len(v.found) {
	case 0:
		return nil
	case 1:
		return Errorf("ValidationException", http.StatusBadRequest, "1 validation error detected: %s", v.found[0])
	}
	return Errorf("ValidationException", http.StatusBadRequest, "%d validation errors detected: %s", len(v.found), strings.Join(v.found, "; "))
}
