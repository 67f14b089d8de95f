package rewrite

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// alter changes what the table is.
func (h *history) alter() {
	a := Alteration{Properties: map[string]string{}}
	mapped := h.model.props["delta.columnMapping.mode"] != ""
	switch h.rng.IntN(8) {
	case 0, 1:
		name := []string{"delta.enableDeletionVectors", "delta.enableChangeDataFeed"}[h.rng.IntN(2)]
		a.Properties[name] = fmt.Sprint(h.model.props[name] != "true")
	case 2:
		a.Properties["delta.constraints.small"] = ""
		if h.model.props["delta.constraints.small"] == "" {
			a.Properties["delta.constraints.small"] = "v IS NULL OR v < 1000"
			if h.model.column("v").name != "v" {
				return
			}
			if len(h.selected(condition{is: func(r modelRow) bool { return isNumber(r["v"], func(v int64) bool { return v >= 1000 }) }})) > 0 {
				h.did("set %v, which rows break", a.Properties)
				if _, err := h.table.Alter(h.Context(), a); !errors.Is(err, ErrViolation) {
					h.fail("a constraint that rows break: %v", err)
				}
				return
			}
		}
	case 3, 4:
		if h.model.column("w") == nil {
			h.addColumn()
			return
		}
		h.widen("w", "int")
		return
	case 5:
		if h.model.column("l") != nil && h.chance(2) {
			h.widen("l", "array<struct<x:bigint,y:string>>")
			return
		}
		if h.model.column("s") != nil && h.chance(2) {
			h.widen("s", "struct<a:bigint,b:string>")
			return
		}
		h.widen("v", "bigint")
		return
	case 6:
		if mapped {
			h.rename()
			return
		}
		a.Properties["weir.note"] = fmt.Sprint(h.next)
	default:
		if mapped && h.model.column("w") != nil {
			h.did("drop w")
			_, err := h.table.Alter(h.Context(), Alteration{Drop: []string{h.model.column("w").name}})
			h.must(err)
			h.model.columns = slices.DeleteFunc(h.model.columns, func(c modelColumn) bool { return c.key == "w" })
			for _, r := range h.model.rows {
				delete(r, "w")
			}
			return
		}
		a.Properties["delta.checkpointInterval"] = fmt.Sprint(1 + h.rng.IntN(6))
	}
	h.did("set %v", a.Properties)
	_, err := h.table.Alter(h.Context(), a)
	h.must(err)
	for name, value := range a.Properties {
		if h.model.props[name] = value; value == "" {
			delete(h.model.props, name)
		}
	}
}

// addColumn adds column w, with a default, by a statement or by rows that have it.
func (h *history) addColumn() {
	w := modelColumn{key: "w", name: "w", typ: "smallint"}
	if h.chance(2) {
		h.model.columns = append(h.model.columns, w)
		keys := h.given()
		if !slices.Contains(keys, "w") {
			keys = append(keys, "w")
		}
		rows := h.some(1+h.rng.IntN(5), keys)
		h.did("append %d rows of %v, which has w", len(rows), keys)
		_, err := h.table.Append(h.Context(), h.batch(keys, rows), WriteOptions{MergeSchema: true})
		h.must(err)
		h.putAll(rows)
		return
	}
	if h.chance(2) {
		w.byDefault = int64(42)
	}
	h.did("add %+v", w)
	schema := h.tableSchema()
	schema.Fields = append(schema.Fields, w.field())
	_, err := h.table.Alter(h.Context(), Alteration{Schema: schema})
	h.must(err)
	h.model.columns = append(h.model.columns, w)
}

// widen gives a column a wider type, by a statement or by rows that have it.
func (h *history) widen(key, to string) {
	c := h.model.column(key)
	if c.typ == to || h.model.column("g") != nil || slices.Contains(h.model.by, key) {
		return
	}
	c.typ = to
	if h.chance(2) {
		keys := []string{"k", key}
		rows := h.some(1+h.rng.IntN(5), keys)
		if to == "bigint" && h.model.props["delta.constraints.small"] == "" {
			rows[0][key] = int64(1) << 40
		}
		h.did("append %d rows, which widen %s", len(rows), key)
		_, err := h.table.Append(h.Context(), h.batch(keys, rows), WriteOptions{MergeSchema: true})
		h.must(err)
		h.putAll(rows)
		return
	}
	h.did("widen %s", key)
	schema := h.tableSchema()
	i := schema.Index(c.name)
	schema.Fields[i].Type = retyped(schema.Fields[i].Type, c.field().Type)
	_, err := h.table.Alter(h.Context(), Alteration{Schema: schema})
	h.must(err)
}

// retyped is a type with the kinds of another of the same shape, and its own metadata.
func retyped(t, kinds columnar.Type) columnar.Type {
	t.Kind, t.Fields = kinds.Kind, slices.Clone(t.Fields)
	for i := range t.Fields {
		t.Fields[i].Type = retyped(t.Fields[i].Type, kinds.Fields[i].Type)
	}
	return t
}

// rename gives a column that no rule names another name.
func (h *history) rename() {
	free := func(c *modelColumn) bool {
		return !c.generated && c.key != "k" && (c.key != "v" || h.model.column("g") == nil && h.model.props["delta.constraints.small"] == "")
	}
	c := &h.model.columns[h.rng.IntN(len(h.model.columns))]
	if !free(c) {
		return
	}
	to := []string{c.key, "The " + c.key, c.key + "=" + fmt.Sprint(h.next)}[h.rng.IntN(3)]
	if to == c.name {
		return
	}
	h.did("rename %s to %s", c.name, to)
	_, err := h.table.Alter(h.Context(), Alteration{Rename: map[string]string{c.name: to}})
	h.must(err)
	c.name = to
}

func (h *history) optimize() {
	if h.chance(4) {
		h.did("compact")
		_, err := h.table.NewCompactor(CompactorOptions{Together: 2}).Run(h.Context(), nil)
		h.must(err)
		return
	}
	opts := OptimizeOptions{Purge: h.chance(2)}
	if h.chance(3) {
		for _, key := range []string{"k", "v"} {
			if !slices.Contains(h.model.by, key) {
				opts.ZOrderBy = append(opts.ZOrderBy, h.model.column(key).name)
			}
		}
	}
	h.did("optimize %v, purge %v", opts.ZOrderBy, opts.Purge)
	_, err := h.table.Optimize(h.Context(), opts)
	h.must(err)
}

// vacuum removes all that the newest version does not need.
func (h *history) vacuum() {
	h.did("vacuum")
	_, err := h.table.table.Vacuum(h.Context(), delta.VacuumOptions{Force: true, NoRetention: true})
	h.must(err)
	needed := map[string]bool{}
	for f, err := range h.snapshot().Files(nil) {
		h.must(err)
		needed[f.Path] = true
	}
	for _, key := range h.objects() {
		if !needed[key] && !strings.HasSuffix(key, ".bin") {
			h.fail("%s is still there after a vacuum", key)
		}
	}
	maps.DeleteFunc(h.versions, func(v int64, _ *model) bool { return v < h.version })
}

// restore makes the table what it was at a version that can be read.
func (h *history) restore() {
	all := slices.Sorted(maps.Keys(h.versions))
	to := all[h.rng.IntN(len(all))]
	h.did("restore %d", to)
	_, err := h.table.table.Restore(h.Context(), to, delta.RestoreOptions{})
	h.must(err)
	h.model = h.versions[to].clone()
}

// reopen goes on with another handle, sometimes after a checkpoint.
func (h *history) reopen() {
	h.did("reopen")
	if h.chance(2) {
		_, err := h.table.table.Checkpoint(h.Context())
		h.must(err)
	}
	h.open()
}

// tableSchema is a copy of the table's schema, with all metadata.
func (h *history) tableSchema() *columnar.Schema {
	return &columnar.Schema{Fields: slices.Clone(h.snapshot().Schema().Fields)}
}
