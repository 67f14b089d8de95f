package produce

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestRealRides reads the real rides that lie beside the checkout and counts what is known of them.
func TestRealRides(t *testing.T) {
	path := filepath.Join("..", "..", "shared", "data", "yellow_tripdata_2019_sample.csv.gz")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the real rides are not here: %v", err)
	}
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rides, noVendor, cents := 0, 0, 0
	var rec []byte
	for {
		if rec, _, err = f.Next(rec[:0]); errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var ride struct {
			VendorID *int
			Pickup   string   `json:"tpep_pickup_datetime"`
			Flag     *string  `json:"store_and_fwd_flag"`
			Total    float64  `json:"total_amount"`
			Surplus  *float64 `json:"congestion_surcharge"`
		}
		if err := json.Unmarshal(rec, &ride); err != nil {
			t.Fatalf("%s: %v", rec, err)
		}
		if len(ride.Pickup) != len("2019-01-15T03:36:12") || ride.Pickup[10] != 'T' {
			t.Fatalf("pick-up %q", ride.Pickup)
		}
		rides++
		cents += int(math.Round(100 * ride.Total))
		if ride.VendorID == nil {
			noVendor++
		}
	}
	if rides != 120_000 || noVendor != 372 || cents != 229_099_267 {
		t.Errorf("%d rides, %d without a vendor, %d cents", rides, noVendor, cents)
	}
}
