package kinesis

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// benchServer is the service behind the real front door on loopback, on the machine's disk.
func benchServer(b *testing.B) (string, *service) {
	m, err := meta.Open(vfs.Default, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	streams, err := stream.Open(stream.Options{Dir: b.TempDir(), Meta: m})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { streams.Close() })
	if err := streams.Create(context.Background(), stream.Config{Name: "s", OnDemand: true}); err != nil {
		b.Fatal(err)
	}
	svc, err := Service(Options{Streams: streams, Meta: m})
	if err != nil {
		b.Fatal(err)
	}
	front, err := wire.NewServer(wire.Options{}, svc)
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { wire.Serve(ctx, ln, front) })
	b.Cleanup(func() { stop(); served.Wait() })
	key, err := tokenKey(m.Space("kinesis"))
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + ln.Addr().String(), &service{streams: streams, tokens: newSealer(key, time.Now)}
}

// benchCall sends a body and returns what came.
func benchCall(client *http.Client, url, op string, body []byte, into io.Writer) error {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Amz-Target", "Kinesis_20131202."+op)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(into, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", op, res.Status)
	}
	return nil
}

// PutRecords of 500 x 450 bytes, durable, over HTTP, the client in the same process. By profile, what is left is the
// kernel's socket copies, MD5 of the keys, and the write to the segment; the scanner and base64 are a tenth.
func BenchmarkPutRecordsHTTP(b *testing.B) {
	for _, conns := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("connections=%d", conns), func(b *testing.B) {
			url, _ := benchServer(b)
			body := putBody(500, 450)
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, DisableCompression: true}}
			b.SetBytes(500 * 450)
			b.ResetTimer()
			var all sync.WaitGroup
			for w := range conns {
				all.Go(func() {
					for i := w; i < b.N; i += conns {
						if err := benchCall(client, url, "PutRecords", body, io.Discard); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N*500)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// GetRecords of pages of 10,000 records of 450 bytes.
func BenchmarkGetRecordsHTTP(b *testing.B) {
	url, s := benchServer(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, DisableCompression: true}}
	body := putBody(500, 450)
	for range 200 {
		if err := benchCall(client, url, "PutRecords", body, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	sh, err := s.streams.Shard("s", stream.ShardID(1))
	if err != nil {
		b.Fatal(err)
	}
	const page = 10000
	get := fmt.Appendf(nil, `{"ShardIterator":%q}`, s.tokens.iterator(position{sh.Incarnation(), 1, 0}))
	b.ResetTimer()
	var all sync.WaitGroup
	for w := range 2 {
		all.Go(func() {
			for i := w; i < b.N; i += 2 {
				if err := benchCall(client, url, "GetRecords", get, io.Discard); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N*page)/b.Elapsed().Seconds(), "records/s")
}
