package produce

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
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

func TestLines(t *testing.T) {
	got := readAll(t, write(t, "a.ndjson", "{\"a\":1}\n\n  {\"a\":2}\r\n"))
	if len(got) != 2 || got[1] != `{"a":2}` {
		t.Fatalf("%q", got)
	}
}

func TestBadFiles(t *testing.T) {
	for name, text := range map[string]string{"a.csv": "", "a.txt": "x", "a.csv.gz": ""} {
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
