package kinesis_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/wire"
)

// transports are the two ways to speak to the server.
var transports = map[string]func(*http.Protocols){
	"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
	"h2c":      func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
}

// over makes the world's client speak one transport, to a server of the world's service that Serve runs.
func (w *world) over(transport string) (stop context.CancelFunc) {
	w.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	w.check(err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- wire.Serve(ctx, ln, w.server.Config.Handler) }()
	var protocols http.Protocols
	transports[transport](&protocols)
	base := &http.Transport{Protocols: &protocols}
	w.Client = sdk.New(sdk.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String("http://" + ln.Addr().String()),
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   &http.Client{Transport: base},
	})
	w.Cleanup(func() {
		stop()
		w.check(<-served)
		base.CloseIdleConnections()
	})
	return stop
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

func (w *world) subscribe(consumer *string, shard string, at types.StartingPosition) *reader {
	w.Helper()
	out, err := w.SubscribeToShard(w.Context(), &sdk.SubscribeToShardInput{ConsumerARN: consumer, ShardId: &shard, StartingPosition: &at})
	w.check(err)
	r := &reader{out.GetStream(), w}
	w.Cleanup(func() { r.Close() })
	return r
}

var fromHorizon = types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}

// next is the next event, nil at the end of the stream.
func (r *reader) next() *types.SubscribeToShardEvent {
	r.w.Helper()
	select {
	case event, ok := <-r.Events():
		if !ok {
			return nil
		}
		return &event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
	case <-time.After(20 * time.Second):
		r.w.Fatal("no event")
		return nil
	}
}

// Records are pushed, with nothing between them but what they are; the end of the subscription is in order.
func TestSubscribe(t *testing.T) {
	for transport := range transports {
		t.Run(transport, func(t *testing.T) {
			w := newWorld(t)
			stop := w.over(transport)
			w.create("s", 1)
			arn := w.consumer("c")
			w.put("s", "k", "a")
			r := w.subscribe(arn, "shardId-0", fromHorizon)
			e := r.next()
			if texts(e.Records) != "a" || *e.MillisBehindLatest != 0 || len(*e.ContinuationSequenceNumber) != 56 || len(e.ChildShards) != 0 {
				t.Fatalf("first event: %+v", e)
			}
			for _, data := range []string{"b", "c", strings.Repeat("d", 1e6)} {
				put := w.put("s", "k", data)
				e := r.next()
				if texts(e.Records) != data || *e.Records[0].SequenceNumber != *put.SequenceNumber || *e.ContinuationSequenceNumber < *put.SequenceNumber {
					t.Fatalf("event after %.9s: %.300s", data, texts(e.Records))
				}
			}
			stop()
			if e := r.next(); e != nil || r.Err() != nil {
				t.Fatalf("when the server stops: %v, %v", e, r.Err())
			}
		})
	}
}
