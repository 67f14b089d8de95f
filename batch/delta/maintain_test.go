package delta

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-data/weir/batch"
	table "github.com/weir-data/weir/delta"
)

// notes is a compactor that writes down what it is told: "skip", or the number of files.
type notes struct {
	told []string
	err  error
}

func (n *notes) Skip() { n.told = append(n.told, "skip") }

func (n *notes) Compact(_ context.Context, added []table.File) error {
	n.told = append(n.told, fmt.Sprint(len(added)))
	return n.err
}

// A pipeline that is behind leaves its small files, but not for ever: then the compactor is told of all of them at once.
func TestMaintenanceWaitsWhileBehind(t *testing.T) {
	f := newFixture(t)
	s := f.sink(t, nil)
	if _, err := s.Open(t.Context(), batch.Output{Pipeline: "pipe", Schema: schema(t, "s string", "p string")}); err != nil {
		t.Fatal(err)
	}
	n := new(notes)
	s.compactor = n
	id := int64(0)
	batches := func(count int, behind bool) {
		t.Helper()
		for range count {
			if _, err := s.Write(t.Context(), id, writer{partitions: []string{"a", "b"}}); err != nil {
				t.Fatal(err)
			}
			id++
			s.Maintain(t.Context(), behind)
		}
	}
	expect := func(want string) {
		t.Helper()
		if got := strings.Join(n.told, " "); got != want {
			t.Errorf("the compactor was told %q, not %q", got, want)
		}
		n.told = nil
	}
	s.Maintain(t.Context(), false)
	expect("") // nothing was added
	batches(2, false)
	expect("2 2")
	batches(3, true)
	batches(1, false)
	expect("skip skip skip 8")
	batches(leftMax+1, true)
	expect(strings.Repeat("skip ", leftMax-1) + fmt.Sprint(2*leftMax) + " skip")
	n.err = errors.New("no space left")
	batches(1, false) // logged, and no more
	expect("4")
	n.err = nil
	batches(1, false)
	expect("2") // what the one before was told of the compactor looks up by itself
}
