package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// A power loss at any sync, of the log or of the metadata, while producers write and shards are split and merged: what was
// answered is there, every key in order, and the shards cover everything.
func TestCrashDuringReshard(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &reshardCrash{t: t, disk: vfs.NewCrashable(), rng: rand.New(rand.NewPCG(seed, 0)), acked: map[string]int{}}
	hooked := vfs.Hooked(c.disk, c.before)
	m, err := meta.Open(hooked, "meta")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := openMem(t, hooked, m)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := s.Create(ctx, Config{Name: "s", Shards: 2}); err != nil {
		t.Fatal(err)
	}
	c.watch(true)
	done := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				key := fmt.Sprint("writer", w, i%3)
				e := Entry{PartitionKey: []byte(key), Data: fmt.Append(nil, i/3, strings.Repeat(".", 500))}
				if _, err := s.Put(ctx, "s", []Entry{e}); err != nil {
					t.Error(err)
					return
				}
				c.mu.Lock()
				c.acked[key] = i/3 + 1
				c.mu.Unlock()
			}
		})
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 20 {
		if err := randomReshard(rng, s, "s"); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	writers.Wait()
	c.watch(false)
	for _, crash := range c.crashes {
		c.verify(crash)
	}
	t.Logf("looked at %d disks after a crash", len(c.crashes))
}

type reshardCrash struct {
	t    *testing.T
	disk *vfs.Crashable

	mu      sync.Mutex // guards the fields below, while it watches
	watches bool
	rng     *rand.Rand
	acked   map[string]int // how many records of each key were answered
	crashes []crashedDisk
}

// crashedDisk is what a power loss leaves, and what had been answered before.
type crashedDisk struct {
	disk  *vfs.Crashable
	acked map[string]int
}

// watch begins to keep disks, or ends it: the store syncs on in the background.
func (c *reshardCrash) watch(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watches = on
}

// before keeps what a crash at some syncs would leave, half of them in the metadata.
func (c *reshardCrash) before(op vfs.Op) error {
	if op.Kind != vfs.OpSync && op.Kind != vfs.OpSyncData && op.Kind != vfs.OpSyncDir {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if often := strings.HasPrefix(op.Name, "meta"); !c.watches || len(c.crashes) >= 60 || !often && c.rng.IntN(10) > 0 {
		return nil
	}
	acked := map[string]int{}
	for k, n := range c.acked {
		acked[k] = n
	}
	keep := []int{0, 30, 70, 100}[c.rng.IntN(4)]
	c.crashes = append(c.crashes, crashedDisk{c.disk.CrashClone(vfs.CrashConfig{UnsyncedDataPercent: keep, RNG: c.rng}), acked})
	return nil
}

func (c *reshardCrash) verify(crash crashedDisk) {
	c.t.Helper()
	m, err := meta.Open(crash.disk, "meta")
	if err != nil {
		c.t.Fatal(err)
	}
	defer m.Close()
	s := openMem(c.t, crash.disk, m)
	defer s.Close()
	byKey := lineage(c.t, s, "s")
	for key, n := range crash.acked {
		if len(byKey[key]) < n {
			c.t.Fatalf("key %s: %d of %d records", key, len(byKey[key]), n)
		}
	}
	for key, recs := range byKey {
		for i, data := range recs {
			if strings.TrimRight(data, ".") != fmt.Sprint(i) {
				c.t.Fatalf("key %s: record %d is %.9q", key, i, data)
			}
		}
	}
	checkCovered(c.t, s, "s")
	if err := randomReshard(c.rng, s, "s"); err != nil {
		c.t.Fatal(err)
	}
	if _, err := s.Put(context.Background(), "s", []Entry{{PartitionKey: []byte("after")}}); err != nil {
		c.t.Fatal(err)
	}
	if got := lineage(c.t, s, "s"); len(got["after"]) != 1 {
		c.t.Fatalf("%d records after the crash", len(got["after"]))
	}
}

// checkCovered: the open shards cover everything once.
func checkCovered(t *testing.T, s *Store, name string) {
	t.Helper()
	infos, err := s.Shards(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	open := slices.DeleteFunc(infos, func(i ShardInfo) bool { return i.Closed })
	slices.SortFunc(open, func(a, b ShardInfo) int { return a.HashStart.compare(b.HashStart) })
	next := HashKey{}
	for _, i := range open {
		if i.HashStart != next {
			t.Fatalf("%s begins at %s, want %s", i.ID, i.HashStart, next)
		}
		next = i.HashEnd.plus(HashKey{Lo: 1})
	}
	if next != (HashKey{}) {
		t.Fatalf("nothing covers %s", next)
	}
}

// gate holds the next sync of the log until it is opened, and may let it fail.
type gate struct {
	mu      sync.Mutex
	ops     []string
	reached chan struct{} // not nil: the next sync closes it and waits for open
	open    chan error
}

var (
	fileNumber = regexp.MustCompile(`\d{6,}`)
	whereabout = regexp.MustCompile(` \d+\+\d+$`)
)

func (g *gate) before(op vfs.Op) error {
	g.mu.Lock()
	if op.Kind == vfs.OpWrite || op.Kind == vfs.OpSync || op.Kind == vfs.OpSyncData {
		g.ops = append(g.ops, whereabout.ReplaceAllString(fileNumber.ReplaceAllString(op.String(), "N"), ""))
	}
	reached, open := g.reached, g.open
	hold := reached != nil && op.Kind == vfs.OpSyncData && strings.HasPrefix(op.Name, "log")
	if hold {
		g.reached = nil
	}
	g.mu.Unlock()
	if hold {
		close(reached)
		return <-open
	}
	return nil
}

// hold makes the next sync of the log wait, and forgets the operations so far.
func (g *gate) hold() (reached chan struct{}, open chan error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reached, g.open, g.ops = make(chan struct{}), make(chan error), nil
	return g.reached, g.open
}

func (g *gate) take() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.ops, "\n")
}

// gated is a store behind a gate, with a stream of one shard and a record.
func gated(t *testing.T) (*Store, *gate, *vfs.Crashable, *roomy) {
	t.Helper()
	disk, g := vfs.NewCrashable(), &gate{}
	room := &roomy{FS: vfs.Hooked(disk, g.before)}
	m, err := meta.Open(room, "meta")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{FS: room, Dir: "log", Meta: m, SegmentBytes: 64 << 10, Now: func() time.Time { return worldBegins },
		tuning: tuning{inline: true, trimEvery: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		m.Close()
	})
	if err := s.Create(context.Background(), Config{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	if err := putOne(s, "first"); err != nil {
		t.Fatal(err)
	}
	return s, g, disk, room
}

// roomy is a disk that says that it is full when it is told to.
type roomy struct {
	vfs.FS
	full atomic.Bool
}

func (r *roomy) GetDiskUsage(string) (vfs.DiskUsage, error) {
	if r.full.Load() {
		return vfs.DiskUsage{}, nil
	}
	return vfs.DiskUsage{AvailBytes: 1 << 40}, nil
}

func putOne(s *Store, data string) error {
	_, err := s.Put(context.Background(), "s", []Entry{{PartitionKey: []byte("k"), Data: []byte(data)}})
	return err
}

func splitFirst(s *Store) error {
	return s.SplitShard(context.Background(), "s", ShardID(0), HashKey{Hi: 1 << 63})
}

// frozen waits until a reshard holds back the Puts to the stream.
func frozen(t *testing.T, s *Store) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < time.Minute; runtime.Gosched() {
		s.appendMu.Lock()
		is := s.streams["s"].frozen != nil
		s.appendMu.Unlock()
		if is {
			return
		}
	}
	t.Fatal("no reshard begins")
}

// The disk operations of a split while a Put is under way and another one comes: the first is durable before the split is,
// and the split before the second, which goes to a child.
func TestOperationsOfASplit(t *testing.T) {
	s, g, _, _ := gated(t)
	reached, open := g.hold()
	first, split, second := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { first <- putOne(s, "under way") }()
	<-reached
	go func() { split <- splitFirst(s) }()
	frozen(t, s)
	go func() { second <- putOne(s, "held back") }()
	select {
	case err := <-second:
		t.Fatalf("a put during the split was answered: %v", err)
	default:
	}
	open <- nil
	for _, done := range []chan error{first, split, second} {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Join([]string{
		"write N.segment", // the put under way
		"sync-data N.segment",
		"write N.log", // the new shards
		"sync-data N.log",
		"write N.segment", // the put that was held back
		"sync-data N.segment",
	}, "\n")
	if got := g.take(); got != want {
		t.Errorf("operations:\n%s\nwant:\n%s", got, want)
	}
	for shard, want := range []string{"1:first 2:under way\n", "1:held back\n", "(empty)\n"} {
		recs, err := s.Read(context.Background(), "s", ShardID(uint32(shard)), SeqNum{}, 10, 1<<20)
		if got := describeRecords(recs); err != nil || shard == 0 && got != want || shard > 0 && len(recs) > 1 {
			t.Errorf("shard %d: %q, %v, want %q", shard, got, err, want)
		}
	}
}

// A Put that fails while a split waits for it: the split happens, and the shard ends with the last record that was durable,
// though the file holds the refused one.
func TestDiskFailsDuringASplit(t *testing.T) {
	s, g, disk, _ := gated(t)
	reached, open := g.hold()
	refused, split := make(chan error, 1), make(chan error, 1)
	go func() { refused <- putOne(s, "refused") }()
	<-reached
	go func() { split <- splitFirst(s) }()
	frozen(t, s)
	open <- errBroken
	if err := <-refused; !errors.Is(err, errBroken) {
		t.Fatalf("the put: %v", err)
	}
	if err := <-split; err != nil {
		t.Fatalf("the split: %v", err)
	}
	check := func(s *Store, after int) {
		t.Helper()
		got := fmt.Sprint(lineage(t, s, "s")["k"])
		if want := []string{"[first]", "[first after]"}[after]; got != want {
			t.Fatalf("records %s, want %s", got, want)
		}
	}
	check(s, 0)
	if err := putOne(s, "after"); err != nil {
		t.Fatal(err)
	}
	check(s, 1)
	clone := disk.CrashClone(vfs.CrashConfig{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	m, err := meta.Open(clone, "meta")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	again := openMem(t, clone, m)
	defer again.Close()
	check(again, 1)
}

// A split that cannot be made durable has not happened.
func TestMetadataFailsDuringASplit(t *testing.T) {
	s, _, _, room := gated(t)
	room.full.Store(true)
	if err := splitFirst(s); !errors.Is(err, meta.ErrNoSpace) {
		t.Fatalf("split on a full disk: %v", err)
	}
	if err := putOne(s, "second"); err != nil {
		t.Fatal(err)
	}
	infos, err := s.Shards(context.Background(), "s")
	if err != nil || len(infos) != 1 || infos[0].Closed {
		t.Fatalf("%+v, %v", infos, err)
	}
	room.full.Store(false)
	if err := splitFirst(s); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(lineage(t, s, "s")["k"]); got != "[first second]" {
		t.Errorf("records %s", got)
	}
}

// A split whose caller gives up while it waits for the disk has not happened, and Puts that it held back go on.
func TestSplitIsGivenUp(t *testing.T) {
	s, g, _, _ := gated(t)
	reached, open := g.hold()
	first, split, second := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { first <- putOne(s, "second") }()
	<-reached
	ctx, cancel := context.WithCancel(context.Background())
	go func() { split <- s.SplitShard(ctx, "s", ShardID(0), HashKey{Hi: 1 << 63}) }()
	frozen(t, s)
	go func() { second <- putOne(s, "third") }()
	cancel()
	if err := <-split; !errors.Is(err, context.Canceled) {
		t.Fatalf("split: %v", err)
	}
	open <- nil
	for _, done := range []chan error{first, second} {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(lineage(t, s, "s")["k"]); got != "[first second third]" {
		t.Errorf("records %s", got)
	}
}

// A stream that is deleted, or a store that is closed, does not leave a Put or a split waiting.
func TestPutsDuringASplitEnd(t *testing.T) {
	s, g, _, _ := gated(t)
	reached, open := g.hold()
	first, split, second, closed := make(chan error, 1), make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { first <- putOne(s, "under way") }()
	<-reached
	go func() { split <- splitFirst(s) }()
	frozen(t, s)
	go func() { second <- putOne(s, "held back") }()
	go func() { closed <- s.Close() }()
	<-s.closing
	if err := <-second; !errors.Is(err, ErrClosed) {
		t.Errorf("a put that was held back: %v", err)
	}
	open <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := <-split; err != nil {
		t.Errorf("the split: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := splitFirst(s); !errors.Is(err, ErrShardClosed) && !errors.Is(err, ErrClosed) {
		t.Errorf("a split after the end: %v", err)
	}
}
