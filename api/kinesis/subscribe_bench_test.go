package kinesis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/internal/awshttp"
	"github.com/weir-data/weir/internal/load"
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

// What an idle subscription takes of the server's memory, stacks included: the client is a bare connection. By profile that
// is net/http's buffers and the stacks of its two goroutines.
func BenchmarkIdleSubscriptions(b *testing.B) {
	url, s := benchServer(b)
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := used()
	for i := range b.N {
		c, err := s.streams.RegisterConsumer(b.Context(), "s", fmt.Sprint("c", i%1000), nil, 1<<20)
		if errors.Is(err, stream.ErrConsumerExists) {
			d, _ := s.streams.Describe(b.Context(), "s")
			at := slices.IndexFunc(d.Consumers, func(c stream.Consumer) bool { return c.Name == fmt.Sprint("c", i%1000) })
			c, err = d.Consumers[at], nil
		}
		if err != nil {
			b.Fatal(err)
		}
		addr := strings.TrimPrefix(url, "http://")
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		body := fmt.Appendf(nil, `{"ConsumerARN":%q,"ShardId":"%d","StartingPosition":{"Type":"LATEST"}}`, c.ARN, i/1000)
		conn.Write(load.Request(addr, "/", body, load.Header{Name: "X-Amz-Target", Value: "Kinesis_20131202.SubscribeToShard"},
			load.Header{Name: "Content-Type", Value: "application/x-amz-json-1.1"}))
		var answer [2048]byte
		if n, err := conn.Read(answer[:]); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200") {
			b.Fatalf("%q %v", answer[:n], err)
		}
	}
	b.ReportMetric((float64(used())-float64(before))/float64(b.N), "bytes/subscription")
}
