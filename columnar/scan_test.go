package columnar

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestShortNumber tries all texts of a few bytes: what is read is what the long way reads, up to the same byte.
func TestShortNumber(t *testing.T) {
	read := 0
	check := func(text string) {
		for _, tail := range []string{", \"k\":1}", "}       ", " ,      ", "e3      ", "        ", ""} {
			b := []byte(text + tail)
			mant, decimals, end, ok := shortNumber(b, 0)
			if !ok {
				continue
			}
			read++
			f := float64(mant) / pow10[decimals]
			num, stop, err := scanNumber(b, 0)
			want, exact := num.float64()
			if err != nil || !exact || end != stop || f != want || num.whole != (decimals == 0) || num.mant != mant {
				t.Fatalf("%q: %v up to %d, not %v up to %d, %v", b, f, end, want, stop, err)
			}
		}
	}
	const bytes = "0159.-e,x"
	var try func(prefix string)
	try = func(prefix string) {
		check(prefix)
		if len(prefix) < 6 {
			for _, c := range bytes {
				try(prefix + string(c))
			}
		}
	}
	try("")
	for i := range 1_000_000 {
		check(fmt.Sprintf("%d.%0*d", i/1000, 1+i%3, i%10))
	}
	if read < 1_000_000 {
		t.Errorf("only %d were read", read)
	}
	for whole := range 6 {
		for fraction := range 7 {
			text := strings.Repeat("7", whole) + "." + strings.Repeat("3", fraction)
			if fraction == 0 {
				text = text[:whole]
			}
			mant, decimals, _, ok := shortNumber([]byte(text+",       "), 0)
			f := float64(mant) / pow10[decimals]
			if want := whole > 0 && len(text) <= 7; ok != want {
				t.Errorf("%s is read: %v", text, ok)
			}
			if want, _ := strconv.ParseFloat(text, 64); ok && f != want {
				t.Errorf("%s is read as %v", text, f)
			}
		}
	}
}
