package traffic

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// TestMaker makes records that are JSON, have their number and lie where their times say.
func TestMaker(t *testing.T) {
	now := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	const total = 100_000
	for _, times := range []string{"order", "mixed", "now"} {
		m, err := NewMaker(Options{Times: times, Total: total, Span: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		hours := map[string]bool{}
		for n := 0; n < total; n += 997 {
			var ride struct {
				Ride   int64  `json:"ride"`
				Pickup string `json:"tpep_pickup_datetime"`
				Vendor int    `json:"VendorID"`
				Fare   float64
			}
			text := m.Append(nil, n, now)
			if err := json.Unmarshal(text, &ride); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			if ride.Ride != RideFirst+int64(n) || ride.Vendor == 0 {
				t.Errorf("record %d is %s", n, text)
			}
			if again := m.Append(nil, n, now); string(again) != string(text) {
				t.Errorf("record %d is %s, then %s", n, text, again)
			}
			hours[ride.Pickup[:13]] = true
		}
		if want := map[string]int{"order": 24, "mixed": 24, "now": 1}[times]; len(hours) != want {
			t.Errorf("%s: %d hours, want %d", times, len(hours), want)
		}
	}
	if _, err := NewMaker(Options{Times: "never"}); err == nil {
		t.Error("times that are not known")
	}
}

func TestRefused(t *testing.T) {
	const throttled = `{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slow"}`
	const stored = `{"SequenceNumber":"1","ShardId":"shardId-000000000000"}`
	for _, c := range []struct {
		body string
		want []int
		fail bool
	}{
		{`{"FailedRecordCount":0,"Records":[` + stored + `]}`, nil, false},
		{`{"FailedRecordCount":2,"Records":[` + throttled + `,` + stored + `,` + throttled + `]}`, []int{7, 9}, false},
		{`{"FailedRecordCount":1,"Records":[` + throttled + `]}`, nil, true},
		{`{"FailedRecordCount":1,"Records":[{"ErrorCode":"InternalFailure","ErrorMessage":""},` + stored + `,` + stored + `]}`, nil, true},
	} {
		got, err := refused([]byte(c.body), []int{7, 8, 9})
		if (err != nil) != c.fail || !c.fail && !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v", c.body, got, err)
		}
	}
}
