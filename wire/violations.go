package wire

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Violations collects constraint violations in AWS's words; all of a request go into one ValidationException.
// The zero value is ready. Paths are member names as AWS prints them, first letter small: streamName.
type Violations struct {
	found []string
}

// Check notes one violation unless ok: Value 'value' at 'path' failed to satisfy constraint: constraint.
func (v *Violations) Check(ok bool, path, value, constraint string) {
	if !ok {
		v.found = append(v.found, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: %s", value, path, constraint))
	}
}

// Required notes a violation unless the member is present.
func (v *Violations) Required(present bool, path string) {
	if !present {
		v.found = append(v.found, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", path))
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
	if value == "" {
		return
	}
	names := make([]string, len(known))
	for i, k := range known {
		if k == value {
			return
		}
		names[i] = string(k)
	}
	v.Check(false, path, string(value), "Member must satisfy enum value set: ["+strings.Join(names, ", ")+"]")
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
