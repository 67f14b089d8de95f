package kinesis

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weir-data/weir/internal/load"
)

// One record of 450 bytes a call, durable, over HTTP, from connections that hold their request ready. By profile, half of
// the time is the kernel's: a read and a write for each side of each call, and the sync. With one connection the sync is
// what one waits for; with many, net/http is a third and the scanner and the answer no longer show. The general decoder,
// and the words of violations that were not there, were a sixth.
func BenchmarkPutRecordHTTP(b *testing.B) {
	for _, conns := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("connections=%d", conns), func(b *testing.B) {
			url, _ := benchServer(b)
			addr := strings.TrimPrefix(url, "http://")
			body := fmt.Appendf(nil, `{"StreamName":"s","Data":"%s","PartitionKey":"key-1"}`, base64.StdEncoding.EncodeToString(make([]byte, 450)))
			request := load.Request(addr, "/", body, load.Header{Name: "X-Amz-Target", Value: "Kinesis_20131202.PutRecord"},
				load.Header{Name: "Content-Type", Value: "application/x-amz-json-1.1"})
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for w := range conns {
				all.Go(func() {
					c, err := load.Dial(addr)
					if err != nil {
						b.Error(err)
						return
					}
					defer c.Close()
					for i := w; i < b.N; i += conns {
						if resp, err := c.Do(request); err != nil || resp.Status != 200 {
							b.Errorf("status %d: %s %v", resp.Status, resp.Body, err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
