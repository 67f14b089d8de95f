package delta

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/columnar"
)

// TestCreateWithFeatures makes tables with properties that need table features, and reads and writes them at once.
func TestCreateWithFeatures(t *testing.T) {
	ntz := &columnar.Schema{Fields: []columnar.Field{{Name: "at", Type: columnar.Type{Kind: columnar.TimestampNTZ}, Nullable: true}}}
	spaced := &columnar.Schema{Fields: []columnar.Field{{Name: "a b", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true}}}
	for _, c := range []struct {
		schema   *columnar.Schema
		props    map[string]string
		protocol string
	}{
		{ridesSchema(), nil, "reader 1, writer 2"},
		{ridesSchema(), map[string]string{"delta.enableDeletionVectors": "true"}, "reader 3, writer 7, appendOnly, deletionVectors, invariants"},
		{ridesSchema(), map[string]string{propChangeDataFeed: "true"}, "reader 1, writer 4"},
		{spaced, map[string]string{propMappingMode: "name"}, "reader 2, writer 5"},
		{ntz, map[string]string{"delta.feature.timestampNtz": "supported"}, "reader 3, writer 7, appendOnly, invariants, timestampNtz"},
		{ridesSchema(), map[string]string{propInCommit: "true"}, "reader 1, writer 7, appendOnly, inCommitTimestamp, invariants"},
		{ridesSchema(), map[string]string{propCheckpointPolicy: "v2", propCheckpointInterval: "1"}, "reader 3, writer 7, appendOnly, invariants, v2Checkpoint"},
	} {
		objects := newMemory()
		var by []string
		if c.schema.Index("year") >= 0 {
			by = []string{"year"}
		}
		table, err := Create(t.Context(), objects, CreateOptions{Schema: c.schema, PartitionBy: by, Properties: c.props})
		if err != nil {
			t.Errorf("%v: %v", c.props, err)
			continue
		}
		s := snapshot(t, table)
		p := s.Protocol()
		if got := p.text(); got != c.protocol {
			t.Errorf("%v: %s, want %s", c.props, got, c.protocol)
		}
		for key := range s.Properties() {
			if strings.HasPrefix(key, featurePrefix) {
				t.Errorf("%s is stored", key)
			}
		}
		if c.props[propInCommit] != "" && s.Time().IsZero() {
			t.Errorf("%v: no time", c.props)
		}
		if c.props[propMappingMode] != "" {
			if name := s.Physical().Fields[0].Name; !strings.HasPrefix(name, "col-") || s.Properties()[propMaxColumnID] != "1" {
				t.Errorf("physical name %q, properties %v", name, s.Properties())
			}
		}
		f := File{Path: "a", Size: 1, Stats: &Stats{NumRecords: 1}, Partition: map[string]*string{}}
		if by != nil {
			f = ride("a")
		}
		tx := table.Begin(s)
		tx.ChecksRows()
		tx.Add(f)
		if _, err := tx.Commit(t.Context()); err != nil {
			t.Errorf("%v: %v", c.props, err)
		}
		fresh, err := Open(t.Context(), objects)
		if err != nil {
			t.Errorf("%v: %v", c.props, err)
			continue
		}
		if got := paths(t, snapshot(t, fresh)); !slices.Equal(got, []string{"a"}) {
			t.Errorf("%v: %q", c.props, got)
		}
	}
}

// TestInCommitPreview writes to a table that has in-commit timestamps by the names of their preview.
func TestInCommitPreview(t *testing.T) {
	for props, want := range map[string]bool{``: false, `"delta.enableInCommitTimestamps-preview":"true"`: true, `"delta.enableInCommitTimestamps":"true"`: false} {
		objects := newMemory()
		table := featured(t, objects, nil, []string{featureInCommitPreview}, props)
		appendFile(t, table, "a")
		info, err := table.Info(t.Context(), 1)
		if err != nil || (info.InCommitTimestamp != nil) != want {
			t.Errorf("%s: %+v, %v", props, info, err)
		}
		if want && !snapshot(t, table).Time().Equal(time.UnixMilli(*info.InCommitTimestamp)) {
			t.Errorf("time %v", snapshot(t, table).Time())
		}
	}
}
