package stream

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/stream"
)

// A reader of the files gets what Take gives, about as much, and ends where it says.
func TestPlacesAreWhatTakeGives(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	m := meta.NewMem()
	defer m.Close()
	s, err := stream.Open(stream.Options{FS: vfs.Default, Dir: t.TempDir(), Meta: m, SegmentBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Create(t.Context(), stream.Config{Name: "s", Shards: 3}); err != nil {
		t.Fatal(err)
	}
	for n := range 400 {
		var entries []stream.Entry
		for range 5 {
			entries = append(entries, stream.Entry{PartitionKey: fmt.Append(nil, rng.Int()), Data: fmt.Append(make([]byte, rng.IntN(16<<10)), n)})
		}
		if _, err := s.Put(t.Context(), "s", entries); err != nil {
			t.Fatal(err)
		}
	}
	src := New(s, "s")
	all := gathered(t, func(f func([]batch.Record) error) (batch.Offset, error) {
		return src.Take(t.Context(), nil, batch.Limit{}, f)
	})
	if places, err := src.Places(t.Context(), all.end, batch.Limit{}); err != nil || places != nil {
		t.Errorf("places where there is nothing more: %s, %v", places, err)
	}
	if places, err := src.Places(t.Context(), nil, batch.Limit{Bytes: 1 << 20}); err != nil || places != nil {
		t.Errorf("places of a small batch: %s, %v", places, err)
	}
	for _, limit := range []batch.Limit{{Bytes: 5 << 20}, {Records: 1200}, {Records: 1300, Bytes: 6 << 20}, {}} {
		places, err := src.Places(t.Context(), batch.Offset{"shardId-000000000099": "1"}, limit)
		if err != nil || places == nil {
			t.Fatalf("%+v: no places, %v", limit, err)
		}
		var used batch.Limit
		part := gathered(t, func(f func([]batch.Record) error) (end batch.Offset, err error) {
			end, used, err = ReadPlaces(t.Context(), places, f)
			return end, err
		})
		if part.end["shardId-000000000099"] != "" {
			t.Errorf("a shard that is gone stays in %v", part.end)
		}
		if limit.Records > 0 && used.Records > limit.Records || limit.Bytes > 0 && used.Bytes > limit.Bytes || used.Records != len(part.records) {
			t.Errorf("%+v: %d records, %+v", limit, len(part.records), used)
		}
		if used.Bytes < 3<<20 || limit == (batch.Limit{}) && !slices.Equal(part.records, all.records) {
			t.Errorf("%+v: %d of %d records, %d bytes", limit, len(part.records), len(all.records), used.Bytes)
		}
		rest := gathered(t, func(f func([]batch.Record) error) (batch.Offset, error) {
			return src.Take(t.Context(), part.end, batch.Limit{}, f)
		})
		both := append(slices.Clone(part.records), rest.records...)
		slices.Sort(both)
		if !slices.Equal(both, all.records) {
			t.Errorf("%+v: %d and %d records, of %d", limit, len(part.records), len(rest.records), len(all.records))
		}
		if err := src.Look(t.Context(), part.end); err != nil || src.Metrics()["recordsBehindLatest"] != fmt.Sprint(len(rest.records)) {
			t.Errorf("%+v: metrics %v, %v, with %d records behind", limit, src.Metrics(), err, len(rest.records))
		}
	}
}

// taken is what was given: each record as text, sorted.
type taken struct {
	end     batch.Offset
	records []string
}

// gathered notes what take gives, and that it comes in the order of each shard.
func gathered(t *testing.T, take func(func([]batch.Record) error) (batch.Offset, error)) (out taken) {
	t.Helper()
	var mu sync.Mutex
	last := map[string]string{}
	var err error
	out.end, err = take(func(recs []batch.Record) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range recs {
			r := &recs[i]
			if n := r.SequenceNumber(); cmp.Compare(n, last[r.Shard]) <= 0 {
				t.Errorf("%s after %s", n, last[r.Shard])
			}
			last[r.Shard] = r.SequenceNumber()
			out.records = append(out.records, fmt.Sprint(r.Shard, r.SequenceNumber(), string(r.Key), len(r.Data), strings.TrimLeft(string(r.Data), "\x00"), r.Arrival.UnixMilli()))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, at := range out.end {
		if last[id] != "" && at != last[id] {
			t.Errorf("%s ends at %s, its last record is %s", id, at, last[id])
		}
	}
	slices.Sort(out.records)
	return out
}

// What cannot be read is an error.
func TestPlacesThatAreNone(t *testing.T) {
	for _, told := range []string{"", "{", `{"shards":[{"info":{"ID":"s"},"records":1,"bytes":1,"places":[{"file":"/none","extents":[[64,70]]}]}]}`} {
		if _, _, err := ReadPlaces(context.Background(), []byte(told), func([]batch.Record) error { return nil }); err == nil {
			t.Errorf("%q is read", told)
		}
	}
}
