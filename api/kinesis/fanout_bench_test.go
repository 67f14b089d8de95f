package kinesis

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/awskinesis"
)

// BenchmarkFanOut is the time from the start of a PutRecord until a batch has read the record, by the two ways of reading.
func BenchmarkFanOut(b *testing.B) {
	for _, way := range []string{"GetRecords", "SubscribeToShard"} {
		b.Run(way, func(b *testing.B) {
			url, _ := benchServer(b)
			client := benchClient(url, benchTransports["h2c"])
			var source interface {
				batch.Source
				batch.Starter
			} = awskinesis.New(client, "s", awskinesis.Options{})
			if way == "SubscribeToShard" {
				fan := awskinesis.NewFanOut(client, "s", "c", awskinesis.Options{})
				defer fan.Close()
				source = fan
			}
			at := batch.Offset{}
			var took []time.Duration
			in := &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: make([]byte, 100)}
			if _, err := source.Plan(b.Context(), at, batch.Limit{}); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for range b.N {
				began := make(chan time.Time, 1)
				go func() { // at any time of the reader's round
					time.Sleep(rand.N(250 * time.Millisecond))
					began <- time.Now()
					client.PutRecord(context.Background(), in)
				}()
				for n := 0; n == 0; {
					if err := source.Wait(b.Context(), at); err != nil {
						b.Fatal(err)
					}
					end, err := source.Plan(b.Context(), at, batch.Limit{})
					if err != nil {
						b.Fatal(err)
					}
					err = source.Read(b.Context(), at, end, func(chunk []batch.Record) error { n += len(chunk); return nil })
					if err != nil {
						b.Fatal(err)
					}
					at = end
				}
				took = append(took, time.Since(<-began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1e3, "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}
