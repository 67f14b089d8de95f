package objects

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/objstore/mem"
)

func plan(n int64, at string) batch.Plan {
	return batch.Plan{Batch: n, Time: time.Unix(n, 0).UTC(), Sources: map[string]batch.Range{
		"source": {Of: "s", Start: batch.Offset{"0": "1"}, End: batch.Offset{"0": at}},
	}}
}

func TestProgress(t *testing.T) {
	store := mem.New(nil)
	if err := store.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	open := func() *Progress {
		p, err := New(store, "s3://lake/_weir/rides/")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := open()
	if got, err := p.Load(t.Context()); err != nil || got.Plan != nil || got.Mark.Batch != -1 {
		t.Fatalf("empty: %+v, %v", got, err)
	}
	for n := range int64(batch.PlansKept + 5) {
		if err := p.SavePlan(t.Context(), plan(n, "2")); err != nil {
			t.Fatal(err)
		}
		got, err := open().Load(t.Context())
		if err != nil || got.Plan == nil || got.Plan.Batch != n || got.Plan.Sources["source"].End["0"] != "2" || got.Mark.Batch != n-1 {
			t.Fatalf("after plan %d: %+v, %v", n, got, err)
		}
		if err := p.SaveMark(t.Context(), batch.Mark{Batch: n}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := open().Load(t.Context())
	if err != nil || got.Mark.Batch != batch.PlansKept+4 {
		t.Fatalf("at the end: %+v, %v", got, err)
	}
}

// Two processes that run the same pipeline plan different ranges under the same number: the later one must stop. The
// same plan again is a put whose answer was lost.
func TestSecondProcessStops(t *testing.T) {
	store := mem.New(nil)
	if err := store.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	a, _ := New(store, "s3://lake/p")
	b, _ := New(store, "s3://lake/p")
	if err := a.SavePlan(t.Context(), plan(0, "5")); err != nil {
		t.Fatal(err)
	}
	if err := a.SavePlan(t.Context(), plan(0, "5")); err != nil {
		t.Fatalf("the same plan again: %v", err)
	}
	if err := b.SavePlan(t.Context(), plan(0, "7")); !errors.Is(err, batch.ErrProgress) {
		t.Fatalf("another plan of the same number: %v", err)
	}
}

func TestFolder(t *testing.T) {
	store := mem.New(nil)
	f, err := NewFolder(store, "s3://lake/_weir/state/")
	if err != nil {
		t.Fatal(err)
	}
	if names, err := f.List(t.Context(), ""); err != nil || len(names) != 0 {
		t.Errorf("no bucket: %v, %v", names, err)
	}
	if err := store.CreateBucket(t.Context(), "lake"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), "runs/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get of nothing: %v", err)
	}
	for _, name := range []string{"runs/a", "runs/b", "versions/1"} {
		if err := f.Put(t.Context(), name, strings.NewReader("of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := f.List(t.Context(), "runs/"); err != nil || !slices.Equal(names, []string{"runs/a", "runs/b"}) {
		t.Errorf("names %v, %v", names, err)
	}
	r, err := f.Get(t.Context(), "versions/1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); err != nil || string(data) != "of versions/1" {
		t.Errorf("got %q, %v", data, err)
	}
	if err := errors.Join(f.Delete(t.Context(), "runs/a"), f.Delete(t.Context(), "runs/a")); err != nil {
		t.Error(err)
	}
	if names, err := f.List(t.Context(), ""); err != nil || len(names) != 2 {
		t.Errorf("after a delete: %v, %v", names, err)
	}
}
