package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-data/weir/internal/load"
)

// getShards is how many shards, and so readers, benchGet has.
const getShards = 4

// benchGet measures GetRecords: a reader per shard from the oldest record to the tip, over and over; against a server that
// writes answers of the same size.
func benchGet(b *bench) error {
	m := measurement{Connections: getShards, Shards: getShards, RecordBytes: benchRecord, Peer: "net/http writing answers of the same size"}
	s, err := b.serve(false, "")
	if err != nil {
		return err
	}
	defer s.stop()
	if err := call(s.addr, "CreateStream", map[string]any{"StreamName": benchStream, "ShardCount": getShards}, nil, false); err != nil {
		return err
	}
	requests, err := rides.requests(s.addr, 8, false)
	if err != nil {
		return err
	}
	calls, elapsed, err := drive(s.addr, requests, b.Duration/2)
	if err != nil {
		return err
	}
	put := float64(len(calls)*benchBatch) / elapsed.Seconds()

	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		got    readCount
		failed error
		began  = time.Now()
		before = cpuNow(s.cmd.Process.Pid)
	)
	for shard := range getShards {
		wg.Go(func() {
			n, err := readShard(b.ctx, s.addr, fmt.Sprintf("shardId-%012d", shard), b.Duration)
			mu.Lock()
			defer mu.Unlock()
			got.records, got.bytes, got.calls = got.records+n.records, got.bytes+n.bytes, got.calls+n.calls
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	elapsed = time.Since(began)
	m.addCPU(before, s.cmd.Process.Pid, elapsed)
	m.Records = float64(got.records) / elapsed.Seconds()
	m.MB = m.Records * benchRecord / 1e6
	m.Calls = float64(got.calls) / elapsed.Seconds()
	m.PeakMiB = peakMiB(s.cmd.Process.Pid)
	m.Note = fmt.Sprintf("%s records read, %d a call; %.2f of put's rate in the same run", count(got.records), got.records/max(got.calls, 1), m.Records/put)
	if m.PeerRate, err = answerRate(int(got.bytes/max(got.calls, 1)), b.Duration/3); err != nil {
		return err
	}
	m.PeerRate *= float64(got.records) / float64(max(got.calls, 1))
	m.Ratio = m.Records / m.PeerRate
	m.bind()
	return b.emit(m)
}

// answerRate is how many answers of a size a second net/http writes and our load generator reads.
func answerRate(size int, d time.Duration) (perSecond float64, err error) {
	addr, stop, err := sink(size)
	if err != nil {
		return 0, err
	}
	defer stop()
	request, err := encodeCall(addr, "GetRecords", []byte(`{}`), false)
	if err != nil {
		return 0, err
	}
	calls, elapsed, err := drive(addr, slices.Repeat([][]byte{request}, getShards), d)
	return float64(len(calls)) / elapsed.Seconds(), err
}

// readCount is what readers have got; bytes are those of the answers.
type readCount struct{ records, bytes, calls int64 }

// readShard reads a shard from its horizon, again when it has reached the tip, until d is over.
func readShard(ctx context.Context, addr, shard string, d time.Duration) (got readCount, err error) {
	conn, err := load.Dial(addr)
	if err != nil {
		return got, err
	}
	defer conn.Close()
	for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
		var it struct{ ShardIterator string }
		in := map[string]any{"StreamName": benchStream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
		if err := call(addr, "GetShardIterator", in, &it, false); err != nil {
			return got, err
		}
		for next := it.ShardIterator; next != "" && time.Now().Before(end); {
			req, err := encodeCall(addr, "GetRecords", []byte(`{"ShardIterator":"`+next+`"}`), false)
			if err != nil {
				return got, err
			}
			resp, err := conn.Do(req)
			if err != nil {
				return got, err
			}
			if resp.Status != http.StatusOK {
				return got, fmt.Errorf("GetRecords: status %d: %.200s", resp.Status, resp.Body)
			}
			n := load.Count(resp.Body, "SequenceNumber")
			if n == 0 {
				break
			}
			got.records, got.bytes, got.calls = got.records+int64(n), got.bytes+int64(len(resp.Body)), got.calls+1
			next = string(load.Member(resp.Body, "NextShardIterator"))
		}
	}
	return got, nil
}

// pushEvery is the time between two puts of benchPush: it measures latency, not how much goes through.
const pushEvery = time.Millisecond

// benchPush measures how long a record takes from the start of its PutRecord to the consumer that has subscribed to its
// shard, durable in between; against the time that the PutRecord itself takes.
func benchPush(b *bench) error {
	m := measurement{Connections: 2, Shards: 1, RecordBytes: benchRecord, Peer: "calls of PutRecord a second at its own median latency, in the same run"}
	s, err := b.serve(false, "")
	if err != nil {
		return err
	}
	defer s.stop()
	conn, events, err := subscribeFirst(s.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	var (
		began    = time.Now()
		before   = cpuNow(s.cmd.Process.Pid)
		pushed   []time.Duration
		expected atomic.Int64 // records; negative until it is known
		done     = make(chan error, 1)
	)
	expected.Store(-1)
	go func() { done <- receive(events, began, &expected, &pushed) }()
	puts, err := putSlowly(s.addr, began, b.Duration)
	if err != nil {
		return err
	}
	expected.Store(int64(len(puts)))
	last, err := putSlowly(s.addr, began, pushEvery) // wakes the receiver
	if err != nil {
		return err
	}
	if err := <-done; err != nil {
		return fmt.Errorf("after %d of %d records: %w", len(pushed), len(puts)+len(last), err)
	}
	m.addCPU(before, s.cmd.Process.Pid, time.Since(began))
	slices.Sort(puts)
	slices.Sort(pushed)
	m.P50ms, m.P99ms = percentile(pushed, 0.5), percentile(pushed, 0.99)
	m.PeerRate = 1000 / percentile(puts, 0.5)
	m.Ratio = 1000 / m.P50ms / m.PeerRate
	m.Note = fmt.Sprintf("%d records, one each %v, PutRecord answered after p50 %.2f ms, p99 %.2f ms", len(pushed), pushEvery, percentile(puts, 0.5), percentile(puts, 0.99))
	m.PeakMiB = peakMiB(s.cmd.Process.Pid)
	m.Binds = "round trip"
	return b.emit(m)
}

// subscribeFirst makes a stream of one shard and a consumer, and subscribes.
func subscribeFirst(addr string) (*load.Conn, *load.Events, error) {
	if err := call(addr, "CreateStream", map[string]any{"StreamName": benchStream, "ShardCount": 1}, nil, false); err != nil {
		return nil, nil, err
	}
	var described struct {
		StreamDescriptionSummary struct{ StreamARN string }
	}
	if err := call(addr, "DescribeStreamSummary", map[string]any{"StreamName": benchStream}, &described, false); err != nil {
		return nil, nil, err
	}
	var registered struct{ Consumer struct{ ConsumerARN string } }
	in := map[string]any{"StreamARN": described.StreamDescriptionSummary.StreamARN, "ConsumerName": "bench"}
	if err := call(addr, "RegisterStreamConsumer", in, &registered, false); err != nil {
		return nil, nil, err
	}
	request, err := encodeCall(addr, "SubscribeToShard", fmt.Appendf(nil,
		`{"ConsumerARN":%q,"ShardId":"shardId-000000000000","StartingPosition":{"Type":"TRIM_HORIZON"}}`, registered.Consumer.ConsumerARN), false)
	if err != nil {
		return nil, nil, err
	}
	conn, err := load.Dial(addr)
	if err != nil {
		return nil, nil, err
	}
	events, err := conn.Subscribe(request)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, events, nil
}

// receive notes how long ago each record was put, by the time in its data, until more than expected have come.
func receive(events *load.Events, began time.Time, expected *atomic.Int64, pushed *[]time.Duration) error {
	for {
		ev, err := events.Next()
		if err != nil {
			return err
		}
		if ev.Exception {
			return fmt.Errorf("%s: %s", ev.Type, ev.Payload)
		}
		if ev.Type != "SubscribeToShardEvent" {
			continue
		}
		now := time.Since(began)
		err = load.Each(ev.Payload, "Records", []string{"Data"}, func(v [][]byte) error {
			raw, err := base64.StdEncoding.DecodeString(string(v[0]))
			if err != nil || len(raw) < 8 {
				return errors.Join(io.ErrUnexpectedEOF, err)
			}
			*pushed = append(*pushed, now-time.Duration(binary.BigEndian.Uint64(raw)))
			return nil
		})
		if err != nil {
			return err
		}
		if n := expected.Load(); n >= 0 && int64(len(*pushed)) > n {
			return nil
		}
	}
}

// putSlowly puts a record, whose data begins with the time since began, each pushEvery for d.
func putSlowly(addr string, began time.Time, d time.Duration) (took []time.Duration, err error) {
	conn, err := load.Dial(addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	data := make([]byte, benchRecord)
	tick := time.NewTicker(pushEvery)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		at := time.Since(began)
		binary.BigEndian.PutUint64(data, uint64(at))
		body := fmt.Appendf(nil, `{"StreamName":"%s","Data":"%s","PartitionKey":"k"}`, benchStream, base64.StdEncoding.EncodeToString(data))
		request, err := encodeCall(addr, "PutRecord", body, false)
		if err != nil {
			return took, err
		}
		resp, err := conn.Do(request)
		if err != nil {
			return took, err
		}
		if resp.Status != http.StatusOK {
			return took, fmt.Errorf("PutRecord: status %d: %.200s", resp.Status, resp.Body)
		}
		took = append(took, time.Since(began)-at)
	}
	return took, nil
}
