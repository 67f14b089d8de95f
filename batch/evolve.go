package batch

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
)

// evolves says whether some source may add columns.
func (e *Engine) evolves() bool {
	return slices.ContainsFunc(e.inputs, func(in *input) bool { return in.spec.Format.Evolve })
}

// recall gives the inputs the columns that batches before have added, before the query is compiled.
func (e *Engine) recall(ctx context.Context) error {
	if !e.evolves() {
		return nil
	}
	p, err := e.opts.Progress.Load(ctx)
	if err != nil {
		return err
	}
	for _, in := range e.inputs {
		raw, ok := p.Mark.Discovered[in.spec.Name]
		if !ok || !in.spec.Format.Evolve {
			continue
		}
		found, err := columnar.ParseSchemaJSON(raw)
		if err != nil {
			return fmt.Errorf("%w: discovered fields of source %s: %w", ErrProgress, in.spec.Name, err)
		}
		if _, err := in.widen(found.Fields, e.opts.Workers); err != nil {
			return err
		}
	}
	return nil
}

// widen adds fields to the schema of the input. It forgets the rows that were decoded if that makes a new schema.
func (in *input) widen(found []columnar.Field, workers int) (added []string, err error) {
	wide, added := columnar.EvolveSchema(in.spec.Schema, found)
	if len(added) == 0 {
		return nil, nil
	}
	if len(wide.Fields) > fieldsMax {
		return nil, fmt.Errorf("source %s: its records have more than %d fields; name those that you want in schema, and set evolve: false", in.spec.Name, fieldsMax)
	}
	spec := *in.spec // that of the pipeline stays as the file says
	spec.Schema = wide
	in.spec = &spec
	in.found = columnar.WidenFields(in.found, found, false)
	in.decoder, err = in.newDecoder(workers)
	in.spare = nil
	return added, err
}

// evolve widens the inputs by the fields that records of the batch had beyond the schema, and with them the query's result and the
// sinks. widened says that the batch must be read again. The fields follow from the records and from the mark of the batch before, so that a
// batch that runs again adds the same.
func (b *microbatch) evolve(ctx context.Context) (widened bool, err error) {
	for _, in := range b.inputs {
		if !in.spec.Format.Evolve {
			continue
		}
		added, err := in.widen(in.decoder.discovered(), b.opts.Workers)
		if err != nil {
			return false, err
		}
		if len(added) > 0 {
			widened = true
			b.opts.Logger.Info("records have new fields: the schema is widened", "pipeline", b.pipeline.Name, "source", in.spec.Name,
				"batch", b.plan.Batch, "fields", strings.Join(added, ", "))
		}
	}
	if !widened {
		return false, nil
	}
	program, described := b.program, b.described
	if err := b.describe(ctx); err != nil {
		return false, err
	}
	if err := sameStates(program, described, b.program, b.described); err != nil {
		return false, err
	}
	_, err = b.openSinks(ctx)
	return true, err
}

// discovered are the fields that the inputs added, for the mark.
func (e *Engine) discovered() map[string]json.RawMessage {
	var all map[string]json.RawMessage
	for _, in := range e.inputs {
		if len(in.found) == 0 {
			continue
		}
		if all == nil {
			all = map[string]json.RawMessage{}
		}
		all[in.spec.Name] = (&columnar.Schema{Fields: in.found}).JSON()
	}
	return all
}

// checkEvolution refuses a query with state that a new field would change: the rows that were kept before do not have it. It asks with a
// field that no record will have, at the end of the schema and in each struct.
func (e *Engine) checkEvolution(ctx context.Context) error {
	if !e.evolves() {
		return nil
	}
	schemas := map[string]*columnar.Schema{}
	for _, in := range e.inputs {
		schemas[in.spec.Name] = in.spec.Schema
		if in.spec.Format.Evolve {
			schemas[in.spec.Name], _ = columnar.EvolveSchema(in.spec.Schema, probes(in.spec.Schema.Fields))
		}
	}
	p, d, err := e.compile(ctx, schemas)
	if err != nil {
		return fmt.Errorf("with a new field: %w", err)
	}
	if err := sameStates(e.program, e.described, p, d); err != nil {
		return err
	}
	return e.describe(ctx) // as it is, for the Runner to know
}

// probes are fields as records could have them beyond fields.
func probes(fields []columnar.Field) []columnar.Field {
	all := []columnar.Field{{Name: "weir_new_field", Type: columnar.Type{Kind: columnar.String}}}
	for _, f := range fields {
		if f.Type.Kind == columnar.Struct {
			f.Type.Fields = probes(f.Type.Fields)
			all = append(all, f)
		}
	}
	return all
}

// sameStates says whether the state that a program keeps is what a later one keeps.
func sameStates(p *Program, d *Description, later *Program, laterD *Description) error {
	same := len(p.States) == len(later.States)
	for i, s := range p.States {
		if same && s.Name == later.States[i].Name && maps.Equal(s.Definition, later.States[i].Definition) &&
			reflect.DeepEqual(d.States[s.Name], laterD.States[s.Name]) {
			continue
		}
		return fmt.Errorf("evolve: the state %s would have to keep new fields, which what it keeps already does not have; name the columns that the query "+
			"needs, or set evolve: false", s.Name)
	}
	return nil
}
