package stream

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weir-data/weir/internal/vfs"
)

func TestSeqNumText(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		p := Parts{Created: rng.Uint64N(1 << 36), Shard: rng.Uint32N(1 << 31), Counter: rng.Uint64N(1 << 63), Second: rng.Uint64N(1 << 36)}
		s := NewSeqNum(p)
		if got, ok := s.Parts(); !ok || got != p {
			t.Fatalf("%+v comes back as %+v, %v", p, got, ok)
		}
		text := s.String()
		if want := new(big.Int).SetBytes(s[:]).String(); text != want || len(text) != 56 {
			t.Fatalf("%x prints as %s, want %s", s, text, want)
		}
		if back, err := ParseSeqNum(text); err != nil || back != s {
			t.Fatalf("%s parses as %x, %v", text, back, err)
		}
	}
}

// The number that AWS's own documentation shows has the layout that we write.
func TestSeqNumOfAWS(t *testing.T) {
	s, err := ParseSeqNum("49544985256907370027570885864065577703022652638596431874")
	if err != nil {
		t.Fatal(err)
	}
	p, ok := s.Parts()
	if !ok || p.Shard != 0 {
		t.Fatalf("%+v, %v", p, ok)
	}
}

func TestParseSeqNumRefuses(t *testing.T) {
	for _, text := range []string{"", "x", "-1", "1 ", strings.Repeat("9", 57), strings.Repeat("1", 200)} {
		if _, err := ParseSeqNum(text); !errors.Is(err, ErrSeqNum) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if s, err := ParseSeqNum("0"); err != nil || !s.IsZero() || s.String() != "0" {
		t.Errorf("0: %s, %v", s, err)
	}
}

func TestHashKeys(t *testing.T) {
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{"0", true}, {"340282366920938463463374607431768211455", true}, {"340282366920938463463374607431768211456", false},
		{"999999999999999999999999999999999999999", false}, {"", false}, {"1x", false}, {"-1", false},
	} {
		h, err := ParseHashKey(c.text)
		if (err == nil) != c.ok || c.ok && h.String() != c.text {
			t.Errorf("%q: %s, %v", c.text, h, err)
		}
	}
	for _, n := range []int{1, 2, 3, 7, 1000} {
		ranges := evenRanges(n)
		want := new(big.Int)
		for _, r := range ranges {
			if bigKey(r.Start).Cmp(want) != 0 || !r.Start.Less(r.End) {
				t.Fatalf("%d ranges: one starts at %s, want %s", n, r.Start, want)
			}
			want.Add(bigKey(r.End), big.NewInt(1))
		}
		if ranges[n-1].End != MaxHashKey {
			t.Fatalf("%d ranges end at %s", n, ranges[n-1].End)
		}
	}
}

func TestShardIDs(t *testing.T) {
	for text, want := range map[string]int{
		"shardId-000000000005": 5, "shardId-5": 5, "shard-0": 0, "0": 0, "-7": 7, "x": -1, "shardId-2147483648": -1, "2.14E4": -1, "": -1, "a-": -1,
	} {
		got, ok := ParseShardID(text)
		if ok != (want >= 0) || ok && int(got) != want {
			t.Errorf("%q: %d, %v", text, got, ok)
		}
	}
}

// frameOf is an encoded frame.
func frameOf(segment uint64, first uint64, data ...string) []byte {
	var payload []byte
	for _, d := range data {
		e := Entry{PartitionKey: []byte("key"), Data: []byte(d)}
		room := make([]byte, recordBytes(&e))
		putRecord(room, &e)
		payload = append(payload, room...)
	}
	h := frameHeader{
		payloadBytes: uint32(len(payload)), payloadSum: sumOf(payload), records: uint32(len(data)), segment: segment,
		shardKey: shardKey{stream: 1, created: 1000, index: 2}, first: first, arrival: 1234567,
	}
	b := make([]byte, frameHeaderBytes, frameHeaderBytes+len(payload))
	h.encode(b)
	return append(b, payload...)
}

// A frame that was written to a segment whose file is used again is none of the new segment.
func TestFrameOfAnotherSegment(t *testing.T) {
	b := frameOf(7, 1, "a")
	if _, err := decodeFrameHeader(b, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := decodeFrameHeader(b, 8); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("in segment 8: %v", err)
	}
}

// Every flipped bit of a frame is noticed.
func TestFrameBits(t *testing.T) {
	good := frameOf(7, 1, "hello", "", "world")
	for i := range len(good) * 8 {
		b := slices.Clone(good)
		b[i/8] ^= 1 << (i % 8)
		h, err := decodeFrameHeader(b, 7)
		if err == nil {
			err = h.checkPayload(b[frameHeaderBytes:h.size()])
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Fatalf("bit %d: %v", i, err)
		}
	}
}

// Whatever stands in a segment, reading it ends, in bounds, with an error or with frames that are whole.
func FuzzFrames(f *testing.F) {
	f.Add(slices.Concat(frameOf(7, 1, "a", "bb"), frameOf(7, 3, "")))
	f.Add(frameOf(8, 1, "a"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		// Give damaged headers and payloads right checksums, or nothing beyond them is ever reached.
		if len(b) >= frameHeaderBytes {
			h := frameHeader{}
			finishHeader(b, frameSegment(b))
			if h, _ = decodeFrameHeader(b, 7); h.size() <= len(b) && h.payloadBytes > 0 {
				h.payloadSum = sumOf(b[frameHeaderBytes:h.size()])
				h.encode(b)
			}
		}
		disk := vfs.NewCrashable()
		file, err := disk.Create("s", vfs.Category)
		if err != nil {
			t.Fatal(err)
		}
		file.Write(slices.Concat(make([]byte, segmentHeaderBytes), b))
		x, err := indexFrames(file, 7, int64(segmentHeaderBytes+len(b)), 16)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		fr := newFrameReader(file, 7, 64)
		defer fr.close()
		fr.seek(segmentHeaderBytes, x.end)
		for fr.pos < x.end {
			h, payload, _, err := fr.next()
			if err != nil {
				t.Fatalf("indexed, but not readable: %v", err)
			}
			if recs, err := h.appendRecords(nil, payload); err == nil && len(recs) != int(h.records) {
				t.Fatalf("%d records of %d", len(recs), h.records)
			}
		}
	})
}

func FuzzSegmentHeader(f *testing.F) {
	f.Add(segmentHeader{number: 3, state: stateInUse, prev: 2, prevEnd: 5000, created: 1}.encode())
	f.Add(make([]byte, 10))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= headerUsed {
			if h, err := decodeSegmentHeader(b); err == nil && h != (segmentHeader{}) {
				if again, err := decodeSegmentHeader(h.encode()); err != nil || again != h {
					t.Fatalf("%+v, then %+v, %v", h, again, err)
				}
			}
		}
	})
}

func FuzzParseShardID(f *testing.F) {
	for _, id := range []string{"shardId-000000000000", "shardId-000002147483647", "0", "x-7", "-1", "shardId-", "99999999999"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		index, ok := ParseShardID(id)
		if !ok {
			return
		}
		if again, ok := ParseShardID(ShardID(index)); !ok || again != index || ShardID(index) != fmt.Sprintf("shardId-%012d", index) {
			t.Fatalf("%q is %d, whose id is %s", id, index, ShardID(index))
		}
	})
}

func FuzzParseSeqNum(f *testing.F) {
	f.Add("49544985256907370027570885864065577703022652638596431874")
	f.Add("0")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSeqNum(text)
		if err == nil && s.String() != strings.TrimLeft(text, "0") && strings.Trim(text, "0") != "" {
			t.Fatalf("%q prints as %s", text, s)
		}
		s.Parts()
		s.Version()
	})
}

func bigKey(h HashKey) *big.Int {
	b := new(big.Int).SetUint64(h.Hi)
	b.Lsh(b, 64)
	return b.Or(b, new(big.Int).SetUint64(h.Lo))
}

// The decimal text of a hash key is its number's, and is read back.
func TestHashKeyText(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	keys := []HashKey{{}, {Lo: 9}, {Lo: 1e19 - 1}, {Lo: 1e19}, {Lo: 1<<64 - 1}, {Hi: 1}, {Hi: 1e19}, {Hi: 1e19 - 1}, MaxHashKey}
	for range 1000 {
		keys = append(keys, HashKey{rng.Uint64() >> rng.IntN(64), rng.Uint64() >> rng.IntN(64)})
	}
	for _, h := range keys {
		if want := bigKey(h).String(); h.String() != want {
			t.Fatalf("%s, want %s", h, want)
		}
		if back, err := ParseHashKey(h.String()); err != nil || back != h {
			t.Fatalf("%s read back: %s, %v", h, back, err)
		}
	}
}
