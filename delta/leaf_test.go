package delta

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/weir-data/weir/columnar"
)

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		encoded, key string
		outside      bool
	}{
		{"a.parquet", "a.parquet", false},
		{"year=2019/part%2000.parquet", "year=2019/part 00.parquet", false},
		{"_2=bar+%252521/x.parquet", "_2=bar+%2521/x.parquet", false},
		{"k%3Av/a%C3%BC", "k:v/aü", false},
		{"/some/with%20space/p@%23h", "/some/with space/p@#h", true},
		{"file:/some/x", "/some/x", true},
		{"file:///some/x", "/some/x", true},
		{"s3://bucket/x", "s3://bucket/x", true},
		{"../x", "../x", true},
		{"a/../../x", "a/../../x", true},
		{"a/%2e%2e/x", "a/../x", true},
		{"_delta_log/0.json", "_delta_log/0.json", true},
	} {
		key, outside, err := decodePath(c.encoded)
		if key != c.key || outside != c.outside || err != nil {
			t.Errorf("decodePath(%q) = %q, %v, %v", c.encoded, key, outside, err)
		}
	}
	for _, bad := range []string{"a%", "a%2", "a%zz"} {
		if _, _, err := decodePath(bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("decodePath(%q): %v", bad, err)
		}
	}
	// The same as new java.net.URI(null, null, key, null, null), the colon apart.
	key := "k:v/a b+ü☃😀%=x[|`<>^\"]\u00a0\u2003\u3000\u0085\x7f~!$&'()*,;@"
	want := "k%3Av/a%20b+ü☃😀%25=x%5B%7C%60%3C%3E%5E%22%5D%C2%A0%E2%80%83%E3%80%80%C2%85%7F~!$&'()*,;@"
	if got := encodePath(key); got != want {
		t.Errorf("encodePath: %q, want %q", got, want)
	}
	if got := encodePath("\xffü"); got != "%FFü" {
		t.Errorf("encodePath: %q", got)
	}
}

func TestDataFolder(t *testing.T) {
	long, cut := strings.Repeat("日", 60), strings.Repeat("%E6%97%A5", 20)
	for _, c := range []struct{ value, want string }{
		{"2019-01_x.Y", "p%20q=2019-01_x.Y/"}, {"a b/c=d%e", "p%20q=a%20b%2Fc%3Dd%25e/"}, {"ü~'", "p%20q=%C3%BC%7E%27/"}, {"", "p%20q=" + NullPartition + "/"},
		{long, "p%20q=" + cut + "-/"},
	} {
		got := DataFolder([]string{"p q"}, map[string]*string{"p q": &c.value})
		if got != c.want && (c.value != long || len(got) > folderMax+1 || !strings.HasPrefix(got, strings.TrimSuffix(c.want, "/"))) {
			t.Errorf("%q: %q, want %q", c.value, got, c.want)
		}
	}
	other := long + "x"
	if by := []string{"p"}; DataFolder(by, map[string]*string{"p": &long}) == DataFolder(by, map[string]*string{"p": &other}) {
		t.Error("two long values share a folder")
	}
}

func TestPartitionPath(t *testing.T) {
	values := map[string]*string{"a": text("x/y:z%"), "b": nil, "c": text("1 ü")}
	path := PartitionPath([]string{"a", "b", "c"}, values)
	if path != "a=x%2Fy%3Az%25/b=__HIVE_DEFAULT_PARTITION__/c=1 ü/" {
		t.Errorf("path %q", path)
	}
	if got := ParsePartitionPath(path + "k=v.parquet"); !reflect.DeepEqual(got, values) {
		t.Errorf("parsed %v", got)
	}
	if got := ParsePartitionPath("2019/01/x.parquet"); len(got) != 0 {
		t.Errorf("parsed %v", got)
	}
}

func TestPartitionValues(t *testing.T) {
	typ := func(k columnar.Kind) columnar.Type { return columnar.Type{Kind: k} }
	dec := columnar.Type{Kind: columnar.Decimal, Precision: 5, Scale: 2}
	for _, c := range []struct {
		t    columnar.Type
		text string
		want any // nil: refused
		back string
	}{
		{typ(columnar.Int32), "-7", int64(-7), "-7"},
		{typ(columnar.Int8), "128", nil, ""},
		{typ(columnar.Int64), "9223372036854775807", int64(9223372036854775807), "9223372036854775807"},
		{typ(columnar.Bool), "TRUE", true, "true"},
		{typ(columnar.Bool), "1", nil, ""},
		{typ(columnar.Float64), "1.5", 1.5, "1.5"},
		{typ(columnar.Float64), "100", 100.0, "100.0"},
		{typ(columnar.String), "ü/ ", "ü/ ", "ü/ "},
		{typ(columnar.Binary), "\u0001ÿ", []byte{1, 0xc3, 0xbf}, "\u0001ÿ"},    // Spark
		{typ(columnar.Binary), `\u0001\u00FF`, []byte{1, 255}, `\u0001\u00FF`}, // delta-rs
		{typ(columnar.Binary), `\u0041`, []byte("A"), "A"},
		{typ(columnar.Date), "2019-02-28", time.Date(2019, 2, 28, 0, 0, 0, 0, time.UTC), "2019-02-28"},
		{typ(columnar.Date), "2019-02-29", nil, ""},
		{typ(columnar.Timestamp), "2019-01-15 03:36:12", time.Date(2019, 1, 15, 3, 36, 12, 0, time.UTC), "2019-01-15 03:36:12"},
		{typ(columnar.Timestamp), "2019-01-15T03:36:12.5Z", time.Date(2019, 1, 15, 3, 36, 12, 5e8, time.UTC), "2019-01-15 03:36:12.5"},
		{typ(columnar.Timestamp), "2019-01-15T05:36:12+02:00", time.Date(2019, 1, 15, 3, 36, 12, 0, time.UTC), "2019-01-15 03:36:12"},
		{typ(columnar.Timestamp), "yesterday", nil, ""},
		{dec, "1.5", "1.50", "1.50"},
		{dec, "-999.99", "-999.99", "-999.99"},
		{dec, "1000", nil, ""},
		{dec, "1.005", nil, ""},
		{dec, "1e99999999", nil, ""},
		{typ(columnar.Struct), "x", nil, ""},
	} {
		got, err := ParsePartition(c.t, &c.text)
		if c.want == nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("ParsePartition(%s, %q) = %v, %v", c.t, c.text, got, err)
			}
			continue
		}
		if !reflect.DeepEqual(got, c.want) || err != nil {
			t.Errorf("ParsePartition(%s, %q) = %#v, %v", c.t, c.text, got, err)
		}
		if back, err := FormatPartition(c.t, got); err != nil || back == nil || *back != c.back {
			t.Errorf("FormatPartition(%s, %#v) = %v, %v, want %q", c.t, got, back, err, c.back)
		}
	}
	for _, v := range []any{nil, ""} {
		if got, err := FormatPartition(typ(columnar.String), v); got != nil || err != nil {
			t.Errorf("FormatPartition(%#v) = %v, %v", v, got, err)
		}
	}
}

func TestStatsEncoding(t *testing.T) {
	long := strings.Repeat("é", 40)
	schema := &columnar.Schema{Fields: []columnar.Field{
		{Name: "s", Type: columnar.Type{Kind: columnar.String}},
		{Name: "t", Type: columnar.Type{Kind: columnar.Timestamp}},
		{Name: "p", Type: columnar.Type{Kind: columnar.Int32}},
		{Name: "f", Type: columnar.Type{Kind: columnar.Float64}},
		{Name: "n", Type: columnar.Type{Kind: columnar.Struct, Fields: []columnar.Field{
			{Name: "d", Type: columnar.Type{Kind: columnar.Date}}, {Name: "b", Type: columnar.Type{Kind: columnar.Bool}}}}},
		{Name: "late", Type: columnar.Type{Kind: columnar.Int32}},
	}}
	amount := columnar.Type{Kind: columnar.Decimal, Precision: 9, Scale: 2}
	if got, ok := bound(amount, "-12.5", false); !ok || got != json.Number("-12.50") {
		t.Errorf("decimal bound %v, %v", got, ok)
	}
	if got, ok := bound(amount, "1e999", false); ok {
		t.Errorf("decimal bound %v of a number that does not fit", got)
	}
	at := time.Date(2019, 1, 1, 0, 0, 0, 1500, time.UTC)
	values := map[string]any{
		"s": long, "t": at, "p": 1, "f": json.Number("1.5"), "late": 3, "unknown": 1,
		"n": map[string]any{"d": "2019-01-01", "b": true},
	}
	s := &Stats{NumRecords: 2, Min: values, Max: values, NullCount: map[string]any{"s": json.Number("1"), "n": map[string]any{"b": int64(2)}}}
	got, err := encodeStats(s, schema, []string{"p"}, 5)
	if err != nil {
		t.Fatal(err)
	}
	prefix := strings.Repeat("é", 32)
	want := `{"numRecords":2,` +
		`"minValues":{"f":1.5,"n":{"d":"2019-01-01"},"s":"` + prefix + `","t":"2019-01-01T00:00:00.000Z"},` +
		`"maxValues":{"f":1.5,"n":{"d":"2019-01-01"},"s":"` + prefix + string(utf8.MaxRune) + `","t":"2019-01-01T00:00:00.001Z"},` +
		`"nullCount":{"n":{"b":2},"s":1}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back, err := ParseStats(got)
	if err != nil || back.NumRecords != 2 || back.Max["s"].(string) <= long || back.Min["f"] != json.Number("1.5") {
		t.Errorf("back %+v, %v", back, err)
	}
}

func TestParseLogName(t *testing.T) {
	const v = "00000000000000000007"
	for _, c := range []struct {
		name string
		want logName
		ok   bool
	}{
		{v + ".json", logName{version: 7, to: 7, part: 1, parts: 1}, true},
		{v + ".checkpoint.parquet", logName{version: 7, to: 7, checkpoint: true, part: 1, parts: 1}, true},
		{v + ".checkpoint.0000000002.0000000003.parquet", logName{version: 7, to: 7, checkpoint: true, part: 2, parts: 3}, true},
		{v + ".checkpoint.80a083e8-7026.json", logName{version: 7, to: 7, checkpoint: true, part: 1, parts: 1, unique: "80a083e8-7026"}, true},
		{v + ".checkpoint.0000000004.0000000003.parquet", logName{}, false},
		{v + ".checkpoint.json", logName{}, false},
		{v + ".crc", logName{}, false},
		{v + "." + v + ".compacted.json", logName{}, false},
		{v + ".00000000000000000009.compacted.json", logName{version: 7, to: 9, part: 1, parts: 1}, true},
		{v + ".9.compacted.json", logName{}, false},
		{"_last_checkpoint", logName{}, false},
		{"99999999999999999999.json", logName{}, false},
		{"7.json", logName{}, false},
	} {
		if got, ok := parseLogName(c.name); ok != c.ok || ok && got != c.want {
			t.Errorf("parseLogName(%q) = %+v, %v", c.name, got, ok)
		}
	}
}

func TestIncompleteMultiPart(t *testing.T) {
	objects := newMemory()
	createRides(t, objects, nil)
	objects.set(logFolder+"00000000000000000000.checkpoint.0000000002.0000000002.parquet", "half")
	if _, err := Open(t.Context(), objects); err != nil {
		t.Errorf("half a checkpoint must be ignored: %v", err)
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	body, err := EncodeActions([]Action{{Txn: &Txn{AppID: "a"}}, {Txn: &Txn{AppID: long}}, {Txn: &Txn{AppID: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, text := range [][]byte{body, bytes.TrimSuffix(body, []byte("\n"))} {
		got = got[:0]
		if err := readActions(bytes.NewReader(text), func(a Action) error { got = append(got, a.Txn.AppID); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(got) != 3 || got[1] != long || got[2] != "b" {
			t.Errorf("%d actions", len(got))
		}
	}
}

func TestUnsupported(t *testing.T) {
	meta := `{"metaData":{"id":"x","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,\"metadata\":{%m}}]}","partitionColumns":[],"configuration":{%c}}}`
	for _, c := range []struct{ protocol, metadata, configuration, read, write string }{
		{`"minReaderVersion":1,"minWriterVersion":2`, ``, ``, ``, ``},
		{`"minReaderVersion":1,"minWriterVersion":4`, ``, `"delta.enableChangeDataFeed":"true"`, ``, ``},
		{`"minReaderVersion":4,"minWriterVersion":7`, ``, ``, `reader version 4`, ``},
		{`"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["shining"],"writerFeatures":["shining"]`, ``, ``, `reader feature shining`, ``},
		{`"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["appendOnly","icebergCompatV2"]`, ``, ``, ``, `writer feature icebergCompatV2`},
		{`"minReaderVersion":1,"minWriterVersion":8`, ``, ``, ``, `writer version 8`},
		{`"minReaderVersion":2,"minWriterVersion":5`, ``, `"delta.columnMapping.mode":"odd"`, `columnMapping with mode "odd"`, ``},
		{`"minReaderVersion":1,"minWriterVersion":3`, ``, `"delta.constraints.c":"id > 0"`, ``, `check constraint`},
		{`"minReaderVersion":1,"minWriterVersion":4`, `\"delta.generationExpression\":\"1\"`, ``, ``, `generationExpression`},
		{`"minReaderVersion":1,"minWriterVersion":2`, `\"delta.invariants\":\"x\"`, ``, ``, `delta.invariants`},
	} {
		objects := newMemory()
		m := strings.NewReplacer("%m", c.metadata, "%c", c.configuration).Replace(meta)
		objects.set(commitKey(0), `{"protocol":{`+c.protocol+`}}`+"\n"+m+"\n")
		table, err := Open(t.Context(), objects)
		if c.read != "" {
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.read) {
				t.Errorf("open with %s: %v, want %q", c.protocol, err, c.read)
			}
			continue
		}
		if err != nil {
			t.Errorf("open with %s: %v", c.protocol, err)
			continue
		}
		tx := table.Begin(snapshot(t, table))
		tx.Add(File{Path: "a", Size: 1})
		_, err = tx.Commit(t.Context())
		if c.write == "" && err != nil || c.write != "" && (!errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.write)) {
			t.Errorf("append with %s: %v, want %q", c.protocol, err, c.write)
		}
	}
}
