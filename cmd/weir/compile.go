package main

import (
	"context"
	"errors"
	"strings"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/incremental"
	"github.com/weir-data/weir/columnar"
)

// compileFunc makes the program of a pipeline whose sources have the given columns.
type compileFunc = func(p *batch.Pipeline, inputs map[string]*columnar.Schema) (*batch.Program, error)

// compiler makes programs of pipelines' queries, in Athena's dialect, over their sources and tables.
func compiler(ctx context.Context, tables batch.Tables) compileFunc {
	return func(p *batch.Pipeline, inputs map[string]*columnar.Schema) (*batch.Program, error) {
		in := inputsOf(p, inputs)
		in.Static = func(name string) (string, *columnar.Schema, error) {
			if strings.Count(name, ".") != 1 {
				return "", nil, errors.New("is not of the form database.table, and no source is called so")
			}
			columns, err := tables.Columns(ctx, name)
			return name, columns, err
		}
		return incremental.Compile(p.Query, in)
	}
}

// checked is compile with a check of what it makes.
func checked(compile compileFunc, check func(*batch.Program) error) compileFunc {
	return func(p *batch.Pipeline, inputs map[string]*columnar.Schema) (*batch.Program, error) {
		program, err := compile(p, inputs)
		if err == nil {
			err = check(program)
		}
		return program, err
	}
}

// inputsOf are the sources of a pipeline.
func inputsOf(p *batch.Pipeline, inputs map[string]*columnar.Schema) incremental.Inputs {
	in := incremental.Inputs{Streams: map[string]incremental.Stream{}, Mode: p.Mode.String()}
	for i := range p.Sources {
		s := &p.Sources[i]
		stream := incremental.Stream{Columns: inputs[s.Name], Query: s.Query}
		if w := s.Watermark; w != nil {
			stream.EventTime, stream.Delay = w.Column, w.Delay
		}
		if d := s.Deduplicate; d != nil {
			stream.Deduplicate = &incremental.Deduplicate{Columns: d.Columns, WithinWatermark: d.WithinWatermark}
		}
		in.Streams[s.Name] = stream
	}
	return in
}
