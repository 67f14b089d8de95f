package delivery

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDatePattern(t *testing.T) {
	at := time.Date(2026, 3, 9, 15, 4, 5, 123456789, time.FixedZone("CET", 3600))
	for pattern, want := range map[string]string{
		"yyyy/MM/dd/HH": "2026/03/09/15", "yy-M-d": "26-3-9", "DDD": "068", "D": "68", "hh:mm:ss a": "03:04:05 PM", "H'h'mm": "15h04",
		"SSS": "123", "SSSSSSSSS": "123456789", "MMM MMMM E EEEE": "Mar March Mon Monday", "'o''clock'": "o'clock", "''": "'",
		"Z X XX XXX x ZZZZ z": "+0100 +01 +0100 +01:00 +01 GMT+01:00 CET", "Q k K": "1 15 3",
	} {
		p, err := compileDatePattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if got := p.format(at); got != want {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
	for _, bad := range []string{"YYYY", "'open", "ddd", "{", "w", "SSSSSSSSSS", "b"} {
		if _, err := compileDatePattern(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestPrefixes(t *testing.T) {
	values := func() prefixValues {
		return prefixValues{instant: time.Date(2026, 3, 9, 5, 0, 0, 0, time.UTC), random: randomStrings("id"), errorType: "format-conversion-failed"}
	}
	for _, c := range []struct{ data, failed, wantData, wantFailed string }{
		{"", "", "2026/03/09/05/", "format-conversion-failed/2026/03/068/05/"},
		{"lake", "", "lake2026/03/09/05/", "lakeformat-conversion-failed/2026/03/068/05/"},
		{"lake/", "err/", "lake/2026/03/09/05/", "err/format-conversion-failed/2026/03/068/05/"},
		{"y=!{timestamp:yyyy}/m=!{timestamp:MM}/", "e/!{firehose:error-output-type}/!{timestamp:dd}/", "y=2026/m=03/", "e/format-conversion-failed/09/"},
	} {
		data, err := CompilePrefix(c.data)
		if err != nil {
			t.Fatal(err)
		}
		failed, err := CompilePrefix(c.failed)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := dataPrefix(data, values()); got != c.wantData || err != nil {
			t.Errorf("data of %q: %q, %v", c.data, got, err)
		}
		if got, err := errorPrefix(failed, data, values()); got != c.wantFailed || err != nil {
			t.Errorf("errors of %q, %q: %q, %v", c.data, c.failed, got, err)
		}
		if err := checkPrefixes(data, failed); err != nil {
			t.Errorf("%q, %q: %v", c.data, c.failed, err)
		}
	}
	p, _ := CompilePrefix("!{firehose:random-string}/!{firehose:random-string}/!{timestamp:yyyy}")
	first, _ := p.evaluate(values())
	second, _ := p.evaluate(values())
	parts := strings.Split(first, "/")
	if first != second || len(parts[0]) != 11 || parts[0] == parts[1] {
		t.Errorf("random strings %q, then %q", first, second)
	}
	for _, bad := range []string{"!{timestamp:}", "!{timestamp:yyyy", "!{firehose:x}", "!{partitionKeyFromLambda:x}", "!{partitionKeyFromQuery:x}", "!{}", strings.Repeat("x", 1025)} {
		if _, err := CompilePrefix(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.30s: %v", bad, err)
		}
	}
	for _, bad := range [][2]string{{"!{timestamp:yyyy}", ""}, {"a", "!{timestamp:yyyy}"}, {"!{firehose:error-output-type}", "e"}} {
		data, _ := CompilePrefix(bad[0])
		failed, _ := CompilePrefix(bad[1])
		if err := checkPrefixes(data, failed); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzPrefix(f *testing.F) {
	f.Add("a/!{timestamp:yyyy'x'MM}/!{firehose:random-string}/!{firehose:error-output-type}")
	at := time.Date(2026, 12, 31, 23, 59, 59, 999999999, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := CompilePrefix(text)
		if err != nil {
			return
		}
		v := prefixValues{instant: at, random: randomStrings("x")}
		a, errA := p.evaluate(v)
		v.random = randomStrings("x")
		b, errB := p.evaluate(v)
		if a != b || (errA == nil) != (errB == nil) || len(a) > evaluatedMax {
			t.Fatalf("%q: %q %v, %q %v", text, a, errA, b, errB)
		}
		if !strings.Contains(text, "!{") && errA == nil && a != text {
			t.Fatalf("%q became %q", text, a)
		}
	})
}
