package produce

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"testing"
	"time"
)

type rideJSON struct {
	Pickup     string  `json:"tpep_pickup_datetime"`
	Dropoff    string  `json:"tpep_dropoff_datetime"`
	Passengers float64 `json:"passenger_count"`
	Miles      float64 `json:"trip_distance"`
	Rate       float64 `json:"RatecodeID"`
	From       int     `json:"PULocationID"`
	To         int     `json:"DOLocationID"`
	Payment    int     `json:"payment_type"`
	Fare       float64 `json:"fare_amount"`
	Extra      float64 `json:"extra"`
	Tax        float64 `json:"mta_tax"`
	Tip        float64 `json:"tip_amount"`
	Tolls      float64 `json:"tolls_amount"`
	Improve    float64 `json:"improvement_surcharge"`
	Total      float64 `json:"total_amount"`
	Congestion float64 `json:"congestion_surcharge"`
	Airport    float64 `json:"Airport_fee"`
}

func TestRidesLookReal(t *testing.T) {
	const n = 50_000
	g := NewRides(RidesOptions{Seed: 1, Amount: n, Start: time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)})
	var hours [24]int
	flat, airports, last := 0, 0, ""
	var miles float64
	for i := range n {
		raw, key, err := g.Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		var r rideJSON
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		var members map[string]any
		if json.Unmarshal(raw, &members); len(members) != 19 || key == "" {
			t.Fatalf("%d members, key %q: %s", len(members), key, raw)
		}
		sum := r.Fare + r.Extra + r.Tax + r.Tip + r.Tolls + r.Improve + r.Congestion + r.Airport
		if math.Abs(sum-r.Total) > 0.001 {
			t.Fatalf("ride %d: parts add up to %.2f, total is %.2f: %s", i, sum, r.Total, raw)
		}
		if r.Pickup < last || r.Dropoff <= r.Pickup {
			t.Fatalf("ride %d: times go back: %s", i, raw)
		}
		if r.Payment != 1 && r.Tip != 0 {
			t.Fatalf("ride %d: a tip without a card: %s", i, raw)
		}
		if r.From < 1 || r.From > zones || r.To < 1 || r.To > zones {
			t.Fatalf("ride %d: no such zone: %s", i, raw)
		}
		last = r.Pickup
		at, err := time.Parse("2006-01-02T15:04:05", r.Pickup)
		if err != nil {
			t.Fatal(err)
		}
		hours[at.Hour()]++
		miles += r.Miles
		if r.Rate == 2 {
			flat++
			if r.Fare != 52 {
				t.Fatalf("flat fare %.2f: %s", r.Fare, raw)
			}
		}
		if r.From == kennedy || r.To == kennedy {
			airports++
		}
	}
	if _, _, err := g.Next(nil); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last ride: %v", err)
	}
	if hours[18] < 3*hours[4] {
		t.Errorf("no rush hour: %d rides at 18h, %d at 4h", hours[18], hours[4])
	}
	if mean := miles / n; mean < 2 || mean > 5 {
		t.Errorf("mean distance %.2f miles", mean)
	}
	if flat == 0 || airports < n/50 {
		t.Errorf("%d airport rides, %d with the flat fare", airports, flat)
	}
}

func TestRidesRepeatBySeed(t *testing.T) {
	o := RidesOptions{Seed: 7, Amount: 100, Start: time.Unix(1.5e9, 0)}
	a, b := NewRides(o), NewRides(o)
	o.Seed = 8
	c := NewRides(o)
	same := true
	for range 100 {
		x, _, _ := a.Next(nil)
		y, _, _ := b.Next(nil)
		z, _, _ := c.Next(nil)
		if string(x) != string(y) {
			t.Fatalf("same seed, other ride:\n%s\n%s", x, y)
		}
		same = same && string(x) == string(z)
	}
	if same {
		t.Fatal("another seed gave the same rides")
	}
}

func BenchmarkRides(b *testing.B) {
	g := NewRides(RidesOptions{Seed: 1})
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _, _ = g.Next(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}
