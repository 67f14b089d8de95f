package delta

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestInCommitTimestamps travels through a table whose commits carry their own time from version 2 on.
func TestInCommitTimestamps(t *testing.T) {
	objects := newMemory()
	const meta = `{"metaData":{"id":"x","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",\"fields\":[]}","partitionColumns":[],"configuration":{%s}}}`
	set := func(version int64, first, more string) {
		objects.set(commitKey(version), first+"\n"+more+"\n")
	}
	info := func(ms int64) string { return fmt.Sprintf(`{"commitInfo":{"inCommitTimestamp":%d,"timestamp":1}}`, ms) }
	set(0, `{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["inCommitTimestamp"]}}`, fmt.Sprintf(meta, ""))
	set(1, `{"commitInfo":{"timestamp":1}}`, "")
	enabled := int64(4_000_000_000_000) // after all times of objects
	set(2, info(enabled), fmt.Sprintf(meta, fmt.Sprintf(`"delta.enableInCommitTimestamps":"true","delta.inCommitTimestampEnablementVersion":"2","delta.inCommitTimestampEnablementTimestamp":"%d"`, enabled)))
	for v := int64(3); v < 20; v++ {
		set(v, info(enabled+v*10), "")
	}
	table, err := Open(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ ms, version int64 }{
		{enabled - 1, 1}, {enabled, 2}, {enabled + 29, 2}, {enabled + 30, 3}, {enabled + 155, 15}, {enabled + 9999, 19},
	} {
		s, err := table.SnapshotAsOf(t.Context(), time.UnixMilli(c.ms))
		if err != nil || s.Version() != c.version {
			t.Fatalf("as of %d: %v, want version %d", c.ms, err, c.version)
		}
		if want := time.UnixMilli(enabled + c.version*10); c.version > 2 && !s.Time().Equal(want) {
			t.Errorf("version %d is of %v, want %v", c.version, s.Time(), want)
		}
	}
	if _, err := table.SnapshotAsOf(t.Context(), time.UnixMilli(-1)); !errors.Is(err, ErrNoVersion) {
		t.Errorf("before the first: %v", err)
	}
	set(20, `{"add":{"path":"a","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}}`, info(enabled+1000))
	if _, err := table.SnapshotAsOf(t.Context(), time.UnixMilli(enabled+999)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a commit whose time is not first: %v", err)
	}
}
