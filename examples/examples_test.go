package examples

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/produce"
)

// TestRidesPipeline reads the pipeline file and finds every member of a generated ride in its schema.
func TestRidesPipeline(t *testing.T) {
	p, err := batch.ParsePipeline("rides.yaml", RidesPipeline)
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, f := range p.Sources[0].Schema.Fields {
		fields = append(fields, f.Name)
	}
	if len(fields) != 19 {
		t.Errorf("%d fields, the tutorial has 19", len(fields))
	}
	ride, _, err := produce.NewRides(produce.RidesOptions{Seed: 1, Start: time.Unix(1.5e9, 0)}).Next(nil)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(ride, &members); err != nil {
		t.Fatal(err)
	}
	for name := range members {
		if !slices.Contains(fields, name) {
			t.Errorf("%s is in the rides and not in the schema", name)
		}
	}
	if want := []string{"year", "month", "day", "hour"}; !slices.Equal(p.Sinks[0].PartitionBy, want) {
		t.Errorf("partitioned by %v, want %v", p.Sinks[0].PartitionBy, want)
	}
}
