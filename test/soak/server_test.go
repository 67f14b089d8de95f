package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weir-data/weir/api/kinesis"
	"github.com/weir-data/weir/internal/load"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
	"github.com/weir-data/weir/wire"
)

const (
	streamName  = "soak"
	shardsFirst = 4
)

// server is a Kinesis server whose log lives in fast time. Its iterators and tokens keep ordinary time: five minutes of it
// would be over between two calls.
type server struct {
	addr    string
	dir     string
	clock   *fastClock
	streams *stream.Store
}

// fastClock is a clock on which a day passes in a short time, but not beyond its limit: it stands still where records
// would expire that somebody has not read.
type fastClock struct {
	factor float64
	began  time.Time

	mu    sync.Mutex // guards the fields below
	now   time.Time
	at    time.Time // on the machine's clock, when it was now
	limit time.Time
}

func newFastClock(day time.Duration) *fastClock {
	now := time.Now()
	return &fastClock{factor: float64(24*time.Hour) / float64(day), began: now, now: now, at: now, limit: now.Add(unreadMost)}
}

// unreadMost is how old, on the fast clock, a record may become before all groups have read it; retention is a day.
const unreadMost = 12 * time.Hour

// Now is the time of the log.
func (c *fastClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Now()
	if c.now = c.now.Add(time.Duration(float64(at.Sub(c.at)) * c.factor)); c.now.After(c.limit) {
		c.now = c.limit
	}
	c.at = at
	return c.now
}

// ran is for how long the clock has run, on the machine's clock.
func (c *fastClock) ran() time.Duration {
	return time.Duration(float64(c.Now().Sub(c.began)) / c.factor)
}

// allow moves the limit.
func (c *fastClock) allow(limit time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = limit
}

// keys is a keyring of one key.
type keys struct{}

func (keys) Key(id string) (key [32]byte, err error) {
	copy(key[:], id)
	return key, nil
}

func (k keys) Make(id string) ([32]byte, error) { return k.Key(id) }

// startServer opens a log in dir with one stream, whose records are kept for a day, which is over after retention.
func startServer(t *testing.T, dir string, retention time.Duration) *server {
	t.Helper()
	m, err := meta.Open(vfs.Default, filepath.Join(dir, "meta"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	log, clock := filepath.Join(dir, "streams"), newFastClock(retention)
	streams, err := stream.Open(stream.Options{Dir: log, Meta: m, Keys: keys{}, Now: clock.Now, SegmentBytes: segmentBytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := streams.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if report, err := stream.Check(vfs.Default, log); err != nil {
			t.Errorf("the log that is left: %v %+v", err, report)
		}
	})
	if err := streams.Create(t.Context(), stream.Config{Name: streamName, Shards: shardsFirst}); err != nil {
		t.Fatal(err)
	}
	service, err := kinesis.Service(kinesis.Options{Streams: streams, Meta: m})
	if err != nil {
		t.Fatal(err)
	}
	front, err := wire.NewServer(wire.Options{}, service)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if err := wire.Serve(ctx, ln, front); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); served.Wait() })
	return &server{addr: ln.Addr().String(), dir: dir, clock: clock, streams: streams}
}

// request encodes a call.
func (s *server) request(operation string, body []byte) []byte {
	return load.Request(s.addr, "/", body, load.Header{Name: "X-Amz-Target", Value: "Kinesis_20131202." + operation},
		load.Header{Name: "Content-Type", Value: "application/x-amz-json-1.1"})
}

// call makes one call on a connection of its own. What the server refuses is an error *load.Refused.
func (s *server) call(operation string, in map[string]any, out any) error {
	c, err := load.Dial(s.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	resp, err := c.Do(s.request(operation, body))
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if resp.Status != 200 {
		return fmt.Errorf("%s: %w", operation, &load.Refused{Status: resp.Status, Body: string(resp.Body)})
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(resp.Body, out)
}
