package stream

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/metrics"
)

// A shard takes what its limits allow, record by record; what is beyond is marked, counted, and nowhere.
func TestLimits(t *testing.T) {
	type put struct {
		after time.Duration
		sizes []int  // of the records, with their keys of one byte
		want  string // of each: stored or throttled
	}
	for _, c := range []struct {
		name   string
		limits Limits
		puts   []put
	}{
		{"records", Limits{Records: 3}, []put{
			{0, []int{9, 9}, "ss"}, {0, []int{9, 9, 9}, "stt"}, {300 * time.Millisecond, []int{9}, "t"},
			{100 * time.Millisecond, []int{9, 9}, "st"}, {time.Hour, []int{9, 9, 9, 9}, "ssst"},
		}},
		{"bytes", Limits{Bytes: 100}, []put{
			{0, []int{60, 41, 40, 1}, "stst"}, {500 * time.Millisecond, []int{51, 50}, "ts"},
		}},
		{"both", Limits{Records: 2, Bytes: 100}, []put{{0, []int{90, 11, 10, 1}, "stst"}}},
		{"debt", Limits{Bytes: 100}, []put{
			{0, []int{1, 500}, "st"}, {time.Second, []int{500, 1}, "st"}, {4 * time.Second, []int{1}, "t"},
			{100 * time.Millisecond, []int{10, 1}, "st"}, {900 * time.Millisecond, []int{101}, "t"}, {time.Second, []int{101}, "s"},
		}},
		{"clock steps back", Limits{Records: 1}, []put{
			{0, []int{9}, "s"}, {-time.Hour, []int{9}, "t"}, {time.Second, []int{9}, "t"}, {time.Hour, []int{9}, "s"},
		}},
		{"none", Limits{}, []put{{0, []int{500, 500, 500}, "sss"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var clock atomic.Int64 // the housekeeper looks at it too
			clock.Store(worldBegins.UnixNano())
			now := func() time.Time { return time.Unix(0, clock.Load()) }
			m := meta.NewMem()
			defer m.Close()
			registry := metrics.New(metrics.Options{Now: now})
			s, err := Open(Options{FS: vfs.NewCrashable(), Dir: "log", Meta: m, Metrics: registry, Now: now,
				Limits: c.limits, SegmentBytes: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ctx := context.Background()
			if err := s.Create(ctx, Config{Name: "s", Shards: 1}); err != nil {
				t.Fatal(err)
			}
			if err := s.SetMonitoring(ctx, "s", ShardMetrics); err != nil {
				t.Fatal(err)
			}
			stored := 0
			for i, p := range c.puts {
				clock.Add(int64(p.after))
				before := throttledSum(t, registry, now())
				var entries []Entry
				for _, size := range p.sizes {
					entries = append(entries, Entry{PartitionKey: []byte("k"), Data: make([]byte, size-1)})
				}
				placed, err := s.Put(ctx, "s", entries)
				if err != nil {
					t.Fatal(err)
				}
				got := ""
				for _, p := range placed {
					switch {
					case p.Shard != ShardID(0) || p.Throttled != p.SeqNum.IsZero():
						t.Fatalf("%+v", p)
					case p.Throttled:
						got += "t"
					default:
						got += "s"
						stored++
					}
				}
				if got != p.want {
					t.Errorf("put %d: %s, want %s", i, got, p.want)
				}
				refused := throttledSum(t, registry, now())
				if n := strings.Count(p.want, "t"); refused[0]-before[0] != float64(n) || refused[1]-before[1] != float64(n) {
					t.Errorf("put %d: %d throttled records, the metrics of stream and shard say %v after %v", i, n, refused, before)
				}
			}
			recs, err := s.Read(ctx, "s", ShardID(0), SeqNum{}, 100, 1<<20)
			if err != nil || len(recs) != stored {
				t.Fatalf("%d of %d records, %v", len(recs), stored, err)
			}
		})
	}
}

// throttledSum is what the metrics of the stream and of its shard counted in the minute of now.
func throttledSum(t *testing.T, r *metrics.Registry, now time.Time) (sums [2]float64) {
	t.Helper()
	stream, shard := metrics.Dimension{Name: "StreamName", Value: "s"}, metrics.Dimension{Name: "ShardId", Value: ShardID(0)}
	minute := now.Truncate(time.Minute)
	for i, dims := range [][]metrics.Dimension{{stream}, {stream, shard}} {
		points, err := r.Read(metrics.Metric{Namespace: "AWS/Kinesis", Name: "WriteProvisionedThroughputExceeded", Dimensions: dims}, "",
			minute, minute.Add(time.Minute), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range points {
			sums[i] += p.Stat.Sum
		}
	}
	return sums
}

// Each shard has its own limits: entries for others go through, in the order of the request.
func TestLimitsArePerShard(t *testing.T) {
	m := meta.NewMem()
	defer m.Close()
	s, err := Open(Options{FS: vfs.NewCrashable(), Dir: "log", Meta: m, Now: func() time.Time { return worldBegins },
		Limits: Limits{Records: 2}, SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	if err := s.Create(ctx, Config{Name: "s", Shards: 2}); err != nil {
		t.Fatal(err)
	}
	half := HashKey{Hi: 1 << 63}
	var entries []Entry
	for i, shard := range []int{0, 0, 0, 1, 0, 1, 1} {
		key := "0"
		if shard == 1 {
			key = half.String()
		}
		entries = append(entries, Entry{PartitionKey: []byte("k"), ExplicitHashKey: key, Data: fmt.Append(nil, i)})
	}
	placed, err := s.Put(ctx, "s", entries)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, p := range placed {
		parts, _ := p.SeqNum.Parts()
		got += fmt.Sprintf("%s:%d ", p.Shard[len(p.Shard)-1:], parts.Counter)
	}
	if want := "0:1 0:2 0:0 1:1 0:0 1:2 1:0 "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for i, want := range []string{"[0 1]", "[3 5]"} {
		recs, err := s.Read(ctx, "s", ShardID(uint32(i)), SeqNum{}, 10, 1<<20)
		var data []string
		for _, r := range recs {
			data = append(data, string(r.Data))
		}
		if err != nil || fmt.Sprint(data) != want {
			t.Errorf("shard %d holds %v, want %s, %v", i, data, want, err)
		}
	}
}
