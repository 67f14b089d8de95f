package stream

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// TestRetentionMost has a store whose records expire after less than their stream's retention.
func TestRetentionMost(t *testing.T) {
	for _, c := range []struct {
		most  time.Duration
		after time.Duration
		want  int
	}{{0, 23 * time.Hour, 1}, {0, 25 * time.Hour, 0}, {time.Minute, 59 * time.Second, 1}, {time.Minute, 61 * time.Second, 0}, {48 * time.Hour, 25 * time.Hour, 0}} {
		var clock atomic.Int64 // the housekeeper looks at it too
		clock.Store(worldBegins.UnixNano())
		m := meta.NewMem()
		s, err := Open(Options{FS: vfs.NewCrashable(), Dir: "log", Meta: m, Now: func() time.Time { return time.Unix(0, clock.Load()) },
			RetentionMost: c.most, SegmentBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Create(t.Context(), Config{Name: "s", Shards: 1}); err != nil {
			t.Fatal(err)
		}
		placed, err := s.Put(t.Context(), "s", []Entry{{PartitionKey: []byte("k"), Data: []byte("x")}})
		if err != nil {
			t.Fatal(err)
		}
		clock.Add(int64(c.after))
		got, err := s.Read(t.Context(), "s", placed[0].Shard, SeqNum{}, 10, 1<<20)
		if err != nil || len(got) != c.want {
			t.Errorf("most %v, after %v: %d records, %v; want %d", c.most, c.after, len(got), err, c.want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
}
