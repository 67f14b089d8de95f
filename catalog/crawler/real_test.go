package crawler

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// TestRealRides looks at real rides, where the folder with them is there.
func TestRealRides(t *testing.T) {
	file, err := os.ReadFile("../../../shared/data/yellow_tripdata_2019_sample.csv.gz")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no real rides beside the checkout")
	}
	if err != nil {
		t.Fatal(err)
	}
	sh := classifyText(decompress(file[:min(len(file), sampleBytes)], false), 10_000)
	if sh == nil || sh.classification != "csv" || sh.compression != "gzip" || !sh.header {
		t.Fatalf("got %+v", sh)
	}
	want := "VendorID bigint, tpep_pickup_datetime string, tpep_dropoff_datetime string, passenger_count bigint, trip_distance double, " +
		"RatecodeID bigint, store_and_fwd_flag string, PULocationID bigint, DOLocationID bigint, payment_type bigint, fare_amount double, " +
		"extra double, mta_tax double, tip_amount double, tolls_amount double, improvement_surcharge double, total_amount double, congestion_surcharge double"
	if got := describe(sh.fields); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if rows := float64(sh.records) * float64(len(file)) / float64(sh.stored); rows < 100_000 || rows > 140_000 {
		t.Errorf("estimated %.0f rows of 120,000", rows)
	}
}
