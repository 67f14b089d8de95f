package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/objstore/mem"
)

// shortPages is a store that lists few objects at a time.
type shortPages struct{ objstore.Store }

func (s shortPages) List(ctx context.Context, bucket string, opts objstore.ListOptions) (objstore.Page, error) {
	opts.Limit = 3
	return s.Store.List(ctx, bucket, opts)
}

func TestInBucket(t *testing.T) {
	for _, prefix := range []string{"", "tables/rides", "tables/rides/"} {
		store := shortPages{mem.New(nil)}
		if err := store.CreateBucket(t.Context(), "lake"); err != nil {
			t.Fatal(err)
		}
		// Neighbours whose keys sort around the table's.
		for _, key := range []string{"tables/ride", "tables/rides-old/_delta_log/00000000000000000009.json", "zz"} {
			if _, err := store.Put(t.Context(), "lake", key, strings.NewReader("x"), objstore.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		objects := InBucket(store, "lake", prefix)
		table := createRides(t, objects, nil)
		for i := range 12 {
			appendFile(t, table, fmt.Sprintf("f%02d", i))
		}
		fresh, err := Open(t.Context(), objects)
		if err != nil {
			t.Fatal(err)
		}
		if s := snapshot(t, fresh); s.Version() != 12 || len(paths(t, s)) != 12 {
			t.Errorf("prefix %q: version %d, files %q", prefix, s.Version(), paths(t, s))
		}
		var keys []string
		for info, err := range objects.List(t.Context(), logFolder, commitKey(10)) {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, info.Key)
		}
		if want := []string{crcKey(11), commitKey(11), crcKey(12), commitKey(12), lastCheckpointKey}; !slices.Equal(keys, want) {
			t.Errorf("prefix %q: listed %q, want %q", prefix, keys, want)
		}
	}
	if _, err := Open(t.Context(), InBucket(mem.New(nil), "nowhere", "")); !errors.Is(err, objstore.ErrNoSuchBucket) {
		t.Errorf("without a bucket: %v", err)
	}
}

// bytesInParts serves ranges of one object.
type bytesInParts struct {
	body  []byte
	calls int
}

func (b *bytesInParts) GetRange(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	b.calls++
	return io.NopCloser(bytes.NewReader(b.body[offset : offset+length])), nil
}

func TestBlockReader(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	parts := &bytesInParts{body: make([]byte, 5*blockBytes+123)}
	for i := range parts.body {
		parts.body[i] = byte(i * 7 >> 3)
	}
	size := int64(len(parts.body))
	r := newBlockReader(t.Context(), parts, "k", size)
	whole := bytes.NewReader(parts.body)
	for range 300 {
		pos, n := rng.Int64N(size+10), rng.IntN(2*blockBytes)
		got, want := make([]byte, n), make([]byte, n)
		gotN, gotErr := r.ReadAt(got, pos)
		wantN, wantErr := whole.ReadAt(want, pos)
		if n > 0 && (gotN != wantN || !errors.Is(gotErr, wantErr) || !bytes.Equal(got, want)) {
			t.Fatalf("%d bytes at %d: %d, %v, want %d, %v", n, pos, gotN, gotErr, wantN, wantErr)
		}
	}
	if parts.calls != 6 {
		t.Errorf("%d reads of 6 blocks", parts.calls)
	}
}

// TestOthersInFolder: a table in a store of plain files is also written to by programs that know the folder only. Handles that
// are open, and those opened later, see their commits, and commit after them.
func TestOthersInFolder(t *testing.T) {
	dir := t.TempDir()
	db := meta.NewMem()
	store, err := file.Open(dir, db, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(store.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	}()
	if err := store.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	objects := InBucket(store, "lake", "rides")
	ours := createRides(t, objects, nil)
	appendFile(t, ours, "a")
	if _, err := ours.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	theirs, err := Open(t.Context(), Dir(filepath.Join(dir, "lake", "rides")))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"b", "c", "d"} {
		appendFile(t, theirs, name)
		if i == 1 {
			continue // two commits at once
		}
		fresh, err := Open(t.Context(), objects)
		if err != nil {
			t.Fatal(err)
		}
		for what, table := range map[string]*Table{"open": ours, "fresh": fresh} {
			if s := snapshot(t, table); s.Version() != int64(i+2) || len(paths(t, s)) != i+2 {
				t.Errorf("%s handle: version %d, files %q, want version %d", what, s.Version(), paths(t, s), i+2)
			}
		}
	}
	tx := ours.Begin(snapshot(t, ours))
	appendFile(t, theirs, "e")
	tx.Add(File{Path: "year=2019/f", Partition: map[string]*string{"year": text("2019")}, Size: 1})
	if v, err := tx.Commit(t.Context()); v != 6 || err != nil {
		t.Errorf("commit after another program's: version %d, %v", v, err)
	}
}
