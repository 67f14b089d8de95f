package stream

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/weir-data/weir/internal/vfs"
)

// badReads is a disk on which reads of some files fail.
type badReads struct {
	vfs.FS
	mu  sync.Mutex // guards bad
	bad map[string]bool
}

func (d *badReads) set(name string, bad bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bad[name] = bad
}

func (d *badReads) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.Open(name, o...)
	if err != nil {
		return nil, err
	}
	return &badFile{File: f, disk: d, name: d.FS.PathBase(name)}, nil
}

type badFile struct {
	vfs.File
	disk *badReads
	name string
}

func (f *badFile) ReadAt(b []byte, pos int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.bad[f.name] {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(b, pos)
}

// When a segment cannot be read, or its index, or both, those who read what is in it get the error of the disk; all others
// read on, before, behind and in other shards. What is only an index is made again.
func TestUnreadableSegment(t *testing.T) {
	for _, c := range []struct {
		name           string
		segment, index bool
		mended         bool // by the housekeeper
	}{
		{"segment", true, false, false}, {"index", false, true, true}, {"both", true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.shut()
			disk := &badReads{FS: w.disk, bad: map[string]bool{}}
			w.reads = disk
			w.open()
			w.run("create s 2")
			w.run("fill s 0 30 3000") // three a segment
			w.run("put s 1 other")
			w.store.segs.blocks.limit = 0
			sh, err := w.store.Shard("s", ShardID(0))
			if err != nil {
				t.Fatal(err)
			}
			const bad = 5
			r, ok, err := w.store.segs.runAfter(sh.shardKey, 3*bad)
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			disk.set(segmentName(r.segment.number), c.segment)
			disk.set(indexName(r.segment.number), c.index)
			for after := range uint64(30) {
				recs, err := w.store.Read(context.Background(), "s", sh.ID(), sh.At(after), 1, 1<<20)
				inside := after+1 >= r.first && after+1 <= r.last
				switch {
				case inside && !errors.Is(err, syscall.EIO):
					t.Errorf("after %d: %d records, %v; want EIO", after, len(recs), err)
				case !inside && (err != nil || len(recs) != 1):
					t.Errorf("after %d: %d records, %v", after, len(recs), err)
				}
			}
			if got := w.run("read s 1"); got != "1:other\n" {
				t.Errorf("the other shard: %s", got)
			}
			disk.set(indexName(r.segment.number), false) // a new file, elsewhere on the disk
			w.store.housekeep()
			_, err = w.store.Read(context.Background(), "s", sh.ID(), sh.At(r.first), 1, 1<<20)
			if (err == nil) != c.mended {
				t.Errorf("after housekeeping: %v", err)
			}
			disk.set(segmentName(r.segment.number), false)
			w.store.housekeep()
			if got := w.run("read s 0"); !strings.Contains(got, "30:") {
				t.Errorf("when the disk is well again: %s", got)
			}
			w.shut()
			if _, err := Check(w.disk, "log"); err != nil {
				t.Error(err)
			}
		})
	}
}
