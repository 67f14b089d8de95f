package rewrite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// Alteration is a change of what a table is, without writing its rows anew. Nil parts stay as they are.
type Alteration struct {
	Schema     *columnar.Schema  // columns added, nulls allowed, types widened, metadata changed
	Properties map[string]string // set to these values; an empty value unsets
	Features   []string
	Rename     map[string]string // top-level columns: needs column mapping
	Drop       []string          // top-level columns: needs column mapping
}

// Alter changes schema, properties and features. Constraints are checked against the rows that are there.
func (t *Table) Alter(ctx context.Context, a Alteration) (Result, error) {
	return t.change(ctx, func(j *job) error {
		j.operation, j.parameters, j.readAll = "ALTER TABLE", map[string]string{}, true
		j.features = a.Features
		for _, name := range slices.Sorted(maps.Keys(a.Properties)) {
			j.setProperty(name, a.Properties[name])
			feature, asked := strings.CutPrefix(name, "delta.feature.") // a way of asking for a feature, no property
			if asked {
				j.features = append(slices.Clone(j.features), feature)
			}
			if asked || a.Properties[name] == "" {
				delete(j.props, name)
			}
		}
		before := j.schema
		if a.Schema != nil {
			if err := j.checkSchema(before.Fields, a.Schema.Fields, ""); err != nil {
				return err
			}
			j.schema, j.alter = a.Schema, true
		}
		if err := j.mapColumns(); err != nil {
			return err
		}
		if err := j.renameAndDrop(a); err != nil {
			return err
		}
		j.alter = j.alter || len(j.features) > 0
		if err := j.checkConstraints(a); err != nil {
			return err
		}
		return j.numberRows()
	})
}

// numberRows gives ids to the rows of a table that is to track them from now on. The alteration is then made again, on the version in
// which all rows have them.
func (j *job) numberRows() error {
	if !j.tracksRows() || j.snapshot.Properties()[propRowTracking] == "true" {
		return nil
	}
	version, err := j.t.table.NumberRows(j.ctx)
	if err == nil && version != j.snapshot.Version() {
		err = fmt.Errorf("%w: rows were numbered", delta.ErrConflict)
	}
	return err
}

// checkSchema says why a schema does not hold the rows of the old one.
func (j *job) checkSchema(old, now []columnar.Field, prefix string) error {
	for _, o := range old {
		i := slices.IndexFunc(now, func(f columnar.Field) bool { return f.Name == o.Name })
		if i < 0 {
			return fmt.Errorf("%w: column %s%s is gone; Drop it", delta.ErrInvalid, prefix, o.Name)
		}
		n := now[i]
		if o.Nullable && !n.Nullable {
			return fmt.Errorf("%w: column %s%s would no longer be nullable", delta.ErrInvalid, prefix, o.Name)
		}
		changes, err := j.checkType(o.Type, n.Type, prefix+o.Name, "")
		if err != nil {
			return err
		}
		if len(changes) > 0 {
			o.Type = n.Type
			now[i] = withChanges(o, changes)
		}
	}
	for _, n := range now {
		if indexOf(old, n.Name) < 0 && !n.Nullable {
			return fmt.Errorf("%w: new column %s%s is not nullable", delta.ErrInvalid, prefix, n.Name)
		}
	}
	return nil
}

// checkType is checkSchema for what is in a field. It returns the changes of types that the field's metadata has to tell.
func (j *job) checkType(old, now columnar.Type, name, path string) (changes []any, err error) {
	switch {
	case old.Kind == columnar.Struct && now.Kind == columnar.Struct:
		return nil, j.checkSchema(old.Fields, now.Fields, name+".")
	case old.Kind == columnar.List && now.Kind == columnar.List, old.Kind == columnar.Map && now.Kind == columnar.Map:
		for i, step := range innerSteps(old.Kind) {
			if old.Fields[i].Nullable && !now.Fields[i].Nullable {
				return nil, fmt.Errorf("%w: the %s of column %s would no longer be nullable", delta.ErrInvalid, step, name)
			}
			more, err := j.checkType(old.Fields[i].Type, now.Fields[i].Type, name+"."+step, join(path, step))
			if err != nil {
				return nil, err
			}
			changes = append(changes, more...)
		}
		return changes, nil
	case old.String() == now.String():
		return nil, nil
	}
	wider, ok := widened(old, now)
	if !ok || wider.String() != now.String() || !j.property("delta.enableTypeWidening") {
		return nil, fmt.Errorf("%w: column %s from %s to %s", delta.ErrInvalid, name, old, now)
	}
	return []any{typeChange(old, now, path)}, nil
}

// renameAndDrop changes names in the schema alone: data files have physical names.
func (j *job) renameAndDrop(a Alteration) error {
	if len(a.Rename)+len(a.Drop) == 0 {
		return nil
	}
	if mappingOf(j.props, j.snapshot.Mapping()) == delta.MapNone {
		return fmt.Errorf("%w: columns are renamed and dropped in tables with delta.columnMapping.mode = name", delta.ErrInvalid)
	}
	schema := &columnar.Schema{}
	by := slices.Clone(j.by)
	for _, f := range j.schema.Fields {
		if slices.Contains(a.Drop, f.Name) {
			if slices.Contains(j.by, f.Name) {
				return fmt.Errorf("%w: %s is a partition column", delta.ErrInvalid, f.Name)
			}
			continue
		}
		if to, ok := a.Rename[f.Name]; ok {
			if i := slices.Index(by, f.Name); i >= 0 {
				by[i] = to
			}
			f.Name = to
		}
		schema.Fields = append(schema.Fields, f)
	}
	for _, name := range append(slices.Collect(maps.Keys(a.Rename)), a.Drop...) {
		if j.schema.Index(name) < 0 {
			return fmt.Errorf("%w: the table has no column %s", delta.ErrInvalid, name)
		}
	}
	if len(schema.Fields) <= len(by) {
		return fmt.Errorf("%w: no column but those of partitions is left", delta.ErrInvalid)
	}
	j.schema, j.by, j.alter = schema, by, true
	if _, err := j.rules(map[string]bool{}); err != nil {
		return err
	}
	_, err := j.checked("SELECT 1", map[string]bool{}) // rules that name a column that is gone are refused
	return err
}

// checkConstraints looks whether the rows that are there fulfil new constraints.
func (j *job) checkConstraints(a Alteration) error {
	fresh := false
	for name := range a.Properties {
		fresh = fresh || strings.HasPrefix(name, "delta.constraints.")
	}
	if !fresh {
		return nil
	}
	files, err := j.candidates(nil)
	if err != nil {
		return err
	}
	for _, chunk := range j.t.chunks(files) {
		inputs, err := j.open(chunk)
		if err != nil {
			return err
		}
		rows, tables, err := j.target(inputs, nil)
		if err != nil {
			return err
		}
		query, err := j.checked(rows, map[string]bool{})
		if err != nil {
			return err
		}
		if _, err = j.t.opts.DB.Query(j.ctx, "SELECT count(*) FROM ("+query+")", tables...); err != nil {
			return err
		}
		drop(inputs)
	}
	return nil
}
