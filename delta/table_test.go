package delta

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

func TestAppendAndRead(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, nil)
	for i := range 25 {
		if v := appendFile(t, table, fmt.Sprintf("year=2019/part-%02d.parquet", i)); v != int64(i+1) {
			t.Fatalf("version %d, want %d", v, i+1)
		}
	}
	for _, key := range []string{checkpointKey(10), checkpointKey(20), lastCheckpointKey} {
		if _, ok := objects.objects[key]; !ok {
			t.Errorf("%s was not written", key)
		}
	}
	fresh, err := Open(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	s := snapshot(t, fresh)
	if got, want := paths(t, s), paths(t, snapshot(t, table)); s.Version() != 25 || len(got) != 25 || !slices.Equal(got, want) {
		t.Errorf("version %d has %d files %q, the writer has %q", s.Version(), len(got), got, want)
	}
	if !reflect.DeepEqual(s.Schema(), ridesSchema()) {
		t.Errorf("schema %v", s.Schema())
	}
	old, err := fresh.SnapshotAt(t.Context(), 12)
	if err != nil {
		t.Fatal(err)
	}
	if got := paths(t, old); len(got) != 12 {
		t.Errorf("version 12 has %d files", len(got))
	}
	if _, err := fresh.SnapshotAt(t.Context(), 26); !errors.Is(err, ErrNoVersion) {
		t.Errorf("version 26: %v", err)
	}
}
