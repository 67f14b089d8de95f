package main

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weir-data/weir/batch"
)

func TestInferTopic(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "taxi.Rides"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	producer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for _, text := range []string{`{"id":1,"at":"2026-01-31T08:00:00Z"}`, "no JSON", `{"id":2,"fare":7.5}`} {
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: "taxi.Rides", Value: []byte(text)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	c := InferCmd{From: "kafka://" + cluster.ListenAddrs()[0] + "/taxi.Rides", Records: 100}
	fields, records, err := c.infer(t.Context())
	if err != nil || records != 2 {
		t.Fatalf("%d records, %v", records, err)
	}
	c.From = strings.Replace(c.From, "://", "://me:secret@", 1)
	file := c.pipelineFile(fields, records)
	p, err := batch.ParsePipeline("inferred", []byte(file))
	if err != nil || p.Name != "taxi_rides" || strings.Contains(file, "secret") {
		t.Fatalf("%v of\n%s", err, file)
	}
	s := p.Sources[0]
	if s.Kind != batch.KafkaSource || s.Stream != "taxi.Rides" || len(s.Schema.Fields) != 3 {
		t.Errorf("source %+v", s)
	}
	c.From = "kafka://" + cluster.ListenAddrs()[0] + "/none"
	if _, _, err := c.infer(t.Context()); err == nil {
		t.Error("a topic that is not there has a schema")
	}
}
