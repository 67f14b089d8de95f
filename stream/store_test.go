package stream

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

func sumOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// openMem is a store with background work, on a disk in memory, with segments so small that everything happens.
func openMem(t testing.TB, disk vfs.FS, m *meta.Store) *Store {
	t.Helper()
	return openKeyed(t, disk, m, nil)
}

// openKeyed is openMem with a keyring.
func openKeyed(t testing.TB, disk vfs.FS, m *meta.Store, keys Keyring) *Store {
	t.Helper()
	s, err := Open(Options{FS: disk, Dir: "log", Meta: m, Keys: keys, SegmentBytes: 64 << 10, CacheBytes: 64 << 10, tuning: tuning{
		firstSegmentBytes: 32 << 10, chunkBytes: 16 << 10, groupBytes: 8 << 10, indexStride: 4 << 10, readBytes: 4 << 10,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Many writers and readers, segments rolling under them: every reader sees every record once, in order.
func TestConcurrentWritersAndReaders(t *testing.T) {
	const writers, puts, shards = 8, 60, 3
	disk, m := vfs.NewCrashable(), meta.NewMem()
	defer m.Close()
	s := openMem(t, disk, m)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := s.Create(ctx, Config{Name: "s", Shards: shards}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	acked := map[string]string{} // data by sequence number and shard
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 0))
			for i := range puts {
				var entries []Entry
				for k := range 1 + rng.IntN(10) {
					entries = append(entries, Entry{PartitionKey: fmt.Append(nil, rng.Int()), Data: fmt.Append(make([]byte, rng.IntN(300)), w, i, k)})
				}
				placed, err := s.Put(ctx, "s", entries)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i, p := range placed {
					acked[p.Shard+p.SeqNum.String()] = string(entries[i].Data)
				}
				mu.Unlock()
			}
		})
	}
	seen := make([]map[string]string, 2*shards)
	written, finish := context.WithCancel(ctx)
	var readers sync.WaitGroup
	for i := range seen {
		seen[i] = map[string]string{}
		readers.Go(func() { follow(t, written, s, ShardID(uint32(i%shards)), seen[i]) })
	}
	all.Wait()
	finish()
	readers.Wait()
	for half := range 2 {
		got := 0
		for i := half * shards; i < (half+1)*shards; i++ {
			for k, v := range seen[i] {
				if acked[k] != v {
					t.Fatalf("record %s is not what was put", k)
				}
				got++
			}
		}
		if got != len(acked) {
			t.Fatalf("readers saw %d of %d records", got, len(acked))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if rep, err := Check(disk, "log"); err != nil || rep.Records != int64(len(acked)) {
		t.Fatalf("check: %+v, %v", rep, err)
	}
}

// follow reads a shard into seen until it is at the tip and written is done.
func follow(t *testing.T, written context.Context, s *Store, id string, seen map[string]string) {
	sh, err := s.Shard("s", id)
	if err != nil {
		t.Error(err)
		return
	}
	var at SeqNum
	for {
		finished := written.Err() != nil
		page, err := sh.Scan(context.Background(), at, 100, 1<<20, func(recs []Record) error {
			for _, r := range recs {
				if string(r.SeqNum[:]) <= string(at[:]) {
					t.Errorf("%s: %s after %s", id, r.SeqNum, at)
				}
				at = r.SeqNum
				seen[id+r.SeqNum.String()] = string(r.Data)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
			return
		}
		if page.Records > 0 {
			continue
		}
		if finished {
			return
		}
		if err := sh.Wait(written, at); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
			return
		}
	}
}

// A full queue refuses at once, and what was refused is nowhere.
func TestThrottle(t *testing.T) {
	disk, m := vfs.NewCrashable(), meta.NewMem()
	defer m.Close()
	syncing, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := vfs.Hooked(disk, func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && op.Bytes > 100_000 {
			once.Do(func() { close(syncing); <-release })
		}
		return nil
	})
	s, err := Open(Options{FS: slow, Dir: "log", Meta: m, SegmentBytes: 1 << 20, QueueBytes: 300_000, tuning: tuning{firstSegmentBytes: 64 << 10, inline: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	if err := s.Create(ctx, Config{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	put := func(n int) error {
		_, err := s.Put(ctx, "s", []Entry{{PartitionKey: []byte("k"), Data: make([]byte, n)}})
		return err
	}
	first := make(chan error)
	go func() { first <- put(200_000) }()
	<-syncing
	if err := put(200_000); !errors.Is(err, ErrThrottled) {
		t.Fatalf("put into a full queue: %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := put(200_000); err != nil {
		t.Fatalf("put when there is room again: %v", err)
	}
	recs, err := s.Read(ctx, "s", ShardID(0), SeqNum{}, 10, 1<<20)
	if err != nil || len(recs) != 2 {
		t.Fatalf("%d records, %v", len(recs), err)
	}
}

// Wait ends with a record, with the stream, with its context and with the store.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meta.NewMem()
		defer m.Close()
		s := openMem(t, vfs.NewCrashable(), m)
		ctx := context.Background()
		for _, name := range []string{"a", "b", "c"} {
			if err := s.Create(ctx, Config{Name: name, Shards: 1}); err != nil {
				t.Fatal(err)
			}
		}
		wait := func(ctx context.Context, name string) chan error {
			done := make(chan error, 1)
			go func() { done <- s.Wait(ctx, name, ShardID(0), SeqNum{}) }()
			synctest.Wait()
			select {
			case err := <-done:
				t.Fatalf("wait on an empty shard: %v", err)
			default:
			}
			return done
		}
		record, gone := wait(ctx, "a"), wait(ctx, "b")
		limited, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		late := wait(limited, "c")
		if _, err := s.Put(ctx, "a", []Entry{{PartitionKey: []byte("k")}}); err != nil {
			t.Fatal(err)
		}
		if err := <-record; err != nil {
			t.Fatalf("after a put: %v", err)
		}
		if err := s.Delete(ctx, "b"); err != nil {
			t.Fatal(err)
		}
		if err := <-gone; !errors.Is(err, ErrNotFound) {
			t.Fatalf("after the deletion: %v", err)
		}
		if err := <-late; !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("after its time: %v", err)
		}
		closed := wait(ctx, "c")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-closed; !errors.Is(err, ErrClosed) {
			t.Fatalf("after close: %v", err)
		}
		if _, err := s.Put(ctx, "a", []Entry{{PartitionKey: []byte("k")}}); !errors.Is(err, ErrClosed) {
			t.Fatalf("put after close: %v", err)
		}
	})
}

// A damaged record is reported by the read, not returned, and Check finds it.
func TestDamageIsNoticed(t *testing.T) {
	w := newWorld(t)
	w.run("create s 1")
	w.run("fill s 0 4 4000")
	w.run("reopen")
	f, err := w.disk.OpenReadWrite("log/000000000001.segment", vfs.Category)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("XX"), 6000)
	f.Close()
	if _, err := w.store.Read(context.Background(), "s", ShardID(0), SeqNum{}, 10, 1<<20); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("read: %v", err)
	}
	if _, err := Check(w.disk, "log"); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("check: %v", err)
	}
	w.store.Close()
	w.meta.Close()
}

// The limits of a read, and records that one frame holds together.
func TestReadLimits(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	w.run("create s 1")
	w.run("put s 0 aaaa bbbb cccc dddd")
	w.run("put s 0 eeee")
	sh, err := w.store.Shard("s", ShardID(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after       uint64
		limit       int
		bytes       int64
		first, last uint64
		tip         bool
	}{
		{0, 10, 1 << 20, 1, 5, true},
		{0, 5, 1 << 20, 1, 5, true},
		{0, 4, 1 << 20, 1, 4, false},
		{2, 1, 1 << 20, 3, 3, false},
		{1, 10, 10, 2, 3, false}, // a record has five bytes with its key
		{1, 10, 1, 2, 2, false},
		{4, 10, 1, 5, 5, true},
		{5, 10, 1, 0, 0, true},
	} {
		var got []uint64
		page, err := sh.Scan(context.Background(), sh.At(c.after), c.limit, c.bytes, func(recs []Record) error {
			for _, r := range recs {
				p, _ := r.SeqNum.Parts()
				got = append(got, p.Counter)
			}
			return nil
		})
		if err != nil || page.AtTip != c.tip || page.Records != len(got) {
			t.Errorf("%+v: %v, %+v, %v", c, got, page, err)
		}
		if len(got) > 0 && (got[0] != c.first || got[len(got)-1] != c.last) || len(got) == 0 && c.first != 0 {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}
