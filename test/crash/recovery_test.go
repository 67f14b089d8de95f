package crash

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/load"
)

var (
	retainedMiB    = flag.Int64("retained", 200, "MiB of records in the log when it is killed, for TestReady")
	retainedShards = flag.Int("retained-shards", 4, "shards of the stream, for TestReady")
	dataDir        = flag.String("data", "", "folder for the data of TestReady; default: the test's own temporary folder")
)

// readyMiB is how much must be retained for the time of a start to be judged.
const readyMiB = 20 << 10

// TestReady kills weir serve while it writes to a log that holds much, and measures how long the next start takes until a
// record is stored, and one read from either end. The full run is:
//
//	go test ./test/crash -run TestReady -v -timeout 30m -retained 20480 -retained-shards 4
func TestReady(t *testing.T) {
	if *retainedMiB < readyMiB { // nothing is measured
		t.Parallel()
	}
	w := newWorld(t)
	w.unsigned = true
	if *dataDir != "" {
		dir, err := os.MkdirTemp(*dataDir, "weir-ready-")
		w.must("make a folder", err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		w.dir = dir
	}
	args := []string{"serve", "--listen", w.addr, "--data", filepath.Join(w.dir, "data")}
	server := w.start("serve", args...)
	w.request("CreateStream", map[string]any{"StreamName": streamName, "ShardCount": *retainedShards})
	began := time.Now()
	stop := w.flood(*retainedMiB << 20)
	took := time.Since(began)
	server.kill()
	newest := stop()
	files, err := filepath.Glob(filepath.Join(w.dir, "data", "streams", "*.segment"))
	w.must("list segments", err)

	began = time.Now()
	w.start("serve", args...)
	up := time.Since(began)
	w.request("PutRecord", map[string]any{"StreamName": streamName, "PartitionKey": "k", "Data": []byte("after")})
	stored := time.Since(began)
	w.readFrom(newest.shard, "TRIM_HORIZON", "")
	got := w.readFrom(newest.shard, "AT_SEQUENCE_NUMBER", newest.seqNum)
	read := time.Since(began)
	if got != newest.seqNum {
		t.Fatalf("the newest acknowledged record is %s, read back was %s", newest.seqNum, got)
	}
	t.Logf("%d MiB in %d segments, %d shards, written in %.1f s; after kill -9 listening after %d ms, a record stored after %d ms, old and new ones read after %d ms",
		*retainedMiB, len(files), *retainedShards, took.Seconds(), up.Milliseconds(), stored.Milliseconds(), read.Milliseconds())
	if *retainedMiB >= readyMiB && stored > time.Second {
		t.Errorf("ready after %v", stored)
	}
}

// placed is where a record went.
type placed struct{ shard, seqNum string }

// flood writes until size bytes are acknowledged, and goes on until the returned function is called, which waits for the
// end of all connections and returns the record that was acknowledged last.
func (w *world) flood(size int64) (stop func() placed) {
	const conns, batch, recordBytes = 8, 500, 9000
	var total atomic.Int64
	var mu sync.Mutex
	var newest placed
	enough := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for c := range conns {
		wg.Go(func() {
			conn, err := load.Dial(w.addr)
			if err != nil {
				w.t.Error(err)
				return
			}
			defer conn.Close()
			requests := floodRequests(w.addr, c, batch, recordBytes)
			for i := 0; ; i++ {
				resp, err := conn.Do(requests[i%len(requests)])
				if err != nil {
					return // the server is gone
				}
				if resp.Status != 200 {
					w.t.Errorf("status %d: %.300s", resp.Status, resp.Body)
					return
				}
				mu.Lock()
				newest = placed{string(load.Member(resp.Body, "ShardId")), string(load.Member(resp.Body, "SequenceNumber"))}
				mu.Unlock()
				if total.Add(batch*recordBytes) >= size {
					once.Do(func() { close(enough) })
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	select {
	case <-enough:
	case <-ended:
		w.t.Fatal("all connections have ended before there is enough")
	}
	return func() placed {
		wg.Wait()
		return newest
	}
}

// floodRequests are PutRecords calls with many different keys.
func floodRequests(addr string, conn, batch, recordBytes int) [][]byte {
	data := strings.Repeat("QUJD", recordBytes/3)
	var requests [][]byte
	for r := range 4 {
		var b bytes.Buffer
		b.WriteString(`{"StreamName":"` + streamName + `","Records":[`)
		for i := range batch {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"PartitionKey":"%d-%d-%d","Data":"%s"}`, conn, r, i, data)
		}
		b.WriteString("]}")
		requests = append(requests, kinesisRequest(addr, "PutRecords", b.Bytes()))
	}
	return requests
}

func kinesisRequest(addr, operation string, body []byte) []byte {
	return load.Request(addr, "/", body, load.Header{Name: "Content-Type", Value: "application/x-amz-json-1.1"},
		load.Header{Name: "X-Amz-Target", Value: "Kinesis_20131202." + operation})
}

// request makes one call and returns the members of its answer.
func (w *world) request(operation string, in map[string]any) map[string]any {
	w.t.Helper()
	body, err := json.Marshal(in)
	w.must(operation, err)
	conn, err := load.Dial(w.addr)
	w.must(operation, err)
	defer conn.Close()
	resp, err := conn.Do(kinesisRequest(w.addr, operation, body))
	w.must(operation, err)
	if resp.Status != 200 {
		w.t.Fatalf("%s: status %d: %s", operation, resp.Status, resp.Body)
	}
	var out map[string]any
	if len(resp.Body) > 0 {
		w.must(operation, json.Unmarshal(resp.Body, &out))
	}
	return out
}

// readFrom returns the sequence number of the first record at a place in a shard.
func (w *world) readFrom(shard, where, seqNum string) string {
	w.t.Helper()
	in := map[string]any{"StreamName": streamName, "ShardId": shard, "ShardIteratorType": where}
	if seqNum != "" {
		in["StartingSequenceNumber"] = seqNum
	}
	iterator := w.request("GetShardIterator", in)["ShardIterator"]
	out := w.request("GetRecords", map[string]any{"ShardIterator": iterator, "Limit": 1})
	records, _ := out["Records"].([]any)
	if len(records) == 0 {
		w.t.Fatalf("no record in %s at %s %s", shard, where, seqNum)
	}
	first, _ := records[0].(map[string]any)
	text, _ := first["SequenceNumber"].(string)
	return text
}
