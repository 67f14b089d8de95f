package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// shardModel is what a test knows that a shard should hold.
type shardModel struct {
	acked     map[uint64]string // by counter
	attempted map[string]bool   // data; all data differ
}

// crashRun drives a store with random work and takes the disk that a power loss would leave before its operations.
type crashRun struct {
	t      *testing.T
	rng    *rand.Rand
	w      *world
	model  map[string][]*shardModel // by stream
	label  int
	clones int
}

// Before any operation of the disk, a power loss loses nothing that was answered and invents nothing, whichever of the
// blocks and names that were not synced survive.
func TestCrashBeforeEveryOperation(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	if testing.Short() {
		seeds = seeds[:1]
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			c := &crashRun{t: t, rng: rand.New(rand.NewPCG(seed, 0)), model: map[string][]*shardModel{}}
			c.w = &world{t: t, disk: vfs.NewCrashable(), now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
			c.w.opts = Options{Keys: &testRing{}, SegmentBytes: 16 << 10, CacheBytes: 16 << 10, tuning: tuning{
				firstSegmentBytes: 16 << 10, chunkBytes: 8 << 10, groupBytes: 8 << 10, indexStride: 1 << 10, readBytes: 4 << 10,
				inline: true, trimEvery: time.Hour,
			}}
			c.openWatched()
			for range 150 {
				c.step()
			}
			c.verify(c.w.disk.CrashClone(vfs.CrashConfig{}))
			c.w.faults.Heal()
			if err := c.w.store.Close(); err != nil {
				t.Fatal(err)
			}
			c.w.meta.Close()
			t.Logf("looked at %d disks after a crash", c.clones)
		})
	}
}

func (c *crashRun) openWatched() {
	m, err := meta.Open(c.w.disk, "meta")
	if err != nil {
		c.t.Fatal(err)
	}
	c.w.meta = m
	o := c.w.opts
	o.FS = vfs.Hooked(vfs.Hooked(c.w.disk, c.w.faults.Before), c.before)
	o.Dir, o.Meta, o.Now = "log", m, func() time.Time { return c.w.now }
	if c.w.store, err = Open(o); err != nil {
		c.t.Fatal(err)
	}
}

// before looks at crashes at all syncs, and at some of the other operations.
func (c *crashRun) before(op vfs.Op) error {
	sync := op.Kind == vfs.OpSync || op.Kind == vfs.OpSyncData || op.Kind == vfs.OpSyncDir
	if sync && c.rng.IntN(2) == 0 || c.rng.IntN(10) == 0 {
		keep := []int{0, 30, 70, 100}[c.rng.IntN(4)]
		c.verify(c.w.disk.CrashClone(vfs.CrashConfig{UnsyncedDataPercent: keep, RNG: c.rng}))
	}
	return nil
}

// step does one random thing. The writer, and so the hook, runs only while a Put waits for it: nothing is concurrent.
func (c *crashRun) step() {
	ctx := context.Background()
	names := []string{"a", "b"}
	name := names[c.rng.IntN(len(names))]
	shards := c.model[name]
	switch n := c.rng.IntN(100); {
	case shards == nil:
		k := 1 + c.rng.IntN(3)
		if err := c.w.store.Create(ctx, Config{Name: name, Shards: k}); err != nil {
			c.t.Fatal(err)
		}
		for range k {
			shards = append(shards, &shardModel{acked: map[uint64]string{}, attempted: map[string]bool{}})
		}
		c.model[name] = shards
	case n < 3:
		delete(c.model, name)
		if err := c.w.store.Delete(ctx, name); err != nil {
			c.t.Fatal(err)
		}
	case n < 8:
		c.w.now = c.w.now.Add(time.Duration(c.rng.IntN(20)) * time.Hour)
		c.forgetExpired()
		c.w.store.housekeep()
	case n < 13:
		c.w.faults.Fail([]vfs.Kind{vfs.OpWrite, vfs.OpSyncData, vfs.OpCreate}[c.rng.IntN(3)], c.rng.IntN(3), 1+c.rng.IntN(2), errBroken)
	case n < 20:
		c.w.faults.Heal() // what fails here is the metadata store, which has tests of its own
		if err := c.w.store.SetEncryption(ctx, name, []string{"", "k", "l"}[c.rng.IntN(3)]); err != nil {
			c.t.Fatal(err)
		}
	default:
		c.put(ctx, name, shards)
	}
}

// forgetExpired: time has passed, and nobody asks for old records any more.
func (c *crashRun) forgetExpired() {
	for _, shards := range c.model {
		for _, m := range shards {
			clear(m.acked)
		}
	}
}

func (c *crashRun) put(ctx context.Context, name string, shards []*shardModel) {
	var entries []Entry
	var at []int
	for range 1 + c.rng.IntN(4) {
		i := c.rng.IntN(len(shards))
		c.label++
		data := fmt.Sprintf("r%d", c.label)
		shards[i].attempted[data] = true
		at = append(at, i)
		entries = append(entries, c.w.entry(name, i, data+strings.Repeat(".", c.rng.IntN(3000))))
	}
	placed, err := c.w.store.Put(ctx, name, entries)
	if err != nil {
		return
	}
	for i, p := range placed {
		parts, _ := p.SeqNum.Parts()
		shards[at[i]].acked[parts.Counter] = strings.TrimRight(string(entries[i].Data), ".")
	}
}

// verify opens a disk after a crash, reads all of it, writes on, and reads again after another crash.
func (c *crashRun) verify(disk *vfs.Crashable) {
	c.t.Helper()
	c.clones++
	first := c.reopened(disk, true)
	second := c.reopened(disk.CrashClone(vfs.CrashConfig{}), false)
	for key, recs := range first {
		if !slices.Equal(recs, second[key]) {
			c.t.Fatalf("%s after one crash and one more: %v, then %v", key, recs, second[key])
		}
	}
}

// reopened reads all shards that should exist, and appends to them if write is set; the answer includes that.
func (c *crashRun) reopened(disk *vfs.Crashable, write bool) map[string][]string {
	c.t.Helper()
	ctx := context.Background()
	if _, err := Check(disk, "log"); err != nil {
		if _, statErr := disk.Stat("log"); statErr == nil {
			c.t.Fatalf("check after a crash: %v", err)
		}
	}
	m, err := meta.Open(disk, "meta")
	if err != nil {
		c.t.Fatal(err)
	}
	defer m.Close()
	o := c.w.opts
	o.FS, o.Dir, o.Meta, o.Now = disk, "log", m, func() time.Time { return c.w.now }
	s, err := Open(o)
	if err != nil {
		c.t.Fatalf("open after a crash: %v", err)
	}
	defer s.Close()
	all := map[string][]string{}
	for name, shards := range c.model {
		for i, model := range shards {
			id := ShardID(uint32(i))
			seen := c.readShard(s, name, id, model)
			if write {
				placed, err := s.Put(ctx, name, []Entry{(&world{t: c.t, store: s}).entry(name, i, "after")})
				if err != nil {
					c.t.Fatalf("put after a crash: %v", err)
				}
				seen = append(seen, placed[0].SeqNum.String()+"=after")
			}
			all[name+"/"+id] = seen
		}
	}
	return all
}

func (c *crashRun) readShard(s *Store, name, id string, model *shardModel) []string {
	c.t.Helper()
	recs, err := s.Read(context.Background(), name, id, SeqNum{}, 1<<20, 1<<30)
	if err != nil {
		c.t.Fatalf("read after a crash: %v", err)
	}
	var seen []string
	found := map[uint64]string{}
	given := map[string]bool{}
	var last SeqNum
	for _, r := range recs {
		data := strings.TrimRight(string(r.Data), ".")
		if string(r.SeqNum[:]) <= string(last[:]) {
			c.t.Fatalf("%s %s: %s after %s", name, id, r.SeqNum, last)
		}
		if data != "after" && !model.attempted[data] || given[data] {
			c.t.Fatalf("%s %s: %q was never put there, or is there twice", name, id, data)
		}
		given[data] = true
		p, _ := r.SeqNum.Parts()
		found[p.Counter], last = data, r.SeqNum
		seen = append(seen, r.SeqNum.String()+"="+data)
	}
	for counter, data := range model.acked {
		if found[counter] != data {
			c.t.Fatalf("%s %s: record %d %q was answered and is %q", name, id, counter, data, found[counter])
		}
	}
	return seen
}
