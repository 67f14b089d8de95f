package kinesis_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/weir-data/weir/api/kinesis"
	"github.com/weir-data/weir/batch"
	batchstream "github.com/weir-data/weir/batch/stream"
	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/internal/awshttp"
	"github.com/weir-data/weir/internal/keyring"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is the service behind an HTTP server, and the official client of it.
type world struct {
	*testing.T
	*sdk.Client
	another func() *sdk.Client // like Client
	clock   *clock
	disk    vfs.FS
	dir     string // of the log; "": log
	scratch string // a folder on the disk, for a test that needs one
	meta    *meta.Store
	metrics *metrics.Registry
	store   *stream.Store
	front   http.Handler
	server  *httptest.Server
	limits  bool   // AWS's limits hold
	keys    string // folder

	objects  *bucketStore
	channels *delivery.Channels
	people   wire.Credentials // who may sign; nil: signatures are not verified
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, disk: vfs.NewCrashable(), meta: meta.NewMem(), keys: filepath.Join(t.TempDir(), "keys"), objects: newBucketStore(t),
		clock: &clock{now: time.Date(2026, 11, 22, 8, 0, 0, 123e6, time.UTC)}}
	w.start()
	t.Cleanup(func() {
		w.stop()
		w.meta.Close()
	})
	return w
}

// newLimitedWorld is a world in which AWS's limits hold.
func newLimitedWorld(t *testing.T) *world {
	w := newWorld(t)
	w.stop()
	w.limits = true
	w.start()
	return w
}

func (w *world) start() {
	w.open(w.clock.Now)
	w.server = httptest.NewServer(w.front)
	w.another = func() *sdk.Client { return client(w.server.URL, http.DefaultTransport) }
	w.Client = w.another()
}

// open makes the service.
func (w *world) open(now func() time.Time) {
	var limits stream.Limits
	if w.limits {
		limits = stream.Limits{Records: 1000, Bytes: 1 << 20}
	}
	var err error
	w.metrics = metrics.New(metrics.Options{Now: now})
	w.store, err = stream.Open(stream.Options{
		FS: w.disk, Dir: cmp.Or(w.dir, "log"), Meta: w.meta, Now: now, SegmentBytes: 1 << 20, Metrics: w.metrics, Limits: limits,
		Keys: keyring.New(keyring.Options{Dir: w.keys, Region: "us-east-1", Account: "000000000000"}),
	})
	w.check(err)
	w.channels, err = delivery.OpenChannels(delivery.Options{
		Meta: w.meta, Objects: w.objects, Now: now, Logger: slog.New(slog.DiscardHandler),
		Stream: func(_ context.Context, name string) (batch.Source, error) {
			return batchstream.NewWith(w.store, name, batch.KeepPacked), nil
		},
	})
	w.check(err)
	service, err := kinesis.Service(kinesis.Options{Streams: w.store, Meta: w.meta, Now: now, Limits: w.limits, Channels: w.channels})
	w.check(err)
	w.front, err = wire.NewServer(wire.Options{Now: now, Credentials: w.people, Logger: slog.New(slog.DiscardHandler)}, service)
	w.check(err)
}

func client(url string, transport http.RoundTripper) *sdk.Client {
	return sdk.New(sdk.Options{
		Region:       "us-east-1",
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient:   awshttp.OwnBody(&http.Client{Transport: transport}),
	})
}

func (w *world) stop() {
	w.server.Close()
	w.check(w.channels.Close())
	w.check(w.store.Close())
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// wantError demands an exception with a name and a message that contains each of texts.
func (w *world) wantError(err error, name string, texts ...string) {
	w.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != name {
		w.Fatalf("got %v, want %s", err, name)
	}
	for _, text := range texts {
		if !strings.Contains(api.ErrorMessage(), text) {
			w.Fatalf("message of %s\n\t%s\ndoes not contain\n\t%s", name, api.ErrorMessage(), text)
		}
	}
}

func (w *world) create(name string, shards int32) {
	w.Helper()
	_, err := w.CreateStream(w.Context(), &sdk.CreateStreamInput{StreamName: &name, ShardCount: &shards})
	w.check(err)
}

func (w *world) put(name, key, data string) *sdk.PutRecordOutput {
	w.Helper()
	out, err := w.PutRecord(w.Context(), &sdk.PutRecordInput{StreamName: &name, PartitionKey: &key, Data: []byte(data)})
	w.check(err)
	return out
}

func (w *world) iterator(in *sdk.GetShardIteratorInput) *string {
	w.Helper()
	out, err := w.GetShardIterator(w.Context(), in)
	w.check(err)
	return out.ShardIterator
}

func (w *world) get(iterator *string) *sdk.GetRecordsOutput {
	w.Helper()
	out, err := w.GetRecords(w.Context(), &sdk.GetRecordsInput{ShardIterator: iterator})
	w.check(err)
	return out
}

// texts are the data of records.
func texts(records []types.Record) string {
	var all []string
	for _, r := range records {
		all = append(all, string(r.Data))
	}
	return strings.Join(all, " ")
}

func horizon(stream, shard string) *sdk.GetShardIteratorInput {
	return &sdk.GetShardIteratorInput{StreamName: &stream, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
}

const shard0 = "shardId-000000000000"

// The first test of all: a record goes in and comes out, also after a restart, through the same iterator.
func TestPutAndGet(t *testing.T) {
	w := newWorld(t)
	w.create("s", 1)
	it := w.iterator(horizon("s", shard0))
	a := w.put("s", "k\"ü", "one")
	out, err := w.PutRecords(t.Context(), &sdk.PutRecordsInput{StreamName: aws.String("s"), Records: []types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("x"), Data: []byte("two")},
		{PartitionKey: aws.String("y"), Data: []byte{}},
	}})
	w.check(err)
	if *out.FailedRecordCount != 0 || len(out.Records) != 2 || out.EncryptionType != types.EncryptionTypeNone {
		t.Fatalf("PutRecords: %+v", out)
	}
	w.stop()
	w.start()
	got := w.get(it)
	if texts(got.Records) != "one two " || *got.MillisBehindLatest != 0 {
		t.Fatalf("records %q, behind %d", texts(got.Records), *got.MillisBehindLatest)
	}
	if r := got.Records[0]; *r.PartitionKey != "k\"ü" || *r.SequenceNumber != *a.SequenceNumber || !r.ApproximateArrivalTimestamp.Equal(w.clock.Now()) {
		t.Fatalf("record: key %q number %s arrival %s", *r.PartitionKey, *r.SequenceNumber, r.ApproximateArrivalTimestamp)
	}
	if again := w.get(it); texts(again.Records) != "one two " {
		t.Fatalf("the iterator used again gives %q", texts(again.Records))
	}
	if len(*a.SequenceNumber) != 56 {
		t.Fatalf("sequence number %s", *a.SequenceNumber)
	}
}
