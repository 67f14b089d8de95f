package delta

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// scanCases are lines of the log, well-formed and not, that the scanner must read as encoding/json does or leave to it.
var scanCases = []string{
	`{"add":{"path":"a","partitionValues":{},"size":1,"modificationTime":2,"dataChange":true}}`,
	`{"add":{"path":"year=2019/a%20b.parquet","partitionValues":{"year":"2019","n":null},"size":10,"modificationTime":1546300800000,"dataChange":true,"stats":"{\"numRecords\":1,\"minValues\":{\"id\":-1,\"name\":\"\u00e4\"}}"}}`,
	`{"add":{"path":"a","partitionValues":null,"size":-0,"modificationTime":-5,"dataChange":false,"stats":null,"tags":{"k":"v","n":null},"deletionVector":{"storageType":"u","pathOrInlineDv":"ab^-aqEH.-t@S}K{vb[*k^","offset":4,"sizeInBytes":40,"cardinality":6,"maxRowIndex":null},"baseRowId":0,"defaultRowCommitVersion":1,"clusteringProvider":"liquid"}}`,
	`{"remove":{"path":"a\/b","deletionTimestamp":3,"dataChange":true,"extendedFileMetadata":true,"partitionValues":{"a\"b":"c\\d"},"size":7,"tags":{}}}`,
	` { "add" : { "path" : "a" , "size" : 1 } } `,
	`{"add":{"path":"ä€😀","stats":"short"}}`,
	`{"add":{"path":"a","stats":"\"\"\"\"\"\"\"\"\"\"","size":3,"tags":{"x":"y"}}}`,
	`{"add":{"path":"12345678","stats":"1234567\"","clusteringProvider":"\t\n\r\b\f\/\\"}}`,
	`{"add":{"path":"","size":1}}`, `{"add":{"path":"a","size":-1}}`, `{"add":{"path":null}}`, `{"add":null}`, `{"add":{}}`, `{}`, ``, `null`, `{"add":{"path":"a"}`,
	`{"add":{"path":"a"}}}`, `{"add":{"path":"a"}} x`, `{"add":{"path":"a"},"remove":{"path":"b"}}`, `{"add":{"path":"a","path":"b"}}`, `{"add":{"Path":"a"}}`,
	`{"add":{"path":"a","size":01}}`, `{"add":{"path":"a","size":1.0}}`, `{"add":{"path":"a","size":1e3}}`, `{"add":{"path":"a","size":9223372036854775807}}`,
	`{"add":{"path":"a","size":92233720368547758070}}`, `{"add":{"path":"a","size":"1"}}`, `{"add":{"path":"a","size":-}}`, `{"add":{"path":"a","dataChange":1}}`,
	`{"add":{"path":"a","dataChange":truefalse}}`, `{"add":{"path":"a","unknown":[{"x":"}"}]}}`, `{"add":{"path":"a\u0062"}}`, "{\"add\":{\"path\":\"a\x01\"}}",
	"{\"add\":{\"path\":\"a\xff\"}}", `{"add":{"path":"a\x"}}`, `{"add":{"path":"a\`, `{"add":{"path":"a","partitionValues":{"a":1}}}`, `{"add":{"path":"a","partitionValues":{"a":"b"}x}}`,
	`{"add":{"path":"a","partitionValues":"x"}}`, `{"add":{"path":"a","tags":[]}}`, `{"add":{"path":"a","deletionVector":{"cardinality":"x"}}}`, `{"add":{"p\u0061th":"a"}}`,
	`{"remove":{"path":"a","modificationTime":1}}`, `{"remove":{"path":"a","stats":"x"}}`, `{"remove":{"path":"a","size":-1}}`, `{"ADD":{"path":"a"}}`, `{"add":{"path":"a",}}`,
	`{"commitInfo":{"timestamp":1,"inCommitTimestamp":5}}`, `{"commitInfo":{"InCommitTimestamp":5}}`, `{"commitInfo":{"inCommitTimestamp":"x"}}`, `{"commitInfo":{},"add":{"path":"a"}}`,
	`{"commitInfo":{]}}`, `{"commitInfo":7}`, `{"commitInfo":null}`,
}

// checkScanned compares what a line says by the scanner and by encoding/json, as an action and in a part of the log.
func checkScanned(t *testing.T, line []byte) (scanned bool) {
	t.Helper()
	before := bytes.Clone(line)
	want, wantErr := decodeSlowly(bytes.TrimSpace(line))
	got, gotErr := DecodeAction(bytes.TrimSpace(line))
	if (wantErr == nil) != (gotErr == nil) || wantErr == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q is %s, %v; encoding/json says %s, %v", line, show(got), gotErr, show(want), wantErr)
	}
	_, scanned = scanFileLine(line, bytes.Clone(line))
	if !bytes.Equal(line, before) {
		t.Fatalf("%q became %q", before, line)
	}
	if bytes.ContainsRune(line, '\n') {
		return scanned
	}
	part := logPart{}
	part.parse(bytes.Clone(line), "")
	if len(bytes.TrimSpace(line)) == 0 {
		return scanned
	}
	var e *entry
	if wantErr == nil {
		e, wantErr = fileEntry(want, "")
	}
	if (part.bad == nil) != (wantErr == nil) {
		t.Fatalf("%q: %v in a part; encoding/json says %v", line, part.bad, wantErr)
	}
	switch {
	case wantErr != nil:
	case e == nil:
		if want.CommitInfo != nil {
			want.CommitInfo = &CommitInfo{InCommitTimestamp: want.CommitInfo.InCommitTimestamp}
			if got := part.actions[0].CommitInfo; got != nil {
				part.actions[0].CommitInfo = &CommitInfo{InCommitTimestamp: got.InCommitTimestamp}
			}
		}
		if len(part.actions) != 1 || !reflect.DeepEqual(part.actions[0], want) {
			t.Fatalf("%q is %s in a part; encoding/json says %s", line, show(part.actions), show(want))
		}
	default:
		if len(part.files.records) != 1 {
			t.Fatalf("%q: %d files in a part", line, len(part.files.records))
		}
		f := &part.files.records[0]
		if got, want := show(f.entry(part.files.valuesOf(f))), show(e); got != want {
			t.Fatalf("%q is %s in a part; encoding/json says %s", line, got, want)
		}
	}
	return scanned
}

// show tells what an entry or an action says, apart from the difference between no map and an empty one.
func show(v any) string {
	if e, ok := v.(*entry); ok {
		more := map[string]any{"key": e.key, "outside": e.outside, "add": e.add, "remove": e.remove}
		if e.add != nil && len(e.add.PartitionValues) == 0 {
			e.add.PartitionValues = nil
		}
		v = more
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestScanFileLine(t *testing.T) {
	for i, line := range scanCases {
		ordinary := i < 8 && !strings.Contains(line, `\u`)
		if scanned := checkScanned(t, []byte(line)); scanned != ordinary && i < 9 {
			t.Errorf("%q scanned: %v", line, scanned)
		}
		for cut := range line { // of whatever is cut off, nothing is invented
			checkScanned(t, []byte(line[:cut]))
		}
	}
}

// TestScanLogsOfOthers compares the scanner with encoding/json on the logs of tables that Spark and delta-rs wrote, kept beside
// the checkout.
func TestScanLogsOfOthers(t *testing.T) {
	root := filepath.Join("..", "..", "shared", "data", "delta")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("the tables of Spark and delta-rs are not here: %v", err)
	}
	lines, scanned := 0, 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".json") || !strings.Contains(path, "_delta_log") {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(body) {
			lines++
			if checkScanned(t, bytes.TrimSuffix(line, []byte("\n"))) {
				scanned++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("%d of %d lines scanned", scanned, lines); scanned < lines/3 {
		t.Errorf("%d of %d lines scanned", scanned, lines)
	}
}

func FuzzScanFileLine(f *testing.F) {
	for _, line := range scanCases {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if len(line) < 1<<12 {
			checkScanned(t, line)
		}
	})
}
