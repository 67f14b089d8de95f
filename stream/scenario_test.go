package stream

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// A scenario is a text of blocks: commands, a line of dashes, and what they print.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScenario(t, string(raw))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(raw) {
				t.Fatalf("%s: got\n%s", file, got)
			}
		})
	}
}

func runScenario(t *testing.T, text string) string {
	w := newWorld(t)
	defer w.close()
	var out strings.Builder
	for block := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n\n") {
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		commands, _, _ := strings.Cut(block, "----")
		var printed strings.Builder
		commented := true
		for line := range strings.Lines(commands) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			commented = false
			printed.WriteString(w.run(line))
		}
		out.WriteString(commands)
		if commented {
			continue
		}
		out.WriteString("----\n")
		out.WriteString(printed.String())
	}
	return out.String()
}

// world is a store on a disk that can crash and fail, with a clock that stands still.
type world struct {
	t      *testing.T
	disk   *vfs.Crashable
	reads  *badReads // on the disk, if not nil
	rec    vfs.Recorder
	faults vfs.Faults
	now    time.Time
	meta   *meta.Store
	store  *Store
	opts   Options
}

var worldBegins = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	w := &world{t: t, disk: vfs.NewCrashable(), now: worldBegins}
	w.opts = Options{Keys: &testRing{}, SegmentBytes: 16 << 10, CacheBytes: 16 << 10, tuning: tuning{
		firstSegmentBytes: 16 << 10, chunkBytes: 8 << 10, groupBytes: 8 << 10, indexStride: 1 << 10, readBytes: 4 << 10,
		inline: true, trimEvery: time.Hour,
	}}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	m, err := meta.Open(w.disk, "meta")
	if err != nil {
		w.t.Fatal(err)
	}
	w.meta = m
	o := w.opts
	var disk vfs.FS = w.disk
	if w.reads != nil {
		disk = w.reads
	}
	o.FS = vfs.Hooked(vfs.Hooked(disk, w.faults.Before), w.rec.Before)
	o.Dir, o.Meta = "log", m
	o.Now = func() time.Time { return w.now }
	if w.store, err = Open(o); err != nil {
		m.Close()
		w.meta = nil
		w.t.Fatal(err)
	}
}

func (w *world) close() {
	if w.store != nil {
		if err := w.store.Close(); err != nil {
			w.t.Error(err)
		}
		w.meta.Close()
	}
	w.store = nil
	if _, err := Check(w.disk, "log"); err != nil {
		w.t.Errorf("the log after the test: %v", err)
	}
}

// crash replaces the disk by what a power loss leaves of it.
func (w *world) crash(cfg vfs.CrashConfig) {
	clone := w.disk.CrashClone(cfg)
	w.faults.Heal()
	w.store.Close() // to the disk that is lost
	w.rec.Take()
	w.meta.Close()
	w.disk = clone
	w.open()
}

func (w *world) run(line string) string {
	ctx := context.Background()
	words := strings.Fields(line)
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	number := func(i int) int {
		n, err := strconv.Atoi(arg(i))
		if err != nil {
			w.t.Fatalf("%s: %v", line, err)
		}
		return n
	}
	answer := func(err error) string {
		switch {
		case err == nil:
			return ""
		case errors.Is(err, syscall.ENOSPC):
			return "no space left\n"
		}
		for _, e := range []error{ErrNotFound, ErrExists, ErrNoShard, ErrThrottled, ErrClosed, ErrTooLarge, ErrCorrupt, errBroken,
			ErrShardClosed, ErrNotAdjacent, ErrSplitPoint} {
			if errors.Is(err, e) {
				return e.Error() + "\n"
			}
		}
		return err.Error() + "\n"
	}
	switch words[0] {
	case "create":
		return answer(w.store.Create(ctx, Config{Name: arg(1), Shards: number(2)}))
	case "delete":
		return answer(w.store.Delete(ctx, arg(1)))
	case "put": // stream shard data...
		var entries []Entry
		for _, d := range words[3:] {
			entries = append(entries, w.entry(arg(1), number(2), d))
		}
		placed, err := w.store.Put(ctx, arg(1), entries)
		if err != nil {
			return answer(err)
		}
		return describePlaced(placed)
	case "fill": // stream shard times bytes
		for i := range number(3) {
			data := fmt.Sprint(i) + strings.Repeat(".", number(4)-len(fmt.Sprint(i)))
			if _, err := w.store.Put(ctx, arg(1), []Entry{w.entry(arg(1), number(2), data)}); err != nil {
				return fmt.Sprintf("%d: %s", i, answer(err))
			}
		}
		return ""
	case "read": // stream shard [after]
		sh, err := w.store.Shard(arg(1), ShardID(uint32(number(2))))
		if err != nil {
			return answer(err)
		}
		var after SeqNum
		if arg(3) != "" {
			after = sh.At(uint64(number(3)))
		}
		recs, err := w.store.Read(ctx, arg(1), sh.ID(), after, 1000, 1<<20)
		return describeRecords(recs) + answer(err)
	case "since": // stream shard time
		sh, err := w.store.Shard(arg(1), ShardID(uint32(number(2))))
		if err != nil {
			return answer(err)
		}
		at, err := time.ParseDuration(arg(3))
		if err != nil {
			w.t.Fatal(err)
		}
		from, err := sh.Before(ctx, w.now.Add(at))
		p, _ := from.Parts()
		return fmt.Sprintf("after %d\n", p.Counter) + answer(err)
	case "tip":
		tip, err := w.store.Tip(ctx, arg(1), ShardID(uint32(number(2))))
		if err != nil {
			return answer(err)
		}
		return tip.String() + "\n"
	case "split": // stream shard fraction of 16
		info, err := w.info(arg(1), number(2))
		if err != nil {
			return answer(err)
		}
		at := info.HashStart.plus(HashKey{Hi: info.HashEnd.minus(info.HashStart).shift(4).Hi * uint64(number(3))})
		return answer(w.store.SplitShard(ctx, arg(1), info.ID, at))
	case "merge": // stream shard shard
		return answer(w.store.MergeShards(ctx, arg(1), arg(2), arg(3)))
	case "scale": // stream shards
		before, err := w.store.UpdateShardCount(ctx, arg(1), number(2))
		return fmt.Sprintf("before: %d\n", before) + answer(err)
	case "shards":
		infos, err := w.store.Shards(ctx, arg(1))
		return w.describeShards(infos) + answer(err)
	case "scan": // stream shard [after]: what a page says
		sh, err := w.store.Shard(arg(1), ShardID(uint32(number(2))))
		if err != nil {
			return answer(err)
		}
		var after SeqNum
		if arg(3) != "" {
			after = sh.At(uint64(number(3)))
		}
		page, err := sh.Scan(ctx, after, 2, 1<<20, func([]Record) error { return nil })
		children, err2 := sh.Children()
		return fmt.Sprintf("records=%d tip=%t ended=%t children=%d\n", page.Records, page.AtTip, page.Ended, len(children)) + answer(errors.Join(err, err2))
	case "clock":
		d, err := time.ParseDuration(arg(1))
		if err != nil {
			w.t.Fatal(err)
		}
		w.now = w.now.Add(d)
		return ""
	case "retention":
		return answer(w.store.SetRetention(ctx, arg(1), time.Duration(number(2))*time.Hour))
	case "housekeep":
		w.store.housekeep()
		w.store.tendShards()
		return ""
	case "crash": // [keep-percent seed]
		cfg := vfs.CrashConfig{}
		if arg(1) != "" {
			cfg.UnsyncedDataPercent, cfg.RNG = number(1), rand.New(rand.NewPCG(0, uint64(number(2))))
		}
		w.crash(cfg)
		return ""
	case "reopen":
		w.close()
		w.open()
		return ""
	case "reopen-full":
		w.close()
		w.faults.Full(0)
		w.open()
		return ""
	case "fail": // kind skip times
		w.faults.Fail(vfs.Kind(arg(1)), number(2), number(3), errBroken)
		return ""
	case "full":
		w.faults.Full(int64(number(1)))
		return ""
	case "heal":
		w.faults.Heal()
		return ""
	case "ls":
		return w.list()
	case "ops":
		return w.rec.Take()
	case "dump":
		var b strings.Builder
		err := Dump(&b, w.disk, "log/"+arg(1))
		return b.String() + answer(err)
	case "check":
		rep, err := Check(w.disk, "log")
		if err != nil {
			return answer(err)
		}
		return fmt.Sprintf("segments=%d frames=%d records=%d\n", rep.Segments, rep.Frames, rep.Records)
	}
	if out, ok := w.encryption(words); ok {
		return out
	}
	w.t.Fatalf("unknown command %q", line)
	return ""
}

var errBroken = errors.New("the disk is broken")

// entry is a record for a certain shard.
func (w *world) entry(stream string, shard int, data string) Entry {
	info, err := w.info(stream, shard)
	if err != nil {
		return Entry{PartitionKey: []byte("k"), Data: []byte(data)}
	}
	return Entry{PartitionKey: []byte("k"), ExplicitHashKey: info.HashStart.String(), Data: []byte(data)}
}

func (w *world) info(stream string, shard int) (ShardInfo, error) {
	sh, err := w.store.Shard(stream, ShardID(uint32(shard)))
	if err != nil {
		return ShardInfo{}, err
	}
	return sh.Info()
}

// describeShards prints one shard a line: its range as parts of 16, its lineage, and when it was made and closed, as
// time since the world's beginning.
func (w *world) describeShards(infos []ShardInfo) string {
	var b strings.Builder
	sixteenths := func(h HashKey) float64 { return float64(h.Hi) / (1 << 60) }
	ids := func(list []string) string {
		var indexes []string
		for _, id := range list {
			index, _ := ParseShardID(id)
			indexes = append(indexes, fmt.Sprint(index))
		}
		return strings.Join(indexes, ",")
	}
	for _, i := range infos {
		fmt.Fprintf(&b, "%s: %.3g-%.3g", ids([]string{i.ID}), sixteenths(i.HashStart), sixteenths(i.HashEnd))
		if len(i.Parents) > 0 {
			fmt.Fprintf(&b, " parents=%s", ids(i.Parents))
		}
		fmt.Fprintf(&b, " made=%v", i.Created.Sub(worldBegins))
		if i.Closed {
			fmt.Fprintf(&b, " closed=%v children=%s", i.ClosedAt.Sub(worldBegins), ids(i.Children))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func describePlaced(placed []Placed) string {
	var words []string
	for _, p := range placed {
		parts, _ := p.SeqNum.Parts()
		words = append(words, fmt.Sprintf("%d/%d", parts.Shard, parts.Counter))
	}
	return strings.Join(words, " ") + "\n"
}

// describeRecords prints number:data, long data shortened, and runs of more than eight records as first ... last.
func describeRecords(recs []Record) string {
	if len(recs) == 0 {
		return "(empty)\n"
	}
	var words []string
	for _, r := range recs {
		p, _ := r.SeqNum.Parts()
		data := strings.TrimRight(string(r.Data), ".")
		words = append(words, fmt.Sprintf("%d:%s", p.Counter, data))
	}
	if n := len(words); n > 8 {
		words = []string{words[0], words[1], fmt.Sprintf("... %d more ...", n-4), words[n-2], words[n-1]}
	}
	return strings.Join(words, " ") + "\n"
}

func (w *world) list() string {
	names, err := w.disk.List("log")
	if err != nil {
		w.t.Fatal(err)
	}
	sizes := map[string]int64{}
	for _, n := range names {
		if info, err := w.disk.Stat("log/" + n); err == nil {
			sizes[n] = info.Size()
		}
	}
	var b strings.Builder
	for _, n := range slices.Sorted(maps.Keys(sizes)) {
		fmt.Fprintf(&b, "%s %d\n", n, sizes[n])
	}
	return b.String()
}
