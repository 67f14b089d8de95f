package rewrite

import (
	"maps"
	"slices"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// mappingOf is how columns are mapped by a table's properties.
func mappingOf(props map[string]string, before delta.Mapping) delta.Mapping {
	if mode := props["delta.columnMapping.mode"]; mode != "" {
		return delta.Mapping(mode)
	}
	return before
}

// evolve makes the schema that the table has once rows of a schema are in it.
func (j *job) evolve(have *columnar.Schema, opts WriteOptions) error {
	switch {
	case opts.OverwriteSchema:
		j.schema, j.alter = &columnar.Schema{Fields: nullable(have.Fields)}, true
		if opts.PartitionBy != nil {
			j.by = opts.PartitionBy
		}
	case opts.MergeSchema:
		fields, changed, err := j.merge(j.schema.Fields, have.Fields, "")
		if err != nil {
			return err
		}
		if !changed {
			return nil
		}
		j.schema, j.alter = &columnar.Schema{Fields: fields}, true
	default:
		return nil
	}
	return j.mapColumns()
}

// mapColumns gives new columns their physical names, in tables that map columns.
func (j *job) mapColumns() error {
	if mappingOf(j.props, delta.MapNone) == delta.MapNone {
		return nil
	}
	schema, props, err := delta.MapColumns(j.schema, j.props, j.snapshot.Mapping() == delta.MapNone)
	j.schema, j.props = schema, props
	return err
}

// nullable is a schema whose fields may all be null.
func nullable(fields []columnar.Field) []columnar.Field {
	out := slices.Clone(fields)
	for i := range out {
		out[i].Nullable, out[i].Metadata = true, nil
		if out[i].Type.Kind == columnar.Struct {
			out[i].Type.Fields = nullable(out[i].Type.Fields)
		}
	}
	return out
}

// merge adds the fields that only want has, at the end, and widens types.
func (j *job) merge(have, want []columnar.Field, prefix string) (out []columnar.Field, changed bool, err error) {
	out = slices.Clone(have)
	for _, w := range want {
		i := indexOf(out, w.Name)
		if i < 0 {
			out = append(out, nullable([]columnar.Field{w})[0])
			changed = true
			continue
		}
		f := &out[i]
		t, changes, inside, err := j.mergeTypes(f.Type, w.Type, prefix+f.Name, "")
		if err != nil {
			return nil, false, err
		}
		f.Type = t
		if len(changes) > 0 {
			*f = withChanges(*f, changes)
		}
		changed = changed || inside
	}
	return out, changed, nil
}

// mergeTypes is merge for what is in a field. changes are those of types that the field's metadata has to tell; path is that of the type below
// the field: element, key, value.
func (j *job) mergeTypes(have, want columnar.Type, name, path string) (out columnar.Type, changes []any, changed bool, err error) {
	out = have
	switch {
	case have.Kind == columnar.Struct && want.Kind == columnar.Struct:
		out.Fields, changed, err = j.merge(have.Fields, want.Fields, name+".")
		return out, nil, changed, err
	case have.Kind == columnar.List && want.Kind == columnar.List, have.Kind == columnar.Map && want.Kind == columnar.Map:
		out.Fields = slices.Clone(have.Fields)
		for i, step := range innerSteps(have.Kind) {
			t, more, inside, err := j.mergeTypes(have.Fields[i].Type, want.Fields[i].Type, name+"."+step, join(path, step))
			if err != nil {
				return out, nil, false, err
			}
			out.Fields[i].Type = t
			changes, changed = append(changes, more...), changed || inside
		}
		return out, changes, changed, nil
	}
	wider, ok := widened(have, want)
	if !ok || !j.property("delta.enableTypeWidening") {
		return out, nil, false, nil // matchColumns says what does not fit
	}
	return wider, []any{typeChange(have, wider, path)}, true, nil
}

// innerSteps are what the protocol calls the types inside a list or map.
func innerSteps(k columnar.Kind) []string {
	if k == columnar.List {
		return []string{"element"}
	}
	return []string{"key", "value"}
}

func join(path, step string) string {
	if path == "" {
		return step
	}
	return path + "." + step
}

// widened is the type that holds the values of both without loss, of those that section "Type Widening" allows; false if the
// column need not or cannot change.
func widened(have, want columnar.Type) (columnar.Type, bool) {
	digits := map[columnar.Kind]int{columnar.Int8: 3, columnar.Int16: 5, columnar.Int32: 10, columnar.Int64: 20}
	switch {
	case digits[have.Kind] > 0 && digits[want.Kind] > digits[have.Kind]:
		return columnar.Type{Kind: want.Kind}, true
	case digits[have.Kind] > 0 && have.Kind != columnar.Int64 && want.Kind == columnar.Float64, have.Kind == columnar.Float32 && want.Kind == columnar.Float64:
		return columnar.Type{Kind: columnar.Float64}, true
	case have.Kind == columnar.Date && want.Kind == columnar.TimestampNTZ:
		return want, true
	case have.Kind == columnar.Decimal && want.Kind == columnar.Decimal:
		scale := max(have.Scale, want.Scale)
		whole := max(have.Precision-have.Scale, want.Precision-want.Scale)
		t := columnar.Type{Kind: columnar.Decimal, Precision: whole + scale, Scale: scale}
		return t, t.Precision <= 38 && (t.Precision != have.Precision || t.Scale != have.Scale)
	case digits[have.Kind] > 0 && want.Kind == columnar.Decimal:
		need := 10
		if have.Kind == columnar.Int64 {
			need = 20
		}
		return want, want.Precision-want.Scale >= need
	}
	return have, false
}

var sparkTypeNames = map[columnar.Kind]string{
	columnar.Int8: "byte", columnar.Int16: "short", columnar.Int32: "integer", columnar.Int64: "long", columnar.Float32: "float",
	columnar.Float64: "double", columnar.Date: "date", columnar.TimestampNTZ: "timestamp_ntz",
}

func sparkName(t columnar.Type) string {
	if name, ok := sparkTypeNames[t.Kind]; ok {
		return name
	}
	return t.String()
}

// typeChange tells a change of type in the metadata of the nearest field of a struct, as the feature typeWidening asks.
func typeChange(from, to columnar.Type, path string) map[string]any {
	change := map[string]any{"fromType": sparkName(from), "toType": sparkName(to)}
	if path != "" {
		change["fieldPath"] = path
	}
	return change
}

// withChanges is a field whose metadata tells more changes of types.
func withChanges(f columnar.Field, changes []any) columnar.Field {
	before, _ := f.Metadata["delta.typeChanges"].([]any)
	f.Metadata = maps.Clone(f.Metadata)
	if f.Metadata == nil {
		f.Metadata = map[string]any{}
	}
	f.Metadata["delta.typeChanges"] = append(slices.Clone(before), changes...)
	return f
}
