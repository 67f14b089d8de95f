package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestWaitNotice tells of a stream that takes nothing, and not of one that only refuses some records.
func TestWaitNotice(t *testing.T) {
	var out strings.Builder
	now, acked := time.Unix(0, 0), int64(0)
	w := &waitNotice{stream: "rides", out: &out, now: func() time.Time { return now }, acked: func() int64 { return acked }}
	for range 100 { // half a minute of progress
		now, acked = now.Add(300*time.Millisecond), acked+1
		w.tell(errors.New("throttled"))
	}
	if out.Len() > 0 {
		t.Errorf("told of progress: %s", &out)
	}
	for range 25 {
		now = now.Add(time.Second)
		w.tell(errors.New("InternalFailure: no space left"))
	}
	if n := strings.Count(out.String(), "rides takes no records for now, after 100 acknowledged; trying again: InternalFailure: no space left"); n != 2 {
		t.Errorf("told %d times: %s", n, &out)
	}
}
