package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/vfs"
)

// placeIndex writes an index file and returns what reads it.
func placeIndex(t testing.TB, number uint64, content []byte) (*segments, *segment, error) {
	t.Helper()
	disk := vfs.NewCrashable()
	if err := writeFile(disk, indexName(number), content); err != nil {
		t.Fatal(err)
	}
	return openIndex(disk, indexName(number))
}

// An index finds every shard that is in it and no other, however many there are.
func TestIndexFindsShards(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, dirBlockEntries - 1, dirBlockEntries, dirBlockEntries + 1, 5 * dirBlockEntries, 1000} {
		before := map[shardKey]standing{}
		var runs []*run
		for i := range n {
			key := shardKey{stream: uint64(1 + i/7), created: uint64(rng.IntN(3)), index: uint32(i % 7 * 2)}
			before[key] = standing{shardKey: key, last: 10, lastArrival: 5, maxArrival: 6}
			if rng.IntN(2) > 0 {
				continue
			}
			r := &run{shardKey: key}
			pos := int64(segmentHeaderBytes)
			for c := uint64(11); c < 20; c++ {
				pos += rng.Int64N(3000)
				h := frameHeader{records: 1, first: c, arrival: int64(c), shardKey: key, payloadBytes: 8}
				r.add(&h, pos, 1000)
				pos += int64(h.size())
			}
			runs = append(runs, r)
		}
		standings := advance(before, runs)
		g, seg, err := placeIndex(t, 3, encodeIndex(3, 1<<20, 1<<20, standings, runs))
		if err != nil {
			t.Fatalf("%d shards: %v", n, err)
		}
		for _, s := range standings {
			e, err := g.entry(seg, s.shardKey)
			if err != nil || e.standing != s {
				t.Fatalf("%d shards: %+v is found as %+v, %v", n, s, e, err)
			}
			i, has := slices.BinarySearchFunc(runs, s.shardKey, func(r *run, k shardKey) int { return compareKeys(r.shardKey, k) })
			if (e.first != 0) != has {
				t.Fatalf("%d shards: %+v has a run: %v", n, e, has)
			}
			if has {
				checkRun(t, g, seg, &e, runs[i])
			}
			s.index++
			if e, err := g.entry(seg, s.shardKey); err != nil || e.standing != (standing{shardKey: s.shardKey}) {
				t.Fatalf("%d shards: one that is not there is found as %+v, %v", n, e, err)
			}
		}
	}
}

func checkRun(t *testing.T, g *segments, seg *segment, e *dirEntry, want *run) {
	t.Helper()
	got, err := g.loadRun(seg, e)
	if err != nil || got.first != want.first || got.last != want.last || got.maxArrival != want.maxArrival || got.records != want.records {
		t.Fatalf("%+v, %v, want %+v", got, err, want)
	}
	a, b := got.extents.cursor(1<<20), want.extents.cursor(1<<20)
	for {
		x, ok, err := a.next()
		y, more, _ := b.next()
		if x != y || ok != more || err != nil {
			t.Fatalf("extent %+v %v %v, want %+v %v", x, ok, err, y, more)
		}
		if !ok {
			return
		}
	}
}

// resum gives a damaged index right checksums, or nothing beyond them is ever reached.
func resum(b []byte) []byte {
	sum := func(pos int64, size int) {
		if end := pos + int64(size); pos >= 0 && size >= 4 && end <= int64(len(b)) {
			binary.LittleEndian.PutUint32(b[end-4:], sumOf(b[pos:end-4]))
		}
	}
	if len(b) < indexHeadBytes {
		return b
	}
	sum(0, indexHeadBytes)
	h, err := decodeIndexHead(b)
	if err != nil {
		return b
	}
	for i := range min(h.blocks(), len(b)/dirEntryBytes) {
		pos, size := h.block(i)
		sum(pos, size)
	}
	pos, size := h.summary()
	sum(pos, size)
	return b
}

// Whatever stands in an index, looking into it ends with an answer or an error.
func FuzzIndex(f *testing.F) {
	r := &run{shardKey: shardKey{1, 2, 3}}
	for i := range uint64(3) {
		h := frameHeader{records: 2, first: 5 + 2*i, arrival: 9}
		r.add(&h, 4096+int64(i)*100, 10)
	}
	f.Add(encodeIndex(1, 9999, 9999, advance(map[shardKey]standing{{1, 2, 4}: {last: 3}}, []*run{r}), []*run{r}))
	f.Add([]byte("weiridx\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		indexEndV1(b, 1)
		b = resum(slices.Clone(b))
		g, seg, err := placeIndex(t, 1, b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if seg.head.fileBytes() != int64(len(b)) {
			t.Fatal("an index of another size")
		}
		if _, err := g.streamsOf(seg); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		err = g.directory(seg, func(e *dirEntry) {
			g.entry(seg, e.shardKey)
			e.describe(g, seg)
			if r, err := g.loadRun(seg, e); err == nil {
				r.extents.seek(seg.head.end, func(x extent) bool { return x.first < 7 })
			}
		})
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

// indexV1 is an index of the first version without runs, which are not looked at.
func indexV1(number uint64, end int64) []byte {
	b := []byte("weiridx\x01")
	b = binary.LittleEndian.AppendUint64(b, number)
	b = binary.LittleEndian.AppendUint64(b, uint64(end))
	b = binary.LittleEndian.AppendUint32(b, 0)
	return appendSum(b, b)
}

// A log with indexes of the first version opens, and has new ones afterwards.
func TestOldIndexesAreMadeAgain(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	w.run("create s 2")
	for range 12 {
		w.run("fill s 0 2 3000")
		w.run("put s 1 x")
	}
	want := w.run("read s 0") + w.run("read s 1")
	w.store.Close()
	old := 0
	for n := uint64(1); n < 20; n++ {
		g, seg, err := openIndex(w.disk, "log/"+indexName(n))
		if err != nil {
			continue
		}
		old++
		if err := g.putIndex(n, indexV1(n, seg.head.end)); err != nil {
			t.Fatal(err)
		}
	}
	if old < maxUnsealed+2 {
		t.Fatalf("only %d indexes", old)
	}
	w.meta.Close()
	w.open()
	if got := w.run("read s 0") + w.run("read s 1"); got != want {
		t.Fatalf("read %s, want %s", got, want)
	}
	if n := w.store.segs.unsealedCount(); n > maxUnsealed {
		t.Fatalf("the runs of %d segments are in memory", n)
	}
	w.run("housekeep")
	for n := range uint64(old) {
		if _, _, err := openIndex(w.disk, "log/"+indexName(n+1)); err != nil {
			t.Fatalf("index %d: %v", n+1, err)
		}
	}
}

// logModel drives a store with random work and knows what each shard should give.
type logModel struct {
	*world
	rng    *rand.Rand
	shards map[string][]modelRecord // by stream and shard
	label  int
	latest time.Time // that the clock ever was at: what had expired by then may be gone
}

type modelRecord struct {
	counter uint64
	arrival int64
	data    string
}

// Reads from any counter and any time give what they should, from memory, from segments that are not sealed and through
// the indexes of those that are, while streams with different retention come and go, indexes are damaged and the clock
// steps back.
func TestLookupAgainstModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			w := newWorld(t)
			defer w.close()
			w.store.segs.blocks.limit = 2000
			m := &logModel{world: w, rng: rand.New(rand.NewPCG(seed, 0)), shards: map[string][]modelRecord{}}
			for i, hours := range []int{24, 48, 1000} {
				w.run(fmt.Sprintf("create s%d %d", i, 1+i))
				w.run(fmt.Sprintf("retention s%d %d", i, hours))
				for k := range 1 + i {
					m.shards[fmt.Sprintf("s%d/%d", i, k)] = nil
				}
			}
			for range 400 {
				m.step()
			}
			m.compare()
			m.reopen()
			m.compare()
			for _, seg := range m.store.segs.sealedSegments() {
				seg.damaged = true
			}
			w.run("housekeep")
		})
	}
}

func (m *logModel) step() {
	m.noteTime()
	switch n := m.rng.IntN(100); {
	case n < 4:
		m.now = m.now.Add(time.Duration(m.rng.IntN(10)) * time.Hour)
	case n < 6:
		m.now = m.now.Add(-time.Duration(m.rng.IntN(60)) * time.Minute)
	case n < 8:
		m.store.housekeep()
	case n < 9:
		m.reopen()
	case n < 11:
		m.damageIndex()
	case n < 20:
		m.compare()
	default:
		m.put()
	}
}

func (m *logModel) noteTime() {
	if m.now.After(m.latest) {
		m.latest = m.now
	}
}

func (m *logModel) reopen() {
	m.store.Close()
	m.meta.Close()
	m.open()
	m.store.segs.blocks.limit = 2000
}

func (m *logModel) put() {
	stream := m.rng.IntN(3)
	shard := m.rng.IntN(1 + stream)
	key := fmt.Sprintf("s%d/%d", stream, shard)
	var entries []Entry
	for range 1 + m.rng.IntN(3) {
		m.label++
		entries = append(entries, m.entry(fmt.Sprintf("s%d", stream), shard, fmt.Sprint(m.label)+strings.Repeat(".", m.rng.IntN(1500))))
	}
	placed, err := m.store.Put(context.Background(), fmt.Sprintf("s%d", stream), entries)
	if err != nil {
		m.t.Fatal(err)
	}
	for i, p := range placed {
		parts, _ := p.SeqNum.Parts()
		m.shards[key] = append(m.shards[key], modelRecord{parts.Counter, m.now.UnixMilli(), string(entries[i].Data)})
	}
}

// damageIndex overwrites a piece of an index; readers may get an error for what is in that segment until it is mended.
func (m *logModel) damageIndex() {
	sealed := m.store.segs.sealedSegments()
	if len(sealed) == 0 {
		return
	}
	seg := sealed[m.rng.IntN(len(sealed))]
	f, err := m.disk.OpenReadWrite("log/"+indexName(seg.number), vfs.Category)
	if err != nil {
		m.t.Fatal(err)
	}
	f.WriteAt([]byte{1, 2, 3, 4, 5}, m.rng.Int64N(seg.head.fileBytes()-5))
	f.Close()
	m.store.segs.blocks.forget(seg.number)
}

// compare reads all shards from random places. Where an index is damaged, the second try succeeds.
func (m *logModel) compare() {
	m.noteTime()
	for key, recs := range m.shards {
		stream, index, _ := strings.Cut(key, "/")
		sh, err := m.store.Shard(stream, index)
		if err != nil {
			m.t.Fatal(err)
		}
		horizon := sh.horizon(m.latest)
		var after uint64
		if len(recs) > 0 {
			after = m.rng.Uint64N(recs[len(recs)-1].counter + 1)
		}
		at := m.now.Add(-time.Duration(m.rng.Int64N(int64(60 * time.Hour))))
		m.mending(func() error { return m.checkScan(sh, recs, after, horizon) })
		m.mending(func() error { return m.checkSince(sh, recs, at, horizon) })
	}
}

func (m *logModel) mending(f func() error) {
	m.t.Helper()
	for try := 0; ; try++ {
		err := f()
		if err == nil {
			return
		}
		if try == 20 {
			m.t.Fatal(err)
		}
		m.store.housekeep()
	}
}

func (m *logModel) checkScan(sh Shard, recs []modelRecord, after uint64, horizon int64) error {
	var want []modelRecord
	for _, r := range recs {
		if r.counter > after && r.arrival >= horizon {
			want = append(want, r)
		}
	}
	var got []modelRecord
	page, err := sh.Scan(context.Background(), sh.At(after), 1<<20, 1<<30, func(part []Record) error {
		for _, r := range part {
			if r.Arrival.UnixMilli() < horizon {
				continue
			}
			p, _ := r.SeqNum.Parts()
			got = append(got, modelRecord{p.Counter, r.Arrival.UnixMilli(), string(r.Data)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) || !page.AtTip {
		m.t.Fatalf("%s %s after %d: %d records, want %d; at the tip: %v", sh.Stream(), sh.ID(), after, len(got), len(want), page.AtTip)
	}
	return nil
}

// checkSince accepts any position from which the first record given is the right one: what has expired may still count.
func (m *logModel) checkSince(sh Shard, recs []modelRecord, at time.Time, horizon int64) error {
	from, err := sh.Before(context.Background(), at)
	if err != nil {
		return err
	}
	p, _ := from.Parts()
	var tip uint64
	for _, r := range recs {
		tip = r.counter
		if r.arrival >= at.UnixMilli() && r.arrival >= horizon {
			break
		}
	}
	i := slices.IndexFunc(recs, func(r modelRecord) bool {
		return r.arrival >= at.UnixMilli() && (r.arrival >= horizon || r.counter > p.Counter)
	})
	switch {
	case i < 0 && p.Counter != tip:
		m.t.Fatalf("%s %s since %s: after %d, the tip is %d", sh.Stream(), sh.ID(), stamp(at.UnixMilli()), p.Counter, tip)
	case i >= 0 && p.Counter != recs[i].counter-1:
		// An expired record that arrived earlier in order and later by the clock may stand before it.
		if first := recs[p.Counter]; first.arrival < at.UnixMilli() {
			m.t.Fatalf("%s %s since %s: after %d, want %d", sh.Stream(), sh.ID(), stamp(at.UnixMilli()), p.Counter, recs[i].counter-1)
		}
	}
	return nil
}
