package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
)

// placeStore is a store on the real disk with small segments, and a shard among others with records in many of them.
func placeStore(t *testing.T, rng *rand.Rand, records int, ring Keyring) (*Store, Shard) {
	t.Helper()
	m := meta.NewMem()
	s, err := Open(Options{FS: vfs.Default, Dir: t.TempDir(), Meta: m, Keys: ring, SegmentBytes: 64 << 10, tuning: tuning{
		firstSegmentBytes: 32 << 10, chunkBytes: 16 << 10, groupBytes: 8 << 10, indexStride: 4 << 10,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), m.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := s.Create(t.Context(), Config{Name: "s", Shards: 3}); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < records; {
		var entries []Entry
		for range 1 + rng.IntN(40) {
			entries = append(entries, Entry{PartitionKey: fmt.Append(nil, rng.Int()), Data: fmt.Append(make([]byte, rng.IntN(1000)), n)})
			n++
		}
		if _, err := s.Put(t.Context(), "s", entries); err != nil {
			t.Fatal(err)
		}
	}
	sh, err := s.Shard("s", ShardID(1))
	if err != nil {
		t.Fatal(err)
	}
	return s, sh
}

func openFile(t *testing.T) func(string) (io.ReaderAt, error) {
	return func(name string) (io.ReaderAt, error) {
		f, err := os.Open(name)
		if err == nil {
			t.Cleanup(func() { f.Close() })
		}
		return f, err
	}
}

// What is read at places is what a scan gives, wherever it begins and ends.
func TestPlacesAreWhatScanReads(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	_, sh := placeStore(t, rng, 3000, nil)
	all, err := sh.store.Read(t.Context(), "s", sh.ID(), SeqNum{}, 1<<20, 1<<30)
	if err != nil || len(all) < 500 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	for range 200 {
		from, limit, maxBytes := rng.IntN(len(all)+1), 1+rng.IntN(len(all)), int64(1+rng.IntN(200<<10))
		var after SeqNum
		if from > 0 {
			after = all[from-1].SeqNum
		}
		places, _, err := sh.Places(after, limit, maxBytes)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []Record
		keep := func(to *[]Record) func([]Record) error {
			return func(recs []Record) error { *to = append(*to, cloneRecords(recs)...); return nil }
		}
		wantPage, err := sh.Scan(t.Context(), after, limit, maxBytes, keep(&want))
		page, err2 := ReadPlaces(t.Context(), openFile(t), places, limit, maxBytes, keep(&got))
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		// The log has more than keys and data, so it may be less; of what there is nothing is left out.
		if len(got) > len(want) || len(got) < len(want)*3/4-2 || page.Records != len(got) || len(got) == len(want) && page.Last != wantPage.Last && len(got) > 0 {
			t.Fatalf("from %d, limit %d and %d bytes: %d records to %s, a scan gives %d to %s", from, limit, maxBytes, len(got), page.Last, len(want), wantPage.Last)
		}
		for i := range got {
			g, w := got[i], want[i]
			if g.SeqNum != w.SeqNum || !bytes.Equal(g.Data, w.Data) || !bytes.Equal(g.PartitionKey, w.PartitionKey) || !g.Arrival.Equal(w.Arrival) {
				t.Fatalf("from %d: record %d is %s, not %s", from, i, g.SeqNum, w.SeqNum)
			}
		}
	}
}

// A reader that comes too late, to a file that is used again, damaged or gone, has an error or the records, never others.
func TestPlacesThatChanged(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	_, sh := placeStore(t, rng, 1500, nil)
	places, _, err := sh.Places(SeqNum{}, 1<<20, 1<<30)
	if err != nil || len(places) < 3 {
		t.Fatalf("%d places, %v", len(places), err)
	}
	read := func() (n int, err error) {
		page, err := ReadPlaces(t.Context(), openFile(t), places, 1<<20, 1<<30, func([]Record) error { return nil })
		return page.Records, err
	}
	whole, err := read()
	if err != nil {
		t.Fatal(err)
	}
	dir, victim := t.TempDir(), rng.IntN(len(places))
	file, err := os.ReadFile(places[victim].File)
	if err != nil {
		t.Fatal(err)
	}
	places[victim].File = filepath.Join(dir, "another")
	if _, err := read(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
	other, err := os.ReadFile(places[(victim+1)%len(places)].File)
	if err != nil {
		t.Fatal(err)
	}
	extent := places[victim].Extents[rng.IntN(len(places[victim].Extents))]
	damaged := bytes.Clone(file)
	damaged[extent[0]+rng.Int64N(frameHeaderBytes)] ^= 1 << rng.IntN(8)
	for what, content := range map[string][]byte{"used again": other, "damaged": damaged, "cut": file[:extent[1]-1], "empty": nil} {
		if err := os.WriteFile(places[victim].File, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if n, err := read(); !errors.Is(err, ErrCorrupt) || n >= whole {
			t.Errorf("a file %s: %d records of %d, %v", what, n, whole, err)
		}
	}
}

// There are no places where who reads the file cannot make records of it.
func TestPlacesThatAreNone(t *testing.T) {
	ring := &testRing{}
	s, sh := placeStore(t, rand.New(rand.NewPCG(1, 1)), 200, ring)
	if err := s.SetEncryption(t.Context(), "s", "key"); err != nil {
		t.Fatal(err)
	}
	if places, _, err := sh.Places(SeqNum{}, 100, 1<<20); err != nil || places != nil {
		t.Errorf("of a stream that is encrypted: %v, %v", places, err)
	}
	m := meta.NewMem()
	defer m.Close()
	inMemory := openMem(t, vfs.NewCrashable(), m)
	defer inMemory.Close()
	if err := inMemory.Create(t.Context(), Config{Name: "s", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := inMemory.Put(t.Context(), "s", []Entry{{PartitionKey: []byte("k"), Data: []byte("d")}}); err != nil {
		t.Fatal(err)
	}
	sh, err := inMemory.Shard("s", ShardID(0))
	if err != nil {
		t.Fatal(err)
	}
	if places, _, err := sh.Places(SeqNum{}, 100, 1<<20); err != nil || places != nil {
		t.Errorf("of a disk in memory: %v, %v", places, err)
	}
}

// FuzzReadPlaces reads places that nobody gave in files that nobody wrote.
func FuzzReadPlaces(f *testing.F) {
	payload := putFrame(nil, 7, 1, "k", "some data")
	f.Add(payload, uint64(7), int64(segmentHeaderBytes), int64(segmentHeaderBytes+len(payload)), uint64(0), uint64(1))
	f.Fuzz(func(t *testing.T, frames []byte, segment uint64, pos, end int64, after, last uint64) {
		file := bytes.NewReader(append(make([]byte, segmentHeaderBytes), frames...))
		p := Place{Segment: segment, Stream: 1, Created: 1, After: after, Last: last, Extents: [][2]int64{{pos, end}, {segmentHeaderBytes, end}}}
		open := func(string) (io.ReaderAt, error) { return file, nil }
		ReadPlaces(context.Background(), open, []Place{p}, 100, 1<<20, func(recs []Record) error {
			for _, r := range recs {
				if c, _ := r.SeqNum.Parts(); c.Counter <= after || c.Counter > max(last, after)+maxPayload {
					t.Errorf("record %d behind %d", c.Counter, after)
				}
			}
			return nil
		})
	})
}

// putFrame appends a frame of one record.
func putFrame(b []byte, segment, first uint64, key, data string) []byte {
	e := Entry{PartitionKey: []byte(key), Data: []byte(data)}
	payload := make([]byte, recordBytes(&e))
	putRecord(payload, &e)
	h := frameHeader{
		payloadBytes: uint32(len(payload)), payloadSum: sumOf(payload), records: 1, segment: segment,
		shardKey: shardKey{stream: 1, created: 1}, first: first, arrival: time.Now().UnixMilli(),
	}
	head := make([]byte, frameHeaderBytes)
	h.encode(head)
	return append(append(b, head...), payload...)
}
