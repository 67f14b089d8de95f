package columnar

import (
	"io"
	"testing"
)

// BenchmarkJSONToParquet is Firehose's conversion: rides to columns to a Parquet file.
func BenchmarkJSONToParquet(b *testing.B) {
	recs := rides(50000, 1)
	d, err := NewJSONDecoder(schemaOf(b, rideFields), JSONOptions{Coerce: true, IgnoreCase: true})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		w, err := NewParquetWriter(io.Discard, schemaOf(b, rideFields), ParquetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for i, r := range recs {
			if _, bad, err := d.Append(r); err != nil || bad != nil {
				b.Fatal(bad, err)
			}
			if i%10000 == 9999 {
				if err := w.Write(d.Batch()); err != nil {
					b.Fatal(err)
				}
				d.Reset()
			}
		}
		if _, err := w.Close(); err != nil {
			b.Fatal(err)
		}
		n += len(recs)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mrec/s")
}

// BenchmarkWriteParquet writes rides that are there as columns.
func BenchmarkWriteParquet(b *testing.B) {
	d, err := NewJSONDecoder(schemaOf(b, rideFields), JSONOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range rides(50000, 1) {
		if _, _, err := d.Append(r); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := WriteParquet(io.Discard, ParquetOptions{}, d.Batch()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(50000*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrec/s")
}

// BenchmarkParquetRead reads what the writer wrote.
func BenchmarkParquetRead(b *testing.B) {
	recs := rides(50000, 1)
	d, err := NewJSONDecoder(schemaOf(b, rideFields), JSONOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range recs {
		d.Append(r)
	}
	file := parquetFile(b, d.Batch())
	n := 0
	for b.Loop() {
		got, err := ReadParquet(file, file.Size())
		if err != nil {
			b.Fatal(err)
		}
		n += got.Len
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mrec/s")
}
