package kinesis

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/internal/awshttp"
	"github.com/weir-data/weir/stream"
)

var benchTransports = map[string]func(*http.Protocols){
	"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
	"h2c":      func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
}

func benchClient(url string, set func(*http.Protocols)) *sdk.Client {
	var protocols http.Protocols
	set(&protocols)
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &url, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		HTTPClient:  awshttp.OwnBody(&http.Client{Transport: &http.Transport{Protocols: &protocols, MaxIdleConnsPerHost: 4}}),
	})
}

// benchSubscribe opens a subscription of a shard from its tip, and reads the first event.
func benchSubscribe(b *testing.B, client *sdk.Client, s *service, consumer string, shard int) *sdk.SubscribeToShardEventStream {
	b.Helper()
	c, err := s.streams.RegisterConsumer(b.Context(), "s", consumer, nil, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	out, err := client.SubscribeToShard(b.Context(), &sdk.SubscribeToShardInput{
		ConsumerARN: &c.ARN, ShardId: aws.String(stream.ShardID(uint32(shard))),
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { out.GetStream().Close() })
	<-out.GetStream().Events()
	return out.GetStream()
}

// From the call of PutRecord to the event at the subscriber, both with the Go SDK in this process, and, to compare, to
// the answer of the call. The event does not wait for the answer, so the two are nearly equal.
func BenchmarkPutToPush(b *testing.B) {
	for name, set := range benchTransports {
		for _, size := range []int{100, 1 << 10, 100 << 10} {
			b.Run(fmt.Sprintf("%s/bytes=%d", name, size), func(b *testing.B) {
				url, s := benchServer(b)
				client := benchClient(url, set)
				events := benchSubscribe(b, client, s, "c", 0).Events()
				in := &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), ExplicitHashKey: aws.String("0"), Data: make([]byte, size)}
				pushed, answered := make([]time.Duration, b.N), make([]time.Duration, b.N)
				done := make(chan error, 1)
				b.ResetTimer()
				for i := range b.N {
					began := time.Now()
					go func() {
						_, err := client.PutRecord(context.Background(), in)
						answered[i] = time.Since(began)
						done <- err
					}()
					for records := 0; records == 0; {
						e := (<-events).(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
						records = len(e.Value.Records)
					}
					pushed[i] = time.Since(began)
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
				for name, times := range map[string][]time.Duration{"push": pushed, "answer": answered} {
					slices.Sort(times)
					b.ReportMetric(float64(times[len(times)/2].Microseconds()), name+"-p50-µs")
					b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), name+"-p99-µs")
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// What an idle subscription takes of memory, the server's side and the client's together, and the system's stacks with
// them; of that the client has the larger half.
func BenchmarkIdleSubscriptions(b *testing.B) {
	for name, set := range benchTransports {
		b.Run(name, func(b *testing.B) {
			url, s := benchServer(b)
			client := benchClient(url, set)
			used := func() uint64 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc + m.StackInuse
			}
			before := used()
			for i := range b.N {
				benchSubscribe(b, client, s, fmt.Sprint(i), 0)
			}
			b.ReportMetric((float64(used())-float64(before))/float64(b.N), "bytes/subscription")
		})
	}
}
