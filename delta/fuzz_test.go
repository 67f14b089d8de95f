package delta

import (
	"bytes"
	"reflect"
	"runtime"
	"testing"

	"github.com/weir-data/weir/columnar"
)

func FuzzActions(f *testing.F) {
	for _, line := range []string{
		`{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}`,
		`{"metaData":{"id":"x","format":{"provider":"parquet","options":{}},"schemaString":"{}","partitionColumns":["a"],"configuration":{}}}`,
		`{"add":{"path":"a%20b","partitionValues":{"a":null,"b":"1"},"size":1,"modificationTime":2,"dataChange":true,"stats":"{\"numRecords\":1}"}}`,
		`{"remove":{"path":"a","deletionTimestamp":1,"dataChange":true,"deletionVector":{"storageType":"u","pathOrInlineDv":"x","offset":1,"sizeInBytes":3,"cardinality":4}}}`,
		`{"txn":{"appId":"a","version":1}}`, `{"cdc":{"path":"x"}}`, `{"commitInfo":{"timestamp":"odd","operationParameters":7}}`,
		"{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"\",\"removed\":false}}\n\n{\"sidecar\":{\"path\":\"x\",\"sizeInBytes\":1}}",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newReplay(nil)
		var actions []Action
		if err := readActions(bytes.NewReader(body), func(a Action) error {
			actions = append(actions, a)
			return r.apply(a)
		}); err != nil {
			return
		}
		// What was read can be written and is read as the same.
		text, err := EncodeActions(actions)
		if err != nil {
			t.Fatal(err)
		}
		var again []Action
		if err := readActions(bytes.NewReader(text), func(a Action) error { again = append(again, a); return nil }); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		back, err := EncodeActions(again)
		if err != nil || !bytes.Equal(back, text) {
			t.Fatalf("%q became %q, %v", text, back, err)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	objects := newMemory()
	table := createRides(f, objects, nil)
	tx := table.Begin(snapshot(f, table))
	tx.Add(ride("a"))
	tx.SetTxn("app", 1)
	if _, err := tx.Commit(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Add(checkpointBytes(f, snapshot(f, table)))
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := newReplay(nil)
		_ = readParquetParts(t.Context(), bytes.NewReader(body), int64(len(body)), "", r.takeFiles)
		runtime.ReadMemStats(&after)
		// Of what is taken for the rows, the texts are the caller's to keep.
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<30 {
			t.Fatalf("%d bytes took %d bytes of memory", len(body), took)
		}
	})
}

// FuzzThrift walks through damaged descriptions.
func FuzzThrift(f *testing.F) {
	f.Add([]byte{0x15, 0x04, 0x15, 0x10, 0x4c, 0x15, 0x02, 0x00, 0x00})
	f.Add([]byte{0x19, 0xfc, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, body []byte) {
		w := &thriftWalk{b: body}
		if err := w.walk(); err == nil && w.pos > len(body) || w.elements > thriftElementsMax {
			t.Fatalf("at %d of %d, %d elements: %v", w.pos, len(body), w.elements, err)
		}
		_, _ = parsePageHead(body)
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a/b c", "k%3Av/ü", "file:///x", "../x", "a%", "\xff\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if key, outside, err := decodePath(s); err == nil && !outside && !cleanKey(key) {
			t.Fatalf("%q is %q, inside the table", s, key)
		}
		key, outside, err := decodePath(encodePath(s))
		if err != nil || cleanKey(s) && (key != s || outside) {
			t.Fatalf("%q became %q, %v, %v", s, key, outside, err)
		}
	})
}

func FuzzPartitionPath(f *testing.F) {
	f.Add("year=2019/month=1/x.parquet", "a", "b=/c")
	f.Add("=/==/%", "%41", NullPartition)
	f.Fuzz(func(t *testing.T, path, name, value string) {
		ParsePartitionPath(path)
		if name == "" || value == "" || value == NullPartition {
			return
		}
		values := map[string]*string{name: &value}
		if got := ParsePartitionPath(PartitionPath([]string{name}, values) + "file"); !reflect.DeepEqual(got, values) {
			t.Fatalf("%q=%q became %v", name, value, got)
		}
	})
}

func FuzzPartitionValue(f *testing.F) {
	for _, s := range []string{"1", "-1.50", "2019-01-01 00:00:00.1", "true", "\u0001", "1e9", "NaN"} {
		f.Add(uint8(0), s)
	}
	types := []columnar.Type{{Kind: columnar.Bool}, {Kind: columnar.Int8}, {Kind: columnar.Int64}, {Kind: columnar.Float32},
		{Kind: columnar.Float64}, {Kind: columnar.String}, {Kind: columnar.Binary}, {Kind: columnar.Date},
		{Kind: columnar.Timestamp}, {Kind: columnar.Decimal, Precision: 12, Scale: 3}}
	f.Fuzz(func(t *testing.T, kind uint8, s string) {
		typ := types[int(kind)%len(types)]
		v, err := ParsePartition(typ, &s)
		if err != nil || v == nil {
			return
		}
		back, err := FormatPartition(typ, v)
		if err != nil || back == nil {
			t.Fatalf("%s %q = %#v: %v", typ, s, v, err)
		}
		again, err := FormatPartition(typ, *back)
		if err != nil || again == nil || *again != *back {
			t.Fatalf("%s %q = %q, then %v, %v", typ, s, *back, again, err)
		}
	})
}

func FuzzStats(f *testing.F) {
	f.Add(`{"numRecords":1,"minValues":{"id":1,"name":"x"},"maxValues":{"at":"2019-01-01T00:00:00Z"},"nullCount":{"id":0}}`)
	schema := ridesSchema()
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseStats(text)
		if err != nil || s == nil {
			return
		}
		again, err := encodeStats(s, schema, nil, -1)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseStats(again); err != nil || back.NumRecords != s.NumRecords {
			t.Fatalf("%q: %v", again, err)
		}
	})
}
