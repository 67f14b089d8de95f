package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/weir-data/weir/internal/load"
)

// benchStart measures from exec to ready, with an empty data directory, and takes the median of several.
func benchStart(ctx context.Context, c *BenchCmd, dir string) (measurement, error) {
	var m measurement
	best, sum := 0.0, 0.0
	const runs = 5
	for i := range runs {
		s, err := startChild(ctx, fmt.Sprintf("%s/%d", dir, i), false)
		if err != nil {
			return m, err
		}
		ms := float64(s.ready.Microseconds()) / 1000
		sum += ms
		best = max(best, ms)
		m.PeakMiB = max(m.PeakMiB, s.stop())
	}
	m.Ready = sum / runs
	m.Note = fmt.Sprintf("mean of %d starts with an empty data directory, slowest %.0f ms", runs, best)
	return m, nil
}

// benchPut measures durable PutRecords through HTTP, against a server that only reads the same requests.
func benchPut(ctx context.Context, c *BenchCmd, dir string) (measurement, error) {
	return putRecords(ctx, c, dir, false)
}

// benchPutSigned is benchPut with every request's signature and body hash checked.
func benchPutSigned(ctx context.Context, c *BenchCmd, dir string) (measurement, error) {
	return putRecords(ctx, c, dir, true)
}

func putRecords(ctx context.Context, c *BenchCmd, dir string, signed bool) (measurement, error) {
	m := measurement{Connection: c.Connections, Peer: "net/http reading the same requests and storing nothing"}
	peer, stop, err := sink()
	if err != nil {
		return m, err
	}
	peerLoad, err := benchRequests(peer, c.Connections, signed)
	if err != nil {
		return m, err
	}
	calls, elapsed, err := drive(peer, peerLoad, c.Duration/2)
	stop()
	if err != nil {
		return m, err
	}
	m.PeerRate = float64(len(calls)) / elapsed.Seconds() * benchBatch

	s, err := startChild(ctx, dir+"/data", signed)
	if err != nil {
		return m, err
	}
	defer s.stop()
	if err := call(s.addr, "CreateStream", map[string]any{"StreamName": benchStream, "ShardCount": 4}, nil, signed); err != nil {
		return m, err
	}
	requests, err := benchRequests(s.addr, c.Connections, signed)
	if err != nil {
		return m, err
	}
	calls, elapsed, err = drive(s.addr, requests, c.Duration)
	if err != nil {
		return m, err
	}
	m.Calls = float64(len(calls)) / elapsed.Seconds()
	m.Records = m.Calls * benchBatch
	m.MB = m.Records * benchRecord / 1e6
	m.P50ms, m.P99ms = percentile(calls, 0.5), percentile(calls, 0.99)
	m.Ratio = m.Records / m.PeerRate
	m.PeakMiB = peakMiB(s.cmd.Process.Pid)
	m.Note = "500 records of 450 B a call, answered when synced"
	return m, nil
}

// benchGet measures GetRecords: a reader per shard from the oldest record to the tip, over and over.
func benchGet(ctx context.Context, c *BenchCmd, dir string) (measurement, error) {
	m := measurement{Peer: "put in the same run"}
	s, err := startChild(ctx, dir+"/data", false)
	if err != nil {
		return m, err
	}
	defer s.stop()
	if err := call(s.addr, "CreateStream", map[string]any{"StreamName": benchStream, "ShardCount": 4}, nil, false); err != nil {
		return m, err
	}
	requests, err := benchRequests(s.addr, c.Connections, false)
	if err != nil {
		return m, err
	}
	calls, elapsed, err := drive(s.addr, requests, c.Duration/2)
	if err != nil {
		return m, err
	}
	m.PeerRate = float64(len(calls)*benchBatch) / elapsed.Seconds()

	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		total int
		began = time.Now()
	)
	for shard := range 4 {
		wg.Go(func() {
			n, e := readShard(ctx, s.addr, fmt.Sprintf("shardId-%012d", shard), c.Duration)
			mu.Lock()
			defer mu.Unlock()
			total += n
			if e != nil {
				err = e
			}
		})
	}
	wg.Wait()
	if err != nil {
		return m, err
	}
	m.Records = float64(total) / time.Since(began).Seconds()
	m.MB = m.Records * benchRecord / 1e6
	m.Ratio = m.Records / m.PeerRate
	m.PeakMiB = peakMiB(s.cmd.Process.Pid)
	m.Connection = 4
	m.Note = fmt.Sprintf("%s records read; 10,000 a call", count(int64(total)))
	return m, nil
}

// readShard reads a shard from its horizon, again when it has reached the tip, until d is over.
func readShard(ctx context.Context, addr, shard string, d time.Duration) (records int, err error) {
	conn, err := load.Dial(addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		var it struct{ ShardIterator string }
		in := map[string]any{"StreamName": benchStream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
		if err := call(addr, "GetShardIterator", in, &it, false); err != nil {
			return records, err
		}
		for next := it.ShardIterator; time.Now().Before(end); {
			req, err := encodeCall(addr, "GetRecords", []byte(`{"ShardIterator":"`+next+`"}`), false)
			if err != nil {
				return records, err
			}
			resp, err := conn.Do(req)
			if err != nil {
				return records, err
			}
			if resp.Status != http.StatusOK {
				return records, fmt.Errorf("GetRecords: status %d: %.200s", resp.Status, resp.Body)
			}
			n := bytes.Count(resp.Body, []byte(`"SequenceNumber"`))
			if n == 0 {
				break
			}
			records += n
			if next = jsonString(resp.Body, `"NextShardIterator":"`); next == "" {
				break
			}
		}
	}
	return records, nil
}

// jsonString is the text after the last mark up to the next quote.
func jsonString(body []byte, mark string) string {
	i := bytes.LastIndex(body, []byte(mark))
	if i < 0 {
		return ""
	}
	rest := body[i+len(mark):]
	if j := bytes.IndexByte(rest, '"'); j >= 0 {
		return string(rest[:j])
	}
	return ""
}
