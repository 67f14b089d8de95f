package produce

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/columnar"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var w io.Writer = f
	if strings.HasSuffix(name, ".gz") {
		z := gzip.NewWriter(f)
		defer z.Close()
		w = z
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	return path
}

func readAll(t *testing.T, path string) []string {
	t.Helper()
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	for {
		rec, _, err := f.Next(nil)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(rec))
	}
}

func TestCSV(t *testing.T) {
	text := "id,at,zip,name,x\n1,2019-01-15 03:36:12,01234,\"a \"\"b\"\"\",\n2.50,2019-01-15 03:36:12.5,5,é,\n,x,7,,\n"
	for _, name := range []string{"a.csv", "a.CSV.gz"} {
		got := readAll(t, write(t, name, text))
		want := []string{
			`{"id": 1, "at": "2019-01-15T03:36:12", "zip": "01234", "name": "a \"b\"", "x": null}`,
			`{"id": 2.50, "at": "2019-01-15T03:36:12.5", "zip": "5", "name": "é", "x": null}`,
			`{"id": null, "at": "x", "zip": "7", "name": null, "x": null}`,
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s", name, strings.Join(got, "\n"))
		}
	}
}

// TestLateColumn has a column that is empty in the whole sample, as congestion_surcharge is in real files.
func TestLateColumn(t *testing.T) {
	text := "a,b\n" + strings.Repeat("x,\n", sampleRows) + "x,2.5\n"
	got := readAll(t, write(t, "a.csv", text))
	if last := got[len(got)-1]; last != `{"a": "x", "b": 2.5}` || got[0] != `{"a": "x", "b": null}` {
		t.Errorf("first %s, last %s", got[0], last)
	}
}

func TestParquet(t *testing.T) {
	typ := func(text string) columnar.Type {
		parsed, err := columnar.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	at := time.Date(2019, 1, 15, 3, 36, 12, 500_000_000, time.UTC)
	cases := []struct {
		kind  string
		value any
		json  string
	}{
		{"boolean", true, `true`}, {"tinyint", -1, `-1`}, {"smallint", -300, `-300`}, {"int", 7, `7`}, {"bigint", -1 << 62, `-4611686018427387904`},
		{"float", float32(0.1), `0.1`}, {"double", 6.0, `6.0`}, {"double", math.NaN(), `null`}, {"string", "a \"b\" é", `"a \"b\" é"`},
		{"binary", []byte{1, 2}, `"AQI="`}, {"date", at, `"2019-01-15"`}, {"timestamp", at, `"2019-01-15T03:36:12.5"`},
		{"decimal(20,2)", "-123.45", `-123.45`}, {"decimal(38,0)", "12345678901234567890123456789012345678", `12345678901234567890123456789012345678`},
		{"struct<a:int,b:string>", map[string]any{"a": 1, "b": nil}, `{"a": 1, "b": null}`}, {"array<int>", []any{1, nil, 3}, `[1, null, 3]`},
		{"map<string,int>", map[string]any{"k": 1}, `{"k": 1}`}, {"int", nil, `null`},
	}
	var schema columnar.Schema
	var row []any
	want := "{"
	for i, c := range cases {
		schema.Fields = append(schema.Fields, columnar.Field{Name: fmt.Sprint("c", i), Type: typ(c.kind), Nullable: true})
		row = append(row, c.value)
		if i > 0 {
			want += ", "
		}
		want += fmt.Sprintf("\"c%d\": %s", i, c.json)
	}
	b := columnar.NewBuilder(&schema)
	for range 3 {
		if err := b.Append(row...); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := columnar.WriteParquet(f, columnar.ParquetOptions{}, b.Batch()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got := readAll(t, path)
	if len(got) != 3 || got[2] != want+"}" {
		t.Errorf("%d rows\n got %s\nwant %s", len(got), got[len(got)-1], want+"}")
	}
}

func TestLines(t *testing.T) {
	got := readAll(t, write(t, "a.ndjson", "{\"a\":1}\n\n  {\"a\":2}\r\n"))
	if len(got) != 2 || got[1] != `{"a":2}` {
		t.Fatalf("%q", got)
	}
}

func TestBadFiles(t *testing.T) {
	for name, text := range map[string]string{"a.csv": "", "a.txt": "x", "a.csv.gz": "", "a.parquet": "PAR1"} {
		path := write(t, name, text)
		if name == "a.csv.gz" {
			os.WriteFile(path, []byte("not gzip"), 0o644)
		}
		if f, err := OpenFile(path); err == nil {
			f.Close()
			t.Errorf("%s: no error", name)
		}
	}
	f, err := OpenFile(write(t, "b.csv", "a,b\n1,2\n3\n"))
	if err == nil {
		f.Close()
		t.Error("a short row gave no error")
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("a,b\n1,2019-01-15 03:36:12\n")
	f.Add("a\n\"x\ny\"\n\x00\xff\n")
	f.Fuzz(func(t *testing.T, text string) {
		next, err := readCSV(strings.NewReader(text))
		if err != nil {
			return
		}
		for range 100 {
			rec, err := next(nil)
			if err != nil {
				return
			}
			if !json.Valid(rec) {
				t.Fatalf("not JSON: %q", rec)
			}
		}
	})
}
