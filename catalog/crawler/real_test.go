package crawler

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// TestRealRides looks at real rides, or at generated ones where the folder with them is missing.
func TestRealRides(t *testing.T) {
	file, err := os.ReadFile("../../../shared/data/yellow_tripdata_2019_sample.csv.gz")
	if errors.Is(err, fs.ErrNotExist) {
		t.Log("looking at generated rides, as there are no real ones beside the checkout")
		file, err = generatedRides(120_000)
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

// generatedRides is a CSV file of n rides with the columns of the real one, zipped; some surcharges are missing.
func generatedRides(n int) ([]byte, error) {
	rng := rand.New(rand.NewPCG(1, 1))
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	fmt.Fprintln(z, "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,"+
		"DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,total_amount,congestion_surcharge")
	for i := range n {
		surcharge := ""
		if i%3 > 0 {
			surcharge = "2.5"
		}
		at := time.Date(2019, 1, 1, 0, 0, i, 0, time.UTC)
		fmt.Fprintf(z, "%d,%s,%s,%d,%d.%d,1,N,%d,%d,%d,%d.5,0.5,0.5,%d.95,0.0,0.3,%d.75,%s\n", 1+rng.IntN(2), at.Format(time.DateTime),
			at.Add(time.Duration(rng.IntN(3600))*time.Second).Format(time.DateTime), 1+rng.IntN(6), rng.IntN(20), rng.IntN(10), 1+rng.IntN(263),
			1+rng.IntN(263), 1+rng.IntN(4), 3+rng.IntN(50), rng.IntN(9), 5+rng.IntN(60), surcharge)
	}
	err := z.Close()
	return out.Bytes(), err
}
