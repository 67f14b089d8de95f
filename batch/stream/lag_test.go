package stream

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
)

func TestMetrics(t *testing.T) {
	s := openStore(t, 2)
	put(t, s, 0, 0, 3)
	put(t, s, 1, 0, 2)
	src := New(s, "s")
	src.now = func() time.Time { return time.Now().Add(time.Hour) }
	if m := src.Metrics(); m != nil {
		t.Errorf("before anything was planned: %v", m)
	}
	at := batch.Offset{}
	for _, want := range []string{"4", "2", "0"} { // records that are left, of batches of 1, 2 and all
		limit := batch.Limit{Records: map[string]int{"4": 1, "2": 2, "0": 10}[want]}
		end, err := src.Take(t.Context(), at, limit, func([]batch.Record) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		at = end
		m := src.Metrics()
		var ms int64
		fmt.Sscan(m["maxMsBehindLatest"], &ms)
		if behind := time.Duration(ms) * time.Millisecond; m["recordsBehindLatest"] != want || behind != 0 && (want == "0" || (behind-time.Hour).Abs() > time.Minute) || behind == 0 && want != "0" {
			t.Errorf("%s left: %v", want, m)
		}
	}
	put(t, s, 1, 2, 1)
	before := src.Metrics()
	if _, err := src.Latest(t.Context()); err != nil || !maps.Equal(src.Metrics(), before) {
		t.Errorf("what was not planned counts: %v, %v", src.Metrics(), err)
	}
	if _, err := src.Plan(t.Context(), batch.Offset{}, batch.Limit{Records: 3}); err != nil || src.Metrics()["recordsBehindLatest"] != "3" {
		t.Errorf("planned, not taken: %v, %v", src.Metrics(), err)
	}
}
