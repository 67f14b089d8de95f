package stream

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

var (
	crashSeed  = flag.Uint64("crash-seed", 1, "first seed of the crash tests")
	crashSeeds = flag.Int("crash-seeds", 2, "number of seeds of each crash test")
)

// seedsOf runs f with the seeds that the flags ask for, side by side.
func seedsOf(t *testing.T, f func(t *testing.T, seed uint64)) {
	n := *crashSeeds
	if testing.Short() {
		n = 1
	}
	for i := range n {
		seed := *crashSeed + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			f(t, seed)
		})
	}
}

// crashModel is what streams must and may hold.
type crashModel struct {
	mu      sync.Mutex // guards all below
	streams map[string]*streamModel
	label   int
}

type streamModel struct {
	acked     map[string]ackedRecord // by shard and counter
	attempted map[string]bool        // data; all data differ
}

// ackedRecord was answered; it arrived at since or later.
type ackedRecord struct {
	data  string
	since time.Time
}

func newCrashModel() *crashModel { return &crashModel{streams: map[string]*streamModel{}} }

func (m *crashModel) create(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.streams[name] = &streamModel{acked: map[string]ackedRecord{}, attempted: map[string]bool{}}
}

// entries makes records for a stream, with random keys.
func (m *crashModel) entries(rng *rand.Rand, name string, size int) []Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	var entries []Entry
	for range 1 + rng.IntN(4) {
		m.label++
		data := fmt.Sprintf("r%d", m.label)
		m.streams[name].attempted[data] = true
		entries = append(entries, Entry{PartitionKey: fmt.Append(nil, rng.Int()), Data: []byte(data + strings.Repeat(".", rng.IntN(size)))})
	}
	return entries
}

func (m *crashModel) acknowledge(name string, entries []Entry, placed []Placed, since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, p := range placed {
		parts, _ := p.SeqNum.Parts()
		m.streams[name].acked[fmt.Sprint(p.Shard, "/", parts.Counter)] = ackedRecord{strings.TrimRight(string(entries[i].Data), "."), since}
	}
}

// acked is a copy of what was answered until now.
func (m *crashModel) acked() map[string]map[string]ackedRecord {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]map[string]ackedRecord{}
	for name, s := range m.streams {
		all[name] = map[string]ackedRecord{}
		for k, v := range s.acked {
			all[name][k] = v
		}
	}
	return all
}

func (m *crashModel) wasAttempted(name, data string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.streams[name].attempted[data]
}

// afterCrash is what a power loss left, and what had been answered before it.
type afterCrash struct {
	disk  *vfs.Crashable
	acked map[string]map[string]ackedRecord
	now   time.Time
}

// verifier looks at disks after a crash.
type verifier struct {
	t      *testing.T
	opts   Options
	model  *crashModel
	clones int
}

// verify opens a disk after a crash, reads all of it, writes on, and reads again after another crash.
func (v *verifier) verify(c afterCrash) {
	v.t.Helper()
	v.clones++
	first := v.reopened(c, true)
	c.disk = c.disk.CrashClone(vfs.CrashConfig{})
	second := v.reopened(c, false)
	for key, recs := range first {
		if !slices.Equal(recs, second[key]) {
			v.t.Fatalf("%s after one crash and one more: %v, then %v", key, recs, second[key])
		}
	}
}

// reopened reads all shards that should exist, and appends to all streams if write is set; the answer includes that.
func (v *verifier) reopened(c afterCrash, write bool) map[string][]string {
	v.t.Helper()
	ctx := context.Background()
	if _, err := Check(c.disk, "log"); err != nil {
		if _, statErr := c.disk.Stat("log"); statErr == nil {
			v.t.Fatalf("check after a crash: %v", err)
		}
	}
	m, err := meta.Open(c.disk, "meta")
	if err != nil {
		v.t.Fatal(err)
	}
	defer m.Close()
	o := v.opts
	o.FS, o.Dir, o.Meta, o.Now = c.disk, "log", m, func() time.Time { return c.now }
	s, err := Open(o)
	if err != nil {
		v.t.Fatalf("open after a crash: %v", err)
	}
	defer s.Close()
	all := map[string][]string{}
	for name, acked := range c.acked {
		infos, err := s.Shards(ctx, name)
		if err != nil {
			v.t.Fatalf("stream after a crash: %v", err)
		}
		found := map[string]string{}
		given := map[string]bool{}
		for _, info := range infos {
			all[name+"/"+info.ID] = v.readShard(s, name, info.ID, found, given)
		}
		horizon := s.streams[name].horizon(c.now)
		for at, r := range acked {
			if found[at] != r.data && r.since.UnixMilli() >= horizon {
				v.t.Fatalf("%s %s: record %q was answered and is %q", name, at, r.data, found[at])
			}
		}
		if !write {
			continue
		}
		placed, err := s.Put(ctx, name, []Entry{{PartitionKey: []byte("k"), Data: []byte("after")}})
		if err != nil {
			v.t.Fatalf("put after a crash: %v", err)
		}
		key := name + "/" + placed[0].Shard
		all[key] = append(all[key], placed[0].SeqNum.String()+"=after")
	}
	return all
}

func (v *verifier) readShard(s *Store, name, id string, found map[string]string, given map[string]bool) []string {
	v.t.Helper()
	recs, err := s.Read(context.Background(), name, id, SeqNum{}, 1<<20, 1<<30)
	if err != nil {
		v.t.Fatalf("read after a crash: %v", err)
	}
	var seen []string
	var last SeqNum
	for _, r := range recs {
		data := strings.TrimRight(string(r.Data), ".")
		if string(r.SeqNum[:]) <= string(last[:]) {
			v.t.Fatalf("%s %s: %s after %s", name, id, r.SeqNum, last)
		}
		if data != "after" && !v.model.wasAttempted(name, data) || given[data] {
			v.t.Fatalf("%s %s: %q was never put there, or is there twice", name, id, data)
		}
		given[data] = true
		p, _ := r.SeqNum.Parts()
		found[fmt.Sprint(id, "/", p.Counter)], last = data, r.SeqNum
		seen = append(seen, r.SeqNum.String()+"="+data)
	}
	return seen
}

func crashOptions(inline bool) Options {
	return Options{Keys: &testRing{}, SegmentBytes: 16 << 10, CacheBytes: 16 << 10, tuning: tuning{
		firstSegmentBytes: 16 << 10, chunkBytes: 8 << 10, groupBytes: 8 << 10, indexStride: 1 << 10, indexBytes: 4 << 10,
		readBytes: 4 << 10, inline: inline, trimEvery: time.Hour,
	}}
}

// crashRun drives a store with random work, one thing after the other, and takes the disk that a power loss would leave
// before its operations.
type crashRun struct {
	*world
	verifier
	rng *rand.Rand
}

// Before any operation of the disk, a power loss loses nothing that was answered and invents nothing, whichever of the
// sectors and names that were not synced survive.
func TestCrashBeforeEveryOperation(t *testing.T) {
	seedsOf(t, func(t *testing.T, seed uint64) {
		model := newCrashModel()
		c := &crashRun{
			world:    &world{t: t, disk: vfs.NewCrashable(), now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)},
			verifier: verifier{t: t, opts: crashOptions(true), model: model},
			rng:      rand.New(rand.NewPCG(seed, 0)),
		}
		c.openWatched()
		for range 150 {
			c.step()
		}
		c.faults.Heal()
		if err := c.store.Close(); err != nil {
			t.Fatal(err)
		}
		c.world.meta.Close()
		t.Logf("looked at %d disks after a crash", c.clones)
	})
}

func (c *crashRun) openWatched() {
	m, err := meta.Open(c.disk, "meta")
	if err != nil {
		c.world.t.Fatal(err)
	}
	c.world.meta = m
	o := c.verifier.opts
	o.FS = vfs.Hooked(vfs.Hooked(c.disk, c.faults.Before), c.before)
	o.Dir, o.Meta, o.Now = "log", m, func() time.Time { return c.now }
	if c.store, err = Open(o); err != nil {
		c.world.t.Fatal(err)
	}
}

// before looks at crashes at half of the syncs, and at some of the other operations.
func (c *crashRun) before(op vfs.Op) error {
	sync := op.Kind == vfs.OpSync || op.Kind == vfs.OpSyncData || op.Kind == vfs.OpSyncDir
	if sync && c.rng.IntN(2) == 0 || c.rng.IntN(10) == 0 {
		c.verify(afterCrash{tornClone(c.disk, c.rng), c.model.acked(), c.now})
	}
	return nil
}

const sectorBytes = 512

// tornClone is the disk after a power loss of which some sectors that were not synced have survived, and some files that
// have no durable name yet. Nothing may change the disk meanwhile.
func tornClone(disk *vfs.Crashable, rng *rand.Rand) *vfs.Crashable {
	keep := []int{0, 30, 70, 100}[rng.IntN(4)]
	if rng.IntN(3) == 0 { // in larger blocks, and names as well
		return disk.CrashClone(vfs.CrashConfig{UnsyncedDataPercent: keep, RNG: rng})
	}
	lost, kept := disk.CrashClone(vfs.CrashConfig{}), disk.CrashClone(vfs.CrashConfig{UnsyncedDataPercent: 100, RNG: rng})
	names, _ := kept.List("log")
	slices.Sort(names)
	for _, name := range names {
		whole, err := readFile(kept, "log/"+name, 1<<30)
		if err != nil {
			panic(err)
		}
		old, err := readFile(lost, "log/"+name, 1<<30)
		if err != nil || old == nil { // the name is not durable
			continue
		}
		f, err := lost.OpenReadWrite("log/"+name, vfs.Category)
		if err != nil {
			panic(err)
		}
		for at := 0; at < len(whole); at += sectorBytes {
			if rng.IntN(100) < keep {
				f.WriteAt(slices.Clone(whole[at:min(at+sectorBytes, len(whole))]), int64(at))
			}
		}
		f.Sync()
		f.Close()
	}
	return lost
}

// step does one random thing. The writer, and so the hook, runs only while a Put waits for it: nothing is concurrent.
func (c *crashRun) step() {
	ctx := context.Background()
	name := []string{"a", "b"}[c.rng.IntN(2)]
	switch n := c.rng.IntN(100); {
	case c.model.streams[name] == nil:
		if err := c.store.Create(ctx, Config{Name: name, Shards: 1 + c.rng.IntN(3)}); err != nil {
			c.world.t.Fatal(err)
		}
		c.model.create(name)
	case n < 3:
		delete(c.model.streams, name)
		if err := c.store.Delete(ctx, name); err != nil {
			c.world.t.Fatal(err)
		}
	case n < 8:
		c.now = c.now.Add(time.Duration(c.rng.IntN(20)) * time.Hour)
		c.store.housekeep()
	case n < 13:
		c.faults.Fail([]vfs.Kind{vfs.OpWrite, vfs.OpSyncData, vfs.OpCreate}[c.rng.IntN(3)], c.rng.IntN(3), 1+c.rng.IntN(2), errBroken)
	case n < 18:
		c.faults.Heal() // what fails here is the metadata store, which has tests of its own
		if err := c.store.SetEncryption(ctx, name, []string{"", "k", "l"}[c.rng.IntN(3)]); err != nil {
			c.world.t.Fatal(err)
		}
	case n < 23:
		c.faults.Heal()
		if err := reshardAtRandom(c.store, name, c.rng); err != nil {
			c.world.t.Fatal(err)
		}
	default:
		entries := c.model.entries(c.rng, name, 3000)
		if placed, err := c.store.Put(ctx, name, entries); err == nil {
			c.model.acknowledge(name, entries, placed, c.now)
		}
	}
}

// reshardAtRandom splits a shard or merges two.
func reshardAtRandom(s *Store, name string, rng *rand.Rand) error {
	ctx := context.Background()
	infos, err := s.Shards(ctx, name)
	if err != nil {
		return err
	}
	open := slices.DeleteFunc(infos, func(i ShardInfo) bool { return i.Closed })
	slices.SortFunc(open, func(a, b ShardInfo) int { return a.HashStart.compare(b.HashStart) })
	i := rng.IntN(len(open))
	if i+1 < len(open) && (len(open) > 4 || rng.IntN(2) == 0) {
		err = s.MergeShards(ctx, name, open[i].ID, open[i+1].ID)
	} else {
		half := open[i].HashEnd.minus(open[i].HashStart).shift(1)
		err = s.SplitShard(ctx, name, open[i].ID, open[i].HashStart.plus(half))
	}
	if errors.Is(err, ErrShardClosed) || errors.Is(err, ErrNotAdjacent) || errors.Is(err, ErrNoShard) {
		return nil // somebody else was faster
	}
	return err
}
