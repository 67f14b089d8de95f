package rewrite

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-data/weir/columnar"
)

// model is what a table must be: its columns and its rows, in Go's values.
type model struct {
	columns []modelColumn
	by      []string           // keys of partition columns
	rows    map[int64]modelRow // by k, which no two rows share
	props   map[string]string
}

// modelColumn is a column. Its key stays when it is renamed.
type modelColumn struct {
	key, name, typ string
	generated      bool // v * 2
	identity       bool
	byDefault      any // of rows that lack it
}

// modelRow are values by the keys of columns: nil, int64, string, map[string]any. What is missing is null.
type modelRow map[string]any

// pending is the value of an identity column before it was read back.
type pending struct{}

func (m *model) clone() *model {
	out := &model{columns: slices.Clone(m.columns), by: slices.Clone(m.by), rows: make(map[int64]modelRow, len(m.rows)), props: maps.Clone(m.props)}
	for k, r := range m.rows {
		out.rows[k] = maps.Clone(r)
	}
	return out
}

func (m *model) column(key string) *modelColumn {
	for i := range m.columns {
		if m.columns[i].key == key {
			return &m.columns[i]
		}
	}
	return nil
}

// name is a column as expressions have it.
func (m *model) name(key string) string { return quoteName(m.column(key).name) }

func (m *model) schema() *columnar.Schema {
	out := &columnar.Schema{}
	for _, c := range m.columns {
		out.Fields = append(out.Fields, c.field())
	}
	return out
}

func (c *modelColumn) field() columnar.Field {
	t, err := columnar.ParseType(c.typ)
	if err != nil {
		panic(err)
	}
	f := columnar.Field{Name: c.name, Type: t, Nullable: c.key != "k"}
	switch {
	case c.generated:
		f.Metadata = map[string]any{metaGenerated: "v * 2"}
	case c.identity:
		f.Metadata = map[string]any{metaIDStart: int64(idStart), metaIDStep: int64(idStep), metaIDExplicit: false}
	case c.byDefault != nil:
		f.Metadata = map[string]any{metaDefault: fmt.Sprint(c.byDefault)}
	}
	return f
}

const idStart, idStep = 100, 7

// put inserts a row of which some values are given, or changes them.
func (m *model) put(given modelRow) {
	r := m.rows[given["k"].(int64)]
	fresh := r == nil
	if fresh {
		r = modelRow{}
		m.rows[given["k"].(int64)] = r
	}
	for _, c := range m.columns {
		v, ok := given[c.key]
		switch {
		case ok:
			r[c.key] = v
		case fresh && c.identity:
			r[c.key] = pending{}
		case fresh && c.byDefault != nil:
			r[c.key] = c.byDefault
		}
		if v, ok := r["v"].(int64); ok && c.generated {
			r[c.key] = 2 * v
		} else if c.generated {
			r[c.key] = nil
		}
		if r[c.key] == "" && slices.Contains(m.by, c.key) {
			r[c.key] = nil // partition values cannot tell
		}
	}
}

// partition is the place of a row.
func (m *model) partition(r modelRow) string {
	var values []any
	for _, key := range m.by {
		values = append(values, r[key])
	}
	return line(values...)
}

// text is a row as a JSON list in the order of columns.
func (m *model) text(r modelRow) string {
	values := make([]any, len(m.columns))
	for i, c := range m.columns {
		values[i] = r[c.key]
	}
	return line(values...)
}

func (m *model) lines() []string {
	out := make([]string, 0, len(m.rows))
	for _, r := range m.rows {
		out = append(out, m.text(r))
	}
	slices.Sort(out)
	return out
}

// holds says whether a model has the columns of another, by whatever names and of types that are as wide: changes are told in them.
func (m *model) holds(o *model) bool {
	wide := func(t string) int {
		return 2*strings.Count(t, "bigint") + strings.Count(t, "int") - strings.Count(t, "smallint")
	}
	return slices.EqualFunc(m.columns, o.columns, func(a, b modelColumn) bool { return a.key == b.key && wide(a.typ) >= wide(b.typ) })
}

func (m *model) String() string {
	var all []string
	for _, c := range m.columns {
		all = append(all, c.name+" "+c.typ)
	}
	return fmt.Sprintf("%s; by %v; %v", strings.Join(all, ", "), m.by, m.props)
}

// condition is one over the columns of a table, and what the model makes of it.
type condition struct {
	text string
	is   func(modelRow) bool
}

// number is a value that is not null.
func isNumber(v any, ok func(int64) bool) bool {
	n, number := v.(int64)
	return number && ok(n)
}

// condition is one by chance.
func (h *history) condition() condition {
	n := int64(h.rng.IntN(20))
	k, v, p := h.model.name("k"), h.model.name("v"), h.model.name("p")
	switch h.rng.IntN(8) {
	case 0, 1:
		want := h.value("p")
		if want == nil || want == "" && slices.Contains(h.model.by, "p") {
			return condition{p + " IS NULL", func(r modelRow) bool { return r["p"] == nil }}
		}
		return condition{p + " = " + literal(want), func(r modelRow) bool { return r["p"] == want }}
	case 2:
		return condition{fmt.Sprintf("%s < %d", v, n), func(r modelRow) bool {
			return isNumber(r["v"], func(v int64) bool { return v < n })
		}}
	case 3:
		return condition{fmt.Sprintf("%s %% 3 = %d AND (%s IS NOT NULL OR %s > 5)", k, n%3, p, v), func(r modelRow) bool {
			return r["k"].(int64)%3 == n%3 && (r["p"] != nil || isNumber(r["v"], func(v int64) bool { return v > 5 }))
		}}
	case 4:
		if h.model.column("g") != nil {
			return condition{fmt.Sprintf("%s >= %d", h.model.name("g"), n), func(r modelRow) bool {
				return isNumber(r["g"], func(v int64) bool { return v >= n })
			}}
		}
	case 5:
		if h.model.column("s") != nil {
			return condition{fmt.Sprintf("%s.a = %d", h.model.name("s"), n%4), func(r modelRow) bool {
				s, ok := r["s"].(map[string]any)
				return ok && isNumber(s["a"], func(v int64) bool { return v == n%4 })
			}}
		}
	}
	from := int64(h.rng.IntN(int(h.next) + 1))
	return condition{fmt.Sprintf("%s BETWEEN %d AND %d", k, from, from+n/4), func(r modelRow) bool {
		k := r["k"].(int64)
		return from <= k && k <= from+n/4
	}}
}

func literal(v any) string {
	if s, ok := v.(string); ok {
		return quoteText(s)
	}
	return fmt.Sprint(v)
}

// value is one of a column by chance.
func (h *history) value(key string) any {
	if h.rng.IntN(6) == 0 {
		return nil
	}
	switch key {
	case "p":
		if h.model.column("p").typ == "string" {
			return []string{"a", "b c", "ü/=%20", ""}[h.rng.IntN(4)]
		}
		return int64(h.rng.IntN(3))
	case "s":
		s := map[string]any{"a": nil, "b": []any{nil, "x", ""}[h.rng.IntN(3)]}
		if h.rng.IntN(4) > 0 {
			s["a"] = int64(h.rng.IntN(4))
		}
		return s
	case "l":
		list := []any{}
		for range h.rng.IntN(3) {
			list = append(list, map[string]any{"x": int64(h.rng.IntN(9)), "y": "z"})
		}
		return list
	}
	return int64(h.rng.IntN(20))
}
