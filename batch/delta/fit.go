package delta

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	table "github.com/weir-data/weir/delta"
)

// fit checks that rows of schema fit the table as it is now, and adds the columns that it lacks. Others may change its columns at any time.
func (s *Sink) fit(ctx context.Context, schema *columnar.Schema) (*table.Snapshot, error) {
	snapshot, err := s.table.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if by := snapshot.PartitionBy(); !slices.Equal(by, s.opts.PartitionBy) {
		return nil, fmt.Errorf("is partitioned by [%s], the pipeline says [%s]", strings.Join(by, ", "), strings.Join(s.opts.PartitionBy, ", "))
	}
	wider, changed, err := merge(snapshot.Schema(), schema)
	if err != nil || !changed {
		return snapshot, err
	}
	tx := s.table.Begin(snapshot)
	tx.Alter(table.Alteration{Schema: wider})
	tx.SetInfo("ADD COLUMNS", map[string]string{"pipeline": s.out.Pipeline}, nil)
	if _, err := tx.Commit(ctx); err != nil {
		return nil, temporaryConflict(err)
	}
	return s.table.Snapshot(ctx)
}

// merge returns the columns of have and, after them, those that only want has.
func merge(have, want *columnar.Schema) (merged *columnar.Schema, changed bool, err error) {
	merged = &columnar.Schema{Fields: slices.Clone(have.Fields)}
	for _, w := range want.Fields {
		i := slices.IndexFunc(have.Fields, func(h columnar.Field) bool { return strings.EqualFold(h.Name, w.Name) })
		switch {
		case i < 0:
			merged.Fields = append(merged.Fields, w)
			changed = true
		case have.Fields[i].Name != w.Name:
			return nil, false, fmt.Errorf("has column %s, the query gives %s: write it in the same case", have.Fields[i].Name, w.Name)
		default:
			t, grown := grow(have.Fields[i].Type, w.Type)
			// Fields that structs of the table have and the query does not give any more stay, and are null, as columns do. A batch that
			// runs again, in which a field first comes, begins so too.
			if all, _ := grow(w.Type, have.Fields[i].Type); t.String() != w.Type.String() && all.String() != have.Fields[i].Type.String() {
				return nil, false, fmt.Errorf("has column %s of type %s, the query gives %s: cast it", w.Name, have.Fields[i].Type, w.Type)
			}
			merged.Fields[i].Type = t
			changed = changed || grown
		}
	}
	return merged, changed, nil
}

const enableVectors = "delta.enableDeletionVectors"

// propertiesFor are those of a new table, with those that ask for the table features without which it cannot have the schema.
func (s *Sink) propertiesFor(schema *columnar.Schema) map[string]string {
	props := map[string]string{}
	if withoutZone(schema.Fields) {
		props["delta.feature.timestampNtz"] = "supported"
	}
	if s.opts.Vectors {
		props[enableVectors] = "true"
	}
	return props
}

// allowVectors gives the table the property if the pipeline asks for it.
func (s *Sink) allowVectors(ctx context.Context, snapshot *table.Snapshot) (*table.Snapshot, error) {
	if !s.opts.Vectors || snapshot.Properties()[enableVectors] == "true" {
		return snapshot, nil
	}
	props := maps.Clone(snapshot.Properties())
	if props == nil {
		props = map[string]string{}
	}
	props[enableVectors] = "true"
	tx := s.table.Begin(snapshot)
	tx.Alter(table.Alteration{Schema: snapshot.Schema(), Properties: props})
	tx.SetInfo("SET TBLPROPERTIES", map[string]string{"properties": `{"` + enableVectors + `":"true"}`}, nil)
	if _, err := tx.Commit(ctx); err != nil {
		return nil, temporaryConflict(err)
	}
	return s.table.Snapshot(ctx)
}

// withoutZone says whether some field is a timestamp_ntz.
func withoutZone(fields []columnar.Field) bool {
	return slices.ContainsFunc(fields, func(f columnar.Field) bool {
		return f.Type.Kind == columnar.TimestampNTZ || withoutZone(f.Type.Fields)
	})
}

// grow adds the fields that structs of want have at their end and those of have lack.
func grow(have, want columnar.Type) (t columnar.Type, grown bool) {
	if have.Kind != want.Kind || len(have.Fields) > len(want.Fields) {
		return have, false
	}
	t = have
	t.Fields = slices.Clone(have.Fields)
	for i := range t.Fields {
		if t.Fields[i].Name != want.Fields[i].Name {
			return have, false
		}
		var more bool
		t.Fields[i].Type, more = grow(t.Fields[i].Type, want.Fields[i].Type)
		grown = grown || more
	}
	if more := want.Fields[len(t.Fields):]; have.Kind == columnar.Struct && len(more) > 0 {
		t.Fields, grown = append(t.Fields, more...), true
	}
	return t, grown
}

// plain says whether files as the runner writes them may become data files of the table: its columns have no other names there, it asks
// nothing of its rows that the query does not promise, and it gives columns no values of its own.
func plain(s *table.Snapshot, given *columnar.Schema) bool {
	if s.Mapping() != table.MapNone {
		return false
	}
	for name := range s.Properties() {
		if strings.HasPrefix(name, "delta.constraints.") {
			return false
		}
	}
	return !slices.ContainsFunc(s.Schema().Fields, func(f columnar.Field) bool {
		i := given.Index(f.Name)
		if i < 0 {
			return !f.Nullable || f.Metadata["CURRENT_DEFAULT"] != nil || asks(&f, &f)
		}
		return asks(&f, &given.Fields[i])
	})
}

// asked are the members of a field's metadata by which a table asks something of the values, or makes them itself.
var asked = []string{"delta.invariants", "delta.generationExpression", "delta.identity.start", "__CHAR_VARCHAR_TYPE_STRING"}

// asks says whether a field of the table asks something of values that the field given does not promise.
func asks(f, given *columnar.Field) bool {
	if !f.Nullable && given.Nullable || slices.ContainsFunc(asked, func(name string) bool { return f.Metadata[name] != nil }) {
		return true
	}
	for i := range f.Type.Fields {
		kid := &f.Type.Fields[i]
		switch {
		case f.Type.Kind == columnar.Map && i == 0: // keys are never null
		case i >= len(given.Type.Fields): // of a struct, of which the first fields are given
			if !kid.Nullable {
				return true
			}
		case asks(kid, &given.Type.Fields[i]):
			return true
		}
	}
	return false
}
