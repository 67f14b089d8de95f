package main

import (
	"strings"
	"testing"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/pipelines"
)

// A table whose columns are mapped to others in its files is written by pipelines that append, and read FOR LIVE.
func TestLiveOfMappedColumns(t *testing.T) {
	t.Parallel()
	h, cl, s := liveHouse(t)
	schema := &columnar.Schema{Fields: []columnar.Field{
		{Name: "n", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true}, {Name: "part", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true},
	}}
	_, err := delta.Create(t.Context(), delta.InBucket(h.objects, "lake", "numbers/"), delta.CreateOptions{
		Schema: schema, PartitionBy: []string{"part"}, Properties: map[string]string{"delta.columnMapping.mode": "name"},
	})
	if err != nil {
		t.Fatal(err)
	}
	putNumbers(t, cl, 0, 60)
	create(t, h, livePipelineFile("dead_letters:", "query: SELECT n, n % 3 AS part FROM source\ndead_letters:", "sink:\n", "sink:\n  table: lake.numbers\n  partition_by: [part]\n"))
	p := awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.Totals.Records >= 60 || s.State == pipelines.Failed })
	if p.State == pipelines.Failed {
		t.Fatal(p.Error)
	}
	pause(t, h)
	putNumbers(t, cl, 60, 90)
	for _, c := range []struct{ sql, want string }{
		{"SELECT count(*), sum(n), sum(part) FROM numbers", "60,1770,60\n"},
		{"SELECT count(*), sum(n), sum(part) FROM numbers FOR LIVE", "90,4005,90\n"},
		{"SELECT part, count(*), max(n) FROM numbers FOR LIVE WHERE part > 0 AND n >= 30 GROUP BY 1 ORDER BY 1", "1,20,88\n2,20,89\n"},
	} {
		if got := s.ask(t, c.sql); got != c.want {
			t.Errorf("%s gives %s, want %s", c.sql, got, c.want)
		}
	}
}

// Rows that deletion vectors have taken stay away.
func TestLiveOfDeletedRows(t *testing.T) {
	t.Parallel()
	h, cl, s := liveHouse(t)
	objects := delta.InBucket(h.objects, "lake", "numbers/")
	table, err := delta.Create(t.Context(), objects, delta.CreateOptions{
		Schema:     &columnar.Schema{Fields: []columnar.Field{{Name: "n", Type: columnar.Type{Kind: columnar.Int64}, Nullable: true}}},
		Properties: map[string]string{"delta.enableDeletionVectors": "true"},
	})
	if err != nil {
		t.Fatal(err)
	}
	putNumbers(t, cl, 0, 60)
	create(t, h, livePipelineFile())
	awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.Totals.Records >= 60 })
	pause(t, h)
	s.ask(t, "DELETE FROM numbers WHERE n % 2 = 1")
	putNumbers(t, cl, 60, 70)
	if got := s.ask(t, "SELECT count(*), max(n) FROM numbers FOR LIVE"); got != "40,69\n" {
		t.Errorf("after a DELETE: %s", got)
	}
	snapshot, err := table.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	vectors := 0
	for f := range snapshot.Files(nil) {
		if f.DeletionVector != nil {
			vectors++
		}
	}
	if vectors == 0 {
		t.Error("the DELETE left no deletion vector")
	}
}

// Columns whose values a commit makes are refused by name.
func TestLiveOfGeneratedColumns(t *testing.T) {
	h, cl, s := liveHouse(t)
	number := columnar.Type{Kind: columnar.Int64}
	_, err := delta.Create(t.Context(), delta.InBucket(h.objects, "lake", "numbers/"), delta.CreateOptions{Schema: &columnar.Schema{Fields: []columnar.Field{
		{Name: "n", Type: number, Nullable: true},
		{Name: "twice", Type: number, Nullable: true, Metadata: map[string]any{"delta.generationExpression": "n * 2"}},
	}}, Properties: map[string]string{"delta.feature.generatedColumns": "supported"}})
	if err != nil {
		t.Fatal(err)
	}
	putNumbers(t, cl, 0, 10)
	create(t, h, livePipelineFile())
	awaitPipeline(t, h, "numbers", func(s pipelines.Status) bool { return s.Totals.Records >= 10 || s.State == pipelines.Failed })
	if _, err := s.run(t.Context(), "SELECT * FROM numbers FOR LIVE"); err == nil || !strings.Contains(err.Error(), "column twice of lake.numbers is generated") {
		t.Errorf("%v", err)
	}
}
