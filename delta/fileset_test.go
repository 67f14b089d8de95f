package delta

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"
)

func randomEntry(rng *rand.Rand, key string) *entry {
	partitions := []map[string]*string{nil, {"year": text("2019")}, {"year": nil}, {"year": text("2020")}}
	values := partitions[rng.IntN(len(partitions))]
	if rng.IntN(4) == 0 {
		return &entry{key: key, remove: &Remove{Path: key, DeletionTimestamp: rng.Int64N(100), PartitionValues: values, Size: 7, ExtendedFileMetadata: true}}
	}
	a := &Add{Path: key, Size: rng.Int64N(1000), ModificationTime: rng.Int64(), DataChange: rng.IntN(2) == 0, PartitionValues: values}
	if rng.IntN(3) > 0 {
		a.Stats = fmt.Sprintf(`{"numRecords":%d}`, rng.IntN(100))
	}
	if rng.IntN(5) == 0 {
		a.Path = "other%20spelling"
		a.Tags = map[string]*string{"k": text("v"), "n": nil}
		a.BaseRowID = new(int64)
		a.DeletionVector = &DeletionVector{StorageType: "u", PathOrInlineDv: "x", SizeInBytes: 3, Cardinality: 1}
	}
	return &entry{key: key, add: a, outside: rng.IntN(9) == 0}
}

// TestFileSet changes a set at random and compares it with a map.
func TestFileSet(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	model := map[string]*entry{}
	var b setBuilder
	for range 3 * chunkEntries {
		e := randomEntry(rng, fmt.Sprintf("f%05d", rng.IntN(40000)))
		model[e.key] = e
		if err := b.add(e); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.finish(never)
	if err != nil {
		t.Fatal(err)
	}
	for step := range 60 {
		changes := map[string]*entry{}
		for range 1 + rng.IntN(1+step*20) {
			e := randomEntry(rng, fmt.Sprintf("f%05d", rng.IntN(45000)))
			changes[e.key], model[e.key] = e, e
		}
		before := s
		count := before.live
		s = s.with(changes, never)
		if before.live != count {
			t.Fatal("a set was changed")
		}
	}
	var live tally
	keys := slices.Sorted(maps.Keys(model))
	i := 0
	for e := range s.all() {
		if i == len(keys) || e.key != keys[i] || !reflect.DeepEqual(e, model[e.key]) {
			t.Fatalf("entry %d is %+v, want %+v", i, e, model[keys[min(i, len(keys)-1)]])
		}
		if e.add != nil {
			live.files++
			live.bytes += e.add.Size
		}
		i++
	}
	if i != len(keys) || s.live != live {
		t.Errorf("%d entries of %d, live %+v, want %+v", i, len(keys), s.live, live)
	}
	for range 1000 {
		key := fmt.Sprintf("f%05d", rng.IntN(46000))
		if got := s.get(key); !reflect.DeepEqual(got, model[key]) {
			t.Fatalf("%s: %+v, want %+v", key, got, model[key])
		}
	}
	var some []string
	for e := range s.adds(func(m map[string]*string) bool { return m["year"] != nil && *m["year"] == "2020" }) {
		some = append(some, e.key)
	}
	keys = slices.DeleteFunc(keys, func(k string) bool {
		a := model[k].add
		return a == nil || a.PartitionValues["year"] == nil || *a.PartitionValues["year"] != "2020"
	})
	if !slices.Equal(some, keys) {
		t.Errorf("%d files in the partition, want %d", len(some), len(keys))
	}
}

// TestFileSetForgets merges away tombstones that are older than the cutoff, and only when nothing lies below them.
func TestFileSetForgets(t *testing.T) {
	var s fileSet
	removed := func(key string, at int64) *entry {
		return &entry{key: key, remove: &Remove{Path: key, DeletionTimestamp: at}}
	}
	changes := map[string]*entry{}
	for i := range overlayMax + 1 {
		e := removed(fmt.Sprint("r", i), int64(i))
		changes[e.key] = e
	}
	s = s.with(changes, 1000)
	n := 0
	for e := range s.all() {
		if n++; e.remove.DeletionTimestamp < 1000 {
			t.Errorf("%s is still there", e.key)
		}
	}
	if n != overlayMax+1-1000 {
		t.Errorf("%d tombstones", n)
	}
}

// TestFileSetMemory holds the bytes that a file of an everyday table takes.
func TestFileSetMemory(t *testing.T) {
	const files = 100_000
	schema := ridesSchema()
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var b setBuilder
	in := interner{}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range files {
		f := taxiFile(i)
		stats, err := encodeStats(f.Stats, schema, []string{"year"}, 32)
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("year=2019/part-%05d-%016x-%016x-c000.snappy.parquet", i%1000, rng.Uint64(), rng.Uint64())
		if err := b.add(&entry{key: key, add: &Add{Path: key, Size: f.Size, PartitionValues: in.values(f.Partition), Stats: stats}}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.finish(never)
	if err != nil {
		t.Fatal(err)
	}
	per := float64(heap()-before) / files
	t.Logf("%.0f bytes a file", per)
	if per > 200 {
		t.Errorf("%.0f bytes a file", per)
	}
	if s.live.files != files {
		t.Error(s.live)
	}
}
