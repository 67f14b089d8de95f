package stream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// testRing is a keyring in memory. Keys follow from their ids, so that another process would have the same.
type testRing struct {
	mu       sync.Mutex
	lost     map[string]bool
	replaced map[string]bool
	asked    int
}

var errLost = errors.New("the key is lost")

func (r *testRing) Key(id string) (key [32]byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.lost[id] {
		return key, errLost
	}
	return sha256.Sum256(fmt.Append(nil, id, r.replaced[id])), nil
}

func (r *testRing) Make(id string) ([32]byte, error) {
	r.mu.Lock()
	delete(r.lost, id)
	r.mu.Unlock()
	return r.Key(id)
}

// set changes one of the maps.
func (r *testRing) set(m *map[string]bool, id string, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if *m == nil {
		*m = map[string]bool{}
	}
	(*m)[id] = on
}

// encryption runs the commands of scenarios that are about it.
func (w *world) encryption(words []string) (string, bool) {
	ring := w.opts.Keys.(*testRing)
	var err error
	switch words[0] {
	case "encrypt": // stream key
		err = w.store.SetEncryption(context.Background(), words[1], words[2])
	case "plain":
		err = w.store.SetEncryption(context.Background(), words[1], "")
	case "lose-key", "find-key":
		ring.set(&ring.lost, words[1], words[0] == "lose-key")
	case "replace-key", "restore-key":
		ring.set(&ring.replaced, words[1], words[0] == "replace-key")
	case "secret": // whether a text is in the files of the log
		return fmt.Sprintln(!w.onDisk(words[1])), true
	default:
		return "", false
	}
	if err != nil {
		return err.Error() + "\n", true
	}
	return "", true
}

func (w *world) onDisk(text string) bool {
	names, err := w.disk.List("log")
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		b, err := readFile(w.disk, "log/"+name, 1<<20)
		if err != nil {
			w.t.Fatal(err)
		}
		return bytes.Contains(b, []byte(text))
	})
}

// sealedFrame is a frame that a stream wrote whose key number is 3.
func sealedFrame(key *[32]byte, sh shardKey, first uint64, data ...string) (frameHeader, []byte) {
	var payload []byte
	for _, d := range data {
		e := Entry{PartitionKey: []byte("key"), Data: []byte(d)}
		b := make([]byte, recordBytes(&e))
		putRecord(b, &e)
		payload = append(payload, b...)
	}
	h := frameHeader{records: uint32(len(data)), shardKey: sh, first: first, arrival: 99, key: 3}
	payload = slices.Concat(make([]byte, nonceBytes), payload, make([]byte, tagBytes))
	h.payloadBytes = uint32(len(payload))
	newFrameCipher(key, h.key, sh, epochOf(first)).seal(&h, payload)
	return h, payload
}

// A frame opens as what it is only: not as that of another shard, not with other counters, and not if a bit of it is
// different, though its checksums may be right.
func TestFramesCannotBeSwapped(t *testing.T) {
	key, sh := &[32]byte{1}, shardKey{stream: 5, created: 1000, index: 2}
	h, payload := sealedFrame(key, sh, 7, "secret", "text")
	if bytes.Contains(payload, []byte("secret")) {
		t.Fatal("the payload can be read")
	}
	open := func(key *[32]byte, h frameHeader, payload []byte) ([]byte, error) {
		return newFrameCipher(key, h.key, h.shardKey, epochOf(h.first)).open(nil, &h, payload)
	}
	plain, err := open(key, h, payload)
	if err != nil {
		t.Fatal(err)
	}
	if recs, err := h.appendRecords(nil, plain); err != nil || len(recs) != 2 || string(recs[1].Data) != "text" || !recs[0].Encrypted {
		t.Fatalf("%v, %v", recs, err)
	}
	for name, change := range map[string]func(*frameHeader){
		"stream":  func(h *frameHeader) { h.stream++ },
		"created": func(h *frameHeader) { h.created++ },
		"shard":   func(h *frameHeader) { h.index++ },
		"counter": func(h *frameHeader) { h.first++ },
		"epoch":   func(h *frameHeader) { h.first += 1 << 32 },
		"records": func(h *frameHeader) { h.records-- },
		"arrival": func(h *frameHeader) { h.arrival++ },
		"key":     func(h *frameHeader) { h.key++ },
	} {
		other := h
		change(&other)
		if _, err := open(key, other, payload); !errors.Is(err, ErrCorrupt) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	for i := range payload {
		b := slices.Clone(payload)
		b[i] ^= 1
		if _, err := open(key, h, b); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	if _, err := open(&[32]byte{2}, h, payload); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another key: %v", err)
	}
	if _, again := sealedFrame(key, sh, 7, "secret", "text"); bytes.Equal(payload, again) {
		t.Error("the same records twice are the same bytes")
	}
}

// Old frames do not change: the fields of encryption are zero in them.
func TestPlainFramesAreAsBefore(t *testing.T) {
	b := make([]byte, frameHeaderBytes)
	h := frameHeader{payloadBytes: 100, records: 1, segment: 7, first: 1}
	h.encode(b)
	if !bytes.Equal(b[60:64], []byte{1, 0, 0, 0}) {
		t.Fatalf("version %x", b[60:64])
	}
	for _, version := range [][]byte{{2, 0, 0, 0}, {1, 0, 1, 0}, {3, 0, 1, 0}, {0, 0, 0, 0}} {
		copy(b[60:], version)
		finishHeader(b, 7)
		if _, err := decodeFrameHeader(b, 7); !errors.Is(err, ErrCorrupt) {
			t.Errorf("version %x: %v", version, err)
		}
	}
	copy(b[60:], []byte{2, 0, 9, 1})
	finishHeader(b, 7)
	if h, err := decodeFrameHeader(b, 7); err != nil || h.key != 0x109 {
		t.Errorf("%+v, %v", h, err)
	}
}

// Producers and consumers go on while the key of their stream changes under them and encryption ends and begins.
func TestKeySwitchUnderLoad(t *testing.T) {
	const writers, puts = 4, 60
	disk, m := vfs.NewCrashable(), meta.NewMem()
	defer m.Close()
	ring := &testRing{}
	s := openKeyed(t, disk, m, ring)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := s.Create(ctx, Config{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	written, finish := context.WithCancel(ctx)
	seen := map[string]string{}
	var reader, all sync.WaitGroup
	reader.Go(func() { follow(t, written, s, ShardID(0), seen) })
	for w := range writers {
		all.Go(func() {
			for i := range puts {
				if _, err := s.Put(ctx, "s", []Entry{{PartitionKey: []byte("k"), Data: bytes.Repeat(fmt.Append(nil, w, i), 50)}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Go(func() {
		for i := range 40 {
			if err := s.SetEncryption(ctx, "s", []string{"a", "", "b", "a"}[i%4]); err != nil {
				t.Error(err)
				return
			}
		}
	})
	all.Wait()
	finish()
	reader.Wait()
	if len(seen) != writers*puts {
		t.Errorf("read %d of %d records", len(seen), writers*puts)
	}
	d, err := s.Describe(ctx, "s")
	if err != nil || d.KeyID != "a" || len(d.Changes.Key) != 21 || len(d.Changes.KeyEnd) != 10 {
		t.Errorf("key %q after %d changes and %d ends, %v", d.KeyID, len(d.Changes.Key), len(d.Changes.KeyEnd), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// All is still there for another process with the same keys.
	s = openKeyed(t, disk, m, &testRing{})
	defer s.Close()
	recs, err := s.Read(ctx, "s", ShardID(0), SeqNum{}, 1<<20, 1<<30)
	if err != nil || len(recs) != writers*puts {
		t.Fatalf("%d records, %v", len(recs), err)
	}
}

// A key that is taken away is out of use within a minute, for those who write and those who read; what is not encrypted
// under it stays readable.
func TestKeyTakenAway(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	ring := w.opts.Keys.(*testRing)
	for _, line := range []string{"create s 1", "put s 0 before", "encrypt s k", "put s 0 secret"} {
		w.run(line)
	}
	asked := ring.asked
	w.run("put s 0 more")
	if ring.asked != asked {
		t.Error("the keyring is asked for every Put")
	}
	ring.set(&ring.lost, "k", true)
	w.now = w.now.Add(keyLife)
	entries := []Entry{w.entry("s", 0, "x")}
	if _, err := w.store.Put(t.Context(), "s", entries); !errors.Is(err, ErrKey) || !errors.Is(err, errLost) {
		t.Errorf("put: %v", err)
	}
	recs, err := w.store.Read(t.Context(), "s", ShardID(0), SeqNum{}, 10, 1<<20)
	if err != nil || len(recs) != 1 || string(recs[0].Data) != "before" || recs[0].Encrypted {
		t.Errorf("read: %v, %v", recs, err)
	}
	if _, err := w.store.Read(t.Context(), "s", ShardID(0), recs[0].SeqNum, 10, 1<<20); !errors.Is(err, ErrKey) {
		t.Errorf("read on: %v", err)
	}
	if err := w.store.SetEncryption(t.Context(), "s", "k"); !errors.Is(err, errLost) {
		t.Errorf("a key that is in use is made again: %v", err)
	}
	// Time goes on without the key: where a record stands is known without it.
	sh, err := w.store.Shard("s", ShardID(0))
	if err != nil {
		t.Fatal(err)
	}
	if at, err := sh.Before(t.Context(), w.now); err != nil || at != sh.At(3) {
		t.Errorf("before now: %v, %v", at, err)
	}
}

func TestNoKeyring(t *testing.T) {
	m := meta.NewMem()
	defer m.Close()
	s := openMem(t, vfs.NewCrashable(), m)
	defer s.Close()
	if err := s.Create(t.Context(), Config{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetEncryption(t.Context(), "s", "k"); !errors.Is(err, ErrKey) {
		t.Fatal(err)
	}
	if d, err := s.Describe(t.Context(), "s"); err != nil || d.KeyID != "" {
		t.Fatalf("%q, %v", d.KeyID, err)
	}
}

// Whatever stands in a frame, if its checksums are right and even if its tag is, a reader gets records or ErrCorrupt.
func FuzzEncryptedFrame(f *testing.F) {
	key, sh := [32]byte{1}, shardKey{stream: 5, created: 1000, index: 2}
	h, payload := sealedFrame(&key, sh, 7, "a", "bb")
	b := make([]byte, frameHeaderBytes)
	h.segment = 7
	h.payloadSum = sumOf(payload)
	h.encode(b)
	f.Add(slices.Concat(b, payload), false)
	f.Add(slices.Concat(b, payload), true)
	f.Fuzz(func(t *testing.T, b []byte, reseal bool) {
		if len(b) < frameHeaderBytes {
			return
		}
		finishHeader(b, 7)
		h, err := decodeFrameHeader(b, 7)
		if err != nil || h.size() > len(b) || h.key == 0 {
			return
		}
		payload := b[frameHeaderBytes:h.size()]
		c := newFrameCipher(&key, h.key, h.shardKey, epochOf(h.first))
		if reseal {
			c.seal(&h, payload)
		}
		h.payloadSum = sumOf(payload)
		if err := (&checker{shards: map[shardKey]*checkedShard{}}).frame(&h, payload, segmentHeaderBytes); err != nil {
			t.Fatal(err)
		}
		plain, err := c.open(nil, &h, payload)
		if err == nil {
			_, err = h.appendRecords(nil, plain)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

// What encryption costs: compare with BenchmarkPut and BenchmarkRead.
func BenchmarkEncrypted(b *testing.B) {
	for _, id := range []string{"", "k"} {
		name := "plain"
		if id != "" {
			name = "encrypted"
		}
		b.Run("put/"+name, func(b *testing.B) {
			s := benchStore(b, Options{Keys: &testRing{}})
			if err := s.SetEncryption(b.Context(), "s", id); err != nil {
				b.Fatal(err)
			}
			entries := benchEntries(500, 450)
			b.SetBytes(500 * 450)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range (b.N + 7) / 8 {
						if _, err := s.Put(b.Context(), "s", entries); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
		b.Run("fill/"+name, func(b *testing.B) {
			s := benchStore(b, Options{Keys: &testRing{}})
			if err := s.SetEncryption(b.Context(), "s", id); err != nil {
				b.Fatal(err)
			}
			benchFill(b, s)
		})
		b.Run("read/"+name, func(b *testing.B) {
			s := benchStore(b, Options{Keys: &testRing{}, CacheBytes: 256 << 20})
			if err := s.SetEncryption(b.Context(), "s", id); err != nil {
				b.Fatal(err)
			}
			for range 100 {
				if _, err := s.Put(b.Context(), "s", benchEntries(500, 450)); err != nil {
					b.Fatal(err)
				}
			}
			sh, err := s.Shard("s", ShardID(1))
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			var bytes int64
			for b.Loop() {
				page, err := sh.Scan(b.Context(), SeqNum{}, 10000, 10<<20, func([]Record) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
				bytes += page.Bytes
			}
			b.ReportMetric(float64(bytes)/1e6/b.Elapsed().Seconds(), "MB/s")
		})
	}
}

// benchFill measures what one core does for a Put, without the disk.
func benchFill(b *testing.B, s *Store) {
	st, err := s.lookup("s")
	if err != nil {
		b.Fatal(err)
	}
	entries := benchEntries(500, 450)
	b.SetBytes(500 * 450)
	p := new(placing)
	if p.keyed, err = st.sealingKey(s); err != nil {
		b.Fatal(err)
	}
	if err := p.divide(st.layout.Load(), entries); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	off := 0
	for _, at := range p.used {
		part := &p.parts[at]
		part.off, part.next = off, 1
		off += frameHeaderBytes + p.overhead() + part.bytes
	}
	var placed []Placed
	for b.Loop() {
		placed = p.fill(buf, entries, 1, placed[:0])
		for _, at := range p.used {
			p.parts[at].next = 1
		}
	}
}
