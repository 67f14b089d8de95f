package stream

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-data/weir/internal/vfs"
)

// overwrite changes bytes of a file behind the store's back.
func (w *world) overwrite(name string, pos int64, bytes string) {
	w.t.Helper()
	f, err := w.disk.OpenReadWrite("log/"+name, vfs.Category)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(bytes), pos); err != nil {
		w.t.Fatal(err)
	}
}

// shut closes the store without looking at the log.
func (w *world) shut() {
	w.store.Close()
	w.meta.Close()
	w.store = nil
}

// What Check says of damage in the middle of a log of two shards.
func TestCheckExplains(t *testing.T) {
	const segment, index = "000000000001.segment", "000000000001.index"
	for _, c := range []struct {
		name   string
		damage func(w *world)
		want   []string // file, lost records
	}{
		{"a payload", func(w *world) { w.overwrite(segment, 4096+3*574+100, "X") }, []string{segment, "1 of shard 1 after 1"}},
		{"a header", func(w *world) { w.overwrite(segment, 4096+3*574, "XXXX") }, []string{segment, "1 of shard 1 after 1"}},
		{"two frames", func(w *world) { w.overwrite(segment, 4096+3*574+500, strings.Repeat("X", 200)) },
			[]string{segment, "1 of shard 0 after 2", "1 of shard 1 after 1"}},
		{"the first frame", func(w *world) { w.overwrite(segment, 4096, "X") }, []string{segment, "1 of shard 0 after 0"}},
		{"the last frames", func(w *world) { w.overwrite(segment, 4096+16*574, strings.Repeat("X", 4*574)) },
			[]string{segment, "2 of shard 0 after 8 up to the end", "2 of shard 1 after 8 up to the end"}},
		{"the segment's header", func(w *world) { w.overwrite(segment, 9, "X") }, []string{segment}},
		{"the index's head", func(w *world) { w.overwrite(index, 9, "X") }, []string{index}},
		{"the directory", func(w *world) { w.overwrite(index, indexHeadBytes+8, "X") }, []string{index}},
		{"the extents", func(w *world) {
			w.overwrite(index, indexHeadBytes+2*dirEntryBytes+dirBlockTail+fenceBytes+streamSpanBytes+4+1, "X")
		},
			[]string{index}},
		{"an index of elsewhere", func(w *world) {
			x, err := w.store.segs.scan(1, 4096+19*574, 1<<10)
			if err != nil {
				w.t.Fatal(err)
			}
			content := encodeIndex(1, 4096+20*574, 16<<10, advance(map[shardKey]standing{}, x.runs), x.runs)
			if err := w.store.segs.putIndex(1, content); err != nil {
				w.t.Fatal(err)
			}
		}, []string{index}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.run("create s 2")
			for i := range 10 {
				for shard := range 2 {
					w.run(fmt.Sprintf("put s %d %s", shard, strings.Repeat(fmt.Sprint(i), 501)))
				}
			}
			w.run("fill s 0 3 5000")
			c.damage(w)
			w.shut()
			rep, err := Check(w.disk, "log")
			if !errors.Is(err, ErrCorrupt) || len(rep.Problems) == 0 {
				t.Fatalf("%+v, %v", rep, err)
			}
			got := []string{rep.Problems[0].File}
			for _, l := range rep.Problems[0].Lost {
				p, _ := l.After.Parts()
				text := fmt.Sprintf("%d of shard %d after %d", l.Records, p.Shard, p.Counter)
				if l.Before.IsZero() {
					text += " up to the end"
				} else if q, _ := l.Before.Parts(); q.Counter != p.Counter+l.Records+1 {
					t.Errorf("%s: before %d", text, q.Counter)
				}
				got = append(got, text)
			}
			if strings.Join(got, "; ") != strings.Join(c.want, "; ") {
				t.Errorf("got %q, want %q", got, c.want)
			}
			for _, p := range rep.Problems {
				if p.Advice == "" || p.Err == nil {
					t.Errorf("%+v explains nothing", p)
				}
			}
		})
	}
}

// A damaged frame costs its own records: readers of other shards, and those that begin behind it, do not notice.
func TestReadAroundDamage(t *testing.T) {
	w := newWorld(t)
	w.run("create s 2")
	for i := range 10 {
		w.run(fmt.Sprintf("put s 0 a%d", i))
		w.run(fmt.Sprintf("put s 1 b%d", i))
	}
	const frame = frameHeaderBytes + recordHeaderBytes + 3
	w.overwrite("000000000001.segment", segmentHeaderBytes+5*frame+4, "XXXX") // the length of b2
	w.shut()
	w.open()
	defer w.shut()
	for _, c := range []struct{ command, want string }{
		{"read s 0", "1:a0 2:a1 ... 6 more ... 9:a8 10:a9\n"},
		{"read s 1", "1:b0 2:b1 corrupt stream log\n"},
		{"read s 1 2", "(empty)\ncorrupt stream log\n"},
		{"read s 1 3", "4:b3 5:b4 6:b5 7:b6 8:b7 9:b8 10:b9\n"},
	} {
		got := w.run(c.command)
		if c.command == "read s 1" {
			got = strings.ReplaceAll(got, "\ncorrupt", " corrupt")
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.command, got, c.want)
		}
	}
}
