package produce

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRealRides reads the real rides that lie beside the checkout and counts what is known of them; where they are missing,
// it reads generated ones, whose sum is added up on the way out.
func TestRealRides(t *testing.T) {
	path := filepath.Join("..", "..", "shared", "data", "yellow_tripdata_2019_sample.csv.gz")
	wantRides, wantNoVendor, wantCents := 120_000, 372, 229_099_267
	if _, err := os.Stat(path); err != nil {
		t.Logf("reading generated rides, as the real ones are not here: %v", err)
		path, wantRides, wantNoVendor, wantCents = generatedRides(t, 5000)
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
	if rides != wantRides || noVendor != wantNoVendor || cents != wantCents {
		t.Errorf("%d rides, %d without a vendor, %d cents; want %d, %d, %d", rides, noVendor, cents, wantRides, wantNoVendor, wantCents)
	}
}

// generatedRides writes n rides as a CSV file, every hundredth without a vendor, and says what is in it.
func generatedRides(t *testing.T, n int) (path string, rides, noVendor, cents int) {
	t.Helper()
	var text strings.Builder
	text.WriteString("VendorID,tpep_pickup_datetime,store_and_fwd_flag,total_amount,congestion_surcharge\n")
	g := NewRides(RidesOptions{Seed: 1, Amount: n, Start: time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)})
	for i := range n {
		r := g.ride(g.pickup.Add(time.Duration(i) * time.Second))
		vendor := strconv.Itoa(r.vendor)
		if i%100 == 0 {
			vendor = ""
			noVendor++
		}
		cents += r.total()
		fmt.Fprintf(&text, "%s,%s,N,%d.%02d,\n", vendor, r.pickup.Format("2006-01-02 15:04:05"), r.total()/100, r.total()%100)
	}
	return write(t, "rides.csv.gz", text.String()), n, noVendor, cents
}
