package files

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
)

var began = time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)

// shelf is a place to which tests add files, in a folder or in a bucket.
type shelf struct {
	t      *testing.T
	source func(Options) *Source
	put    func(name string, data []byte, mod time.Time)
}

func shelves(t *testing.T) map[string]*shelf {
	dir := t.TempDir()
	inFolder := &shelf{t: t, put: func(name string, data []byte, mod time.Time) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, mod, mod); err != nil {
			t.Fatal(err)
		}
	}}
	inFolder.source = func(o Options) *Source {
		o.Now = func() time.Time { return began.Add(time.Hour) }
		s, err := InFolder(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	store := mem.New(func() time.Time { return began })
	if err := store.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	inBucket := &shelf{t: t, put: func(name string, data []byte, _ time.Time) {
		if _, err := store.Put(t.Context(), "lake", "in/"+name, bytes.NewReader(data), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}}
	inBucket.source = func(o Options) *Source { return InBucket(store, "lake", "/in/", o) }
	return map[string]*shelf{"folder": inFolder, "bucket": inBucket}
}

func read(t *testing.T, s *Source, start, end batch.Offset) (lines []string) {
	t.Helper()
	err := s.Read(t.Context(), start, end, func(recs []batch.Record) error {
		for _, r := range recs {
			lines = append(lines, string(r.Data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestRandom adds random files and reads them in random batches: every line comes once, and a batch read again is the same.
func TestRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for name, shelf := range shelves(t) {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			at, got, want := batch.Offset{}, map[string]int{}, 0
			for round := range 30 {
				for range rng.IntN(4) {
					data, n := randomFile(rng, want)
					want += n
					name := fmt.Sprintf("d%d/f%d", rng.IntN(3), rng.IntN(1<<30))
					name, data = compressed(t, rng, name, data)
					shelf.put(name, data, began.Add(time.Duration(rng.IntN(100))*time.Second))
				}
				shelf.put(fmt.Sprint("_hidden/", round), []byte("no\n"), began)
				shelf.put(fmt.Sprint("x/.hidden", round), []byte("no\n"), began)
				s := shelf.source(Options{})
				end, err := s.Plan(t.Context(), at, batch.Limit{Records: 1 + rng.IntN(50), Bytes: int64(1 + rng.IntN(3000))})
				if err != nil {
					t.Fatal(err)
				}
				lines := read(t, s, at, end)
				if again := read(t, shelf.source(Options{}), at, end); !slices.Equal(lines, again) {
					t.Fatalf("read again, %d lines are %d", len(lines), len(again))
				}
				for _, l := range lines {
					got[l]++
				}
				at = end
			}
			for s := shelf.source(Options{}); ; {
				end, err := s.Plan(t.Context(), at, batch.Limit{Records: 100})
				if err != nil {
					t.Fatal(err)
				}
				if end.Equal(at) {
					break
				}
				for _, l := range read(t, s, at, end) {
					got[l]++
				}
				at = end
			}
			for l, n := range got {
				if n != 1 {
					t.Errorf("line %q came %d times", l, n)
				}
			}
			if len(got) != want {
				t.Errorf("%d of %d lines: %v", len(got), want, slices.Sorted(maps.Keys(got))[:min(3, len(got))])
			}
		})
	}
}

// randomFile has n lines, numbered from first on, of all sorts of lengths and ends.
func randomFile(rng *rand.Rand, first int) (data []byte, n int) {
	n = rng.IntN(40)
	for i := range n {
		data = fmt.Appendf(data, "%d %s", first+i, strings.Repeat("x", rng.IntN(1+rng.IntN(200))))
		switch {
		case i == n-1 && rng.IntN(2) == 0:
		case rng.IntN(5) == 0:
			data = append(data, "\r\n\n"...)
		default:
			data = append(data, '\n')
		}
	}
	return data, n
}

func compressed(t *testing.T, rng *rand.Rand, name string, data []byte) (string, []byte) {
	var b bytes.Buffer
	switch rng.IntN(4) {
	case 0:
		w := gzip.NewWriter(&b)
		w.Write(data)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return name + ".gz", b.Bytes()
	case 1:
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return name + ".zst", b.Bytes()
	}
	return name, data
}

// TestParts takes a file in parts of every size.
func TestParts(t *testing.T) {
	inParts(t, "header\none\ntwo\n\nthree\r\nfour", Options{Header: true}, "header\none|header\ntwo|header\nthree|header\nfour")
}

// TestByteOrderMark leaves out what some programs write before the first line, in whatever parts the file is read.
func TestByteOrderMark(t *testing.T) {
	inParts(t, "\uFEFFone\n\uFEFFtwo\n", Options{}, "one|\uFEFFtwo")
}

// inParts takes a file of a text in parts of every size, and wants the same records of each.
func inParts(t *testing.T, text string, opts Options, want string) {
	shelf := shelves(t)["folder"]
	shelf.put("a", []byte(text), began)
	for size := int64(1); size < int64(len(text))+2; size++ {
		s := shelf.source(opts)
		at, got := batch.Offset{}, []string(nil)
		for {
			end, err := s.Plan(t.Context(), at, batch.Limit{Bytes: size})
			if err != nil {
				t.Fatal(err)
			}
			if end.Equal(at) {
				break
			}
			got, at = append(got, read(t, s, at, end)...), end
		}
		if strings.Join(got, "|") != want {
			t.Errorf("in parts of %d: %q", size, got)
		}
	}
}

func TestWhole(t *testing.T) {
	shelf := shelves(t)["bucket"]
	shelf.put("a", []byte("one\ntwo"), began)
	shelf.put("b", nil, began)
	s := shelf.source(Options{Whole: true})
	end, err := s.Plan(t.Context(), batch.Offset{}, batch.Limit{Bytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, batch.Offset{}, end); len(got) != 2 || got[0] != "one\ntwo" {
		t.Errorf("%q", got)
	}
}

// TestOldFiles remembers files only as long as it must, and never takes what is older than that.
func TestOldFiles(t *testing.T) {
	shelf := shelves(t)["folder"]
	s := shelf.source(Options{MaxAge: 10 * time.Minute})
	at := batch.Offset{}
	for i := range 50 {
		shelf.put(fmt.Sprint("f", i), []byte("x"), began.Add(time.Duration(i)*time.Minute))
		end, err := s.Plan(t.Context(), at, batch.Limit{})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, s, at, end); len(got) != 1 {
			t.Fatalf("file %d: %d records", i, len(got))
		}
		at = end
	}
	if len(at) > 14 {
		t.Errorf("the offset remembers %d files", len(at)-1)
	}
	shelf.put("late", []byte("x"), began.Add(30*time.Minute))
	if end, err := s.Plan(t.Context(), at, batch.Limit{}); err != nil || !end.Equal(at) {
		t.Errorf("a file that is too old: %v, %v", end, err)
	}
	latest, err := s.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if end, err := s.Plan(t.Context(), latest, batch.Limit{}); err != nil || !end.Equal(latest) {
		t.Errorf("after the latest: %v, %v", end, err)
	}
}

func TestFilesMax(t *testing.T) {
	shelf := shelves(t)["folder"]
	for i := range 5 {
		shelf.put(fmt.Sprint("f", i), []byte(fmt.Sprint(i)), began.Add(time.Duration(5-i)*time.Second))
	}
	s := shelf.source(Options{FilesMax: 2})
	at, got := batch.Offset{}, ""
	for range 3 {
		end, err := s.Plan(t.Context(), at, batch.Limit{})
		if err != nil {
			t.Fatal(err)
		}
		got += strings.Join(read(t, s, at, end), "") + " " + s.Metrics()["numFilesOutstanding"] + "/" + s.Metrics()["numBytesOutstanding"] + " "
		at = end
	}
	if got != "34 3/3 12 1/1 0 0/0 " {
		t.Errorf("batches %q", got)
	}
}

func TestGone(t *testing.T) {
	shelf := shelves(t)["folder"]
	shelf.put("a", []byte("x"), began)
	s := shelf.source(Options{})
	end, err := s.Plan(t.Context(), batch.Offset{}, batch.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.place.String(), "a")); err != nil {
		t.Fatal(err)
	}
	err = s.Read(t.Context(), batch.Offset{}, end, func([]batch.Record) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "is gone") || batch.IsTemporary(err) {
		t.Errorf("%v", err)
	}
}

func FuzzOffset(f *testing.F) {
	f.Add("a", "1/2/3")
	f.Add(youngest, "7")
	f.Fuzz(func(t *testing.T, name, text string) {
		all, newest, err := files(batch.Offset{name: text})
		if err != nil {
			return
		}
		again, newestAgain, err := files(offsetOf(all, newest))
		if err != nil || newest > 0 && newest != newestAgain || !maps.Equal(all, again) {
			t.Fatalf("%q %q: %v, %v, %v", name, text, all, again, err)
		}
	})
}
