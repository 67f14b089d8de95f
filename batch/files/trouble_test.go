package files

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/weir-data/weir/batch"
)

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readAgain reads a range until its error is not temporary, and returns the records of the last time: their text, or why they are refused.
func readAgain(t *testing.T, s *Source, start, end batch.Offset) (all []string, tries int) {
	t.Helper()
	for {
		all, tries = nil, tries+1
		err := s.Read(t.Context(), start, end, func(recs []batch.Record) error {
			for _, r := range recs {
				text := string(r.Data)
				if r.Refused != "" {
					text = fmt.Sprintf("%s@%s!%s", r.Shard, r.SeqNum, r.Refused)
				}
				all = append(all, text)
			}
			return nil
		})
		if err == nil {
			return all, tries
		}
		if !batch.IsTemporary(err) || tries > 5 {
			t.Fatal(err)
		}
	}
}

func planAll(t *testing.T, s *Source, start batch.Offset) batch.Offset {
	t.Helper()
	end, err := s.Plan(t.Context(), start, batch.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// TestBrokenFiles has files whose contents are broken among others: each is one record that is refused, whoever reads it, and no line of it comes.
func TestBrokenFiles(t *testing.T) {
	text := strings.Repeat("a line of a file\n", 2000)
	whole := zipped(t, text)
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-6] ^= 1 // its checksum
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	zst := z.EncodeAll([]byte(text), nil)
	for name, shelf := range shelves(t) {
		t.Run(name, func(t *testing.T) {
			opts := Options{expandedMax: 50_000, recordMax: 1000}
			files := []struct {
				name string
				data []byte
				want string
			}{
				{"a.json", []byte("one\n"), "one"},
				{"b.gz", whole[:len(whole)/2], "b.gz@0!the file as a whole: it ends too early"},
				{"c.gz", []byte("no gzip"), "c.gz@0!the file as a whole: "},
				{"d.gz", damaged, "d.gz@0!the file as a whole: cannot be decompressed: gzip: invalid checksum"},
				{"e.zst", zst[:len(zst)-3], "e.zst@0!the file as a whole: "},
				{"f.gz", zipped(t, strings.Repeat(text, 10)), "f.gz@0!the file as a whole: decompressed, it is too large"},
				{"g.gz", nil, "g.gz@0!the file as a whole: "},
				{"h.gz", zipped(t, "two\nthree"), "two"},
				{"", nil, "three"},
				{"i.json", []byte("four\n" + strings.Repeat("x", 2000) + "\nfive"), "four"},
				{"", nil, "i.json@5!a line of 2001 bytes, the most is 1000"},
				{"", nil, "five"},
				{"j.gz", zipped(t, "six\n"+strings.Repeat("x", 2000)), "six"},
				{"", nil, "j.gz@4!a line of 2000 bytes, the most is 1000"},
			}
			for _, f := range files {
				if f.name != "" {
					shelf.put(f.name, f.data, began)
				}
			}
			s := shelf.source(opts)
			end := planAll(t, s, batch.Offset{})
			for _, s := range []*Source{s, shelf.source(opts)} {
				for round, most := range []int{2, 1} { // they are known by the second
					got, tries := readAgain(t, s, batch.Offset{}, end)
					if tries > most {
						t.Errorf("round %d: read %d times", round, tries)
					}
					for i, f := range files {
						if i >= len(got) || !strings.HasPrefix(got[i], f.want) {
							t.Fatalf("record %d of %q, not %q", i, got, f.want)
						}
					}
					if len(got) != len(files) {
						t.Errorf("%d records: %q", len(got), got)
					}
				}
			}
		})
	}
}

// TestHeaderTooLong refuses a file whose header is too long, each part of it.
func TestHeaderTooLong(t *testing.T) {
	shelf := shelves(t)["folder"]
	shelf.put("a.csv", []byte(strings.Repeat("x", 200)+"\n1\n2\n"), began)
	s := shelf.source(Options{Header: true, recordMax: 100})
	end := batch.Offset{"a.csv": taken{202, 205, began}.String()}
	for _, r := range [][2]batch.Offset{{{}, end}, {end, planAll(t, s, end)}} {
		if got, _ := readAgain(t, s, r[0], r[1]); len(got) != 1 || !strings.Contains(got[0], "its header has more than 100 bytes") {
			t.Errorf("%q", got)
		}
	}
}

// TestChangedFiles reads files that have changed since they were planned: what was added does not count, what was taken away is an error.
func TestChangedFiles(t *testing.T) {
	for _, name := range []string{"a.json", "a.gz"} {
		for place, shelf := range shelves(t) {
			data := func(text string) []byte {
				if name == "a.gz" {
					return zipped(t, text)
				}
				return []byte(text)
			}
			shelf.put(name, data("one\ntwo\n"), began)
			s := shelf.source(Options{})
			end := planAll(t, s, batch.Offset{})
			shelf.put(name, append(data("one\ntwo\n"), data("three\n")...), began.Add(time.Minute))
			if got, _ := readAgain(t, s, batch.Offset{}, end); strings.Join(got, " ") != "one two" {
				t.Errorf("%s in a %s that has grown: %q", name, place, got)
			}
			if again := planAll(t, s, end); !again.Equal(end) {
				t.Errorf("%s in a %s that has grown is planned again: %v", name, place, again)
			}
			shelf.put(name, data("one\ntwo\n")[:5], began.Add(2*time.Minute))
			err := s.Read(t.Context(), batch.Offset{}, end, func([]batch.Record) error { return nil })
			if err == nil || !strings.Contains(err.Error(), "is shorter by") || batch.IsTemporary(err) {
				t.Errorf("%s in a %s that has shrunk: %v", name, place, err)
			}
		}
	}
}

// refusing is a place that nobody may read.
type refusing struct{ place }

func (refusing) list(context.Context, func(entry)) error {
	return advised(fmt.Errorf("open in: %w", fs.ErrPermission))
}

// TestAdvice says what to do about files and folders that cannot be read, and does not try again.
func TestAdvice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := InFolder(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]*Source{"bring the folder back": s, "let the user read it": {place: refusing{}, opts: Options{}.defaults()}} {
		s.place = named{s.place}
		_, err := s.Plan(t.Context(), batch.Offset{}, batch.Limit{})
		if err == nil || !strings.Contains(err.Error(), want) || batch.IsTemporary(err) {
			t.Errorf("%s: %v", want, err)
		}
		if wait := s.Wait(t.Context(), batch.Offset{}); wait == nil || !strings.Contains(wait.Error(), want) {
			t.Errorf("%s: wait: %v", want, wait)
		}
	}
	if !errors.Is(advised(fs.ErrPermission), fs.ErrPermission) || advised(nil) != nil {
		t.Error("an error has become another")
	}
}

// named is a place with a name.
type named struct{ place }

func (named) String() string { return "in" }

// TestClocksDisagree has files whose time lies in the future, as after a step of the clock: they are taken when nobody has written to them for a while, and make no
// others too old.
func TestClocksDisagree(t *testing.T) {
	dir, now := t.TempDir(), began
	s, err := InFolder(dir, Options{MaxAge: time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	at := batch.Offset{}
	put := func(name, text string, mod time.Time) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, mod, mod)); err != nil {
			t.Fatal(err)
		}
	}
	takes := func(want string) {
		t.Helper()
		end := planAll(t, s, at)
		if got := strings.Join(read(t, s, at, end), " "); got != want {
			t.Errorf("at %v: %q, not %q", now, got, want)
		}
		at = end
	}
	put("far", "far", began.Add(100*365*24*time.Hour))
	put("hour", "ho", began.Add(time.Hour))
	takes("")
	now = now.Add(time.Second / 2)
	put("hour", "hour", began.Add(time.Hour+time.Second/2)) // still being written
	takes("")
	now = now.Add(time.Second / 2)
	takes("far")
	now = now.Add(time.Second / 2)
	takes("hour")
	put("new", "new", now.Add(-2*time.Second))
	takes("new")
	now = now.Add(24 * time.Hour) // the clock goes forward by a day, and back
	put("day", "day", now.Add(-time.Second))
	takes("day")
	now = now.Add(-24 * time.Hour)
	takes("")
	put("old", "old", now.Add(-2*time.Second)) // which is older than MaxAge now
	takes("")
}
