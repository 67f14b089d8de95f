package delivery

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/internal/vfs"
	"github.com/weir-data/weir/metrics"
)

// world is what outlives the delivery streams: source, objects, table, metadata.
type world struct {
	t       *testing.T
	fs      *vfs.Crashable
	meta    *meta.Store
	source  *fakeSource
	log     *fakeLog
	objects *fakeObjects
	tables  *fakeTables
	metrics *metrics.Registry
	streams *Streams

	channels *Channels
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, fs: vfs.NewCrashable(), source: newFakeSource(), log: newFakeLog(), objects: newFakeObjects(), tables: &fakeTables{}}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.meta, err = meta.Open(w.fs, "meta"); err != nil {
		w.t.Fatal(err)
	}
	opts := Options{Meta: w.meta, Objects: w.objects, Log: w.log, Tables: w.tables, Metrics: w.metrics, Logger: slog.New(slog.DiscardHandler),
		Stream: func(_ context.Context, name string) (batch.Source, error) {
			if name != "in" {
				return nil, errors.New("no such stream")
			}
			return w.source, nil
		}}
	if w.streams, err = Open(opts); err != nil {
		w.t.Fatal(err)
	}
	if w.channels, err = OpenChannels(opts); err != nil {
		w.t.Fatal(err)
	}
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}

func (w *world) close() {
	w.streams.Close()
	w.channels.Close()
	w.meta.Close()
}

// reopen starts again from what a power loss at this moment would leave of the metadata.
func (w *world) reopen() {
	crashed := w.fs.CrashClone(vfs.CrashConfig{})
	w.close()
	w.fs = crashed
	w.open()
}

func (w *world) create(info Info) {
	w.t.Helper()
	if err := w.streams.Create(w.t.Context(), info); err != nil {
		w.t.Fatal(err)
	}
}

// bubble runs a test in synthetic time that begins at 2000-01-01T00:00:00Z.
func bubble(t *testing.T, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() { w.close() }()
		f(w)
	})
}

func raw(bucket string, interval time.Duration) Config {
	return Config{Target: Target{Bucket: bucket, Prefix: "p/", Interval: interval}}
}

// only returns the single object.
func (w *world) only() (key string, data []byte) {
	w.t.Helper()
	keys, objects := w.objects.all()
	if len(keys) != 1 {
		w.t.Fatalf("objects %q, want one", keys)
	}
	return keys[0], objects[keys[0]]
}

func TestIntervalDelivers(t *testing.T) {
	bubble(t, func(w *world) {
		w.source.append("1", time.Now(), "too old")
		time.Sleep(time.Second)
		w.create(Info{Name: "s", Source: "in", Config: raw("b", 300*time.Second)})
		time.Sleep(10 * time.Second)
		w.source.append("1", time.Now(), "a", "b")
		time.Sleep(200 * time.Second)
		w.source.append("2", time.Now(), "c")
		time.Sleep(99 * time.Second)
		if keys, _ := w.objects.all(); len(keys) != 0 {
			t.Fatalf("delivered early: %q", keys)
		}
		time.Sleep(2 * time.Second)
		key, data := w.only()
		if string(data) != "abc" || !strings.HasPrefix(key, "b/p/2000/01/01/00/s-1-2000-01-01-00-00-11-") || len(key) != len("b/p/2000/01/01/00/s-1-2000-01-01-00-00-11-")+36 {
			t.Errorf("%s: %q", key, data)
		}
	})
}

func TestSizeDelivers(t *testing.T) {
	bubble(t, func(w *world) {
		c := raw("b", 900*time.Second)
		c.Buffer = 1 << 20
		w.create(Info{Name: "s", Source: "in", Config: c})
		big := strings.Repeat("x", 400<<10)
		w.source.append("1", time.Now(), big, big, big, big, big)
		synctest.Wait()
		_, data := w.only()
		if len(data) != 3*len(big) {
			t.Errorf("%d bytes", len(data))
		}
		time.Sleep(901 * time.Second)
		if keys, _ := w.objects.all(); len(keys) != 2 {
			t.Errorf("objects %q", keys)
		}
	})
}

func TestDirectPut(t *testing.T) {
	bubble(t, func(w *world) {
		c := raw("b", 0)
		c.AppendDelimiter = []byte("\n")
		c.Compression = Gzip
		w.create(Info{Name: "s", Config: c})
		if err := w.streams.Put(t.Context(), "s", [][]byte{[]byte("one"), []byte("two")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var got []byte
		keys, objects := w.objects.all()
		for _, k := range keys {
			z, err := gzip.NewReader(bytes.NewReader(objects[k]))
			if err != nil {
				t.Fatal(err)
			}
			part, _ := io.ReadAll(z)
			got = append(got, part...)
			if !strings.HasSuffix(k, ".gz") || w.objects.headers[k]["Content-Encoding"] != "gzip" {
				t.Errorf("%s, headers %v", k, w.objects.headers[k])
			}
		}
		if string(got) != "one\ntwo\n" && string(got) != "two\none\n" {
			t.Errorf("%q", got)
		}
		if len(w.log.trimmed) != 1 {
			t.Errorf("trimmed %v", w.log.trimmed)
		}
		w.create(Info{Name: "k", Source: "in", Config: raw("b", 0)})
		if err := w.streams.Put(t.Context(), "k", [][]byte{{}}); !errors.Is(err, ErrSource) {
			t.Errorf("put into a sourced stream: %v", err)
		}
		if err := w.streams.Delete(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		if err := w.streams.Put(t.Context(), "s", [][]byte{{}}); !errors.Is(err, ErrNotFound) {
			t.Errorf("put after delete: %v", err)
		}
		if len(w.log.logs) != 0 {
			t.Errorf("logs left: %v", w.log.logs)
		}
	})
}

func converting() Config {
	c := Config{Target: Target{Bucket: "b", Prefix: "d/!{timestamp:yyyy}/", ErrorPrefix: "e/!{firehose:error-output-type}/", Interval: time.Second}}
	c.Conversion = &Conversion{Database: "db", Table: "t", Version: "LATEST", Catalog: "000000000000", Region: "us-east-1"}
	return c
}

var usersTable = &catalog.Table{Database: "db", Name: "t", Version: "3", Storage: catalog.Storage{Columns: []catalog.Column{
	{Name: "id", Type: "bigint"}, {Name: "name", Type: "string"}, {Name: "tags", Type: "array<string>"}}}}

func TestConversion(t *testing.T) {
	bubble(t, func(w *world) {
		if err := w.streams.Create(t.Context(), Info{Name: "s", Source: "in", Config: converting()}); !errors.Is(err, ErrInvalid) {
			t.Fatalf("missing table: %v", err)
		}
		w.tables.table = usersTable
		w.create(Info{Name: "s", Source: "in", Config: converting()})
		w.source.append("1", time.Now(), `{"ID":1,"name":"x","tags":"one"}`, `{"id":"nine"}`, `{"id":2}{"id":"3"}`, `not json`, ` `)
		time.Sleep(2 * time.Second)
		keys, objects := w.objects.all()
		if len(keys) != 2 || !strings.HasPrefix(keys[0], "b/d/2000/s-1-") || !strings.HasSuffix(keys[0], ".parquet") || !strings.HasPrefix(keys[1], "b/e/format-conversion-failed/s-1-") {
			t.Fatalf("%q", keys)
		}
		b, err := columnar.ReadParquet(bytes.NewReader(objects[keys[0]]), int64(len(objects[keys[0]])))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d %v %v %v %v %v", b.Len, b.Columns[0].Value(0), b.Columns[0].Value(1), b.Columns[0].Value(2), b.Columns[1].Value(0), b.Columns[2].Value(0)); got != "3 1 2 3 x [one]" {
			t.Errorf("rows %s", got)
		}
		var codes, datas []string
		for line := range strings.Lines(string(objects[keys[1]])) {
			var r map[string]any
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			data, _ := base64.StdEncoding.DecodeString(r["rawData"].(string))
			codes, datas = append(codes, r["lastErrorCode"].(string)+r["sequenceNumber"].(string)), append(datas, string(data))
		}
		if fmt.Sprint(codes) != "[DataFormatConversion.MalformedData2 DataFormatConversion.ParseError4 DataFormatConversion.MalformedData5]" || fmt.Sprint(datas) != `[{"id":"nine"} not json  ]` {
			t.Errorf("%q %q", codes, datas)
		}
		// The table goes away: nothing is dropped, and delivery goes on when it is back.
		w.tables.mu.Lock()
		w.tables.table = nil
		w.tables.mu.Unlock()
		w.source.append("1", time.Now(), `{"id":7}`)
		time.Sleep(10 * time.Minute)
		if keys, _ := w.objects.all(); len(keys) != 2 {
			t.Fatalf("delivered without a table: %q", keys)
		}
		w.tables.mu.Lock()
		w.tables.table = usersTable
		w.tables.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if keys, _ := w.objects.all(); len(keys) != 3 {
			t.Errorf("objects %q", keys)
		}
	})
}

func TestFailingStoreIsRetried(t *testing.T) {
	bubble(t, func(w *world) {
		w.objects.fail = errors.New("bucket does not exist")
		w.create(Info{Name: "s", Source: "in", Config: raw("b", time.Second)})
		w.source.append("1", time.Now(), "a")
		time.Sleep(time.Minute)
		w.source.append("1", time.Now(), "b")
		w.objects.mu.Lock()
		w.objects.fail = nil
		w.objects.mu.Unlock()
		time.Sleep(5 * time.Minute)
		keys, objects := w.objects.all()
		if len(keys) != 2 || string(objects[keys[0]])+string(objects[keys[1]]) != "ab" {
			t.Errorf("%q", keys)
		}
	})
}

// TestCrash stops the world before and after every put, loses what was not synced, and goes on.
func TestCrash(t *testing.T) {
	const puts = 8 // of a run without crashes: data, failed and backup of the batches
	var want map[string]string
	for step := range 2*puts + 1 {
		got := crashAt(t, step)
		if want == nil {
			want = got
			continue
		}
		if len(got) != len(want) {
			t.Fatalf("crash at step %d: records of %d kinds of object, want %d", step, len(got), len(want))
		}
		for kind, records := range want {
			if got[kind] != records {
				t.Fatalf("crash at step %d: %s holds\n%s\nwant\n%s", step, kind, got[kind], records)
			}
		}
	}
}

// crashAt runs a scenario with a crash at the step-th border of a put (0: none) and returns the content by bucket and
// kind of object.
func crashAt(t *testing.T, step int) map[string]string {
	content := map[string]string{}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.tables.table = usersTable
		c := converting()
		c.Backup = &Target{Bucket: "backup", Interval: time.Second}
		w.create(Info{Name: "s", Source: "in", Config: c})
		reached := w.objects.dieAt(step)
		for i := range 3 {
			w.source.append("1", time.Now(), fmt.Sprintf(`{"id":%d}`, i), fmt.Sprintf(`{"id":%d`, i))
			select {
			case <-reached:
				w.reopen()
			case <-time.After(time.Minute):
			}
		}
		time.Sleep(5 * time.Minute)
		w.close()
		keys, objects := w.objects.all()
		for _, k := range keys {
			switch {
			case strings.HasSuffix(k, ".parquet"):
				b, err := columnar.ReadParquet(bytes.NewReader(objects[k]), int64(len(objects[k])))
				if err != nil {
					t.Fatal(err)
				}
				for r := range b.Len {
					content["data"] += fmt.Sprintln(b.Columns[0].Value(r))
				}
			case strings.HasPrefix(k, "backup/"):
				content["backup"] += string(objects[k]) + "\n"
			default:
				for line := range strings.Lines(string(objects[k])) {
					var r struct{ RawData []byte }
					json.Unmarshal([]byte(line), &r)
					content["failed"] += string(r.RawData) + "\n"
				}
			}
		}
	})
	for kind, text := range content {
		lines := strings.Split(text, "\n")
		content[kind] = strings.Join(sorted(lines), "\n")
	}
	return content
}

// A user record of an aggregated one that does not convert is told by its place in it.
func TestFailedUserRecord(t *testing.T) {
	bubble(t, func(w *world) {
		w.tables.table = usersTable
		w.create(Info{Name: "s", Source: "in", Config: converting()})
		w.source.mu.Lock()
		for i := range 2 {
			w.source.shards["1"] = append(w.source.shards["1"], batch.Record{Shard: "1", SeqNum: "7", Data: []byte("bad"), Arrival: time.Now(),
				Aggregated: true, SubSeqNum: i})
		}
		w.source.mu.Unlock()
		w.source.append("1", time.Now(), "bad")
		time.Sleep(2 * time.Second)
		_, data := w.only()
		var got []string
		for line := range strings.Lines(string(data)) {
			var r failedRecord
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			text := *r.SequenceNumber
			if r.SubSequenceNumber != nil {
				text += fmt.Sprintf("/%d", *r.SubSequenceNumber)
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != "7/0 7/1 3" {
			t.Errorf("failed records %v", got)
		}
	})
}
