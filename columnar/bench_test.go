package columnar

import (
	"bytes"
	"fmt"
	"math/rand"
	"strings"
	"testing"
)

const rideFields = "VendorID:bigint,tpep_pickup_datetime:timestamp,tpep_dropoff_datetime:timestamp,passenger_count:bigint," +
	"trip_distance:double,RatecodeID:bigint,store_and_fwd_flag:string,PULocationID:bigint,DOLocationID:bigint,payment_type:bigint," +
	"fare_amount:double,extra:double,mta_tax:double,tip_amount:double,tolls_amount:double,improvement_surcharge:double," +
	"total_amount:double,congestion_surcharge:double,Airport_fee:double"

// rides makes n ride records of about 420 bytes, some with null surcharges.
func rides(n int, seed int64) [][]byte {
	r := rand.New(rand.NewSource(seed))
	out := make([][]byte, n)
	for i := range out {
		day, hour, minute := 1+r.Intn(28), r.Intn(24), r.Intn(60)
		fare := float64(r.Intn(6000)) / 100
		congestion := "2.5"
		if r.Intn(20) == 0 {
			congestion = "null"
		}
		out[i] = fmt.Appendf(nil, `{"VendorID":%d,"tpep_pickup_datetime":"2019-01-%02d %02d:%02d:%02d","tpep_dropoff_datetime":"2019-01-%02d %02d:%02d:%02d","passenger_count":%d,`+
			`"trip_distance":%.2f,"RatecodeID":1,"store_and_fwd_flag":"N","PULocationID":%d,"DOLocationID":%d,"payment_type":%d,"fare_amount":%.2f,"extra":0.5,"mta_tax":0.5,`+
			`"tip_amount":%.2f,"tolls_amount":0.0,"improvement_surcharge":0.3,"total_amount":%.2f,"congestion_surcharge":%s,"Airport_fee":null}`,
			1+r.Intn(2), day, hour, minute, r.Intn(60), day, hour, minute, r.Intn(60), 1+r.Intn(5), float64(r.Intn(2000))/100, 1+r.Intn(263), 1+r.Intn(263), 1+r.Intn(2),
			fare, fare/5, fare*1.2+1.3, congestion)
	}
	return out
}

// spaced is a record as Python's json.dumps writes it.
func spaced(record []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(record, []byte(`":`), []byte(`": `)), []byte(`,"`), []byte(`, "`))
}

// BenchmarkJSON decodes rides and small records; rides of Python into the columns of the tutorial, some of which are texts of numbers.
func BenchmarkJSON(b *testing.B) {
	small, python := rides(10000, 1), rides(10000, 1)
	for i, r := range python {
		python[i] = spaced(r)
		small[i] = fmt.Appendf(nil, `{"key": %d, "at": "2026-01-15T00:%02d:%02d.%03d", "amount": %d.%02d}`, i*997, i/60%60, i%60, i%1000, i%300, i%100)
	}
	texts := strings.NewReplacer("VendorID:bigint", "VendorID:string", "passenger_count:bigint", "passenger_count:double", "RatecodeID:bigint", "RatecodeID:string",
		"LocationID:bigint", "LocationID:string", "payment_type:bigint", "payment_type:string").Replace(rideFields)
	for _, c := range []struct {
		name, fields string
		records      [][]byte
	}{{"rides", rideFields, rides(10000, 1)}, {"python", texts, python}, {"small", "key:bigint,at:timestamp,amount:double", small}} {
		b.Run(c.name, func(b *testing.B) { benchmarkJSON(b, c.fields, c.records) })
	}
}

func benchmarkJSON(b *testing.B, fields string, recs [][]byte) {
	size := 0
	for _, r := range recs {
		size += len(r)
	}
	d, err := NewJSONDecoder(schemaOf(b, fields), JSONOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size / len(recs)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i++; i == len(recs) {
			i = 0
			d.Reset()
		}
		if _, bad, err := d.Append(recs[i]); err != nil || bad != nil {
			b.Fatal(bad, err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrec/s")
}
