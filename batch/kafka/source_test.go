package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weir-data/weir/batch"
)

const partitions = 3

// broker is a Kafka cluster in this process, with the topic "rides".
type broker struct {
	*kfake.Cluster
	producer *kgo.Client
	sent     [partitions]int
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "rides"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	return &broker{Cluster: c, producer: producer}
}

func (b *broker) url(topic string) string {
	return Scheme + "://" + strings.Join(b.ListenAddrs(), ",") + "/" + topic
}

func (b *broker) open(t *testing.T) *Source {
	t.Helper()
	s, err := Open(b.url("rides"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// send puts n records into random partitions; the value of each says which it is.
func (b *broker) send(t *testing.T, rng *rand.Rand, n int) {
	t.Helper()
	var recs []*kgo.Record
	for range n {
		p := rng.IntN(partitions)
		recs = append(recs, &kgo.Record{
			Topic: "rides", Partition: int32(p), Key: []byte("k"), Value: fmt.Appendf(nil, "%d/%d", p, b.sent[p]),
		})
		b.sent[p]++
	}
	if err := b.producer.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// read returns the values of a range by partition, and checks their order.
func read(t *testing.T, s *Source, start, end batch.Offset) (values []string) {
	t.Helper()
	next := map[string]string{}
	for p := range partitions {
		shard := strconv.Itoa(p)
		if next[shard] = start[shard]; next[shard] == "" {
			next[shard] = "0"
		}
	}
	err := s.Read(t.Context(), start, end, func(recs []batch.Record) error {
		for _, r := range recs {
			if r.SeqNum != next[r.Shard] || string(r.Data) != r.Shard+"/"+r.SeqNum || string(r.Key) != "k" || r.Arrival.IsZero() {
				t.Fatalf("record %s of partition %s is %s, want %s", r.SeqNum, r.Shard, r.Data, next[r.Shard])
			}
			n, _ := strconv.Atoi(r.SeqNum)
			next[r.Shard] = strconv.Itoa(n + 1)
			values = append(values, string(r.Data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for shard, want := range end {
		if shard != batch.Topic && next[shard] != want {
			t.Fatalf("partition %s was read up to %s, not %s", shard, next[shard], want)
		}
	}
	return values
}

// TestRandom reads in random batches what random producers send; each range is read again by a new source.
func TestRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	b := newBroker(t)
	s := b.open(t)
	at, got := batch.Offset{}, 0
	for range 12 {
		b.send(t, rng, rng.IntN(400))
		limit := batch.Limit{Records: 1 + rng.IntN(300), Bytes: int64(1 + rng.IntN(4000))}
		end, err := s.Plan(t.Context(), at, limit)
		if err != nil {
			t.Fatal(err)
		}
		values := read(t, s, at, end)
		if len(values) > limit.Records+partitions {
			t.Errorf("a batch of %d records, the limit is %d", len(values), limit.Records)
		}
		if again := read(t, b.open(t), at, end); len(again) != len(values) {
			t.Fatalf("read again, %d records are %d", len(values), len(again))
		}
		at, got = end, got+len(values)
	}
	for {
		end, err := s.Plan(t.Context(), at, batch.Limit{})
		if err != nil {
			t.Fatal(err)
		}
		if end.Equal(at) {
			break
		}
		got += len(read(t, s, at, end))
		at = end
	}
	if want := b.sent[0] + b.sent[1] + b.sent[2]; got != want {
		t.Errorf("%d of %d records", got, want)
	}
	delete(at, batch.Topic)
	if latest, err := s.Latest(t.Context()); err != nil || !latest.Equal(at) {
		t.Errorf("latest %v, %v; read up to %v", latest, err, at)
	}
}

func TestStarts(t *testing.T) {
	b := newBroker(t)
	rng := rand.New(rand.NewPCG(1, 1))
	b.send(t, rng, 50)
	s := b.open(t)
	latest, err := s.Position(t.Context(), batch.Start{Kind: batch.Latest})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Wait(ctx, latest); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait at the end: %v", err)
	}
	b.send(t, rng, 10)
	if err := s.Wait(t.Context(), latest); err != nil {
		t.Error(err)
	}
	end, err := s.Plan(t.Context(), latest, batch.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(read(t, s, latest, end)); n != 10 {
		t.Errorf("%d records after the latest, not 10", n)
	}
	at, err := s.Position(t.Context(), batch.Start{Kind: batch.AtTime, Time: time.Now().Add(-time.Hour)})
	if err != nil || len(at) != 1 || at[batch.Topic] == "" {
		t.Errorf("an hour ago: %v, %v", at, err)
	}
}

// TestRetention refuses to go on where records are gone.
func TestRetention(t *testing.T) {
	b := newBroker(t)
	b.send(t, rand.New(rand.NewPCG(1, 1)), 300)
	s := b.open(t)
	end, err := s.Plan(t.Context(), batch.Offset{}, batch.Limit{Records: 90})
	if err != nil {
		t.Fatal(err)
	}
	admin := kadm.NewClient(b.producer)
	var until kadm.Offsets
	until.AddOffset("rides", 0, 60, -1)
	if _, err := admin.DeleteRecords(t.Context(), until); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Plan(t.Context(), end, batch.Limit{}); err == nil || !strings.Contains(err.Error(), "retention has taken records 30 to 59 of partition 0") || batch.IsTemporary(err) {
		t.Errorf("plan: %v", err)
	}
	err = s.Read(t.Context(), end, batch.Offset{"0": "80"}, func([]batch.Record) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "retention") {
		t.Errorf("read: %v", err)
	}
}

// TestTopicMadeAgain refuses to wait until another topic of the same name has as many records as were read of the first.
func TestTopicMadeAgain(t *testing.T) {
	b := newBroker(t)
	b.send(t, rand.New(rand.NewPCG(1, 1)), 300)
	s := b.open(t)
	end, err := s.Plan(t.Context(), batch.Offset{}, batch.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	admin := kadm.NewClient(b.producer)
	if _, err := admin.DeleteTopic(t.Context(), "rides"); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int32{partitions, 1} {
		if _, err := admin.CreateTopic(t.Context(), n, 1, nil, "rides"); err != nil {
			t.Fatal(err)
		}
		s := b.open(t)
		if err := s.Wait(t.Context(), end); err != nil {
			t.Errorf("wait: %v", err)
		}
		if _, err := s.Plan(t.Context(), end, batch.Limit{}); err == nil || !strings.Contains(err.Error(), "made again") || batch.IsTemporary(err) {
			t.Errorf("plan: %v", err)
		}
		err = s.Read(t.Context(), batch.Offset{}, end, func([]batch.Record) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "made again") {
			t.Errorf("read: %v", err)
		}
		if _, err := admin.DeleteTopic(t.Context(), "rides"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTopicMadeAgainLonger refuses another topic of the same name that has more records than were read of the first. Progress of before offsets had
// ids goes on, and has the id from its next batch on.
func TestTopicMadeAgainLonger(t *testing.T) {
	b := newBroker(t)
	rng := rand.New(rand.NewPCG(1, 1))
	b.send(t, rng, 100)
	s := b.open(t)
	end, err := s.Plan(t.Context(), batch.Offset{}, batch.Limit{})
	if err != nil || end[batch.Topic] == "" {
		t.Fatalf("plan %v: %v", end, err)
	}
	if again, err := s.Plan(t.Context(), end, batch.Limit{}); err != nil || !again.Equal(end) {
		t.Errorf("nothing new: %v, %v", again, err)
	}
	old := end.Clone()
	delete(old, batch.Topic)
	if again, err := s.Plan(t.Context(), old, batch.Limit{}); err != nil || !again.Equal(old) {
		t.Errorf("nothing new behind old progress: %v, %v", again, err)
	}
	read(t, s, batch.Offset{}, old)
	admin := kadm.NewClient(b.producer)
	if _, err := admin.DeleteTopic(t.Context(), "rides"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(t.Context(), partitions, 1, nil, "rides"); err != nil {
		t.Fatal(err)
	}
	b.sent = [partitions]int{}
	producer, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	b.producer = producer // the first knows the old topic
	b.send(t, rng, 400)
	for _, s := range []*Source{s, b.open(t)} {
		const want = "was deleted and made again: its id is"
		if err := s.Wait(t.Context(), end); err != nil {
			t.Errorf("wait: %v", err)
		}
		if _, err := s.Plan(t.Context(), end, batch.Limit{}); err == nil || !strings.Contains(err.Error(), want) || batch.IsTemporary(err) {
			t.Errorf("plan: %v", err)
		}
		err := s.Read(t.Context(), batch.Offset{}, end, func([]batch.Record) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) || batch.IsTemporary(err) {
			t.Errorf("read: %v", err)
		}
	}
	next, err := s.Plan(t.Context(), old, batch.Limit{})
	if err != nil || next[batch.Topic] == "" || next[batch.Topic] == end[batch.Topic] {
		t.Errorf("progress without an id: %v, %v", next, err)
	}
}

func TestErrors(t *testing.T) {
	b := newBroker(t)
	s, err := Open(b.url("none"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var missing *batch.MissingError
	if _, err := s.Plan(t.Context(), batch.Offset{}, batch.Limit{}); batch.IsTemporary(err) || !errors.As(err, &missing) || missing.Name != "none" {
		t.Errorf("a topic that is not there: %v", err)
	}
	for url, want := range map[string]string{
		"kafka://h:9092":                              "has no topic",
		"kafka:///t":                                  "is no broker",
		"kafka://h/a b":                               "is no name of a topic",
		"kafka://h/t?tls=maybe":                       "is not known",
		"kafka://h/t?group=g":                         "is not known",
		"kafka://h/t?sasl=plain":                      UserEnv,
		"kafka://u:p@h/t":                             "a user without sasl",
		"kafka://u:p@h/t?sasl=gssapi":                 "is not known",
		"kinesis://t":                                 "does not begin with kafka://",
		"kafka://a:1,b,c:3/t":                         "",
		"kafka://u:p@a:1,b:2/t?sasl=scram-sha-256":    "",
		"kafka://u:p%2F@a/t?sasl=plain&tls=true":      "",
		"kafka://u:p@[::1]:9092/t?sasl=scram-sha-512": "",
	} {
		_, err := parse(url)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
