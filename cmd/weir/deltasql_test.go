package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// TestDeltaMetadata asks what the log says of tables: history, properties, partitions, files and changes, now and as of
// versions; one table has deletion vectors, the other files of changes.
func TestDeltaMetadata(t *testing.T) {
	t.Parallel()
	h, cl := testHouse(t)
	s := lakeTable(t, h, cl)
	at := time.Now().UTC().Format("2006-01-02 15:04:05.000")
	for name, props := range map[string]map[string]string{
		"feed":    {"delta.enableChangeDataFeed": "true"},
		"vectors": {"delta.enableChangeDataFeed": "true", "delta.enableDeletionVectors": "true", "delta.columnMapping.mode": "name"},
	} {
		typ, err := columnar.ParseType("struct<k:bigint,Name:string,p:int>")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := delta.Create(t.Context(), delta.InBucket(h.objects, "lake", name), delta.CreateOptions{
			Schema: &columnar.Schema{Fields: typ.Fields}, PartitionBy: []string{"p"}, Properties: props,
		}); err != nil {
			t.Fatal(err)
		}
		table := catalog.Table{Database: "lake", Name: name, Type: "EXTERNAL_TABLE", Parameters: map[string]string{"table_type": "DELTA"}}
		table.Storage.Location = "s3://lake/" + name
		if err := h.catalog.CreateTable(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		s.ask(t, "INSERT INTO "+name+" VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 2)")
		s.ask(t, "DELETE FROM "+name+" WHERE k = 2")
		s.ask(t, "UPDATE "+name+" SET name = 'z' WHERE k = 1")
		s.ask(t, "INSERT INTO "+name+" VALUES (4, 'd', NULL)")
		s.ask(t, "DELETE FROM "+name+" WHERE p = 2")
	}
	for _, c := range []struct{ sql, want string }{
		{`SELECT version, operation, read_version, is_blind_append, date_diff('day', timestamp, current_timestamp) FROM "T$history" ORDER BY 1`, "0,CREATE TABLE,,true,0\n"},
		{`SELECT version, operation FROM lake."feed$history" WHERE version < 3 ORDER BY version`, "0,CREATE TABLE\n1,WRITE\n2,DELETE\n"},
		{`SELECT operation_parameters['mode'], element_at(operation_metrics, 'numOutputRows') FROM "feed$history" WHERE version = 1`, "Append,3\n"},
		{`SELECT value FROM "feed$properties" WHERE key = 'delta.enableChangeDataFeed'`, "true\n"},
		{`SELECT count(*) FROM "vectors$properties" WHERE key = 'delta.feature.deletionVectors' AND value = 'supported'`, "1\n"},
		{`SELECT partition.p, record_count, file_count, total_size > 100 FROM "feed$partitions" ORDER BY 1`, "1,1,1,true\n,1,1,true\n"},
		{`SELECT partition.p, record_count, file_count FROM "vectors$partitions" ORDER BY 1`, "1,1,1\n,1,1\n"},
		{`SELECT partition.p, record_count FROM "feed$partitions" FOR VERSION AS OF 1 ORDER BY 1`, "1,2\n2,1\n"},
		{`SELECT count(DISTINCT file_path), sum(record_count), sum(deleted_record_count), min(lower_bounds['name']), max(upper_bounds['name']), sum(null_value_counts['k'])
			FROM "vectors$files" FOR VERSION AS OF 2`, "2,3,1,a,c,0\n"},
		{`SELECT count(*) FROM "feed$files" f JOIN (SELECT DISTINCT "$path" AS path FROM feed) d ON f.file_path = d.path`, "2\n"},
		{`SELECT k, name, p, _change_type, _commit_version FROM "feed$changes" ORDER BY 5, 1, 4`, feedOfAll},
		{`SELECT k, name, p, _change_type, _commit_version FROM "vectors$changes" ORDER BY 5, 1, 4`, feedOfAll},
		{`SELECT k, _change_type FROM "feed$changes" WHERE _commit_version BETWEEN 2 AND 3 AND p = 1 ORDER BY 1, 2`, "1,update_postimage\n1,update_preimage\n2,delete\n"},
		{`SELECT count(*), min(_commit_timestamp) >= TIMESTAMP '` + at + `' FROM "vectors$changes" WHERE _commit_version > 4`, "1,true\n"},
		{`SELECT count(*) FROM "vectors$changes" FOR VERSION AS OF 2`, "4\n"},
		{`SELECT count(*) FROM "feed$changes" WHERE _commit_version = 77`, "0\n"},
		{`SELECT _change_type, count(*) FROM "feed$changes" WHERE _change_type <> 'insert' GROUP BY 1 ORDER BY 1`, "delete,2\nupdate_postimage,1\nupdate_preimage,1\n"},
		{`SELECT k FROM feed FOR VERSION AS OF 1 ORDER BY 1`, "1\n2\n3\n"},
		{`SELECT k FROM feed FOR VERSION AS OF 9`, "!INVALID_ARGUMENTS"},
		{`SELECT count(*) FROM feed FOR TIMESTAMP AS OF current_timestamp`, "2\n"},
		{`SELECT count(*) FROM feed FOR TIMESTAMP AS OF (current_timestamp + interval '1' day)`, "2\n"},
		{`SELECT count(*) FROM feed FOR TIMESTAMP AS OF current_timestamp - interval '1' day`, "!INVALID_ARGUMENTS"},
		{`SELECT count(*) FROM feed FOR TIMESTAMP AS OF DATE '2099-01-01'`, "2\n"},
		{`SELECT count(*) FROM feed FOR TIMESTAMP AS OF name`, "!COLUMN_NOT_FOUND"},
		{`SELECT count(*) FROM feed FOR TIMESTAMP AS OF 'soon'`, "!INVALID_ARGUMENTS"},
		{`SELECT count(*) FROM feed FOR VERSION AS OF 1 + 1`, "2\n"},
		{`SELECT * FROM "t$changes"`, "!enableChangeDataFeed"},
		{`SELECT * FROM "t$nothing"`, "!TABLE_NOT_FOUND"},
		{`SELECT * FROM "nothing$history"`, "!TABLE_NOT_FOUND"},
		{`SELECT * FROM "t$history" FOR VERSION AS OF 0`, "!NOT_SUPPORTED"},
	} {
		if want, refused := strings.CutPrefix(c.want, "!"); refused {
			if _, err := s.run(t.Context(), c.sql); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", c.sql, err, want)
			}
			continue
		}
		a, err := s.run(t.Context(), c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
		} else if got := a.lines(); got != c.want {
			t.Errorf("%s gives\n%s\nwant\n%s", c.sql, got, c.want)
		}
	}
	left, err := os.ReadDir(h.objects.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "shown-") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

// feedOfAll is what happened to each of the tables with a feed.
const feedOfAll = `1,a,1,insert,1
2,b,1,insert,1
3,c,2,insert,1
2,b,1,delete,2
1,z,1,update_postimage,3
1,a,1,update_preimage,3
4,d,,insert,4
3,c,2,delete,5
`
