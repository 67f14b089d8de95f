package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/mem"
)

// result writes files whose text says which batch they are of.
type result struct {
	batch.Rows
	text  string
	parts []string
}

func (r result) Write(_ context.Context, opts batch.WriteOptions) (files []batch.ParquetFile, err error) {
	for i, p := range r.parts {
		f := batch.ParquetFile{Path: filepath.Join(opts.Dir, fmt.Sprint(i)), Partition: map[string]*string{"p": &p}, Rows: 10, Size: int64(len(r.text))}
		if err := os.WriteFile(f.Path, []byte(r.text), 0o644); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// halting fails at the n-th put from now on.
type halting struct {
	objstore.Store
	n atomic.Int64
}

var errHalt = errors.New("power went")

func (h *halting) Put(ctx context.Context, bucket, key string, body io.Reader, opts objstore.PutOptions) (objstore.Info, error) {
	if h.n.Add(-1) < 0 {
		return objstore.Info{}, errHalt
	}
	return h.Store.Put(ctx, bucket, key, body, opts)
}

// rowsIn are the texts of the files that readers see.
func rowsIn(t *testing.T, store objstore.Store) (texts []string) {
	t.Helper()
	page, err := store.List(t.Context(), "lake", objstore.ListOptions{Prefix: "out/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range page.Objects {
		if strings.Contains(o.Key, "/_") {
			continue
		}
		r, _, err := store.Get(t.Context(), "lake", o.Key, nil)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(raw))
	}
	return texts
}

func open(t *testing.T, store objstore.Store) (*Sink, int64) {
	t.Helper()
	s, err := New(Options{Store: store, Location: "s3://lake/out/", PartitionBy: []string{"p"}, Staging: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	last, err := s.Open(t.Context(), batch.Output{Pipeline: "pipe"})
	if err != nil {
		t.Fatal(err)
	}
	return s, last
}

// TestCrashes stops batch 1 at each of its puts. Run again, with its rows in other files, it is there once.
func TestCrashes(t *testing.T) {
	for puts := range 6 {
		store := mem.New(time.Now)
		if err := store.CreateBucket(t.Context(), "lake"); err != nil {
			t.Fatal(err)
		}
		s, last := open(t, store)
		if last != -1 {
			t.Fatalf("an empty folder holds batch %d", last)
		}
		if _, err := s.Write(t.Context(), 0, result{text: "zero", parts: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		halting := &halting{Store: store}
		halting.n.Store(int64(puts))
		s, _ = open(t, halting)
		_, err := s.Write(t.Context(), 1, result{text: "one, cut off", parts: []string{"a", "b", "c"}})
		if crashed := puts < 5; errors.Is(err, errHalt) != crashed {
			t.Fatalf("after %d puts: %v", puts, err)
		}
		s, last = open(t, store)
		if want := map[bool]int64{true: 1, false: 0}[puts >= 5]; last != want {
			t.Errorf("after %d puts the folder holds batch %d, not %d", puts, last, want)
		}
		w, err := s.Write(t.Context(), 1, result{text: "one", parts: []string{"a", "b"}})
		if err != nil || w.Replayed != (puts >= 5) {
			t.Fatalf("after %d puts: %+v, %v", puts, w, err)
		}
		want := "one one zero"
		if puts >= 5 {
			want = "one, cut off one, cut off one, cut off zero"
		}
		got := rowsIn(t, store)
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("after %d puts: %q", puts, got)
		}
	}
}

// TestFolder writes to a folder of this machine, and removes an attempt that was cut off.
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	s, err := New(Options{Location: "file://" + dir, PartitionBy: []string{"p"}, Staging: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if last, err := s.Open(t.Context(), batch.Output{Pipeline: "pipe"}); err != nil || last != -1 {
		t.Fatal(last, err)
	}
	if _, err := s.Write(t.Context(), 0, result{text: "zero", parts: []string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	s.held.Done = false // as if it had been cut off, in the middle of a file
	if err := os.WriteFile(unfinished(filepath.Join(dir, s.held.Files[1])), []byte("hal"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), 0, result{text: "again", parts: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	var texts []string
	files, err := filepath.Glob(filepath.Join(dir, "p=*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(raw))
	}
	if strings.Join(texts, " ") != "again" {
		t.Errorf("%q", texts)
	}
	if last, err := s.Open(t.Context(), batch.Output{Pipeline: "pipe"}); err != nil || last != 0 {
		t.Error(last, err)
	}
	if _, err := s.Open(t.Context(), batch.Output{Pipeline: "pipe", Mode: batch.Update}); err == nil {
		t.Error("output mode update is taken")
	}
}
