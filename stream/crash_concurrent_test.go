package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// crowd is a store that many use at once, on a disk of which clones are taken.
type crowd struct {
	*verifier
	store   *Store
	disk    *vfs.Crashable
	faults  vfs.Faults
	now     atomic.Int64 // Unix milliseconds
	clones  chan afterCrash
	mu      sync.Mutex // guards rng
	rng     *rand.Rand
	working atomic.Bool
}

const (
	crowdPuts   = 60 // of each writer
	crowdClones = 40 // about, of each seed
)

// While writers, readers, reshards, changes of keys, sealing, trimming and failures of the disk go on side by side, a
// power loss at any moment loses nothing that was answered before it.
func TestCrashWhileManyWork(t *testing.T) {
	seedsOf(t, func(t *testing.T, seed uint64) {
		m := newCrashModel()
		c := &crowd{
			verifier: &verifier{t: t, opts: crashOptions(false), model: m},
			disk:     vfs.NewCrashable(), rng: rand.New(rand.NewPCG(seed, 1)), clones: make(chan afterCrash, 4),
		}
		c.opts.QueueBytes = 1 << 20
		c.now.Store(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC).UnixMilli())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.work(seed)
			close(c.clones)
		}()
		for clone := range c.clones {
			c.verify(clone)
		}
		<-done
		t.Logf("looked at %d disks after a crash", c.verifier.clones)
		if c.verifier.clones < crowdClones/4 {
			t.Errorf("only %d disks after a crash", c.verifier.clones)
		}
	})
}

func (c *crowd) clock() time.Time { return time.UnixMilli(c.now.Load()) }

// chance is true once in n times.
func (c *crowd) chance(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n) == 0
}

// before takes a clone now and then. What was answered is noted first, so that the clone must have it.
func (c *crowd) before(op vfs.Op) error {
	if !c.working.Load() || !c.chance(40) {
		return nil
	}
	acked, now := c.model.acked(), c.clock()
	c.mu.Lock()
	seed := c.rng.Uint64()
	c.mu.Unlock()
	rng := rand.New(rand.NewPCG(seed, 0))
	disk := c.disk.CrashClone(vfs.CrashConfig{UnsyncedDataPercent: []int{0, 40, 80, 100}[rng.IntN(4)], RNG: rng})
	// Time goes on beside: what was noted may have expired before the clone was made.
	if later := c.clock(); later.After(now) {
		now = later
	}
	c.clones <- afterCrash{disk, acked, now}
	return nil
}

// work lets all of them loose and waits for the writers.
func (c *crowd) work(seed uint64) {
	m, err := meta.Open(c.disk, "meta")
	if err != nil {
		c.t.Error(err)
		return
	}
	defer m.Close()
	o := c.opts
	o.FS = vfs.Hooked(vfs.Hooked(c.disk, c.faults.Before), c.before)
	o.Dir, o.Meta, o.Now = "log", m, c.clock
	if c.store, err = Open(o); err != nil {
		c.t.Error(err)
		return
	}
	for _, name := range []string{"a", "b"} {
		if err := c.store.Create(context.Background(), Config{Name: name, Shards: 2}); err != nil {
			c.t.Error(err)
			return
		}
		c.model.create(name)
	}
	c.working.Store(true)
	stop, finish := context.WithCancel(context.Background())
	var writers, others sync.WaitGroup
	for i := range 4 {
		writers.Go(func() { c.write(rand.New(rand.NewPCG(seed, uint64(10+i)))) })
	}
	for i, f := range []func(context.Context, *rand.Rand){c.read, c.read, c.disturb} {
		others.Go(func() { f(stop, rand.New(rand.NewPCG(seed, uint64(20+i)))) })
	}
	writers.Wait()
	finish()
	others.Wait()
	c.working.Store(false)
	c.faults.Heal()
	if err := c.store.Close(); err != nil {
		c.t.Error(err)
	}
}

func (c *crowd) write(rng *rand.Rand) {
	for range crowdPuts {
		name := []string{"a", "b"}[rng.IntN(2)]
		entries := c.model.entries(rng, name, 2000)
		since := c.clock()
		if placed, err := c.store.Put(context.Background(), name, entries); err == nil {
			c.model.acknowledge(name, entries, placed, since)
		}
	}
}

// read scans shards from random places. Records come in order, and only such as were put.
func (c *crowd) read(stop context.Context, rng *rand.Rand) {
	for stop.Err() == nil {
		name := []string{"a", "b"}[rng.IntN(2)]
		infos, err := c.store.Shards(stop, name)
		if err != nil {
			c.t.Error(err)
			return
		}
		sh, err := c.store.Shard(name, infos[rng.IntN(len(infos))].ID)
		if err != nil { // it has expired meanwhile
			continue
		}
		var last SeqNum
		_, err = sh.Scan(stop, sh.At(rng.Uint64N(100)), 1+rng.IntN(200), 1<<20, func(recs []Record) error {
			for _, r := range recs {
				if slices.Compare(r.SeqNum[:], last[:]) <= 0 {
					c.t.Errorf("%s %s: %s after %s", name, sh.ID(), r.SeqNum, last)
				}
				last = r.SeqNum
			}
			return nil
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			c.t.Errorf("read %s %s: %v", name, sh.ID(), err)
			return
		}
	}
}

// disturb changes everything else, a little after each few operations of the disk.
func (c *crowd) disturb(stop context.Context, rng *rand.Rand) {
	for stop.Err() == nil {
		for seen := c.faults.Ops(); c.faults.Ops() < seen+10 && stop.Err() == nil; {
			runtime.Gosched()
		}
		name := []string{"a", "b"}[rng.IntN(2)]
		var err error
		switch rng.IntN(5) {
		case 0:
			err = reshardAtRandom(c.store, name, rng)
		case 1:
			err = c.store.SetEncryption(stop, name, []string{"", "k", "l"}[rng.IntN(3)])
		case 2:
			c.now.Add(int64(rng.IntN(4)) * time.Hour.Milliseconds())
			c.store.kickHousekeeper()
		case 3:
			kinds := []vfs.Kind{vfs.OpWrite, vfs.OpSyncData, vfs.OpCreate, vfs.OpSync, vfs.OpRename}
			c.faults.Fail(kinds[rng.IntN(len(kinds))], rng.IntN(4), 1, errBroken)
		case 4:
			c.faults.Heal()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			c.t.Errorf("disturb %s: %v", name, err)
		}
	}
}
