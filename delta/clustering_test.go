package delta

import (
	"errors"
	"strings"
	"testing"
)

func clusteredTable(t *testing.T, objects *memory, columns, properties string) *Table {
	t.Helper()
	schema := strings.ReplaceAll(string(ridesSchema().JSON()), `"`, `\"`)
	objects.set(commitKey(0), `{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["clustering","domainMetadata"]}}`+"\n"+
		`{"metaData":{"id":"x","format":{"provider":"parquet","options":{}},"schemaString":"`+schema+`","partitionColumns":[],"configuration":{`+properties+`}}}`+"\n"+
		`{"domainMetadata":{"domain":"delta.clustering","configuration":"{\"clusteringColumns\":`+columns+`}","removed":false}}`+"\n")
	table, err := Open(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestClusteredStats(t *testing.T) {
	for columns, want := range map[string]string{
		`[[\"name\"]]`:          `{"numRecords":3,"minValues":{"id":1,"name":"a"},"maxValues":{"id":9,"name":"b"},"nullCount":{"id":0,"name":1}}`,
		`[\"name\",[\"year\"]]`: `{"numRecords":3,"minValues":{"id":1,"name":"a","year":7},"maxValues":{"id":9,"name":"b","year":8},"nullCount":{"id":0,"name":1,"year":0}}`,
		`[]`:                    `{"numRecords":3,"minValues":{"id":1},"maxValues":{"id":9},"nullCount":{"id":0}}`,
	} {
		objects := newMemory()
		table := clusteredTable(t, objects, columns, `"delta.dataSkippingNumIndexedCols":"1"`)
		tx := table.Begin(snapshot(t, table))
		tx.Add(File{Path: "f", Size: 10, Stats: &Stats{NumRecords: 3, Min: map[string]any{"id": 1, "name": "a", "year": 7},
			Max: map[string]any{"id": 9, "name": "b", "year": 8}, NullCount: map[string]any{"id": int64(0), "name": int64(1), "year": int64(0)}}})
		if _, err := tx.Commit(t.Context()); err != nil {
			t.Fatalf("%s: %v", columns, err)
		}
		got := string(objects.objects[commitKey(1)].body)
		if !strings.Contains(got, strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("clustered by %s: %s, want statistics %s", columns, got, want)
		}
	}
}

func TestClusteredRefuses(t *testing.T) {
	table := clusteredTable(t, newMemory(), `[[\"name\"]]`, ``)
	for what, do := range map[string]func(*Transaction){
		"a file without statistics": func(tx *Transaction) { tx.Add(File{Path: "f", Size: 10}) },
		"partitions":                func(tx *Transaction) { tx.Alter(Alteration{PartitionBy: []string{"year"}}) },
		"name is gone": func(tx *Transaction) {
			s := *ridesSchema()
			s.Fields = s.Fields[:1]
			tx.Alter(Alteration{Schema: &s})
		},
	} {
		tx := table.Begin(snapshot(t, table))
		do(tx)
		if _, err := tx.Commit(t.Context()); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Open(t.Context(), table.objects); err != nil {
		t.Error(err)
	}
	broken := clusteredTable(t, newMemory(), `{}`, ``)
	tx := broken.Begin(snapshot(t, broken))
	tx.Add(File{Path: "f", Size: 10, Stats: &Stats{NumRecords: 1}})
	if _, err := tx.Commit(t.Context()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a list of columns that is none: %v", err)
	}
}

func TestClusteringChanged(t *testing.T) {
	objects := newMemory()
	table := clusteredTable(t, objects, `[[\"name\"]]`, ``)
	tx := table.Begin(snapshot(t, table))
	tx.Add(File{Path: "f", Size: 10, Stats: &Stats{NumRecords: 1}})
	objects.set(commitKey(1), `{"commitInfo":{"timestamp":5,"isBlindAppend":true}}`+"\n"+
		`{"domainMetadata":{"domain":"delta.clustering","configuration":"{\"clusteringColumns\":[[\"year\"]]}","removed":false}}`+"\n")
	var c *Conflict
	if _, err := tx.Commit(t.Context()); !errors.As(err, &c) || c.With != ConflictDomain {
		t.Errorf("append beside other clustering columns: %v", err)
	}
}
