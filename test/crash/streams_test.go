package crash

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/load"
)

// TestKillStreams kills weir serve with SIGKILL at random moments while producers write, some readers poll, others are
// pushed to, and shards are split and merged. In the end every record that was acknowledged is in its shard, in order,
// once; every reader has seen just what the shards hold; and nothing is there that nobody put.
func TestKillStreams(t *testing.T) {
	t.Parallel()
	from := seedOfRun()
	t.Logf("repeat with: go test ./test/crash -run TestKillStreams -v -kills %d -seed %d", *kills, from)
	rng := rand.New(rand.NewPCG(from, 1))
	w := newWorld(t)
	w.unsigned = true
	args := []string{"serve", "--listen", w.addr, "--data", filepath.Join(w.dir, "data")}
	server := w.start("serve", args...)
	w.request("CreateStream", map[string]any{"StreamName": streamName, "ShardCount": 3})
	consumer := w.request("RegisterStreamConsumer", map[string]any{
		"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/" + streamName, "ConsumerName": "pushed"})
	arn := consumer["Consumer"].(map[string]any)["ConsumerARN"].(string)

	acked, polled, pushed := newJournal(t), newJournal(t), newJournal(t)
	writing, stopWriting := context.WithCancel(t.Context())
	reading, stopReading := context.WithCancel(t.Context())
	var writers, readers sync.WaitGroup
	for p := range 3 {
		writers.Go(func() { w.writeRecords(writing, p, acked) })
	}
	writers.Go(func() { w.reshardNow(writing, rand.New(rand.NewPCG(from, 2))) })
	readers.Go(func() { w.readShards(reading, polled, w.poll) })
	readers.Go(func() {
		w.readShards(reading, pushed, func(ctx context.Context, j *journal, id string) { w.subscribe(ctx, j, id, arn) })
	})
	for i := range *kills {
		wait := 300*time.Millisecond + time.Duration(rng.Int64N(int64(1200*time.Millisecond)))
		time.Sleep(wait) // the moment is what is random here; nothing is waited for
		t.Logf("kill %d after %v", i+1, wait.Round(time.Millisecond))
		server.kill()
		server = w.start("serve", args...)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && acked.shardCount() < 4; {
		time.Sleep(10 * time.Millisecond) // a slow machine comes to its first reshard
	}
	stopWriting()
	writers.Wait()
	stopped := time.Now()
	final := newJournal(t)
	for id := range w.shardIDs() {
		w.drain(final, id)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && (polled.count() < final.count() || pushed.count() < final.count()); {
		time.Sleep(10 * time.Millisecond) // readers catch up
	}
	stopReading()
	server.kill() // ends the pushes
	readers.Wait()
	t.Logf("readers were done %v after the writers", time.Since(stopped).Round(time.Millisecond))
	final.mustHold(acked, "acknowledged")
	final.mustHold(polled, "polled")
	final.mustHold(pushed, "pushed")
	polled.mustHold(final, "stored but not polled")
	pushed.mustHold(final, "stored but not pushed")
	final.mustBeOnce()
	w.checkData()
	t.Logf("%d records acknowledged, %d stored in %d shards", acked.count(), final.count(), len(final.shards))
	if acked.count() == 0 || len(final.shards) < 4 {
		t.Error("the run tested nothing")
	}
}

// journal is what somebody knows of shards: data by sequence number.
type journal struct {
	t      *testing.T
	mu     sync.Mutex // guards the fields below
	shards map[string]map[string]string
	last   map[string]string // sequence number, by shard
}

func newJournal(t *testing.T) *journal {
	return &journal{t: t, shards: map[string]map[string]string{}, last: map[string]string{}}
}

func (j *journal) note(shard, seqNum, data string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.shards[shard] == nil {
		j.shards[shard] = map[string]string{}
	}
	j.shards[shard][seqNum] = data
}

// read notes the records of an answer or event, which come in order.
func (j *journal) read(shard string, body []byte) int {
	n := 0
	err := load.Each(body, "Records", []string{"SequenceNumber", "Data"}, func(v [][]byte) error {
		n++
		seqNum := string(v[0])
		data, err := base64.StdEncoding.DecodeString(string(v[1]))
		if last := j.after(shard); seqNum <= last { // all have the same number of digits
			return fmt.Errorf("%s: record %s after %s", shard, seqNum, last)
		}
		j.note(shard, seqNum, string(data))
		j.mu.Lock()
		defer j.mu.Unlock()
		j.last[shard] = seqNum
		return err
	})
	if err != nil {
		j.t.Error(err)
	}
	return n
}

// after is the last sequence number that was read.
func (j *journal) after(shard string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last[shard]
}

func (j *journal) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, records := range j.shards {
		n += len(records)
	}
	return n
}

// mustHold fails the test for records of other that are not here, or differ.
func (j *journal) shardCount() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.shards)
}

func (j *journal) mustHold(other *journal, what string) {
	j.t.Helper()
	for shard, records := range other.shards {
		wrong := 0
		for seqNum, data := range records {
			if j.shards[shard][seqNum] != data {
				wrong++
			}
		}
		if wrong > 0 {
			j.t.Errorf("%s: %d of %d records %s are missing or differ", shard, wrong, len(records), what)
		}
	}
}

// mustBeOnce fails the test for data that is there twice, or that nobody put.
func (j *journal) mustBeOnce() {
	seen := map[string]bool{}
	for shard, records := range j.shards {
		for _, data := range records {
			if seen[data] || !strings.HasPrefix(data, "producer-") {
				j.t.Errorf("%s: %q is there twice, or was never put", shard, data)
			}
			seen[data] = true
		}
	}
}

// persist calls f until ctx is done, each time with a new connection: the server comes and goes.
func (w *world) persist(ctx context.Context, f func(conn *load.Conn) error) {
	for ctx.Err() == nil {
		if conn, err := load.Dial(w.addr); err == nil {
			f(conn) // an error is the end of the connection, and what is wrong shows in the journals
			conn.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// writeRecords writes without a pause and notes what is acknowledged. What is not is never sent again, so that no data may
// be there twice.
func (w *world) writeRecords(ctx context.Context, producer int, acked *journal) {
	n := 0
	w.persist(ctx, func(conn *load.Conn) error {
		for ctx.Err() == nil {
			var b bytes.Buffer
			b.WriteString(`{"StreamName":"` + streamName + `","Records":[`)
			var data []string
			for i := range 20 {
				n++
				data = append(data, fmt.Sprintf("producer-%d-%d", producer, n))
				if i > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, `{"PartitionKey":"%s","Data":"%s"}`, data[i], base64.StdEncoding.EncodeToString([]byte(data[i])))
			}
			b.WriteString("]}")
			resp, err := conn.Do(kinesisRequest(w.addr, "PutRecords", b.Bytes()))
			if err != nil || resp.Status != 200 {
				return err
			}
			i := 0
			err = load.Each(resp.Body, "Records", []string{"ShardId", "SequenceNumber"}, func(v [][]byte) error {
				if len(v[1]) > 0 {
					acked.note(string(v[0]), string(v[1]), data[i])
				}
				i++
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// attempt makes a call whose failure is no failure of the test.
func (w *world) attempt(operation string, in map[string]any, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	conn, err := load.Dial(w.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := conn.Do(kinesisRequest(w.addr, operation, body))
	if err != nil {
		return err
	}
	if resp.Status != 200 {
		return fmt.Errorf("%s: status %d: %s", operation, resp.Status, resp.Body)
	}
	if out == nil || len(resp.Body) == 0 {
		return nil
	}
	return json.Unmarshal(resp.Body, out)
}

type shardRange struct {
	ShardId      string
	HashKeyRange struct{ StartingHashKey, EndingHashKey string }
	Sequence     struct{ EndingSequenceNumber string } `json:"SequenceNumberRange"`
}

func (w *world) shards() (shards []shardRange, err error) {
	var out struct{ Shards []shardRange }
	err = w.attempt("ListShards", map[string]any{"StreamName": streamName}, &out)
	return out.Shards, err
}

func (w *world) shardIDs() map[string]bool {
	shards, err := w.shards()
	if err != nil {
		return nil
	}
	ids := map[string]bool{}
	for _, sh := range shards {
		ids[sh.ShardId] = true
	}
	return ids
}

// reshardNow splits shards in half and merges neighbours, again and again.
func (w *world) reshardNow(ctx context.Context, rng *rand.Rand) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(100+rng.IntN(200)) * time.Millisecond) // a pace, nothing is waited for
		shards, err := w.shards()
		if err != nil {
			continue
		}
		open := slices.DeleteFunc(shards, func(sh shardRange) bool { return sh.Sequence.EndingSequenceNumber != "" })
		target := 2 + rng.IntN(4)
		if target > 2*len(open) || target < (len(open)+1)/2 {
			continue
		}
		_ = w.attempt("UpdateShardCount", map[string]any{"StreamName": streamName, "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"}, nil)
	}
}

// readShards runs read for every shard that there is and comes to be, until ctx is done.
func (w *world) readShards(ctx context.Context, j *journal, read func(ctx context.Context, j *journal, id string)) {
	begun := map[string]bool{}
	var all sync.WaitGroup
	for ctx.Err() == nil {
		for id := range maps.Keys(w.shardIDs()) {
			if !begun[id] {
				begun[id] = true
				all.Go(func() { read(ctx, j, id) })
			}
		}
		time.Sleep(50 * time.Millisecond) // a pace
	}
	all.Wait()
}

var errShardEnds = errors.New("shard has ended")

// poll reads a shard with GetRecords until it ends.
func (w *world) poll(ctx context.Context, j *journal, id string) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	w.persist(ctx, func(conn *load.Conn) error {
		err := w.pollOnce(ctx, conn, j, id)
		if errors.Is(err, errShardEnds) {
			end()
		}
		return err
	})
}

// pollOnce reads until the shard ends, or with a ctx that is done, until its tip.
func (w *world) pollOnce(ctx context.Context, conn *load.Conn, j *journal, id string) error {
	in := map[string]any{"StreamName": streamName, "ShardId": id, "ShardIteratorType": "TRIM_HORIZON"}
	if last := j.after(id); last != "" {
		in["ShardIteratorType"], in["StartingSequenceNumber"] = "AFTER_SEQUENCE_NUMBER", last
	}
	var at struct{ ShardIterator string }
	if err := w.attempt("GetShardIterator", in, &at); err != nil {
		return err
	}
	for {
		resp, err := conn.Do(kinesisRequest(w.addr, "GetRecords", []byte(`{"ShardIterator":"`+at.ShardIterator+`"}`)))
		if err != nil || resp.Status != 200 {
			return errors.Join(err, fmt.Errorf("status %d", resp.Status))
		}
		n := j.read(id, resp.Body)
		if at.ShardIterator = string(load.Member(resp.Body, "NextShardIterator")); at.ShardIterator == "" {
			return errShardEnds
		}
		if n == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if n == 0 {
			time.Sleep(5 * time.Millisecond) // between two polls of a live shard
		}
	}
}

// drain reads a shard to its end or tip.
func (w *world) drain(j *journal, id string) {
	w.t.Helper()
	done, cancel := context.WithCancel(context.Background())
	cancel()
	conn, err := load.Dial(w.addr)
	w.must("read "+id, err)
	defer conn.Close()
	if err := w.pollOnce(done, conn, j, id); !errors.Is(err, errShardEnds) && !errors.Is(err, context.Canceled) {
		w.t.Fatalf("read %s: %v", id, err)
	}
}

// subscribe has a shard's records pushed until it ends.
func (w *world) subscribe(ctx context.Context, j *journal, id, consumer string) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	w.persist(ctx, func(conn *load.Conn) error {
		at := map[string]any{"Type": "TRIM_HORIZON"}
		if last := j.after(id); last != "" {
			at = map[string]any{"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
		}
		body, err := json.Marshal(map[string]any{"ConsumerARN": consumer, "ShardId": id, "StartingPosition": at})
		if err != nil {
			return err
		}
		events, err := conn.Subscribe(kinesisRequest(w.addr, "SubscribeToShard", body))
		for err == nil {
			var ev load.Event
			if ev, err = events.Next(); err != nil || ev.Exception || ev.Type != "SubscribeToShardEvent" {
				continue
			}
			j.read(id, ev.Payload)
			if load.Member(ev.Payload, "ContinuationSequenceNumber") == nil {
				end()
				return errShardEnds
			}
		}
		return err
	})
}
