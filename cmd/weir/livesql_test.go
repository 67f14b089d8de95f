package main

import (
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/weir-data/weir/pipelines"
)

// FOR LIVE stands wherever a statement names a table, and each place that says the same has the same cut.
func TestLiveInStatements(t *testing.T) {
	t.Parallel()
	h, cl, s := liveHouse(t)
	putNumbers(t, cl, 0, 60)
	create(t, h, livePipelineFile())
	create(t, h, livePipelineFile("name: numbers", "name: evens", "lake/numbers", "lake/evens", "sink:\n", "query: SELECT n FROM source WHERE n % 2 = 0\nsink:\n  table: lake.evens\n"))
	for _, name := range []string{"numbers", "evens"} {
		awaitPipeline(t, h, name, func(s pipelines.Status) bool { return s.Totals.Records >= 60 })
		if _, err := h.pipelines.Pause(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	putNumbers(t, cl, 60, 80)
	cut := strings.TrimSpace(s.ask(t, `SELECT max(cut) FROM "numbers$live"`))
	first, _, _ := strings.Cut(cut, ",")
	shard, _, _ := strings.Cut(first, ":")
	putNumbers(t, cl, 80, 100)
	for _, c := range []struct{ sql, want string }{
		{"UNLOAD (SELECT n FROM numbers FOR LIVE) TO 's3://lake/unloaded/' WITH (format = 'PARQUET')", ""},
		{"CREATE EXTERNAL TABLE lake.unloaded (n bigint) STORED AS PARQUET LOCATION 's3://lake/unloaded/'", ""},
		{"SELECT count(*), count(DISTINCT n) FROM lake.unloaded", "100,100\n"},
		{"SELECT count(*), sum(b.n) FROM numbers FOR LIVE a JOIN evens FOR LIVE b ON a.n = b.n", "50,2450\n"},
		{"SELECT count(*) FROM numbers FOR LIVE WHERE n NOT IN (SELECT n FROM evens FOR LIVE)", "50\n"},
		{"WITH a AS (SELECT n FROM numbers FOR LIVE), b AS (SELECT n FROM a UNION SELECT n FROM evens) SELECT count(*), max(n) FROM b", "100,99\n"},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF '" + cut + "'", "80\n"},
		{"SELECT (SELECT count(*) FROM numbers FOR LIVE), (SELECT count(*) FROM numbers FOR LIVE AS OF '" + cut + "'), count(*) FROM numbers", "100,80,60\n"},
		{`SELECT max(rows), max(cut) FROM "numbers$live" FOR LIVE AS OF '` + cut + "'", "20," + cut + "\n"},
		{"CREATE VIEW lake.before AS SELECT n FROM lake.numbers FOR LIVE AS OF '" + cut + "'", ""},
		{"SELECT count(*), max(n) FROM lake.before", "80,79\n"},
		{"PREPARE live FROM SELECT count(*) FROM numbers FOR LIVE AS OF ? WHERE n >= ?", ""},
		{"EXECUTE live USING '" + cut + "', 70", "10\n"},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF TIMESTAMP '2026-01-01 00:00:00'", "error: is no older version before it"},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF TIMESTAMP '2126-01-01 00:00:00'", "error: lies in the future"},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF '" + first + "'", "error: the table holds more than the cut: shard shardId-000000000001"},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF ''", "error: the table holds more than the cut"},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF '" + cut + "," + first + "'", "error: is named twice"},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF '" + cut + "0'", "error: it has no record"},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF '" + shard + ":x'", "error: is no sequence number"},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF 'other/" + first + "'", "error: it reads no source called \"other\""},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF 'other/source/" + first + "'", "error: no pipeline called other"},
		{"SELECT count(*) FROM numbers FOR LIVE AS OF 'nonsense'", "error: INVALID_ARGUMENTS"},
		{"INSERT INTO evens SELECT n FROM numbers FOR LIVE WHERE n IN (97, 99)", ""},
		{"MERGE INTO evens t USING (SELECT n FROM numbers FOR LIVE WHERE n >= 95) s ON t.n = s.n WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (n) VALUES (s.n)", ""},
		{"MERGE INTO evens t USING lake.numbers FOR LIVE AS s ON t.n = s.n AND s.n < 1 WHEN MATCHED THEN DELETE", ""},
		{"SELECT count(*), min(n), max(n) FROM evens", "32,2,98\n"},
	} {
		a, err := s.run(t.Context(), c.sql)
		if want, fails := strings.CutPrefix(c.want, "error: "); fails {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", c.sql, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if got := a.lines(); got != c.want {
			t.Errorf("%s gives %s, want %s", c.sql, got, c.want)
		}
	}
	if plan := s.ask(t, "EXPLAIN SELECT count(*) FROM numbers FOR LIVE"); !strings.Contains(plan, "TableScan") {
		t.Errorf("plan %s", plan)
	}
	var all sync.WaitGroup
	for range 4 { // at once
		all.Go(func() {
			a, err := s.run(t.Context(), "SELECT count(*) FROM numbers FOR LIVE")
			if err != nil || a.lines() != "100\n" {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	all.Wait()
	if _, err := cl.Kinesis.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String("numbers")}); err != nil {
		t.Fatal(err)
	}
	s.ask(t, "DROP TABLE lake.evens")
	for sql, want := range map[string]string{
		"SELECT count(*) FROM numbers FOR LIVE": "stream not found",
		"SELECT count(*) FROM evens FOR LIVE":   "TABLE_NOT_FOUND",
	} {
		if _, err := s.run(t.Context(), sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", sql, err, want)
		}
	}
}
