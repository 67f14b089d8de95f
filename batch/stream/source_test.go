package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
)

func openStore(t *testing.T, shards int) *stream.Store {
	t.Helper()
	m := meta.NewMem()
	s, err := stream.Open(stream.Options{FS: vfs.NewCrashable(), Dir: "log", Meta: m, SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		m.Close()
	})
	if err := s.Create(context.Background(), stream.Config{Name: "s", Shards: shards}); err != nil {
		t.Fatal(err)
	}
	return s
}

// put appends records of five bytes, key included, to one shard.
func put(t *testing.T, s *stream.Store, shard, from, n int) {
	t.Helper()
	infos, err := s.Shards(context.Background(), "s")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e := stream.Entry{PartitionKey: []byte("k"), ExplicitHashKey: infos[shard].HashStart.String(), Data: fmt.Appendf(nil, "%d%03d", shard, from+i)}
		if _, err := s.Put(context.Background(), "s", []stream.Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
}

// read is the data of a range.
func read(t *testing.T, src batch.Source, start, end batch.Offset) string {
	t.Helper()
	var all []string
	err := src.Read(context.Background(), start, end, func(recs []batch.Record) error {
		for _, r := range recs {
			if len(r.SequenceNumber()) != 56 || string(r.Key) != "k" || r.Arrival.IsZero() || !strings.HasSuffix(r.Shard, string(r.Data[:1])) {
				t.Errorf("record %+v", r)
			}
			all = append(all, string(r.Data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// Batches cover everything once, in order, within their limits, and read the same again.
func TestPlansCoverEverythingOnce(t *testing.T) {
	for _, limit := range []batch.Limit{{}, {Records: 1}, {Records: 4}, {Records: 1000}, {Bytes: 12}, {Records: 3, Bytes: 100}} {
		t.Run(fmt.Sprintf("%+v", limit), func(t *testing.T) {
			s := openStore(t, 3)
			put(t, s, 0, 0, 12)
			put(t, s, 2, 0, 5)
			src := New(s, "s")
			var at batch.Offset
			seen := map[string]string{}
			total := 0
			for batches := 0; ; batches++ {
				end, err := src.Plan(t.Context(), at, limit)
				if err != nil {
					t.Fatal(err)
				}
				if end.Equal(at) {
					break
				}
				got := read(t, src, at, end)
				put(t, s, 1, 100+batches, 1) // what comes later does not change a planned range
				if again := read(t, src, at, end); again != got {
					t.Fatalf("read %q, then %q", got, again)
				}
				words := strings.Fields(got)
				if limit.Records > 0 && len(words) > max(limit.Records, 3) || len(words) == 0 {
					t.Fatalf("a batch of %d", len(words))
				}
				for _, w := range words {
					if w <= seen[w[:1]] {
						t.Fatalf("%s after %s", w, seen[w[:1]])
					}
					seen[w[:1]] = w
				}
				total += len(words)
				at = end
				if batches > 30 {
					break // each batch adds a record
				}
			}
			if seen["0"] != "0011" || seen["2"] != "2004" || total < 17 {
				t.Fatalf("%d records, the last %v", total, seen)
			}
		})
	}
}

func TestLatestAndErrors(t *testing.T) {
	s := openStore(t, 2)
	put(t, s, 0, 0, 3)
	src := New(s, "s")
	at, err := src.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, 0, 3, 1)
	put(t, s, 1, 0, 1)
	end, err := src.Plan(t.Context(), at, batch.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, src, at, end); got != "0003 1000" {
		t.Fatalf("after the latest: %q", got)
	}
	boom := errors.New("boom")
	if err := src.Read(t.Context(), nil, end, func([]batch.Record) error { return boom }); !errors.Is(err, boom) {
		t.Fatalf("error of the callback: %v", err)
	}
	if _, err := src.Plan(t.Context(), batch.Offset{stream.ShardID(0): "x"}, batch.Limit{}); !errors.Is(err, stream.ErrSeqNum) {
		t.Fatalf("malformed offset: %v", err)
	}
	if _, err := New(s, "none").Plan(t.Context(), nil, batch.Limit{}); !errors.Is(err, stream.ErrNotFound) {
		t.Fatalf("no stream: %v", err)
	}
}

func TestPosition(t *testing.T) {
	clock := newClock()
	s := openStoreAt(t, clock)
	if err := s.Create(t.Context(), stream.Config{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	put(t, s, 0, 0, 2)
	clock.advance(time.Hour)
	put(t, s, 0, 2, 2)
	now := clock.now()
	var src batch.Starter = New(s, "s")
	for _, c := range []struct {
		start batch.Start
		want  string
	}{
		{batch.Start{Kind: batch.TrimHorizon}, "0000 0001 0002 0003"},
		{batch.Start{Kind: batch.Latest}, ""},
		{batch.Start{Kind: batch.AtTime, Time: now.Add(-2 * time.Hour)}, "0000 0001 0002 0003"},
		{batch.Start{Kind: batch.AtTime, Time: now.Add(-time.Minute)}, "0002 0003"},
		{batch.Start{Kind: batch.AtTime, Time: now}, "0002 0003"},
		{batch.Start{Kind: batch.AtTime, Time: now.Add(time.Minute)}, ""},
	} {
		at, err := src.Position(t.Context(), c.start)
		if err != nil {
			t.Fatal(err)
		}
		end, err := New(s, "s").Plan(t.Context(), at, batch.Limit{})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, New(s, "s"), at, end); got != c.want {
			t.Errorf("from %+v: %q, want %q", c.start, got, c.want)
		}
	}
	// A position is the number of a record, which others are compared with, and not only one behind which reading begins there.
	first, err := New(s, "s").Plan(t.Context(), batch.Offset{}, batch.Limit{Records: 2})
	if err != nil {
		t.Fatal(err)
	}
	latest, err := New(s, "s").Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []batch.Offset{first, latest} {
		at, err := src.Position(t.Context(), batch.Start{Kind: batch.AtTime, Time: now.Add(time.Duration(2*i-1) * time.Minute)})
		if err != nil || !at.Equal(want) {
			t.Errorf("position %v, not %v: %v", at, want, err)
		}
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meta.NewMem()
		defer m.Close()
		s, err := stream.Open(stream.Options{FS: vfs.NewCrashable(), Dir: "log", Meta: m, SegmentBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Create(t.Context(), stream.Config{Name: "s", Shards: 2}); err != nil {
			t.Fatal(err)
		}
		src := New(s, "s")
		done := make(chan error, 1)
		go func() { done <- src.Wait(t.Context(), nil) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("wait on an empty stream: %v", err)
		default:
		}
		put(t, s, 1, 0, 1)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		at, err := src.Latest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := src.Wait(ctx, at); !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled: %v", err)
		}
	})
}
