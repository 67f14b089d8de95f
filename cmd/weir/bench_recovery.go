package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
)

// recoveries is how often a server is killed and started again.
const recoveries = 3

// benchRecovery measures how long a server takes to be ready after kill -9 while records came, with many retained; against
// a start on an empty data directory in the same run. Where it may, it has the kernel forget its cached files first.
func benchRecovery(b *bench) error {
	m := measurement{Shards: 4, Peer: "starts a second on an empty data directory"}
	if err := checkRoom(b.dir, uint64(b.Retained)<<30*5/4+2<<30); err != nil {
		return err
	}
	empty, err := startChild(b.ctx, filepath.Join(b.dir, "empty"), false)
	if err != nil {
		return err
	}
	empty.stop()
	data := filepath.Join(b.dir, "data")
	records, err := fillLog(b.ctx, data, int64(b.Retained)<<30)
	if err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	cold := "cold"
	var sum, slowest time.Duration
	for range recoveries {
		if err := killUnderLoad(b.ctx, data); err != nil {
			return err
		}
		if !dropCaches() {
			cold = "warm"
		}
		s, err := startChild(b.ctx, data, false)
		if err != nil {
			return err
		}
		sum, slowest = sum+s.ready, max(slowest, s.ready)
		m.PeakMiB = max(m.PeakMiB, s.stop())
	}
	m.Ready = milliseconds(sum / recoveries)
	m.PeerRate = 1000 / milliseconds(empty.ready)
	m.Ratio = 1000 / m.Ready / m.PeerRate
	m.Note = fmt.Sprintf("mean of %d, slowest %.0f ms; %d GiB retained, %s records of 450 B; files %s", recoveries, milliseconds(slowest), b.Retained, count(records), cold)
	return b.emit(m)
}

// fillLog writes rides straight into the log of a data directory until it has so many bytes: no HTTP in between.
func fillLog(ctx context.Context, dir string, size int64) (records int64, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	m, err := meta.Open(vfs.Default, filepath.Join(dir, "meta"))
	if err != nil {
		return 0, err
	}
	defer m.Close()
	s, err := stream.Open(stream.Options{Dir: filepath.Join(dir, "streams"), Meta: m, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if err := s.Create(ctx, stream.Config{Name: benchStream, Shards: 4}); err != nil {
		return 0, err
	}
	var (
		left    atomic.Int64
		total   atomic.Int64
		writers sync.WaitGroup
		mu      sync.Mutex
		failed  error
	)
	left.Store(size)
	for w := range 4 {
		writers.Go(func() {
			entries := make([]stream.Entry, 2000)
			bytes := int64(0)
			for i := range entries {
				entries[i] = stream.Entry{PartitionKey: fmt.Append(nil, w*len(entries)+i), Data: benchRide(i, benchRecord)}
				bytes += int64(len(entries[i].Data) + len(entries[i].PartitionKey) + 8)
			}
			for left.Add(-bytes) > -bytes {
				if _, err := s.Put(ctx, benchStream, entries); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				total.Add(int64(len(entries)))
			}
		})
	}
	writers.Wait()
	return total.Load(), failed
}

// killUnderLoad starts a server on data, has records put for a while, and kills it in the middle of that.
func killUnderLoad(ctx context.Context, data string) error {
	s, err := startChild(ctx, data, false)
	if err != nil {
		return err
	}
	requests, err := rides.requests(s.addr, 4, false)
	if err != nil {
		return err
	}
	killed := make(chan error, 1)
	time.AfterFunc(time.Second, func() { killed <- s.cmd.Process.Kill() })
	_, _, err = drive(s.addr, requests, 1200*time.Millisecond)
	if err == nil {
		return errors.New("the server was killed, and its clients did not notice")
	}
	s.cmd.Wait() // its error is that it was killed
	return <-killed
}

// dropCaches makes the kernel forget cached files; it may not be allowed to.
func dropCaches() bool { return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0) == nil }
