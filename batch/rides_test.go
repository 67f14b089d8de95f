package batch_test

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
)

// ridesFile is the pipeline of the rides tutorial.
const ridesFile = `
name: rides
source:
  stream: input-stream
  format: json
  schema:
    VendorID: string
    tpep_pickup_datetime: timestamp
    tpep_dropoff_datetime: timestamp
    passenger_count: double
    trip_distance: double
    RatecodeID: string
    store_and_fwd_flag: string
    PULocationID: string
    DOLocationID: string
    payment_type: string
    fare_amount: double
    extra: double
    mta_tax: double
    tip_amount: double
    tolls_amount: double
    improvement_surcharge: double
    total_amount: double
    congestion_surcharge: double
    Airport_fee: {type: double, nullable: true}
  mode: permissive
query: |
  SELECT *, year(tpep_pickup_datetime) AS year, month(tpep_pickup_datetime) AS month,
         day(tpep_pickup_datetime) AS day, hour(tpep_pickup_datetime) AS hour
  FROM source
sink:
  delta: s3://lake/rides
  table: lake.rides
  partition_by: [year, month, day, hour]
  mode: append
trigger: available-now
dead_letters: s3://lake/_dead/rides
`

func parse(t testing.TB, text string) *batch.Pipeline {
	t.Helper()
	p, err := batch.ParsePipeline("rides.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sampleFile are 120,000 real rides; without it the tests make some up.
const sampleFile = "../../shared/data/yellow_tripdata_2019_sample.csv.gz"

var textColumns = map[string]bool{"VendorID": true, "tpep_pickup_datetime": true, "tpep_dropoff_datetime": true, "RatecodeID": true,
	"store_and_fwd_flag": true, "PULocationID": true, "DOLocationID": true, "payment_type": true}

// rides are JSON records as the tutorial's producer sends them: null for what is empty.
func rides(t testing.TB) (records [][]byte, real bool) {
	f, err := os.Open(filepath.FromSlash(sampleFile))
	if err != nil {
		t.Logf("no sample of real rides (%v): using generated ones", err)
		return generatedRides(20_000, time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC), 365*24*time.Hour), false
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	header, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return records, true
		}
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for i, name := range header {
			value := row[i]
			switch {
			case value == "":
				value = "null"
			case textColumns[name]:
				value = strconv.Quote(strings.Replace(value, " ", "T", 1))
			}
			fmt.Fprintf(&b, ", %q: %s", name, value)
		}
		records = append(records, []byte("{"+b.String()[2:]+"}"))
	}
}

// generatedRides are n rides of a period, in order of time.
func generatedRides(n int, from time.Time, period time.Duration) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	records := make([][]byte, n)
	for i := range records {
		at := from.Add(time.Duration(float64(period) * float64(i) / float64(n))).Truncate(time.Second)
		fare := float64(r.IntN(8000)) / 100
		records[i] = fmt.Appendf(nil, `{"VendorID": "%d", "tpep_pickup_datetime": "%s", "tpep_dropoff_datetime": "%s", "passenger_count": %d.0, `+
			`"trip_distance": %.2f, "RatecodeID": "1", "store_and_fwd_flag": "N", "PULocationID": "%d", "DOLocationID": "%d", "payment_type": "1", `+
			`"fare_amount": %.2f, "extra": 0.5, "mta_tax": 0.5, "tip_amount": 1.25, "tolls_amount": 0.0, "improvement_surcharge": 0.3, `+
			`"total_amount": %.2f, "congestion_surcharge": null, "Airport_fee": 0.0}`, 1+r.IntN(2), at.Format("2006-01-02T15:04:05"),
			at.Add(time.Duration(r.IntN(3600))*time.Second).Format("2006-01-02T15:04:05"), 1+r.IntN(5), float64(r.IntN(2000))/100,
			1+r.IntN(263), 1+r.IntN(263), fare, fare+2.55)
	}
	return records
}

// memSource is a source whose shards are slices; a record's sequence number is its place, from 1.
type memSource struct {
	mu     sync.Mutex
	shards map[string][]batch.Record
	more   chan struct{} // closed when records come
	chunk  int
}

func newMemSource(shards int, records [][]byte) *memSource {
	s := &memSource{shards: map[string][]batch.Record{}, more: make(chan struct{}), chunk: 5000}
	for i := range shards {
		s.shards[fmt.Sprintf("shardId-%012d", i)] = nil
	}
	s.put(records)
	return s
}

func (s *memSource) put(records [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, data := range records {
		id := fmt.Sprintf("shardId-%012d", i%len(s.shards))
		s.shards[id] = append(s.shards[id], batch.Record{
			Shard: id, SeqNum: strconv.Itoa(len(s.shards[id]) + 1), Key: []byte("key"), Data: data, Arrival: time.Unix(1e9, 0),
		})
	}
	close(s.more)
	s.more = make(chan struct{})
}

func position(o batch.Offset, shard string) int {
	n, _ := strconv.Atoi(o[shard])
	return n
}

func (s *memSource) Plan(_ context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := start.Clone()
	for id, records := range s.shards {
		from := position(start, id)
		n, bytes := 0, int64(0)
		for from+n < len(records) && n < max(1, limit.Records/len(s.shards)) && bytes < limit.Bytes/int64(len(s.shards)) {
			bytes += int64(len(records[from+n].Data))
			n++
		}
		if n > 0 {
			end[id] = strconv.Itoa(from + n)
		}
	}
	return end, nil
}

func (s *memSource) Read(_ context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	for id := range end { // map order: shards come in any order, as from a service
		s.mu.Lock()
		records := s.shards[id][position(start, id):position(end, id)]
		s.mu.Unlock()
		for len(records) > 0 {
			n := min(s.chunk, len(records))
			if err := f(records[:n]); err != nil {
				return err
			}
			records = records[n:]
		}
	}
	return nil
}

func (s *memSource) Wait(ctx context.Context, start batch.Offset) error {
	for {
		s.mu.Lock()
		more := s.more
		for id, records := range s.shards {
			if len(records) > position(start, id) {
				s.mu.Unlock()
				return nil
			}
		}
		s.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
