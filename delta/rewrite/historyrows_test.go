package rewrite

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

// batch makes rows of some columns.
func (h *history) batch(keys []string, rows []modelRow) Rows {
	h.Helper()
	schema := &columnar.Schema{}
	for _, key := range keys {
		f := h.model.column(key).field()
		f.Nullable, f.Metadata = true, nil
		schema.Fields = append(schema.Fields, f)
	}
	b := columnar.NewBuilder(schema)
	for _, r := range rows {
		values := make([]any, len(keys))
		for i, key := range keys {
			values[i] = r[key]
		}
		h.must(b.Append(values...))
	}
	return Rows{Schema: schema, Rows: []*columnar.Batch{b.Batch()}}
}

// given are columns that rows are written with: all but identities and sometimes others.
func (h *history) given() (keys []string) {
	for _, c := range h.model.columns {
		switch {
		case c.key == "k", c.key == "v":
		case c.identity, c.generated && h.chance(2), h.chance(5):
			continue
		}
		keys = append(keys, c.key)
	}
	if h.chance(3) {
		h.rng.Shuffle(len(keys), func(i, k int) { keys[i], keys[k] = keys[k], keys[i] })
	}
	return keys
}

// some makes new rows with values of the given columns.
func (h *history) some(n int, keys []string) []modelRow {
	rows := make([]modelRow, n)
	for i := range rows {
		h.next++
		rows[i] = h.row(h.next, keys)
	}
	return rows
}

func (h *history) row(k int64, keys []string) modelRow {
	r := modelRow{"k": k}
	for _, key := range keys {
		if key != "k" {
			r[key] = h.value(key)
		}
	}
	if v, ok := r["v"].(int64); ok && slices.Contains(keys, "g") {
		r["g"] = 2 * v
	} else if slices.Contains(keys, "g") {
		r["g"] = nil
	}
	return r
}

// selected are the rows that a condition is true for.
func (h *history) selected(c condition) (rows []modelRow) {
	for _, k := range slices.Sorted(maps.Keys(h.model.rows)) {
		if r := h.model.rows[k]; c.is(r) {
			rows = append(rows, r)
		}
	}
	return rows
}

func (h *history) remove(rows []modelRow) {
	for _, r := range rows {
		delete(h.model.rows, r["k"].(int64))
	}
}

func (h *history) putAll(rows []modelRow) {
	for _, r := range rows {
		h.model.put(r)
	}
}

func (h *history) appendSome() {
	keys := h.given()
	rows := h.some(1+h.rng.IntN(30), keys)
	h.did("append %d rows of %v", len(rows), keys)
	_, err := h.table.Append(h.Context(), h.batch(keys, rows), WriteOptions{})
	h.must(err)
	h.putAll(rows)
}

func (h *history) overwriteSome() {
	keys := h.given()
	rows := h.some(1+h.rng.IntN(6), keys)
	switch h.rng.IntN(4) {
	case 0:
		h.did("overwrite all with %d rows of %v", len(rows), keys)
		_, err := h.table.Overwrite(h.Context(), h.batch(keys, rows), WriteOptions{})
		h.must(err)
		clear(h.model.rows)
	case 1:
		h.did("overwrite partitions with %d rows of %v", len(rows), keys)
		_, err := h.table.Overwrite(h.Context(), h.batch(keys, rows), WriteOptions{Dynamic: true})
		h.must(err)
		new := h.model.clone()
		clear(new.rows)
		for _, r := range rows {
			new.put(r)
		}
		hit := map[string]bool{}
		for _, r := range new.rows {
			hit[h.model.partition(r)] = true
		}
		h.remove(h.selected(condition{is: func(r modelRow) bool { return hit[h.model.partition(r)] }}))
	default:
		c := h.condition()
		new := h.model.clone()
		rows = slices.DeleteFunc(rows, func(r modelRow) bool {
			new.put(r)
			return !c.is(new.rows[r["k"].(int64)])
		})
		h.did("overwrite where %s with %d rows of %v", c.text, len(rows), keys)
		_, err := h.table.Overwrite(h.Context(), h.batch(keys, rows), WriteOptions{Where: h.where(c.text)})
		h.must(err)
		h.remove(h.selected(c))
	}
	h.putAll(rows)
}

func (h *history) deleteSome() {
	c := h.condition()
	h.did("delete %s", c.text)
	_, err := h.table.Delete(h.Context(), h.where(c.text), "")
	h.must(err)
	h.remove(h.selected(c))
}

func (h *history) updateSome() {
	c := h.condition()
	v := h.model.name("v")
	set := []string{"v", v + " + 1"}
	value := h.value("p")
	if h.chance(3) {
		set = append(set, "p", "NULL")
		if value != nil {
			set[3] = literal(value)
		}
	}
	h.did("update %s=%s where %s", set[0], strings.Join(set[1:], " "), c.text)
	for i := 0; i < len(set); i += 2 {
		set[i] = h.model.column(set[i]).name
	}
	_, err := h.table.Update(h.Context(), h.set(set...), h.where(c.text), "")
	h.must(err)
	for _, r := range h.selected(c) {
		new := modelRow{"k": r["k"], "v": nil}
		if v, ok := r["v"].(int64); ok {
			new["v"] = v + 1
		}
		if len(set) > 2 {
			new["p"] = value
		}
		h.model.put(new)
	}
}

// mergeSome merges new rows and some that are there.
func (h *history) mergeSome() {
	keys := h.given()
	source := h.some(h.rng.IntN(4), keys)
	for _, k := range slices.Sorted(maps.Keys(h.model.rows)) {
		if len(source) < 9 && h.chance(4) {
			source = append(source, h.row(k, keys))
		}
	}
	k, v := h.model.name("k"), h.model.name("v")
	deletes, all, orphans, inserts := h.chance(2), h.chance(2), h.chance(3), h.chance(2)
	var clauses []MergeClause
	if deletes {
		clauses = append(clauses, MergeClause{Match: Matched, And: h.expr("s." + v + " > 10"), Delete: true})
	}
	update := MergeClause{Match: Matched, All: all}
	if !all {
		update.Set = h.set(h.model.column("v").name, "s."+v+" + t."+v)
	}
	clauses = append(clauses, update)
	if inserts {
		clauses = append(clauses, MergeClause{Match: NotMatched, And: h.expr("s." + k + " % 2 = 0"), All: true})
	}
	if orphans {
		clauses = append(clauses, MergeClause{Match: NotMatchedBySource, And: h.expr("t." + v + " = 3"), Delete: true})
	}
	h.did("merge %d rows of %v: deletes %v, all %v, orphans %v, inserts %v", len(source), keys, deletes, all, orphans, inserts)
	_, err := h.table.Merge(h.Context(), h.batch(keys, source), MergeOptions{Target: "t", Source: "s", On: h.where("t." + k + " = s." + k), Clauses: clauses})
	h.must(err)
	touched := map[int64]bool{}
	for _, s := range source {
		k := s["k"].(int64)
		touched[k] = true
		old := h.model.rows[k]
		switch {
		case old == nil && inserts && k%2 == 0:
			h.model.put(s)
		case old == nil:
		case deletes && isNumber(s["v"], func(v int64) bool { return v > 10 }):
			delete(h.model.rows, k)
		case all:
			h.model.put(s)
		default:
			sum := any(nil)
			if a, ok := s["v"].(int64); ok && old["v"] != nil {
				sum = a + old["v"].(int64)
			}
			h.model.put(modelRow{"k": k, "v": sum})
		}
	}
	if orphans {
		h.remove(h.selected(condition{is: func(r modelRow) bool { return !touched[r["k"].(int64)] && r["v"] == int64(3) }}))
	}
}

// violate tries to write what the table does not allow: nothing changes.
func (h *history) violate() {
	bad := modelRow{"k": h.next + 1, "v": int64(1_000_000)}
	if h.model.props["delta.constraints.small"] == "" {
		bad = modelRow{"k": nil, "v": int64(1)}
	}
	h.did("append %v, which breaks a rule", bad)
	_, err := h.table.Append(h.Context(), h.batch([]string{"v", "k"}, []modelRow{bad}), WriteOptions{})
	if !errors.Is(err, ErrViolation) {
		h.fail("a row that breaks a rule: %v", err)
	}
	if h.model.props["delta.constraints.small"] == "" || len(h.model.rows) == 0 {
		return
	}
	_, err = h.table.Update(h.Context(), h.set(h.model.column("v").name, "1000000"), Condition{}, "")
	if !errors.Is(err, ErrViolation) {
		h.fail("rows updated to break a rule: %v", err)
	}
	if h.model.column("id") != nil {
		_, err := h.table.Append(h.Context(), h.batch([]string{"k", "id"}, []modelRow{{"k": h.next + 1, "id": int64(1)}}), WriteOptions{})
		if !errors.Is(err, delta.ErrInvalid) {
			h.fail("a value for an identity column: %v", err)
		}
	}
}
