package sql

import (
	"slices"
	"strings"
	"testing"
)

// TestInstead checks that what is said to be written in place of Spark's functions can be.
func TestInstead(t *testing.T) {
	for name, text := range instead() {
		if _, found, _ := lookup(name, 1); found || special(name) != nil {
			t.Errorf("%s is registered", name)
		}
		for _, x := range strings.Split(text, ", or ") {
			query := "SELECT " + x + " FROM a"
			if strings.Contains(x, "JOIN") {
				query = "SELECT e FROM a " + x
			}
			if _, err := ToDuckDB(query, Options{}); err != nil {
				t.Errorf("%s: %s: %v", name, x, err)
			}
		}
	}
	for _, name := range specials {
		if special(name) == nil {
			t.Errorf("%s is not special", name)
		}
	}
}

// TestSaysWhatToWrite checks what is said of functions that are not there, in pipelines and elsewhere.
func TestSaysWhatToWrite(t *testing.T) {
	for _, c := range []struct{ x, want string }{
		{"nvl(a, 1)", "FUNCTION_NOT_REGISTERED: line 1:8: Function 'nvl' not registered; write coalesce(x, y)"},
		{"regexp_liek(a, b)", "FUNCTION_NOT_REGISTERED: line 1:8: Function 'regexp_liek' not registered; did you mean regexp_like?"},
		{"nosuchthing(1)", "FUNCTION_NOT_REGISTERED: line 1:8: Function 'nosuchthing' not registered"},
		{"date_format(a, 'yyyy-MM-dd')", "INVALID_FUNCTION_ARGUMENT: line 1:23: the format 'yyyy-MM-dd' of date_format has none of MySQL's codes, such as %Y; format_datetime and parse_datetime take Java's"},
		{"ARRAY[1][0]", "INVALID_FUNCTION_ARGUMENT: line 1:8: SQL array indices start at 1"},
	} {
		if _, err := ToDuckDB("SELECT "+c.x+" FROM t", Options{}); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.x, err, c.want)
		}
	}
	q, err := ParseQuery("SELECT nvl(a, 1) FROM t")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Translate(q, Options{}); err == nil || strings.Contains(err.Error(), "coalesce") {
		t.Errorf("Athena says no more than that it is not registered: %v", err)
	}
	if d := []int{distance("", "ab"), distance("kitten", "sitting"), distance("ab", "ab")}; !slices.Equal(d, []int{2, 3, 0}) {
		t.Errorf("distances %v", d)
	}
}
