package sql

import (
	"testing"
	"time"
)

func TestParseWidth(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10 minutes": 10 * time.Minute, "1 hour 30 minutes": 90 * time.Minute, "interval 2 days": 48 * time.Hour, "1.5 seconds": 1500 * time.Millisecond,
		"0.000001 second": time.Microsecond, "1 minute 0.25 seconds": time.Minute + 250*time.Millisecond,
		"1.5 minutes": 0, "1. seconds": 0, "1.0000001 seconds": 0, "10x minutes": 0, "-1 minute": 0, "1 month": 0, "minutes": 0, "0 seconds": 0, "+1 second": 0, "1.-5 seconds": 0,
	} {
		if got, err := ParseWidth(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
}
