package delta

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// featured is a table that lists writer features, and reader features that also are writer features.
func featured(t testing.TB, objects *memory, readers, writers []string, properties string) *Table {
	t.Helper()
	quoted := func(list []string) string {
		return `["` + strings.Join(list, `","`) + `"]`
	}
	protocol := `{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":` + quoted(append(writers, readers...)) + `}`
	if len(readers) > 0 {
		protocol = `{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":` + quoted(readers) + `,"writerFeatures":` + quoted(append(writers, readers...)) + `}`
	}
	schema := strings.ReplaceAll(string(ridesSchema().JSON()), `"`, `\"`)
	objects.set(commitKey(0), `{"commitInfo":{"inCommitTimestamp":5,"timestamp":5}}`+"\n"+`{"protocol":`+protocol+"}\n"+
		`{"metaData":{"id":"x","format":{"provider":"parquet","options":{}},"schemaString":"`+schema+`","partitionColumns":["year"],"configuration":{`+properties+`}}}`+"\n")
	table, err := Open(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestV2Checkpoint(t *testing.T) {
	objects := newMemory()
	table := featured(t, objects, []string{"v2Checkpoint"}, []string{"domainMetadata"}, `"delta.checkpointInterval":"3"`)
	for i := range 3 {
		appendFile(t, table, fmt.Sprint("f", i))
	}
	var found []string
	for key := range objects.objects {
		if strings.Contains(key, "checkpoint.") || strings.HasPrefix(key, sidecarFolder) {
			found = append(found, key)
		}
	}
	if len(found) != 2 || objects.objects[checkpointKey(3)].body != nil {
		t.Fatalf("checkpoint and sidecar: %q", found)
	}
	for v := range int64(4) {
		delete(objects.objects, commitKey(v))
	}
	fresh, err := Open(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	if s := snapshot(t, fresh); s.Version() != 3 || len(paths(t, s)) != 3 || !s.protocol.writesV2Checkpoints(s.metadata) {
		t.Errorf("version %d, files %q", s.Version(), paths(t, s))
	}
}

func TestCheckpointKeepsAll(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, nil)
	s := *snapshot(t, table)
	one, two := int64(1), int64(2)
	changes := map[string]*entry{
		"a b": {key: "a b", add: &Add{
			Path: "a%20b", Size: 5, ModificationTime: 6, Stats: `{"numRecords":1}`, BaseRowID: &one, DefaultRowCommitVersion: &two,
			ClusteringProvider: "liquid", PartitionValues: map[string]*string{"year": nil}, Tags: map[string]*string{"k": text("v")},
		}},
		"gone": {key: "gone", remove: &Remove{Path: "gone", DeletionTimestamp: 1 << 50, Size: 3, BaseRowID: &two, DefaultRowCommitVersion: &one, ExtendedFileMetadata: true}},
		"old":  {key: "old", remove: &Remove{Path: "old", DeletionTimestamp: 1}},
	}
	s.files = s.files.with(changes, never)
	objects.set(checkpointKey(0), string(checkpointBytes(t, &s)))
	r := newReplay(nil)
	if err := readCheckpoint(t.Context(), objects, &checkpointFiles{0, []logFile{{key: checkpointKey(0)}}}, r); err != nil {
		t.Fatal(err)
	}
	if err := r.flush(never); err != nil {
		t.Fatal(err)
	}
	var got []string
	for e := range r.files.all() {
		body, err := EncodeActions([]Action{{Add: e.add, Remove: e.remove}})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSpace(string(body)))
	}
	want := []string{
		`{"add":{"path":"a%20b","partitionValues":{"year":null},"size":5,"modificationTime":6,"dataChange":false,"stats":"{\"numRecords\":1}","tags":{"k":"v"},"baseRowId":1,"defaultRowCommitVersion":2,"clusteringProvider":"liquid"}}`,
		`{"remove":{"path":"gone","deletionTimestamp":1125899906842624,"dataChange":false,"extendedFileMetadata":true,"size":3,"baseRowId":2,"defaultRowCommitVersion":1}}`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCheckpointEncodings: Spark's vectorized reader takes DELTA_LENGTH_BYTE_ARRAY below nulls for empty text, so that no text of
// a checkpoint may be written so.
func TestCheckpointEncodings(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, nil)
	appendFile(t, table, "a")
	body := checkpointBytes(t, snapshot(t, table))
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	texts := 0
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			if c.MetaData.Type != format.ByteArray {
				continue
			}
			texts++
			for _, e := range c.MetaData.Encoding {
				if !slices.Contains([]format.Encoding{format.Plain, format.RLE, format.RLEDictionary}, e) {
					t.Errorf("column %s is encoded %v", strings.Join(c.MetaData.PathInSchema, "."), e)
				}
			}
		}
	}
	if texts == 0 {
		t.Error("no column of text")
	}
}

// TestCheckpointOfMany writes a set of many runs and kinds of entries as a classic and as a V2 checkpoint and reads it back.
func TestCheckpointOfMany(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	made := func(name string) *entry { // as a log may have it
		e := randomEntry(rng, fmt.Sprintf("%s%05d", name, rng.IntN(90_000)))
		e.outside = false
		if e.add != nil && e.add.DeletionVector != nil {
			e.add.Path = encodePath(e.key + " %")
			e.key = entryKey(e.key+" %", e.add.DeletionVector)
		}
		return e
	}
	var b setBuilder
	for range 50_000 {
		if err := b.add(made("f")); err != nil {
			t.Fatal(err)
		}
	}
	files, err := b.finish(never)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		changes := map[string]*entry{}
		for range 1500 {
			e := made("g")
			changes[e.key] = e
		}
		files = files.with(changes, never)
	}
	objects := newMemory()
	table := createRides(t, objects, nil)
	table.opts.Now = func() time.Time { return time.UnixMilli(50).Add(fileRetentionDefault) } // tombstones of before 50 are too old
	s := *snapshot(t, table)
	s.files = files
	var want []*entry
	adds := 0
	for e := range files.all() {
		switch {
		case e.add != nil:
			e.add.DataChange = false
			adds++
		case e.remove.DeletionTimestamp < 50:
			continue
		default:
			e.remove.Tags = nil
		}
		want = append(want, e)
	}
	for _, write := range []func(context.Context, *Snapshot) (lastCheckpoint, error){table.writeClassic, table.writeV2} {
		before := maps.Clone(objects.objects)
		hint, err := write(t.Context(), &s)
		if err != nil || hint.NumOfAddFiles != int64(adds) || hint.Size < int64(len(want)) {
			t.Fatalf("%+v, %v; %d files", hint, err, adds)
		}
		c := &checkpointFiles{version: s.version}
		for key := range objects.objects {
			if _, was := before[key]; !was && !strings.HasPrefix(key, sidecarFolder) {
				c.files = append(c.files, logFile{key: key, size: int64(len(objects.objects[key].body))})
			}
		}
		r := newReplay(nil)
		if err := readCheckpoint(t.Context(), objects, c, r); err != nil {
			t.Fatal(err)
		}
		if err := r.flush(never); err != nil {
			t.Fatal(err)
		}
		if r.protocol == nil || r.metadata == nil || r.files.live.files != adds {
			t.Fatalf("protocol %v, metadata %v, %+v, want %d files", r.protocol, r.metadata, r.files.live, adds)
		}
		i := 0
		for e := range r.files.all() {
			if i == len(want) || !reflect.DeepEqual(e, want[i]) {
				t.Fatalf("entry %d is %s, want %s", i, show(e), show(want[min(i, len(want)-1)]))
			}
			i++
		}
		if i != len(want) {
			t.Errorf("%d entries of %d", i, len(want))
		}
	}
}
