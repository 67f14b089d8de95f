package delta

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

// parquetFile is a data file with the ids 0 to rows-1.
func parquetFile(t testing.TB, rows int) []byte {
	t.Helper()
	type row struct {
		ID int64 `parquet:"id"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	for i := range rows {
		if _, err := w.Write([]row{{int64(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// aged is a table whose clock the test moves.
type aged struct {
	*memory
	table *Table
	clock time.Time
}

func newAged(t testing.TB, properties map[string]string) *aged {
	a := &aged{memory: newMemory(), clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	a.now = func() time.Time { return a.clock }
	var err error
	a.table, err = Create(t.Context(), a.memory, CreateOptions{
		Schema: ridesSchema(), PartitionBy: []string{"year"}, Properties: properties, Now: a.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// add puts a real data file of three rows at a path and adds it to the table.
func (a *aged) add(t testing.TB, path string) {
	t.Helper()
	body := parquetFile(t, 3)
	a.set(path, string(body))
	tx := a.table.Begin(snapshot(t, a.table))
	f := ride(path)
	f.Size = int64(len(body))
	tx.Add(f)
	a.commit(t, tx)
}

func (a *aged) remove(t testing.TB, path string) {
	t.Helper()
	tx := a.table.Begin(snapshot(t, a.table))
	tx.Remove(path)
	a.commit(t, tx)
}

func (a *aged) commit(t testing.TB, tx *Transaction) {
	t.Helper()
	a.clock = a.clock.Add(time.Minute)
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestVacuum(t *testing.T) {
	a := newAged(t, nil)
	for _, path := range []string{"year=2019/live", "year=2019/gone long ago", "year=2019/gone lately"} {
		a.add(t, path)
	}
	stray := []string{"stray", "year=2019/stray", "_change_data/cdc-1", "deletion_vector_x.bin", "zz/deep/stray", "year=2019/" + tempPrefix + "1"}
	kept := []string{"_hidden/x", ".hidden", "a/_temporary/x", "_metadata"}
	for _, path := range append(stray, kept...) {
		a.set(path, "x")
	}
	a.remove(t, "year=2019/gone long ago")
	a.clock = a.clock.Add(6 * 24 * time.Hour)
	a.remove(t, "year=2019/gone lately")
	a.clock = a.clock.Add(2 * 24 * time.Hour)
	a.set("written just now", "x") // by a writer that has not committed yet
	before := maps.Clone(a.objects)

	var found []string
	opts := VacuumOptions{DryRun: true, Found: func(key string, _ int64) { found = append(found, key) }}
	out, err := a.table.Vacuum(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	want := append(slices.Clone(stray), "year=2019/gone long ago")
	slices.Sort(want)
	if !slices.Equal(found, want) || out.Files != len(want) || len(a.objects) != len(before) {
		t.Fatalf("a dry run finds %q, want %q", found, want)
	}
	if _, err := a.table.Vacuum(t.Context(), VacuumOptions{Record: true}); err != nil {
		t.Fatal(err)
	}
	for key := range before {
		if _, there := a.objects[key]; there == slices.Contains(want, key) {
			t.Errorf("%s is there: %v", key, there)
		}
	}
	var operations []string
	for c, err := range a.table.History(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		operations = append(operations, c.Info.Operation)
	}
	if !slices.Equal(operations[:3], []string{"VACUUM END", "VACUUM START", "WRITE"}) {
		t.Errorf("history %q", operations)
	}
	if _, err := a.table.Vacuum(t.Context(), VacuumOptions{Retention: time.Hour}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a short retention: %v", err)
	}
	if out, err := a.table.Vacuum(t.Context(), VacuumOptions{Retention: time.Hour, Force: true}); err != nil || out.Files != 1 {
		t.Errorf("forced: %+v, %v", out, err)
	}
	if out, err := a.table.Vacuum(t.Context(), VacuumOptions{NoRetention: true, Force: true}); err != nil || out.Files != 0 {
		t.Errorf("forced without retention: %+v, %v: an object of this very moment stays", out, err)
	}
}

// TestVacuumLongRetention keeps what a longer retention than the table's asks for, although its tombstones are forgotten.
func TestVacuumLongRetention(t *testing.T) {
	a := newAged(t, map[string]string{propFileRetention: "interval 1 days", propCheckpointInterval: "1"})
	a.add(t, "x")
	a.clock = a.clock.Add(24 * time.Hour)
	a.remove(t, "x")
	a.clock = a.clock.Add(5 * 24 * time.Hour)
	a.add(t, "y")
	fresh, err := OpenWith(t.Context(), a.memory, Options{Now: a.now})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		retention time.Duration
		files     int
	}{{0, 1}, {3 * 24 * time.Hour, 1}, {5*24*time.Hour + time.Hour, 0}} {
		out, err := fresh.Vacuum(t.Context(), VacuumOptions{Retention: c.retention, DryRun: true})
		if err != nil || out.Files != c.files {
			t.Errorf("retention %v: %+v, %v", c.retention, out, err)
		}
	}
}

func TestVacuumChecksProtocol(t *testing.T) {
	objects := newMemory()
	table := featured(t, objects, nil, []string{"shining"}, "")
	if _, err := table.Vacuum(t.Context(), VacuumOptions{}); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

func TestRestore(t *testing.T) {
	a := newAged(t, nil)
	a.add(t, "a")
	a.add(t, "b")
	if _, err := a.table.SetProperties(t.Context(), map[string]string{"owner": "ann"}, nil); err != nil {
		t.Fatal(err)
	}
	a.remove(t, "a")
	a.add(t, "c")
	out, err := a.table.Restore(t.Context(), 2, RestoreOptions{})
	if err != nil || out.Version != 6 || out.Added.Files != 1 || out.Removed.Files != 1 || out.Removed.Rows != 3 {
		t.Fatalf("%+v, %v", out, err)
	}
	s := snapshot(t, a.table)
	if got := paths(t, s); !slices.Equal(got, []string{"a", "b"}) || s.Properties()["owner"] != "" {
		t.Errorf("files %q, properties %v", got, s.Properties())
	}
	if out, err := a.table.Restore(t.Context(), 2, RestoreOptions{}); err != nil || out.Version != 6 {
		t.Errorf("nothing to restore: %+v, %v", out, err)
	}
	delete(a.objects, "c")
	var missing *MissingFiles
	if _, err := a.table.Restore(t.Context(), 5, RestoreOptions{}); !errors.As(err, &missing) || !errors.Is(err, ErrNoVersion) || missing.Count != 1 || missing.Some[0] != "c" {
		t.Errorf("with a missing file: %v", err)
	}
	if out, err := a.table.Restore(t.Context(), 5, RestoreOptions{IgnoreMissing: true}); err != nil || out.Missing != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if got := paths(t, snapshot(t, a.table)); !slices.Equal(got, []string{"b"}) {
		t.Errorf("files %q", got)
	}
}

func TestDiff(t *testing.T) {
	a := newAged(t, nil)
	a.add(t, "a")
	a.add(t, "b")
	a.remove(t, "a")
	if _, err := a.table.SetProperties(t.Context(), map[string]string{"delta.enableChangeDataFeed": "true"}, nil); err != nil {
		t.Fatal(err)
	}
	d, err := a.table.Diff(t.Context(), 1, 4)
	if err != nil || d.Added.Files != 1 || d.Removed.Files != 1 || d.Added.Rows != 3 || d.Protocol == nil || len(d.Columns) > 0 ||
		!slices.Equal(d.Properties, []Altered{{"delta.enableChangeDataFeed", "", "true"}}) {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := a.table.Diff(t.Context(), 2, 2); err != nil || d.Added.Files+d.Removed.Files > 0 || d.Protocol != nil {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestSetProperties(t *testing.T) {
	for _, c := range []struct {
		key, value string
		want       error
		protocol   string
	}{
		{"owner", "ann", nil, "reader 1, writer 2"},
		{"delta.checkpointInterval", "20", nil, "reader 1, writer 2"},
		{"delta.checkpointInterval", "0", ErrInvalid, ""},
		{"delta.logRetentionDuration", "interval 60 days", nil, "reader 1, writer 2"},
		{"delta.logRetentionDuration", "soon", ErrInvalid, ""},
		{"delta.enableChangeDataFeed", "true", nil, "reader 1, writer 4"},
		{"delta.enableDeletionVectors", "true", nil, "reader 3, writer 7, appendOnly, deletionVectors, invariants"},
		{"delta.enableInCommitTimestamps", "true", nil, "reader 1, writer 7, appendOnly, inCommitTimestamp, invariants"},
		{"delta.checkpointPolicy", "v2", nil, "reader 3, writer 7, appendOnly, invariants, v2Checkpoint"},
		{"delta.feature.vacuumProtocolCheck", "supported", nil, "reader 3, writer 7, appendOnly, invariants, vacuumProtocolCheck"},
		{"delta.feature.shining", "supported", ErrUnsupported, ""},
		{"delta.feature.appendOnly", "yes", ErrInvalid, ""},
		{"delta.shining", "true", ErrUnsupported, ""},
	} {
		a := newAged(t, nil)
		a.add(t, "a")
		_, err := a.table.SetProperties(t.Context(), map[string]string{c.key: c.value}, nil)
		if !errors.Is(err, c.want) {
			t.Errorf("%s=%s: %v, want %v", c.key, c.value, err, c.want)
		}
		if s := snapshot(t, a.table); c.want == nil && (s.protocol.text() != c.protocol || !strings.HasPrefix(c.key, featurePrefix) && s.Properties()[c.key] != c.value) {
			t.Errorf("%s=%s: %s, %v", c.key, c.value, s.protocol.text(), s.Properties())
		}
		a.add(t, "b")
		if fresh, err := OpenWith(t.Context(), a.memory, Options{Now: a.now}); err != nil || len(paths(t, snapshot(t, fresh))) != 2 {
			t.Errorf("%s=%s: %v", c.key, c.value, err)
		}
		if report, err := a.table.Check(t.Context(), CheckOptions{}); err != nil || len(report.Problems) > 0 {
			t.Errorf("%s=%s: %v, %v", c.key, c.value, report, err)
		}
	}
	a := newAged(t, map[string]string{"owner": "ann"})
	if v, err := a.table.SetProperties(t.Context(), nil, []string{"owner"}); err != nil || v != 1 || len(snapshot(t, a.table).Properties()) > 0 {
		t.Errorf("unset: %d, %v", v, err)
	}
	if _, err := a.table.SetProperties(t.Context(), nil, []string{"owner"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("unset again: %v", err)
	}
}
