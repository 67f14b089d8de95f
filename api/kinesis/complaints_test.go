package kinesis_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/fxamacker/cbor/v2"

	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/wire"
)

// What users of other implementations complained about, each with where it was said and a check that it is not so here.
// Complaints about policies, limits and encryption are with the tests of those.
var complaints = []struct {
	said, about string
	check       func(w *world)
}{
	{"localstack#9755, localstack PR 9871", "a hundred records of 256 kB, or fifty of 1 MB, take all memory when they are kept on disk", (*world).keepsLittleInMemory},
	{"kinesis-mock#669", "a handful of PutRecord calls keep the processor busy", (*world).isIdleBetweenCalls},
	{"localstack#1003", "the state that was kept breaks the next start", (*world).startsAgain},
	{"kinesalite#118", "SDK for JavaScript v3 cannot talk to it: HTTP/2 without TLS", (*world).speaksHTTP2},
	{"kinesalite#75, localstack#1218", "KCL 2 needs HTTP/2 and SubscribeToShard", (*world).pushesOverHTTP2},
	{"floci#562", "SubscribeToShard answers plain JSON, and clients subscribe again in a tight loop", (*world).keepsStreamsOpen},
	{"localstack#10864", "KCL with enhanced fan-out times out", (*world).startsStreamsAtOnce},
	{"localstack#3822", "ContinuationSequenceNumber is null while the shard is open", (*world).continues},
	{"localstack#3134", "arrival in events is a float, where Java wants integer milliseconds", (*world).pushesIntegerTimes},
	{"floci#60, moto#5130", "what KCL asks for before it reads is missing", (*world).showsShardsToKCL},
	{"floci#2368, localstack#10037, localstack#9699, aws-sdk-java-v2#4661", "CBOR times are taken for seconds", (*world).takesMillisecondsInCBOR},
	{"kinesalite#62, kinesalite PR 36", "the next iterator goes back, and records come twice", (*world).goesForward},
	{"kinesalite#84", "AT_TIMESTAMP with no later record never returns", (*world).returnsWithoutLaterRecord},
	{"kinesis-mock#1187, localstack#10117", "AFTER_SEQUENCE_NUMBER returns the record that it names", (*world).startsAfterNumber},
	{"ministack#333", "an iterator dies when it has been used", (*world).readsAgain},
	{"floci PR 1901", "LATEST is found out anew at each GetRecords", (*world).fixesLatest},
	{"localstack#5182, kinesis-mock PR 261", "the same iterator comes back when there is no data, and expires", (*world).keepsIdleReaders},
	{"localstack#12833, cloudemu PR 667", "ListShards ignores its filter, and KCL leases closed shards", (*world).filtersShards},
	{"localstack#7279", "reading a closed shard answers ResourceInUseException", (*world).readsClosedShards},
	{"floci PR 3069, floci PR 518", "ExplicitHashKey is ignored, and every answer names the first shard", (*world).placesByHashKey},
	{"fakecloud PR 1925", "a malformed entry is reported by itself; shards begin behind their records", (*world).refusesWholePuts},
	{"fakecloud PR 1887", "2 to 3 shards must leave four closed ones", (*world).scalesPairwise},
	{"cloudemu PR 1070", "MillisBehindLatest is always 0; UpdateShardCount answers without name or ARN", (*world).tellsHowFarBehind},
	{"localstack#654, kinesalite#61", "Terraform needs UpdateShardCount", (*world).scalesForTerraform},
	{"moto#691", "DescribeStream ignores Limit", (*world).limitsDescriptions},
}

func TestComplaints(t *testing.T) {
	for _, c := range complaints {
		t.Run(c.said, func(t *testing.T) {
			t.Log(c.about)
			dir := t.TempDir() // removed after the world has ended
			w := newWorld(t)
			w.scratch = dir
			c.check(w)
		})
	}
}

// putMany puts n records of the same key.
func (w *world) putMany(n int, data []byte) (numbers []string) {
	w.Helper()
	for range n {
		out, err := w.PutRecord(w.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("k"), Data: data})
		w.check(err)
		numbers = append(numbers, *out.SequenceNumber)
	}
	return numbers
}

func (w *world) iteratorAt(kind types.ShardIteratorType, number *string) *string {
	w.Helper()
	return w.iterator(&sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shard0), ShardIteratorType: kind, StartingSequenceNumber: number})
}

// overHTTP2 is a client that speaks HTTP/2 to the service from the first byte.
func (w *world) overHTTP2() *sdk.Client {
	w.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	w.check(err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- wire.Serve(ctx, ln, w.front) }()
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &only}
	w.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		w.check(<-served)
	})
	return client("http://"+ln.Addr().String(), transport)
}

// rawSubscription opens a subscription by hand and returns its head and its messages.
func (w *world) rawSubscription(contentType string, body []byte) (http.Header, func() eventstream.Message) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.server.URL, bytes.NewReader(body))
	w.check(err)
	req.Header.Set("X-Amz-Target", "Kinesis_20131202.SubscribeToShard")
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	w.check(err)
	w.Cleanup(func() { res.Body.Close() })
	decoder := eventstream.NewDecoder()
	return res.Header, func() eventstream.Message {
		w.Helper()
		m, err := decoder.Decode(res.Body, nil)
		w.check(err)
		return m
	}
}

func (w *world) subscriptionJSON() []byte {
	w.Helper()
	return fmt.Appendf(nil, `{"ConsumerARN":%q,"ShardId":"shardId-0","StartingPosition":{"Type":"TRIM_HORIZON"}}`, *w.consumer("c"))
}

func (w *world) keepsLittleInMemory() {
	w.stop()
	w.disk, w.dir = vfs.Default, w.scratch // not a disk in memory
	w.start()
	w.create("s", 1)
	used := func() int64 {
		runtime.GC()
		runtime.GC() // pools keep what they have through one
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	w.putMany(40, make([]byte, 1<<20-1)) // as much as the cache holds
	before := used()
	w.putMany(200, make([]byte, 256<<10))
	w.putMany(60, make([]byte, 1<<20-1))
	if grown := used() - before; grown > 16<<20 {
		w.Errorf("110 MB of records take %d bytes of memory", grown)
	}
}

func (w *world) isIdleBetweenCalls() {
	w.Run("bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { // time passes only while nobody does anything
			w := newBubble(t, world{}, transports["HTTP/1.1"])
			w.create("s", 1)
			w.putMany(20, []byte("data"))
			w.get(w.iterator(horizon("s", shard0)))
			time.Sleep(time.Hour)
			w.putMany(1, []byte("data"))
			w.transport.CloseIdleConnections()
		})
	})
}

func (w *world) startsAgain() {
	w.create("s", 3)
	w.consumer("c")
	w.put("s", "k", "a")
	w.split(shard0, "5")
	before, err := w.DescribeStream(w.Context(), &sdk.DescribeStreamInput{StreamName: aws.String("s")})
	w.check(err)
	for range 3 {
		w.stop()
		w.start()
	}
	after, err := w.DescribeStream(w.Context(), &sdk.DescribeStreamInput{StreamName: aws.String("s")})
	w.check(err)
	if a, b := asJSON(before.StreamDescription), asJSON(after.StreamDescription); a != b {
		w.Fatalf("before\n%s\nafter\n%s", a, b)
	}
	w.put("s", "k", "b")
}

func asJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func (w *world) speaksHTTP2() {
	w.Client = w.overHTTP2()
	w.create("s", 1)
	w.put("s", "k", "a")
	if got := texts(w.get(w.iterator(horizon("s", shard0))).Records); got != "a" {
		w.Fatal(got)
	}
}

func (w *world) pushesOverHTTP2() {
	w.create("s", 1)
	c := w.overHTTP2()
	w.another = func() *sdk.Client { return c }
	r := w.subscribe(w.consumer("c"), shard0, fromHorizon)
	r.event()
	w.put("s", "k", "a")
	if got := texts(r.event().Records); got != "a" {
		w.Fatal(got)
	}
}

func (w *world) keepsStreamsOpen() {
	w.create("s", 1)
	head, next := w.rawSubscription("application/x-amz-json-1.1", w.subscriptionJSON())
	if got := head.Get("Content-Type"); got != "application/vnd.amazon.eventstream" {
		w.Fatal(got)
	}
	next()
	next()
	w.put("s", "k", "a")
	if m := next(); !strings.Contains(string(m.Payload), `"Data":"YQ=="`) {
		w.Fatalf("%s", m.Payload)
	}
}

func (w *world) startsStreamsAtOnce() {
	w.create("s", 1)
	_, next := w.rawSubscription("application/x-amz-json-1.1", w.subscriptionJSON())
	for _, kind := range []string{"initial-response", "SubscribeToShardEvent"} { // without any record
		if m := next(); m.Headers.Get(":message-type").String() != "event" || m.Headers.Get(":event-type").String() != kind {
			w.Fatalf("%v", m.Headers)
		}
	}
}

func (w *world) continues() {
	w.create("s", 1)
	r := w.subscribe(w.consumer("c"), shard0, fromHorizon)
	for range 5 {
		if e := r.event(); len(aws.ToString(e.ContinuationSequenceNumber)) != 56 {
			w.Fatalf("%+v", e)
		}
		w.put("s", "k", "a")
	}
}

func (w *world) pushesIntegerTimes() {
	w.create("s", 1)
	w.put("s", "k", "a")
	body, err := cbor.Marshal(map[string]any{"ConsumerARN": *w.consumer("c"), "ShardId": "0", "StartingPosition": map[string]any{
		"Type": "AT_TIMESTAMP", "Timestamp": cbor.Tag{Number: 1, Content: w.clock.Now().UnixMilli()}}})
	w.check(err)
	_, next := w.rawSubscription("application/x-amz-cbor-1.1", body)
	if m := next(); !bytes.Equal(m.Payload, []byte{0xbf, 0xff}) {
		w.Fatalf("initial response %x", m.Payload)
	}
	m := next()
	var e struct {
		Records []struct {
			Data                        []byte
			ApproximateArrivalTimestamp cbor.RawTag
		}
		ContinuationSequenceNumber string
	}
	w.check(cbor.Unmarshal(m.Payload, &e))
	var ms int64
	w.check(cbor.Unmarshal(e.Records[0].ApproximateArrivalTimestamp.Content, &ms))
	if bytes.Contains(m.Payload, []byte{0xc1, 0xfb}) || ms != w.clock.Now().UnixMilli() || string(e.Records[0].Data) != "a" {
		w.Fatalf("%x", m.Payload)
	}
}

func (w *world) showsShardsToKCL() {
	w.create("s", 2)
	arn := w.consumer("kcl")
	d, err := w.DescribeStreamConsumer(w.Context(), &sdk.DescribeStreamConsumerInput{StreamARN: aws.String(w.store.StreamARN("s")), ConsumerName: aws.String("kcl")})
	w.check(err)
	s, err := w.DescribeStreamSummary(w.Context(), &sdk.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	w.check(err)
	if *d.ConsumerDescription.ConsumerARN != *arn || d.ConsumerDescription.ConsumerStatus != types.ConsumerStatusActive ||
		*s.StreamDescriptionSummary.OpenShardCount != 2 || s.StreamDescriptionSummary.StreamCreationTimestamp == nil {
		w.Fatalf("%+v %+v", d.ConsumerDescription, s.StreamDescriptionSummary)
	}
	_, err = w.RegisterStreamConsumer(w.Context(), &sdk.RegisterStreamConsumerInput{StreamARN: aws.String(w.store.StreamARN("s")), ConsumerName: aws.String("kcl")})
	w.wantError(err, "ResourceInUseException")
	if got := ids(w.shards(&types.ShardFilter{Type: types.ShardFilterTypeAtLatest})); got != "0 1" {
		w.Fatal(got)
	}
}

func (w *world) takesMillisecondsInCBOR() {
	w.create("s", 1)
	w.put("s", "k", "a")
	w.clock.advance(time.Minute)
	since := w.clock.Now()
	w.put("s", "k", "b")
	const mediaType = "application/x-amz-cbor-1.1"
	body, err := cbor.Marshal(map[string]any{"StreamName": "s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP",
		"Timestamp": cbor.Tag{Number: 1, Content: since.UnixMilli()}})
	w.check(err)
	var it struct{ ShardIterator string }
	_, got := w.call("GetShardIterator", mediaType, body)
	w.check(cbor.Unmarshal(got, &it))
	if got := texts(w.get(&it.ShardIterator).Records); got != "b" {
		w.Fatalf("from a time in CBOR: %q", got)
	}
	body, err = cbor.Marshal(it)
	w.check(err)
	_, got = w.call("GetRecords", mediaType, body)
	if bytes.Contains(got, []byte{0xc1, 0xfb}) || !bytes.Contains(got, []byte{0xc1, 0x1b, 0, 0, 1}) {
		w.Fatalf("%x", got)
	}
}

func (w *world) goesForward() {
	w.create("s", 1)
	numbers := w.putMany(30, []byte("x")) // all within a millisecond
	var got []string
	for it := w.iterator(horizon("s", shard0)); len(got) < len(numbers); {
		out, err := w.GetRecords(w.Context(), &sdk.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(4)})
		w.check(err)
		for _, r := range out.Records {
			got = append(got, *r.SequenceNumber)
		}
		it = out.NextShardIterator
		w.clock.advance(100 * time.Millisecond)
	}
	if !slices.Equal(got, numbers) {
		w.Fatalf("%v, want %v", got, numbers)
	}
}

func (w *world) returnsWithoutLaterRecord() {
	w.create("s", 1)
	w.put("s", "k", "a")
	w.clock.advance(time.Minute)
	got := w.get(w.iterator(&sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shard0),
		ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(w.clock.Now())}))
	if len(got.Records) != 0 || got.NextShardIterator == nil {
		w.Fatalf("%+v", got)
	}
}

func (w *world) startsAfterNumber() {
	w.create("s", 1)
	numbers := w.putMany(20, []byte("x"))
	for i, n := range numbers {
		got := w.get(w.iteratorAt(types.ShardIteratorTypeAfterSequenceNumber, &n))
		if len(got.Records) != len(numbers)-1-i || len(got.Records) > 0 && *got.Records[0].SequenceNumber != numbers[i+1] {
			w.Fatalf("after number %d: %d records", i, len(got.Records))
		}
	}
}

func (w *world) readsAgain() {
	w.create("s", 1)
	w.put("s", "k", "a")
	it := w.iterator(horizon("s", shard0))
	for range 5 {
		w.clock.advance(time.Minute)
		if got := texts(w.get(it).Records); got != "a" {
			w.Fatalf("%q", got)
		}
	}
}

func (w *world) fixesLatest() {
	w.create("s", 1)
	w.put("s", "k", "a")
	it := w.iteratorAt(types.ShardIteratorTypeLatest, nil)
	w.put("s", "k", "b")
	if got := texts(w.get(it).Records); got != "b" {
		w.Fatalf("%q", got)
	}
}

func (w *world) keepsIdleReaders() {
	w.create("s", 1)
	it := w.iteratorAt(types.ShardIteratorTypeLatest, nil)
	for range 10 {
		w.clock.advance(4 * time.Minute)
		next := w.get(it).NextShardIterator
		if *next == *it {
			w.Fatal("the same iterator")
		}
		it = next
	}
	w.put("s", "k", "a")
	if got := texts(w.get(it).Records); got != "a" {
		w.Fatalf("%q", got)
	}
}

func (w *world) filtersShards() {
	w.create("s", 1)
	w.split(shard0, half)
	if got := ids(w.shards(&types.ShardFilter{Type: types.ShardFilterTypeAtLatest})); got != "1 2" {
		w.Fatalf("AT_LATEST: %s", got)
	}
}

func (w *world) readsClosedShards() {
	w.create("s", 1)
	w.put("s", "k", "a")
	w.split(shard0, half)
	if got := texts(w.get(w.iterator(horizon("s", shard0))).Records); got != "a" {
		w.Fatalf("%q", got)
	}
}

func (w *world) placesByHashKey() {
	w.create("s", 4)
	for i, sh := range w.shards(nil) {
		for _, key := range []*string{sh.HashKeyRange.StartingHashKey, sh.HashKeyRange.EndingHashKey} {
			out, err := w.PutRecord(w.Context(), &sdk.PutRecordInput{StreamName: aws.String("s"), PartitionKey: aws.String("same"), ExplicitHashKey: key, Data: []byte("x")})
			w.check(err)
			if *out.ShardId != *sh.ShardId || !strings.HasSuffix(*out.ShardId, fmt.Sprint(i)) {
				w.Fatalf("%s went to %s, not to %s", *key, *out.ShardId, *sh.ShardId)
			}
		}
	}
}

func (w *world) refusesWholePuts() {
	w.create("s", 1)
	status, body := w.call("PutRecords", "application/x-amz-json-1.1", []byte(`{"StreamName":"s","Records":[{"PartitionKey":"k","Data":"YQ=="},{"PartitionKey":"","Data":"YQ=="}]}`))
	if status != 400 || !strings.Contains(string(body), "ValidationException") || !strings.Contains(string(body), "records.2.member.partitionKey") {
		w.Fatalf("%d %s", status, body)
	}
	if got := w.get(w.iterator(horizon("s", shard0))); len(got.Records) != 0 {
		w.Fatal("a part was stored")
	}
	put := w.put("s", "k", "a")
	start := w.shards(nil)[0].SequenceNumberRange.StartingSequenceNumber
	if *put.SequenceNumber <= *start || len(*put.SequenceNumber) != len(*start) {
		w.Fatalf("shard begins at %s, its first record is %s", *start, *put.SequenceNumber)
	}
}

func (w *world) scalesPairwise() {
	w.create("s", 2)
	w.scale(3)
	closed := slices.DeleteFunc(w.shards(nil), func(s types.Shard) bool { return s.SequenceNumberRange.EndingSequenceNumber == nil })
	if len(closed) != 4 {
		w.Fatalf("%d closed shards", len(closed))
	}
}

func (w *world) scale(to int32) *sdk.UpdateShardCountOutput {
	w.Helper()
	out, err := w.UpdateShardCount(w.Context(), &sdk.UpdateShardCountInput{StreamName: aws.String("s"), ScalingType: types.ScalingTypeUniformScaling, TargetShardCount: &to})
	w.check(err)
	return out
}

func (w *world) tellsHowFarBehind() {
	w.create("s", 1)
	w.putMany(2, []byte("x"))
	w.clock.advance(1500 * time.Millisecond)
	out, err := w.GetRecords(w.Context(), &sdk.GetRecordsInput{ShardIterator: w.iterator(horizon("s", shard0)), Limit: aws.Int32(1)})
	w.check(err)
	if *out.MillisBehindLatest != 1500 || *w.get(out.NextShardIterator).MillisBehindLatest != 0 {
		w.Fatalf("%d ms behind", *out.MillisBehindLatest)
	}
	scaled := w.scale(2)
	if aws.ToString(scaled.StreamName) != "s" || aws.ToString(scaled.StreamARN) != w.store.StreamARN("s") {
		w.Fatalf("%+v", scaled)
	}
}

func (w *world) scalesForTerraform() {
	w.create("s", 2)
	w.scale(4)
	d, err := w.DescribeStreamSummary(w.Context(), &sdk.DescribeStreamSummaryInput{StreamName: aws.String("s")})
	w.check(err)
	if s := d.StreamDescriptionSummary; s.StreamStatus != types.StreamStatusActive || *s.OpenShardCount != 4 {
		w.Fatalf("%+v", s)
	}
}

func (w *world) limitsDescriptions() {
	w.create("s", 5)
	d, err := w.DescribeStream(w.Context(), &sdk.DescribeStreamInput{StreamName: aws.String("s"), Limit: aws.Int32(2)})
	w.check(err)
	if len(d.StreamDescription.Shards) != 2 || !*d.StreamDescription.HasMoreShards {
		w.Fatalf("%d shards", len(d.StreamDescription.Shards))
	}
}
