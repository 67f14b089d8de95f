package main

import (
	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/incremental"
	"github.com/weir-data/weir/columnar"
)

// compile makes a program of a pipeline's query, in Athena's dialect, over its sources.
func compile(p *batch.Pipeline, inputs map[string]*columnar.Schema) (*batch.Program, error) {
	in := incremental.Inputs{Streams: map[string]incremental.Stream{}, Mode: p.Mode.String()}
	for i := range p.Sources {
		s := &p.Sources[i]
		stream := incremental.Stream{Columns: inputs[s.Name]}
		if w := s.Watermark; w != nil {
			stream.EventTime, stream.Delay = w.Column, w.Delay
		}
		if d := s.Deduplicate; d != nil {
			stream.Deduplicate = &incremental.Deduplicate{Columns: d.Columns, WithinWatermark: d.WithinWatermark}
		}
		in.Streams[s.Name] = stream
	}
	return incremental.Compile(p.Query, in)
}
