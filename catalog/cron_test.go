package catalog

import (
	"errors"
	"testing"
	"time"
)

func TestCron(t *testing.T) {
	start := time.Date(2024, 2, 28, 23, 59, 30, 0, time.UTC)
	for _, c := range []struct{ cron, want string }{
		{"cron(* * * * ? *)", "2024-02-29 00:00:00"},
		{"cron(15 12 * * ? *)", "2024-02-29 12:15:00"},
		{"cron(0/20 * * * ? *)", "2024-02-29 00:00:00"},
		{"cron(5-10/5,30 3 1 * ? *)", "2024-03-01 03:05:00"},
		{"cron(0 8 ? * MON-FRI *)", "2024-02-29 08:00:00"},
		{"cron(0 8 ? * 1 *)", "2024-03-03 08:00:00"},
		{"cron(0 0 31 APR,JUN,JUL ? *)", "2024-07-31 00:00:00"},
		{"cron(0 0 29 2 ? 2025-2032)", "2028-02-29 00:00:00"},
		{"cron(0 0 30 2 ? *)", "never"},
		{"cron(0 0 * * ? 2023)", "never"},
		{"cron(0 0 * * * *)", "error"},
		{"cron(0 0 ? * ? *)", "error"},
		{"cron(60 0 * * ? *)", "error"},
		{"cron(0 0 L * ? *)", "error"},
		{"cron(0 0 ? * 2#1 *)", "error"},
		{"cron(5-1 0 * * ? *)", "error"},
		{"cron(0/0 0 * * ? *)", "error"},
		{"rate(5 minutes)", "error"},
		{"", "error"},
	} {
		got := "error"
		cron, err := ParseCron(c.cron)
		switch {
		case err == nil:
			got = "never"
			if at, ok := cron.Next(start); ok {
				got = at.Format(time.DateTime)
			}
		case !errors.Is(err, ErrInvalid):
			t.Errorf("%s: %v is not ErrInvalid", c.cron, err)
		}
		if got != c.want {
			t.Errorf("%s after %v: got %s, want %s (%v)", c.cron, start, got, c.want, err)
		}
	}
}

func FuzzParseCron(f *testing.F) {
	f.Add("cron(0/15 1-5 ? JAN MON-FRI 2024)")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCron(text)
		if err != nil {
			return
		}
		start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		if at, ok := c.Next(start); ok && !at.After(start) {
			t.Fatalf("%q: next of %v is %v", text, start, at)
		}
	})
}
