package stream

import (
	"context"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/metrics"
)

// What is published is what happened, for the stream always and for its shards when they are monitored.
func TestMetricsAreMeasured(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	registry := metrics.New(metrics.Options{Now: clock})
	m := meta.NewMem()
	defer m.Close()
	s, err := Open(Options{FS: vfs.NewCrashable(), Dir: "log", Meta: m, Metrics: registry, Now: clock, SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(s.Create(ctx, Config{Name: "s", Shards: 1}))
	put := func(n int) {
		entries := make([]Entry, n)
		for i := range entries {
			entries[i] = Entry{PartitionKey: []byte("key"), Data: []byte("1234567")}
		}
		_, err := s.Put(ctx, "s", entries)
		check(err)
	}
	put(3)
	check(s.SetMonitoring(ctx, "s", []string{"IncomingRecords"}))
	put(2)
	s.ObserveCall("s", Call{Operation: "PutRecords", OK: true, Records: 5, Failed: 1, Bytes: 50, Latency: 3 * time.Millisecond})
	sh, err := s.Shard("s", ShardID(0))
	check(err)
	sh.ObserveRead(4, 40, 0)

	stream := metrics.Dimension{Name: "StreamName", Value: "s"}
	shard := metrics.Dimension{Name: "ShardId", Value: ShardID(0)}
	for _, c := range []struct {
		name string
		dims []metrics.Dimension
		sum  float64
		n    int
	}{
		{"IncomingRecords", []metrics.Dimension{stream}, 5, 1},
		{"IncomingBytes", []metrics.Dimension{stream}, 50, 1},
		{"WriteProvisionedThroughputExceeded", []metrics.Dimension{stream}, 0, 1},
		{"PutRecords.SuccessfulRecords", []metrics.Dimension{stream}, 4, 1},
		{"PutRecords.Latency", []metrics.Dimension{stream}, 3, 1},
		{"IncomingRecords", []metrics.Dimension{stream, shard}, 2, 1},
		{"IncomingBytes", []metrics.Dimension{stream, shard}, 0, 0},
		{"OutgoingRecords", []metrics.Dimension{stream, shard}, 0, 0},
	} {
		points, err := registry.Read(metrics.Metric{Namespace: "AWS/Kinesis", Name: c.name, Dimensions: c.dims}, "", now, now.Add(time.Minute), time.Minute)
		check(err)
		if len(points) != c.n || c.n > 0 && points[0].Stat.Sum != c.sum {
			t.Errorf("%s %v: %+v, want %v", c.name, c.dims, points, c.sum)
		}
	}
}
