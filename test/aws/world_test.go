// Package aws_test holds the API of Kinesis against its model and its official client. Everything runs in this process:
// the stream log on a disk in memory, the operations, and the front door.
package aws_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/weir-data/weir/api/kinesis"
	"github.com/weir-data/weir/batch"
	batchstream "github.com/weir-data/weir/batch/stream"
	"github.com/weir-data/weir/delivery"
	"github.com/weir-data/weir/internal/keyring"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/objstore/mem"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const (
	mediaJSON = "application/x-amz-json-1.1"
	mediaCBOR = "application/x-amz-cbor-1.1"
	account   = "000000000000"
)

// newFront returns the front door of a Kinesis without streams.
func newFront(t *testing.T) *wire.Server {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	store := meta.NewMem()
	streams, err := stream.Open(stream.Options{
		FS: vfs.NewCrashable(), Dir: "log", Meta: store, SegmentBytes: 1 << 20,
		Keys: keyring.New(keyring.Options{Dir: t.TempDir(), Region: "us-east-1", Account: account}),
	})
	check(err)
	t.Cleanup(func() {
		check(streams.Close())
		check(store.Close())
	})
	objects := mem.New(nil)
	check(objects.CreateBucket(t.Context(), "lake"))
	channels, err := delivery.OpenChannels(delivery.Options{
		Meta: store, Objects: objects, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Stream: func(_ context.Context, name string) (batch.Source, error) {
			return batchstream.NewWith(streams, name, batch.KeepPacked), nil
		},
	})
	check(err)
	t.Cleanup(func() { check(channels.Close()) })
	service, err := kinesis.Service(kinesis.Options{Streams: streams, Meta: store, Channels: channels})
	check(err)
	front, err := wire.NewServer(wire.Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}, service)
	check(err)
	return front
}

// call sends one request past all networks.
func call(t *testing.T, front http.Handler, op, media string, body []byte) (status int, head http.Header, answer []byte) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", media)
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+op)
	w := httptest.NewRecorder()
	front.ServeHTTP(w, r)
	res := w.Result()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, answer
}
