package kinesis_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/wire"
)

// transports are the two ways to speak to the server.
var transports = map[string]func(*http.Protocols){
	"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
	"h2c":      func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
}

// pipes is a network in memory, whose readers and writers a synctest bubble can wait for.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu  sync.Mutex // guards all
	all []net.Conn // clients' ends of the connections that were made
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func (p *pipes) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all = append(p.all, ours)
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// taken are the connections made since it was last called.
func (p *pipes) taken() []net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.all
	p.all = nil
	return all
}

// bubble is a world within a synctest bubble, where five minutes take no time.
type bubble struct {
	*world
	network   *pipes
	transport *http.Transport
	active    atomic.Int64 // requests under way
	stop      context.CancelFunc
}

// inBubble runs a test once for each transport.
func inBubble(t *testing.T, f func(w *bubble)) { inBubbleOf(t, world{}, f) }

// inBubbleOf is inBubble with some things of the world said.
func inBubbleOf(t *testing.T, like world, f func(w *bubble)) {
	for name, set := range transports {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newBubble(t, like, set)
				f(w)
				w.transport.CloseIdleConnections()
			})
		})
	}
}

func newBubble(t *testing.T, like world, set func(*http.Protocols)) *bubble {
	w := &bubble{world: &world{T: t, disk: vfs.NewCrashable(), meta: meta.NewMem(), limits: like.limits}}
	w.open(time.Now)
	var protocols http.Protocols
	set(&protocols)
	network := newPipes()
	w.network = network
	w.transport = &http.Transport{DialContext: network.Dial, Protocols: &protocols}
	w.another = func() *sdk.Client { return client("http://weir", w.transport) }
	w.Client = w.another()
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.active.Add(1)
		defer w.active.Add(-1)
		w.front.ServeHTTP(rw, r)
	})
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	served := make(chan error, 1)
	go func() { served <- wire.Serve(ctx, network, handler) }()
	t.Cleanup(func() {
		stop()
		w.check(<-served)
		w.transport.CloseIdleConnections()
		w.check(w.store.Close())
		w.meta.Close()
	})
	return w
}

func (w *world) consumer(name string) *string {
	w.Helper()
	out, err := w.RegisterStreamConsumer(w.Context(), &sdk.RegisterStreamConsumerInput{
		StreamARN: aws.String(w.store.StreamARN("s")), ConsumerName: &name})
	w.check(err)
	return out.Consumer.ConsumerARN
}

// reader is an open subscription.
type reader struct {
	*sdk.SubscribeToShardEventStream
	w *world
}

// trySubscribe uses a client of its own: the event streams of one client share a buffer without a lock, which the race
// detector sees.
func (w *world) trySubscribe(consumer *string, shard string, at types.StartingPosition) (*reader, error) {
	out, err := w.another().SubscribeToShard(w.Context(), &sdk.SubscribeToShardInput{ConsumerARN: consumer, ShardId: &shard, StartingPosition: &at})
	if err != nil {
		return nil, err
	}
	r := &reader{out.GetStream(), w}
	w.Cleanup(func() { r.Close() })
	return r, nil
}

func (w *world) subscribe(consumer *string, shard string, at types.StartingPosition) *reader {
	w.Helper()
	r, err := w.trySubscribe(consumer, shard, at)
	w.check(err)
	return r
}

var fromHorizon = types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}

func after(number *string) types.StartingPosition {
	return types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: number}
}

// next is the next event, nil at the end of the stream.
func (r *reader) next() *types.SubscribeToShardEvent {
	r.w.Helper()
	select {
	case event, ok := <-r.Events():
		if !ok {
			return nil
		}
		return &event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
	case <-time.After(time.Minute):
		r.w.Fatal("no event for a minute")
		return nil
	}
}

// event is the next event, which there must be.
func (r *reader) event() *types.SubscribeToShardEvent {
	r.w.Helper()
	e := r.next()
	if e == nil {
		r.w.Fatalf("no event but the end: %v", r.Err())
	}
	return e
}

// drain reads to the end and says why it came.
func (r *reader) drain() error {
	for r.next() != nil {
	}
	return r.Err()
}

// Records are pushed as they are, at once; when the server stops the subscription ends at once, and in order.
func TestSubscribe(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 1)
		arn := w.consumer("c")
		w.put("s", "k", "a")
		began := time.Now()
		r := w.subscribe(arn, "shardId-0", fromHorizon)
		e := r.event()
		if texts(e.Records) != "a" || *e.MillisBehindLatest != 0 || len(*e.ContinuationSequenceNumber) != 56 || len(e.ChildShards) != 0 {
			w.Fatalf("first event: %+v", e)
		}
		for _, data := range []string{"b", "c", strings.Repeat("d", 1e6)} {
			put := w.put("s", "k", data)
			e := r.event()
			if texts(e.Records) != data || *e.Records[0].SequenceNumber != *put.SequenceNumber || *e.ContinuationSequenceNumber < *put.SequenceNumber {
				w.Fatalf("event after %.9s: %.300s", data, texts(e.Records))
			}
		}
		w.stop()
		if err := r.drain(); err != nil {
			w.Fatalf("when the server stops: %v", err)
		}
		if d := time.Since(began); d != 0 {
			w.Fatalf("something waited %v", d)
		}
	})
}

// Without records an event comes at least every five seconds, its number moves and is a number to go on from; after five
// minutes the subscription ends in order. The shard never had a record.
func TestSubscriptionLife(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 1)
		arn := w.consumer("c")
		began, last := time.Now(), time.Now()
		r := w.subscribe(arn, shard0, types.StartingPosition{Type: types.ShardIteratorTypeLatest})
		var number string
		for e := r.next(); e != nil; e = r.next() {
			if len(e.Records) != 0 || *e.MillisBehindLatest != 0 || len(*e.ContinuationSequenceNumber) != 56 || *e.ContinuationSequenceNumber <= number {
				w.Fatalf("event %+v after number %s", e, number)
			}
			if gap := time.Since(last); gap > 5*time.Second {
				w.Fatalf("no event for %v", gap)
			}
			number, last = *e.ContinuationSequenceNumber, time.Now()
		}
		if d := time.Since(began); r.Err() != nil || d != 5*time.Minute {
			w.Fatalf("ended after %v with %v", d, r.Err())
		}
		w.put("s", "k", "a")
		for _, kind := range []types.ShardIteratorType{types.ShardIteratorTypeAfterSequenceNumber, types.ShardIteratorTypeAtSequenceNumber} {
			r := w.subscribe(arn, shard0, types.StartingPosition{Type: kind, SequenceNumber: &number})
			if got := texts(r.event().Records); got != "a" {
				w.Fatalf("%s the last number: %q", kind, got)
			}
			time.Sleep(5 * time.Second)
		}
	})
}

// Whoever goes on from a ContinuationSequenceNumber, AT or AFTER it, gets what came next, and nothing again.
func TestContinuation(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 1)
		arn := w.consumer("c")
		w.put("s", "k", "a")
		r := w.subscribe(arn, shard0, fromHorizon)
		r.event()
		e := r.event() // empty, seconds later
		w.put("s", "k", "b")
		for _, kind := range []types.ShardIteratorType{types.ShardIteratorTypeAfterSequenceNumber, types.ShardIteratorTypeAtSequenceNumber} {
			got := w.get(w.iterator(&sdk.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String(shard0), ShardIteratorType: kind,
				StartingSequenceNumber: e.ContinuationSequenceNumber}))
			if texts(got.Records) != "b" {
				w.Fatalf("%s the number of an empty event: %q", kind, texts(got.Records))
			}
		}
	})
}

// One subscriber at a time: another is refused for five seconds, then takes over, and the first is told.
func TestTakeover(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 2)
		arn := w.consumer("c")
		first := w.subscribe(arn, shard0, fromHorizon)
		w.subscribe(arn, shard1, fromHorizon)                 // another shard
		w.subscribe(w.consumer("other"), shard0, fromHorizon) // another consumer
		time.Sleep(5*time.Second - time.Millisecond)
		const text = "Another active subscription exists for this consumer: 000000000000:s:shardId-000000000000:c"
		_, err := w.trySubscribe(arn, shard0, fromHorizon)
		w.wantError(err, "ResourceInUseException", text)
		time.Sleep(time.Millisecond)
		dry := &sdk.SubscribeToShardInput{ConsumerARN: arn, ShardId: aws.String(shard0), StartingPosition: &fromHorizon, DryRun: aws.Bool(true)}
		_, err = w.SubscribeToShard(w.Context(), dry)
		w.wantError(err, "DryRunOperationException")
		second := w.subscribe(arn, shard0, fromHorizon) // the dry run took nothing
		w.wantError(first.drain(), "ResourceInUseException", text)
		_, err = w.SubscribeToShard(w.Context(), dry)
		w.wantError(err, "ResourceInUseException", text)
		second.Close() // also who has gone keeps the place for five seconds
		_, err = w.trySubscribe(arn, shard0, fromHorizon)
		w.wantError(err, "ResourceInUseException", text)
		time.Sleep(5 * time.Second)
		w.put("s", "k", "a")
		w.subscribe(arn, shard0, fromHorizon)
	})
}

// A consumer or stream that is deleted ends its subscriptions with ResourceNotFoundException.
func TestSubscriptionDeleted(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 1)
		arn := w.consumer("c")
		r := w.subscribe(arn, shard0, fromHorizon)
		_, err := w.DeregisterStreamConsumer(w.Context(), &sdk.DeregisterStreamConsumerInput{ConsumerARN: arn})
		w.check(err)
		w.wantError(r.drain(), "ResourceNotFoundException", "Consumer c, account 000000000000 not found.")
		_, err = w.trySubscribe(arn, shard0, fromHorizon)
		w.wantError(err, "ResourceNotFoundException")

		time.Sleep(time.Second)
		again := w.consumer("c") // five seconds do not count for what is another consumer
		if *again == *arn {
			w.Fatal("the same ARN")
		}
		r = w.subscribe(again, shard0, fromHorizon)
		_, err = w.DeleteStream(w.Context(), &sdk.DeleteStreamInput{StreamName: aws.String("s"), EnforceConsumerDeletion: aws.Bool(true)})
		w.check(err)
		w.wantError(r.drain(), "ResourceNotFoundException", "stream s under account 000000000000")
	})
}

// The last event of a shard that is split names the children and has no number; then the subscription ends.
func TestSubscriptionAtShardEnd(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 1)
		arn := w.consumer("c")
		r := w.subscribe(arn, shard0, fromHorizon)
		r.event()
		a := w.put("s", "k", "a")
		if e := r.event(); texts(e.Records) != "a" || e.ContinuationSequenceNumber == nil || len(e.ChildShards) > 0 {
			w.Fatalf("%+v", e)
		}
		began := time.Now()
		w.split(shard0, half)
		ended := func(r *reader, want string) {
			e := r.event()
			if texts(e.Records) != want || e.ContinuationSequenceNumber != nil || len(e.ChildShards) != 2 || *e.MillisBehindLatest != 0 {
				w.Fatalf("at the end: %+v", e)
			}
			if c := e.ChildShards[1]; *c.ShardId != shard2 || len(c.ParentShards) != 1 || c.ParentShards[0] != shard0 || *c.HashKeyRange.StartingHashKey != half {
				w.Fatalf("child %+v", c)
			}
			if err := r.drain(); err != nil {
				w.Fatal(err)
			}
		}
		ended(r, "")
		if d := time.Since(began); d != 0 {
			w.Fatalf("told after %v", d)
		}
		time.Sleep(5 * time.Second)
		ended(w.subscribe(arn, shard0, fromHorizon), "a")
		time.Sleep(5 * time.Second)
		ended(w.subscribe(arn, shard0, after(a.SequenceNumber)), "")
	})
}

// Events are bounded and follow each other; until the last one MillisBehindLatest says how far there is to go.
func TestEventsBounded(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 1)
		put := func(n, size int) {
			for range n / 500 {
				in := &sdk.PutRecordsInput{StreamName: aws.String("s")}
				for range 500 {
					in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), Data: make([]byte, size)})
				}
				_, err := w.PutRecords(w.Context(), in)
				w.check(err)
			}
		}
		put(11000, 1)
		time.Sleep(7 * time.Second)
		put(1500, 1000)
		time.Sleep(2 * time.Second)
		r := w.subscribe(w.consumer("c"), shard0, fromHorizon)
		want := []struct{ records, behind int }{{10000, 9000}, {2045, 2000}, {455, 0}}
		for i, c := range want {
			e := r.event()
			if len(e.Records) != c.records || int(*e.MillisBehindLatest) != c.behind {
				w.Fatalf("event %d: %d records, %d ms behind", i, len(e.Records), *e.MillisBehindLatest)
			}
		}
	})
}

// A client that goes ends its subscription at once; one that does not read, soon.
func TestSubscriberGone(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 1)
		arn := w.consumer("c")
		r := w.subscribe(arn, shard0, fromHorizon)
		r.event()
		began := time.Now()
		r.Close()
		synctest.Wait()
		if n := w.active.Load(); n != 0 || time.Since(began) != 0 {
			w.Fatalf("%d requests under way after %v", n, time.Since(began))
		}
		time.Sleep(5 * time.Second)
		w.put("s", "k", strings.Repeat("x", 1e6))
		w.subscribe(arn, shard0, fromHorizon)
		for i := range 20 { // more than the windows of HTTP/2 let through
			w.put("s", "k", fmt.Sprint(i, strings.Repeat("x", 1e6)))
		}
		time.Sleep(70 * time.Second)
		if n := w.active.Load(); n != 0 {
			w.Fatal("a reader that does not read is still served")
		}
	})
}

// What a subscription does is measured.
func TestSubscriptionMetrics(t *testing.T) {
	inBubble(t, func(w *bubble) {
		w.create("s", 1)
		arn := w.consumer("c")
		r := w.subscribe(arn, shard0, fromHorizon)
		r.event()
		w.put("s", "key", "four")
		r.event()
		_, err := w.trySubscribe(arn, shard0, fromHorizon)
		w.wantError(err, "ResourceInUseException")
		dims := []metrics.Dimension{{Name: "StreamName", Value: "s"}, {Name: "ConsumerName", Value: "c"}}
		for name, want := range map[string]metrics.Stat{
			"SubscribeToShard.Success":                 {Count: 2, Sum: 1, Min: 0, Max: 1},
			"SubscribeToShard.RateExceeded":            {Count: 2},
			"SubscribeToShardEvent.Success":            {Count: 2, Sum: 2, Min: 1, Max: 1},
			"SubscribeToShardEvent.Records":            {Count: 2, Sum: 1, Max: 1},
			"SubscribeToShardEvent.Bytes":              {Count: 2, Sum: 7, Max: 7},
			"SubscribeToShardEvent.MillisBehindLatest": {Count: 2},
		} {
			unit := "Count"
			switch {
			case strings.HasSuffix(name, "Bytes"):
				unit = "Bytes"
			case strings.HasSuffix(name, "Latest"):
				unit = "Milliseconds"
			}
			points, err := w.metrics.Read(metrics.Metric{Namespace: "AWS/Kinesis", Name: name, Dimensions: dims}, unit,
				time.Now().Add(-time.Hour), time.Now().Add(time.Hour), time.Minute)
			w.check(err)
			if len(points) != 1 || points[0].Stat != want {
				w.Errorf("%s: %+v, want %+v", name, points, want)
			}
		}
	})
}

// What is wrong with a request is said before there is a stream, as GetShardIterator says it.
func TestSubscribeRefusals(t *testing.T) {
	w := newWorld(t)
	w.create("s", 2)
	number := *w.put("s", "k", "a").SequenceNumber
	shard := *w.put("s", "k", "a").ShardId
	other := shard0
	if shard == shard0 {
		other = shard1
	}
	arn := *w.consumer("c")
	with := func(shard, position string) string {
		return fmt.Sprintf(`{"ConsumerARN":%q,"ShardId":%q,"StartingPosition":{%s}}`, arn, shard, position)
	}
	both := "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified "
	for _, c := range []struct{ body, name, message string }{
		{`{}`, "ValidationException", violations("Value null at 'consumerARN' failed to satisfy constraint: Member must not be null",
			"Value null at 'shardId' failed to satisfy constraint: Member must not be null", "Value null at 'startingPosition' failed to satisfy constraint: Member must not be null")},
		{with("0", ""), "ValidationException", violations("Value null at 'startingPosition.type' failed to satisfy constraint: Member must not be null")},
		{with("shardId-7", `"Type":"LATEST"`), "ResourceNotFoundException", "Shard shardId-000000000007 in stream s under account 000000000000 does not exist"},
		{with("x", `"Type":"LATEST"`), "ResourceNotFoundException", "Could not find shard x in stream s under account 000000000000."},
		{with("0", `"Type":"AT_SEQUENCE_NUMBER"`), "InvalidArgumentException", both + "AT_SEQUENCE_NUMBER and no StartingSequenceNumber."},
		{with("0", `"Type":"LATEST","SequenceNumber":"5"`), "InvalidArgumentException", both + "LATEST and also a StartingSequenceNumber."},
		{with("0", `"Type":"AT_TIMESTAMP"`), "InvalidArgumentException", "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter."},
		{with("0", `"Type":"AT_TIMESTAMP","Timestamp":4e9`), "InvalidArgumentException",
			"The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: 4000000000000, currentTimestampInMillis: 1795334400123"},
		{with(other, `"Type":"AFTER_SEQUENCE_NUMBER","SequenceNumber":"`+number+`"`), "InvalidArgumentException",
			"Invalid StartingSequenceNumber. It encodes " + shard + ", while it was used in a call to a shard with " + other},
		{with("0", `"Type":"AT_SEQUENCE_NUMBER","SequenceNumber":"49544985256907370027570885864065577703022652638596431874"`), "InvalidArgumentException",
			"StartingSequenceNumber 49544985256907370027570885864065577703022652638596431874 used in SubscribeToShard on shard shardId-000000000000 in stream s under account 000000000000 is invalid because it did not come from this stream."},
		{strings.Replace(with("0", `"Type":"LATEST"`), "consumer/c", "consumer/d", 1), "ResourceNotFoundException", "Consumer d, account 000000000000 not found."},
	} {
		w.refused("SubscribeToShard", c.body, c.name, c.message)
	}
}
