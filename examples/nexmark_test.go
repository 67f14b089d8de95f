package examples

import (
	"context"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/batch/incremental"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/produce/nexmark"
)

// TestNexmark reads every pipeline file of Nexmark, binds its query, and decodes generated events by its schema.
func TestNexmark(t *testing.T) {
	db, err := duckdb.Open(duckdb.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	runner, err := db.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(runner.Close)
	for _, q := range NexmarkQueries() {
		t.Run(q, func(t *testing.T) {
			text, err := NexmarkPipeline(q)
			if err != nil {
				t.Fatal(err)
			}
			p, err := batch.ParsePipeline(q+".yaml", text)
			if err != nil {
				t.Fatal(err)
			}
			source := &p.Sources[0]
			program, err := incremental.Compile(p.Query, incremental.Inputs{Mode: p.Mode.String(), Streams: map[string]incremental.Stream{
				source.Name: {Columns: source.Schema, EventTime: source.Watermark.Column, Delay: source.Watermark.Delay}}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := runner.Describe(context.Background(), map[string]*columnar.Schema{source.Name: source.Schema}, program); err != nil {
				t.Error(err)
			}
			decodeEvents(t, source)
			if p.Name != "nexmark-"+q || source.Stream != "nexmark" || source.Watermark.Delay != 4*time.Second {
				t.Errorf("pipeline %s of stream %s, watermark %v", p.Name, source.Stream, source.Watermark)
			}
		})
	}
}

func decodeEvents(t *testing.T, source *batch.SourceSpec) {
	t.Helper()
	d, err := columnar.NewRecordDecoder(source.Schema, source.Format)
	if err != nil {
		t.Fatal(err)
	}
	g := nexmark.New(nexmark.Options{Events: 60, End: true})
	for n := range 60 {
		record, _, err := g.Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		if rows, bad, err := d.Append(record, &columnar.Origin{Arrival: time.Unix(1.8e9, 0)}); err != nil || rows != 1 || len(bad) > 0 {
			t.Fatalf("event %d, %s: %d rows, %v, %v", n, record, rows, bad, err)
		}
	}
}
