package delta

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// logNames are the objects of a log without its folder.
func logNames(m *memory) []string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if name, ok := strings.CutPrefix(key, logFolder); ok {
			names = append(names, strings.TrimLeft(name, "0"))
		}
	}
	return names
}

func TestVersionChecksum(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, nil)
	appendFile(t, table, "a")
	body := string(objects.objects[crcKey(1)].body)
	for _, want := range []string{`"tableSizeBytes":10,"numFiles":1,"numMetadata":1,"numProtocol":1`, `"metadata":{"id":`, `"protocol":{`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s lacks %s", body, want)
		}
	}
	for _, c := range []struct{ name, from, to, wrong string }{
		{"as it is", "", "", ""},
		{"files", `"numFiles":1`, `"numFiles":2`, "1 files instead of 2"},
		{"bytes", `"tableSizeBytes":10`, `"tableSizeBytes":11`, "10 bytes"},
		{"protocol", `"minWriterVersion":2`, `"minWriterVersion":3`, "protocol"},
		{"damaged", `{`, `[`, ""},
	} {
		objects.set(crcKey(1), strings.Replace(body, c.from, c.to, 1))
		_, err := Open(t.Context(), objects)
		if c.wrong == "" && err != nil || c.wrong != "" && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
	}
}

func FuzzChecksum(f *testing.F) {
	f.Add([]byte(`{"numFiles":1,"tableSizeBytes":1,"numMetadata":1,"numProtocol":1,"metadata":{"id":"x"},"protocol":{"minReaderVersion":1},"setTransactions":[{"appId":"a"}]}`))
	objects := newMemory()
	s := snapshot(f, createRides(f, objects, nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, err := decodeChecksum(body); err == nil {
			_ = c.compare(s)
		}
	})
}

func TestLogCompaction(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, map[string]string{propCheckpointInterval: "100", propCompactionInterval: "4"})
	for i := range 9 {
		appendFile(t, table, fmt.Sprint("f", i))
		if i == 5 {
			tx := table.Begin(snapshot(t, table))
			tx.Remove("f0")
			tx.SetTxn("app", 3)
			tx.SetDomain(DomainMetadata{Domain: "d", Configuration: "{}"})
			if _, err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, want := range []string{compactedKey(0, 3), compactedKey(4, 7)} {
		if objects.objects[want].body == nil {
			t.Fatalf("no %s in %q", want, logNames(objects))
		}
	}
	objects.takeOps()
	fresh, err := Open(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	ops := objects.takeOps()
	if n := slices.IndexFunc(ops, func(op string) bool { return op == "get "+commitKey(2) || op == "get "+commitKey(6) }); n >= 0 {
		t.Errorf("a commit was read that is compacted: %q", ops)
	}
	s := snapshot(t, fresh)
	if v, _ := s.Txn("app"); v != 3 || s.domains["d"].Configuration != "{}" || !slices.Equal(paths(t, s), paths(t, snapshot(t, table))) {
		t.Errorf("files %q, txn %d, domains %v", paths(t, s), v, s.domains)
	}
	// A version within a compaction is read from the commits.
	if s, err := fresh.SnapshotAt(t.Context(), 6); err != nil || len(paths(t, s)) != 6 {
		t.Errorf("version 6: %v", err)
	}
}

func TestCleanLog(t *testing.T) {
	objects := newMemory()
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	clock := start
	objects.now = func() time.Time { return clock }
	table, err := Create(t.Context(), objects, CreateOptions{
		Schema: ridesSchema(), PartitionBy: []string{"year"}, Now: objects.now,
		Properties: map[string]string{propCheckpointInterval: "5", propCompactionInterval: "3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	stale := snapshot(t, table)
	for i := range 20 { // a day each
		clock = clock.Add(24 * time.Hour)
		appendFile(t, table, fmt.Sprint("f", i))
	}
	if _, err := table.SnapshotAt(t.Context(), 1); err != nil {
		t.Errorf("within the retention: %v", err)
	}
	clock = clock.Add(20 * 24 * time.Hour) // versions up to 9 are older than thirty days, by the day
	removed, err := table.cleanLog(t.Context(), snapshot(t, table))
	if err != nil {
		t.Fatal(err)
	}
	names := logNames(objects)
	for _, want := range []string{"5.checkpoint.parquet", "5.json", "5.crc", "6.json", "6.00000000000000000008.compacted.json"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is gone", want)
		}
	}
	for _, gone := range []string{"4.json", "4.crc", "3.00000000000000000005.compacted.json", ".json"} {
		if slices.Contains(names, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
	if removed == 0 {
		t.Error("nothing was removed")
	}
	if s, err := table.SnapshotAt(t.Context(), 5); err != nil || len(paths(t, s)) != 5 {
		t.Errorf("version 5: %v", err)
	}
	// A commit that is based on what is gone must not fill the hole.
	tx := table.Begin(stale)
	tx.Add(ride("late"))
	if v, err := tx.Commit(t.Context()); !errors.Is(err, ErrNoVersion) {
		t.Errorf("committed version %d, %v", v, err)
	}
}

func TestCleanSidecars(t *testing.T) {
	objects := newMemory()
	clock := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
	objects.now = func() time.Time { return clock }
	table := featured(t, objects, []string{"v2Checkpoint"}, []string{"domainMetadata"}, `"delta.checkpointInterval":"2"`)
	table.opts.Now = objects.now
	appendFile(t, table, "a")
	appendFile(t, table, "b")
	objects.set(sidecarFolder+"stray.parquet", "x")
	for _, c := range []struct {
		age  time.Duration
		want int
	}{{0, 0}, {24 * time.Hour, 0}, {49 * time.Hour, 1}, {100 * time.Hour, 0}} {
		clock = time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC).Add(c.age)
		if n, err := table.cleanSidecars(t.Context()); n != c.want || err != nil {
			t.Errorf("after %v: %d removed, %v", c.age, n, err)
		}
	}
	if _, err := Open(t.Context(), objects); err != nil {
		t.Error(err)
	}
}
